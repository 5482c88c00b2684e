//! The learner on libsvm and svmlight files.

mod ahead;
mod cache;
mod ones;
pub mod parse;
mod rows;
mod scores;

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Instant;

use lr_core::{CheckedExample, CheckedRow, CheckedRows, Learner, LearnerConfig, Prediction};
use model_io::chunk::ChunkFile;

use self::cache::{CacheWriter, Cached};
use self::parse::Rows;
use self::scores::{Scored, Scores, Tally};
use crate::blocks::{Block, Blocks};
use crate::cli::Failure;
use crate::progress::{Progress, Stage};
use crate::summary::Summary;
use crate::text;

/// Most positions that a file may make the learner hold, unless the caller raises it.
pub const DEFAULT_MAX_DIMENSION: u32 = 1 << 24;

/// Positions that the learner has memory for from the beginning: 8 MiB of the default's, of which the
/// system gives what is used.
const RESERVED: usize = 1 << 17;

/// Rows that are handed to the learner together.
const AT_ONCE: usize = 256;

/// What to learn from, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LibsvmConfig {
    /// libsvm or svmlight text, plain, gzip or zstd; `-` is standard input.
    pub input: PathBuf,
    /// Where parsed rows are kept: written when it is not there or of another file, used otherwise.
    pub cache: Option<PathBuf>,
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
            cache: None,
            learner: LearnerConfig::default(),
            passes: 1,
            evaluate_from: None,
            predictions: None,
            max_dimension: DEFAULT_MAX_DIMENSION,
        }
    }
}

/// Learns from a file in the order of its rows, while a second thread reads and parses (or checks what
/// the cache holds).
///
/// The learner grows as larger positions appear, so the file is read once a pass.
///
/// # Errors
///
/// - The file cannot be read, or holds no row.
/// - A line is malformed; the message names it.
/// - The cache cannot be written, or was damaged since it was written.
/// - Training diverged.
/// - Predictions cannot be written.
pub fn run(config: &LibsvmConfig, progress: Progress) -> Result<Summary, Failure> {
    let started = Instant::now();
    let mut learner = Learner::new(0, config.learner.clone())
        .map_err(|source| Failure::usage(format!("learner settings: {source}")))?;
    learner.reserve(RESERVED.min(config.max_dimension as usize));
    let tally = Tally::new(Scores::new(config)?);
    let mut fold = Fold {
        learner,
        predictions: Vec::new(),
        rows: 0,
        is_counted: true,
        tally: &tally,
        stage: progress.stage("learn", "rows", None),
    };
    learn(config, &mut fold)?;
    fold.stage.finish();
    tally.finish()?.finish(&config.input, started)
}

fn learn(config: &LibsvmConfig, fold: &mut Fold<'_>) -> Result<(), Failure> {
    let mut cached = match &config.cache {
        Some(path) => Cached::open(path, config)?,
        None => Cached::Unused,
    };
    for _ in 0..config.passes {
        match &cached {
            Cached::Fresh(chunk) => learn_from_cache(chunk, config, fold)?,
            Cached::Unused => learn_from_text(config, fold, None)?,
            Cached::Missing(path, info) => {
                let mut writer = CacheWriter::create(path, info)?;
                learn_from_text(config, fold, Some(&mut writer))?;
                cached = Cached::Fresh(writer.finish()?);
            }
        }
        // Figures are those of the first pass.
        fold.is_counted = false;
    }
    Ok(())
}

fn learn_from_text(
    config: &LibsvmConfig,
    fold: &mut Fold<'_>,
    mut cache: Option<&mut CacheWriter<'_>>,
) -> Result<(), Failure> {
    let mut blocks = Blocks::new(config.input.display(), text::open(&config.input)?);
    // Rows come back to be filled again, so that fresh memory is asked for only once.
    let (used, spare) = channel::<Rows>();
    let mut text = Vec::new();
    ahead::fold(
        fold.tally,
        move || {
            let Some(block) = blocks.read_into(std::mem::take(&mut text))? else {
                return Ok(None);
            };
            let mut rows = spare.try_recv().unwrap_or_default();
            parse_block(&block, config.max_dimension, &mut rows)?;
            let checked = CheckedRows::new(rows.indptr, rows.positions, rows.values)
                .map_err(|source| Failure::at(&*block.place, source))?;
            text = block.text;
            Ok(Some((checked, rows.labels)))
        },
        |(rows, labels)| {
            if let Some(cache) = &mut cache {
                cache.write(&rows, &labels)?;
            }
            fold.learn(labels, rows.dimension(), rows.iter())?;
            let (indptr, positions, values) = rows.into_parts();
            // Nobody takes them once everything is parsed.
            let _ = used.send(Rows {
                indptr,
                positions,
                values,
                ..Rows::default()
            });
            Ok(())
        },
    )
}

fn learn_from_cache(
    chunk: &ChunkFile,
    config: &LibsvmConfig,
    fold: &mut Fold<'_>,
) -> Result<(), Failure> {
    let mut batches = 0..chunk.batches();
    ahead::fold(
        fold.tally,
        || {
            let batch = batches
                .next()
                .map(|index| cache::read(chunk, index, config));
            batch.transpose()
        },
        |batch| {
            let rows = batch.checked_rows();
            let dimension = rows.iter().map(CheckedRow::dimension).max();
            let labels = batch.labels().collect();
            fold.learn(labels, dimension.unwrap_or(0), rows.iter().copied())
        },
    )
}

fn parse_block(block: &Block, limit: u32, rows: &mut Rows) -> Result<(), Failure> {
    let place = |line: u64| format!("{}: line {}", block.place, block.first_line + line - 1);
    if block.cut {
        let line = block.lines().count() as u64;
        return Err(Failure::data(format!("{} is too long", place(line))));
    }
    parse::parse(&block.text, limit, rows)
        .map_err(|error| Failure::at(place(error.line), error.kind))
}

/// The ordered half: predict and learn.
struct Fold<'a> {
    learner: Learner,
    /// Of the rows learned last.
    predictions: Vec<Prediction>,
    /// Rows so far, of all passes.
    rows: u64,
    /// Whether predictions are counted: those of the first pass.
    is_counted: bool,
    tally: &'a Tally,
    stage: Stage,
}

impl Fold<'_> {
    /// Learns rows with these labels, whose positions are below `dimension`.
    fn learn<'a>(
        &mut self,
        labels: Vec<bool>,
        dimension: usize,
        rows: impl Iterator<Item = CheckedRow<'a>>,
    ) -> Result<(), Failure> {
        self.learner
            .grow(dimension)
            .map_err(|source| Failure::at("learner", source))?;
        let count = labels.len();
        let mut examples = rows
            .zip(&labels)
            .map(|(row, &label)| CheckedExample::new(row, label));
        let mut probabilities = Vec::with_capacity(count);
        let mut some = Vec::with_capacity(AT_ONCE);
        loop {
            some.clear();
            some.extend(examples.by_ref().take(AT_ONCE));
            if some.is_empty() {
                break;
            }
            self.predictions.clear();
            let learned = self.learner.learn_rows(&some, &mut self.predictions);
            probabilities.extend(self.predictions.iter().map(|p| p.probability));
            learned.map_err(|source| {
                let row = self.rows + probabilities.len() as u64;
                Failure::at(format!("row {row}"), source)
            })?;
        }
        self.rows += count as u64;
        self.stage.advance(count as u64);
        if self.is_counted {
            self.tally.add(Scored {
                labels,
                probabilities,
            })?;
        }
        Ok(())
    }
}
