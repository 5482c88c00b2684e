//! Chunks in memory.

use std::path::Path;

use arrow_ipc::{MetadataVersion, root_as_footer};
use bytes::Bytes;
use lr_core::CheckedRow;
use sprs::CsMatViewI;
use sprs::errors::StructureError;

use super::layout::{self, BatchLayout, CRC_DIGITS};
use super::rows::{ChunkRow, ChunkRows, check_row};
use super::sums::crc32;
use super::write::{self, MAX_NOTES};
use super::{CHUNK_FORMAT_VERSION, ChunkError, ChunkInfo, FooterMetadata, KIND, SchemaMetadata};
use crate::error::FileError;
use crate::json;

/// A chunk in memory, mapped from a file or held.
///
/// Opening checks the frame: the metadata, the columns, where everything lies. [`ChunkFile::batch`]
/// checks the batch that it gives, each time, so that threads share that work;
/// [`ChunkFile::verify`] checks all of them.
///
/// A mapped file must not be changed in place while it is open (this crate never does so: it
/// replaces whole files, which an open map does not notice).
pub struct ChunkFile {
    bytes: Bytes,
    info: ChunkInfo,
    batches: Vec<BatchLayout>,
    sums: Vec<String>,
    notes: Vec<String>,
}

/// What must be understood before anything else of the metadata is.
#[derive(serde::Deserialize)]
struct Envelope {
    kind: String,
    min_reader: u32,
}

impl ChunkFile {
    /// Maps the chunk at `path` and checks its frame.
    ///
    /// # Errors
    ///
    /// - [`FileError::Io`]: the file cannot be opened or mapped;
    /// - [`FileError::Chunk`]: it is not a chunk.
    ///
    /// # Complexity
    ///
    /// O(batches + bytes of notes); the rows are not touched.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let map = crate::file::map(path)?;
        Self::from_bytes(Bytes::from_owner(map)).map_err(|source| FileError::Chunk {
            path: path.to_owned(),
            source,
        })
    }

    /// Takes a chunk that is in memory; it is copied only if it does not begin at a multiple of
    /// eight.
    ///
    /// # Errors
    ///
    /// One of [`ChunkError`] but [`ChunkError::Row`].
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, ChunkError> {
        let bytes = aligned(bytes.into());
        layout::check_magic(&bytes)?;
        let footer = root_as_footer(layout::footer_of(&bytes)?)
            .map_err(|error| layout::broken_footer(&error))?;
        let text = layout::footer_text(&footer)?;
        let digits = layout::digits_at(&footer, &bytes)?;
        let blocks = footer.recordBatches().unwrap_or_default();
        let mut ranges = Vec::with_capacity(blocks.len());
        let mut end = None;
        for (index, block) in blocks.iter().enumerate() {
            let range = layout::block_range(block, index, end, bytes.len())?;
            end = Some(range.end);
            ranges.push(range);
        }
        let head = ranges.first().map_or(0, |range| range.start);
        check_frame(&bytes, head, end.unwrap_or(0), digits)?;

        let invalid = |reason| ChunkError::Metadata { reason };
        let metadata: FooterMetadata = json::from_strict(text).map_err(invalid)?;
        let info = info_of(layout::schema_text(&footer)?)?;
        layout::check_schema(&footer, &write::fields())?;
        let dictionaries = footer.dictionaries().unwrap_or_default();
        if footer.version() != MetadataVersion::V5 || !dictionaries.is_empty() {
            return Err(layout::broken_footer(
                &"it is of another version, or has dictionaries",
            ));
        }
        let notes: usize = metadata.notes.iter().map(String::len).sum();
        if [metadata.batches.len(), metadata.notes.len()] != [blocks.len(); 2] || notes > MAX_NOTES
        {
            return Err(invalid(format!(
                "{} checksums and {} notes of {notes} bytes for {} batches",
                metadata.batches.len(),
                metadata.notes.len(),
                blocks.len()
            )));
        }
        let batches = (blocks.iter().zip(ranges).enumerate())
            .map(|(index, (block, range))| layout::batch(&bytes, block, range, index))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            info,
            batches,
            sums: metadata.batches,
            notes: metadata.notes,
            bytes,
        })
    }

    /// Writes a chunk into memory.
    ///
    /// # Errors
    ///
    /// [`ChunkError::TooLarge`]: a batch has more columns than `info`, or notes grow beyond 16 MiB.
    pub fn to_bytes(info: &ChunkInfo, batches: &[ChunkRows]) -> Result<Vec<u8>, ChunkError> {
        write::to_bytes(info, batches)
    }

    /// Returns what the chunk says about itself.
    #[must_use]
    pub fn info(&self) -> &ChunkInfo {
        &self.info
    }

    /// Number of batches.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Number of rows in all batches.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.rows as u64).sum()
    }

    /// Checks a batch and gives access to its rows.
    ///
    /// # Errors
    ///
    /// - [`ChunkError::NoSuchBatch`];
    /// - [`ChunkError::ChecksumMismatch`]: a byte of it has changed;
    /// - [`ChunkError::Layout`], [`ChunkError::Row`]: it was not written by a [`ChunkWriter`]
    ///   (which checks the same).
    ///
    /// # Complexity
    ///
    /// O(bytes).
    ///
    /// [`ChunkWriter`]: super::ChunkWriter
    pub fn batch(&self, index: usize) -> Result<ChunkBatch<'_>, ChunkError> {
        let Some(layout) = self.batches.get(index) else {
            return Err(ChunkError::NoSuchBatch {
                batch: index,
                batches: self.batches.len(),
            });
        };
        let actual = crc32([&self.bytes[layout.block.clone()]]);
        if actual != self.sums[index] {
            return Err(ChunkError::ChecksumMismatch {
                part: format!("batch {index}"),
                expected: self.sums[index].clone(),
                actual,
            });
        }
        let mut batch =
            ChunkBatch::of(&self.bytes, layout, &self.notes[index]).ok_or_else(|| {
                ChunkError::Layout {
                    part: format!("batch {index}"),
                    reason: "ends of rows or ids decrease, or ids are not UTF-8".to_owned(),
                }
            })?;
        let rows = batch.rows().enumerate().map(|(row, fields)| {
            check_row(&fields, self.info.columns).map_err(|source| ChunkError::Row { row, source })
        });
        batch.checked = rows.collect::<Result<_, _>>()?;
        Ok(batch)
    }

    /// Checks every batch.
    ///
    /// # Errors
    ///
    /// The first of [`ChunkFile::batch`].
    ///
    /// # Complexity
    ///
    /// O(bytes).
    pub fn verify(&self) -> Result<(), ChunkError> {
        (0..self.batches()).try_for_each(|index| self.batch(index).map(drop))
    }
}

