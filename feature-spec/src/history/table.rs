//! Flat tables of counters.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

/// A map whose hashes are the same in every process; nothing ever iterates over it.
type Map<K> = HashMap<K, u32, BuildHasherDefault<DefaultHasher>>;

/// Strings and their numbers, in the order they were first seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Interner {
    ids: Map<Box<str>>,
    texts: Vec<Box<str>>,
}

impl Interner {
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.ids.insert(text.into(), id);
        self.texts.push(text.into());
        id
    }

    pub(super) fn get(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    pub(super) fn text(&self, id: u32) -> &str {
        self.texts.get(id as usize).map_or("", AsRef::as_ref)
    }
}

/// The counters of one group: a slot for each (owner, key).
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    width: usize,
    slots: Map<(u32, u32)>,
    owners: Vec<Vec<u32>>,
    identities: Vec<(u32, u32)>,
    lasts: Vec<i64>,
    counters: Vec<f64>,
}

impl Table {
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lasts.len()
    }

    pub(super) fn find(&self, owner: u32, key: u32) -> Option<usize> {
        self.slots.get(&(owner, key)).map(|&slot| slot as usize)
    }

    /// The slot of (owner, key), made when it is not there.
    pub(super) fn slot(&mut self, owner: u32, key: u32) -> usize {
        if let Some(slot) = self.find(owner, key) {
            return slot;
        }
        let slot = self.lasts.len();
        let id = u32::try_from(slot).unwrap_or(u32::MAX);
        self.slots.insert((owner, key), id);
        if self.owners.len() <= owner as usize {
            self.owners.resize_with(owner as usize + 1, Vec::new);
        }
        self.owners[owner as usize].push(id);
        self.identities.push((owner, key));
        self.lasts.push(i64::MIN);
        self.counters.resize(self.counters.len() + self.width, 0.0);
        slot
    }

    pub(super) fn of_owner(&self, owner: u32) -> &[u32] {
        self.owners.get(owner as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn identity(&self, slot: usize) -> (u32, u32) {
        self.identities[slot]
    }

    pub(super) fn key(&self, slot: usize) -> u32 {
        self.identities[slot].1
    }

    pub(super) fn last(&self, slot: usize) -> i64 {
        self.lasts[slot]
    }

    pub(super) fn counters(&self, slot: usize) -> &[f64] {
        &self.counters[slot * self.width..(slot + 1) * self.width]
    }

    /// Shrinks the counters by `factor`, adds `metrics`, and moves the time on to `time`.
    pub(super) fn add(
        &mut self,
        slot: usize,
        time: i64,
        factor: f64,
        metrics: impl Iterator<Item = f64>,
    ) {
        self.lasts[slot] = self.lasts[slot].max(time);
        let counters = &mut self.counters[slot * self.width..(slot + 1) * self.width];
        for (counter, metric) in counters.iter_mut().zip(metrics) {
            *counter = *counter * factor + metric;
        }
    }
}
