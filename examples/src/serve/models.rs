//! The model in use: one file, or what a registry says, followed on a thread of its own.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use model_io::{
    Blocking, Location, ModelWatcher, Polled, Predictor, Registry, ServingModel, WatchingPredictor,
};
use serde::Serialize;
use tokio::sync::oneshot;

use super::metrics::Metrics;
use super::{ModelSource, ServeConfig};
use crate::cli::Failure;

/// The predictors that requests share, once there is a model, and what is known of the registry.
#[derive(Debug)]
pub(super) struct Models {
    predictors: OnceLock<Predictors>,
    status: Mutex<Status>,
    threads: usize,
}

/// What `/readyz` tells.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Status {
    /// Version in use; absent before the first model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model_version: Option<String>,
    /// Number of the record in the registry that made it live.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<u64>,
    /// Whether that record is a rollback.
    rolled_back: bool,
    /// Why the last look at the registry failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Models {
    /// Opens the source. A model file is loaded at once; a registry is followed by
    /// [`Models::follow`].
    ///
    /// `threads`: how many predict at a time.
    ///
    /// # Errors
    ///
    /// The file is not fit to serve.
    pub(super) fn open(
        source: &ModelSource,
        threads: usize,
        metrics: &Metrics,
    ) -> Result<Self, Failure> {
        let models = Self {
            predictors: OnceLock::new(),
            status: Mutex::default(),
            threads,
        };
        if let ModelSource::File(path) = source {
            let model = ServingModel::open(path).map_err(|source| Failure::file(path, source))?;
            let model = Arc::new(model);
            metrics.serving(model.info());
            models.lock_status().model_version = Some(model.info().version.to_string());
            let predictor = || Source::Fixed(Predictor::new(Arc::clone(&model)));
            let _ = models.predictors.set(Predictors::new(threads, predictor));
        }
        Ok(models)
    }

    /// Starts the thread that follows the registry, if that is the source.
    ///
    /// # Errors
    ///
    /// The registry's location is not a place, or this build cannot reach it.
    pub(super) fn follow(
        self: &Arc<Self>,
        config: &ServeConfig,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Follower>, Failure> {
        let ModelSource::Registry(place) = &config.models else {
            return Ok(None);
        };
        let location = Location::parse(place)
            .map_err(|source| Failure::usage(format!("--models {place}: {source}")))?;
        let follow = Follow {
            models: Arc::clone(self),
            metrics: Arc::clone(metrics),
            language: config.language.clone(),
            interval: config.poll_interval,
        };
        let (stop, stopped) = oneshot::channel();
        let runtime = Blocking::new().map_err(|source| Failure::at("runtime", source))?;
        let thread = std::thread::Builder::new()
            .name("models".to_owned())
            .spawn(move || {
                let registry = Registry::open(location);
                runtime.run(async {
                    let watching = std::pin::pin!(follow.run(registry));
                    match select(watching, stopped).await {
                        Either::Left((never, _)) => match never {},
                        Either::Right(_) => {}
                    }
                });
            })
            .map_err(|source| Failure::at("thread", source))?;
        Ok(Some(Follower {
            stop: Some(stop),
            thread: Some(thread),
        }))
    }

    /// Calls `work` with a predictor that stays with one model; `None` before the first model.
    ///
    /// `work` must not wait for anything.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Predictor) -> R) -> Option<R> {
        let predictors = self.predictors.get()?;
        Some(work(predictors.take().current()))
    }

    /// Whether there is a model.
    pub(super) fn are_loaded(&self) -> bool {
        self.predictors.get().is_some()
    }

    pub(super) fn status(&self) -> Status {
        self.lock_status().clone()
    }

    fn lock_status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the thread that follows the registry when dropped.
#[derive(Debug)]
pub(super) struct Follower {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One predictor for each thread that may want one.
#[derive(Debug)]
struct Predictors {
    slots: Box<[Mutex<Source>]>,
}

#[derive(Debug)]
enum Source {
    Fixed(Predictor),
    Watching(WatchingPredictor),
}

impl Source {
    fn current(&mut self) -> &mut Predictor {
        match self {
            Self::Fixed(predictor) => predictor,
            Self::Watching(predictor) => predictor.current(),
        }
    }
}

impl Predictors {
    fn new(threads: usize, predictor: impl Fn() -> Source) -> Self {
        let slots = (0..threads.max(1)).map(|_| Mutex::new(predictor()));
        Self {
            slots: slots.collect(),
        }
    }

    /// A predictor that nobody uses; waits when there are more threads than predictors.
    fn take(&self) -> MutexGuard<'_, Source> {
        for slot in &self.slots {
            match slot.try_lock() {
                Ok(source) => return source,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.slots[0].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings every predictor to the newest model, so that none keeps an old one alive and no
    /// request pays for letting go of it.
    fn renew(&self) {
        for slot in &self.slots {
            slot.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .current();
        }
    }
}

/// What follows the registry.
struct Follow {
    models: Arc<Models>,
    metrics: Arc<Metrics>,
    language: String,
    interval: Duration,
}

impl Follow {
    async fn run(self, registry: Registry) -> std::convert::Infallible {
        let watcher = loop {
            match ModelWatcher::start(registry.clone(), &self.language).await {
                Ok(watcher) => break watcher,
                Err(error) => self.failed(&error),
            }
            tokio::time::sleep(self.interval).await;
        };
        let predictors = Predictors::new(self.models.threads, || {
            Source::Watching(watcher.predictor())
        });
        let _ = self.models.predictors.set(predictors);
        self.took(&watcher);
        loop {
            tokio::time::sleep(self.interval).await;
            match watcher.poll().await {
                Ok(Polled::Swapped) => {
                    self.metrics.reloads.inc();
                    if let Some(predictors) = self.models.predictors.get() {
                        predictors.renew();
                    }
                    self.took(&watcher);
                }
                Ok(_) => self.read(None),
                Err(error) => self.failed(&error),
            }
        }
    }

    fn took(&self, watcher: &ModelWatcher) {
        let status = watcher.status();
        self.metrics.serving(watcher.model().info());
        tracing::info!(version = %status.version, commit = status.commit, "model in use");
        let mut shown = self.models.lock_status();
        shown.model_version = Some(status.version.to_string());
        shown.commit = Some(status.commit);
        shown.rolled_back = status.rolled_back;
        drop(shown);
        self.read(None);
    }

    fn failed(&self, error: &dyn std::error::Error) {
        self.metrics.poll_failures.inc();
        let mut text = error.to_string();
        let mut beneath = error.source();
        while let Some(error) = beneath {
            text.push_str(": ");
            text.push_str(&error.to_string());
            beneath = error.source();
        }
        let news = self.models.lock_status().failure.as_ref() != Some(&text);
        if news {
            tracing::warn!(error = text, "the newest model cannot be taken");
        }
        self.read(Some(text));
    }

    fn read(&self, failure: Option<String>) {
        if failure.is_none()
            && let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)
        {
            self.metrics.last_poll.set(now.as_secs_f64());
        }
        self.models.lock_status().failure = failure;
    }
}