impl std::fmt::Debug for ChunkFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ChunkFile")
            .field("info", &self.info)
            .field("batches", &self.batches())
            .field("rows", &self.rows())
            .finish_non_exhaustive()
    }
}

/// Rows of one batch, as slices of the file.
#[derive(Debug, Clone)]
pub struct ChunkBatch<'a> {
    checked: Vec<CheckedRow<'a>>,

    /// Ends of rows after a 0; empty without rows.
    ends: &'a [i32],
    positions: &'a [u32],
    values: &'a [f32],
    labels: &'a [u8],
    importances: &'a [f32],
    times_ms: &'a [i64],
    ids: [Texts<'a>; 3],
    note: &'a str,
}

#[derive(Debug, Clone, Copy)]
struct Texts<'a> {
    ends: &'a [i32],
    text: &'a str,
}

impl<'a> ChunkBatch<'a> {
    /// The batch, if its offsets are in order and its ids are text.
    fn of(bytes: &'a [u8], layout: &BatchLayout, note: &'a str) -> Option<Self> {
        let positions: &[u32] = elements(bytes, &layout.positions)?;
        let ends: &[i32] = elements(bytes, &layout.row_ends)?;
        let mut ids = [Texts {
            ends: &[],
            text: "",
        }; 3];
        for (texts, (ends, text)) in ids.iter_mut().zip(&layout.ids) {
            let ends: &[i32] = elements(bytes, ends)?;
            let text = str::from_utf8(bytes.get(text.clone())?).ok()?;
            let starts_whole =
                |&end: &i32| usize::try_from(end).is_ok_and(|end| text.is_char_boundary(end));
            if !are_ends(ends, text.len()) || !ends.iter().all(starts_whole) {
                return None;
            }
            *texts = Texts { ends, text };
        }
        are_ends(ends, positions.len()).then_some(())?;
        Some(Self {
            checked: Vec::new(),
            ends,
            positions,
            values: elements(bytes, &layout.values)?,
            labels: bytes.get(layout.labels.clone())?,
            importances: elements(bytes, &layout.importances)?,
            times_ms: elements(bytes, &layout.times_ms)?,
            ids,
            note,
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len().saturating_sub(1)
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row.
    ///
    /// # Panics
    ///
    /// Panics if there is no such row.
    #[must_use]
    #[inline]
    pub fn row(&self, row: usize) -> ChunkRow<'a> {
        let span = span(self.ends, row);
        let id = |texts: &Texts<'a>| &texts.text[self::span(texts.ends, row)];
        ChunkRow {
            positions: &self.positions[span.clone()],
            values: &self.values[span],
            label: self.label(row),
            importance: self.importances[row],
            time_ms: self.times_ms[row],
            event_id: id(&self.ids[0]),
            user_id: id(&self.ids[1]),
            item_id: id(&self.ids[2]),
        }
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = ChunkRow<'a>> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Positions and values of the rows, in order, as a learner takes them without another check.
    #[must_use]
    pub fn checked_rows(&self) -> &[CheckedRow<'a>] {
        &self.checked
    }

    /// Labels of the rows, in order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = bool> {
        (0..self.len()).map(|row| self.label(row))
    }

    fn label(&self, row: usize) -> bool {
        self.labels[row / 8] >> (row % 8) & 1 == 1
    }

    /// Positions and values of all rows as a CSR batch of `columns` columns, of the same slices.
    ///
    /// # Errors
    ///
    /// `columns` is not above every position.
    ///
    /// # Complexity
    ///
    /// O(positions): `sprs` checks the order of positions again.
    pub fn matrix(&self, columns: u32) -> Result<CsMatViewI<'a, f32, u32, i32>, StructureError> {
        let ends = if self.is_empty() { &[0] } else { self.ends };
        let shape = (self.len(), columns as usize);
        CsMatViewI::try_new(shape, ends, self.positions, self.values)
            .map_err(|(_, _, _, source)| source)
    }

    /// The text that travels with the batch.
    #[must_use]
    pub fn note(&self) -> &'a str {
        self.note
    }
}

