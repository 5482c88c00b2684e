//! Why bytes are not a chunk.

use lr_core::RowError;

/// Why bytes could not be read as a chunk, or rows could not become one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The file does not begin or end as an Arrow IPC file does: it is something else, or cut.
    #[error("not a chunk, or cut short: {reason}")]
    NotAChunk {
        /// What is missing.
        reason: &'static str,
    },
    /// A checksum does not fit the bytes under it.
    #[error("checksum mismatch in {part}: the file says {expected}, its bytes give {actual}")]
    ChecksumMismatch {
        /// `the frame`, or which batch.
        part: String,
        /// The 8 digits in the file.
        expected: String,
        /// Those of the bytes.
        actual: String,
    },
    /// The metadata is not the JSON that the format asks for.
    #[error("invalid metadata: {reason}")]
    Metadata {
        /// What the parser says.
        reason: String,
    },
    /// The file was written for newer readers only.
    #[error(
        "the chunk needs a reader of format version {min_reader}, this one reads up to {supported}"
    )]
    UnsupportedVersion {
        /// Oldest reader that the file allows.
        min_reader: u32,
        /// Newest version that this crate reads.
        supported: u32,
    },
    /// The columns or buffers are not those of the format.
    #[error("invalid {part}: {reason}")]
    Layout {
        /// `schema`, `footer` or which batch.
        part: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such batch.
    #[error("batch {batch} of a chunk of {batches}")]
    NoSuchBatch {
        /// Index asked for.
        batch: usize,
        /// Batches of the chunk.
        batches: usize,
    },
    /// A row is out of order or range, or not finite.
    #[error("row {row} of its batch")]
    Row {
        /// 0-based row of the batch.
        row: usize,
        /// What is wrong with it.
        source: RowError,
    },
    /// More than one batch or file can hold.
    #[error("{what} beyond {limit} {unit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
}
