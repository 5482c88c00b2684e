//! The registry as a run sees it: dumps, checkpoints and rejects, written with patience.

use std::time::{Duration, Instant};

use bytes::Bytes;
use feature_spec::FeatureSpec;
use model_io::object_store::ObjectStoreExt;
use model_io::{
    ArtifactKind, Blocking, Checkpoint, CheckpointWriter, Location, PublishOptions, PublishOutcome,
    Registry, RegistryError, Snapshot, Version,
};

use super::TrainConfig;
use super::golden::Samples;
use super::statistics::FILE;
use super::stop::Stop;
use crate::cli::Failure;
use crate::summary::Dump;
use crate::telemetry::{DumpOutcome, Telemetry};

/// The part of a checkpoint that holds a dump which may not be published yet.
const PENDING: &str = "pending";

/// The setting of a model that names the version of its statistics.
pub(super) const STATISTICS: &str = "statistics";

/// Time between two attempts at a store that fails.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two log lines about it.
const REMIND: Duration = Duration::from_secs(10);

/// Checkpoints between two cleanings, and how many stay.
const CLEAN_EVERY: u64 = 16;
const KEPT_CHECKPOINTS: usize = 8;
/// Age in seconds at which a checkpoint that is not among the newest may go: twice the silence after
/// which a trainer reads the newest checkpoint before it writes.
const KEPT_SECONDS: u64 = 20 * 60;

/// One thing to write.
pub(super) enum Work {
    /// A dump, and before it the checkpoint that carries it.
    Model {
        snapshot: Box<Snapshot>,
        samples: Samples,
        checkpoint: Option<Box<Checkpoint>>,
    },
    /// A dump from a checkpoint.
    Again { bytes: Vec<u8> },
    /// Statistics, under a version of their own.
    Statistics { version: Version, bytes: Vec<u8> },
    /// A checkpoint.
    Checkpoint(Box<Checkpoint>),
    /// A file for people, in a folder beside the models.
    File {
        folder: &'static str,
        name: String,
        text: Vec<u8>,
    },
}

/// The registry, the checkpoints and the folder of rejects beside them.
pub(super) struct Store {
    runtime: Blocking,
    registry: Registry,
    location: Location,
    output: String,
    language: String,
    spec: FeatureSpec,
    writer: Option<CheckpointWriter>,
    patience: Duration,
    stop: Stop,
    telemetry: Telemetry,
    dumps: Vec<Dump>,
}

impl Store {
    /// Opens the registry; nothing is read or written yet.
    ///
    /// # Errors
    ///
    /// The output is not a place, or this build cannot reach it.
    pub(super) fn open(
        config: &TrainConfig,
        spec: &FeatureSpec,
        telemetry: Telemetry,
    ) -> Result<Self, Failure> {
        let location = Location::parse(&config.output)
            .map_err(|source| Failure::usage(format!("--output {}: {source}", config.output)))?;
        let runtime = Blocking::new().map_err(|source| Failure::at("runtime", source))?;
        Ok(Self {
            runtime,
            registry: Registry::open(location.clone()),
            location,
            output: config.output.trim_end_matches('/').to_owned(),
            language: config.language.clone(),
            spec: spec.clone(),
            writer: None,
            patience: if config.follow {
                config.patience
            } else {
                Duration::ZERO
            },
            stop: config.stop.clone(),
            telemetry,
            dumps: Vec::new(),
        })
    }

    /// Takes the run over: from now on this trainer writes its checkpoints, and any other one is
    /// fenced. Returns the state to go on from, if there is one.
    ///
    /// # Errors
    ///
    /// The newest checkpoint cannot be read, or another trainer took over at the same time.
    pub(super) fn take_over(&mut self) -> Result<Option<Checkpoint>, Failure> {
        let (writer, state) = self.patiently("take over", |store| {
            let log = store.registry.checkpoints(&store.language)?;
            store.runtime.run(log.take_over())
        })?;
        self.writer = Some(writer);
        Ok(state)
    }

    /// Checks that the store refuses to overwrite: on one that does not, models would be lost in
    /// silence.
    pub(super) fn probe(&mut self) -> Result<(), Failure> {
        let place = format!("--output {}", self.output);
        self.patiently(&place, |store| {
            store.runtime.run(store.registry.probe()).map(|_| ())
        })
    }

    /// Does one thing.
    ///
    /// # Errors
    ///
    /// The store failed for longer than the patience allows, another trainer has taken over, or the
    /// result is refused.
    pub(super) fn work(&mut self, work: Work) -> Result<(), Failure> {
        match work {
            Work::Model {
                mut snapshot,
                samples,
                checkpoint,
            } => {
                let version = snapshot.info.version.clone();
                let place = || format!("dump {version}");
                snapshot
                    .set_golden(&self.spec, samples.lines())
                    .map_err(|source| Failure::at(place(), source))?;
                let bytes = snapshot
                    .to_bytes()
                    .map_err(|source| Failure::at(place(), source))?;
                if let Some(mut checkpoint) = checkpoint {
                    checkpoint.parts.insert(PENDING.to_owned(), bytes.clone());
                    self.commit(&mut checkpoint)?;
                }
                let statistics = snapshot.info.settings.get(STATISTICS);
                self.publish(bytes.into(), statistics.map(String::as_str))
            }
            Work::Again { bytes } => {
                let snapshot = Snapshot::from_bytes(&bytes)
                    .map_err(|source| Failure::at("dump of the checkpoint", source))?;
                let statistics = snapshot.info.settings.get(STATISTICS);
                self.publish(bytes.into(), statistics.map(String::as_str))
            }
            Work::Statistics { version, bytes } => self.publish_statistics(&version, bytes.into()),
            Work::Checkpoint(mut checkpoint) => self.commit(&mut checkpoint),
            Work::File { folder, name, text } => self.put(folder, &name, text),
        }
    }

