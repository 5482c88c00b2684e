//! Reading an event from JSON, in one pass, with a key path in every error.

mod history;
mod values;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::snapshot::{Entry, Group};
use super::text::Text;
use super::time::shorten;
use super::{Attributes, Context, Entity, Event, EventError, HistorySnapshot, Numbers, Time};

use history::GroupSeed;
use values::{Attribute, Importance, Label, Number};

pub(super) fn event(json: &[u8]) -> Result<Event<'_>, EventError> {
    let mut path = Path::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let result = EventSeed(&mut path).deserialize(&mut deserializer);
    result
        .and_then(|event| deserializer.end().map(|()| event))
        .map_err(|error| {
            if error.is_data() {
                EventError::Invalid {
                    event_id: find_id(json),
                    path: path.to_string(),
                    reason: reason(&error),
                }
            } else {
                EventError::Syntax {
                    line: error.line(),
                    column: error.column(),
                    reason: reason(&error),
                }
            }
        })
}

/// The message of an error without the place, which the caller states.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message);
    shorten_message(text)
}

fn shorten_message(text: &str) -> String {
    match text.char_indices().nth(240) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The id of an event that is otherwise wrong.
fn find_id(json: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Id {
        event_id: String,
    }
    serde_json::from_slice::<Id>(json)
        .ok()
        .map(|id| shorten(&id.event_id))
}

/// Where in the record the reader is; left as it was when an error is met.
#[derive(Default)]
struct Path(Vec<String>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("event")
        } else {
            f.write_str(&self.0.join("."))
        }
    }
}

/// Runs `read`; when it fails, puts `key` in front of the path.
fn at<T, E>(
    path: &mut Path,
    key: &str,
    read: impl FnOnce(&mut Path) -> Result<T, E>,
) -> Result<T, E> {
    read(path).inspect_err(|_| path.0.insert(0, shorten(key)))
}

/// Declares a seed whose value is read from a JSON object.
macro_rules! object_seed {
    ($seed:ident, $value:ty, $expecting:literal) => {
        struct $seed<'p>(&'p mut Path);

        impl<'de> DeserializeSeed<'de> for $seed<'_> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
                d.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $seed<'_> {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expecting)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                self.read(map)
            }
        }
    };
}

object_seed!(EventSeed, Event<'de>, "an event (a JSON object)");
object_seed!(
    EntitySeed,
    Entity<'de>,
    "an object with id, attributes, numbers and history"
);
object_seed!(
    AttributesSeed,
    Attributes<'de>,
    "an object of strings and lists of strings"
);
object_seed!(NumbersSeed, Numbers<'de>, "an object of numbers");
object_seed!(
    ContextSeed,
    Context<'de>,
    "an object of strings, lists of strings and numbers"
);
object_seed!(
    HistorySeed,
    HistorySnapshot<'de>,
    "an object of history groups"
);

const EVENT_KEYS: &[&str] = &[
    "event_id",
    "time",
    "language",
    "label",
    "importance",
    "user",
    "item",
    "context",
];
const ENTITY_KEYS: &[&str] = &["id", "attributes", "numbers", "history"];

impl EventSeed<'_> {
    fn read<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Event<'de>, A::Error> {
        let path = self.0;
        let mut event = Event::new("", Time::default());
        let mut seen = 0_u8;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let Some(index) = EVENT_KEYS.iter().position(|k| *k == key) else {
                return Err(A::Error::unknown_field(&shorten(&key), EVENT_KEYS));
            };
            if seen & (1 << index) != 0 {
                return Err(A::Error::custom(format_args!(
                    "repeated key {:?}",
                    EVENT_KEYS[index]
                )));
            }
            seen |= 1 << index;
            at(path, &key, |path| {
                match index {
                    0 => event.event_id = map.next_value::<Text<'de>>()?.0,
                    1 => event.time = map.next_value()?,
                    2 => event.language = map.next_value::<Text<'de>>()?.0,
                    3 => event.label = map.next_value::<Label>()?.0,
                    4 => event.importance = map.next_value::<Importance>()?.0,
                    5 => event.user = map.next_value_seed(EntitySeed(path))?,
                    6 => event.item = map.next_value_seed(EntitySeed(path))?,
                    _ => event.context = map.next_value_seed(ContextSeed(path))?,
                }
                Ok(())
            })?;
        }
        for (index, key) in EVENT_KEYS.iter().enumerate().take(2) {
            if seen & (1 << index) == 0 {
                return Err(A::Error::missing_field(key));
            }
        }
        Ok(event)
    }
}

