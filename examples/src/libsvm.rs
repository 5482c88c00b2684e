//! The learner on libsvm and svmlight files.

mod cache;
pub mod parse;
mod scores;

use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use lr_core::{CheckedRow, Learner, LearnerConfig, RowError};
use model_io::chunk::ChunkFile;
use sprs::CsMatI;

use self::cache::{CacheWriter, Cached};
use self::parse::Rows;
use self::scores::{Scored, Scores};
use crate::blocks::{Block, Blocks};
use crate::cli::Failure;
use crate::progress::{Progress, Stage};
use crate::summary::Summary;
use crate::{ordered, text};

/// Most positions that a file may make the learner hold, unless the caller raises it.
pub const DEFAULT_MAX_DIMENSION: u32 = 1 << 24;

/// Blocks of predictions that may wait to be counted.
const WAITING: usize = 4;

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

/// Learns from a file in the order of its rows; beside the thread that learns, one reads, one parses
/// (or checks what the cache holds) and one counts predictions.
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
    let learner = Learner::new(0, config.learner.clone())
        .map_err(|source| Failure::usage(format!("learner settings: {source}")))?;
    let scores = Scores::new(config)?;
    let (scored, to_count) = sync_channel(WAITING);
    let mut fold = Fold {
        learner,
        rows: 0,
        scored: Some(scored),
        stage: progress.stage("learn", "rows", None),
    };
    let scores = thread::scope(|scope| {
        let counter = scope.spawn(|| scores.count(to_count));
        let learned = learn(config, &mut fold);
        // Ends what the counter waits for.
        fold.scored = None;
        let scores = counter
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A counter that failed is why the fold could not go on.
        let scores = scores?;
        learned.map(|()| scores)
    })?;
    fold.stage.finish();
    scores.finish(&config.input, started)
}

fn learn(config: &LibsvmConfig, fold: &mut Fold) -> Result<(), Failure> {
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
        fold.scored = None;
    }
    Ok(())
}

fn learn_from_text(
    config: &LibsvmConfig,
    fold: &mut Fold,
    mut cache: Option<&mut CacheWriter<'_>>,
) -> Result<(), Failure> {
    let mut blocks = Blocks::new(config.input.display(), text::open(&config.input)?);
    ordered::map_fold(
        1,
        || blocks.read(),
        || (),
        |(), block| parse_block(&block, config.max_dimension),
        |rows| {
            let batch = rows?;
            if let Some(cache) = &mut cache {
                cache.write(&batch)?;
            }
            fold.learn(batch)
        },
    )
}

fn learn_from_cache(
    chunk: &ChunkFile,
    config: &LibsvmConfig,
    fold: &mut Fold,
) -> Result<(), Failure> {
    let mut batches = 0..chunk.batches();
    ordered::map_fold(
        1,
        || Ok(batches.next()),
        || (),
        |(), index| cache::read(chunk, index, config),
        |batch| fold.learn(batch?),
    )
}

/// Rows of a stretch of text or of a chunk.
#[derive(Debug)]
struct Batch<R> {
    rows: R,
    labels: Vec<bool>,
    /// 1 more than the largest position, 0 without any.
    dimension: usize,
}

fn parse_block(block: &Block, limit: u32) -> Result<Batch<CsMatI<f32, u32, usize>>, Failure> {
    let place = |line: u64| format!("{}: line {}", block.place, block.first_line + line - 1);
    if block.cut {
        let line = block.lines().count() as u64;
        return Err(Failure::data(format!("{} is too long", place(line))));
    }
    let mut rows = Rows::with_capacity_for(block.text.len());
    parse::parse(&block.text, limit, &mut rows)
        .map_err(|error| Failure::at(place(error.line), error.kind))?;
    let (labels, dimension) = (std::mem::take(&mut rows.labels), rows.dimension);
    let matrix = rows
        .into_matrix(limit)
        .map_err(|source| Failure::at(place(1), source.to_string()))?;
    Ok(Batch {
        rows: matrix,
        labels,
        dimension,
    })
}

/// The ordered half: predict and learn.
struct Fold {
    learner: Learner,
    /// Rows so far, of all passes.
    rows: u64,
    /// Where predictions go; `None` after the first pass.
    scored: Option<SyncSender<Scored>>,
    stage: Stage,
}

impl Fold {
    fn learn<R: CheckedRows>(&mut self, batch: Batch<R>) -> Result<(), Failure> {
        self.learner
            .grow(batch.dimension)
            .map_err(|source| Failure::at("learner", source))?;
        let count = batch.labels.len();
        let mut probabilities = Vec::with_capacity(count);
        let before = self.rows;
        let place = |row: usize| format!("row {}", before + row as u64);
        let checked = |row| {
            let checked = batch.rows.checked(row);
            checked.map_err(|source| Failure::at(place(row), source))
        };
        let mut next = (count > 0).then(|| checked(0)).transpose()?;
        for (row, &label) in batch.labels.iter().enumerate() {
            let Some(current) = next else { break };
            next = (row + 1 < count).then(|| checked(row + 1)).transpose()?;
            if let Some(next) = &next {
                self.learner.prefetch_row(next);
            }
            let prediction = (self.learner.learn_row(&current, label, 1.0))
                .map_err(|source| Failure::at(place(row), source))?;
            probabilities.push(prediction.probability);
        }
        self.rows += count as u64;
        self.stage.advance(count as u64);
        if let Some(scored) = &self.scored {
            let labels = batch.labels;
            let block = Scored {
                labels,
                probabilities,
            };
            // Fails only when the counter has failed, which is what is then reported.
            if scored.send(block).is_err() {
                return Err(Failure::data("predictions cannot be counted"));
            }
        }
        Ok(())
    }
}

/// Rows that were checked, or are when they are asked for.
trait CheckedRows {
    /// A row below the number of labels.
    fn checked(&self, row: usize) -> Result<CheckedRow<'_>, RowError>;
}

impl CheckedRows for CsMatI<f32, u32, usize> {
    fn checked(&self, row: usize) -> Result<CheckedRow<'_>, RowError> {
        let entries = self.indptr().outer_inds_sz(row);
        CheckedRow::new(&self.indices()[entries.clone()], &self.data()[entries])
    }
}

impl CheckedRows for Vec<CheckedRow<'_>> {
    fn checked(&self, row: usize) -> Result<CheckedRow<'_>, RowError> {
        Ok(self[row])
    }
}
