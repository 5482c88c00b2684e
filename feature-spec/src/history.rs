//! Counters of users, items and authors, point in time by construction.
//!
//! A [`History`] takes plays in order of time and gives, for the play at hand, the counters of all
//! plays with a strictly smaller time. Plays of one millisecond never see each other, whatever the
//! order in which they are pushed and asked for. It reads no clock and does no IO: event
//! generation, a Spark partition and a service keep the same counters with the same code.
//!
//! What is counted is a set of **metrics**, expressions over the fields of a play:
//!
//! ```toml
//! [metrics]
//! plays = "1"
//! liked = "is_like == 1"
//! watched_90pct = "play_time_ms >= 0.9 * duration_ms"
//! watched_ms = "min(play_time_ms, duration_ms)"
//! ```
//!
//! An expression knows numbers, fields, `+ - * /`, `== != < <= > >=`, `and or not`, `min(a, b)`,
//! `max(a, b)` and parentheses. Truth counts 1. A field that a play lacks makes a comparison false;
//! a metric that cannot be computed counts 0. A negative result is an error.
//!
//! By whom and what it is counted is a list of **groups**:
//!
//! | group | counters of | `owner` | `key` | `shared` |
//! |---|---|---|---|---|
//! | `user.all` | the user | `user` | | |
//! | `user.hashtag` | the user's plays of videos with the hashtag | `user` | `hashtag` | |
//! | `item.all` | the video | `item` | | |
//! | `item.tab` | the video's plays in the tab | `item` | `tab` | |
//! | `item.author` | the author, whichever the video | `item` | `author` | `true` |
//!
//! # Examples
//!
//! ```
//! use feature_spec::history::{GroupConfig, History, HistoryConfig, Play};
//! use feature_spec::{Event, Owner, Time};
//!
//! let config = HistoryConfig::default()
//!     .metric("plays", "1")
//!     .metric("liked", "is_like == 1")
//!     .group(GroupConfig::new(Owner::User, "all"))
//!     .group(GroupConfig::new(Owner::User, "hashtag").key("hashtag"));
//! let mut history = History::new(config)?;
//! assert_eq!(history.fields(), ["is_like"]);
//! assert_eq!(history.key_fields(), ["hashtag"]);
//!
//! let keys = [vec!["#comedy", "#dance"]];
//! let first = Play { time: Time::from_milliseconds(1), user: "u", item: "v", fields: &[Some(1.0)], keys: &keys };
//! history.push(&first)?;
//!
//! let second = Play { time: Time::from_milliseconds(2), ..first };
//! let mut event = Event::new("e", second.time);
//! history.snapshot(&second, &mut event)?;
//! let comedy = event.user.history.get("hashtag", "#comedy").unwrap();
//! assert_eq!((comedy.get("plays"), comedy.get("liked"), comedy.last()), (1.0, 1.0, Some(1)));
//! # Ok::<(), feature_spec::history::HistoryError>(())
//! ```

mod config;
mod error;
mod expression;
mod state;
mod table;

use crate::event::{Event, HistorySnapshot, Time};
use crate::owner::Owner;

pub use config::{GroupConfig, HistoryConfig, SnapshotKeys};
pub use error::HistoryError;
pub use state::{HistoryState, KeptCounters, KeptPlay};

use config::Program;
use table::{Interner, Table};

/// One play, as the counters see it.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::exhaustive_structs)] // made by callers, field by field
pub struct Play<'a> {
    /// When it was watched.
    pub time: Time,
    /// Who watched.
    pub user: &'a str,
    /// What was watched.
    pub item: &'a str,
    /// The numbers that [`History::fields`] names, in that order; `None` where the play has none.
    pub fields: &'a [Option<f64>],
    /// The values of the attributes that [`History::key_fields`] names, in that order; repeats
    /// count once.
    pub keys: &'a [Vec<&'a str>],
}

/// Counters of users and items, kept from plays in order of time.
///
/// Invariants:
///
/// - a snapshot holds exactly the plays pushed whose time is smaller than its own;
/// - the counters are a function of the multiset of plays, not of their order within a millisecond,
///   as long as metrics are whole numbers below 2⁵³ (other sums may differ in the last bit).
#[derive(Debug, Clone)]
pub struct History {
    config: HistoryConfig,
    program: Program,
    names: [Interner; 2],
    keys: Vec<Interner>,
    tables: Vec<Table>,
    pending: Vec<Pending>,
    now: i64,
}

/// A play of the millisecond at hand, not counted yet.
#[derive(Debug, Clone, PartialEq)]
struct Pending {
    time: i64,
    names: [u32; 2],
    keys: Vec<Vec<u32>>,
    metrics: Vec<f64>,
}

impl History {
    /// Compiles the metrics and starts with nothing counted.
    ///
    /// # Errors
    ///
    /// - [`HistoryError::Expression`]: a metric is not an expression.
    /// - [`HistoryError::Config`]: a name, a group or a half-life cannot be used.
    pub fn new(config: HistoryConfig) -> Result<Self, HistoryError> {
        let program = Program::compile(&config)?;
        Ok(Self {
            names: [Interner::default(), Interner::default()],
            keys: vec![Interner::default(); program.key_fields.len()],
            tables: program
                .groups
                .iter()
                .map(|g| Table::new(g.metrics.len()))
                .collect(),
            pending: Vec::new(),
            now: i64::MIN,
            program,
            config,
        })
    }

