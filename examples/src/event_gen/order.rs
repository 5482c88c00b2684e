//! Plays in order of time: a buffer for those that come late, and the end of exact duplicates.

use std::collections::{BTreeMap, HashSet};

use crate::mapping::Duplicates;
use crate::table::Row;

/// Holds plays until none of a smaller time may come any more.
///
/// A play is released when a play more than the lateness after it was seen. Plays of one
/// millisecond are released together, in the order of the file. A play that comes when its
/// millisecond was released already is late.
#[derive(Debug)]
pub(super) struct Orderer {
    lateness_ms: i64,
    duplicates_policy: Duplicates,
    waiting: BTreeMap<i64, Vec<Row>>,
    newest: i64,
    /// Everything of a smaller time than this was released.
    released_before: i64,
    spare: Vec<Row>,
    duplicates: u64,
    out_of_order: u64,
}

impl Orderer {
    pub(super) fn new(lateness_ms: i64, duplicates_policy: Duplicates) -> Self {
        Self {
            lateness_ms,
            duplicates_policy,
            waiting: BTreeMap::new(),
            newest: i64::MIN,
            released_before: i64::MIN,
            spare: Vec::new(),
            duplicates: 0,
            out_of_order: 0,
        }
    }

    /// Takes a play in and leaves a row for the next in its place.
    ///
    /// A late play stays where it is; the error says how late.
    pub(super) fn push(&mut self, time_ms: i64, row: &mut Row) -> Result<(), String> {
        if time_ms < self.released_before {
            let behind = self.newest.saturating_sub(time_ms);
            let detail = format!(
                "{behind} ms before the newest play, and plays of its time are written already \
                 (lateness {} ms)",
                self.lateness_ms
            );
            return Err(detail);
        }
        self.out_of_order += u64::from(time_ms < self.newest);
        self.newest = self.newest.max(time_ms);
        let next = self.spare.pop().unwrap_or_default();
        let row = std::mem::replace(row, next);
        self.waiting.entry(time_ms).or_default().push(row);
        Ok(())
    }

    /// Moves the plays that may go on to `ready`, in order.
    pub(super) fn release(&mut self, ready: &mut Vec<(i64, Row)>) {
        self.release_before(self.newest.saturating_sub(self.lateness_ms), ready);
    }

    /// Moves all plays to `ready`, in order: no more will come.
    pub(super) fn release_all(&mut self, ready: &mut Vec<(i64, Row)>) {
        self.release_before(i64::MAX, ready);
    }

    /// Takes a row back for its buffers.
    pub(super) fn recycle(&mut self, row: Row) {
        self.spare.push(row);
    }

    /// Exact duplicates left out so far.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Plays put in order so far.
    pub(super) fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    fn release_before(&mut self, time_ms: i64, ready: &mut Vec<(i64, Row)>) {
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() >= time_ms {
                break;
            }
            let (time_ms, mut rows) = first.remove_entry();
            if self.duplicates_policy == Duplicates::Drop && rows.len() > 1 {
                self.duplicates += drop_repeats(&mut rows);
            }
            ready.extend(rows.into_iter().map(|row| (time_ms, row)));
        }
        self.released_before = self.released_before.max(time_ms);
    }
}

/// Drops every row that equals an earlier one in all columns; returns how many.
fn drop_repeats(rows: &mut Vec<Row>) -> u64 {
    let mut seen = HashSet::with_capacity(rows.len());
    let first: Vec<bool> = rows.iter().map(|row| seen.insert(row.raw())).collect();
    let before = rows.len();
    let mut first = first.into_iter();
    rows.retain(|_| first.next().unwrap_or(true));
    (before - rows.len()) as u64
}
