//! Which event files a run has taken, in memory that does not grow with the stream.

use std::collections::BTreeMap;

use model_io::ConsumedFile;
use serde::{Deserialize, Serialize};

use crate::event_files::EventFile;

/// The files that a run has taken or set aside.
///
/// Files are remembered by key, size and tag as long as their hour is within the lateness window,
/// counted from the newest hour taken. What lies before the window (below the floor) is a number
/// of files for each hour: a file that turns up there shows as one too many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// Hours before the newest one in which files may still appear.
    lateness: i64,
    /// Newest hour taken, since the Unix epoch.
    newest: Option<i64>,
    /// Files of hours within the window, in the order of their keys.
    files: BTreeMap<String, Entry>,
    /// Files taken or reported in each hour below the floor.
    closed: BTreeMap<i64, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    hour: Option<i64>,
    size: u64,
    tag: Option<String>,
    /// Set aside: not learned from, and taken if it comes again with another content.
    aside: bool,
}

/// What a listed file is to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To be read.
    New,
    /// Taken, or set aside, with this very content.
    Known,
    /// Taken with another content.
    Changed {
        /// Size in bytes when it was taken.
        size: u64,
    },
    /// Of an hour that is closed.
    Late,
}

impl Ledger {
    /// Sets the window; a narrower one closes hours at the next file.
    pub(super) fn set_lateness(&mut self, lateness: i64) {
        self.lateness = lateness.max(0);
    }

    /// First hour in which files are still taken; `None` before the first file.
    pub(super) fn floor(&self) -> Option<i64> {
        self.newest
            .map(|newest| newest.saturating_sub(self.lateness))
    }

    pub(super) fn judge(&self, file: &EventFile) -> Verdict {
        match self.files.get(&file.key) {
            Some(known) if known.size == file.size && known.tag == file.tag => Verdict::Known,
            Some(known) if !known.aside => Verdict::Changed { size: known.size },
            _ if file.hour.is_some_and(|hour| self.is_closed(hour)) => Verdict::Late,
            _ => Verdict::New,
        }
    }

    /// Remembers a file as learned from.
    pub(super) fn take(&mut self, file: &EventFile) {
        self.remember(file, false);
    }

    /// Remembers a file as set aside.
    pub(super) fn set_aside(&mut self, file: &EventFile) {
        self.remember(file, true);
    }

    /// Compares a listing of everything with what was taken in closed hours, and remembers what is
    /// found, so that it is reported once: the hours with files too many, and how many.
    pub(super) fn find_late<'a>(
        &mut self,
        listed: impl IntoIterator<Item = &'a EventFile>,
    ) -> Vec<(i64, u64)> {
        let mut found: BTreeMap<i64, u64> = BTreeMap::new();
        for file in listed {
            if let Some(hour) = file.hour.filter(|&hour| self.is_closed(hour)) {
                *found.entry(hour).or_default() += 1;
            }
        }
        let mut late = Vec::new();
        for (hour, files) in found {
            let known = self.closed.entry(hour).or_default();
            if files > *known {
                late.push((hour, files - *known));
                *known = files;
            }
        }
        late
    }

    /// Remembers that files of a closed hour were reported as late.
    pub(super) fn reported_late(&mut self, hour: i64, files: u64) {
        *self.closed.entry(hour).or_default() += files;
    }

    /// Files learned from within the window, for a checkpoint.
    pub(super) fn consumed(&self) -> Vec<ConsumedFile> {
        let taken = self.files.iter().filter(|(_, entry)| !entry.aside);
        taken
            .map(|(key, entry)| ConsumedFile {
                key: key.clone(),
                size: entry.size,
                tag: entry.tag.clone(),
            })
            .collect()
    }

    fn is_closed(&self, hour: i64) -> bool {
        self.floor().is_some_and(|floor| hour < floor)
    }

    fn remember(&mut self, file: &EventFile, aside: bool) {
        let entry = Entry {
            hour: file.hour,
            size: file.size,
            tag: file.tag.clone(),
            aside,
        };
        self.files.insert(file.key.clone(), entry);
        // What is set aside says nothing about how far the stream is.
        if aside || file.hour <= self.newest {
            return;
        }
        self.newest = file.hour;
        let Some(floor) = self.floor() else { return };
        let closed = &mut self.closed;
        self.files.retain(|_, entry| match entry.hour {
            Some(hour) if hour < floor => {
                *closed.entry(hour).or_default() += 1;
                false
            }
            _ => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(lateness: i64) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.set_lateness(lateness);
        ledger
    }

    fn file(hour: i64, part: u32, tag: &str) -> EventFile {
        EventFile::for_tests(hour, &format!("{hour:06}/part-{part}"), tag)
    }

    #[test]
    fn files_are_known_by_key_and_content_within_the_window() {
        let mut ledger = ledger(2);
        assert_eq!(ledger.judge(&file(10, 0, "a")), Verdict::New);
        ledger.take(&file(10, 0, "a"));
        assert_eq!(ledger.judge(&file(10, 0, "a")), Verdict::Known);
        assert_eq!(
            ledger.judge(&file(10, 0, "b")),
            Verdict::Changed { size: 1 }
        );
        assert_eq!(
            ledger.judge(&file(8, 0, "a")),
            Verdict::New,
            "within the window"
        );
        assert_eq!(ledger.judge(&file(7, 9, "a")), Verdict::Late);
        ledger.take(&file(13, 0, "a"));
        assert_eq!(
            ledger.judge(&file(10, 0, "a")),
            Verdict::Late,
            "its hour is closed"
        );
        assert_eq!(ledger.floor(), Some(11));
    }

    #[test]
    fn what_was_set_aside_is_taken_when_its_content_changes() {
        let mut ledger = ledger(2);
        ledger.take(&file(10, 0, "a"));
        ledger.set_aside(&file(11, 0, "cut"));
        assert_eq!(ledger.judge(&file(11, 0, "cut")), Verdict::Known);
        assert_eq!(ledger.judge(&file(11, 0, "whole")), Verdict::New);
        assert_eq!(ledger.floor(), Some(8), "the bad file moves no floor");
        assert_eq!(ledger.consumed().len(), 1);
    }

    #[test]
    fn late_files_are_counted_once_and_memory_is_bounded_by_the_window() {
        let mut ledger = ledger(2);
        let mut all = Vec::new();
        for hour in 0..1_000 {
            for part in 0..3 {
                all.push(file(hour, part, "a"));
                ledger.take(&all[all.len() - 1]);
            }
        }
        assert_eq!(ledger.files.len(), 9, "three hours of three files");
        assert!(ledger.find_late(&all).is_empty());
        all.push(file(500, 7, "a"));
        all.push(file(500, 8, "a"));
        assert_eq!(ledger.find_late(&all), [(500, 2)]);
        assert!(ledger.find_late(&all).is_empty(), "reported once");
        // Retention of old input is no late file.
        all.retain(|file| file.hour > Some(600));
        assert!(ledger.find_late(&all).is_empty());
    }

    #[test]
    fn a_ledger_survives_a_checkpoint() {
        let mut ledger = ledger(1);
        for hour in [5, 6, 7, 9] {
            ledger.take(&file(hour, 0, "a"));
        }
        ledger.set_aside(&file(9, 1, "cut"));
        let text = serde_json::to_vec(&ledger).unwrap();
        assert_eq!(serde_json::from_slice::<Ledger>(&text).unwrap(), ledger);
    }
}
