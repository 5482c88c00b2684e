//! One row of a table, its buffers reused from row to row.

use std::ops::Range;

/// The cells of a row as text.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// The bytes of all values, one after the other.
    text: String,
    /// Where each value ends in `text`.
    ends: Vec<usize>,
    /// Each cell's values, as a range of `ends`.
    cells: Vec<Range<usize>>,
    /// 0-based number of the row in its table.
    pub(super) index: u64,
    /// Where the row stands: a line number from 1, or 0 when the format has none.
    pub(super) line: u64,
    /// The whole row as it was read, for rejects and for telling duplicates.
    pub(super) raw: Vec<u8>,
}

impl Row {
    /// The values of a cell; none when it is empty.
    pub fn values(&self, cell: usize) -> impl Iterator<Item = &str> {
        let values = self.cells.get(cell).cloned().unwrap_or_default();
        values.filter_map(|value| self.value(value))
    }

    /// The first value of a cell; `None` when it is empty.
    #[must_use]
    pub fn text(&self, cell: usize) -> Option<&str> {
        let values = self.cells.get(cell)?;
        values.clone().next().and_then(|value| self.value(value))
    }

    /// 0-based number of the row in its table, bad rows counted.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Line of the file, from 1; 0 when the format has no lines.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The whole row as it was read, without a line end.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.cells.clear();
        self.raw.clear();
    }

    /// Begins the next cell, empty.
    pub(super) fn push_cell(&mut self) {
        let at = self.ends.len();
        self.cells.push(at..at);
    }

    /// Adds a value to the cell begun last.
    pub(super) fn push_value(&mut self, value: &str) {
        self.text.push_str(value);
        self.ends.push(self.text.len());
        if let Some(cell) = self.cells.last_mut() {
            cell.end += 1;
        }
    }

    fn value(&self, value: usize) -> Option<&str> {
        let start = match value.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..*self.ends.get(value)?)
    }
}
