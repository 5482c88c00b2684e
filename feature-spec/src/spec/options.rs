//! Where a spec comes from, and how large it may be.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One of the three sparse vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums)] // a model is made of these three
pub enum Vector {
    /// What the user is and did.
    User = 0,
    /// What the item is and what was done with it.
    Item = 1,
    /// Context, and crosses of user and item.
    Event = 2,
}

impl Vector {
    /// The three, in the order of the concatenated layout.
    pub const ALL: [Self; 3] = [Self::User, Self::Item, Self::Event];

    /// `user`, `item` or `event`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Item => "item",
            Self::Event => "event",
        }
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the three vectors share a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Layout {
    /// They use one space of `dimension` positions and must not overlap.
    #[default]
    Shared,
    /// User, item, event, one after the other: a row has 3 × `dimension` columns.
    Concatenated,
}

/// The rows that a mean and a deviation are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PopulationKind {
    /// All users.
    Users,
    /// All items.
    Items,
    /// All events.
    Events,
}

impl PopulationKind {
    /// `users`, `items` or `events`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Items => "items",
            Self::Events => "events",
        }
    }
}

/// Limits of what a spec may make a program read and allocate, and where vocabularies lie.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Directory that vocabularies and calendars are looked up in before the spec's own.
    pub vocabularies: Option<PathBuf>,
    /// Largest dimension of a vector, and largest vocabulary; 2²⁴ by default.
    pub max_dimension: u32,
    /// Largest spec file, in bytes; 16 MiB by default.
    pub max_file_bytes: u64,
    /// Largest vocabulary or calendar file, in bytes; 256 MiB by default.
    pub max_vocabulary_bytes: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            vocabularies: None,
            max_dimension: 1 << 24,
            max_file_bytes: 16 << 20,
            max_vocabulary_bytes: 256 << 20,
        }
    }
}

impl LoadOptions {
    /// Sets the directory that vocabularies are looked up in first.
    #[must_use]
    pub fn vocabularies(mut self, directory: impl Into<PathBuf>) -> Self {
        self.vocabularies = Some(directory.into());
        self
    }

    /// Sets the largest dimension.
    #[must_use]
    pub fn max_dimension(mut self, dimension: u32) -> Self {
        self.max_dimension = dimension.clamp(1, u32::MAX / 4);
        self
    }

    /// Sets the largest spec file, in bytes.
    #[must_use]
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes.min(u64::from(u32::MAX));
        self
    }

    /// Sets the largest vocabulary file, in bytes.
    #[must_use]
    pub fn max_vocabulary_bytes(mut self, bytes: u64) -> Self {
        self.max_vocabulary_bytes = bytes.min(u64::from(u32::MAX));
        self
    }
}

/// Where the files that a spec names come from.
///
/// Paths are relative, use `/`, and have no `.` or `..` parts. At most the limits of
/// [`LoadOptions`] are read.
pub trait Sources {
    /// Opens an included spec file.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    fn file(&self, path: &str) -> io::Result<Box<dyn Read + '_>>;

    /// Opens a vocabulary or a calendar.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    fn vocabulary(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        self.file(path)
    }
}

/// No files at all: everything must stand in the spec itself.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct NoFiles;

impl Sources for NoFiles {
    fn file(&self, _: &str) -> io::Result<Box<dyn Read + '_>> {
        let message = "the spec was read without a directory";
        Err(io::Error::new(io::ErrorKind::NotFound, message))
    }
}

/// Files in memory, by path.
impl Sources for BTreeMap<String, Vec<u8>> {
    fn file(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        let bytes = self
            .get(path)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Box::new(bytes.as_slice()))
    }
}

pub(super) struct Directory {
    pub(super) root: PathBuf,
    pub(super) vocabularies: Option<PathBuf>,
}

impl Sources for Directory {
    fn file(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(std::fs::File::open(self.root.join(path))?))
    }

    fn vocabulary(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        if let Some(directory) = &self.vocabularies {
            match std::fs::File::open(directory.join(path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return Ok(Box::new(other?)),
            }
        }
        self.file(path)
    }
}
