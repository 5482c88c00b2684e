//! From an event to a sparse row.

mod error;
mod gather;
mod names;
mod plan;
mod record;
mod sink;

use crate::row::Row;
use crate::schema::model::Combine;
use crate::spec::FeatureSpec;

pub use error::EncodeError;
pub use record::Record;

use gather::Gathered;
use plan::Plan;
use sink::{Refused, Sink};

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
