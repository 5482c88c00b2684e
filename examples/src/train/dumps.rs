//! Results on their way into the registry, on a thread of their own so that training goes on.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use feature_spec::FeatureSpec;
use lr_core::{LinearModel, Metrics};
use model_io::{Checkpoint, EventSpan, ModelInfo, Snapshot, Version};

use super::TrainConfig;
use super::gate::Withheld;
use super::golden::Samples;
use super::interval::Interval;
use super::store::{STATISTICS, Store, Work};
use super::trainer::DumpState;
use crate::cli::Failure;
use crate::encode::Reject;
use crate::summary::Dump;

/// Results that may wait for the store before training waits too.
const WAITING: usize = 4;

/// Writes dumps, checkpoints and rejects in order.
pub(super) struct Publisher {
    describe: Describe,
    publish_statistics: bool,
    work: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<Result<Vec<Dump>, Failure>>>,
}

/// What every snapshot of a run says.
struct Describe {
    spec: FeatureSpec,
    prefix: Option<String>,
    language: String,
    threshold: f64,
    sampling_rate: f64,
    optimizer: String,
}

impl Publisher {
    /// Starts the thread; it probes the store before it writes.
    pub(super) fn new(config: &TrainConfig, spec: &FeatureSpec, mut store: Store) -> Self {
        let (sender, receiver) = sync_channel::<Work>(WAITING);
        let thread = std::thread::spawn(move || {
            store.probe()?;
            for work in receiver {
                store.work(work)?;
            }
            Ok(store.into_dumps())
        });
        let describe = Describe {
            spec: spec.clone(),
            prefix: config.model_version.clone(),
            language: config.language.clone(),
            threshold: config.threshold,
            sampling_rate: config.learner.sampling_rate,
            optimizer: config.learner.optimizer.name().to_owned(),
        };
        Self {
            describe,
            publish_statistics: config.publish_statistics,
            work: Some(sender),
            thread: Some(thread),
        }
    }

    /// Describes the dump of a moment.
    ///
    /// `time_ms` names it; `recent`: figures since the dump before, `parent` its version.
    ///
    /// # Errors
    ///
    /// The state cannot be described.
    pub(super) fn snapshot(
        &self,
        time_ms: i64,
        state: DumpState,
        recent: &Metrics,
        parent: Option<Version>,
    ) -> Result<Snapshot, Failure> {
        self.describe.snapshot(time_ms, state, recent, parent)
    }

    /// Queues a dump.
    ///
    /// `samples`: raw events that travel in it with their probabilities.
    /// `checkpoint`: the state that the dump was made from, as it is once the dump is published. It
    /// is written before the dump, with the dump in it: a run that dies between the two publishes
    /// these very bytes when it is started again.
    ///
    /// # Errors
    ///
    /// An earlier result could not be written.
    pub(super) fn publish(
        &mut self,
        snapshot: Snapshot,
        samples: &Samples,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), Failure> {
        self.send(Work::Model {
            snapshot: Box::new(snapshot),
            samples: samples.clone(),
            checkpoint: checkpoint.map(Box::new),
        })
    }

