//! Online and exact sparse logistic regression with bit-for-bit reproducible results.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod metrics;

pub use crate::metrics::{Metrics, MetricsError, MetricsState};