impl EntitySeed<'_> {
    fn read<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Entity<'de>, A::Error> {
        let path = self.0;
        let mut entity = Entity::default();
        let mut seen = 0_u8;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let Some(index) = ENTITY_KEYS.iter().position(|k| *k == key) else {
                return Err(A::Error::unknown_field(&shorten(&key), ENTITY_KEYS));
            };
            if seen & (1 << index) != 0 {
                return Err(A::Error::custom(format_args!(
                    "repeated key {:?}",
                    ENTITY_KEYS[index]
                )));
            }
            seen |= 1 << index;
            at(path, &key, |path| {
                match index {
                    0 => entity.id = map.next_value::<Text<'de>>()?.0,
                    1 => entity.attributes = map.next_value_seed(AttributesSeed(path))?,
                    2 => entity.numbers = map.next_value_seed(NumbersSeed(path))?,
                    _ => entity.history = map.next_value_seed(HistorySeed(path))?,
                }
                Ok(())
            })?;
        }
        Ok(entity)
    }
}

impl AttributesSeed<'_> {
    fn read<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes<'de>, A::Error> {
        let path = self.0;
        let mut list = Vec::with_capacity(map.size_hint().unwrap_or(4).min(64));
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let values = at(path, &key, |_| map.next_value())?;
            list.push((key, values));
        }
        sort_unique(&mut list)?;
        Ok(Attributes(list))
    }
}

impl NumbersSeed<'_> {
    fn read<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Numbers<'de>, A::Error> {
        let path = self.0;
        let mut list = Vec::with_capacity(map.size_hint().unwrap_or(4).min(64));
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let value = at(path, &key, |_| map.next_value::<Number>())?;
            list.push((key, value.0));
        }
        sort_unique(&mut list)?;
        Ok(Numbers(list))
    }
}

impl ContextSeed<'_> {
    fn read<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<Context<'de>, A::Error> {
        let path = self.0;
        let mut context = Context::default();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match at(path, &key, |_| map.next_value::<Attribute<'de>>())? {
                Attribute::Values(values) => context.attributes.0.push((key, values)),
                Attribute::Number(number) => context.numbers.0.push((key, number)),
            }
        }
        sort_unique(&mut context.attributes.0)?;
        sort_unique(&mut context.numbers.0)?;
        if let Some((name, _)) = context
            .numbers
            .0
            .iter()
            .find(|(name, _)| context.attributes.contains(name))
        {
            return Err(A::Error::custom(format_args!(
                "repeated key {:?}",
                shorten(name)
            )));
        }
        Ok(context)
    }
}

impl HistorySeed<'_> {
    fn read<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<HistorySnapshot<'de>, A::Error> {
        let path = self.0;
        let mut history = HistorySnapshot {
            groups: Vec::with_capacity(8),
            entries: Vec::with_capacity(16),
            metrics: Vec::with_capacity(64),
        };
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            let start = history.entries.len();
            let seed = GroupSeed {
                history: &mut history,
                path: &mut *path,
            };
            map.next_value_seed(seed)
                .inspect_err(|_| path.0.insert(0, shorten(&name)))?;
            let entries = &mut history.entries[start..];
            if !entries.is_sorted_by(|a, b| a.key < b.key) {
                entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
                if let Some(w) = entries.windows(2).find(|w| w[0].key == w[1].key) {
                    let key = shorten(&w[0].key);
                    path.0.insert(0, shorten(&name));
                    return Err(A::Error::custom(format_args!("repeated key {key:?}")));
                }
            }
            let end = history.entries.len();
            history.groups.push(Group { name, start, end });
        }
        if !history.groups.is_sorted_by(|a, b| a.name < b.name) {
            history.groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            if let Some(w) = history.groups.windows(2).find(|w| w[0].name == w[1].name) {
                let name = shorten(&w[0].name);
                return Err(A::Error::custom(format_args!("repeated key {name:?}")));
            }
            lay_out(&mut history);
        }
        Ok(history)
    }
}

/// Puts the entries in the order of the groups, as [`HistorySnapshot::insert`] expects.
fn lay_out(history: &mut HistorySnapshot<'_>) {
    let entries = std::mem::take(&mut history.entries);
    let mut slots: Vec<Option<Entry<'_>>> = entries.into_iter().map(Some).collect();
    for group in &mut history.groups {
        let start = history.entries.len();
        history.entries.extend(
            slots[group.start..group.end]
                .iter_mut()
                .filter_map(Option::take),
        );
        (group.start, group.end) = (start, history.entries.len());
    }
}

fn sort_unique<V, E: Error>(list: &mut [(Cow<'_, str>, V)]) -> Result<(), E> {
    if !list.is_sorted_by(|a, b| a.0 < b.0) {
        list.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(w) = list.windows(2).find(|w| w[0].0 == w[1].0) {
            return Err(E::custom(format_args!(
                "repeated key {:?}",
                shorten(&w[0].0)
            )));
        }
    }
    Ok(())
}

impl<'de: 'a, 'a> Deserialize<'de> for Event<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut path = Path::default();
        EventSeed(&mut path)
            .deserialize(deserializer)
            .map_err(|error| {
                if path.0.is_empty() {
                    error
                } else {
                    D::Error::custom(format_args!("{path}: {error}"))
                }
            })
    }
}
