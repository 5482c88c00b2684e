//! How good published versions are, or would have been, on any stretch of events.
//!
//! A [`Selection`] is one version, or a range of them. A range is a replay: every event gets its
//! probability from the newest version of the range that had learned from events before it alone,
//! which is what services would have served. Two selections are compared on the same events, with
//! an interval that allows for the events of one user being alike.

mod paired;
mod render;
mod score;
mod selection;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use lr_core::Metrics;
use serde::Serialize;

use self::paired::Paired;
use self::score::{Answer, Scored, Scorer};
use crate::blocks::Blocks;
use crate::cli::Failure;
use crate::encode::Reason;
use crate::event_files::{self, EventListing};
use crate::progress::Progress;
use crate::report::Recorder;
use crate::report::page::{self, Facts};
use crate::summary::Quality;
use crate::{ordered, text};

pub use self::paired::{Difference, Verdict};
pub use self::selection::{Selection, SelectionError};

use self::selection::Versions;

const HOUR_MS: i64 = 3_600_000;

/// How often an interval covers the true value.
const LEVEL: f64 = 0.95;

/// Resolution of the scores of one version of a range, in bits.
const VERSION_RESOLUTION: u32 = 6;

/// What to evaluate on which events.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EvaluateConfig {
    /// Folder of event files, `<input>/<language>/dt=…/hour=…/part-….jsonl.zst`.
    pub input: PathBuf,
    /// Language of the stream and of the models.
    pub language: String,
    /// The registry, as a path or URL.
    pub models: String,
    /// What is evaluated.
    pub version: Selection,
    /// What it is compared with, on the events that both have a version for.
    pub compare: Option<Selection>,
    /// First event time, in milliseconds since the Unix epoch.
    pub from_ms: Option<i64>,
    /// Event time at which to end, exclusive.
    pub to_ms: Option<i64>,
    /// Threads that read and score; the figures are the same for any number.
    pub threads: usize,
    /// Where to write a page.
    pub report: Option<PathBuf>,
}

