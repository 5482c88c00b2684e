//! Reading single values: numbers, attributes, labels, importances.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::event::Values;
use crate::event::text::Text;
use crate::event::time::shorten;

/// A finite number, or a boolean as 0 or 1.
pub(super) struct Number(pub(super) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AttributeVisitor {
            strings: false,
            numbers: true,
        })? {
            Attribute::Number(number) => Ok(Self(number)),
            Attribute::Values(_) => Err(D::Error::custom("expected a number")),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AttributeVisitor {
            strings: true,
            numbers: false,
        })? {
            Attribute::Values(values) => Ok(values),
            Attribute::Number(_) => Err(D::Error::custom("expected a string")),
        }
    }
}

pub(super) enum Attribute<'a> {
    Values(Values<'a>),
    Number(f64),
}

impl<'de> Deserialize<'de> for Attribute<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AttributeVisitor {
            strings: true,
            numbers: true,
        })
    }
}

struct AttributeVisitor {
    strings: bool,
    numbers: bool,
}

impl AttributeVisitor {
    fn number<'de, E: Error>(self, value: f64) -> Result<Attribute<'de>, E> {
        if self.numbers && value.is_finite() {
            Ok(Attribute::Number(value))
        } else {
            Err(E::invalid_type(serde::de::Unexpected::Float(value), &self))
        }
    }
}

impl<'de> Visitor<'de> for AttributeVisitor {
    type Value = Attribute<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.strings, self.numbers) {
            (true, true) => "a string, a list of strings or a number",
            (true, false) => "a string or a list of strings",
            _ => "a number",
        })
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        if self.numbers {
            Ok(Attribute::Number(f64::from(u8::from(value))))
        } else {
            Err(E::invalid_type(serde::de::Unexpected::Bool(value), &self))
        }
    }

    #[allow(clippy::cast_precision_loss)] // numbers are f64
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.number(value as f64)
    }

    #[allow(clippy::cast_precision_loss)] // numbers are f64
    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.number(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.number(value)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        if self.strings {
            Ok(Attribute::Values(Values::One(Cow::Borrowed(value))))
        } else {
            Err(E::invalid_type(
                serde::de::Unexpected::Str(&shorten(value)),
                &self,
            ))
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        if self.strings {
            Ok(Attribute::Values(Values::One(Cow::Owned(value.to_owned()))))
        } else {
            Err(E::invalid_type(
                serde::de::Unexpected::Str(&shorten(value)),
                &self,
            ))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if !self.strings {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let mut values = Vec::with_capacity(seq.size_hint().unwrap_or(4).min(64));
        while let Some(Text(value)) = seq.next_element::<Text<'de>>()? {
            values.push(value);
        }
        Ok(Attribute::Values(Values::Many(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(A::Error::invalid_type(serde::de::Unexpected::Map, &self))
    }
}

pub(super) struct Label(pub(super) Option<bool>);

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelVisitor).map(Self)
    }
}

struct LabelVisitor;

impl Visitor<'_> for LabelVisitor {
    type Value = Option<bool>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label: 0, 1, false, true or null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        match value {
            0 => Ok(Some(false)),
            1 => Ok(Some(true)),
            _ => Err(E::invalid_value(
                serde::de::Unexpected::Unsigned(value),
                &self,
            )),
        }
    }

    #[allow(clippy::float_cmp)] // exactly 0 or 1
    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        if value == 0.0 || value == 1.0 {
            Ok(Some(value == 1.0))
        } else {
            Err(E::invalid_value(serde::de::Unexpected::Float(value), &self))
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

pub(super) struct Importance(pub(super) f32);

impl<'de> Deserialize<'de> for Importance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f32::deserialize(deserializer)?;
        if value >= 0.0 && value.is_finite() {
            Ok(Self(value))
        } else {
            Err(D::Error::custom(format_args!(
                "importance {value} is not a finite number from 0"
            )))
        }
    }
}
