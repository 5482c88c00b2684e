//! Why learning or rescaling was refused.

use crate::row::RowError;

/// What went out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// The margin of the row, in log-odds.
    Margin,
    /// The average over about the last 10,000 examples of by how much the margin was on the wrong
    /// side of 0, in nats: the logistic loss is at most ln 2 more.
    MeanLoss,
    /// The largest change that the example could make to a weight.
    Step,
    /// A weight of the dumped model.
    Weight,
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Margin => "margin",
            Self::MeanLoss => "mean loss",
            Self::Step => "step",
            Self::Weight => "weight",
        })
    }
}

/// Why an example was not learned. The learner is as it was before the call.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// The row or its importance is invalid.
    #[error("the example is invalid")]
    Row {
        /// What is wrong with it.
        source: RowError,
    },
    /// The run diverges: the state is the last good one, and must not be trained further as it is.
    #[error("diverged at event {event}: {quantity} {value} is beyond {limit}")]
    Diverged {
        /// What went out of bounds.
        quantity: Quantity,
        /// Its value.
        value: f64,
        /// The bound.
        limit: f64,
        /// Events learned before.
        event: u64,
    },
}

/// Why statistics could not be exchanged under a learner. The learner is unchanged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RescaleError {
    /// Not one ratio a position.
    #[error("{actual} ratios for {dimension} positions")]
    Count {
        /// Ratios given.
        actual: usize,
        /// Positions of the learner.
        dimension: usize,
    },
    /// A ratio is not between 1e-9 and 1e9.
    #[error("ratio {ratio} at position {position} is not between 1e-9 and 1e9")]
    Ratio {
        /// Where it stands.
        position: usize,
        /// The ratio.
        ratio: f32,
    },
}
