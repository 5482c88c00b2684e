//! Reading the inputs of a spec from one event, each once.

use super::names::{Names, Stop};
use super::plan::{List, ListSource, MetricPlan, Plan};
use super::{EncodeError, Record, combine};
use crate::event::Time;
use crate::hash::xxh64;
use crate::schema::model::{Buckets, Combine};
use crate::spec::Compiled;

/// Index of a value that is not in a vocabulary.
pub(super) const MISSING: u32 = u32::MAX;
/// Most values of one attribute.
const MAX_VALUES: usize = 4_096;
/// Most values of one history group.
const MAX_KEYS: usize = 1 << 20;

/// The inputs of one event.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    pub(super) lists: Vec<Values>,
    pub(super) histories: Vec<Found>,
    pub(super) numbers: Vec<Option<f64>>,
}

/// The values of a list: a hash each, and an index in each of the list's vocabularies.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    pub(super) hashes: Vec<u64>,
    pub(super) indices: Vec<u32>,
    pub(super) stride: usize,
}

/// The counters found, a row for each value that has any.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) rows: Vec<FoundRow>,
    counters: Vec<f64>,
    width: usize,
    looked_up: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct FoundRow {
    /// Place of the value in its list.
    pub(super) value: u32,
    last: Option<i64>,
}

impl Gathered {
    pub(super) fn new(plan: &Plan) -> Self {
        let values = |l: &List| Values {
            stride: l.vocabularies.len(),
            ..Values::default()
        };
        Self {
            lists: plan.lists.iter().map(values).collect(),
            histories: (plan.histories.iter())
                .map(|h| Found {
                    width: h.counters.len(),
                    ..Found::default()
                })
                .collect(),
            numbers: vec![None; plan.numbers.len()],
        }
    }

    pub(super) fn read<R: Record>(
        &mut self,
        plan: &Plan,
        compiled: &Compiled,
        record: &R,
    ) -> Result<(), EncodeError> {
        let names = Names {
            compiled,
            event_id: record.event_id(),
        };
        for (number, slot) in plan.numbers.iter().zip(&mut self.numbers) {
            *slot = record.number(number.owner, &number.name);
            if let Some(value) = slot.filter(|v| !v.is_finite()) {
                return Err(names.value(number.feature, value, "a finite number"));
            }
            if slot.is_none() {
                let mut text = None;
                let there = record.attribute(number.owner, &number.name, &mut |value| {
                    text.get_or_insert_with(|| format!("{value:?}"));
                });
                if there {
                    let text = text.unwrap_or_else(|| "an empty list".to_owned());
                    return Err(names.wrong_type(
                        number.feature,
                        number.owner,
                        &number.name,
                        text,
                        "a number",
                    ));
                }
            }
        }
        for found in &mut self.histories {
            found.clear();
        }
        for (history, found) in plan.histories.iter().zip(&mut self.histories) {
            if history.list.is_none() {
                found
                    .look_up(record, history, "", 0)
                    .map_err(|stop| names.stopped(history.feature, plan, stop, record.time()))?;
            }
        }
        let local = compiled.declaration.zone.local(record.time());
        for (index, list) in plan.lists.iter().enumerate() {
            let mut values = std::mem::take(&mut self.lists[index]);
            let result = self.list(plan, compiled, record, list, &mut values, local);
            self.lists[index] = values;
            result?;
        }
        Ok(())
    }

