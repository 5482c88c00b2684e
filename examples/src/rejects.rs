//! Rejects: input that could not be used, counted by reason and set aside with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::Failure;
use crate::compressed::{CompressedFile, Compression};

/// Records before which no share of rejects is judged.
pub const JUDGED_FROM: u64 = 1_000;

/// Longest text of a reject that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 64 << 10;

/// Counts rejects and writes them to a file of JSON Lines, one object a reject with `source`,
/// `line`, `reason`, `detail` and `text`.
///
/// The file is created with the first reject and appears whole when finished.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    source: String,
    max_share: f64,
    by_reason: BTreeMap<&'static str, u64>,
    file: Option<CompressedFile>,
}

#[derive(Debug, Serialize)]
struct Record<'a> {
    source: &'a str,
    line: u64,
    reason: &'a str,
    detail: &'a str,
    text: &'a str,
}

impl Rejects {
    /// Prepares to write to `path`; `source` names the input in each reject.
    ///
    /// `max_share`: the share of rejects, from 0 to 1, beyond which [`Rejects::judge`] stops the
    /// job.
    #[must_use]
    pub fn new(path: &Path, source: impl std::fmt::Display, max_share: f64) -> Self {
        Self {
            path: path.to_owned(),
            source: source.to_string(),
            max_share,
            by_reason: BTreeMap::new(),
            file: None,
        }
    }

    /// Counts and writes a reject.
    ///
    /// `reason` is one of a few words to count by, `detail` says what is wrong with this one,
    /// `line` is its line from 1 or 0 when the format has none.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn push(
        &mut self,
        reason: &'static str,
        detail: &str,
        line: u64,
        text: &[u8],
    ) -> Result<(), Failure> {
        *self.by_reason.entry(reason).or_insert(0) += 1;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(CompressedFile::create(&self.path, Compression::None)?),
        };
        let text = String::from_utf8_lossy(text.get(..MAX_TEXT_BYTES).unwrap_or(text));
        let record = Record {
            source: &self.source,
            line,
            reason,
            detail,
            text: &text,
        };
        let mut bytes =
            serde_json::to_vec(&record).map_err(|source| Failure::file(&self.path, source))?;
        bytes.push(b'\n');
        file.write_all(&bytes)
    }

    /// Stops the job when too much was rejected: a share above the limit of `records`, the number
    /// read so far, judged from [`JUDGED_FROM`] records on.
    ///
    /// # Errors
    ///
    /// The share is above the limit; the message tells the reasons. What was set aside so far is
    /// in its file.
    pub fn judge(&mut self, records: u64) -> Result<(), Failure> {
        let rejected = self.total();
        if records < JUDGED_FROM || rejected as f64 <= self.max_share * records as f64 {
            return Ok(());
        }
        let message = format!(
            "{}: {rejected} of {records} records rejected ({}), more than the share of {} that is \
             allowed; see {}",
            self.source,
            self.describe(),
            self.max_share,
            self.path.display()
        );
        self.file.take().map_or(Ok(()), CompressedFile::finish)?;
        Err(Failure::data(message))
    }

    /// Closes the file and returns how often each reason occurred.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn finish(self) -> Result<BTreeMap<&'static str, u64>, Failure> {
        self.file.map_or(Ok(()), CompressedFile::finish)?;
        Ok(self.by_reason)
    }

    /// Rejects so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.values().sum()
    }

    /// The reasons with their numbers, as text.
    #[must_use]
    pub fn describe(&self) -> String {
        let reasons = self.by_reason.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        reasons.join(", ")
    }
}
