//! Rows on their way into a chunk, and the check that every row passes in both directions.

use lr_core::{CheckedRow, RowError};

use super::ChunkError;

/// Most rows, positions or bytes of ids in one batch: offsets are 32-bit.
const MAX_ENTRIES: usize = i32::MAX as usize;

/// One encoded event.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns are those of the format"
)]
pub struct ChunkRow<'a> {
    /// Present positions, strictly increasing and below the chunk's `columns`.
    pub positions: &'a [u32],
    /// Their values, finite: transformed, not scaled.
    pub values: &'a [f32],
    /// What happened.
    pub label: bool,
    /// How many plain events this one stands for; finite and not negative.
    pub importance: f32,
    /// Event time, in milliseconds since the Unix epoch; 0 when rows have none.
    pub time_ms: i64,
    /// Id of the event, or empty.
    pub event_id: &'a str,
    /// Id of the user, or empty.
    pub user_id: &'a str,
    /// Id of the item, or empty.
    pub item_id: &'a str,
}

impl Default for ChunkRow<'_> {
    /// An empty row of importance 1 and label 0, at time 0 and without ids.
    fn default() -> Self {
        Self {
            positions: &[],
            values: &[],
            label: false,
            importance: 1.0,
            time_ms: 0,
            event_id: "",
            user_id: "",
            item_id: "",
        }
    }
}

/// Rows that become one batch of a chunk; a buffer to be filled again and again.
#[derive(Debug, Clone)]
pub struct ChunkRows {
    columns: u32,
    /// Where each row ends, after a 0.
    pub(super) ends: Vec<i32>,
    pub(super) positions: Vec<u32>,
    pub(super) values: Vec<f32>,
    pub(super) labels: Vec<bool>,
    pub(super) importances: Vec<f32>,
    pub(super) times_ms: Vec<i64>,
    /// Of events, users and items.
    pub(super) ids: [Ids; 3],
    pub(super) note: String,
}

/// Texts one after the other.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    /// Where each text ends, after a 0.
    pub(super) ends: Vec<i32>,
    pub(super) text: String,
}

impl Ids {
    fn new() -> Self {
        Self {
            ends: vec![0],
            text: String::new(),
        }
    }
}

impl ChunkRows {
    /// Starts without rows; positions are to be below `columns`.
    #[must_use]
    pub fn new(columns: u32) -> Self {
        Self {
            columns,
            ends: vec![0],
            positions: Vec::new(),
            values: Vec::new(),
            labels: Vec::new(),
            importances: Vec::new(),
            times_ms: Vec::new(),
            ids: std::array::from_fn(|_| Ids::new()),
            note: String::new(),
        }
    }

    /// Appends a row.
    ///
    /// # Errors
    ///
    /// - [`ChunkError::Row`]: the row is out of order or range, or not finite;
    /// - [`ChunkError::TooLarge`]: a batch holds no more than 2³¹ − 1 positions or bytes of ids.
    ///
    /// Nothing is appended then.
    pub fn push(&mut self, row: &ChunkRow<'_>) -> Result<(), ChunkError> {
        check_row(row, self.columns).map_err(|source| ChunkError::Row {
            row: self.len(),
            source,
        })?;
        let texts = [row.event_id, row.user_id, row.item_id];
        let nnz = end_of(self.positions.len() + row.positions.len(), "positions")?;
        let mut ends = [0; 3];
        for ((end, ids), text) in ends.iter_mut().zip(&self.ids).zip(texts) {
            *end = end_of(ids.text.len() + text.len(), "bytes of ids")?;
        }
        self.ends.push(nnz);
        self.positions.extend_from_slice(row.positions);
        self.values.extend_from_slice(row.values);
        self.labels.push(row.label);
        self.importances.push(row.importance);
        self.times_ms.push(row.time_ms);
        for ((ids, text), end) in self.ids.iter_mut().zip(texts).zip(ends) {
            ids.text.push_str(text);
            ids.ends.push(end);
        }
        Ok(())
    }

    /// Sets a text that travels with the batch: what else its source held, in the writer's own form.
    pub fn set_note(&mut self, note: impl Into<String>) {
        self.note = note.into();
    }

    /// Removes rows and note and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.truncate(1);
        self.positions.clear();
        self.values.clear();
        self.labels.clear();
        self.importances.clear();
        self.times_ms.clear();
        for ids in &mut self.ids {
            ids.ends.truncate(1);
            ids.text.clear();
        }
        self.note.clear();
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// What positions are below.
    #[must_use]
    pub fn columns(&self) -> u32 {
        self.columns
    }
}

fn end_of(length: usize, unit: &'static str) -> Result<i32, ChunkError> {
    i32::try_from(length).map_err(|_| ChunkError::TooLarge {
        what: "a batch",
        limit: MAX_ENTRIES,
        unit,
    })
}

/// Checks a row on its way in or out.
#[inline]
pub(super) fn check_row<'a>(row: &ChunkRow<'a>, columns: u32) -> Result<CheckedRow<'a>, RowError> {
    let inside = row.positions.last().is_none_or(|&last| last < columns);
    let important = row.importance >= 0.0 && row.importance.is_finite();
    match CheckedRow::new(row.positions, row.values) {
        Ok(checked) if inside && important => Ok(checked),
        _ => Err(fault(row, columns)),
    }
}

/// Says what is wrong with a row.
#[cold]
fn fault(row: &ChunkRow<'_>, columns: u32) -> RowError {
    let (positions, values) = (row.positions, row.values);
    if positions.len() != values.len() {
        return RowError::LengthMismatch {
            what: "positions against values",
            left: positions.len(),
            right: values.len(),
        };
    }
    for (index, (&position, &value)) in positions.iter().zip(values).enumerate() {
        if let Some(&previous) = positions[..index].last().filter(|&&p| position <= p) {
            return RowError::PositionOrder { position, previous };
        }
        if position >= columns {
            return RowError::PositionOutOfRange {
                position,
                dimension: columns as usize,
            };
        }
        if !value.is_finite() {
            return RowError::ValueNotFinite { position, value };
        }
    }
    RowError::ImportanceOutOfRange {
        importance: row.importance,
    }
}
