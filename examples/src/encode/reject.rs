//! Lines of events that could not be used.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a line was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The line is not JSON.
    NotJson,
    /// The line is JSON and not an event: a wrong key, type or range.
    InvalidEvent,
    /// The event carries no label.
    NoLabel,
    /// The event is of another language than the stream.
    OtherLanguage,
    /// The spec cannot turn the event into a row.
    NotEncodable,
    /// The line is longer than any event may be.
    TooLong,
    /// The event's time is too far ahead of the trainer's clock.
    Future,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::NotJson,
        Self::InvalidEvent,
        Self::NoLabel,
        Self::OtherLanguage,
        Self::NotEncodable,
        Self::TooLong,
        Self::Future,
    ];

    /// The name in summaries and reject files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::InvalidEvent => "invalid_event",
            Self::NoLabel => "no_label",
            Self::OtherLanguage => "other_language",
            Self::NotEncodable => "not_encodable",
            Self::TooLong => "too_long",
            Self::Future => "future",
        }
    }
}

/// One line set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reject {
    /// Path or URL of the input.
    pub source: Arc<str>,
    /// 1-based line in it.
    pub line: u64,
    /// Kind of problem.
    pub reason: Reason,
    /// The problem in words.
    pub detail: String,
    /// The line itself; bytes that are not UTF-8 are replaced.
    pub text: String,
}
