//! The exact optimum of a regularised logistic regression over a batch.

mod batch;
mod cg;
mod config;
mod design;
mod iterate;
mod newton;
mod objective;
mod point;
mod precondition;
mod proximal;
mod sums;

pub use self::batch::LabeledBatch;
pub use self::config::{BiasTerm, SolverConfig, SolverConfigError};
pub use self::sums::GradientSums;

use self::design::Design;
use self::iterate::Optimum;
use self::objective::{LossAt, penalty};
use crate::loss::logit;
use crate::model::{LinearModel, ModelError};

/// Why a batch could not be solved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// Only one label occurs, so that the best free bias is infinite.
    #[error("only one label occurs: the best bias is infinite")]
    OneLabel,
    /// The model to start from or to compare has another dimension than the batch.
    #[error("the model has dimension {model}, the batch {batch}")]
    DimensionMismatch {
        /// Dimension of the model.
        model: usize,
        /// Dimension of the batch.
        batch: usize,
    },
    /// A coefficient of the solution does not fit in a model.
    #[error("the solution is not a model")]
    Model {
        /// What is wrong with it.
        source: ModelError,
    },
}

/// An exact solver with checked settings.
///
/// # Examples
///
/// ```
/// use lr_core::{ExactSolver, LabeledBatch, SolverConfig, sprs::CsMatI};
///
/// // Three rows of one feature, 1 in the first two; labels yes, no, no.
/// let rows = CsMatI::new((3, 1), vec![0_usize, 1, 2, 2], vec![0_u32, 0], vec![1.0_f32, 1.0]);
/// let batch = LabeledBatch::new(rows.view(), &[true, false, false], None)?;
/// let solution = ExactSolver::new(SolverConfig::default())?.solve(&batch)?;
/// assert!(solution.converged);
/// // At the optimum of the free bias, predicted and observed positives agree.
/// let model = solution.model()?;
/// let predicted: f64 =
///     model.margins(&rows.view())?.into_iter().map(lr_core::sigmoid).sum();
/// assert!((predicted - 1.0).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Method
///
/// Truncated Newton: each step solves the Newton system by conjugate gradients and is halved until
/// the objective falls enough (Galli & Lin 2021, *A study on truncated Newton methods for linear
/// classification*). The conjugate gradients are preconditioned by the exact factor of the block of
/// the most frequent columns, and by the diagonal for the others.
/// With L1, proximal Newton (Yuan, Ho & Lin 2012, *An improved GLMNET for l1-regularized logistic
/// regression*).
/// Either stops at a duality gap, so the tolerance is a bound and not a hope.
///
/// # Limits
///
/// With L1 alone (`l2 = 0`) and columns that add up to the same thing, as groups of one-hot features
/// do, the optimum is not unique: the objective is certified, the weights are one of many.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactSolver {
    config: SolverConfig,
}

/// What the solver found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Solution {
    /// Weight of each position, in log-odds per unit of the value; 0 where no row has an entry.
    pub weights: Vec<f64>,
    /// Bias, in log-odds.
    pub bias: f64,
    /// The objective at `weights` and `bias`, in nats.
    pub objective: f64,
    /// Bound on how far `objective` is above the least one, in nats.
    pub duality_gap: f64,
    /// Newton steps taken.
    pub newton_steps: usize,
    /// Products with the Hessian; each is one pass over the entries.
    pub hessian_products: usize,
    /// Whether `duality_gap` is within the tolerance.
    pub converged: bool,
}

impl ExactSolver {
    /// Checks settings.
    ///
    /// # Errors
    ///
    /// [`SolverConfigError`] — a setting is outside of its range.
    pub fn new(config: SolverConfig) -> Result<Self, SolverConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    /// Finds the optimum of a batch.
    ///
    /// # Errors
    ///
    /// [`SolveError::OneLabel`] — only one label has importance and the bias is free.
    pub fn solve(&self, batch: &LabeledBatch<'_>) -> Result<Solution, SolveError> {
        let design = Design::new(batch, self.config.threads);
        let mut start = vec![0.0; design.coefficients()];
        if self.config.bias == BiasTerm::Free {
            let total: f64 = design.importances.iter().sum();
            let positive: f64 = design
                .importances
                .iter()
                .zip(&design.labels)
                .map(|(importance, &label)| if label { *importance } else { 0.0 })
                .sum();
            start[design.positions.len()] = logit(positive / total);
        }
        self.run(&design, batch, start)
    }