impl EvaluateConfig {
    /// The live version, on all events.
    #[must_use]
    pub fn new(
        input: impl Into<PathBuf>,
        language: impl Into<String>,
        models: impl Into<String>,
    ) -> Self {
        Self {
            input: input.into(),
            language: language.into(),
            models: models.into(),
            version: Selection::latest(),
            compare: None,
            from_ms: None,
            to_ms: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            report: None,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evaluation {
    /// Events that figures are of: those that every selection has a version for.
    pub events: u64,
    /// Positive ones among them.
    pub positives: u64,
    /// Events older than everything that the oldest version of a range had learned from.
    pub unserved: u64,
    /// Lines that are no event of this stream, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// The selection that is evaluated.
    pub model: Scores,
    /// The one that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Scores>,
    /// The evaluated selection against the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// Figures of one selection; intervals cover the true value in 95 of 100 such streams, if events
/// are independent.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Scores {
    /// The selection, as it was asked for.
    pub selection: String,
    /// Over all events.
    #[serde(flatten)]
    pub quality: Quality,
    /// Ends of the interval of the log loss.
    pub log_loss_interval: Option<[f64; 2]>,
    /// Ends of the interval of the AUC.
    pub auc_interval: Option<[f64; 2]>,
    /// Each version that scored events, in order of time.
    pub versions: Vec<VersionScores>,
}

/// Figures of one version over the events that it scored.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VersionScores {
    /// The version.
    pub version: String,
    /// Events.
    pub events: u64,
    /// Over these.
    #[serde(flatten)]
    pub quality: Quality,
}

/// Evaluates.
///
/// # Errors
///
/// - A selection names no version, or one that cannot be loaded.
/// - There is no event file, one cannot be read, or no event could be scored.
/// - The page cannot be written.
pub fn evaluate(config: &EvaluateConfig, progress: &Progress) -> Result<Evaluation, Failure> {
    let load = |selection: &Selection| Versions::find(&config.models, &config.language, selection);
    let mut selections = vec![load(&config.version)?];
    if let Some(other) = &config.compare {
        selections.push(load(other)?);
    }
    let mut files = files(config)?.into_iter();
    let mut reading: Option<Blocks> = None;
    let blocks = move || loop {
        if let Some(blocks) = &mut reading
            && let Some(block) = blocks.read()?
        {
            return Ok(Some(block));
        }
        let Some(file) = files.next() else {
            return Ok(None);
        };
        reading = Some(Blocks::new(file.display(), text::open(&file)?));
    };
    let mut tally = Tally::new(config, &selections)?;
    let mut stage = progress.stage("evaluate", "events", None);
    ordered::map_fold(
        config.threads,
        blocks,
        || Scorer::new(config, &selections),
        |scorer, block| scorer.score(&block),
        |answers| {
            let answers = answers?;
            stage.advance(answers.len() as u64);
            answers
                .into_iter()
                .try_for_each(|answer| tally.answer(answer))
        },
    )?;
    stage.finish();
    tally.finish(config, &selections)
}

/// The event files that may hold events of the stretch.
fn files(config: &EvaluateConfig) -> Result<Vec<PathBuf>, Failure> {
    let listing = EventListing::open(&config.input, &config.language)?;
    let from = config.from_ms.map(|time| time.div_euclid(HOUR_MS));
    let to = config.to_ms.map(|time| (time - 1).div_euclid(HOUR_MS));
    let mut files = listing.list(from)?;
    files.retain(|file| match event_files::hour_of(&file.path) {
        Some(hour) => from.is_none_or(|from| hour >= from) && to.is_none_or(|to| hour <= to),
        None => true,
    });
    if files.is_empty() {
        let message = "holds no event files of this stretch";
        return Err(Failure::file(listing.folder(), message));
    }
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// The fold: everything that is summed up.
struct Tally {
    unserved: u64,
    rejected: BTreeMap<Reason, u64>,
    /// Of each selection, over all events and by version.
    metrics: Vec<(Metrics, BTreeMap<usize, Metrics>)>,
    paired: Paired,
    recorder: Option<Recorder>,
}

impl Tally {
    fn new(config: &EvaluateConfig, selections: &[Versions]) -> Result<Self, Failure> {
        let recorder = match &config.report {
            Some(_) => {
                let model = selections[0].newest()?;
                Some(Recorder::new(model.spec(), &config.language, &[])?)
            }
            None => None,
        };
        Ok(Self {
            unserved: 0,
            rejected: BTreeMap::new(),
            metrics: vec![(Metrics::new(), BTreeMap::new()); selections.len()],
            paired: Paired::default(),
            recorder,
        })
    }

    fn answer(&mut self, answer: Answer) -> Result<(), Failure> {
        match answer {
            Answer::Rejected(reason) => *self.rejected.entry(reason).or_default() += 1,
            Answer::Unserved => self.unserved += 1,
            Answer::Scored(scored) => self.scored(&scored)?,
        }
        Ok(())
    }

    fn scored(&mut self, event: &Scored) -> Result<(), Failure> {
        let failed = |source| Failure::at("metrics", source);
        let (label, importance) = (event.label, event.importance);
        for ((all, by_version), &(version, probability)) in
            self.metrics.iter_mut().zip(&event.served)
        {
            all.push(probability, label, importance).map_err(failed)?;
            let metrics = match by_version.entry(version) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    entry.insert(Metrics::with_resolution(VERSION_RESOLUTION).map_err(failed)?)
                }
            };
            metrics
                .push(probability, label, importance)
                .map_err(failed)?;
        }
        if let [(_, first), (_, second)] = event.served[..] {
            self.paired
                .push(event.user, first, second, label, f64::from(importance));
        }
        if let (Some(recorder), [(_, probability), ..]) = (&mut self.recorder, &event.served[..]) {
            recorder.count(event.time_ms, *probability, label, importance)?;
        }
        Ok(())
    }

    fn finish(
        self,
        config: &EvaluateConfig,
        selections: &[Versions],
    ) -> Result<Evaluation, Failure> {
        let rejected: u64 = self.rejected.values().sum();
        let (first, _) = &self.metrics[0];
        if first.events() == 0 {
            return Err(Failure::data(format!(
                "{}: no event of {:?} could be scored: {} are older than the versions, {rejected} lines were rejected",
                config.input.display(),
                config.language,
                self.unserved
            )));
        }
        if let (Some(path), Some(recorder)) = (&config.report, &self.recorder) {
            let model = selections[0].newest()?;
            page::write(
                path,
                recorder,
                &Facts {
                    title: "Evaluation",
                    spec: model.spec(),
                    weights: model.model().weights(),
                    rejected: &self.rejected,
                    files: &[],
                    drift: None,
                    events_per_second: None,
                },
            )?;
        }
        let mut scores = (self.metrics.iter())
            .zip(selections)
            .map(|((all, by_version), versions)| Scores::of(versions, all, by_version));
        let model = scores.next().transpose()?;
        Ok(Evaluation {
            events: first.events(),
            positives: first.positives(),
            unserved: self.unserved,
            rejected: (self.rejected.iter())
                .map(|(reason, &count)| (reason.name().to_owned(), count))
                .collect(),
            model: model.ok_or_else(|| Failure::data("nothing was selected"))?,
            compared: scores.next().transpose()?,
            difference: self.paired.difference(),
        })
    }
}

impl Scores {
    fn of(
        versions: &Versions,
        all: &Metrics,
        by_version: &BTreeMap<usize, Metrics>,
    ) -> Result<Self, Failure> {
        let failed = |source| Failure::at("intervals", source);
        let ends = |interval: lr_core::Interval| [interval.low, interval.high];
        Ok(Self {
            selection: versions.selection().to_string(),
            quality: Quality::of(all),
            log_loss_interval: all.log_loss_interval(LEVEL).map_err(failed)?.map(ends),
            auc_interval: all.auc_interval(LEVEL).map_err(failed)?.map(ends),
            versions: (by_version.iter())
                .map(|(&index, metrics)| VersionScores {
                    version: versions.name(index).to_owned(),
                    events: metrics.events(),
                    quality: Quality::of(metrics),
                })
                .collect(),
        })
    }
}
