//! What a person wants to see of a run, as one page that needs nothing but a browser.
//!
//! A [`Recorder`] is fed by the fold with every prediction; [`page::render`] turns what it holds,
//! and what the run knows besides, into HTML with inline charts. No script, no font and no address
//! of anywhere else is in the page.
//!
//! A recorder's memory is bounded whatever the length of the stream: figures of a quarter of an
//! hour of event time are added up by hour of the day, by weekday and over time, and the curve over
//! time has at most [`curve::POINTS`] points, which become wider as the stream becomes longer.

mod chart;
pub mod curve;
mod features;
mod format;
pub mod page;
mod reporter;
mod sections;
mod state;

use std::collections::{BTreeMap, VecDeque};

use feature_spec::FeatureSpec;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lr_core::{Metrics, SlicedMetrics};
use serde::{Deserialize, Serialize};

use self::curve::Curve;
use self::features::Seen;
use crate::cli::Failure;
use crate::encode::EncodedEvent;

pub use self::features::{Ranked, RankedFeature};
pub use self::reporter::Reporter;

/// Event time that is measured on its own before it is added up; time zones are apart by multiples
/// of it.
const SLOT_MS: i64 = 900_000;

/// Resolution of scores, in bits: 256 bins per unit of log-odds.
const RESOLUTION: u32 = 8;

/// Values of a category with figures of their own.
const SLICES: usize = 40;

/// Dumps that are listed; older ones are counted.
const DUMPS: usize = 240;

/// Figures of a stream for its report.
#[derive(Debug, Clone)]
pub struct Recorder {
    zone: TimeZone,
    /// Quarter of an hour since the Unix epoch, and its figures.
    slot: Option<i64>,
    current: Metrics,
    overall: Metrics,
    hours: BTreeMap<i8, Metrics>,
    weekdays: BTreeMap<i8, Metrics>,
    languages: BTreeMap<String, Metrics>,
    language: String,
    curve: Curve,
    categories: Vec<Category>,
    seen: Seen,
    dumps: VecDeque<DumpFact>,
    dump_counts: BTreeMap<DumpKind, u64>,
}

/// Figures by the value of a one-hot feature.
#[derive(Debug, Clone)]
struct Category {
    feature: String,
    /// Value by column of the row.
    values: BTreeMap<u32, String>,
    slices: SlicedMetrics,
}

/// A dump of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DumpFact {
    /// End of its interval, in milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// Version in the registry, or that it would have had.
    pub version: String,
    /// Whether services got it.
    pub kind: DumpKind,
    /// Why it was withheld; empty otherwise.
    pub why: String,
    /// Mean log loss of its interval, in nats.
    pub log_loss: Option<f64>,
    /// Predicted over observed positives of its interval.
    pub calibration: Option<f64>,
    /// Events of its interval.
    pub events: u64,
}

/// Whether services got a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "they got it or they did not")]
pub enum DumpKind {
    /// It is in the registry.
    Published,
    /// The gate kept it back.
    Withheld,
}

impl Recorder {
    /// Starts with no event. `categories`: names of one-hot features, such as `event/tab`, by whose
    /// values figures are kept.
    ///
    /// # Errors
    ///
    /// The spec has no such feature.
    pub fn new(spec: &FeatureSpec, language: &str, categories: &[String]) -> Result<Self, Failure> {
        let categories = categories.iter().map(|name| Category::new(spec, name));
        Ok(Self {
            zone: time_zone(&spec.time_zone())?,
            slot: None,
            current: metrics()?,
            overall: metrics()?,
            hours: BTreeMap::new(),
            weekdays: BTreeMap::new(),
            languages: BTreeMap::new(),
            language: language.to_owned(),
            curve: Curve::new(),
            categories: categories.collect::<Result<_, _>>()?,
            seen: Seen::new(spec.columns()),
            dumps: VecDeque::new(),
            dump_counts: BTreeMap::new(),
        })
    }

    /// Counts an event with scaled values and the probability that was given before it was learned
    /// from.
    ///
    /// # Errors
    ///
    /// Those of [`Metrics::push`].
    pub fn event(&mut self, event: &EncodedEvent<'_>, probability: f64) -> Result<(), Failure> {
        self.count(event.time_ms, probability, event.label, event.importance)?;
        let failed = |source| Failure::at(format!("event {:?}", event.event_id), source);
        for category in &mut self.categories {
            let value = (event.positions.iter()).find_map(|at| category.values.get(at));
            let value = value.map_or("(none)", String::as_str);
            category
                .slices
                .push(value, probability, event.label, event.importance)
                .map_err(failed)?;
        }
        self.seen.push(event.time_ms, event.positions, event.values);
        Ok(())
    }

