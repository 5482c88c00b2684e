//! What can be wrong with an event.

/// Why a text is not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The text is not one JSON value.
    #[error("not JSON at line {line}, column {column}: {reason}")]
    Syntax {
        /// Line within the text, from 1.
        line: usize,
        /// Column within the line, in bytes, from 1.
        column: usize,
        /// What the parser met.
        reason: String,
    },
    /// The text is JSON but not an event.
    #[error("{}{path}: {reason}", event_prefix(.event_id.as_deref()))]
    Invalid {
        /// The event's id, when it could be read.
        event_id: Option<String>,
        /// Key path of the value, such as `user.numbers.days_registered`.
        path: String,
        /// What is wrong, with the offending value.
        reason: String,
    },
    /// A time is not RFC 3339 or lies outside the years 0000 to 9999.
    #[error("{text:?} is not a time such as 2022-05-04T10:00:00.123Z")]
    Time {
        /// The text given.
        text: String,
    },
}

fn event_prefix(event_id: Option<&str>) -> String {
    event_id.map_or_else(String::new, |id| format!("event {id:?}: "))
}
