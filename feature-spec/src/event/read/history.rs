//! Reading the groups of a history.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::values::Number;
use super::{Path, at};
use crate::event::HistorySnapshot;
use crate::event::snapshot::Entry;
use crate::event::text::Text;
use crate::event::time::shorten;

pub(super) struct GroupSeed<'p, 'h, 'de> {
    pub(super) history: &'h mut HistorySnapshot<'de>,
    pub(super) path: &'p mut Path,
}

impl<'de> DeserializeSeed<'de> for GroupSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for GroupSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of values and their counters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { history, path } = self;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let start = history.metrics.len();
            let seed = CountersSeed {
                metrics: &mut history.metrics,
                path: &mut *path,
            };
            let last = map
                .next_value_seed(seed)
                .inspect_err(|_| path.0.insert(0, shorten(&key)))?;
            history.entries.push(Entry {
                key,
                last,
                start,
                end: history.metrics.len(),
            });
        }
        Ok(())
    }
}

struct CountersSeed<'p, 'h, 'de> {
    metrics: &'h mut Vec<(Cow<'de, str>, f64)>,
    path: &'p mut Path,
}

impl<'de> DeserializeSeed<'de> for CountersSeed<'_, '_, 'de> {
    type Value = Option<i64>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Option<i64>, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for CountersSeed<'_, '_, 'de> {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metrics and numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<i64>, A::Error> {
        let mut last = None;
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            if name == "last" {
                let value = at(self.path, &name, |_| map.next_value::<i64>())?;
                if last.replace(value).is_some() {
                    return Err(A::Error::custom("repeated key \"last\""));
                }
                continue;
            }
            let value = at(self.path, &name, |_| {
                let value = map.next_value::<Number>()?.0;
                if value >= 0.0 {
                    Ok(value)
                } else {
                    Err(A::Error::custom(format_args!("negative counter {value}")))
                }
            })?;
            self.metrics.push((name, value));
        }
        Ok(last)
    }
}
