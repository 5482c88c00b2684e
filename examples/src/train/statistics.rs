//! Population statistics from the registry, and newer ones as they are published.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use feature_spec::FeatureSpec;
use model_io::{ArtifactKind, Blocking, Location, Registry, RegistryError, Version};
use zscore_stats::Population;

use super::TrainConfig;
use super::stop::Stop;
use crate::cli::Failure;
use crate::population;

/// In the place of a file: the newest statistics of the registry, and newer ones as they come.
pub(super) const LATEST: &str = "latest";

/// File of statistics within their version.
pub(super) const FILE: &str = "population.zpop";

/// Time between two looks for newer statistics.
const LOOK: Duration = Duration::from_secs(60);

/// What rows are scaled with.
pub(super) enum Statistics {
    /// For each day, those of the days before it.
    OfThePast,
    /// A file, throughout.
    Given(Population),
    /// Published ones, until newer ones are.
    Published(Version, Population),
}

impl Statistics {
    /// Reads what the settings name.
    ///
    /// # Errors
    ///
    /// There are none, they cannot be read, or they are of another spec.
    pub(super) fn load(config: &TrainConfig, spec: &FeatureSpec) -> Result<Self, Failure> {
        match config.statistics.as_deref() {
            None => Ok(Self::OfThePast),
            Some(path) if path == Path::new(LATEST) => {
                let (runtime, registry) = open(config)?;
                let newest = read_newer(&runtime, &registry, config, spec, None)?;
                let (version, population) = newest.ok_or_else(|| {
                    Failure::usage(format!(
                        "--stats latest: {} holds no statistics of {}",
                        config.output, config.language
                    ))
                })?;
                Ok(Self::Published(version, population))
            }
            Some(path) => population::read(path, spec).map(Self::Given),
        }
    }

    /// The population, if it is not counted by the run itself.
    pub(super) fn population(&self) -> Option<&Population> {
        match self {
            Self::OfThePast => None,
            Self::Given(population) | Self::Published(_, population) => Some(population),
        }
    }
}

/// Newer statistics, looked for on a thread of their own.
pub(super) struct Newer {
    found: Arc<Mutex<Option<(Version, Population)>>>,
    ended: Stop,
}

impl Newer {
    /// Starts to look once a minute, or at every poll where that is longer.
    ///
    /// # Errors
    ///
    /// The registry cannot be opened.
    pub(super) fn watch(
        config: &TrainConfig,
        spec: &FeatureSpec,
        mut used: Option<Version>,
    ) -> Result<Self, Failure> {
        let (runtime, registry) = open(config)?;
        let (config, spec) = (config.clone(), spec.clone());
        let newer = Self {
            found: Arc::default(),
            ended: Stop::default(),
        };
        let (found, ended) = (Arc::clone(&newer.found), newer.ended.clone());
        std::thread::spawn(move || {
            while !ended.wait(config.poll.min(LOOK)) {
                match read_newer(&runtime, &registry, &config, &spec, used.as_ref()) {
                    Ok(Some((version, population))) => {
                        used = Some(version.clone());
                        *lock(&found) = Some((version, population));
                    }
                    Ok(None) => {}
                    // The statistics in use stay; the next look may find better ones.
                    Err(failure) => tracing::error!(why = failure.render(), "newer statistics"),
                }
            }
        });
        Ok(newer)
    }

    /// What was found since this was last asked.
    pub(super) fn take(&self) -> Option<(Version, Population)> {
        lock(&self.found).take()
    }
}

impl Drop for Newer {
    fn drop(&mut self) {
        self.ended.ask();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(config: &TrainConfig) -> Result<(Blocking, Registry), Failure> {
    let location = Location::parse(&config.output)
        .map_err(|source| Failure::usage(format!("--output {}: {source}", config.output)))?;
    let runtime = Blocking::new().map_err(|source| Failure::at("runtime", source))?;
    Ok((runtime, Registry::open(location)))
}

/// The newest statistics, unless they are those in use or older: versions begin with a date.
fn read_newer(
    runtime: &Blocking,
    registry: &Registry,
    config: &TrainConfig,
    spec: &FeatureSpec,
    used: Option<&Version>,
) -> Result<Option<(Version, Population)>, Failure> {
    let failure = |source: RegistryError| Failure::at("statistics", source);
    let language = config.language.as_str();
    let kind = ArtifactKind::Statistics;
    let versions = runtime
        .run(registry.artifact_versions(kind, language))
        .map_err(failure)?;
    let Some(newest) = versions.into_iter().max_by(|a, b| order(a).cmp(&order(b))) else {
        return Ok(None);
    };
    if used.is_some_and(|used| order(used) >= order(&newest)) {
        return Ok(None);
    }
    let (_, files) = runtime
        .run(registry.artifact(kind, language, &newest))
        .map_err(failure)?;
    let place = || format!("statistics {newest}");
    let bytes = (files.iter().find(|(name, _)| name == FILE))
        .map(|(_, bytes)| bytes)
        .ok_or_else(|| Failure::at(place(), format!("there is no {FILE} in it")))?;
    let population =
        population::decode(bytes, spec).map_err(|source| Failure::at(place(), source))?;
    Ok(Some((newest, population)))
}

/// The date before the number, then the number by its size.
fn order(version: &Version) -> (&str, u64) {
    let text = version.as_str();
    let (date, number) = text.rsplit_once('-').unwrap_or((text, ""));
    number.parse().map_or((text, 0), |number| (date, number))
}
