//! How values of an event are written.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Attributes, HistorySnapshot, Numbers};

/// A number that is written without a fraction when it is whole.
pub(super) struct Number(pub(super) f64);

/// Beyond this, not every whole number is an `f64`, and the fraction is written.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Serialize for Number {
    #[allow(clippy::cast_possible_truncation, clippy::float_cmp)] // whole and below 2^53
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        if value.trunc() == value
            && value.abs() < WHOLE
            && !(value == 0.0 && value.is_sign_negative())
        {
            serializer.serialize_i64(value as i64)
        } else {
            serializer.serialize_f64(value)
        }
    }
}

#[allow(clippy::ref_option)] // serde's signature
pub(super) fn label<S: Serializer>(label: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    match label {
        Some(label) => serializer.serialize_u8(u8::from(*label)),
        None => serializer.serialize_none(),
    }
}

#[allow(clippy::float_cmp, clippy::trivially_copy_pass_by_ref)] // the exact default; serde's signature
pub(super) fn is_one(importance: &f32) -> bool {
    *importance == 1.0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(super) fn importance<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    Number(f64::from(*value)).serialize(serializer)
}

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Serialize for Numbers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, Number(value))))
    }
}

impl Serialize for HistorySnapshot<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for group in self.groups() {
            map.serialize_entry(
                group,
                &Group {
                    snapshot: self,
                    group,
                },
            )?;
        }
        map.end()
    }
}

struct Group<'s> {
    snapshot: &'s HistorySnapshot<'s>,
    group: &'s str,
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.snapshot.entries(self.group))
    }
}

impl Serialize for super::Counters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &Number(value))?;
        }
        if let Some(last) = self.last() {
            map.serialize_entry("last", &last)?;
        }
        map.end()
    }
}