    fn list<R: Record>(
        &mut self,
        plan: &Plan,
        compiled: &Compiled,
        record: &R,
        list: &List,
        values: &mut Values,
        local: crate::calendar::Local,
    ) -> Result<(), EncodeError> {
        let names = Names {
            compiled,
            event_id: record.event_id(),
        };
        values.hashes.clear();
        values.indices.clear();
        let mut stop = None;
        let mut each = |text: &str, unique: bool| {
            if stop.is_none() {
                stop = self.value(plan, record, list, values, text, unique).err();
            }
        };
        match &list.source {
            ListSource::Attribute(owner, name) => {
                let there = record.attribute(*owner, name, &mut |text| each(text, false));
                if !there && let Some(number) = record.number(*owner, name) {
                    let text = number.to_string();
                    return Err(names.wrong_type(list.feature, *owner, name, text, "a string"));
                }
            }
            ListSource::Id(owner) => {
                if let Some(id) = record.id(*owner) {
                    each(id, true);
                }
            }
            ListSource::Keys(owner, group) => {
                record.keys(*owner, group, &mut |text| each(text, true));
            }
            ListSource::Hour => values.built_in(local.hour),
            ListSource::Weekday => values.built_in(local.weekday()),
            ListSource::Weekend => values.built_in(u32::from(local.weekday() >= 5)),
            ListSource::Calendar(calendar) => {
                for name in calendar.on(local.day) {
                    if !values.hashes.contains(&built_in_hash(name)) {
                        values.built_in(name);
                    }
                }
            }
            ListSource::NumberBucket(number, buckets) => {
                if let Some(value) = self.numbers[*number] {
                    values.built_in(buckets.index(value));
                }
            }
            ListSource::HistoryBucket {
                history,
                metric,
                combine,
                absent,
                buckets,
            } => {
                self.bucket(
                    values,
                    *history,
                    *metric,
                    *combine,
                    *absent,
                    buckets,
                    record.time(),
                );
            }
        }
        match stop {
            None => Ok(()),
            Some(stop) => Err(names.stopped(list.feature, plan, stop, record.time())),
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of one variant
    fn bucket(
        &self,
        values: &mut Values,
        history: usize,
        metric: MetricPlan,
        combine: Option<Combine>,
        absent: f64,
        buckets: &Buckets,
        now: Time,
    ) {
        let found = !self.histories[history].rows.is_empty();
        let value = if found {
            self.combined(metric, history, combine, absent, now)
        } else {
            absent
        };
        values.built_in(buckets.index(value));
    }

    /// Adds one value to a list: its hash, its indices, its counters.
    fn value<R: Record>(
        &mut self,
        plan: &Plan,
        record: &R,
        list: &List,
        values: &mut Values,
        text: &str,
        unique: bool,
    ) -> Result<(), Stop> {
        let hash = xxh64(text.as_bytes(), 0);
        let limit = if unique { MAX_KEYS } else { MAX_VALUES };
        if values.hashes.len() >= limit {
            return Err(Stop::TooMany(limit));
        }
        if !unique && values.hashes.contains(&hash) {
            return Ok(());
        }
        let place = u32::try_from(values.hashes.len()).unwrap_or(MISSING);
        values.hashes.push(hash);
        let index = |v: &std::sync::Arc<crate::vocabulary::Vocabulary>| {
            v.find(text, hash).unwrap_or(MISSING)
        };
        values.indices.extend(list.vocabularies.iter().map(index));
        for &history in &list.histories {
            self.histories[history]
                .look_up(record, &plan.histories[history], text, place)
                .map_err(|stop| stop.of(history))?;
        }
        Ok(())
    }

    /// One metric of one row found.
    pub(super) fn metric(&self, metric: MetricPlan, history: usize, row: usize, now: Time) -> f64 {
        let found = &self.histories[history];
        let counters = &found.counters[row * found.width..(row + 1) * found.width];
        self.compute(metric, |i| counters[i], found.rows[row].last, now)
    }

    /// One metric of all rows found, as one number; at least one row was found.
    pub(super) fn combined(
        &self,
        metric: MetricPlan,
        history: usize,
        how: Option<Combine>,
        absent: f64,
        now: Time,
    ) -> f64 {
        let found = &self.histories[history];
        match how {
            None => self.metric(metric, history, 0, now),
            Some(Combine::Sum) => {
                let sum = |i: usize| {
                    found
                        .counters
                        .iter()
                        .skip(i)
                        .step_by(found.width.max(1))
                        .sum()
                };
                let last = found.rows.iter().filter_map(|r| r.last).max();
                self.compute(metric, sum, last, now)
            }
            Some(how) => {
                let each = (0..found.rows.len()).map(|row| self.metric(metric, history, row, now));
                combine(how, each, found.looked_up, absent)
            }
        }
    }

    #[allow(clippy::cast_precision_loss)] // spans of time are far below 2^53 ms
    fn compute(
        &self,
        metric: MetricPlan,
        counter: impl Fn(usize) -> f64,
        last: Option<i64>,
        now: Time,
    ) -> f64 {
        match metric {
            MetricPlan::Counter(i) => counter(i),
            MetricPlan::Share(i, all, j) => {
                let whole = &self.histories[all];
                match whole.rows.first().map(|_| whole.counters[j]) {
                    Some(whole) if whole > 0.0 => counter(i) / whole,
                    _ => 0.0,
                }
            }
            MetricPlan::Rate {
                rate,
                per,
                a,
                b,
                form,
            } => form.apply((counter(rate) + a) / (counter(per) + b)),
            MetricPlan::Recency { unit_ms, cap } => last.map_or(cap, |last| {
                (now.milliseconds().saturating_sub(last) as f64 / unit_ms).min(cap)
            }),
        }
    }
}

fn built_in_hash(index: u32) -> u64 {
    xxh64(&index.to_le_bytes(), 0)
}

impl Values {
    /// A value of a built-in vocabulary.
    fn built_in(&mut self, index: u32) {
        self.hashes.push(built_in_hash(index));
        self.indices.resize(self.indices.len() + self.stride, index);
    }
}

impl Found {
    fn clear(&mut self) {
        self.rows.clear();
        self.counters.clear();
        self.looked_up = 0;
    }

    fn look_up<R: Record>(
        &mut self,
        record: &R,
        history: &super::plan::History,
        key: &str,
        value: u32,
    ) -> Result<(), Stop> {
        self.looked_up += 1;
        let start = self.counters.len();
        self.counters.resize(start + self.width, 0.0);
        let row = &mut self.counters[start..];
        let (mut next, mut wrong) = (0, None);
        let found = record.counters(history.owner, &history.group, key, &mut |name, number| {
            // Both are mostly in order of name.
            let names = &history.counters;
            let at = match names.get(next) {
                Some(known) if known == name => Some(next),
                _ => names.iter().position(|known| known == name),
            };
            if let Some(at) = at {
                next = at + 1;
                row[at] = number;
                if !(number >= 0.0 && number.is_finite()) {
                    wrong = Some(number);
                }
            }
        });
        if let Some(number) = wrong {
            return Err(Stop::Counter(0, number));
        }
        match found {
            None => self.counters.truncate(start),
            Some(last) => {
                if let Some(last) = last.filter(|l| *l >= record.time().milliseconds()) {
                    return Err(Stop::Future(0, last));
                }
                self.rows.push(FoundRow { value, last });
            }
        }
        Ok(())
    }
}
