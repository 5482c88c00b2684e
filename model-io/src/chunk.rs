//! Encoded events in a file that is mapped into memory.
//!
//! Reading and encoding an event costs about five times what learning from it does, so what was
//! encoded once is worth keeping: a trainer that runs again with other settings, or a worker that
//! encodes for a trainer elsewhere, hands on rows instead of text. A chunk holds the rows of one
//! source (an event file, a libsvm file), in order, transformed and not yet scaled, so that no
//! statistics are in it.
//!
//! A chunk is an [Arrow IPC file](https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format)
//! without compression and nulls: any Arrow library shows its columns. [`ChunkWriter`] writes it
//! whole or not at all; [`ChunkFile`] maps it, so that positions and values are slices of the page
//! cache and nothing is copied. What is mapped is trusted only after a check: the frame when the
//! file is opened, a batch each time it is asked for. Every byte is under one of the checksums.
//!
//! ```
//! use model_io::chunk::{ChunkFile, ChunkInfo, ChunkRow, ChunkRows, ChunkWriter};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("part-00000.arrow");
//! let mut rows = ChunkRows::new(100);
//! rows.push(&ChunkRow {
//!     positions: &[3, 14],
//!     values: &[1.0, 0.5],
//!     label: true,
//!     event_id: "e1",
//!     ..ChunkRow::default()
//! })?;
//! let mut writer = ChunkWriter::create(&path, &ChunkInfo::new(100))?;
//! writer.write(&rows)?;
//! writer.finish()?;
//!
//! let chunk = ChunkFile::open(&path)?;
//! let batch = chunk.batch(0)?;
//! assert_eq!(batch.row(0).values, [1.0, 0.5]);
//! assert_eq!(batch.row(0).event_id, "e1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Checksums
//!
//! CRC-32 (IEEE): a flipped bit and any change within 32 bits are found for certain, other damage
//! but for one case in 2³². It is there against damage, not against an adversary; a chunk is a cache
//! beside its source. It reads 400 MB in some 40 ms where SHA-256 takes 220 ms, which would be as
//! long as learning from the rows.

mod error;
mod layout;
mod read;
mod rows;
mod sums;
mod write;

use serde::{Deserialize, Serialize};

pub use self::error::ChunkError;
pub use self::read::{ChunkBatch, ChunkFile};
pub use self::rows::{ChunkRow, ChunkRows};
pub use self::write::ChunkWriter;

/// Newest version of the chunk format that this crate writes and reads.
pub const CHUNK_FORMAT_VERSION: u32 = 1;

/// Key of the metadata in the schema and in the footer.
const METADATA_KEY: &str = "ctr_predict";

/// What a chunk says about itself; whoever uses it as a cache compares this with what is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChunkInfo {
    /// Every position is below this.
    pub columns: u32,
    /// Language code of the events; empty when rows have none.
    pub language: String,
    /// Fingerprint of the specification that placed the features, 64 hexadecimal digits; empty when
    /// rows were not made from a specification.
    pub fingerprint: String,
    /// Fingerprint of placement and scaling together; empty likewise.
    pub scaling_fingerprint: String,
    /// What the rows were made from.
    pub source: ChunkSource,
}

/// What a chunk was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChunkSource {
    /// Path, URL or key.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// What changes when the content does: a digest, an `ETag` or a time of modification.
    pub tag: String,
}

impl ChunkInfo {
    /// Rows below `columns` from nowhere in particular.
    #[must_use]
    pub fn new(columns: u32) -> Self {
        Self {
            columns,
            language: String::new(),
            fingerprint: String::new(),
            scaling_fingerprint: String::new(),
            source: ChunkSource::default(),
        }
    }
}

impl ChunkSource {
    /// A source by name, length in bytes, and tag.
    pub fn new(name: impl Into<String>, size: u64, tag: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            size,
            tag: tag.into(),
        }
    }
}

/// The metadata of the schema.
#[derive(Debug, Serialize, Deserialize)]
struct SchemaMetadata {
    kind: String,
    format: u32,
    min_reader: u32,
    info: ChunkInfo,
}

/// The metadata of the footer. Its canonical JSON begins with the digits of the first checksum.
#[derive(Debug, Serialize, Deserialize)]
struct FooterMetadata {
    /// Checksum of every byte outside of the batches, with these digits as zeros.
    _crc32: String,
    /// Checksum of each batch.
    batches: Vec<String>,
    /// Note of each batch.
    notes: Vec<String>,
}

const KIND: &str = "chunk";
