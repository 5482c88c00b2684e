//! Errors that name the event and the feature.

use super::EncodeError;
use super::plan::Plan;
use crate::event::Time;
use crate::owner::Owner;
use crate::spec::Compiled;

/// What stopped the reading of a list.
pub(super) enum Stop {
    TooMany(usize),
    Counter(usize, f64),
    Future(usize, i64),
}

impl Stop {
    pub(super) fn of(self, history: usize) -> Self {
        match self {
            Self::TooMany(limit) => Self::TooMany(limit),
            Self::Counter(_, value) => Self::Counter(history, value),
            Self::Future(_, last) => Self::Future(history, last),
        }
    }
}

/// Names of features and of the event, for errors.
pub(super) struct Names<'n> {
    pub(super) compiled: &'n Compiled,
    pub(super) event_id: &'n str,
}

impl Names<'_> {
    fn feature(&self, index: usize) -> String {
        self.compiled
            .features
            .get(index)
            .map_or_else(String::new, |f| {
                format!("{}/{}", f.declaration.vector, f.declaration.name)
            })
    }

    pub(super) fn value(&self, feature: usize, value: f64, expected: &'static str) -> EncodeError {
        let event_id = self.event_id.to_owned();
        EncodeError::Value {
            event_id,
            feature: self.feature(feature),
            value,
            expected,
        }
    }

    pub(super) fn wrong_type(
        &self,
        feature: usize,
        owner: Owner,
        name: &str,
        value: String,
        expected: &'static str,
    ) -> EncodeError {
        EncodeError::WrongType {
            event_id: self.event_id.to_owned(),
            feature: self.feature(feature),
            input: format!("{owner}.{name}"),
            value: value.chars().take(80).collect(),
            expected,
        }
    }

    pub(super) fn stopped(
        &self,
        feature: usize,
        plan: &Plan,
        stop: Stop,
        time: Time,
    ) -> EncodeError {
        let of = |history: usize| plan.histories.get(history).map_or(feature, |h| h.feature);
        match stop {
            Stop::TooMany(limit) => EncodeError::TooMany {
                event_id: self.event_id.to_owned(),
                feature: self.feature(feature),
                limit,
            },
            Stop::Counter(history, value) => {
                self.value(of(history), value, "a finite number from 0")
            }
            Stop::Future(history, last) => EncodeError::Future {
                event_id: self.event_id.to_owned(),
                feature: self.feature(of(history)),
                last: Time::from_milliseconds(last),
                time,
            },
        }
    }
}
