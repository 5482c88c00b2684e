//! Which versions are meant, and which of them would have served an event.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use model_io::{ServingModel, Version};

use crate::cli::Failure;
use crate::registry::Session;

/// Models that are kept in memory at once.
const LOADED: usize = 4;

/// One version, or a range in which both ends are included.
///
/// `latest`, `at:2022-05-04T10:00:00Z` (what was live then), a version, or `A..B` with versions that
/// may be left out: `..` is all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    text: String,
}

/// A text is no selection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not latest, at:TIME, a version or a range A..B")]
pub struct SelectionError {
    /// The text.
    pub text: String,
}

impl Selection {
    /// The live version.
    #[must_use]
    pub fn latest() -> Self {
        Self {
            text: "latest".to_owned(),
        }
    }

    /// The ends of a range; `None` for one version.
    fn range(&self) -> Option<(&str, &str)> {
        self.text.split_once("..")
    }
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let version = |text: &str| Version::new(text).is_ok();
        let valid = match text.split_once("..") {
            Some((first, last)) => [first, last]
                .iter()
                .all(|end| end.is_empty() || version(end)),
            None => match text.strip_prefix("at:") {
                Some(time) => time.parse::<jiff::Timestamp>().is_ok(),
                None => version(text),
            },
        };
        let text = text.to_owned();
        if valid {
            Ok(Self { text })
        } else {
            Err(SelectionError { text })
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The versions of a selection, found in the registry and loaded as they are needed.
pub(super) struct Versions {
    selection: Selection,
    language: String,
    /// By the time of the last event that each had learned from.
    found: Vec<Found>,
    source: Mutex<Source>,
}

struct Found {
    version: String,
    /// It serves events after this time; one version serves all.
    after_ms: i64,
}

struct Source {
    session: Session,
    loaded: VecDeque<(usize, Arc<ServingModel>)>,
}

impl Versions {
    /// Finds the versions of a selection; the models of a range are read once to learn how far
    /// each had learned.
    pub(super) fn find(
        registry: &str,
        language: &str,
        selection: &Selection,
    ) -> Result<Self, Failure> {
        let session = Session::open(registry)?;
        let mut found = Vec::new();
        match selection.range() {
            None => found.push(Found {
                version: session.resolve(language, &selection.text)?.to_string(),
                after_ms: i64::MIN,
            }),
            Some((first, last)) => {
                for version in session.versions(language)? {
                    let name = version.as_str();
                    let inside =
                        (first.is_empty() || name >= first) && (last.is_empty() || name <= last);
                    if !inside {
                        continue;
                    }
                    let (_, snapshot) = session.model(language, name)?;
                    let after_ms = snapshot.info.span.map_or(i64::MIN, |span| span.last);
                    found.push(Found {
                        version: name.to_owned(),
                        after_ms,
                    });
                }
                found.sort_by_key(|found| found.after_ms);
            }
        }
        if found.is_empty() {
            return Err(Failure::usage(format!(
                "{registry}: no version of {language} is in {selection}"
            )));
        }
        Ok(Self {
            selection: selection.clone(),
            language: language.to_owned(),
            found,
            source: Mutex::new(Source {
                session,
                loaded: VecDeque::new(),
            }),
        })
    }

    pub(super) fn selection(&self) -> &Selection {
        &self.selection
    }

    pub(super) fn name(&self, index: usize) -> &str {
        self.found.get(index).map_or("", |found| &found.version)
    }

    /// The newest version that had learned from events before `time_ms` alone.
    pub(super) fn at(&self, time_ms: i64) -> Option<usize> {
        let newer = self.found.partition_point(|found| found.after_ms < time_ms);
        newer.checked_sub(1)
    }

    pub(super) fn newest(&self) -> Result<Arc<ServingModel>, Failure> {
        self.load(self.found.len() - 1)
    }

    /// The model at an index of [`at`](Self::at).
    pub(super) fn load(&self, index: usize) -> Result<Arc<ServingModel>, Failure> {
        // What is loaded is whole whenever the lock is free.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, model)) = source.loaded.iter().find(|(loaded, _)| *loaded == index) {
            return Ok(Arc::clone(model));
        }
        let version = self.name(index);
        let (_, snapshot) = source.session.model(&self.language, version)?;
        let model = ServingModel::from_snapshot(snapshot)
            .map_err(|source| Failure::at(format!("version {version}"), source))?;
        let model = Arc::new(model);
        if source.loaded.len() == LOADED {
            source.loaded.pop_front();
        }
        source.loaded.push_back((index, Arc::clone(&model)));
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_versions_and_ranges() {
        for text in [
            "latest",
            "at:2022-05-04T10:00:00Z",
            "2022-05-04T10-7",
            "..",
            "2022-05-04T10-7..",
            "..v1-2022-05-04T10-7",
        ] {
            assert_eq!(text.parse::<Selection>().unwrap().to_string(), text);
        }
        for text in ["", "at:noon", "a/b", "a..b..c", "..a/b"] {
            let error = text.parse::<Selection>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text:?} is not latest, at:TIME, a version or a range A..B")
            );
        }
    }
}
