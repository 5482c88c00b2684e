//! Storing counters and putting partitions together.

use serde::{Deserialize, Serialize};

use super::table::Interner;
use super::{History, HistoryConfig, HistoryError, Pending};
use crate::event::Time;
use crate::owner::Owner;

/// Everything a [`History`] holds, in an order that does not depend on how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HistoryState {
    /// Metrics and groups.
    pub config: HistoryConfig,
    /// The latest time seen; `None` before the first play.
    pub latest: Option<Time>,
    /// Counters by group in the order of the configuration; of one group in order of owner and key.
    pub groups: Vec<Vec<KeptCounters>>,
    /// Plays of the millisecond `latest`, which no snapshot has seen yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<KeptPlay>,
}

/// A play that is not counted yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeptPlay {
    /// Who watched.
    pub user: String,
    /// What was watched.
    pub item: String,
    /// Values of the key fields, in the order of [`History::key_fields`], each list sorted.
    pub keys: Vec<Vec<String>>,
    /// Metrics, in order of name.
    pub metrics: Vec<f64>,
}

/// The counters of one owner and key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeptCounters {
    /// Id of the user or item; empty in a shared group.
    pub owner: String,
    /// Value of the group's attribute; empty in a group without one.
    pub key: String,
    /// Time of the last play counted.
    pub last: Time,
    /// Numbers, in the order of the group's metrics.
    pub counters: Vec<f64>,
}

impl History {
    /// Returns everything held, for storing.
    ///
    /// # Complexity
    ///
    /// O(n log n) in the number of counters.
    #[must_use]
    pub fn state(&self) -> HistoryState {
        let groups = (0..self.tables.len()).map(|g| self.kept(g)).collect();
        let mut pending: Vec<_> = self
            .pending
            .iter()
            .map(|play| self.kept_play(play))
            .collect();
        pending.sort_by(|a, b| {
            let order = (&a.user, &a.item, &a.keys).cmp(&(&b.user, &b.item, &b.keys));
            order.then_with(|| {
                a.metrics
                    .iter()
                    .map(|m| m.to_bits())
                    .cmp(b.metrics.iter().map(|m| m.to_bits()))
            })
        });
        let latest = (self.now != i64::MIN).then(|| Time::from_milliseconds(self.now));
        HistoryState {
            config: self.config.clone(),
            latest,
            groups,
            pending,
        }
    }

    /// Continues from a stored state.
    ///
    /// # Errors
    ///
    /// - those of [`Self::new`];
    /// - [`HistoryError::State`]: the state does not fit its own configuration.
    pub fn from_state(state: HistoryState) -> Result<Self, HistoryError> {
        let mut history = Self::new(state.config)?;
        if state.groups.len() != history.tables.len() {
            return Err(broken(format_args!(
                "{} groups where the configuration has {}",
                state.groups.len(),
                history.tables.len()
            )));
        }
        let latest = state.latest.map_or(i64::MIN, Time::milliseconds);
        for (index, kept) in state.groups.iter().enumerate() {
            for kept in kept {
                history.check_kept(index, kept, latest)?;
                history.restore(index, kept);
            }
        }
        history.now = latest;
        for play in state.pending {
            let (keys, metrics) = (play.keys.len(), play.metrics.len());
            if keys != history.keys.len()
                || metrics != history.program.names.len()
                || !play.metrics.iter().all(|n| *n >= 0.0 && n.is_finite())
            {
                return Err(broken(format_args!(
                    "a pending play has {keys} keys and {metrics} metrics, or a metric that is \
                     negative or not finite"
                )));
            }
            let names = [
                history.names[0].intern(&play.user),
                history.names[1].intern(&play.item),
            ];
            let intern = |(interner, values): (&mut Interner, &Vec<String>)| {
                let mut ids: Vec<u32> = values.iter().map(|v| interner.intern(v)).collect();
                ids.sort_unstable();
                ids.dedup();
                ids
            };
            let keys = history
                .keys
                .iter_mut()
                .zip(&play.keys)
                .map(intern)
                .collect();
            history.pending.push(Pending {
                time: latest,
                names,
                keys,
                metrics: play.metrics,
            });
        }
        Ok(history)
    }

