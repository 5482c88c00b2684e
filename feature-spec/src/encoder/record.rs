//! What the encoder reads from.

use crate::event::{Event, Time};
use crate::owner::Owner;

/// A source of one event: the JSON record, a Rust struct, a row of columns.
///
/// The encoder asks for what the spec names and nothing else, and asks for each input once.
pub trait Record {
    /// Name of the event, for errors.
    fn event_id(&self) -> &str;

    /// When the play happened.
    fn time(&self) -> Time;

    /// Id of the user or the item; `None` when there is none.
    fn id(&self, owner: Owner) -> Option<&str>;

    /// Calls `each` with every value of an attribute; returns whether the attribute is there.
    fn attribute(&self, owner: Owner, name: &str, each: &mut dyn FnMut(&str)) -> bool;

    /// Returns a number; `None` when it is missing.
    fn number(&self, owner: Owner, name: &str) -> Option<f64>;

    /// Calls `each` with every value that a history group has counters of, each once.
    fn keys(&self, owner: Owner, group: &str, each: &mut dyn FnMut(&str));

    /// Calls `each` with metric and number of the counters of `key`; returns whether there are any,
    /// and with them the time of the last play counted, in milliseconds since the Unix epoch.
    fn counters(
        &self,
        owner: Owner,
        group: &str,
        key: &str,
        each: &mut dyn FnMut(&str, f64),
    ) -> Option<Option<i64>>;
}

impl Event<'_> {
    fn history(&self, owner: Owner) -> Option<&crate::event::HistorySnapshot<'_>> {
        match owner {
            Owner::User => Some(&self.user.history),
            Owner::Item => Some(&self.item.history),
            Owner::Context => None,
        }
    }
}

impl Record for Event<'_> {
    fn event_id(&self) -> &str {
        &self.event_id
    }

    fn time(&self) -> Time {
        self.time
    }

    fn id(&self, owner: Owner) -> Option<&str> {
        let id = match owner {
            Owner::User => &self.user.id,
            Owner::Item => &self.item.id,
            Owner::Context => return None,
        };
        (!id.is_empty()).then_some(id.as_ref())
    }

    fn attribute(&self, owner: Owner, name: &str, each: &mut dyn FnMut(&str)) -> bool {
        let attributes = match owner {
            Owner::User => &self.user.attributes,
            Owner::Item => &self.item.attributes,
            Owner::Context => &self.context.attributes,
        };
        let Some(values) = attributes.values(name) else {
            return false;
        };
        for value in values.as_slice() {
            each(value);
        }
        true
    }

    fn number(&self, owner: Owner, name: &str) -> Option<f64> {
        match owner {
            Owner::User => self.user.numbers.get(name),
            Owner::Item => self.item.numbers.get(name),
            Owner::Context => self.context.numbers.get(name),
        }
    }

    fn keys(&self, owner: Owner, group: &str, each: &mut dyn FnMut(&str)) {
        for (key, _) in self
            .history(owner)
            .into_iter()
            .flat_map(|h| h.entries(group))
        {
            each(key);
        }
    }

    fn counters(
        &self,
        owner: Owner,
        group: &str,
        key: &str,
        each: &mut dyn FnMut(&str, f64),
    ) -> Option<Option<i64>> {
        let counters = self.history(owner)?.get(group, key)?;
        for (metric, value) in counters.iter() {
            each(metric, value);
        }
        Some(counters.last())
    }
}
