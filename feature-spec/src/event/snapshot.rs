//! Counters of a user or an item as they were just before a play.

use std::borrow::Cow;

use super::text;

/// What was counted before the play: group → value → metric → number.
///
/// A group is `all` (its one value is the empty string) or the name of an attribute whose values
/// the counters are kept by.
///
/// Invariants:
///
/// - groups, and the values within a group, are in order of their bytes and unique;
/// - every number is finite and not negative.
///
/// All of it lies in three flat lists, so that reading an event takes few allocations.
#[derive(Debug, Clone, Default)]
pub struct HistorySnapshot<'a> {
    pub(super) groups: Vec<Group<'a>>,
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) metrics: Vec<(Cow<'a, str>, f64)>,
}

#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) last: Option<i64>,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> HistorySnapshot<'a> {
    /// Sets the counters of `key` in `group`, in place of any before.
    ///
    /// `last` is the time of the last play counted, in milliseconds since the Unix epoch.
    /// Numbers that are negative or not finite are left out.
    ///
    /// Adding in order of group and key is fastest; any order is right.
    pub fn insert<M: Into<Cow<'a, str>>>(
        &mut self,
        group: impl Into<Cow<'a, str>>,
        key: impl Into<Cow<'a, str>>,
        last: Option<i64>,
        metrics: impl IntoIterator<Item = (M, f64)>,
    ) {
        let (group, key) = (group.into(), key.into());
        let start = self.metrics.len();
        let valid = metrics
            .into_iter()
            .filter(|(_, n)| *n >= 0.0 && n.is_finite());
        self.metrics.extend(valid.map(|(name, n)| (name.into(), n)));
        let entry = Entry {
            key,
            last,
            start,
            end: self.metrics.len(),
        };
        let at = match self.groups.binary_search_by(|g| g.name.cmp(&group)) {
            Ok(at) => at,
            Err(at) => {
                let start = self.groups.get(at).map_or(self.entries.len(), |g| g.start);
                self.groups.insert(
                    at,
                    Group {
                        name: group,
                        start,
                        end: start,
                    },
                );
                at
            }
        };
        let (start, end) = (self.groups[at].start, self.groups[at].end);
        match self.entries[start..end].binary_search_by(|e| e.key.cmp(&entry.key)) {
            Ok(i) => self.entries[start + i] = entry,
            Err(i) => {
                self.entries.insert(start + i, entry);
                self.groups[at].end += 1;
                for later in &mut self.groups[at + 1..] {
                    later.start += 1;
                    later.end += 1;
                }
            }
        }
    }

    /// Returns the counters of `key` in `group`. O(log n) in the group's values.
    #[must_use]
    pub fn get(&self, group: &str, key: &str) -> Option<Counters<'_>> {
        let entries = self.group(group);
        let at = entries.binary_search_by(|e| e.key.as_ref().cmp(key)).ok()?;
        Some(self.counters(&entries[at]))
    }

    /// Iterates over the group names, in order.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|g| g.name.as_ref())
    }

    /// Iterates over a group's values and their counters, in order of value.
    pub fn entries<'s>(&'s self, group: &str) -> impl Iterator<Item = (&'s str, Counters<'s>)> {
        self.group(group)
            .iter()
            .map(|e| (e.key.as_ref(), self.counters(e)))
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub(super) fn into_owned(self) -> HistorySnapshot<'static> {
        HistorySnapshot {
            groups: self
                .groups
                .into_iter()
                .map(|g| Group {
                    name: text::owned(g.name),
                    start: g.start,
                    end: g.end,
                })
                .collect(),
            entries: self
                .entries
                .into_iter()
                .map(|e| Entry {
                    key: text::owned(e.key),
                    last: e.last,
                    start: e.start,
                    end: e.end,
                })
                .collect(),
            metrics: self
                .metrics
                .into_iter()
                .map(|(n, v)| (text::owned(n), v))
                .collect(),
        }
    }

    fn group(&self, name: &str) -> &[Entry<'a>] {
        match self.groups.binary_search_by(|g| g.name.as_ref().cmp(name)) {
            Ok(at) => &self.entries[self.groups[at].start..self.groups[at].end],
            Err(_) => &[],
        }
    }

    fn counters<'s>(&'s self, entry: &Entry<'_>) -> Counters<'s> {
        Counters {
            metrics: &self.metrics[entry.start..entry.end],
            last: entry.last,
        }
    }
}

impl PartialEq for HistorySnapshot<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.groups().eq(other.groups())
            && self.groups().all(|g| self.entries(g).eq(other.entries(g)))
    }
}

/// The counters of one value: metric → number, and when the last play was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counters<'s> {
    metrics: &'s [(Cow<'s, str>, f64)],
    last: Option<i64>,
}

impl<'s> Counters<'s> {
    /// Returns the number of a metric; 0 when it was never counted.
    #[must_use]
    pub fn get(&self, metric: &str) -> f64 {
        self.iter()
            .find(|(name, _)| *name == metric)
            .map_or(0.0, |(_, value)| value)
    }

    /// Iterates over metrics and numbers, in the order they were written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'s str, f64)> + use<'s> {
        self.metrics
            .iter()
            .map(|(name, value)| (name.as_ref(), *value))
    }

    /// Returns the time of the last play counted, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn last(&self) -> Option<i64> {
        self.last
    }
}