    /// Takes the dump out of a checkpoint that carries one.
    pub(super) fn take_pending(checkpoint: &mut Checkpoint) -> Option<Vec<u8>> {
        checkpoint.parts.remove(PENDING)
    }

    /// What was published.
    pub(super) fn into_dumps(self) -> Vec<Dump> {
        self.dumps
    }

    fn publish_statistics(&mut self, version: &Version, bytes: Bytes) -> Result<(), Failure> {
        let files = [(FILE.to_owned(), bytes)];
        self.patiently("publish statistics", |store| {
            let kind = ArtifactKind::Statistics;
            let publish = (store.registry).publish_artifact(kind, &store.language, version, &files);
            store.runtime.run(publish)
        })?;
        tracing::info!(%version, "statistics published");
        Ok(())
    }

    fn publish(&mut self, bytes: Bytes, statistics: Option<&str>) -> Result<(), Failure> {
        let mut options = PublishOptions::default();
        options.statistics_version = statistics.and_then(|version| version.parse().ok());
        if let Some(writer) = &self.writer {
            options.epoch = writer.epoch();
            options.checkpoint = Some(writer.sequence());
        }
        let published = self.patiently("publish", |store| {
            let publish = store.registry.publish_bytes(bytes.clone(), &options);
            store.runtime.run(publish)
        });
        self.telemetry.dump(match published {
            Ok(_) => DumpOutcome::Published,
            Err(_) => DumpOutcome::Failed,
        });
        let published = published?;
        let version = published.version;
        match published.outcome {
            PublishOutcome::Held => {
                tracing::warn!(%version, "stored and not live: a rollback holds");
            }
            _ => tracing::debug!(%version, "published"),
        }
        let (output, language) = (&self.output, &self.language);
        self.dumps.push(Dump {
            hour: hour_of(&version),
            path: format!("{output}/models/{language}/{version}/model.safetensors"),
            version: version.to_string(),
        });
        Ok(())
    }

    fn commit(&mut self, checkpoint: &mut Checkpoint) -> Result<(), Failure> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(());
        };
        let started = Instant::now();
        let committed = self.patiently("checkpoint", |store| {
            store.runtime.run(writer.commit(checkpoint))
        });
        self.writer = Some(writer);
        let sequence = committed?;
        let events = checkpoint.progress.events_learned;
        self.telemetry.checkpoint(sequence, started.elapsed());
        let milliseconds = started.elapsed().as_millis();
        tracing::debug!(sequence, events, milliseconds, "checkpoint");
        if sequence.is_multiple_of(CLEAN_EVERY) {
            let cleaned = self
                .registry
                .checkpoints(&self.language)
                .and_then(|log| self.runtime.run(log.retain(KEPT_CHECKPOINTS, KEPT_SECONDS)));
            // What stays behind goes at the next cleaning.
            if let Err(error) = cleaned {
                tracing::warn!(%error, "old checkpoints stay for now");
            }
        }
        Ok(())
    }

    fn put(&mut self, folder: &str, name: &str, text: Vec<u8>) -> Result<(), Failure> {
        let path = self.location.prefix().clone();
        let path = path.join(folder).join(self.language.as_str()).join(name);
        let text = Bytes::from(text);
        let place = format!("writing {path}");
        self.patiently(&place, |store| {
            let put = store.location.store().put(&path, text.clone().into());
            store
                .runtime
                .run(put)
                .map_err(|source| RegistryError::Store {
                    action: "writing",
                    key: path.to_string(),
                    source,
                })
        })?;
        Ok(())
    }

    /// Repeats what fails because of the store, and says so, as long as the patience lasts.
    fn patiently<T>(
        &mut self,
        what: &str,
        mut attempt: impl FnMut(&mut Self) -> Result<T, RegistryError>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let mut said: Option<Instant> = None;
        loop {
            let error = match attempt(self) {
                Ok(value) => {
                    if said.is_some() {
                        let seconds = started.elapsed().as_secs();
                        tracing::info!(what, seconds, "the store is back");
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            let waited = started.elapsed();
            if !may_pass(&error) || waited >= self.patience || self.stop.is_asked() {
                return Err(match error {
                    RegistryError::Fenced { .. } => Failure::fenced(error),
                    error => Failure::at(what, error),
                });
            }
            if said.is_none_or(|said| said.elapsed() >= REMIND) {
                said = Some(Instant::now());
                let why = Failure::at(what, error).render();
                let (waited, patience) = (waited.as_secs(), self.patience.as_secs());
                tracing::error!(why, waited, patience, "the store fails: trying again");
            }
            let _ = self.stop.wait(PAUSE);
        }
    }
}

/// Whether the same request may meet with success later.
fn may_pass(error: &RegistryError) -> bool {
    use model_io::object_store::Error;
    match error {
        RegistryError::Store { source, .. } | RegistryError::OutcomeUnknown { source, .. } => {
            !matches!(
                source,
                Error::InvalidPath { .. }
                    | Error::NotSupported { .. }
                    | Error::NotImplemented { .. }
                    | Error::PermissionDenied { .. }
                    | Error::Unauthenticated { .. }
            )
        }
        RegistryError::Contended { .. } | RegistryError::Retiring { .. } => true,
        _ => false,
    }
}

/// The hour in a version, `YYYY-MM-DDTHH`.
fn hour_of(version: &Version) -> String {
    let before_events = version
        .as_str()
        .rsplit_once('-')
        .map_or("", |(hour, _)| hour);
    let from = before_events.len().saturating_sub("YYYY-MM-DDTHH".len());
    before_events
        .get(from..)
        .unwrap_or(before_events)
        .to_owned()
}
