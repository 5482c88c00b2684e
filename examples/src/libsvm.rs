//! The learner on libsvm and svmlight files.

pub mod parse;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lr_core::{Example, Learner, LearnerConfig, Metrics};
use sprs::CsVecViewI;

use self::parse::Rows;
use crate::blocks::{Block, Blocks};
use crate::cli::Failure;
use crate::predictions::PredictionWriter;
use crate::progress::Progress;
use crate::summary::{Quality, Summary};
use crate::{ordered, text};

/// Most positions that a file may make the learner hold, unless the caller raises it.
pub const DEFAULT_MAX_DIMENSION: u32 = 1 << 24;

/// What to learn from, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LibsvmConfig {
    /// libsvm or svmlight text, plain, gzip or zstd; `-` is standard input.
    pub input: PathBuf,
    /// The learner.
    pub learner: LearnerConfig,
    /// Times that the whole file is learned from; figures are those of the first pass.
    pub passes: u32,
    /// Also report the figures of this 0-based row and all after it.
    pub evaluate_from: Option<u64>,
    /// Where to write `row,label,probability`, each given before its row was learned from.
    pub predictions: Option<PathBuf>,
    /// A position at or above this is an error.
    pub max_dimension: u32,
}

impl LibsvmConfig {
    /// One pass of the default learner.
    pub fn new(input: impl Into<PathBuf>) -> Self {
        Self {
            input: input.into(),
            learner: LearnerConfig::default(),
            passes: 1,
            evaluate_from: None,
            predictions: None,
            max_dimension: DEFAULT_MAX_DIMENSION,
        }
    }
}

/// Learns from a file in the order of its rows, on two threads: one parses, one learns.
///
/// The learner grows as larger positions appear, so the file is read once a pass.
///
/// # Errors
///
/// - The file cannot be read, or holds no row.
/// - A line is malformed; the message names it.
/// - Training diverged.
/// - Predictions cannot be written.
pub fn run(config: &LibsvmConfig, progress: Progress) -> Result<Summary, Failure> {
    let started = Instant::now();
    let mut fold = Fold::new(config)?;
    let mut stage = progress.stage("learn", "rows", None);
    for pass in 0..config.passes {
        let mut blocks = Blocks::new(config.input.display(), text::open(&config.input)?);
        ordered::map_fold(
            1,
            || blocks.read(),
            || (),
            |(), block| parse_block(&block, config.max_dimension),
            |rows| {
                let rows = rows?;
                fold.learn(&rows, pass == 0)?;
                stage.advance(rows.len() as u64);
                Ok(())
            },
        )?;
    }
    stage.finish();
    fold.finish(&config.input, started)
}

fn parse_block(block: &Block, max_dimension: u32) -> Result<Rows, Failure> {
    let mut rows = Rows::default();
    if block.cut {
        let line = block.first_line + block.lines().count() as u64 - 1;
        return Err(Failure::data(format!(
            "{}: line {line} is too long",
            block.place
        )));
    }
    match parse::parse(&block.text, max_dimension, &mut rows) {
        Ok(()) => Ok(rows),
        Err(error) => {
            let line = block.first_line + error.line - 1;
            Err(Failure::at(
                format!("{}: line {line}", block.place),
                error.kind,
            ))
        }
    }
}

/// The ordered half: predict, count, learn.
struct Fold {
    learner: Learner,
    metrics: Metrics,
    evaluated: Option<(u64, Metrics)>,
    predictions: Option<PredictionWriter>,
}

impl Fold {
    fn new(config: &LibsvmConfig) -> Result<Self, Failure> {
        let learner = Learner::new(0, config.learner.clone())
            .map_err(|source| Failure::usage(format!("learner settings: {source}")))?;
        Ok(Self {
            learner,
            metrics: Metrics::new(),
            evaluated: config.evaluate_from.map(|row| (row, Metrics::new())),
            predictions: config
                .predictions
                .as_deref()
                .map(|path| PredictionWriter::create(path, "row"))
                .transpose()?,
        })
    }

    fn learn(&mut self, rows: &Rows, first_pass: bool) -> Result<(), Failure> {
        self.learner
            .grow(rows.dimension)
            .map_err(|source| Failure::at("learner", source))?;
        for index in 0..rows.len() {
            let (positions, values) = rows.row(index);
            let label = rows.labels[index];
            let row = self.metrics.events();
            let place = || format!("row {row}");
            let view = CsVecViewI::try_new(self.learner.dimension(), positions, values)
                .map_err(|(_, _, source)| Failure::at(place(), source.to_string()))?;
            let prediction = self
                .learner
                .learn(&Example::new(view, label))
                .map_err(|source| Failure::at(place(), source))?;
            if first_pass {
                self.count(label, prediction.probability)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, label: bool, probability: f64) -> Result<(), Failure> {
        let row = self.metrics.events();
        let failure = |source| Failure::at(format!("row {row}"), source);
        self.metrics
            .push(probability, label, 1.0)
            .map_err(failure)?;
        if let Some((from, metrics)) = &mut self.evaluated
            && row >= *from
        {
            metrics.push(probability, label, 1.0).map_err(failure)?;
        }
        if let Some(writer) = &mut self.predictions {
            writer.write(&row.to_string(), label, probability)?;
        }
        Ok(())
    }

    fn finish(self, input: &Path, started: Instant) -> Result<Summary, Failure> {
        if self.metrics.events() == 0 {
            return Err(Failure::file(input, "holds no row"));
        }
        if let Some(writer) = self.predictions {
            writer.finish()?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let events = self.metrics.events();
        #[allow(clippy::cast_precision_loss)] // a rate for people
        Ok(Summary {
            events,
            positives: self.metrics.positives(),
            rejected: BTreeMap::new(),
            quality: Quality::of(&self.metrics),
            evaluated: self.evaluated.map(|(_, metrics)| Quality::of(&metrics)),
            files: None,
            withheld: Vec::new(),
            dumps: Vec::new(),
            seconds,
            events_per_second: events as f64 / seconds,
        })
    }
}
