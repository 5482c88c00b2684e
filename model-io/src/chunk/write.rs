//! Chunks on their way to disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Int64Array, ListArray, RecordBatch, StringArray,
    UInt32Array,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{MetadataVersion, root_as_footer};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::layout::{self, CRC_DIGITS};
use super::rows::Ids;
use super::sums::{Summing, crc32, digits};
use super::{
    CHUNK_FORMAT_VERSION, ChunkError, ChunkInfo, ChunkRows, FooterMetadata, KIND, METADATA_KEY,
    SchemaMetadata,
};
use crate::error::FileError;
use crate::file::Replacement;
use crate::json;

/// Bytes to which buffers are aligned, so that a map of the file serves vector instructions.
const ALIGNMENT: usize = 64;

/// Bytes of notes that a chunk holds, all batches together.
pub(super) const MAX_NOTES: usize = 16 << 20;

/// Writes a chunk beside its place and puts it there when it is finished, so that a reader finds it
/// whole or not at all. Dropped before, it leaves nothing behind.
///
/// The same rows in the same batches give the same bytes.
pub struct ChunkWriter {
    file: Replacement,
    encoder: Encoder<BufWriter<File>>,
}

impl std::fmt::Debug for ChunkWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ChunkWriter")
            .field("file", &self.file)
            .field("batches", &self.encoder.metadata.batches.len())
            .finish_non_exhaustive()
    }
}

impl ChunkWriter {
    /// Starts a chunk that is to stand at `path`, over an older one.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`]: the file cannot be created beside `path`.
    pub fn create(path: impl AsRef<Path>, info: &ChunkInfo) -> Result<Self, FileError> {
        let path = path.as_ref();
        let (file, out) = Replacement::create(path)?;
        let encoder = Encoder::new(out, info).map_err(|failure| failure.at(path))?;
        Ok(Self { file, encoder })
    }

    /// Appends rows as one batch.
    ///
    /// # Errors
    ///
    /// - [`FileError::Io`]: the disk is full;
    /// - [`FileError::Chunk`]: the rows are of a batch with more columns, or notes grow beyond
    ///   16 MiB.
    pub fn write(&mut self, rows: &ChunkRows) -> Result<(), FileError> {
        let written = self.encoder.write(rows);
        written.map_err(|failure| failure.at(self.file.path()))
    }

    /// Puts the chunk in its place, with its bytes on disk.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`]: the disk is full, or the file cannot be renamed.
    pub fn finish(self) -> Result<(), FileError> {
        let Self { file, encoder } = self;
        let out = encoder
            .finish()
            .map_err(|failure| failure.at(file.path()))?;
        file.finish(out)
    }
}

/// Encodes a whole chunk in memory.
///
/// # Errors
///
/// Those of [`ChunkWriter::write`] that are not the disk's.
pub(super) fn to_bytes(info: &ChunkInfo, batches: &[ChunkRows]) -> Result<Vec<u8>, ChunkError> {
    let encoded = || {
        let mut encoder = Encoder::new(Vec::new(), info)?;
        for rows in batches {
            encoder.write(rows)?;
        }
        encoder.finish()
    };
    encoded().map_err(|failure| match failure {
        Failure::Chunk(error) => error,
        // Memory takes every byte.
        Failure::Io(error) => ChunkError::Metadata {
            reason: error.to_string(),
        },
    })
}

/// What may go wrong under way.
enum Failure {
    Io(io::Error),
    Chunk(ChunkError),
}

impl Failure {
    fn at(self, path: &Path) -> FileError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => FileError::Io {
                action: "writing",
                path,
                source,
            },
            Self::Chunk(source) => FileError::Chunk { path, source },
        }
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Io(error),
            other => Self::Chunk(ChunkError::Layout {
                part: "batch".to_owned(),
                reason: other.to_string(),
            }),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Chunk(ChunkError::Metadata {
            reason: error.to_string(),
        })
    }
}

/// Bytes of a chunk, in order.
struct Encoder<W: Write> {
    schema: SchemaRef,
    columns: u32,
    writer: FileWriter<Summing<W>>,
    frame: crc32fast::Hasher,
    metadata: FooterMetadata,
    notes: usize,
}

