//! Canonical JSON out, strict JSON in.
//!
//! Canonical: object keys in byte order, no white space, floats in their shortest form that reads
//! back to the same bits. Strict: a key that occurs twice in one object is an error, where most
//! readers keep the last one.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Serialises `value` with object keys in byte order.
pub(crate) fn to_canonical(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    write_value(&mut text, &serde_json::to_value(value)?);
    Ok(text)
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            // The map's own order depends on a cargo feature that another crate may turn on.
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort_unstable();
            text.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_value(text, &members[key]);
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// Parses `text` after checking that no object in it names a key twice.
///
/// The error is the parser's message with line and column.
pub(crate) fn from_strict<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, String> {
    check_unique_keys(text)?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Checks that `text` is one JSON value in which no object names a key twice.
pub(crate) fn check_unique_keys(text: &str) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    UniqueKeys
        .deserialize(&mut deserializer)
        .map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())
}

struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(Self)?;
            if let Some(key) = seen.replace(key) {
                return Err(serde::de::Error::custom(format_args!(
                    "key `{key}` occurs twice"
                )));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_sorts_keys_and_keeps_float_bits() {
        let value: Value =
            serde_json::from_str(r#"{"b": [1, 2.5, "x\"y"], "a": {"z": null, "B": true}}"#)
                .unwrap();
        assert_eq!(
            to_canonical(&value).unwrap(),
            r#"{"a":{"B":true,"z":null},"b":[1,2.5,"x\"y"]}"#
        );
        let exact = 0.1_f64 + 0.2;
        let back: f64 = serde_json::from_str(&to_canonical(&exact).unwrap()).unwrap();
        assert_eq!(back.to_bits(), exact.to_bits());
    }

    #[test]
    fn a_repeated_key_is_an_error_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"[{"x":{"a":1,"b":2,"a":3}}]"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert!(
                check_unique_keys(text)
                    .unwrap_err()
                    .contains("`a` occurs twice"),
                "{text}"
            );
        }
        assert!(check_unique_keys(r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
        assert!(check_unique_keys("{} {}").is_err());
    }
}
