//! Named attributes and numbers of a user, an item or the context.

use std::borrow::Cow;

use serde::Serialize;

use super::text;

/// The value or values of an attribute; repeats count once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[allow(clippy::exhaustive_enums)] // an attribute is a string or a list of strings
pub enum Values<'a> {
    /// One value; an empty string is a value.
    One(Cow<'a, str>),
    /// Any number of values.
    Many(Vec<Cow<'a, str>>),
}

impl<'a> Values<'a> {
    /// Returns the values as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[Cow<'a, str>] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    fn into_owned(self) -> Values<'static> {
        match self {
            Self::One(value) => Values::One(text::owned(value)),
            Self::Many(values) => Values::Many(values.into_iter().map(text::owned).collect()),
        }
    }
}

impl<'a> From<&'a str> for Values<'a> {
    fn from(value: &'a str) -> Self {
        Self::One(Cow::Borrowed(value))
    }
}

impl From<String> for Values<'_> {
    fn from(value: String) -> Self {
        Self::One(Cow::Owned(value))
    }
}

impl<'a> From<Vec<Cow<'a, str>>> for Values<'a> {
    fn from(values: Vec<Cow<'a, str>>) -> Self {
        Self::Many(values)
    }
}

impl<'a> FromIterator<&'a str> for Values<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(values: I) -> Self {
        Self::Many(values.into_iter().map(Cow::Borrowed).collect())
    }
}

/// Attributes by name, in order of name; a missing one is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes<'a>(pub(super) Vec<(Cow<'a, str>, Values<'a>)>);

impl<'a> Attributes<'a> {
    /// Sets an attribute and returns what it was before.
    pub fn insert(
        &mut self,
        name: impl Into<Cow<'a, str>>,
        values: impl Into<Values<'a>>,
    ) -> Option<Values<'a>> {
        insert(&mut self.0, name.into(), values.into())
    }

    /// Returns the values of an attribute; empty when it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &[Cow<'a, str>] {
        find(&self.0, name).map_or(&[], Values::as_slice)
    }

    /// Returns the first value of an attribute.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.get(name).first().map(AsRef::as_ref)
    }

    /// Returns the values of an attribute; `None` when it is absent.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<&Values<'a>> {
        find(&self.0, name)
    }

    /// Whether the attribute is there, with any number of values.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        find(&self.0, name).is_some()
    }

    /// Iterates over names and values, in order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Values<'a>)> {
        self.0.iter().map(|(name, values)| (name.as_ref(), values))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_owned(self) -> Attributes<'static> {
        Attributes(
            self.0
                .into_iter()
                .map(|(n, v)| (text::owned(n), v.into_owned()))
                .collect(),
        )
    }
}

/// Numbers by name, in order of name; a missing one is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Numbers<'a>(pub(super) Vec<(Cow<'a, str>, f64)>);

impl<'a> Numbers<'a> {
    /// Sets a number and returns what it was before.
    pub fn insert(&mut self, name: impl Into<Cow<'a, str>>, value: f64) -> Option<f64> {
        insert(&mut self.0, name.into(), value)
    }

    /// Returns a number.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        find(&self.0, name).copied()
    }

    /// Iterates over names and values, in order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_owned(self) -> Numbers<'static> {
        Numbers(
            self.0
                .into_iter()
                .map(|(n, v)| (text::owned(n), v))
                .collect(),
        )
    }
}

fn insert<'a, V>(list: &mut Vec<(Cow<'a, str>, V)>, name: Cow<'a, str>, value: V) -> Option<V> {
    match list.binary_search_by(|(n, _)| n.as_ref().cmp(name.as_ref())) {
        Ok(at) => Some(std::mem::replace(&mut list[at].1, value)),
        Err(at) => {
            list.insert(at, (name, value));
            None
        }
    }
}

fn find<'l, V>(list: &'l [(Cow<'_, str>, V)], name: &str) -> Option<&'l V> {
    let at = list.binary_search_by(|(n, _)| n.as_ref().cmp(name)).ok()?;
    Some(&list[at].1)
}