    /// Queues the dump that a checkpoint carries, if it carries one.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub(super) fn publish_again(&mut self, checkpoint: &mut Checkpoint) -> Result<(), Failure> {
        match Store::take_pending(checkpoint) {
            Some(bytes) => self.send(Work::Again { bytes }),
            None => Ok(()),
        }
    }

    /// Queues a checkpoint.
    ///
    /// # Errors
    ///
    /// An earlier result could not be written.
    pub(super) fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Failure> {
        self.send(Work::Checkpoint(Box::new(checkpoint)))
    }

    /// Queues the rejects of an interval, if there are any, as one file of JSON Lines, and counts
    /// the files.
    ///
    /// # Errors
    ///
    /// An earlier result could not be written.
    pub(super) fn keep_rejects(
        &mut self,
        interval: &mut Interval,
        written: &mut u64,
    ) -> Result<(), Failure> {
        let rejects = interval.take_rejects();
        if rejects.is_empty() {
            return Ok(());
        }
        let name = format!("part-{written:05}.jsonl");
        *written += 1;
        self.send(Work::File {
            folder: "rejects",
            name,
            text: json_lines(&rejects)?,
        })
    }

    /// Queues statistics that have taken over, where they are to be published.
    ///
    /// # Errors
    ///
    /// An earlier result could not be written.
    pub(super) fn keep_statistics(
        &mut self,
        (version, bytes): (Version, Vec<u8>),
    ) -> Result<(), Failure> {
        if self.publish_statistics {
            self.send(Work::Statistics { version, bytes })
        } else {
            Ok(())
        }
    }

    /// Queues the record of a dump that is kept back.
    ///
    /// # Errors
    ///
    /// An earlier result could not be written.
    pub(super) fn keep_withheld(&mut self, withheld: &Withheld) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(withheld)
            .map_err(|source| Failure::at("withheld dump", source))?;
        self.send(Work::File {
            folder: "withheld",
            name: format!("{}.json", withheld.version),
            text,
        })
    }

    /// The version of a dump.
    ///
    /// # Errors
    ///
    /// The prefix cannot stand in a version.
    pub(super) fn version(&self, time_ms: i64, events: u64) -> Result<Version, Failure> {
        self.describe.version(time_ms, events)
    }

    /// Waits until everything is written and tells what was.
    ///
    /// # Errors
    ///
    /// A result could not be written.
    pub(super) fn finish(&mut self) -> Result<Vec<Dump>, Failure> {
        self.work = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(Vec::new()),
        }
    }

    fn send(&mut self, work: Work) -> Result<(), Failure> {
        let sent = self
            .work
            .as_ref()
            .is_some_and(|sender| sender.send(work).is_ok());
        if sent {
            return Ok(());
        }
        // The thread ends early only with a failure.
        self.finish()?;
        Err(Failure::data("the registry stopped"))
    }
}

impl Drop for Publisher {
    /// What was queued is still written when training stops with a failure.
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Describe {
    fn version(&self, time_ms: i64, events: u64) -> Result<Version, Failure> {
        Version::of_model(self.prefix.as_deref(), time_ms, events)
            .map_err(|source| Failure::usage(format!("--model-version: {source}")))
    }

    fn snapshot(
        &self,
        time_ms: i64,
        state: DumpState,
        recent: &Metrics,
        parent: Option<Version>,
    ) -> Result<Snapshot, Failure> {
        let version = self.version(time_ms, state.events)?;
        let name = version.to_string();
        let place = || format!("dump {name}");
        let mut info = ModelInfo::new(version, self.language.clone());
        info.events_learned = state.events;
        let (first, last) = state.time_span_ms;
        info.span = Some(EventSpan { first, last });
        info.threshold = self.threshold;
        info.sampling_rate = self.sampling_rate;
        info.optimizer.clone_from(&self.optimizer);
        info.metrics = figures("", &state.metrics)
            .chain(figures("interval_", recent))
            .chain([
                ("interval_events".to_owned(), count(recent.events())),
                ("interval_positives".to_owned(), count(recent.positives())),
            ])
            .collect();
        info.parent = parent;
        if let Some(version) = &state.statistics {
            let setting = (STATISTICS.to_owned(), version.to_string());
            info.settings.extend([setting]);
        }
        info.tool = concat!("train ", env!("CARGO_PKG_VERSION")).to_owned();
        // Whoever serves the file undoes the sampling of negatives, which the learner's own model
        // has undone already.
        let (weights, bias) = state.model.into_parts();
        let bias = bias - libm::log(self.sampling_rate);
        let model =
            LinearModel::new(weights, bias).map_err(|source| Failure::at(place(), source))?;
        Snapshot::new(model, &state.scaler, &self.spec, info)
            .map_err(|source| Failure::at(place(), source))
    }
}

/// The figures of `metrics` that are known, by name.
fn figures(prefix: &str, metrics: &Metrics) -> impl Iterator<Item = (String, f64)> {
    [
        ("log_loss", metrics.log_loss()),
        ("auc", metrics.auc()),
        ("normalized_entropy", metrics.normalized_entropy()),
        ("calibration", metrics.calibration()),
    ]
    .into_iter()
    .filter_map(move |(name, value)| Some((format!("{prefix}{name}"), value?)))
}

#[allow(clippy::cast_precision_loss)] // events of one interval are far below 2^53
fn count(events: u64) -> f64 {
    events as f64
}

fn json_lines(rejects: &[Reject]) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    for reject in rejects {
        serde_json::to_writer(&mut text, reject)
            .map_err(|source| Failure::at("rejects", source))?;
        text.push(b'\n');
    }
    Ok(text)
}
