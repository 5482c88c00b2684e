//! Encoded blocks in chunks, and back: the same events, rejects and sample.

use std::sync::Arc;

use model_io::chunk::{ChunkBatch, ChunkError, ChunkRow, ChunkRows};
use serde::{Deserialize, Serialize};

use super::{EncodedBlock, Meta, Reason, Reject};

/// What a block holds beside its events; it travels as the note of a batch.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note<'a> {
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    rejects: Vec<StoredReject<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sample: Option<(usize, Box<str>)>,
}

/// A reject without its source, which is that of the whole chunk.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredReject<'a> {
    /// Events of the block before it.
    before: usize,
    line: u64,
    reason: Reason,
    detail: std::borrow::Cow<'a, str>,
    text: std::borrow::Cow<'a, str>,
}

/// Why a batch of a chunk is not a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredError {
    /// The batch is damaged.
    #[error("damaged")]
    Chunk {
        /// Where.
        source: ChunkError,
    },
    /// The note is not one of a trainer.
    #[error("the note of the batch is not what a trainer writes: {reason}")]
    Note {
        /// What is wrong.
        reason: String,
    },
}

impl EncodedBlock {
    /// The block as rows of a chunk with positions below `columns`.
    ///
    /// # Errors
    ///
    /// The block is larger than a batch can be.
    pub(super) fn to_rows(&self, columns: u32) -> Result<ChunkRows, StoredError> {
        let mut rows = ChunkRows::new(columns);
        for meta in &self.events {
            rows.push(&ChunkRow {
                positions: &self.positions[meta.row.clone()],
                values: &self.values[meta.row.clone()],
                label: meta.label,
                importance: meta.importance,
                time_ms: meta.time_ms,
                event_id: &self.names[meta.event_id.clone()],
                user_id: &self.names[meta.user_id.clone()],
                item_id: &self.names[meta.item_id.clone()],
            })
            .map_err(|source| StoredError::Chunk { source })?;
        }
        let rejects = self.rejects.iter().map(|(before, reject)| StoredReject {
            before: *before,
            line: reject.line,
            reason: reject.reason,
            detail: reject.detail.as_str().into(),
            text: reject.text.as_str().into(),
        });
        let note = Note {
            rejects: rejects.collect(),
            sample: self.sample.clone(),
        };
        let note = serde_json::to_string(&note).map_err(|error| StoredError::note(&error))?;
        rows.set_note(note);
        Ok(rows)
    }

    /// The block that [`to_rows`](Self::to_rows) made a batch of; `place` is the path or URL of its
    /// source.
    ///
    /// # Errors
    ///
    /// The note is not one of a trainer.
    pub(super) fn from_batch(
        batch: &ChunkBatch<'_>,
        place: &Arc<str>,
    ) -> Result<Self, StoredError> {
        let note: Note<'_> =
            serde_json::from_str(batch.note()).map_err(|error| StoredError::note(&error))?;
        let mut before = 0;
        let mut rejects = Vec::with_capacity(note.rejects.len());
        for reject in note.rejects {
            if reject.before < before || reject.before > batch.len() {
                return Err(StoredError::note(&"rejects are out of order"));
            }
            before = reject.before;
            let line = Reject {
                source: Arc::clone(place),
                line: reject.line,
                reason: reject.reason,
                detail: reject.detail.into_owned(),
                text: reject.text.into_owned(),
            };
            rejects.push((before, line));
        }
        let mut block = Self {
            events: Vec::with_capacity(batch.len()),
            rejects,
            sample: note.sample,
            ..Self::default()
        };
        for row in batch.rows() {
            block.push_row(&row);
        }
        Ok(block)
    }

    fn push_row(&mut self, row: &ChunkRow<'_>) {
        let start = self.positions.len();
        self.positions.extend_from_slice(row.positions);
        self.values.extend_from_slice(row.values);
        let meta = Meta {
            time_ms: row.time_ms,
            label: row.label,
            importance: row.importance,
            event_id: self.name(row.event_id),
            user_id: self.name(row.user_id),
            item_id: self.name(row.item_id),
            row: start..self.positions.len(),
        };
        self.events.push(meta);
    }
}

impl StoredError {
    fn note(reason: &dyn std::fmt::Display) -> Self {
        Self::Note {
            reason: reason.to_string(),
        }
    }
}