#[expect(clippy::cast_sign_loss, reason = "ends are checked to be at least 0")]
fn span(ends: &[i32], row: usize) -> std::ops::Range<usize> {
    ends[row] as usize..ends[row + 1] as usize
}

/// Whether ends begin with 0, do not decrease and end with `length`; or there are none.
fn are_ends(ends: &[i32], length: usize) -> bool {
    match (ends.first(), ends.last()) {
        (Some(0), Some(&last)) => {
            ends.is_sorted() && usize::try_from(last).is_ok_and(|last| last == length)
        }
        (None, None) => length == 0,
        _ => false,
    }
}

/// Elements of a range; `None` if it leaves the file or does not hold whole elements.
fn elements<'a, T: bytemuck::Pod>(
    bytes: &'a [u8],
    range: &std::ops::Range<usize>,
) -> Option<&'a [T]> {
    bytemuck::try_cast_slice(bytes.get(range.clone())?).ok()
}

/// The same bytes at an address that suits the widest element.
fn aligned(bytes: Bytes) -> Bytes {
    struct Words(Vec<u64>, usize);
    impl AsRef<[u8]> for Words {
        fn as_ref(&self) -> &[u8] {
            &bytemuck::cast_slice(&self.0)[..self.1]
        }
    }
    if bytes.as_ptr().addr().is_multiple_of(align_of::<u64>()) {
        return bytes;
    }
    let mut words = vec![0_u64; bytes.len().div_ceil(size_of::<u64>())];
    bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(&bytes);
    Bytes::from_owner(Words(words, bytes.len()))
}

/// Checks the checksum over everything before `head` and from `tail` on.
fn check_frame(
    bytes: &[u8],
    head: usize,
    tail: usize,
    digits: std::ops::Range<usize>,
) -> Result<(), ChunkError> {
    let tail_bytes = &bytes[tail..];
    let Some(start) = digits.start.checked_sub(tail) else {
        return Err(layout::broken_footer(&"a batch reaches into it"));
    };
    let digits_in_tail = start..start + CRC_DIGITS;
    let actual = write::frame_sum(&bytes[..head], tail_bytes, digits_in_tail);
    let expected = &bytes[digits];
    if expected == actual.as_bytes() {
        return Ok(());
    }
    Err(ChunkError::ChecksumMismatch {
        part: "the frame".to_owned(),
        expected: String::from_utf8_lossy(expected).into_owned(),
        actual,
    })
}

fn info_of(text: &str) -> Result<ChunkInfo, ChunkError> {
    let invalid = |reason| ChunkError::Metadata { reason };
    let envelope: Envelope = json::from_strict(text).map_err(invalid)?;
    if envelope.min_reader > CHUNK_FORMAT_VERSION {
        return Err(ChunkError::UnsupportedVersion {
            min_reader: envelope.min_reader,
            supported: CHUNK_FORMAT_VERSION,
        });
    }
    if envelope.kind != KIND {
        return Err(invalid(format!(
            "the file is a {:?}, expected a {KIND:?}",
            envelope.kind
        )));
    }
    let metadata: SchemaMetadata =
        serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    Ok(metadata.info)
}
