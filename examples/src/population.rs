//! Population statistics from event files: M and D of every position, and what has drifted.

mod listing;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use feature_spec::{FeatureSpec, LoadOptions, Vector};
use serde::Serialize;
use zscore_stats::{Drift, Population};

use crate::cli::Failure;
use crate::encode::{self, Encoded};
use crate::event_files;
use crate::progress::Progress;
use crate::train::PastPopulation;
use crate::whole_file;

pub use self::listing::{list, list_parquet};

const DAY_MS: i64 = 86_400_000;
const HOURS_A_DAY: i64 = 24;

/// What to count, and where the statistics go.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PopulationConfig {
    /// Folder of event files, `<input>/<language>/dt=…/hour=…/part-….jsonl.zst`.
    pub input: PathBuf,
    /// The spec.
    pub spec: PathBuf,
    /// Folder of the vocabularies that the spec names; beside the spec when absent.
    pub vocabularies: Option<PathBuf>,
    /// Language of the stream.
    pub language: String,
    /// Days of event files to count, in days since the Unix epoch, UTC.
    pub days: Range<i64>,
    /// Statistics file to write.
    pub output: PathBuf,
    /// Folder for the statistics after each day, `dt=YYYY-MM-DD.zpop`.
    pub daily: Option<PathBuf>,
    /// State to continue from if it is there, and to leave for the next run.
    pub state: Option<PathBuf>,
    /// Threads that read and encode; the statistics are the same for any number.
    pub threads: usize,
    /// Largest share of rejected lines.
    pub max_reject_share: f64,
}

impl PopulationConfig {
    /// Counts all days of a stream of events.
    #[must_use]
    pub fn new(
        input: impl Into<PathBuf>,
        spec: impl Into<PathBuf>,
        language: impl Into<String>,
        output: impl Into<PathBuf>,
    ) -> Self {
        Self {
            input: input.into(),
            spec: spec.into(),
            vocabularies: None,
            language: language.into(),
            days: i64::MIN..i64::MAX,
            output: output.into(),
            daily: None,
            state: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            max_reject_share: 0.01,
        }
    }
}

/// Result of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PopulationSummary {
    /// Events counted by this run.
    pub events: u64,
    /// Lines set aside, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Rows counted, by vector: users, items and events unless the spec says otherwise.
    pub rows: BTreeMap<String, u64>,
    /// Positions that have statistics.
    pub positions: u64,
    /// Bytes of the statistics file.
    pub bytes: u64,
}

impl fmt::Display for PopulationSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "events        {}", self.events)?;
        for (reason, count) in &self.rejected {
            writeln!(f, "rejected      {count} ({reason})")?;
        }
        for (vector, rows) in &self.rows {
            writeln!(f, "rows          {rows} of the {vector} vector")?;
        }
        writeln!(f, "positions     {}", self.positions)?;
        writeln!(f, "bytes         {}", self.bytes)
    }
}

/// Counts the population of a stream of events and writes its statistics.
///
/// Users and items count with their latest row, events each. Files are decoded and encoded by many
/// threads and counted in the order of the stream, so the bytes are the same for any number.
///
/// # Errors
///
/// - The spec, the state or the settings are invalid.
/// - There is no event file in the days asked for, or one cannot be read.
/// - The share of rejected lines is above the limit; nothing is written.
/// - A result cannot be written.
pub fn run(config: &PopulationConfig, progress: Progress) -> Result<PopulationSummary, Failure> {
    let spec = load_spec(&config.spec, config.vocabularies.as_deref())?;
    let mut count = Count {
        past: start(config.state.as_deref(), &spec)?,
        daily: config.daily.clone(),
        day: None,
        events: 0,
        rejected: BTreeMap::new(),
    };
    let mut stage = progress.stage("population", "events", None);
    let mut files = event_files::list(&config.input, &config.language)?;
    files.retain(|file| {
        event_files::hour_of(file)
            .is_some_and(|hour| config.days.contains(&hour.div_euclid(HOURS_A_DAY)))
    });
    if files.is_empty() {
        return Err(Failure::file(
            &config.input,
            "holds no event file of these days",
        ));
    }
    encode::map_files(
        files,
        &spec,
        &config.language,
        config.threads,
        |mut block| {
            let before = count.events;
            let result = block.for_each(|encoded| count.step(encoded));
            stage.advance(count.events - before);
            result
        },
    )?;
    stage.finish();
    count.finish(config, &spec)
}

/// Compares two statistics files of one spec: a few lines for people.
///
/// # Errors
///
/// A file cannot be read, or the two are not of this spec.
pub fn compare(
    spec: &FeatureSpec,
    before: &Path,
    after: &Path,
    limit: usize,
) -> Result<String, Failure> {
    let drift = Drift::between(&read(before, spec)?, &read(after, spec)?)
        .map_err(|source| Failure::file(after, source))?;
    Ok(drift.summary(limit, |position| spec.describe(position)))
}

