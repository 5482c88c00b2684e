//! From an event to a sparse row.

mod error;
mod gather;
mod plan;
mod record;

use crate::event::Time;
use crate::hash::{chain, reduce};
use crate::row::Row;
use crate::schema::model::{Combine, Unknown};
use crate::spec::{Feature, FeatureSpec};

pub use error::EncodeError;
pub use record::Record;

use gather::{Gathered, MISSING};
use plan::{FeaturePlan, Lookup, MeasurePlan, Plan};

/// Most values that one row may have before those at one position are added up.
const MAX_ENTRIES: usize = 1 << 20;

/// Turns events into rows of raw values; keeps its buffers, so that encoding allocates nothing
/// once they have grown.
///
/// What is present:
///
/// - a value of an attribute is 1 at its position; repeats in one event count once;
/// - a number is present when the event has it, whatever it is;
/// - the counters of a value are present when the history has the value;
/// - with `absent = "zero"` a value that equals the absent value is left out, which means the same.
///
/// Values that fall on one position (collisions of a hashed range, a cross summed by the `other`
/// slot) are added up, each as its distance from the absent value.
///
/// # Examples
///
/// ```
/// use feature_spec::{Encoder, Event, FeatureSpec, Row};
///
/// let spec = FeatureSpec::from_toml(r##"
///     format = 1
///     name = "example"
///     counters = ["plays"]
///     [vocabulary.hashtag]
///     values = ["#comedy", "#funny"]
///     [metric.share]
///     share = "plays"
///     [user.hashtag]
///     history = "user.hashtag"
///     metrics = ["share"]
///     vocabulary = "hashtag"
/// "##)?;
/// let event = Event::from_json(br##"{"event_id": "1", "time": "2022-05-04T10:00:00Z",
///     "user": {"history": {"all": {"": {"plays": 5}},
///              "hashtag": {"#comedy": {"plays": 3}, "#funny": {"plays": 2}}}}}"##)?;
/// let mut row = Row::default();
/// Encoder::new(&spec).encode(&event, &mut row)?;
/// assert_eq!(row.positions(), [0, 1]);
/// assert_eq!(row.values(), [0.6, 0.4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Encoder {
    spec: FeatureSpec,
    plan: Plan,
    gathered: Gathered,
    /// Column in the high half, number of the value in the low half.
    keys: Vec<u64>,
    values: Vec<f64>,
    metrics: Vec<f64>,
    counts: Vec<FeatureCounts>,
    pending: Vec<FeatureCounts>,
}

/// What an encoder did not find, for one feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FeatureCounts {
    /// Values that are not in the feature's vocabulary, whatever became of them.
    pub unknown: u64,
    /// Events in which a source of the feature was missing.
    pub missing: u64,
}

impl Encoder {
    /// Prepares to encode with a spec.
    #[must_use]
    pub fn new(spec: &FeatureSpec) -> Self {
        let plan = Plan::new(spec);
        let counts = vec![FeatureCounts::default(); plan.features.len()];
        Self {
            spec: spec.clone(),
            gathered: Gathered::new(&plan),
            plan,
            keys: Vec::new(),
            values: Vec::new(),
            metrics: Vec::new(),
            pending: counts.clone(),
            counts,
        }
    }

    /// Returns the spec.
    #[must_use]
    pub const fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    /// Encodes one event into `row`, in place of what is in it.
    ///
    /// # Errors
    ///
    /// `row` and the counts are as before on an error.
    ///
    /// - [`EncodeError::WrongType`], [`EncodeError::Value`]: a value of the wrong type or range.
    /// - [`EncodeError::Future`]: a history that knows a play not before the event.
    /// - [`EncodeError::TooMany`]: more values than any real event has.
    ///
    /// # Complexity
    ///
    /// O(features + values), and a sort of what multi-valued features put out of order.
    pub fn encode<R: Record>(&mut self, record: &R, row: &mut Row) -> Result<(), EncodeError> {
        let Self {
            spec,
            plan,
            gathered,
            keys,
            values,
            metrics,
            pending,
            ..
        } = self;
        let compiled = spec.compiled();
        gathered.read(plan, compiled, record)?;
        keys.clear();
        values.clear();
        for ((feature, laid), pending) in plan
            .features
            .iter()
            .zip(&compiled.features)
            .zip(pending.iter_mut())
        {
            *pending = FeatureCounts::default();
            let mut sink = Sink {
                feature,
                laid,
                gathered,
                keys,
                values,
                pending,
            };
            sink.feature(metrics, record.time()).map_err(|problem| {
                let feature = format!("{}/{}", laid.declaration.vector, laid.declaration.name);
                let event_id = record.event_id().to_owned();
                match problem {
                    Refused::TooMany => EncodeError::TooMany {
                        event_id,
                        feature,
                        limit: MAX_ENTRIES,
                    },
                    Refused::Value(value, expected) => EncodeError::Value {
                        event_id,
                        feature,
                        value,
                        expected,
                    },
                }
            })?;
        }
        sort(keys);
        row.columns = compiled.owners.len();
        fill(spec, keys, values, row);
        for (count, pending) in self.counts.iter_mut().zip(&self.pending) {
            count.unknown += pending.unknown;
            count.missing += pending.missing;
        }
        Ok(())
    }

