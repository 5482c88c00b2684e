//! A user or an item, and the context, as an event carries them.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::write::Number;
use super::{Attributes, HistorySnapshot, Numbers, text};

/// A user or an item as known just before the play.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Entity<'a> {
    /// The entity's own name; empty when it has none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub id: Cow<'a, str>,
    /// What it is: location, hashtags, author.
    #[serde(skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes<'a>,
    /// What can be measured of it: days registered, duration.
    #[serde(skip_serializing_if = "Numbers::is_empty")]
    pub numbers: Numbers<'a>,
    /// What was counted of it before the play.
    #[serde(skip_serializing_if = "HistorySnapshot::is_empty")]
    pub history: HistorySnapshot<'a>,
}

impl Entity<'_> {
    /// Whether nothing is known, not even an id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
            && self.attributes.is_empty()
            && self.numbers.is_empty()
            && self.history.is_empty()
    }

    pub(super) fn into_owned(self) -> Entity<'static> {
        Entity {
            id: text::owned(self.id),
            attributes: self.attributes.into_owned(),
            numbers: self.numbers.into_owned(),
            history: self.history.into_owned(),
        }
    }
}

/// The circumstances of a play; in JSON one object holds attributes and numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context<'a> {
    /// Tab, device, festival.
    pub attributes: Attributes<'a>,
    /// Temperature, position in the list.
    pub numbers: Numbers<'a>,
}

impl Context<'_> {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.numbers.is_empty()
    }

    pub(super) fn into_owned(self) -> Context<'static> {
        Context {
            attributes: self.attributes.into_owned(),
            numbers: self.numbers.into_owned(),
        }
    }
}

impl Serialize for Context<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, values) in self.attributes.iter() {
            map.serialize_entry(name, values)?;
        }
        for (name, value) in self.numbers.iter() {
            map.serialize_entry(name, &Number(value))?;
        }
        map.end()
    }
}
