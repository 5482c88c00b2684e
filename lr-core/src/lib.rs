//! Online and exact sparse logistic regression with bit-for-bit reproducible results.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod bank;
mod config;
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
    example::Example,
    kernel::Kernel,
    learner::{LearnError, Learner, Prediction, Quantity, RescaleError},
    loss::{log_loss, logistic_gradient, logistic_loss, logit, sigmoid},
    metrics::{
        CalibrationBucket, Confusion, Interval, LearningCurve, Measure, Metrics, MetricsError,
        MetricsState, RecentMetrics, SlicedMetrics, exact_auc,
    },
    model::{LinearModel, ModelError},
    recalibration::{Isotonic, IsotonicMap, Platt, PlattConfig, RecalibrationError},
    row::RowError,
    solver::{
        BiasTerm, ExactSolver, GradientSums, LabeledBatch, OptimumGap, Solution, SolveError,
        SolverConfig, SolverConfigError,
    },
    state::{LearnerState, StateError, Tensor, TensorData},
};
