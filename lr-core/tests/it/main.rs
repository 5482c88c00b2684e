//! Behaviour of the public API.

#![allow(clippy::unwrap_used)]

mod learner;
mod loss;
mod metrics;
mod metrics_more;
mod solver;