    /// Adds what another history counted; partitions of plays can be counted apart.
    ///
    /// Plays of the latest millisecond of either count as pending only if both end there; otherwise
    /// the earlier one's are counted. Counters with a half-life are brought to the later `last`.
    ///
    /// # Errors
    ///
    /// - [`HistoryError::Different`]: metrics or groups differ; nothing changes.
    pub fn merge(&mut self, other: &Self) -> Result<(), HistoryError> {
        if self.config != other.config {
            return Err(HistoryError::Different);
        }
        let now = self.now.max(other.now);
        self.advance(now);
        let mut other = other.clone();
        other.advance(now);
        for index in 0..self.tables.len() {
            for kept in other.kept(index) {
                self.restore(index, &kept);
            }
        }
        for play in std::mem::take(&mut other.pending) {
            let play = self.adopt(&other, play);
            self.pending.push(play);
        }
        Ok(())
    }

    /// Moves a pending play of another history over, with this history's own numbers for names.
    fn adopt(&mut self, other: &Self, play: Pending) -> Pending {
        let names = [0, 1].map(|s| self.names[s].intern(other.names[s].text(play.names[s])));
        let keys = (play.keys.iter().enumerate())
            .map(|(k, ids)| {
                let mut ids: Vec<u32> = ids
                    .iter()
                    .map(|&id| self.keys[k].intern(other.keys[k].text(id)))
                    .collect();
                ids.sort_unstable();
                ids
            })
            .collect();
        Pending {
            names,
            keys,
            ..play
        }
    }

    fn kept_play(&self, play: &Pending) -> KeptPlay {
        let texts = |(interner, ids): (&Interner, &Vec<u32>)| {
            let mut texts: Vec<_> = ids.iter().map(|&id| interner.text(id).to_owned()).collect();
            texts.sort_unstable();
            texts
        };
        KeptPlay {
            user: self.names[0].text(play.names[0]).to_owned(),
            item: self.names[1].text(play.names[1]).to_owned(),
            keys: self.keys.iter().zip(&play.keys).map(texts).collect(),
            metrics: play.metrics.clone(),
        }
    }

    fn kept(&self, index: usize) -> Vec<KeptCounters> {
        let (group, table) = (&self.program.groups[index], &self.tables[index]);
        let side = usize::from(group.owner != Owner::User);
        let mut kept: Vec<_> = (0..table.len())
            .map(|slot| {
                let (owner, key) = table.identity(slot);
                let owner = if group.shared {
                    ""
                } else {
                    self.names[side].text(owner)
                };
                let key = group.key.map_or("", |k| self.keys[k].text(key));
                KeptCounters {
                    owner: owner.to_owned(),
                    key: key.to_owned(),
                    last: Time::from_milliseconds(table.last(slot)),
                    counters: table.counters(slot).to_vec(),
                }
            })
            .collect();
        kept.sort_unstable_by(|a, b| (&a.owner, &a.key).cmp(&(&b.owner, &b.key)));
        kept
    }

    fn check_kept(
        &self,
        index: usize,
        kept: &KeptCounters,
        latest: i64,
    ) -> Result<(), HistoryError> {
        let group = &self.program.groups[index];
        if kept.last.milliseconds() >= latest {
            return Err(broken(format_args!(
                "a counter of group {:?} was last counted at {}, not before the latest time",
                group.name, kept.last
            )));
        }
        if kept.counters.len() != group.metrics.len() {
            return Err(broken(format_args!(
                "group {:?} has {} metrics, a counter of it {}",
                group.name,
                group.metrics.len(),
                kept.counters.len()
            )));
        }
        if let Some(n) = kept
            .counters
            .iter()
            .find(|n| !(**n >= 0.0 && n.is_finite()))
        {
            return Err(broken(format_args!(
                "a counter of group {:?} is {n}",
                group.name
            )));
        }
        Ok(())
    }

    fn restore(&mut self, index: usize, kept: &KeptCounters) {
        let group = &self.program.groups[index];
        let side = usize::from(group.owner != Owner::User);
        let owner = if group.shared {
            0
        } else {
            self.names[side].intern(&kept.owner)
        };
        let key = group.key.map_or(0, |k| self.keys[k].intern(&kept.key));
        let table = &mut self.tables[index];
        let slot = table.slot(owner, key);
        let time = kept.last.milliseconds();
        let own = table.last(slot);
        let (mine, theirs) = if own == i64::MIN {
            (1.0, 1.0)
        } else {
            (
                group.decay(time.saturating_sub(own)),
                group.decay(own.saturating_sub(time)),
            )
        };
        table.add(slot, time, mine, kept.counters.iter().map(|n| n * theirs));
    }
}

fn broken(reason: std::fmt::Arguments<'_>) -> HistoryError {
    HistoryError::State {
        reason: reason.to_string(),
    }
}
