//! The ordered fold of a run: learn, dump, and keep what a restart needs.

mod dumping;
mod files;
mod future;

use std::collections::BTreeMap;
use std::time::Instant;

use feature_spec::FeatureSpec;
use lr_core::Metrics;
use model_io::Version;

use super::dumps::Publisher;
use super::gate::Withheld;
use super::golden::Samples;
use super::interval::Interval;
use super::ledger::Ledger;
use super::source::Mark;
use super::state::{self, FileCounts, RunState, metrics_of};
use super::statistics::{Newer, Statistics};
use super::store::Store;
use super::trainer::Trainer;
use super::{DumpClock, TrainConfig};
use crate::cli::Failure;
use crate::encode::{Encoded, EncodedBlock, EncodedEvent, Reason, Reject, Step};
use crate::event_files::EventFile;
use crate::predictions::PredictionWriter;
use crate::report::Reporter;
use crate::summary::{Dump, Quality, Summary};
use crate::telemetry::Telemetry;

/// The part of a checkpoint with the figures since the last dump.
const INTERVAL_METRICS: &str = "interval-metrics";
/// The part with those since the gate last judged.
const JUDGED_METRICS: &str = "judged-metrics";

/// Resolution of these figures, in bits.
const RESOLUTION: u32 = 10;

/// A run under way.
pub(super) struct Run<'a> {
    config: &'a TrainConfig,
    spec: &'a FeatureSpec,
    trainer: Trainer,
    evaluated: Option<Metrics>,
    interval: Interval,
    /// Figures since the last dump.
    recent: Metrics,
    /// Figures since the gate last judged.
    judged: Metrics,
    withheld: Vec<Withheld>,
    rejected: BTreeMap<Reason, u64>,
    rejects_written: u64,
    samples: Samples,
    predictions: Option<PredictionWriter>,
    report: Option<Reporter>,
    publisher: Publisher,
    parent: Option<Version>,
    ledger: Ledger,
    files: FileCounts,
    /// The file that is read, and how many of its lines are done.
    under_way: Option<(EventFile, u64)>,
    /// Lines of the file that were done before a restart.
    skip: u64,
    /// Something has happened since the last checkpoint.
    changed: bool,
    last_checkpoint: Instant,
    last_dump: Instant,
    started: Instant,
    events_before: u64,
    /// Starts from a checkpoint, this one among them.
    restarts: u64,
    newest_ms: i64,
    /// Latest time that the clock has shown.
    clock_ms: i64,
    newer: Option<Newer>,
    telemetry: Telemetry,
}

impl<'a> Run<'a> {
    /// Starts from nothing, or from the newest checkpoint.
    ///
    /// # Errors
    ///
    /// - The settings are invalid, or not those of the checkpoint.
    /// - The registry cannot be opened, or its newest checkpoint cannot be read.
    pub(super) fn start(
        config: &'a TrainConfig,
        spec: &'a FeatureSpec,
        statistics: &Statistics,
        telemetry: Telemetry,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let mut store = Store::open(config, spec, telemetry.clone())?;
        let mut checkpoint = if config.checkpoint {
            store.take_over()?
        } else {
            None
        };
        let population = statistics.population();
        let (mut trainer, run, recent, judged) = match &checkpoint {
            Some(checkpoint) => {
                state::check(config, spec, checkpoint)?;
                let learner = config.learner.clone();
                (
                    Trainer::resume(spec, population, learner, checkpoint)?,
                    RunState::load(checkpoint)?,
                    metrics_of(checkpoint, INTERVAL_METRICS)?,
                    metrics_of(checkpoint, JUDGED_METRICS)?,
                )
            }
            None => (
                Trainer::new(spec, population, config.learner.clone())?,
                RunState::default(),
                no_metrics()?,
                no_metrics()?,
            ),
        };
        let newer = match statistics {
            Statistics::Published(version, _) => {
                trainer.name_statistics(version);
                let used = trainer.statistics_version().cloned();
                Some(Newer::watch(config, spec, used)?)
            }
            _ => None,
        };
        trainer.watch_drift(config.gate.is_on);
        let report = Reporter::open(config, spec, checkpoint.as_ref())?;
        let mut restarts = 0;
        let mut publisher = Publisher::new(config, spec, store);
        if let Some(checkpoint) = &mut checkpoint {
            publisher.publish_again(checkpoint)?;
            let milliseconds = started.elapsed().as_millis();
            let events = checkpoint.progress.events_learned;
            let epoch = checkpoint.progress.epoch;
            tracing::info!(events, epoch, milliseconds, "goes on from a checkpoint");
            restarts = epoch.saturating_sub(1); // the first trainer has epoch 1
            telemetry.restarted();
        }
        let mut ledger = run.ledger;
        ledger.set_lateness(i64::from(config.lateness_hours));
        let predictions = (config.predictions.as_deref())
            .map(|path| PredictionWriter::create(path, "event_id"))
            .transpose()?;
        Ok(Self {
            config,
            spec,
            events_before: trainer.metrics().events(),
            restarts,
            trainer,
            evaluated: None,
            interval: run.interval,
            recent,
            judged,
            withheld: Vec::new(),
            rejected: run.rejected,
            rejects_written: run.rejects_written,
            samples: run.samples,
            predictions,
            report,
            publisher,
            parent: run.parent,
            ledger,
            files: run.files,
            skip: run.under_way.as_ref().map_or(0, |(_, done)| *done),
            under_way: run.under_way,
            changed: false,
            last_checkpoint: started,
            last_dump: started,
            started,
            newest_ms: i64::MIN,
            clock_ms: i64::MIN,
            newer,
            telemetry,
        })
    }

