//! Event files: `<root>/<language>/dt=YYYY-MM-DD/hour=HH/part-NNNNN.jsonl.zst`, hours in UTC.
//!
//! The order of a stream is the order of its files (hour, then part) and of the lines in them.
//! A file appears whole or not at all, so a reader that lists while a writer works sees only files
//! that it can read to the end.

mod listing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::cli::Failure;
use crate::compressed::CompressedFile;

pub use self::listing::{EventFile, EventListing};

const HOUR_MS: i64 = 3_600_000;

/// How event files are written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EventFilesConfig {
    /// Events in a part before the next part of the same hour begins.
    pub events_per_part: u64,
    /// Zstandard level, 1 (fast) to 19.
    pub compression_level: i32,
}

impl Default for EventFilesConfig {
    fn default() -> Self {
        Self {
            events_per_part: 100_000,
            compression_level: 1,
        }
    }
}

/// Writes events to files by hour.
#[derive(Debug)]
pub struct EventWriter {
    folder: PathBuf,
    config: EventFilesConfig,
    open: Option<Part>,
    parts: BTreeMap<i64, u32>,
    written: BTreeSet<PathBuf>,
    events: u64,
}

/// What an [`EventWriter`] wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventFilesSummary {
    /// Events in all files.
    pub events: u64,
    /// Files.
    pub files: u64,
    /// Event files of the same language that stand there from an earlier run and were not replaced:
    /// a trainer reads them too.
    pub older_files: u64,
}

#[derive(Debug)]
struct Part {
    hour: i64,
    events: u64,
    path: PathBuf,
    file: CompressedFile,
}

impl EventWriter {
    /// Prepares to write under `<root>/<language>`; the first event creates the first file.
    ///
    /// `root`: a folder, or the URL of one in an object store, where a part is held in memory,
    /// compressed, until it is put.
    ///
    /// # Errors
    ///
    /// `language` is not a plain name of letters, digits, `-` and `_`.
    pub fn new(root: &Path, language: &str, config: EventFilesConfig) -> Result<Self, Failure> {
        Ok(Self {
            folder: language_folder(root, language)?,
            config,
            open: None,
            parts: BTreeMap::new(),
            written: BTreeSet::new(),
            events: 0,
        })
    }

    /// Writes one event.
    ///
    /// `time_ms`: milliseconds since the Unix epoch. `line`: the event as JSON, without a line end.
    /// Events come in time order; a file is closed when an event of another hour comes.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn write(&mut self, time_ms: i64, line: &[u8]) -> Result<(), Failure> {
        let hour = time_ms.div_euclid(HOUR_MS);
        let full = self.config.events_per_part;
        if self
            .open
            .as_ref()
            .is_some_and(|part| part.hour != hour || part.events >= full)
        {
            self.close()?;
        }
        if self.open.is_none() {
            self.open = Some(self.start(hour)?);
        }
        let Some(part) = &mut self.open else {
            return Ok(());
        };
        part.file.write_all(line)?;
        part.file.write_all(b"\n")?;
        part.events += 1;
        self.events += 1;
        Ok(())
    }

    /// Closes the last file and tells what was written.
    ///
    /// # Errors
    ///
    /// A file cannot be written, or the folder cannot be listed.
    pub fn finish(mut self) -> Result<EventFilesSummary, Failure> {
        self.close()?;
        let all = match EventListing::within(self.folder)?.list(None) {
            Ok(files) => files,
            Err(_) if self.written.is_empty() => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let older = all.iter().filter(|file| !self.written.contains(&file.path));
        let older = older.count();
        Ok(EventFilesSummary {
            events: self.events,
            files: self.written.len() as u64,
            older_files: older as u64,
        })
    }

    fn start(&mut self, hour: i64) -> Result<Part, Failure> {
        let number = self.parts.entry(hour).or_insert(0);
        let path = self
            .folder
            .join(hour_folder(hour)?)
            .join(format!("part-{number:05}.jsonl.zst"));
        *number += 1;
        let file = CompressedFile::create_zstd(&path, self.config.compression_level)?;
        Ok(Part {
            hour,
            events: 0,
            path,
            file,
        })
    }

    fn close(&mut self) -> Result<(), Failure> {
        let Some(part) = self.open.take() else {
            return Ok(());
        };
        part.file.finish()?;
        self.written.insert(part.path);
        Ok(())
    }
}

/// Lists the event files of a language in stream order: by hour, then by part.
///
/// `root`: a folder, or the URL of one in an object store.
///
/// # Errors
///
/// - `language` is not a plain name.
/// - The folder cannot be read, or holds no event file.
pub fn list(root: &Path, language: &str) -> Result<Vec<PathBuf>, Failure> {
    let listing = EventListing::open(root, language)?;
    let files = listing.list(None)?;
    if files.is_empty() {
        return Err(Failure::file(
            listing.folder(),
            "holds no event files (dt=YYYY-MM-DD/hour=HH/part-NNNNN.jsonl.zst)",
        ));
    }
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// The hour that an event file is for, from its path, in hours since the Unix epoch.
#[must_use]
pub fn hour_of(path: &Path) -> Option<i64> {
    let hour = path.parent()?;
    let date = hour.parent()?.file_name()?.to_str()?.strip_prefix("dt=")?;
    let date: jiff::civil::Date = date.parse().ok()?;
    let hour: i8 = hour
        .file_name()?
        .to_str()?
        .strip_prefix("hour=")?
        .parse()
        .ok()?;
    let time = jiff::civil::Time::new(hour, 0, 0, 0).ok()?;
    let zoned = date
        .to_datetime(time)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()?;
    Some(zoned.timestamp().as_millisecond().div_euclid(HOUR_MS))
}

/// `dt=YYYY-MM-DD/hour=HH` of an hour since the Unix epoch.
fn hour_folder(hour: i64) -> Result<String, Failure> {
    let time = hour
        .checked_mul(HOUR_MS)
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .ok_or_else(|| Failure::data(format!("hour {hour} since 1970 is not a date")))?;
    Ok(time.strftime("dt=%Y-%m-%d/hour=%H").to_string())
}

fn language_folder(root: &Path, language: &str) -> Result<PathBuf, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if language.is_empty() || !language.bytes().all(plain) {
        return Err(Failure::usage(format!(
            "language {language:?} is not a name of letters, digits, `-` and `_`"
        )));
    }
    Ok(root.join(language))
}

/// Whether the key below a language's folder is that of an event file.
fn is_event_file(key: &str) -> bool {
    let mut parts = key.split('/');
    ["dt=", "hour=", "part-"]
        .iter()
        .all(|prefix| parts.next().is_some_and(|part| part.starts_with(prefix)))
        && parts.next().is_none()
}
