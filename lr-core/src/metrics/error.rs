//! What can go wrong when events or saved counts are given to the metrics.

/// An event, a setting or a saved state that the metrics refuse.
///
/// The metrics are unchanged after any of these.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// A probability is not a number in [0, 1].
    #[error("probability {probability} is not in [0, 1]")]
    ProbabilityOutOfRange {
        /// The value given.
        probability: f64,
    },
    /// A margin is NaN.
    #[error("margin is not a number")]
    MarginNotANumber,
    /// An importance is not a number in [0, 2^24].
    #[error("importance {importance} is not in [0, 16777216]")]
    ImportanceOutOfRange {
        /// The value given.
        importance: f64,
    },
    /// The total importance would exceed 2^39, beyond which sums could overflow.
    #[error("total importance would exceed 2^39")]
    TooMuchImportance,
    /// A resolution of the score histogram is not in 2 to 16.
    #[error("resolution {resolution} is not in 2 to 16 bits")]
    ResolutionOutOfRange {
        /// The value given, in bits.
        resolution: u32,
    },
    /// Two metrics with different resolutions were merged.
    #[error("cannot merge metrics of resolution {right} bits into metrics of {left} bits")]
    ResolutionMismatch {
        /// Resolution of the metrics merged into, in bits.
        left: u32,
        /// Resolution of the metrics given, in bits.
        right: u32,
    },
    /// A confidence level is not in (0, 1).
    #[error("confidence level {level} is not in (0, 1)")]
    LevelOutOfRange {
        /// The value given.
        level: f64,
    },
    /// A saved state contradicts itself.
    #[error("saved metrics are invalid: {reason}")]
    InvalidState {
        /// What does not hold.
        reason: &'static str,
    },
}