    /// The files taken so far.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// A file of which a part was learned from before a restart.
    pub(super) fn resumed(&self) -> Option<&EventFile> {
        self.under_way.as_ref().map(|(file, _)| file)
    }

    /// Events learned from by this process.
    pub(super) fn events(&self) -> u64 {
        self.trainer.metrics().events() - self.events_before
    }

    /// Takes the next step of the stream.
    ///
    /// # Errors
    ///
    /// Training diverged, too many lines are rejected, or a result cannot be written.
    pub(super) fn step(&mut self, step: Step<Mark>) -> Result<(), Failure> {
        match step {
            Step::Block(block) => self.block(block)?,
            Step::Mark(mark) => self.mark(mark),
        }
        if self.config.dump_clock == DumpClock::Wall
            && self.last_dump.elapsed() >= self.config.dump_every
        {
            self.last_dump = Instant::now();
            self.dump()?;
        }
        if self.config.checkpoint
            && self.changed
            && self.last_checkpoint.elapsed() >= self.config.checkpoint_every
        {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn block(&mut self, mut block: EncodedBlock) -> Result<(), Failure> {
        self.changed = true;
        if let Some((version, population)) = self.newer.as_ref().and_then(Newer::take) {
            tracing::info!(%version, "newer statistics take over");
            self.trainer.use_statistics(version, &population)?;
        }
        let before = self.events();
        let horizon_ms = self.horizon_ms();
        block.for_each(|encoded| {
            if self.skip > 0 {
                self.skip -= 1;
                return Ok(());
            }
            match encoded {
                Encoded::Event(event) if horizon_ms.is_some_and(|end| event.time_ms >= end) => {
                    self.reject(&self.of_the_future(&event))?;
                }
                Encoded::Event(event) => self.event(event)?,
                Encoded::Reject(reject) => self.reject(reject)?,
            }
            if let Some((_, done)) = &mut self.under_way {
                *done += 1;
            }
            Ok(())
        })?;
        if self.config.follow {
            self.interval.warn_of_rejects(self.config.max_reject_share);
        }
        let learned = self.events() - before;
        if learned > 0 {
            self.telemetry.events_learned(learned, self.newest_ms);
        }
        if let Some(wait) = self.to_next_dump() {
            self.telemetry.next_dump(wait);
        }
        Ok(())
    }

    /// Counts a line that is set aside and keeps it.
    fn reject(&mut self, reject: &Reject) -> Result<(), Failure> {
        *self.rejected.entry(reject.reason).or_default() += 1;
        self.telemetry.rejected(reject.reason, 1);
        self.interval.reject(reject);
        if !self.config.follow {
            self.interval.check_rejects(self.config.max_reject_share)?;
        }
        if self.interval.is_full() {
            self.keep_rejects()?;
        }
        Ok(())
    }

    fn event(&mut self, mut event: EncodedEvent<'_>) -> Result<(), Failure> {
        let every = self.config.dump_every;
        if self.config.dump_clock == DumpClock::Event
            && self.interval.ends_before(event.time_ms, every)
        {
            self.dump()?;
        }
        self.interval.event(event.time_ms, every);
        self.newest_ms = self.newest_ms.max(event.time_ms);
        let prediction = self.trainer.learn(&mut event)?;
        if let Some(taken) = self.trainer.statistics_taken() {
            self.publisher.keep_statistics(taken)?;
        }
        if let Some(line) = event.sample {
            self.samples.push(line);
        }
        let place = || format!("event {:?}", event.event_id);
        if let Some(writer) = &mut self.predictions {
            writer.write(event.event_id, event.label, prediction.probability)?;
        }
        self.recent
            .push(prediction.probability, event.label, event.importance)
            .map_err(|source| Failure::at(place(), source))?;
        if let Some(report) = &mut self.report {
            report.event(&event, prediction.probability)?;
        }
        if self.config.evaluate_from.as_deref() == Some(event.event_id) && self.evaluated.is_none()
        {
            self.evaluated = Some(Metrics::new());
        }
        if let Some(evaluated) = &mut self.evaluated {
            evaluated
                .push(prediction.probability, event.label, event.importance)
                .map_err(|source| Failure::at(place(), source))?;
        }
        Ok(())
    }

    /// Ends the run and tells how it went. A run that was asked to stop dumps nothing more.
    ///
    /// # Errors
    ///
    /// Nothing could be learned from, or a result cannot be written.
    pub(super) fn finish(mut self) -> Result<Summary, Failure> {
        let stopped = self.config.stop.is_asked();
        if !stopped {
            self.dump()?;
        }
        if self.config.checkpoint && (self.changed || stopped) {
            self.checkpoint()?;
        }
        let metrics = self.trainer.metrics();
        if metrics.events() == 0 && !stopped {
            return Err(Failure::data(format!(
                "{}: no event of {:?} could be used, {} lines were rejected",
                self.config.input.display(),
                self.config.language,
                self.rejected.values().sum::<u64>()
            )));
        }
        if let (Some(event_id), None, false) =
            (&self.config.evaluate_from, &self.evaluated, stopped)
        {
            return Err(Failure::usage(format!(
                "--evaluate-from {event_id}: the stream has no such event"
            )));
        }
        if let Some(writer) = self.predictions.take() {
            writer.finish()?;
        }
        self.write_report()?;
        let dumps = self.publisher.finish()?;
        Ok(self.summary(dumps))
    }

    /// Writes what is left of a run that failed.
    pub(super) fn abandon(mut self, failure: Failure) -> Failure {
        match self.keep_rejects().and_then(|()| self.publisher.finish()) {
            // The store's failure is the cause of a fold that could not hand on its results.
            Err(fenced @ Failure::Fenced { .. }) => fenced,
            _ => failure,
        }
    }

    #[allow(clippy::cast_precision_loss)] // a rate for people
    fn summary(&self, dumps: Vec<Dump>) -> Summary {
        let metrics = self.trainer.metrics();
        let seconds = self.started.elapsed().as_secs_f64();
        Summary {
            events: metrics.events(),
            positives: metrics.positives(),
            rejected: (self.rejected.iter())
                .map(|(reason, &count)| (reason.name().to_owned(), count))
                .collect(),
            quality: Quality::of(metrics),
            evaluated: self.evaluated.as_ref().map(Quality::of),
            restarts: self.config.checkpoint.then_some(self.restarts),
            files: Some(self.files),
            withheld: self.withheld.clone(),
            dumps,
            seconds,
            events_per_second: self.events() as f64 / seconds,
        }
    }
}

fn no_metrics() -> Result<Metrics, Failure> {
    Metrics::with_resolution(RESOLUTION).map_err(|source| Failure::at("metrics", source))
}
