//! Structured logs on standard error, and how they get along with progress bars.
//!
//! Library code says `tracing::info!` with fields; a program calls [`init`] once and hands the
//! [`Progress`] that it gets to what it runs. No environment variable changes what is logged.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use indicatif::MultiProgress;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::{self, Failure};
use crate::progress::Progress;

/// How a line of the log looks.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Sends the logs of this process to standard error.
///
/// `level`: `error`, `warn`, `info`, `debug` or `trace`, or directives such as
/// `warn,pipeline=debug`. The returned progress shows bars on a terminal and logs its state
/// elsewhere, and every few seconds only, so that a log collector can read all of standard error.
///
/// # Errors
///
/// `level` is not one, or logs go somewhere already.
pub fn init(format: LogFormat, level: &str) -> Result<Progress, Failure> {
    let terminal = io::stderr().is_terminal();
    let bars = MultiProgress::new();
    let writer = BesideBars { bars: bars.clone() };
    tracing::subscriber::set_global_default(subscriber(format, level, terminal, writer)?)
        .map_err(|source| Failure::at("logging", source))?;
    Ok(if terminal && format == LogFormat::Text {
        Progress::bars(bars)
    } else {
        Progress::log()
    })
}

/// The subscriber of [`init`], with any writer.
///
/// # Errors
///
/// `level` is not one.
pub fn subscriber<W>(
    format: LogFormat,
    level: &str,
    colors: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, Failure>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(level).map_err(|source| {
        Failure::usage(format!(
            "--log {level}: not error, warn, info, debug, trace or directives: {source}"
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    Ok(match format {
        LogFormat::Text => Box::new(builder.with_ansi(colors).with_target(false).finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

/// Ends a program as [`cli::exit`] does; where logs are for machines, its message is one of them.
#[must_use]
pub fn exit(format: LogFormat, result: Result<(), Failure>) -> ExitCode {
    match (format, result) {
        (LogFormat::Json, Err(failure)) => {
            let (exit_code, text) = (failure.exit_code(), failure.render());
            tracing::error!(exit_code, "{}", text.trim_start_matches("error: "));
            ExitCode::from(exit_code)
        }
        (_, result) => cli::exit(result),
    }
}

/// Standard error with the bars taken away while a line is written.
#[derive(Debug, Clone)]
struct BesideBars {
    bars: MultiProgress,
}

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'w> MakeWriter<'w> for BesideBars {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}
