//! The job: events in, a model for every hour out.

mod dumps;
mod golden;
mod interval;
mod past;
mod trainer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use lr_core::{LearnerConfig, Metrics};

use self::dumps::Publisher;
use self::interval::Interval;
use crate::cli::Failure;
use crate::encode::{self, Encoded, EncodedEvent, Reason};
use crate::predictions::PredictionWriter;
use crate::progress::Progress;
use crate::summary::{Quality, Summary};
use crate::telemetry::Telemetry;
use crate::{event_files, population, spec_source};

pub use self::golden::Samples;
pub use self::past::{PastDecodeError, PastPopulation};
pub use self::trainer::{DumpState, Trainer};

/// What to train on, how, and where the results go.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrainConfig {
    /// Folder of event files, `<input>/<language>/dt=…/hour=…/part-….jsonl.zst`.
    pub input: PathBuf,
    /// The spec.
    pub spec: PathBuf,
    /// Version of the config in the registry of the output, in place of the spec's file.
    pub config_version: Option<String>,
    /// Folder of the vocabularies that the spec names; beside the spec when absent.
    pub vocabularies: Option<PathBuf>,
    /// Language of the stream and of the model, such as `HI`.
    pub language: String,
    /// Root of the model registry, as a path or URL; rejects go beside the models.
    pub output: String,
    /// Prefix of every dump's version.
    pub model_version: Option<String>,
    /// Population statistics to scale with; those of the days before each day when absent.
    pub statistics: Option<PathBuf>,
    /// Threads that read and encode; the model is the same for any number.
    pub threads: usize,
    /// Where to write `event_id,label,probability`, each given before its event was learned from.
    pub predictions: Option<PathBuf>,
    /// Also report the figures of this event and all after it.
    pub evaluate_from: Option<String>,
    /// Largest share of rejected lines in a dump interval.
    pub max_reject_share: f64,
    /// Probability from which an event counts as liked; travels in the model.
    pub threshold: f64,
    /// The learner.
    pub learner: LearnerConfig,
}

impl TrainConfig {
    /// The defaults for a stream of events.
    #[must_use]
    pub fn new(
        input: impl Into<PathBuf>,
        spec: impl Into<PathBuf>,
        language: impl Into<String>,
        output: impl Into<String>,
    ) -> Self {
        Self {
            input: input.into(),
            spec: spec.into(),
            config_version: None,
            vocabularies: None,
            language: language.into(),
            output: output.into(),
            model_version: None,
            statistics: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            predictions: None,
            evaluate_from: None,
            max_reject_share: 0.01,
            threshold: 0.5,
            learner: LearnerConfig::default(),
        }
    }
}

/// Trains on every event file of a language, in stream order, and publishes a model for every hour
/// of event time.
///
/// # Errors
///
/// - The spec, the statistics or the settings are invalid.
/// - There is no event file, one cannot be read, or no line of them could be used.
/// - The share of rejected lines in an interval is above the limit; its dump is not published.
/// - Training diverged; nothing is published from there on.
/// - A result cannot be written.
pub fn train(config: &TrainConfig, progress: Progress) -> Result<Summary, Failure> {
    let started = Instant::now();
    let telemetry = progress.telemetry_of(&config.language);
    let spec = spec_source::load(config)?;
    let statistics = match &config.statistics {
        Some(path) => Some(population::read(path, &spec)?),
        None => None,
    };
    let files = event_files::list(&config.input, &config.language)?;
    let mut run = Run {
        trainer: Trainer::new(&spec, statistics.as_ref(), config.learner.clone())?,
        evaluated: None,
        evaluate_from: config.evaluate_from.clone(),
        interval: Interval::new(config.max_reject_share),
        rejected: BTreeMap::new(),
        samples: Samples::default(),
        predictions: config
            .predictions
            .as_deref()
            .map(|path| PredictionWriter::create(path, "event_id"))
            .transpose()?,
        publisher: Publisher::new(config, &spec, telemetry.clone())?,
        newest_ms: i64::MIN,
        telemetry,
    };
    run.telemetry.set_ready(true, "learning");

    let mut stage = progress.stage("train", "events", None);
    encode::map_files(
        files,
        &spec,
        &config.language,
        config.threads,
        |mut block| {
            let before = run.trainer.metrics().events();
            let result = block.for_each(|encoded| run.step(encoded));
            let learned = run.trainer.metrics().events() - before;
            stage.advance(learned);
            if learned > 0 {
                run.telemetry.events_learned(learned, run.newest_ms);
            }
            result
        },
    )
    .or_else(|failure| {
        run.publisher
            .keep_rejects(&mut run.interval)
            .and(Err(failure))
    })?;
    stage.finish();
    run.finish(config, started)
}

