//! What can be wrong with an event for a spec.

use crate::event::Time;

/// Why an event cannot be encoded; the encoder and its counts are as before.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A feature wants a number and the event has a string, or the other way round.
    #[error(
        "event {event_id:?}, feature {feature}: {input} is {value}, and {expected} is expected"
    )]
    WrongType {
        /// The event.
        event_id: String,
        /// The first feature that reads the value.
        feature: String,
        /// Where the value stands, such as `user.days_registered`.
        input: String,
        /// The value.
        value: String,
        /// What the feature reads.
        expected: &'static str,
    },
    /// A number is not finite, negative where it counts, not 0 or 1 where it is a boolean, or
    /// beyond the range of `f32`.
    #[error("event {event_id:?}, feature {feature}: {value} is not {expected}")]
    Value {
        /// The event.
        event_id: String,
        /// The feature.
        feature: String,
        /// The value.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
    /// A history has counted a play that is later than the event: it leaks the future.
    #[error(
        "event {event_id:?}, feature {feature}: the last play counted, {last}, is not before the event, {time}"
    )]
    Future {
        /// The event.
        event_id: String,
        /// The first feature that reads the history.
        feature: String,
        /// The last play counted.
        last: Time,
        /// The event's time.
        time: Time,
    },
    /// An attribute has too many values, or a cross too many pairs.
    #[error("event {event_id:?}, feature {feature}: more than {limit} values")]
    TooMany {
        /// The event.
        event_id: String,
        /// The feature.
        feature: String,
        /// How many there may be.
        limit: usize,
    },
}
