//! What a learner sees: a sparse row, its label and how much it counts.

use sprs::CsVecViewI;

use crate::row::CheckedRow;

/// One training example: a row of features, its label, and its importance.
///
/// A plain value; it is checked by whoever takes it, so building one cannot fail.
///
/// # Examples
///
/// ```
/// use lr_core::Example;
/// use sprs::CsVecViewI;
///
/// let row = CsVecViewI::new(4, &[0_u32, 2][..], &[1.0_f32, 0.5][..]);
/// let example = Example::new(row, true).importance(2.0);
/// assert_eq!(example.features.nnz(), 2);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    /// A sparse row of `dimension` columns, positions strictly increasing.
    pub features: CsVecViewI<'a, f32, u32>,
    /// What happened: liked or not.
    pub label: bool,
    /// How many ordinary examples this one stands for; finite, at least 0, dimensionless.
    pub importance: f32,
}

impl<'a> Example<'a> {
    /// Joins a row and its label, with importance 1.
    #[must_use]
    pub fn new(features: CsVecViewI<'a, f32, u32>, label: bool) -> Self {
        Self {
            features,
            label,
            importance: 1.0,
        }
    }

    /// Sets the importance; it must be finite and at least 0, or learning refuses the example.
    #[must_use]
    pub fn importance(mut self, importance: f32) -> Self {
        self.importance = importance;
        self
    }
}

/// [`Example`] whose row was checked before.
///
/// # Examples
///
/// ```
/// use lr_core::{CheckedExample, CheckedRow};
///
/// let row = CheckedRow::new(&[0, 2], &[1.0, 0.5])?;
/// let example = CheckedExample::new(row, true).importance(2.0);
/// assert_eq!(example.row.positions().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CheckedExample<'a> {
    /// The row.
    pub row: CheckedRow<'a>,
    /// What happened: liked or not.
    pub label: bool,
    /// How many ordinary examples this one stands for; finite, at least 0, dimensionless.
    pub importance: f32,
}

impl<'a> CheckedExample<'a> {
    /// Joins a row and its label, with importance 1.
    #[must_use]
    #[inline]
    pub fn new(row: CheckedRow<'a>, label: bool) -> Self {
        Self {
            row,
            label,
            importance: 1.0,
        }
    }

    /// Sets the importance; it must be finite and at least 0, or learning refuses the example.
    #[must_use]
    #[inline]
    pub fn importance(mut self, importance: f32) -> Self {
        self.importance = importance;
        self
    }
}