/// A run under way.
struct Run {
    trainer: Trainer,
    evaluated: Option<Metrics>,
    evaluate_from: Option<String>,
    interval: Interval,
    rejected: BTreeMap<Reason, u64>,
    samples: Samples,
    predictions: Option<PredictionWriter>,
    publisher: Publisher,
    newest_ms: i64,
    telemetry: Telemetry,
}

impl Run {
    fn step(&mut self, encoded: Encoded<'_>) -> Result<(), Failure> {
        match encoded {
            Encoded::Event(event) => self.event(event),
            Encoded::Reject(reject) => {
                *self.rejected.entry(reject.reason).or_default() += 1;
                self.telemetry.rejected(reject.reason, 1);
                self.interval.reject(reject)
            }
        }
    }

    fn event(&mut self, mut event: EncodedEvent<'_>) -> Result<(), Failure> {
        if self.interval.ends_before(event.time_ms) {
            self.dump()?;
        }
        self.interval.event(event.time_ms);
        self.newest_ms = self.newest_ms.max(event.time_ms);
        let prediction = self.trainer.learn(&mut event)?;
        if let Some(line) = event.sample {
            self.samples.push(line);
        }
        if let Some(writer) = &mut self.predictions {
            writer.write(event.event_id, event.label, prediction.probability)?;
        }
        if self.evaluate_from.as_deref() == Some(event.event_id) && self.evaluated.is_none() {
            self.evaluated = Some(Metrics::new());
        }
        if let Some(evaluated) = &mut self.evaluated {
            evaluated
                .push(prediction.probability, event.label, event.importance)
                .map_err(|source| Failure::at(format!("event {:?}", event.event_id), source))?;
        }
        Ok(())
    }

    /// Ends the dump interval: publishes the model unless too many lines were rejected.
    fn dump(&mut self) -> Result<(), Failure> {
        self.publisher.keep_rejects(&mut self.interval)?;
        self.interval.check_rejects()?;
        if let Some((hour, state)) = self.interval.hour().zip(self.trainer.dump()?) {
            self.publisher.publish(hour, state, &self.samples)?;
        }
        self.interval.start_next();
        Ok(())
    }

    fn finish(mut self, config: &TrainConfig, started: Instant) -> Result<Summary, Failure> {
        self.dump()?;
        let metrics = self.trainer.metrics();
        if metrics.events() == 0 {
            return Err(Failure::data(format!(
                "{}: no event of {:?} could be used, {} lines were rejected",
                config.input.display(),
                config.language,
                self.rejected.values().sum::<u64>()
            )));
        }
        if let (Some(event_id), None) = (&self.evaluate_from, &self.evaluated) {
            return Err(Failure::usage(format!(
                "--evaluate-from {event_id}: the stream has no such event"
            )));
        }
        if let Some(writer) = self.predictions.take() {
            writer.finish()?;
        }
        let dumps = self.publisher.finish()?;
        let seconds = started.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // a rate for people
        Ok(Summary {
            events: metrics.events(),
            positives: metrics.positives(),
            rejected: (self.rejected.iter())
                .map(|(reason, &count)| (reason.name().to_owned(), count))
                .collect(),
            quality: Quality::of(metrics),
            evaluated: self.evaluated.as_ref().map(Quality::of),
            dumps,
            seconds,
            events_per_second: metrics.events() as f64 / seconds,
        })
    }
}
