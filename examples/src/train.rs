//! The job: events in, a model for every hour out.

mod dumps;
mod gate;
mod golden;
mod interval;
mod ledger;
mod past;
mod run;
mod source;
mod spool;
mod state;
mod statistics;
mod stop;
mod store;
mod trainer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lr_core::LearnerConfig;
use serde::{Deserialize, Serialize};

use self::run::Run;
use self::source::Source;
use self::statistics::Statistics;
use crate::chunk_cache::ChunkCache;
use crate::cli::Failure;
use crate::progress::Progress;
use crate::summary::Summary;
use crate::{encode, spec_source};

pub use self::gate::{Gate, Withheld};
pub use self::golden::Samples;
pub use self::past::{PastDecodeError, PastPopulation};
pub use self::state::FileCounts;
pub use self::stop::Stop;
pub use self::trainer::{DumpState, Trainer};

/// Which time dumps are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DumpClock {
    /// The events' own: a dump when the first event of the next period comes; the same models from
    /// the same events, whenever they are learned from.
    #[default]
    Event,
    /// The clock on the wall: a dump when the time is over, if there were events.
    Wall,
}

impl DumpClock {
    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Wall => "wall",
        }
    }
}

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
    /// Population statistics to scale with; those of the days before each day when absent. `latest`
    /// takes the newest ones of the registry, and newer ones as they are published.
    pub statistics: Option<PathBuf>,
    /// Publish the statistics that the run itself takes, under versions of their own.
    pub publish_statistics: bool,
    /// Threads that read and encode; the model is the same for any number.
    pub threads: usize,
    /// Folder in which encoded events are kept, to be used by the next run in place of the text.
    pub cache: Option<PathBuf>,
    /// Where to write `event_id,label,probability`, each given before its event was learned from.
    pub predictions: Option<PathBuf>,
    /// Also report the figures of this event and all after it.
    pub evaluate_from: Option<String>,
    /// Where to write a page about the run, at its end and at its dumps.
    pub report: Option<PathBuf>,
    /// Names of one-hot features, such as `event/tab`, by whose values the page has figures.
    pub report_by: Vec<String>,
    /// Largest share of rejected lines in a dump interval.
    pub max_reject_share: f64,
    /// Probability from which an event counts as liked; travels in the model.
    pub threshold: f64,
    /// The learner.
    pub learner: LearnerConfig,
    /// Go on when everything is read, and learn from files as they appear.
    pub follow: bool,
    /// Time between two listings of the input.
    pub poll: Duration,
    /// Hours before the newest one in which files may still appear; older ones are late.
    pub lateness_hours: u32,
    /// Read no file of this hour (since the Unix epoch, UTC) or later, and end there.
    pub until_hour: Option<i64>,
    /// How many hours before its time a file is read, and an event learned from, when following.
    pub max_future_hours: u32,
    /// How long to wait, when following, for a store that fails or a file that cannot be read.
    pub patience: Duration,
    /// Keep checkpoints beside the models and go on from the newest.
    pub checkpoint: bool,
    /// Time between two checkpoints; there is one with every dump as well.
    pub checkpoint_every: Duration,
    /// Length of a dump interval.
    pub dump_every: Duration,
    /// Which time it is counted in.
    pub dump_clock: DumpClock,
    /// When a dump is kept back.
    pub gate: Gate,
    /// How the run can be asked to end.
    pub stop: Stop,
    /// Milliseconds since the Unix epoch; tells files and events of the future.
    pub clock: fn() -> i64,
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
            publish_statistics: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            cache: None,
            predictions: None,
            evaluate_from: None,
            report: None,
            report_by: Vec::new(),
            max_reject_share: 0.01,
            threshold: 0.5,
            learner: LearnerConfig::default(),
            follow: false,
            poll: Duration::from_secs(10),
            lateness_hours: 2,
            until_hour: None,
            max_future_hours: 1,
            patience: Duration::from_secs(900),
            checkpoint: false,
            checkpoint_every: Duration::from_secs(60),
            dump_every: Duration::from_secs(3_600),
            dump_clock: DumpClock::Event,
            gate: Gate::default(),
            stop: Stop::default(),
            clock: source::system_clock,
        }
    }

    fn check(&self) -> Result<(), Failure> {
        if self.dump_every < Duration::from_secs(1) {
            return Err(Failure::usage("--dump-every: at least one second"));
        }
        let (predictions, evaluated) = (self.predictions.is_some(), self.evaluate_from.is_some());
        if self.checkpoint && (predictions || evaluated) {
            return Err(Failure::usage(
                "--predictions and --evaluate-from do not go with checkpoints: after a restart \
                 they would tell of a part of the stream only",
            ));
        }
        Ok(())
    }
}

