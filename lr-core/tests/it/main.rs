//! Behaviour of the public API.

#![allow(clippy::unwrap_used)]

mod behavior;
mod divergence;
mod joint;
mod learner;
mod loss;
mod metrics;
mod metrics_more;
mod recalibration;
mod rows;
mod settings;
mod solver;
mod twins;
mod vowpal;
