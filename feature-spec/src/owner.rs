//! Who a value belongs to.

use serde::{Deserialize, Serialize};

/// The part of an event that a value is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums)] // an event has these three parts; a fourth would be a new format
pub enum Owner {
    /// The user who watched.
    User,
    /// The video that was watched.
    Item,
    /// The circumstances of the play.
    Context,
}

impl Owner {
    /// Returns the name used in specs and in events: `user`, `item` or `context`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Item => "item",
            Self::Context => "context",
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
