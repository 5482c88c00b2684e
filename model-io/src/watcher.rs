//! Hot reload: a service follows the registry, and never serves what it has not verified.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use feature_spec::Event;
use object_store::GetOptions;

use crate::registry::layout::LanguageKeys;
use crate::registry::objects::random_unit;
use crate::registry::record::{self, Commit, CommitKind};
use crate::registry::{Registry, RegistryError};
use crate::serving::{PredictError, Predictor, Served, ServingError, ServingModel};
use crate::version::Version;

/// Why a service did not take the newest model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The registry could not be read, or what is there is damaged.
    #[error("registry")]
    Registry {
        /// What happened.
        source: RegistryError,
    },
    /// The model is not fit to serve.
    #[error("version {version}")]
    Serving {
        /// The version.
        version: Version,
        /// Why.
        source: ServingError,
    },
    /// The log names an older record than the one in use.
    #[error("the log ends at commit {newest}, commit {current} is in use")]
    WentBack {
        /// Newest record that the log shows.
        newest: u64,
        /// The one in use.
        current: u64,
    },
    /// Nothing was ever committed.
    #[error("no model of {language} was ever published")]
    Empty {
        /// The language.
        language: String,
    },
}

/// What a poll led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Polled {
    /// The newest model is in use.
    Unchanged,
    /// A newer commit was taken.
    Swapped,
}

/// The state of a watcher, for health checks and metrics.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WatchStatus {
    /// Version in use.
    pub version: Version,
    /// Commit in use.
    pub commit: u64,
    /// Whether the commit in use is a rollback.
    pub rolled_back: bool,
    /// Milliseconds since the log was last read with success.
    pub age: i64,
    /// Why the last poll failed, with its causes; `None` when it succeeded.
    pub failure: Option<String>,
}

/// A model in use and the commit that made it live.
#[derive(Debug)]
struct Current {
    model: Arc<ServingModel>,
    commit: Commit,
}

/// A model that follows the registry.
///
/// Polling, fetching and verifying are done by whoever calls [`ModelWatcher::poll`], away from
/// requests; a request does one atomic load. A model that fails any check is not taken: the old one
/// stays, and [`ModelWatcher::status`] says why.
///
/// Cloned handles share the model.
#[derive(Debug, Clone)]
pub struct ModelWatcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    keys: LanguageKeys,
    current: Arc<ArcSwap<Current>>,
    poll: tokio::sync::Mutex<PollState>,
    health: ArcSwap<Health>,
}

#[derive(Debug, Default)]
struct PollState {
    /// Tag of `LATEST` when it was last read.
    tag: Option<String>,
    polls: u64,
    /// The model before the one in use: whoever still predicts with it lets go of it before it is
    /// dropped here, so that no request pays for freeing it.
    previous: Option<Arc<Current>>,
}

#[derive(Debug, Clone)]
struct Health {
    read_at: i64,
    failure: Option<String>,
}

/// Polls of `LATEST` alone between two looks at the log itself: `LATEST` is a hint.
const POLLS_PER_LISTING: u64 = 8;

impl ModelWatcher {
    /// Loads and verifies the live model of `language`.
    ///
    /// # Errors
    ///
    /// Any [`WatchError`]: without a first model there is nothing to serve.
    pub async fn start(registry: Registry, language: &str) -> Result<Self, WatchError> {
        let failed = |source| WatchError::Registry { source };
        let keys = registry.layout().language(language).map_err(failed)?;
        let newest = registry.head(&keys).await.map_err(failed)?;
        let commit = newest.ok_or_else(|| WatchError::Empty {
            language: language.to_owned(),
        })?;
        let model = load(&registry, &keys, &commit).await?;
        let health = Health {
            read_at: registry.now(),
            failure: None,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                current: Arc::new(ArcSwap::from_pointee(Current { model, commit })),
                registry,
                keys,
                poll: tokio::sync::Mutex::default(),
                health: ArcSwap::from_pointee(health),
            }),
        })
    }

    /// Looks for a newer commit and takes its model if it passes every check.
    ///
    /// Most polls are one conditional read of `LATEST` that transfers nothing; every eighth reads
    /// the log itself.
    ///
    /// # Errors
    ///
    /// Any [`WatchError`]; the model in use stays in use.
    pub async fn poll(&self) -> Result<Polled, WatchError> {
        let mut state = self.shared.poll.lock().await;
        let outcome = self.shared.poll_once(&mut state).await;
        let health = match &outcome {
            Ok(_) => Health {
                read_at: self.shared.registry.now(),
                failure: None,
            },
            Err(error) => {
                // The next poll must not be told "not modified" about what could not be used.
                state.tag = None;
                let read_at = self.shared.health.load().read_at;
                Health {
                    read_at,
                    failure: Some(chain(error)),
                }
            }
        };
        self.shared.health.store(Arc::new(health));
        outcome
    }

    /// Polls for ever, every `interval` plus up to a half of it at random, so that many services
    /// do not poll at the same moment. Failures are kept for [`ModelWatcher::status`].
    pub async fn run(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval.mul_f64(1.0 + 0.5 * random_unit())).await;
            // The outcome is in the status; the next poll tries again.
            let _ = self.poll().await;
        }
    }

    /// Returns the model in use.
    #[must_use]
    pub fn model(&self) -> Arc<ServingModel> {
        self.shared.current.load().model.clone()
    }

    /// Returns a predictor for one thread that follows the swaps.
    #[must_use]
    pub fn predictor(&self) -> WatchingPredictor {
        let mut cache = Cache::new(self.shared.current.clone());
        let predictor = Predictor::new(cache.load().model.clone());
        WatchingPredictor { cache, predictor }
    }

    /// Returns what is in use, how old that knowledge is, and why the last poll failed.
    #[must_use]
    pub fn status(&self) -> WatchStatus {
        let current = self.shared.current.load();
        let health = self.shared.health.load();
        WatchStatus {
            version: current.commit.version.clone(),
            commit: current.commit.n,
            rolled_back: current.commit.kind == CommitKind::Rollback,
            age: self.shared.registry.now().saturating_sub(health.read_at),
            failure: health.failure.clone(),
        }
    }
}

