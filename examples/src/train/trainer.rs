//! The ordered fold: predict, count, learn; and what a dump needs.

use feature_spec::FeatureSpec;
use lr_core::{Example, Learner, LearnerConfig, LinearModel, Metrics, Prediction};
use model_io::{Checkpoint, EventSpan, Statistics, Version};
use serde::{Deserialize, Serialize};
use sprs::CsVecViewI;
use zscore_stats::{Drift, Population, Scaler};

use super::past::PastPopulation;
use super::state::{bytes_of, json_of, metrics_of, part, put_json, put_metrics};
use crate::cli::Failure;
use crate::encode::EncodedEvent;

const DAY_MS: i64 = 86_400_000;

/// Names of the parts of a checkpoint.
const METRICS: &str = "metrics";
const POPULATION: &str = "population";
const TIMES: &str = "times";
const RECENT: &str = "recent-population";

/// One event in so many is counted for the gate. Counting each takes a tenth of a run's time; the
/// mean of 10,000 events is known to 0.03 standard deviations from an eighth of them.
const COUNTED_FOR_DRIFT: u64 = 8;

/// Everything that training changes.
#[derive(Debug)]
pub struct Trainer {
    spec: FeatureSpec,
    scaler: Scaler,
    past: Option<PastPopulation>,
    /// Some of the rows since the gate last judged, where it watches drift.
    recent: Option<PastPopulation>,
    learner: Learner,
    metrics: Metrics,
    times: Times,
    /// Statistics that took over since they were last asked for.
    taken: Option<Vec<u8>>,
}

/// What the trainer knows of time, in event time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Times {
    /// Day under way, since the Unix epoch.
    day: Option<i64>,
    first_ms: Option<i64>,
    last_ms: Option<i64>,
    /// Version of the statistics that rows are scaled with; `None` without any, or given as a file.
    #[serde(default)]
    statistics: Option<Version>,
}

impl Times {
    fn event(&mut self, time_ms: i64) {
        self.first_ms = Some(self.first_ms.map_or(time_ms, |first| first.min(time_ms)));
        self.last_ms = self.last_ms.max(Some(time_ms));
    }

    fn span(&self) -> Option<(i64, i64)> {
        self.first_ms.zip(self.last_ms)
    }
}

/// What a dump is made of.
#[derive(Debug, Clone)]
pub struct DumpState {
    /// One array whose prediction equals the learner's, with the bias for sparse rows.
    pub model: LinearModel,
    /// The statistics that rows are scaled with.
    pub scaler: Scaler,
    /// Events learned from so far.
    pub events: u64,
    /// Earliest and latest event time, in milliseconds since the Unix epoch.
    pub time_span_ms: (i64, i64),
    /// Progressive figures so far.
    pub metrics: Metrics,
    /// Version of the statistics, if they have one.
    pub statistics: Option<Version>,
}

impl Trainer {
    /// Starts with an untrained model.
    ///
    /// `statistics`: a population to scale with throughout; `None` takes, for each day of event
    /// time, that of the days before it.
    ///
    /// # Errors
    ///
    /// - The statistics are of another spec.
    /// - The learner's settings are out of range.
    pub fn new(
        spec: &FeatureSpec,
        statistics: Option<&Population>,
        config: LearnerConfig,
    ) -> Result<Self, Failure> {
        let policies = spec.policies();
        let scaler = match statistics {
            Some(population) => Scaler::new(policies, population).map_err(|source| {
                Failure::at("the given statistics do not fit the spec", source)
            })?,
            None => Scaler::identity(policies),
        };
        let past = PastPopulation::new(spec);
        let past = (statistics.is_none() && past.is_needed()).then_some(past);
        let learner = Learner::new(spec.columns(), config)
            .map_err(|source| Failure::at("learner settings", source))?;
        Ok(Self {
            spec: spec.clone(),
            scaler,
            past,
            recent: None,
            learner,
            metrics: Metrics::new(),
            times: Times::default(),
            taken: None,
        })
    }

