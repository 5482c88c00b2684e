//! Rows parsed from text, as a CSR batch.

/// Rows of a stretch of text, as a CSR batch in parts.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Rows {
    /// `rows + 1` offsets into `positions` and `values`.
    pub indptr: Vec<usize>,
    /// Positions, strictly increasing within a row.
    pub positions: Vec<u32>,
    /// Values, finite.
    pub values: Vec<f32>,
    /// One label a row.
    pub labels: Vec<bool>,
}

/// What is wrong with a row that was read without fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RowFault {
    /// A position is at or above the limit.
    Position(u32),
    /// A position stands twice.
    Duplicate(u32),
}

impl Rows {
    pub(super) fn clear(&mut self) {
        self.indptr.clear();
        self.indptr.push(0);
        self.positions.clear();
        self.values.clear();
        self.labels.clear();
    }

    /// Adds a feature to the row that is being read.
    pub(super) fn push(&mut self, position: u32, value: f32) {
        self.fill_ones();
        self.positions.push(position);
        self.values.push(value);
    }

    /// Adds the first `count` positions, with value 1, to the row that is being read.
    ///
    /// All eight are written, which is cheaper than some; the values follow when they are needed.
    #[inline(always)]
    pub(super) fn push_ones(&mut self, positions: &[u32; 8], count: usize) {
        let len = self.positions.len() + count;
        self.positions.extend_from_slice(positions);
        self.positions.truncate(len);
    }

    /// Ends the row that is being read.
    #[inline(always)]
    pub(super) fn end_row(&mut self, label: bool) {
        self.labels.push(label);
        self.indptr.push(self.positions.len());
    }

    fn fill_ones(&mut self) {
        self.values.resize(self.positions.len(), 1.0);
    }

    /// Drops what was read of a row that was not ended, and sorts the rows whose positions do not
    /// increase.
    ///
    /// # Errors
    ///
    /// The first row, counted from 0, with a position at or above `limit` or with one that stands twice.
    #[inline(always)]
    pub(super) fn finish(&mut self, limit: u32) -> Result<(), (usize, RowFault)> {
        self.fill_ones();
        let end = self.indptr.last().copied().unwrap_or_default();
        self.positions.truncate(end);
        self.values.truncate(end);
        let largest = self.positions.iter().copied().max();
        if largest.is_some_and(|largest| largest >= limit) || !self.is_increasing() {
            for row in 0..self.labels.len() {
                self.put_in_order(row, limit)
                    .map_err(|fault| (row, fault))?;
            }
        }
        Ok(())
    }

    /// Whether the positions of every row increase: the places where they do not are counted in all
    /// rows at once, and those between two rows are not held against them.
    #[inline(always)]
    fn is_increasing(&self) -> bool {
        const BLOCK: usize = 1 << 16;
        let next = self.positions.get(1..).unwrap_or_default();
        let blocks = self.positions.chunks(BLOCK).zip(next.chunks(BLOCK));
        let falls = |(a, b): (&[u32], &[u32])| -> u32 {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| u32::from(a >= b)).sum()
        };
        let falls: usize = blocks.map(|pair| falls(pair) as usize).sum();
        // An empty row starts where the next one does.
        let rows = self.indptr.windows(2).filter(|span| span[0] < span[1]);
        let starts = rows.map(|span| span[0]).filter(|&start| start > 0);
        let between = starts.filter(|&at| self.positions[at - 1] >= self.positions[at]);
        falls == between.count()
    }

    fn put_in_order(&mut self, row: usize, limit: u32) -> Result<(), RowFault> {
        let span = self.indptr[row]..self.indptr[row + 1];
        let positions = &mut self.positions[span.clone()];
        let values = &mut self.values[span];
        if let Some(&position) = positions.iter().find(|&&position| position >= limit) {
            return Err(RowFault::Position(position));
        }
        if positions.is_sorted_by(|a, b| a < b) {
            return Ok(());
        }
        let mut pairs: Vec<(u32, f32)> = positions
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        pairs.sort_by_key(|&(position, _)| position);
        if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(RowFault::Duplicate(pair[0].0));
        }
        for (index, (position, value)) in pairs.into_iter().enumerate() {
            positions[index] = position;
            values[index] = value;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_not_ended_is_dropped() {
        let mut rows = Rows::default();
        rows.clear();
        rows.push_ones(&[3, 4, 9, 0, 0, 0, 0, 0], 2);
        rows.push(6, 0.5);
        rows.end_row(true);
        rows.push(8, 2.0);
        rows.push_ones(&[7; 8], 1);
        assert_eq!(rows.finish(10), Ok(()));
        let expected = Rows {
            indptr: vec![0, 3],
            positions: vec![3, 4, 6],
            values: vec![1.0, 1.0, 0.5],
            labels: vec![true],
        };
        assert_eq!(rows, expected);
    }
}