    /// Iterates over the features, by name, and what was not found for them in the events encoded
    /// so far.
    pub fn counts(&self) -> impl ExactSizeIterator<Item = (String, FeatureCounts)> + '_ {
        self.spec.features().zip(self.counts.iter().copied())
    }

    /// Sets all counts to 0.
    pub fn reset_counts(&mut self) {
        self.counts.fill(FeatureCounts::default());
    }
}

/// Sorts keys that are nearly in order: only features of several values leave any out of place.
fn sort(keys: &mut [u64]) {
    // Insertion takes one step for each pair out of order; a general sort takes over when there are
    // many.
    let mut steps = 4 * keys.len();
    for i in 1..keys.len() {
        let key = keys[i];
        let mut at = i;
        while at > 0 && keys[at - 1] > key {
            keys[at] = keys[at - 1];
            at -= 1;
        }
        keys[at] = key;
        steps = steps.saturating_sub(i - at);
        if steps == 0 {
            return keys.sort_unstable();
        }
    }
}

/// Writes sorted entries into the row, adding up those of one column.
#[allow(clippy::cast_possible_truncation)] // halves of a key; values are in the range of f32
fn fill(spec: &FeatureSpec, keys: &[u64], values: &[f64], row: &mut Row) {
    row.positions.clear();
    row.values.clear();
    let mut rest = keys;
    while let Some((&key, tail)) = rest.split_first() {
        let column = (key >> 32) as u32;
        let mut value = values[key as u32 as usize];
        rest = tail;
        while let Some((&next, tail)) = rest
            .split_first()
            .filter(|(k, _)| (**k >> 32) as u32 == column)
        {
            let absent = spec
                .policies()
                .policy(column)
                .map_or(0.0, |p| p.absent_value);
            value += values[next as u32 as usize] - absent;
            rest = tail;
        }
        row.positions.push(column);
        row.values.push(value as f32);
    }
}

enum Refused {
    TooMany,
    Value(f64, &'static str),
}

/// One feature of one event, on its way into the row.
struct Sink<'e> {
    feature: &'e FeaturePlan,
    laid: &'e Feature,
    gathered: &'e Gathered,
    keys: &'e mut Vec<u64>,
    values: &'e mut Vec<f64>,
    pending: &'e mut FeatureCounts,
}

