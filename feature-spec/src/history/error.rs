//! What can be wrong with a history.

use crate::event::Time;

/// Why counters cannot be kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A metric is not an expression.
    #[error("metric {metric:?}: {reason} at column {column} of `{expression}`")]
    Expression {
        /// The metric's name.
        metric: String,
        /// Its text.
        expression: String,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// A name, a group or a half-life cannot be used.
    #[error("{path}: {reason}")]
    Config {
        /// Where it stands, such as `groups.user.hashtag`.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A play or snapshot is earlier than one before it.
    #[error("time {time} is before {latest}, the latest seen; plays must come in order of time")]
    OutOfOrder {
        /// The time given.
        time: Time,
        /// The latest time seen before it.
        latest: Time,
    },
    /// A play has more or fewer numbers or keys than the history reads.
    #[error("a play has {actual} {what} where the history reads {expected}")]
    Shape {
        /// `fields` or `keys`.
        what: &'static str,
        /// How many the history reads.
        expected: usize,
        /// How many the play has.
        actual: usize,
    },
    /// A metric of a play is negative or not finite.
    #[error("metric {metric:?} is {value}; a metric is a finite number from 0")]
    Metric {
        /// The metric's name.
        metric: String,
        /// Its value.
        value: f64,
    },
    /// Two histories count different things.
    #[error("the histories have different metrics or groups and cannot be merged")]
    Different,
    /// A stored state breaks an invariant.
    #[error("stored history: {reason}")]
    State {
        /// Which one.
        reason: String,
    },
}