    /// Returns the fields that the metrics read: what [`Play::fields`] must hold, in this order.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.program.fields
    }

    /// Returns the attributes that the groups are keyed by: what [`Play::keys`] must hold, in this
    /// order.
    #[must_use]
    pub fn key_fields(&self) -> &[String] {
        &self.program.key_fields
    }

    /// Returns the configuration.
    #[must_use]
    pub const fn config(&self) -> &HistoryConfig {
        &self.config
    }

    /// Returns the number of counters kept: one for each user or item, group and key.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }

    /// Whether nothing was counted yet; plays of the latest millisecond are not counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a play; snapshots of later times see it.
    ///
    /// # Errors
    ///
    /// Nothing changes on an error.
    ///
    /// - [`HistoryError::OutOfOrder`]: the play is earlier than a play or snapshot before it.
    /// - [`HistoryError::Shape`]: `fields` or `keys` is not as long as [`Self::fields`] or
    ///   [`Self::key_fields`].
    /// - [`HistoryError::Metric`]: a metric is negative or not finite for this play.
    pub fn push(&mut self, play: &Play<'_>) -> Result<(), HistoryError> {
        self.check(play)?;
        let metrics = self.program.evaluate(play.fields)?;
        self.advance(play.time.milliseconds());
        let names = [
            self.names[0].intern(play.user),
            self.names[1].intern(play.item),
        ];
        let keys = self
            .keys
            .iter_mut()
            .zip(play.keys)
            .map(|(interner, values)| {
                let mut ids: Vec<u32> = values.iter().map(|v| interner.intern(v)).collect();
                ids.sort_unstable();
                ids.dedup();
                ids
            })
            .collect();
        self.pending.push(Pending {
            time: play.time.milliseconds(),
            names,
            keys,
            metrics,
        });
        Ok(())
    }

    /// Writes the counters of all earlier plays into the user's and the item's history of `event`.
    ///
    /// Numbers that are 0 are left out. A group with [`SnapshotKeys::All`] writes all of the
    /// owner's keys, another one those that the play itself has.
    ///
    /// # Errors
    ///
    /// Nothing changes on an error.
    ///
    /// - [`HistoryError::OutOfOrder`], [`HistoryError::Shape`]: as for [`Self::push`].
    ///
    /// # Complexity
    ///
    /// O(keys written × metrics).
    pub fn snapshot<'s>(
        &'s mut self,
        play: &Play<'_>,
        event: &mut Event<'s>,
    ) -> Result<(), HistoryError> {
        self.check(play)?;
        self.advance(play.time.milliseconds());
        let this = &*self;
        let names = [this.names[0].get(play.user), this.names[1].get(play.item)];
        for (group, table) in this.program.groups.iter().zip(&this.tables) {
            let (side, history) = match group.owner {
                Owner::User => (0, &mut event.user.history),
                _ => (1, &mut event.item.history),
            };
            let Some(owner) = (if group.shared { Some(0) } else { names[side] }) else {
                continue;
            };
            let keys = group.key.map(|k| &this.keys[k]);
            let mut write = |key: &'s str, slot: usize| {
                this.write(group, table, key, slot, play.time.milliseconds(), history);
            };
            match (keys, group.snapshot) {
                (None, _) => {
                    if let Some(slot) = table.find(owner, 0) {
                        write("", slot);
                    }
                }
                (Some(keys), SnapshotKeys::Matching) => {
                    for value in group.key.map_or(&[][..], |k| &play.keys[k]) {
                        let id = keys.get(value);
                        if let Some((id, slot)) = id.and_then(|i| Some((i, table.find(owner, i)?)))
                        {
                            write(keys.text(id), slot);
                        }
                    }
                }
                (Some(keys), SnapshotKeys::All) => {
                    for &slot in table.of_owner(owner) {
                        let slot = slot as usize;
                        write(keys.text(table.key(slot)), slot);
                    }
                }
            }
        }
        Ok(())
    }

    fn write<'s>(
        &'s self,
        group: &'s config::Group,
        table: &Table,
        key: &'s str,
        slot: usize,
        now: i64,
        history: &mut HistorySnapshot<'s>,
    ) {
        let factor = group.decay(now.saturating_sub(table.last(slot)));
        let metrics = group
            .metrics
            .iter()
            .zip(table.counters(slot))
            .map(|(&m, n)| (self.program.names[m].as_str(), n * factor))
            .filter(|(_, n)| *n > 0.0);
        history.insert(group.name.as_str(), key, Some(table.last(slot)), metrics);
    }

    /// Counts the pending plays that are earlier than `now`.
    fn advance(&mut self, now: i64) {
        if now > self.now {
            self.now = now;
            for play in std::mem::take(&mut self.pending) {
                self.count(&play);
            }
        }
    }

    fn count(&mut self, play: &Pending) {
        for (group, table) in self.program.groups.iter().zip(&mut self.tables) {
            let side = usize::from(group.owner != Owner::User);
            let owner = if group.shared { 0 } else { play.names[side] };
            let none = [0];
            for &key in group.key.map_or(&none[..], |k| &play.keys[k]) {
                let slot = table.slot(owner, key);
                let factor = group.decay(play.time.saturating_sub(table.last(slot)));
                table.add(
                    slot,
                    play.time,
                    factor,
                    group.metrics.iter().map(|&m| play.metrics[m]),
                );
            }
        }
    }

    fn check(&self, play: &Play<'_>) -> Result<(), HistoryError> {
        for (what, expected, actual) in [
            ("fields", self.program.fields.len(), play.fields.len()),
            ("keys", self.program.key_fields.len(), play.keys.len()),
        ] {
            if expected != actual {
                return Err(HistoryError::Shape {
                    what,
                    expected,
                    actual,
                });
            }
        }
        if play.time.milliseconds() < self.now {
            let latest = Time::from_milliseconds(self.now);
            return Err(HistoryError::OutOfOrder {
                time: play.time,
                latest,
            });
        }
        Ok(())
    }
}
