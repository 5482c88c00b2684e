//! The batch by column, for coordinate descent.

use super::{Design, Values};

/// A design matrix by column.
#[derive(Debug)]
pub(in crate::solver) struct Columns {
    starts: Vec<usize>,
    rows: Vec<usize>,
    values: Vec<f32>,
}

impl Columns {
    /// Row and value of each entry of a column.
    pub(in crate::solver) fn entries(
        &self,
        column: usize,
    ) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[column]..self.starts[column + 1];
        self.rows[range.clone()]
            .iter()
            .zip(&self.values[range])
            .map(|(&row, &v)| (row, v.into()))
    }
}

impl Design {
    /// The rows and values of each column.
    pub(in crate::solver) fn by_column(&self) -> Columns {
        let mut starts = vec![0_usize; self.positions.len() + 1];
        for &column in &self.columns {
            starts[column as usize + 1] += 1;
        }
        for column in 1..starts.len() {
            starts[column] += starts[column - 1];
        }
        let mut next = starts.clone();
        let mut rows = vec![0_usize; self.columns.len()];
        let mut values = vec![1.0_f32; self.columns.len()];
        for row in 0..self.rows() {
            for entry in self.entries(row) {
                let slot = &mut next[self.columns[entry] as usize];
                rows[*slot] = row;
                if let Values::Stored(stored) = &self.values {
                    values[*slot] = stored[entry];
                }
                *slot += 1;
            }
        }
        Columns {
            starts,
            rows,
            values,
        }
    }
}
