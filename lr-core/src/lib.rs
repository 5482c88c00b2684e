//! Online and exact sparse logistic regression with bit-for-bit reproducible results.
//!
//! Predicts the probability of a yes or no (a click, a like) from sparse rows, and learns from a
//! stream of examples one at a time, without tuning. It does no input or output, reads no clock
//! and draws no random number; what a position means is the business of `feature-spec`, and files
//! are that of `model-io`.
//!
//! ```
//! use lr_core::{Example, Learner, OptimizerConfig, sprs::CsVecViewI};
//!
//! let mut learner = Learner::new(100_000, OptimizerConfig::default())?;
//! let comedy = CsVecViewI::new(100_000, &[7_u32, 42][..], &[0.6_f32, 1.0][..]);
//! let news = CsVecViewI::new(100_000, &[9_u32, 42][..], &[0.4_f32, 1.0][..]);
//! for _ in 0..100 {
//!     learner.learn(&Example::new(comedy, true))?; // predicts, then learns
//!     learner.learn(&Example::new(news, false))?;
//! }
//! let model = learner.model()?; // one array of weights, and a bias
//! assert!(model.probability(&comedy)? > 0.8);
//! assert!((model.margin(&comedy)? - learner.predict(&comedy)?.margin).abs() < 1e-5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Overview
//!
//! - [`Learner`] takes an [`Example`] at a time, or many rows that were checked before
//!   ([`Learner::learn_rows`]); [`OptimizerConfig`] says how it learns, by default a bank of eleven
//!   members stacked online ([`BankConfig`]).
//! - [`Learner::model`] gives a [`LinearModel`]; [`Learner::state`] and [`Learner::from_state`] stop
//!   and continue a run, [`Learner::rescale`] and [`Learner::remap`] carry it to new statistics and
//!   new positions.
//! - [`ExactSolver`] finds the optimum of a batch, [`GradientSums`] adds up over machines.
//! - [`Metrics`] measures predictions as they are made; [`Platt`] and [`Isotonic`] recalibrate.
//!
//! # Numerics
//!
//! Weights and accumulators are `f32`; margins, losses and the stacker are `f64`. Results are the
//! same bits on every CPU and for any number of threads: IEEE operations in a fixed order,
//! polynomials of them and `libm` for the transcendental functions, no fused operations
//! ([`Kernel`]). An update costs O(nnz).
//! NaN and infinite values are refused before anything is changed. The formulas, their errors and
//! what was tried are in the [numerics notes], the figures in the [benchmarks].
//!
//! [numerics notes]: https://github.com/ctr-predict/ctr-predict/blob/main/docs/numerics.md
//! [benchmarks]: https://github.com/ctr-predict/ctr-predict/blob/main/docs/benchmarks.md
//!
//! # Errors and panics
//!
//! One error type a family of operations: [`ConfigError`], [`RowError`], [`LearnError`],
//! [`RescaleError`], [`StateError`], [`ModelError`], [`SolverConfigError`], [`SolveError`],
//! [`MetricsError`], [`RecalibrationError`]. A run that diverges is [`LearnError::Diverged`] and
//! leaves the last good state. No function panics.
//!
//! # Crate features
//!
//! - `serde` (off): `Serialize` and `Deserialize` for the states of metrics and recalibration and
//!   for the solver's settings; pulls in `serde`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod bank;
mod config;
mod dense;
mod example;
mod kernel;
mod learner;
mod loss;
mod metrics;
mod model;
mod recalibration;
mod row;
mod rules;
mod single;
mod solver;
mod state;

pub use sprs;

pub use crate::{
    config::{
        AdaGradConfig, BankConfig, ConfigError, FtrlConfig, LearnerConfig, Member,
        NormalizedConfig, OptimizerConfig, RateDecay, Schedule, SgdConfig,
    },
    example::{CheckedExample, Example},
    kernel::Kernel,
    learner::{LearnError, Learner, Prediction, Quantity, RescaleError},
    loss::{log_loss, logistic_gradient, logistic_loss, logit, sigmoid},
    metrics::{
        CalibrationBucket, Confusion, Interval, LearningCurve, Measure, Metrics, MetricsError,
        MetricsState, RecentMetrics, SlicedMetrics, exact_auc,
    },
    model::{LinearModel, ModelError},
    recalibration::{Isotonic, IsotonicMap, Platt, PlattConfig, RecalibrationError},
    row::{CheckedRow, CheckedRows, RowError, RowsError},
    solver::{
        BiasTerm, ExactSolver, GradientSums, LabeledBatch, OptimumGap, Solution, SolveError,
        SolverConfig, SolverConfigError,
    },
    state::{LearnerState, StateError, Tensor, TensorData},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
