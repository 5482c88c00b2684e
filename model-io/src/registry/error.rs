//! Why a registry operation failed.

use crate::error::{DecodeError, EncodeError, FileError};
use crate::version::{NameError, Version};

/// Why a registry operation failed.
///
/// After any of these nothing that was live has stopped being live.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The store failed, and repeating did not help.
    #[error("{action} `{key}`")]
    Store {
        /// What was being done: `reading`, `listing`, …
        action: &'static str,
        /// Object key.
        key: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// A conditional write may or may not have been applied; nothing was deleted.
    #[error("`{key}` may or may not have been written; run the same command again to find out")]
    OutcomeUnknown {
        /// Object key.
        key: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// A version, language or file name cannot stand in an object key.
    #[error("refused")]
    Name {
        /// Which one and why.
        source: NameError,
    },
    /// What was asked for is not there.
    #[error("{what} is not there: no `{key}`")]
    NotFound {
        /// What was asked for.
        what: String,
        /// Object key.
        key: String,
    },
    /// An object is there but is not what it must be.
    #[error("`{key}` is damaged: {reason}")]
    Damaged {
        /// Object key.
        key: String,
        /// How it is damaged.
        reason: String,
    },
    /// The version is taken by other content.
    #[error("version {version} is already there with other content at `{key}`")]
    VersionTaken {
        /// The version.
        version: Version,
        /// Object key.
        key: String,
    },
    /// A trainer of a later epoch has taken over; this one must stop.
    #[error("fenced: epoch {epoch} is behind epoch {current} of `{key}`")]
    Fenced {
        /// Epoch of this writer.
        epoch: u64,
        /// Epoch of the newest record.
        current: u64,
        /// Key of the newest record.
        key: String,
    },
    /// Services run under another specification.
    #[error(
        "the live model {live} has spec {live_fingerprint}, this one {fingerprint}: \
         services may not serve it; publish with an explicit permission"
    )]
    SpecChanged {
        /// The live version.
        live: Version,
        /// Fingerprint of its specification.
        live_fingerprint: String,
        /// Fingerprint of the specification of the model to publish.
        fingerprint: String,
    },
    /// Other writers won every attempt.
    #[error("lost {attempts} races for the next commit of `{key}`")]
    Contended {
        /// Attempts made.
        attempts: u32,
        /// Key of the log.
        key: String,
    },
    /// The store does not refuse to overwrite: commits could be lost on it.
    #[error("the store is unfit for a registry: {reason}")]
    UnfitStore {
        /// What the probe saw.
        reason: String,
    },
    /// The version is being deleted by a retention run.
    #[error("version {version} is being deleted by a retention run")]
    Retiring {
        /// The version.
        version: Version,
    },
    /// The model is not valid.
    #[error("model `{key}`")]
    Decode {
        /// Object key.
        key: String,
        /// What is wrong.
        source: DecodeError,
    },
    /// The snapshot is not valid.
    #[error("the snapshot was not published")]
    Encode {
        /// What is wrong.
        source: EncodeError,
    },
    /// A local file could not be read or written.
    #[error("local copy")]
    File {
        /// What happened.
        source: FileError,
    },
}
