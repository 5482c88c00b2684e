//! An encoded event.

use sprs::CsVecViewI;

/// A sparse row: positions strictly increasing, and a value at each.
///
/// A row is a buffer: the encoder fills it again and again without allocating.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    pub(crate) columns: usize,
    pub(crate) positions: Vec<u32>,
    pub(crate) values: Vec<f32>,
}

impl Row {
    /// Columns of the row, present or not.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Positions, strictly increasing and below [`Self::columns`].
    #[must_use]
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// Value at each position; finite as the encoder gives them.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Values, for scaling in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Positions, and values for scaling in place.
    pub fn parts_mut(&mut self) -> (&[u32], &mut [f32]) {
        (&self.positions, &mut self.values)
    }

    /// Number of values stored.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.positions.len()
    }

    /// The row as a sparse vector of [`Self::columns`] columns.
    #[must_use]
    pub fn view(&self) -> CsVecViewI<'_, f32, u32> {
        // The positions are sorted and in range, so the check cannot fail.
        CsVecViewI::try_new(
            self.columns,
            self.positions.as_slice(),
            self.values.as_slice(),
        )
        .unwrap_or_else(|_| CsVecViewI::new(self.columns, &[], &[]))
    }
}