    /// Like [`solve`](Self::solve), starting from a model, such as the online learner's.
    ///
    /// # Errors
    ///
    /// - [`SolveError::OneLabel`] — only one label has importance and the bias is free.
    /// - [`SolveError::DimensionMismatch`] — `start` is of another dimension.
    pub fn solve_from(
        &self,
        batch: &LabeledBatch<'_>,
        start: &LinearModel,
    ) -> Result<Solution, SolveError> {
        check_dimension(start, batch)?;
        let design = Design::new(batch, self.config.threads);
        let free = self.config.bias != BiasTerm::Absent;
        let bias = if free { start.bias() } else { 0.0 };
        let coefficients = design.compact(start.weights(), bias);
        self.run(&design, batch, coefficients)
    }

    /// Compares a model, such as the online learner's, with the optimum of the same objective.
    ///
    /// The model's weights at positions without an entry in the batch count in its penalty.
    /// With [`BiasTerm::Absent`] the model's bias counts as 0.
    ///
    /// # Errors
    ///
    /// - [`SolveError::OneLabel`] — only one label has importance and the bias is free.
    /// - [`SolveError::DimensionMismatch`] — the model is of another dimension.
    pub fn gap_to_optimum(
        &self,
        batch: &LabeledBatch<'_>,
        model: &LinearModel,
    ) -> Result<OptimumGap, SolveError> {
        check_dimension(model, batch)?;
        let bias = if self.config.bias == BiasTerm::Absent {
            0.0
        } else {
            model.bias()
        };
        let design = Design::new(batch, self.config.threads);
        let margins = design.margins(&design.compact(model.weights(), bias));
        let mut all: Vec<f64> = model
            .weights()
            .iter()
            .map(|&weight| f64::from(weight))
            .collect();
        all.push(bias);
        let objective = LossAt::new(&design, &margins).loss + penalty(&self.config, &all);
        let optimum = self.solve_from(batch, model)?;
        Ok(OptimumGap { objective, optimum })
    }

    fn run(
        &self,
        design: &Design,
        batch: &LabeledBatch<'_>,
        start: Vec<f64>,
    ) -> Result<Solution, SolveError> {
        let both = design.labels.contains(&true) && design.labels.contains(&false);
        if self.config.bias == BiasTerm::Free && !both {
            return Err(SolveError::OneLabel);
        }
        let Optimum {
            coefficients,
            objective,
            gap,
            newton_steps,
            products,
        } = if self.config.l1 > 0.0 {
            proximal::minimize(&self.config, design, start)
        } else {
            newton::minimize(&self.config, design, start)
        };
        Ok(Solution {
            weights: design.expand(&coefficients, batch.dimension()),
            bias: coefficients[design.positions.len()],
            objective,
            duality_gap: gap,
            newton_steps,
            hessian_products: products,
            converged: gap <= self.config.tolerance * objective,
        })
    }
}

/// A model's objective beside the optimum of the same objective.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OptimumGap {
    /// The objective at the model, in nats.
    pub objective: f64,
    /// The optimum.
    pub optimum: Solution,
}

impl OptimumGap {
    /// How far the model is above the optimum found, in nats.
    ///
    /// The least objective may be lower than that by at most the optimum's `duality_gap`.
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.objective - self.optimum.objective
    }

    /// The gap over the optimum's objective, dimensionless.
    #[must_use]
    pub fn relative_gap(&self) -> f64 {
        self.gap() / self.optimum.objective
    }
}

impl Solution {
    /// Rounds the solution to a model with `f32` weights.
    ///
    /// # Errors
    ///
    /// [`SolveError::Model`] — a coefficient does not fit.
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
    pub fn model(&self) -> Result<LinearModel, SolveError> {
        let weights = self.weights.iter().map(|&weight| weight as f32).collect();
        LinearModel::new(weights, self.bias).map_err(|source| SolveError::Model { source })
    }
}

fn check_dimension(model: &LinearModel, batch: &LabeledBatch<'_>) -> Result<(), SolveError> {
    let (model, batch) = (model.dimension(), batch.dimension());
    if model == batch {
        Ok(())
    } else {
        Err(SolveError::DimensionMismatch { model, batch })
    }
}