    /// Counts an event of which only its time and what was predicted is known.
    ///
    /// # Errors
    ///
    /// Those of [`Metrics::push`].
    pub fn count(
        &mut self,
        time_ms: i64,
        probability: f64,
        label: bool,
        importance: f32,
    ) -> Result<(), Failure> {
        let failed = |source| Failure::at("report", source);
        let slot = time_ms.div_euclid(SLOT_MS);
        if self.slot != Some(slot) {
            self.flush().map_err(failed)?;
            self.slot = Some(slot);
        }
        self.current
            .push(probability, label, importance)
            .map_err(failed)?;
        self.curve
            .push(time_ms, probability, label, importance)
            .map_err(failed)
    }

    /// Notes a dump.
    pub fn dump(&mut self, dump: DumpFact) {
        *self.dump_counts.entry(dump.kind).or_default() += 1;
        if self.dumps.len() == DUMPS {
            self.dumps.pop_front();
        }
        self.dumps.push_back(dump);
    }

    /// Figures over all events.
    ///
    /// # Errors
    ///
    /// Those of [`Metrics::merge`].
    pub fn overall(&self) -> Result<Metrics, Failure> {
        let mut overall = self.overall.clone();
        overall
            .merge(&self.current)
            .map_err(|source| Failure::at("report", source))?;
        Ok(overall)
    }

    /// The positions that move predictions most, by the weights of a model.
    #[must_use]
    pub fn ranked(&self, weights: &[f32]) -> Ranked {
        self.seen.ranked(weights)
    }

    /// A copy in which the slot under way is added up.
    fn flushed(&self) -> Result<Self, Failure> {
        let mut copy = self.clone();
        copy.flush()
            .map_err(|source| Failure::at("report", source))?;
        Ok(copy)
    }

    /// Adds the slot under way to everything that it belongs to.
    fn flush(&mut self) -> Result<(), lr_core::MetricsError> {
        let Some(slot) = self.slot.take() else {
            return Ok(());
        };
        let empty = Metrics::with_resolution(RESOLUTION)?;
        let current = std::mem::replace(&mut self.current, empty);
        self.overall.merge(&current)?;
        let time_ms = slot * SLOT_MS;
        if let Ok(time) = Timestamp::from_millisecond(time_ms) {
            let local = self.zone.to_datetime(time);
            add(&mut self.hours, local.hour(), &current)?;
            let weekday = local.weekday().to_monday_one_offset();
            add(&mut self.weekdays, weekday, &current)?;
        }
        let language = self.language.clone();
        add(&mut self.languages, language, &current)
    }
}

impl Category {
    fn new(spec: &FeatureSpec, feature: &str) -> Result<Self, Failure> {
        let mut values = BTreeMap::new();
        for listed in spec.listing() {
            let value = (listed.name.strip_prefix(feature)).and_then(|rest| rest.strip_prefix('='));
            if let Some(value) = value {
                values.insert(listed.column, value.to_owned());
            }
        }
        if values.is_empty() {
            return Err(Failure::usage(format!(
                "--report-by {feature}: the spec has no feature of this name with a value a position"
            )));
        }
        let slices = SlicedMetrics::new(SLICES, RESOLUTION)
            .map_err(|source| Failure::at("report", source))?;
        Ok(Self {
            feature: feature.to_owned(),
            values,
            slices,
        })
    }
}

fn add<K: Ord>(
    slices: &mut BTreeMap<K, Metrics>,
    key: K,
    metrics: &Metrics,
) -> Result<(), lr_core::MetricsError> {
    match slices.get_mut(&key) {
        Some(slice) => slice.merge(metrics),
        None => {
            slices.insert(key, metrics.clone());
            Ok(())
        }
    }
}

fn metrics() -> Result<Metrics, Failure> {
    Metrics::with_resolution(RESOLUTION).map_err(|source| Failure::at("report", source))
}

fn time_zone(name: &str) -> Result<TimeZone, Failure> {
    jiff::fmt::temporal::DateTimeParser::new()
        .parse_time_zone(name)
        .map_err(|source| Failure::at(format!("time zone {name}"), source))
}
