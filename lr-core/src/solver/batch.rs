//! What the solver is given: rows, labels and importances, checked whole.

use sprs::CsMatViewI;

use crate::row::{RowError, batch_rows, check_importance};

/// A checked batch of labeled rows.
///
/// # Invariants
///
/// - stored by row, with as many labels and importances as rows;
/// - in each row positions strictly increase and values are finite;
/// - importances are finite and at least 0.
#[derive(Debug, Clone, Copy)]
pub struct LabeledBatch<'a> {
    features: CsMatViewI<'a, f32, u32, usize>,
    labels: &'a [bool],
    importances: Option<&'a [f32]>,
}

/// One row of a [`LabeledBatch`].
#[derive(Debug, Clone, Copy)]
pub(super) struct LabeledRow<'a> {
    pub(super) positions: &'a [u32],
    pub(super) values: &'a [f32],
    pub(super) label: bool,
    pub(super) importance: f64,
}

impl<'a> LabeledBatch<'a> {
    /// Joins a CSR batch, its labels and its importances (`None`: 1 each) and checks them.
    ///
    /// # Errors
    ///
    /// - [`RowError::BatchNotByRow`] — the batch is stored by column.
    /// - [`RowError::LengthMismatch`] — there is not one label and one importance a row.
    /// - [`RowError::ImportanceOutOfRange`] — an importance is negative or not finite.
    /// - Any other [`RowError`] — about positions or values.
    ///
    /// # Complexity
    ///
    /// One pass over the entries.
    pub fn new(
        features: CsMatViewI<'a, f32, u32, usize>,
        labels: &'a [bool],
        importances: Option<&'a [f32]>,
    ) -> Result<Self, RowError> {
        let rows = features.rows();
        check_length("labels against rows", labels.len(), rows)?;
        for row in batch_rows(&features, features.cols())? {
            row?.check_values()?;
        }
        if let Some(importances) = importances {
            check_length("importances against rows", importances.len(), rows)?;
            importances
                .iter()
                .try_for_each(|&importance| check_importance(importance))?;
        }
        Ok(Self {
            features,
            labels,
            importances,
        })
    }

    /// Number of positions of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.features.cols()
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

    /// The rows that have importance, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = LabeledRow<'_>> {
        (0..self.len())
            .map(|index| self.row(index))
            .filter(|row| row.importance > 0.0)
    }

    fn row(&self, index: usize) -> LabeledRow<'_> {
        let range = self.features.indptr().outer_inds_sz(index);
        LabeledRow {
            positions: &self.features.indices()[range.clone()],
            values: &self.features.data()[range],
            label: self.labels[index],
            importance: self
                .importances
                .map_or(1.0, |importances| f64::from(importances[index])),
        }
    }
}

fn check_length(what: &'static str, left: usize, right: usize) -> Result<(), RowError> {
    if left == right {
        Ok(())
    } else {
        Err(RowError::LengthMismatch { what, left, right })
    }
}