/// Trains on the event files of a language, in stream order, and publishes a model for every hour
/// of event time.
///
/// Without [`follow`](TrainConfig::follow) it lists the input once, learns from everything in it and
/// ends; with it, it goes on with what appears until it is asked to [stop](TrainConfig::stop). One
/// fold, in one order: the same files give the same bytes either way.
///
/// With [`checkpoint`](TrainConfig::checkpoint) a run that is killed at any moment goes on from its
/// newest checkpoint when it is started again, counts every event once, and publishes the very bytes
/// of a run that was never disturbed.
///
/// # Errors
///
/// - The spec, the statistics or the settings are invalid, or not those of the checkpoint.
/// - There is no event file, one cannot be read, or no line of them could be used.
/// - The share of rejected lines in an interval is above the limit; its dump is not published.
/// - Training diverged; nothing is published from there on.
/// - A result cannot be written, or another trainer has taken the run over.
pub fn train(config: &TrainConfig, progress: Progress) -> Result<Summary, Failure> {
    config.check()?;
    let spec = spec_source::load(config)?;
    let statistics = Statistics::load(config, &spec)?;
    let telemetry = progress.telemetry_of(&config.language);
    let mut run = Run::start(config, &spec, &statistics, telemetry.clone())?;
    let (ledger, resumed) = (run.ledger().clone(), run.resumed().cloned());
    let mut source = Source::new(config, ledger, resumed, telemetry.clone())?;

    let cache = (config.cache.as_deref())
        .map(|folder| Arc::new(ChunkCache::new(folder, &spec, &config.language)));
    telemetry.set_ready(true, "learning");
    let mut stage = progress
        .stage("train", "events", None)
        .watching(telemetry.clone());
    let folded = encode::map_stream(
        || source.next(),
        &spec,
        &config.language,
        config.threads,
        cache,
        |step| {
            let before = run.events();
            let result = run.step(step);
            stage.advance(run.events() - before);
            result
        },
    );
    stage.finish();
    telemetry.set_ready(false, "ended");
    match folded {
        Ok(()) => run.finish(),
        Err(failure) => Err(run.abandon(failure)),
    }
}

/// Trains on several languages of one input, each as [`train`] does: a loop, a checkpoint log and
/// models of its own.
///
/// `config.language`: the languages with commas between them, such as `HI,BN`. They share the
/// threads. When one fails the others are asked to stop, write their checkpoints and end, so that
/// whoever supervises the process starts all of them again.
///
/// # Errors
///
/// - The first failure, with the language's name when there are several.
/// - A language is named twice, or the settings name one file for the results of all.
pub fn train_each(
    config: &TrainConfig,
    progress: &Progress,
) -> Result<BTreeMap<String, Summary>, Failure> {
    let languages: Vec<&str> = config.language.split(',').collect();
    if languages.len() > 1 {
        let distinct: BTreeSet<&&str> = languages.iter().collect();
        let one_file = config.predictions.is_some() || config.report.is_some();
        if distinct.len() < languages.len() {
            let message = format!("--language {}: one is named twice", config.language);
            return Err(Failure::usage(message));
        }
        if one_file || config.evaluate_from.is_some() {
            return Err(Failure::usage(
                "--predictions, --report and --evaluate-from are for one language",
            ));
        }
    }
    let train_one = |language: &str| {
        let mut config = config.clone();
        language.clone_into(&mut config.language);
        config.threads = (config.threads / languages.len()).max(1);
        let result = train(&config, progress.clone());
        if let Err(failure) = &result
            && languages.len() > 1
        {
            tracing::error!(language, why = failure.render(), "failed: the others stop");
            config.stop.ask();
        }
        result.map(|summary| (language.to_owned(), summary))
    };
    let train_one = &train_one;
    std::thread::scope(|scope| {
        let running: Vec<_> = (languages.iter())
            .map(|&language| scope.spawn(move || train_one(language)))
            .collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    })
}
