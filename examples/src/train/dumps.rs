//! Dumps on their way into the registry, on a thread of their own so that training goes on.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use feature_spec::FeatureSpec;
use lr_core::LinearModel;
use model_io::object_store::ObjectStoreExt;
use model_io::{
    Blocking, EventSpan, Location, ModelInfo, PublishOptions, Registry, Snapshot, Version,
};

use super::TrainConfig;
use super::golden::Samples;
use super::interval::Interval;
use super::trainer::DumpState;
use crate::cli::Failure;
use crate::encode::Reject;
use crate::summary::Dump;
use crate::telemetry::{DumpOutcome, Telemetry};

const HOUR_MS: i64 = 3_600_000;

/// Dumps that may wait for the store before training waits too.
const WAITING: usize = 4;

/// Publishes dumps in order.
pub(super) struct Publisher {
    describe: Describe,
    work: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<Result<Vec<Dump>, Failure>>>,
    rejects_written: u64,
}

enum Work {
    Model {
        hour: i64,
        snapshot: Box<Snapshot>,
        samples: Samples,
    },
    Rejects {
        name: String,
        text: Vec<u8>,
    },
}

/// What every snapshot of a run says.
struct Describe {
    spec: FeatureSpec,
    prefix: Option<String>,
    language: String,
    threshold: f64,
    sampling_rate: f64,
    optimizer: String,
    parent: Option<Version>,
}

impl Publisher {
    /// Opens the registry; nothing is written yet.
    ///
    /// # Errors
    ///
    /// The output is not a place, or this build cannot reach it.
    pub(super) fn new(
        config: &TrainConfig,
        spec: &FeatureSpec,
        telemetry: Telemetry,
    ) -> Result<Self, Failure> {
        let location = Location::parse(&config.output)
            .map_err(|source| Failure::usage(format!("--output {}: {source}", config.output)))?;
        let (sender, receiver) = sync_channel::<Work>(WAITING);
        let output = config.output.trim_end_matches('/').to_owned();
        let language = config.language.clone();
        let compiled = spec.clone();
        let thread = std::thread::spawn(move || {
            let store = Store::open(location, output, language, telemetry)?;
            let mut dumps = Vec::new();
            for work in receiver {
                match work {
                    Work::Model {
                        hour,
                        mut snapshot,
                        samples,
                    } => {
                        snapshot
                            .set_golden(&compiled, samples.lines())
                            .map_err(|source| {
                                let version = &snapshot.info.version;
                                Failure::at(format!("dump {version}"), source)
                            })?;
                        dumps.push(store.publish(hour, &snapshot)?);
                    }
                    Work::Rejects { name, text } => store.put(&name, text)?,
                }
            }
            Ok(dumps)
        });
        let describe = Describe {
            spec: spec.clone(),
            prefix: config.model_version.clone(),
            language: config.language.clone(),
            threshold: config.threshold,
            sampling_rate: config.learner.sampling_rate,
            optimizer: config.learner.optimizer.name().to_owned(),
            parent: None,
        };
        Ok(Self {
            describe,
            work: Some(sender),
            thread: Some(thread),
            rejects_written: 0,
        })
    }

    /// Queues the dump of an hour.
    ///
    /// # Errors
    ///
    /// The state cannot be described, or an earlier dump could not be published.
    pub(super) fn publish(
        &mut self,
        hour: i64,
        state: DumpState,
        samples: &Samples,
    ) -> Result<(), Failure> {
        let snapshot = Box::new(self.describe.snapshot(hour, state)?);
        self.send(Work::Model {
            hour,
            snapshot,
            samples: samples.clone(),
        })
    }

    /// Queues the rejects of an interval, if there are any, as one file of JSON Lines.
    ///
    /// # Errors
    ///
    /// An earlier result could not be written.
    pub(super) fn keep_rejects(&mut self, interval: &mut Interval) -> Result<(), Failure> {
        let rejects = interval.take_rejects();
        if rejects.is_empty() {
            return Ok(());
        }
        let name = format!("part-{:05}.jsonl", self.rejects_written);
        self.rejects_written += 1;
        self.send(Work::Rejects {
            name,
            text: json_lines(&rejects)?,
        })
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
    fn snapshot(&mut self, hour: i64, state: DumpState) -> Result<Snapshot, Failure> {
        let version = Version::of_model(self.prefix.as_deref(), hour * HOUR_MS, state.events)
            .map_err(|source| Failure::usage(format!("--model-version: {source}")))?;
        let name = version.to_string();
        let place = || format!("dump {name}");
        let mut info = ModelInfo::new(version.clone(), self.language.clone());
        info.events_learned = state.events;
        let (first, last) = state.time_span_ms;
        info.span = Some(EventSpan { first, last });
        info.threshold = self.threshold;
        info.sampling_rate = self.sampling_rate;
        info.optimizer.clone_from(&self.optimizer);
        info.metrics = [
            ("log_loss", state.metrics.log_loss()),
            ("auc", state.metrics.auc()),
            ("normalized_entropy", state.metrics.normalized_entropy()),
            ("calibration", state.metrics.calibration()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
        info.parent = self.parent.replace(version);
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

/// The registry, and the folder of rejects beside it.
struct Store {
    runtime: Blocking,
    registry: Registry,
    location: Location,
    output: String,
    language: String,
    telemetry: Telemetry,
}

impl Store {
    fn open(
        location: Location,
        output: String,
        language: String,
        telemetry: Telemetry,
    ) -> Result<Self, Failure> {
        let runtime = Blocking::new().map_err(|source| Failure::at("runtime", source))?;
        let registry = Registry::open(location.clone());
        // A store that ignores conditional writes would lose models in silence.
        runtime
            .run(registry.probe())
            .map_err(|source| Failure::at(format!("--output {output}"), source))?;
        Ok(Self {
            runtime,
            registry,
            location,
            output,
            language,
            telemetry,
        })
    }

    fn publish(&self, hour: i64, snapshot: &Snapshot) -> Result<Dump, Failure> {
        let version = &snapshot.info.version;
        let published = self
            .runtime
            .run(self.registry.publish(snapshot, &PublishOptions::default()));
        self.telemetry.dump(match published {
            Ok(_) => DumpOutcome::Published,
            Err(_) => DumpOutcome::Failed,
        });
        published.map_err(|source| Failure::at(format!("publish {version}"), source))?;
        tracing::debug!(%version, events = snapshot.info.events_learned, "published");
        Ok(Dump {
            version: version.to_string(),
            hour: hour_text(hour)?,
            path: format!(
                "{}/models/{}/{version}/model.safetensors",
                self.output, self.language
            ),
        })
    }

    fn put(&self, name: &str, text: Vec<u8>) -> Result<(), Failure> {
        let path = self.location.prefix().clone();
        let path = path.join("rejects").join(self.language.as_str()).join(name);
        self.runtime
            .run(self.location.store().put(&path, text.into()))
            .map_err(|source| Failure::at(format!("rejects {path}"), source))?;
        Ok(())
    }
}

fn hour_text(hour: i64) -> Result<String, Failure> {
    let time = jiff::Timestamp::from_millisecond(hour * HOUR_MS)
        .map_err(|source| Failure::at(format!("hour {hour} since 1970"), source))?;
    Ok(time.strftime("%Y-%m-%dT%H").to_string())
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
