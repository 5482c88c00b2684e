//! The small JSON objects of a registry.

use bytes::Bytes;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::container::FORMAT_VERSION;
use crate::info::{Golden, SpecIdentity};
use crate::json;
use crate::registry::RegistryError;
use crate::version::Version;

/// Why a version became live, or stopped a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommitKind {
    /// A new model.
    Publish,
    /// An old model again, by a person.
    Rollback,
    /// The same model; automatic publishes may commit again.
    Release,
}

/// One record of the log that says what is live: the newest is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Commit {
    /// Number in the log, from 1, without gaps.
    pub n: u64,
    /// Unique to the attempt that wrote the record.
    pub commit_id: String,
    /// Why it was written.
    pub kind: CommitKind,
    /// The version that it makes live.
    pub version: Version,
    /// SHA-256 of that version's manifest.
    pub manifest_sha256: String,
    /// While set, automatic publishes do not commit.
    pub hold: bool,
    /// Epoch of the trainer; a trainer of an earlier epoch is refused.
    pub epoch: u64,
    /// Fingerprint of the version's specification.
    pub spec_fingerprint: String,
    /// UTC time by the writer's clock, never before the record before.
    pub committed_at: String,
    /// What a person wrote on a rollback or release.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Name within the version.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of all bytes, as 64 hexadecimal digits.
    pub sha256: String,
}

/// What a model's version consists of; written once, after the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// Format version of this record.
    pub format: u32,
    /// Oldest reader that may read it.
    pub min_reader: u32,
    /// Language of the events.
    pub language: String,
    /// The version.
    pub version: Version,
    /// The model file.
    pub file: FileEntry,
    /// Newest commit when the manifest was written, 0 if none: the version is committed after it.
    pub base_commit: u64,
    /// Version that was live then.
    pub parent: Option<Version>,
    /// Epoch of the trainer.
    pub epoch: u64,
    /// Sequence number of the checkpoint that holds the same state, if any.
    pub checkpoint: Option<u64>,
    /// Version of the statistics given to the run, if any.
    pub statistics_version: Option<Version>,
    /// Specification of the positions.
    pub spec: SpecIdentity,
    /// Events learned from.
    pub events_learned: u64,
    /// Events with the probability that a right load gives.
    pub golden: Vec<Golden>,
}

/// What a version of a specification, of statistics or of code consists of; written last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FolderManifest {
    /// Format version of this record.
    pub format: u32,
    /// Oldest reader that may read it.
    pub min_reader: u32,
    /// `spec`, `stats` or `code`.
    pub kind: String,
    /// Language, which code does not have.
    pub language: Option<String>,
    /// The version.
    pub version: Version,
    /// Its files, by name.
    pub files: Vec<FileEntry>,
}

/// A record as canonical JSON with a line feed.
pub(crate) fn encode(key: &Path, record: &impl Serialize) -> Result<Bytes, RegistryError> {
    match json::to_canonical(record) {
        Ok(text) => Ok(Bytes::from(text + "\n")),
        Err(error) => Err(RegistryError::Damaged {
            key: key.to_string(),
            reason: error.to_string(),
        }),
    }
}

/// Decodes a record, refusing repeated keys.
pub(crate) fn decode<T: DeserializeOwned>(key: &Path, bytes: &[u8]) -> Result<T, RegistryError> {
    let damaged = |reason: String| RegistryError::Damaged {
        key: key.to_string(),
        reason,
    };
    let text = std::str::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
    json::check_unique_keys(text).map_err(damaged)?;
    serde_json::from_str(text).map_err(|error| damaged(error.to_string()))
}

/// Refuses a record for newer readers.
pub(crate) fn check_reader(key: &Path, min_reader: u32) -> Result<(), RegistryError> {
    if min_reader <= FORMAT_VERSION {
        return Ok(());
    }
    let reason = format!("needs a reader of format {min_reader}, this one reads {FORMAT_VERSION}");
    Err(RegistryError::Damaged {
        key: key.to_string(),
        reason,
    })
}