/// Reads a statistics file and checks that it is of this spec.
///
/// # Errors
///
/// The file cannot be read, is damaged, or has other positions or cohorts.
pub fn read(path: &Path, spec: &FeatureSpec) -> Result<Population, Failure> {
    let bytes = std::fs::read(path).map_err(|source| Failure::file(path, source))?;
    decode(&bytes, spec).map_err(|source| Failure::file(path, source))
}

/// Reads the bytes of a statistics file and checks that they are of this spec.
///
/// # Errors
///
/// They are damaged, or have other positions or cohorts.
pub fn decode(
    bytes: &[u8],
    spec: &FeatureSpec,
) -> Result<Population, Box<dyn std::error::Error + Send + Sync>> {
    let population = Population::from_bytes(bytes, spec.columns())?;
    if *population.cohorts() != spec.cohorts() {
        return Err("has the statistics of another spec".into());
    }
    Ok(population)
}

/// Reads a spec with its vocabularies.
///
/// # Errors
///
/// The spec or a vocabulary cannot be read or is invalid.
pub fn load_spec(path: &Path, vocabularies: Option<&Path>) -> Result<FeatureSpec, Failure> {
    let options = LoadOptions::default();
    let options = match vocabularies {
        Some(folder) => options.vocabularies(folder),
        None => options,
    };
    FeatureSpec::from_path(path, &options)
        .map_err(|source| Failure::at(format!("spec {}", path.display()), source))
}

fn start(state: Option<&Path>, spec: &FeatureSpec) -> Result<PastPopulation, Failure> {
    match state {
        Some(path) if path.exists() => {
            let bytes = std::fs::read(path).map_err(|source| Failure::file(path, source))?;
            PastPopulation::from_bytes(spec, &bytes).map_err(|source| Failure::file(path, source))
        }
        _ => Ok(PastPopulation::new(spec)),
    }
}

/// A run under way.
struct Count {
    past: PastPopulation,
    daily: Option<PathBuf>,
    day: Option<i64>,
    events: u64,
    rejected: BTreeMap<String, u64>,
}

impl Count {
    fn step(&mut self, encoded: Encoded<'_>) -> Result<(), Failure> {
        let event = match encoded {
            Encoded::Event(event) => event,
            Encoded::Reject(reject) => {
                *self
                    .rejected
                    .entry(reject.reason.name().to_owned())
                    .or_default() += 1;
                return Ok(());
            }
        };
        let day = event.time_ms.div_euclid(DAY_MS);
        if self.day.is_some_and(|last| last < day) {
            self.end_day()?;
        }
        self.day = self.day.max(Some(day));
        self.past
            .push(&event)
            .map_err(|source| Failure::at(format!("event {:?}", event.event_id), source))?;
        self.events += 1;
        Ok(())
    }

    fn end_day(&self) -> Result<(), Failure> {
        let (Some(folder), Some(day)) = (&self.daily, self.day) else {
            return Ok(());
        };
        let name = jiff::Timestamp::from_millisecond(day * DAY_MS)
            .map_err(|source| Failure::at(format!("day {day} since 1970"), source))?
            .strftime("dt=%Y-%m-%d.zpop")
            .to_string();
        whole_file::write(&folder.join(name), &self.past.population().to_bytes())
    }

    fn finish(
        self,
        config: &PopulationConfig,
        spec: &FeatureSpec,
    ) -> Result<PopulationSummary, Failure> {
        let rejected: u64 = self.rejected.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = rejected as f64 / (rejected + self.events).max(1) as f64;
        if self.events == 0 || share > config.max_reject_share {
            return Err(Failure::data(format!(
                "{rejected} of {} lines were rejected: {:?}",
                rejected + self.events,
                self.rejected
            )));
        }
        self.end_day()?;
        let population = self.past.population();
        let bytes = population.to_bytes();
        whole_file::write(&config.output, &bytes)?;
        if let Some(path) = &config.state {
            whole_file::write(path, &self.past.to_bytes())?;
        }
        let vectors = [Vector::User, Vector::Item, Vector::Event];
        let rows = (0..)
            .zip(vectors)
            .map(|(cohort, vector)| (vector.to_string(), population.size(cohort)));
        let positions = 0..u32::try_from(spec.columns()).unwrap_or(u32::MAX);
        let is_seen = |position: &u32| {
            population
                .moments(*position)
                .is_some_and(|m| m.nonzeros > 0)
        };
        Ok(PopulationSummary {
            events: self.events,
            rejected: self.rejected,
            rows: rows.filter(|(_, rows)| *rows > 0).collect(),
            positions: positions.filter(is_seen).count() as u64,
            bytes: bytes.len() as u64,
        })
    }
}