impl Sink<'_> {
    fn feature(&mut self, metrics: &mut Vec<f64>, now: Time) -> Result<(), Refused> {
        let feature = self.feature;
        let free = match &feature.measure {
            MeasurePlan::History { keyed: true, .. } => feature.terms.len() - 1,
            _ => feature.terms.len(),
        };
        if feature.terms[..free]
            .iter()
            .any(|l| self.gathered.lists[*l].hashes.is_empty())
        {
            self.pending.missing = 1;
            return Ok(());
        }
        metrics.clear();
        match &feature.measure {
            MeasurePlan::Indicator => {
                metrics.push(1.0);
                self.categories(metrics, None)
            }
            MeasurePlan::Number { number, boolean } => {
                let Some(value) = self.gathered.numbers[*number] else {
                    self.pending.missing = 1;
                    return Ok(());
                };
                if *boolean && value != 0.0 && (value - 1.0).abs() > 0.0 {
                    return Err(Refused::Value(value, "0 or 1"));
                }
                metrics.push(value);
                self.categories(metrics, None)
            }
            MeasurePlan::History {
                history,
                keyed,
                combine,
                metrics: plans,
            } => {
                let found = &self.gathered.histories[*history];
                if found.rows.is_empty() {
                    self.pending.missing = 1;
                    return Ok(());
                }
                if *keyed {
                    for row in 0..found.rows.len() {
                        metrics.clear();
                        metrics.extend(
                            plans
                                .iter()
                                .map(|m| self.gathered.metric(*m, *history, row, now)),
                        );
                        self.categories(metrics, Some(found.rows[row].value))?;
                    }
                    return Ok(());
                }
                let absent = |i: usize| feature.metrics.get(i).map_or(0.0, |m| m.absent_value);
                let absent = |i: usize| {
                    if feature.buckets.is_some() {
                        self.absent_of(i)
                    } else {
                        absent(i)
                    }
                };
                metrics.extend(plans.iter().enumerate().map(|(i, m)| {
                    self.gathered
                        .combined(*m, *history, *combine, absent(i), now)
                }));
                self.categories(metrics, None)
            }
        }
    }

    /// The absent value of a bucketed metric, whose policy is that of a one-hot value.
    fn absent_of(&self, metric: usize) -> f64 {
        match &self.laid.declaration.measure {
            crate::schema::model::Measure::History { metrics, .. } => {
                metrics.get(metric).map_or(0.0, |m| m.kind.absent_value())
            }
            _ => 0.0,
        }
    }

    /// Writes the metrics for every combination of the terms' values; `key` is the place of the
    /// history's own value in the last list.
    fn categories(&mut self, metrics: &[f64], key: Option<u32>) -> Result<(), Refused> {
        let terms = &self.feature.terms;
        match (&self.feature.lookup, terms.as_slice()) {
            (Lookup::One, _) => self.write(metrics, 0),
            (Lookup::Vocabulary(place, unknown), [list, ..]) => {
                let values = &self.gathered.lists[*list];
                let (start, end) = match key {
                    Some(key) => (key as usize, key as usize + 1),
                    None => (0, values.hashes.len()),
                };
                for i in start..end {
                    let mut category = values.indices[i * values.stride + place];
                    if category == MISSING {
                        self.pending.unknown += 1;
                        category = match unknown {
                            Unknown::Drop => continue,
                            Unknown::Other => self.laid.unknown_at,
                            Unknown::Hash { size, seed } => {
                                self.laid.unknown_at + reduce(chain(*seed, values.hashes[i]), *size)
                            }
                        };
                    }
                    self.write(metrics, category)?;
                }
                Ok(())
            }
            (Lookup::Vocabulary(..), []) => Ok(()),
            (Lookup::Hash(size, seed), terms) => {
                let key = key.map(|k| (terms.len() - 1, k as usize));
                self.cross(metrics, terms, key, *seed, *size)
            }
        }
    }

    fn cross(
        &mut self,
        metrics: &[f64],
        terms: &[usize],
        key: Option<(usize, usize)>,
        hash: u64,
        size: u32,
    ) -> Result<(), Refused> {
        let Some((list, rest)) = terms.split_first() else {
            return self.write(metrics, reduce(hash, size));
        };
        let gathered = self.gathered;
        let hashes = &gathered.lists[*list].hashes[..];
        let hashes = match key {
            Some((_, key)) if rest.is_empty() => &hashes[key..=key],
            _ => hashes,
        };
        for value in hashes {
            self.cross(metrics, rest, key, chain(hash, *value), size)?;
        }
        Ok(())
    }

    fn write(&mut self, metrics: &[f64], category: u32) -> Result<(), Refused> {
        for (i, &value) in (0_u32..).zip(metrics) {
            let scaled = self
                .feature
                .metrics
                .get(i as usize)
                .or(self.feature.metrics.first());
            let (bucket, value) = match &self.feature.buckets {
                Some(buckets) => (buckets.index(value), 1.0),
                None => (0, value),
            };
            let same =
                scaled.is_some_and(|s| s.leave_out && s.absent_value.to_bits() == value.to_bits());
            if same {
                continue;
            }
            if value.is_nan() || value.abs() > f64::from(f32::MAX) {
                return Err(Refused::Value(value, "a number in the range of f32"));
            }
            if self.keys.len() >= MAX_ENTRIES {
                return Err(Refused::TooMany);
            }
            let column = self.laid.column(self.laid.slot(category, i, bucket));
            self.keys
                .push(u64::from(column) << 32 | self.values.len() as u64);
            self.values.push(value);
        }
        Ok(())
    }
}

/// How the values of a matched history become one number.
fn combine(how: Combine, found: impl Iterator<Item = f64>, looked_up: usize, absent: f64) -> f64 {
    let (mut count, mut sum, mut max) = (0_usize, 0.0, f64::NEG_INFINITY);
    for value in found {
        count += 1;
        sum += value;
        max = f64::max(max, value);
    }
    let missing = looked_up.saturating_sub(count);
    #[allow(clippy::cast_precision_loss)] // at most 2^20 values
    match how {
        Combine::Max if missing > 0 => max.max(absent),
        Combine::Max => max,
        _ => (sum + missing as f64 * absent) / (looked_up.max(1) as f64),
    }
}
