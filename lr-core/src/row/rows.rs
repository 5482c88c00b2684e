//! Rows that own their entries.

use super::{CheckedRow, Ordered, RowError};

/// Why a batch of rows was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// There is not one value a position.
    #[error("{values} values against {positions} positions")]
    Values {
        /// Number of values.
        values: usize,
        /// Number of positions.
        positions: usize,
    },
    /// The offsets of the rows do not start at 0, fall, or do not end at the number of entries.
    #[error("offsets must rise from 0 to {entries}, the number of entries")]
    Offsets {
        /// Number of entries.
        entries: usize,
    },
    /// A row is wrong.
    #[error("row {row}: {source}")]
    Row {
        /// The first such row, counted from 0.
        row: usize,
        /// What is wrong with it.
        source: RowError,
    },
}

/// Rows that were checked once and own their entries, so that one thread can check what another one
/// learns.
///
/// # Examples
///
/// ```
/// use lr_core::{CheckedExample, CheckedRows, Learner, OptimizerConfig};
///
/// // Two rows: positions 0 and 2, and position 1.
/// let rows = CheckedRows::new(vec![0, 2, 3], vec![0, 2, 1], vec![1.0, 0.5, 1.0])?;
/// let labelled = rows.iter().zip([true, false]);
/// let examples: Vec<_> = labelled.map(|(row, label)| CheckedExample::new(row, label)).collect();
/// let mut learner = Learner::new(rows.dimension(), OptimizerConfig::default())?;
/// let mut predictions = Vec::new();
/// learner.learn_rows(&examples, &mut predictions)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CheckedRows {
    indptr: Vec<usize>,
    positions: Vec<u32>,
    values: Vec<f32>,
    /// Largest absolute value of each row, and whether all its values are 1.
    sizes: Vec<(f32, bool)>,
    dimension: usize,
}

impl CheckedRows {
    /// Checks rows given as a CSR batch: row `i` has entries `indptr[i]` up to `indptr[i + 1]`. No offset
    /// at all is no row.
    ///
    /// # Errors
    ///
    /// - [`RowsError::Values`], [`RowsError::Offsets`]: the batch is not one;
    /// - [`RowsError::Row`]: [`CheckedRow::new`] refuses a row.
    ///
    /// # Complexity
    ///
    /// O(nnz), sixteen entries at a time.
    pub fn new(
        indptr: Vec<usize>,
        positions: Vec<u32>,
        values: Vec<f32>,
    ) -> Result<Self, RowsError> {
        let entries = positions.len();
        if values.len() != entries {
            return Err(RowsError::Values {
                values: values.len(),
                positions: entries,
            });
        }
        let ends = [indptr.first(), indptr.last()].map(|end| end.copied().unwrap_or(0));
        if ends != [0, entries] || !indptr.is_sorted() {
            return Err(RowsError::Offsets { entries });
        }
        let mut rows = Self {
            sizes: Vec::with_capacity(indptr.len()),
            indptr,
            positions,
            values,
            dimension: 0,
        };
        for row in 0..rows.len() {
            let (positions, values) = rows.entries(row);
            let checked = CheckedRow::new(positions, values)
                .map_err(|source| RowsError::Row { row, source })?;
            let (sizes, dimension) = ((checked.largest, checked.row.ones), checked.dimension());
            rows.sizes.push(sizes);
            rows.dimension = rows.dimension.max(dimension);
        }
        Ok(rows)
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indptr.len().saturating_sub(1)
    }

    /// Returns whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns 1 more than the largest position, 0 without any.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Returns one row.
    ///
    /// # Panics
    ///
    /// Panics if there is no such row.
    #[must_use]
    #[inline]
    pub fn row(&self, row: usize) -> CheckedRow<'_> {
        let (largest, ones) = self.sizes[row];
        let (positions, values) = self.entries(row);
        CheckedRow {
            row: Ordered {
                positions,
                values,
                ones,
            },
            largest,
        }
    }

    /// Returns the rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = CheckedRow<'_>> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Returns offsets, positions and values, so that their memory can be used again.
    #[must_use]
    pub fn into_parts(self) -> (Vec<usize>, Vec<u32>, Vec<f32>) {
        (self.indptr, self.positions, self.values)
    }

    #[inline]
    fn entries(&self, row: usize) -> (&[u32], &[f32]) {
        let span = self.indptr[row]..self.indptr[row + 1];
        (&self.positions[span.clone()], &self.values[span])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (Vec<usize>, Vec<u32>, Vec<f32>);

    fn parts() -> Parts {
        (
            vec![0, 2, 2, 5],
            vec![3, 9, 0, 7, 8],
            vec![1.0, -4.0, 0.5, 0.25, -0.5],
        )
    }

    fn refused(change: impl FnOnce(&mut Parts)) -> String {
        let mut parts = parts();
        change(&mut parts);
        let (indptr, positions, values) = parts;
        CheckedRows::new(indptr, positions, values)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn rows_are_those_that_are_checked_one_by_one() {
        let (indptr, positions, values) = parts();
        let rows = CheckedRows::new(indptr.clone(), positions.clone(), values.clone()).unwrap();
        assert_eq!((rows.len(), rows.dimension()), (3, 10));
        for (row, span) in rows.iter().zip(indptr.windows(2)) {
            let alone =
                CheckedRow::new(&positions[span[0]..span[1]], &values[span[0]..span[1]]).unwrap();
            assert_eq!(row.positions(), alone.positions());
            assert_eq!(row.values(), alone.values());
            assert_eq!(row.largest().to_bits(), alone.largest().to_bits());
            assert_eq!(row.dimension(), alone.dimension());
        }
        assert_eq!(rows.into_parts(), parts());
        let none = CheckedRows::new(vec![], vec![], vec![]).unwrap();
        assert_eq!(
            (none.len(), none.dimension(), none.iter().count()),
            (0, 0, 0)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(
            refused(|parts| parts.2.truncate(4)),
            "4 values against 5 positions"
        );
        let offsets = "offsets must rise from 0 to 5, the number of entries";
        for indptr in [
            vec![],
            vec![1, 5],
            vec![0, 4],
            vec![0, 6, 5],
            vec![0, 3, 2, 5],
        ] {
            assert_eq!(refused(|parts| parts.0 = indptr), offsets);
        }
        assert_eq!(
            refused(|parts| parts.1[3] = 0),
            "row 2: position 0 follows 0: positions must strictly increase"
        );
        assert_eq!(
            refused(|parts| parts.2[1] = f32::NAN),
            "row 0: value NaN at position 9 is not finite"
        );
    }
}
