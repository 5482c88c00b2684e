//! How every program ends: exit code 0, 1 for bad data, 2 for wrong usage, 3 for a trainer that
//! another one has replaced, and one clear message.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

/// Why a program stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The command line asks for something that cannot be; exit code 2.
    #[error("{message}")]
    Usage {
        /// What is wrong and what would be right.
        message: String,
    },
    /// Another trainer has taken the run over; exit code 3, and no reason to start again.
    #[error("another trainer has taken this run over")]
    Fenced {
        /// Who, as the registry says it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file or a store holds something that cannot be used; exit code 1.
    #[error("{message}")]
    Data {
        /// What is wrong, with the file and the line or key.
        message: String,
        /// The error beneath, if there is one.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl Failure {
    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
        }
    }

    /// A later trainer writes this run now.
    pub fn fenced(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Fenced {
            source: source.into(),
        }
    }

    /// Bad data, without an error beneath.
    pub fn data(message: impl Into<String>) -> Self {
        Self::Data {
            message: message.into(),
            source: None,
        }
    }

    /// Bad data at a place (a file, a URL, an event), with the error beneath.
    pub fn at(
        place: impl std::fmt::Display,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Data {
            message: place.to_string(),
            source: Some(source.into()),
        }
    }

    /// Bad data in a file, with the error beneath.
    pub fn file(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::at(path.display(), source)
    }

    /// The exit code that belongs to this failure.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 2,
            Self::Data { .. } => 1,
            Self::Fenced { .. } => 3,
        }
    }

    /// The message with every error beneath it, as one line that starts with `error: `.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("error: {self}");
        let mut beneath = self.source();
        while let Some(error) = beneath {
            text.push_str(": ");
            text.push_str(&error.to_string());
            beneath = error.source();
        }
        text
    }
}

/// Ends a program: nothing on success, one message and the exit code of the failure otherwise.
#[must_use]
pub fn exit(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.render());
            ExitCode::from(failure.exit_code())
        }
    }
}