    /// Goes on from a checkpoint of the same run.
    ///
    /// # Errors
    ///
    /// The checkpoint is of another spec or of other settings, or contradicts itself.
    pub(super) fn resume(
        spec: &FeatureSpec,
        statistics: Option<&Population>,
        config: LearnerConfig,
        checkpoint: &Checkpoint,
    ) -> Result<Self, Failure> {
        let mut trainer = Self::new(spec, statistics, config.clone())?;
        trainer.learner = Learner::from_state(config, &checkpoint.learner)
            .map_err(|source| Failure::at("learner of the checkpoint", source))?;
        if trainer.learner.dimension() != spec.columns() {
            return Err(part("learner", "has another dimension than the spec"));
        }
        let scaled = checkpoint.statistics.clone();
        trainer.scaler = Scaler::from_parts(
            spec.policies(),
            scaled.positions,
            scaled.mean,
            scaled.std_dev,
        )
        .map_err(|source| Failure::at("statistics of the checkpoint", source))?;
        if trainer.past.is_some() {
            let past = PastPopulation::from_bytes(spec, bytes_of(checkpoint, POPULATION)?);
            trainer.past = Some(past.map_err(|source| part(POPULATION, source))?);
        }
        if checkpoint.parts.contains_key(RECENT) {
            let recent = PastPopulation::from_bytes(spec, bytes_of(checkpoint, RECENT)?);
            trainer.recent = Some(recent.map_err(|source| part(RECENT, source))?);
        }
        trainer.metrics = metrics_of(checkpoint, METRICS)?;
        trainer.times = json_of(checkpoint, TIMES)?;
        Ok(trainer)
    }

    /// Puts everything that [`resume`](Self::resume) needs into a checkpoint.
    pub(super) fn save(&self, checkpoint: &mut Checkpoint) -> Result<(), Failure> {
        checkpoint.learner = self.learner.state();
        checkpoint.statistics = Statistics::of(&self.scaler);
        checkpoint.progress.events_learned = self.metrics.events();
        checkpoint.progress.span = self
            .times
            .span()
            .map(|(first, last)| EventSpan { first, last });
        if let Some(past) = &self.past {
            checkpoint
                .parts
                .insert(POPULATION.to_owned(), past.to_bytes());
        }
        if let Some(recent) = &self.recent {
            let bytes = recent.to_bytes();
            checkpoint.parts.insert(RECENT.to_owned(), bytes);
        }
        put_metrics(checkpoint, METRICS, &self.metrics);
        put_json(checkpoint, TIMES, &self.times)
    }

    /// Predicts an event, counts the prediction and learns from the event; its values are scaled in
    /// place.
    ///
    /// # Errors
    ///
    /// Training diverged, or a sum overflowed; the model is the last good one.
    pub fn learn(&mut self, event: &mut EncodedEvent<'_>) -> Result<Prediction, Failure> {
        self.enter_day(event.time_ms.div_euclid(DAY_MS))?;
        let place = || format!("event {:?}", event.event_id);
        let is_counted = self.metrics.events().is_multiple_of(COUNTED_FOR_DRIFT);
        let recent = self.recent.as_mut().filter(|_| is_counted);
        for rows in self.past.iter_mut().chain(recent) {
            rows.push(event)
                .map_err(|source| Failure::at(place(), source))?;
        }
        self.scaler
            .scale_in_place(event.positions, event.values)
            .map_err(|source| Failure::at(place(), source))?;
        let row = CsVecViewI::try_new(self.spec.columns(), event.positions, &*event.values)
            .map_err(|(_, _, source)| Failure::at(place(), source.to_string()))?;
        let example = Example::new(row, event.label).importance(event.importance);
        let prediction = self
            .learner
            .learn(&example)
            .map_err(|source| Failure::at(place(), source))?;
        self.metrics
            .push(prediction.probability, event.label, event.importance)
            .map_err(|source| Failure::at(place(), source))?;
        self.times.event(event.time_ms);
        Ok(prediction)
    }

    /// Progressive figures so far.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How what was seen differs from the statistics that it is scaled with; `None` with given
    /// statistics and before the first ones.
    ///
    /// # Errors
    ///
    /// None is known: both are of one spec.
    pub fn drift(&self) -> Result<Option<Drift>, Failure> {
        let in_use = self.scaler.parts().iter().next().is_some();
        let Some(past) = self.past.as_ref().filter(|_| in_use) else {
            return Ok(None);
        };
        Drift::from_scaler(&self.scaler, past.population())
            .map(Some)
            .map_err(|source| Failure::at("drift", source))
    }

    /// Counts rows between two judgements from now on, or no longer; there are none to count where
    /// nothing is scaled.
    pub(super) fn watch_drift(&mut self, is_on: bool) {
        let rows = self.recent.take();
        let rows = rows.unwrap_or_else(|| PastPopulation::new(&self.spec));
        self.recent = (is_on && rows.is_needed()).then_some(rows);
    }