impl Shared {
    async fn poll_once(&self, state: &mut PollState) -> Result<Polled, WatchError> {
        let failed = |source| WatchError::Registry { source };
        let current = self.current.load().commit.n;
        let listing = state.polls % POLLS_PER_LISTING == POLLS_PER_LISTING - 1;
        state.polls += 1;
        let hinted = if listing {
            None
        } else {
            self.hint(state).await
        };
        let newest = match hinted {
            Some(Hint::NotModified) => return Ok(Polled::Unchanged),
            // The record itself is read from the log; the hint may be behind or wrong.
            Some(Hint::Commit(n)) if n > current => self.registry.commit(&self.keys, n).await.ok(),
            Some(Hint::Commit(n)) if n == current => return Ok(Polled::Unchanged),
            _ => None,
        };
        let newest = match newest {
            Some(newest) => newest,
            None => match self.registry.head(&self.keys).await.map_err(failed)? {
                Some(newest) => newest,
                None => return Err(WatchError::WentBack { newest: 0, current }),
            },
        };
        if newest.n < current {
            return Err(WatchError::WentBack {
                newest: newest.n,
                current,
            });
        }
        if newest.n == current {
            return Ok(Polled::Unchanged);
        }
        let in_use = self.current.load_full();
        let model = if newest.manifest_sha256 == in_use.commit.manifest_sha256 {
            in_use.model.clone()
        } else {
            load(&self.registry, &self.keys, &newest).await?
        };
        state.previous = Some(self.current.swap(Arc::new(Current {
            model,
            commit: newest,
        })));
        Ok(Polled::Swapped)
    }

    /// What `LATEST` says; `None` when it is missing, unreadable or nonsense.
    async fn hint(&self, state: &mut PollState) -> Option<Hint> {
        let mut options = GetOptions::default();
        options.if_none_match.clone_from(&state.tag);
        let key = self.keys.latest();
        match self.registry.store().get_opts(&key, options).await {
            Err(object_store::Error::NotModified { .. }) => Some(Hint::NotModified),
            Err(_) => None,
            Ok(got) => {
                let tag = got.meta.e_tag.clone();
                let commit: Commit = record::decode(&key, &got.bytes().await.ok()?).ok()?;
                state.tag = tag;
                Some(Hint::Commit(commit.n))
            }
        }
    }
}

enum Hint {
    NotModified,
    Commit(u64),
}

/// Fetches and verifies the model that `commit` names.
async fn load(
    registry: &Registry,
    keys: &LanguageKeys,
    commit: &Commit,
) -> Result<Arc<ServingModel>, WatchError> {
    let failed = |source| WatchError::Registry { source };
    let (manifest, sha256) = registry
        .manifest(keys, &commit.version)
        .await
        .map_err(failed)?;
    if sha256 != commit.manifest_sha256 {
        let reason = format!(
            "SHA-256 {sha256}, commit {} says {}",
            commit.n, commit.manifest_sha256
        );
        let key = keys.manifest(&commit.version).to_string();
        return Err(failed(RegistryError::Damaged { key, reason }));
    }
    let bytes = registry.verified(keys, &manifest).await.map_err(failed)?;
    match ServingModel::from_bytes(&bytes) {
        Ok(model) => Ok(Arc::new(model)),
        Err(source) => Err(WatchError::Serving {
            version: commit.version.clone(),
            source,
        }),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// One thread's way to predict with the newest model: an atomic load a request, no lock.
#[derive(Debug)]
pub struct WatchingPredictor {
    cache: Cache<Arc<ArcSwap<Current>>, Arc<Current>>,
    predictor: Predictor,
}

impl WatchingPredictor {
    /// Returns a prediction of the model in use.
    ///
    /// # Errors
    ///
    /// Any [`PredictError`].
    pub fn predict(&mut self, event: &Event<'_>) -> Result<Served, PredictError> {
        self.refresh();
        self.predictor.predict(event)
    }

    /// Returns the model in use.
    pub fn model(&mut self) -> &Arc<ServingModel> {
        self.refresh();
        self.predictor.model()
    }

    /// Returns a predictor of the model in use, which stays with it through any swap: for several
    /// predictions of one model, and for telling which model a prediction came from.
    pub fn current(&mut self) -> &mut Predictor {
        self.refresh();
        &mut self.predictor
    }

    fn refresh(&mut self) {
        let current = self.cache.load();
        if !Arc::ptr_eq(&current.model, self.predictor.model()) {
            self.predictor.renew(&current.model);
        }
    }
}
