//! The event record: a training or serving example before encoding.

mod attributes;
mod entity;
mod error;
mod read;
mod snapshot;
mod text;
mod time;
mod write;

use std::borrow::Cow;

use serde::Serialize;

pub use attributes::{Attributes, Numbers, Values};
pub use entity::{Context, Entity};
pub use error::EventError;
pub use snapshot::{Counters, HistorySnapshot};
pub use time::Time;
pub(crate) use time::{civil_from_days, days_from_civil};

/// One example before encoding: what was known just before the play, and whether it was liked.
///
/// Strings are borrowed from the JSON text where it has no escapes.
///
/// In JSON, one object a line:
///
/// ```text
/// {"event_id": "171670", "time": "2022-05-04T10:00:00.123Z", "language": "HI", "label": 1, "importance": 1.0,
///  "user":  {"id": "712", "attributes": {"location": "delhi"}, "numbers": {"days_registered": 799},
///            "history": {"all": {"": {"plays": 30, "last": 1651650000000}}, "hashtag": {"#comedy": {"plays": 18, "liked": 2}}}},
///  "item":  {"id": "5239", "attributes": {"hashtag": ["#comedy", "#dance"]}, "numbers": {"duration_s": 49.9}},
///  "context": {"tab": "1", "temperature": 31.5}}
/// ```
///
/// `event_id` and `time` are required; every other key may be missing. `label` is 0, 1, `false`,
/// `true` or `null`. An unknown key is an error, so that a misspelt one is not lost in silence.
/// In `context` a string or a list of strings is an attribute, a number or a boolean a number.
///
/// # Examples
///
/// ```
/// use feature_spec::Event;
///
/// let line = br#"{"event_id": "7", "time": "1970-01-01T00:00:01.500Z", "label": 1,
///                 "user": {"id": "a", "attributes": {"location": "delhi"}}}"#;
/// let event = Event::from_json(line)?;
/// assert_eq!(event.time.milliseconds(), 1_500);
/// assert_eq!(event.user.attributes.first("location"), Some("delhi"));
/// # Ok::<(), feature_spec::EventError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Event<'a> {
    /// Unique name of the event in its stream.
    pub event_id: Cow<'a, str>,
    /// When the play happened.
    pub time: Time,
    /// Language of the stream, such as `HI`; empty when the event does not say.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub language: Cow<'a, str>,
    /// The outcome; `None` when it is not known (serving).
    #[serde(
        serialize_with = "write::label",
        skip_serializing_if = "Option::is_none"
    )]
    pub label: Option<bool>,
    /// How many plain examples this one counts for; finite, at least 0, and 1 by default.
    #[serde(
        serialize_with = "write::importance",
        skip_serializing_if = "write::is_one"
    )]
    pub importance: f32,
    /// The user as known just before the play.
    #[serde(skip_serializing_if = "Entity::is_empty")]
    pub user: Entity<'a>,
    /// The item as known just before the play.
    #[serde(skip_serializing_if = "Entity::is_empty")]
    pub item: Entity<'a>,
    /// The circumstances of the play.
    #[serde(skip_serializing_if = "Context::is_empty")]
    pub context: Context<'a>,
}

impl<'a> Event<'a> {
    /// Creates an event with importance 1 and nothing known.
    #[must_use]
    pub fn new(event_id: impl Into<Cow<'a, str>>, time: Time) -> Self {
        Self {
            event_id: event_id.into(),
            time,
            importance: 1.0,
            ..Self::default()
        }
    }

    /// Reads one event from JSON text.
    ///
    /// # Errors
    ///
    /// - [`EventError::Syntax`]: not JSON, or not UTF-8.
    /// - [`EventError::Invalid`]: a missing, unknown or repeated key, or a value of the wrong type
    ///   or range; names the event when its id can be read, and the key path.
    pub fn from_json(json: &'a [u8]) -> Result<Self, EventError> {
        read::event(json)
    }

    /// Appends the event to `out` as one line of JSON, without a line end.
    ///
    /// Whole numbers are written without a fraction; reading the line gives an equal event.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail and no key is anything but a string.
        let _ = serde_json::to_writer(out, self);
    }

    /// Returns the event as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::with_capacity(1024);
        self.write_json(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// Returns a copy that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        Event {
            event_id: text::owned(self.event_id),
            time: self.time,
            language: text::owned(self.language),
            label: self.label,
            importance: self.importance,
            user: self.user.into_owned(),
            item: self.item.into_owned(),
            context: self.context.into_owned(),
        }
    }
}