    /// How the rows since this was last asked differ from the statistics that they were scaled with;
    /// `None` before the first statistics, and where nothing is scaled or watched.
    ///
    /// # Errors
    ///
    /// None is known: both are of one spec.
    pub(super) fn take_recent_drift(&mut self) -> Result<Option<Drift>, Failure> {
        let Some(recent) = &mut self.recent else {
            return Ok(None);
        };
        let rows = std::mem::replace(recent, PastPopulation::new(&self.spec));
        if self.scaler.parts().iter().next().is_none() {
            return Ok(None);
        }
        Drift::from_scaler(&self.scaler, rows.population())
            .map(Some)
            .map_err(|source| Failure::at("drift", source))
    }

    /// What a dump of this moment holds; `None` before the first event.
    ///
    /// # Errors
    ///
    /// A weight is not finite: the model must not be published.
    pub fn dump(&self) -> Result<Option<DumpState>, Failure> {
        let Some(time_span_ms) = self.times.span() else {
            return Ok(None);
        };
        let model = self
            .learner
            .model()
            .map_err(|source| Failure::at("dump", source))?;
        Ok(Some(DumpState {
            model,
            scaler: self.scaler.clone(),
            events: self.metrics.events(),
            time_span_ms,
            metrics: self.metrics.clone(),
            statistics: self.times.statistics.clone(),
        }))
    }

    /// Names statistics that were given at the start, unless a checkpoint has named its own.
    pub(super) fn name_statistics(&mut self, version: &Version) {
        let name = &mut self.times.statistics;
        name.get_or_insert_with(|| version.clone());
    }

    /// Version of the statistics in use, if they have one.
    pub(super) fn statistics_version(&self) -> Option<&Version> {
        self.times.statistics.as_ref()
    }

    /// Takes over given statistics and carries the learner to the new scale, so that predictions do
    /// not jump.
    ///
    /// # Errors
    ///
    /// The statistics are of another spec.
    pub fn use_statistics(
        &mut self,
        version: Version,
        population: &Population,
    ) -> Result<(), Failure> {
        let scaler = Scaler::new(self.spec.policies(), population)
            .map_err(|source| Failure::at(format!("statistics {version}"), source))?;
        self.carry(scaler)?;
        self.times.statistics = Some(version);
        Ok(())
    }

    /// The statistics that took over since this was last asked for.
    pub(super) fn statistics_taken(&mut self) -> Option<(Version, Vec<u8>)> {
        let bytes = self.taken.take()?;
        Some((self.times.statistics.clone()?, bytes))
    }

    /// Changes the scale: `w′ = w·D′/D`, so that margins stay as they are.
    fn carry(&mut self, scaler: Scaler) -> Result<(), Failure> {
        let place = "new statistics";
        let ratios: Vec<f32> = self
            .scaler
            .rescale_factors(&scaler)
            .map_err(|source| Failure::at(place, source))?
            .collect();
        self.learner
            .rescale(&ratios)
            .map_err(|source| Failure::at(place, source))?;
        self.scaler = scaler;
        Ok(())
    }

    /// At the first event of a later day, takes over the statistics of the days before it and
    /// carries the learner to the new scale, so that predictions do not jump.
    fn enter_day(&mut self, day: i64) -> Result<(), Failure> {
        let Some(past) = &self.past else {
            return Ok(());
        };
        if self.times.day.is_some_and(|current| day > current) {
            let rows = self.metrics.events();
            let version = version_of(self.times.day.unwrap_or(day), rows)?;
            let bytes = past.population().to_bytes();
            let scaler = Scaler::new(self.spec.policies(), past.population())
                .map_err(|source| Failure::at("statistics of the days before", source))?;
            self.carry(scaler)?;
            self.times.statistics = Some(version);
            self.taken = Some(bytes);
        }
        self.times.day = self.times.day.max(Some(day));
        Ok(())
    }
}

/// The version of statistics that hold everything up to the end of a day: its date, and how many
/// events there were.
fn version_of(day: i64, events: u64) -> Result<Version, Failure> {
    let place = || format!("statistics of day {day} since 1970");
    let date = jiff::Timestamp::from_millisecond(day.saturating_mul(DAY_MS))
        .map_err(|source| Failure::at(place(), source))?
        .strftime("%Y-%m-%d");
    Version::new(format!("{date}-{events}")).map_err(|source| Failure::at(place(), source))
}
