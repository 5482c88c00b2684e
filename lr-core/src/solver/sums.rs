//! Loss and gradient of a batch as a value that can be added.

use super::SolveError;
use super::batch::LabeledBatch;
use super::design::{Design, add_in_tree};
use super::objective::LossAt;
use crate::model::LinearModel;

/// Sums over a batch, at one model: importance, log loss and its gradient, without penalties.
///
/// Sums of parts of a batch, each from another thread or machine, are put together by
/// [`merge`](Self::merge) or, in an order that depends on their number alone, by
/// [`reduce`](Self::reduce).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GradientSums {
    /// Σ c, dimensionless.
    pub importance: f64,
    /// Σ c ℓ(m, y), in nats.
    pub loss: f64,
    /// Σ c (σ(m) − y) x, one entry a position.
    pub gradient: Vec<f64>,
    /// Σ c (σ(m) − y).
    pub bias_gradient: f64,
}

impl GradientSums {
    /// Sums over a batch on some threads (0 counts as 1); the bytes do not depend on how many.
    ///
    /// # Errors
    ///
    /// [`SolveError::DimensionMismatch`] — model and batch differ in dimension.
    ///
    /// # Complexity
    ///
    /// O(entries + dimension).
    pub fn of_batch(
        model: &LinearModel,
        batch: &LabeledBatch<'_>,
        threads: usize,
    ) -> Result<Self, SolveError> {
        super::check_dimension(model, batch)?;
        let design = Design::new(batch, threads.max(1));
        let margins = design.margins(&design.compact(model.weights(), model.bias()));
        let at = LossAt::new(&design, &margins);
        let sums = design.transposed(&at.residuals);
        let add = |left: f64, right: f64| left + right;
        let importance = design.reduce_rows(|rows| design.importances[rows].iter().sum(), add);
        Ok(Self {
            importance: importance.unwrap_or(0.0),
            loss: at.loss,
            gradient: design.expand(&sums, batch.dimension()),
            bias_gradient: sums[design.positions.len()],
        })
    }

    /// Adds the sums of another part.
    ///
    /// Commutative, and associative but for rounding: use [`reduce`](Self::reduce) where bytes
    /// matter.
    ///
    /// # Errors
    ///
    /// [`SolveError::DimensionMismatch`] — the parts differ in dimension; nothing is added.
    pub fn merge(&mut self, other: &Self) -> Result<(), SolveError> {
        let (model, batch) = (self.gradient.len(), other.gradient.len());
        if model != batch {
            return Err(SolveError::DimensionMismatch { model, batch });
        }
        self.importance += other.importance;
        self.loss += other.loss;
        self.bias_gradient += other.bias_gradient;
        for (mine, theirs) in self.gradient.iter_mut().zip(&other.gradient) {
            *mine += theirs;
        }
        Ok(())
    }

    /// Adds parts pairwise, then the sums pairwise, and so on; `None` for no part.
    ///
    /// # Errors
    ///
    /// [`SolveError::DimensionMismatch`] — the parts differ in dimension.
    pub fn reduce(parts: Vec<Self>) -> Result<Option<Self>, SolveError> {
        let parts = parts.into_iter().map(Ok).collect();
        add_in_tree(parts, |left: Result<Self, SolveError>, right| {
            let mut sums = left?;
            sums.merge(&right?)?;
            Ok(sums)
        })
        .transpose()
    }
}
