//! Behaviour of the public API.

#![allow(clippy::unwrap_used)]

mod behavior;
mod joint;
mod learner;
mod loss;
mod metrics;
mod metrics_more;
mod recalibration;
mod rows;
mod solver;
mod twins;
mod vowpal;