impl<W: Write> Encoder<W> {
    fn new(out: W, info: &ChunkInfo) -> Result<Self, Failure> {
        let metadata = json::to_canonical(&SchemaMetadata {
            kind: KIND.to_owned(),
            format: CHUNK_FORMAT_VERSION,
            min_reader: CHUNK_FORMAT_VERSION,
            info: info.clone(),
        })?;
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), metadata)]);
        let schema = Schema::new(fields()).with_metadata(metadata);
        let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
        let mut writer = FileWriter::try_new_with_options(Summing::new(out), &schema, options)?;
        Ok(Self {
            schema: Arc::new(schema),
            columns: info.columns,
            frame: writer.get_mut().take(),
            writer,
            metadata: FooterMetadata {
                _crc32: "0".repeat(CRC_DIGITS),
                batches: Vec::new(),
                notes: Vec::new(),
            },
            notes: 0,
        })
    }

    fn write(&mut self, rows: &ChunkRows) -> Result<(), Failure> {
        self.notes = self.notes.saturating_add(rows.note.len());
        if self.notes > MAX_NOTES {
            return Err(Failure::Chunk(ChunkError::TooLarge {
                what: "notes",
                limit: MAX_NOTES,
                unit: "bytes",
            }));
        }
        if rows.columns() > self.columns {
            return Err(Failure::Chunk(ChunkError::TooLarge {
                what: "columns of a batch",
                limit: self.columns as usize,
                unit: "columns of its chunk",
            }));
        }
        self.writer.write(&record_batch(&self.schema, rows)?)?;
        let sum = self.writer.get_mut().take();
        self.metadata.batches.push(digits(sum));
        self.metadata.notes.push(rows.note.clone());
        Ok(())
    }

    fn finish(mut self) -> Result<W, Failure> {
        self.writer.get_mut().begin_tail();
        self.writer
            .write_metadata(METADATA_KEY, json::to_canonical(&self.metadata)?);
        self.writer.finish()?;
        let (mut out, mut tail) = self.writer.into_inner()?.into_parts();
        let digits_at = layout::footer_of(&tail)
            .and_then(|footer| {
                let footer =
                    root_as_footer(footer).map_err(|error| layout::broken_footer(&error))?;
                layout::digits_at(&footer, &tail)
            })
            .map_err(Failure::Chunk)?;
        let mut sum = self.frame;
        sum.update(&tail);
        tail[digits_at].copy_from_slice(digits(sum).as_bytes());
        out.write_all(&tail).map_err(Failure::Io)?;
        out.flush().map_err(Failure::Io)?;
        Ok(out)
    }
}

/// The columns of a chunk, none of them with nulls.
pub(super) fn fields() -> Vec<Field> {
    let list = |name: &str, of: DataType| {
        let item = Field::new("item", of, false);
        Field::new(name, DataType::List(Arc::new(item)), false)
    };
    vec![
        list("positions", DataType::UInt32),
        list("values", DataType::Float32),
        Field::new("label", DataType::Boolean, false),
        Field::new("importance", DataType::Float32, false),
        Field::new("time_ms", DataType::Int64, false),
        Field::new("event_id", DataType::Utf8, false),
        Field::new("user_id", DataType::Utf8, false),
        Field::new("item_id", DataType::Utf8, false),
    ]
}

fn record_batch(schema: &SchemaRef, rows: &ChunkRows) -> Result<RecordBatch, ArrowError> {
    let list = |name: &str, values: ArrayRef| {
        let DataType::List(item) = schema.field_with_name(name)?.data_type() else {
            return Err(ArrowError::SchemaError(format!("{name} is no list")));
        };
        ListArray::try_new(Arc::clone(item), offsets(&rows.ends), values, None)
    };
    let texts = |ids: &Ids| {
        let text = Buffer::from_slice_ref(ids.text.as_bytes());
        StringArray::try_new(offsets(&ids.ends), text, None)
    };
    let [events, users, items] = &rows.ids;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(list(
            "positions",
            Arc::new(UInt32Array::from(rows.positions.clone())),
        )?),
        Arc::new(list(
            "values",
            Arc::new(Float32Array::from(rows.values.clone())),
        )?),
        Arc::new(BooleanArray::from(rows.labels.clone())),
        Arc::new(Float32Array::from(rows.importances.clone())),
        Arc::new(Int64Array::from(rows.times_ms.clone())),
        Arc::new(texts(events)?),
        Arc::new(texts(users)?),
        Arc::new(texts(items)?),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}

/// Offsets that begin with 0 and do not decrease, as rows keep them.
fn offsets(ends: &[i32]) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(ends.to_vec()))
}

/// The checksum of the frame of a chunk: all but its batches, with zeros for its own digits.
pub(super) fn frame_sum(head: &[u8], tail: &[u8], digits: std::ops::Range<usize>) -> String {
    let zeros = [b'0'; CRC_DIGITS];
    crc32([head, &tail[..digits.start], &zeros, &tail[digits.end..]])
}
