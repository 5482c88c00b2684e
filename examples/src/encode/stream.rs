//! Event files in stream order, read, encoded and folded.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use feature_spec::FeatureSpec;
use model_io::chunk::{ChunkFile, ChunkSource};

use super::{BlockEncoder, EncodedBlock, StoredError};
use crate::blocks::{Block, Blocks};
use crate::chunk_cache::{CacheWriter, ChunkCache, KeptRows};
use crate::cli::Failure;
use crate::{ordered, text};

/// What a source of events yields, in stream order.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a source yields one or the other")]
pub enum Input<M> {
    /// A file to read and encode; many blocks come of it.
    File {
        /// Where its bytes are.
        path: PathBuf,
        /// What rejects and errors call it: its path or URL, even if `path` is a local copy.
        name: String,
        /// What a cache knows it by; `None` if it cannot be told from another version of it.
        identity: Option<ChunkSource>,
    },
    /// Anything that is handed to the fold at this point of the stream.
    Mark(M),
}

/// What the fold of [`map_stream`] gets, in stream order.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a step is one or the other")]
pub enum Step<M> {
    /// Encoded events of the file under way.
    Block(EncodedBlock),
    /// What the source put at this point.
    Mark(M),
}

/// What threads do with a part of the stream.
enum Task<M> {
    /// Encode it, and make rows for the cache if they are to be kept.
    Encode {
        block: Block,
        keep: bool,
    },
    /// Take it from a chunk.
    Take {
        chunk: Arc<ChunkFile>,
        batch: usize,
        place: Arc<str>,
    },
    Pass(Passed<M>),
}

/// What comes of it.
enum Done<M> {
    Block(EncodedBlock, Option<KeptRows>),
    Failed(Failure),
    Pass(Passed<M>),
}

/// What goes from the source to the fold as it is.
enum Passed<M> {
    Mark(M),
    /// A file begins that is to be kept.
    Begin(ChunkSource),
    /// It has ended.
    End,
}

/// The file that is being read.
enum Reading {
    Nothing,
    Text {
        blocks: Blocks,
        keep: bool,
    },
    Chunk {
        chunk: Arc<ChunkFile>,
        batches: std::ops::Range<usize>,
        place: Arc<str>,
    },
}

/// Reads and encodes what `source` yields on `threads` threads and folds it in stream order, on the
/// caller's thread.
///
/// `source` runs on a thread of its own and may block: a stream that goes on for months is one call.
/// It is asked for more while earlier blocks are still encoded and folded, and at most
/// `2 * threads + 2` blocks and marks wait. It ends the stream with `None`.
///
/// With a `cache`, a file that has a chunk there is not read: its blocks are those of the chunk, the
/// same events and rejects. Of the others, one is written, on a thread of its own.
///
/// # Errors
///
/// The first failure, in stream order: `source` fails, a file cannot be read, or `fold` fails.
pub fn map_stream<M: Send>(
    mut source: impl FnMut() -> Result<Option<Input<M>>, Failure> + Send,
    spec: &FeatureSpec,
    language: &str,
    threads: usize,
    cache: Option<Arc<ChunkCache>>,
    mut fold: impl FnMut(Step<M>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let writer = cache.clone().map(CacheWriter::start);
    let columns = cache.as_ref().map_or(0, |cache| cache.columns());
    let mut reading = Reading::Nothing;
    let tasks = move || {
        loop {
            if let Some(task) = reading.next()? {
                return Ok(Some(task));
            }
            match source()? {
                Some(Input::File {
                    path,
                    name,
                    identity,
                }) => {
                    let known = cache.as_ref().zip(identity);
                    if let Some(chunk) = known.as_ref().and_then(|(cache, id)| cache.get(id)) {
                        reading = Reading::Chunk {
                            batches: 0..chunk.batches(),
                            chunk: Arc::new(chunk),
                            place: Arc::from(name),
                        };
                        continue;
                    }
                    reading = Reading::Text {
                        blocks: Blocks::new(name, text::open(&path)?),
                        keep: known.is_some(),
                    };
                    if let Some((_, identity)) = known {
                        return Ok(Some(Task::Pass(Passed::Begin(identity))));
                    }
                }
                Some(Input::Mark(mark)) => return Ok(Some(Task::Pass(Passed::Mark(mark)))),
                None => return Ok(None),
            }
        }
    };
    ordered::map_fold(
        threads,
        tasks,
        || BlockEncoder::new(spec, language),
        |encoder, task| match task {
            Task::Encode { block, keep } => {
                let block = encoder.encode(&block);
                let rows = keep.then(|| Box::new(block.to_rows(columns)));
                Done::Block(block, rows)
            }
            Task::Take {
                chunk,
                batch,
                place,
            } => take(&chunk, batch, &place),
            Task::Pass(passed) => Done::Pass(passed),
        },
        |done| match (done, &writer) {
            (Done::Block(block, rows), writer) => {
                if let Some((writer, rows)) = writer.as_ref().zip(rows) {
                    writer.push(rows);
                }
                fold(Step::Block(block))
            }
            (Done::Failed(failure), _) => Err(failure),
            (Done::Pass(Passed::Mark(mark)), _) => fold(Step::Mark(mark)),
            (Done::Pass(Passed::Begin(identity)), Some(writer)) => {
                writer.begin(identity);
                Ok(())
            }
            (Done::Pass(Passed::End), Some(writer)) => {
                writer.end();
                Ok(())
            }
            (Done::Pass(_), None) => Ok(()),
        },
    )
}

impl Reading {
    /// The next part of the file, `None` at its end.
    fn next<M>(&mut self) -> Result<Option<Task<M>>, Failure> {
        match self {
            Self::Nothing => Ok(None),
            Self::Text { blocks, keep } => {
                let keep = *keep;
                if let Some(block) = blocks.read()? {
                    return Ok(Some(Task::Encode { block, keep }));
                }
                *self = Self::Nothing;
                Ok(keep.then_some(Task::Pass(Passed::End)))
            }
            Self::Chunk {
                chunk,
                batches,
                place,
            } => Ok(batches.next().map(|batch| Task::Take {
                chunk: Arc::clone(chunk),
                batch,
                place: Arc::clone(place),
            })),
        }
    }
}

/// A block of a chunk, which was checked when it was opened and is checked again.
fn take<M>(chunk: &ChunkFile, batch: usize, place: &Arc<str>) -> Done<M> {
    let block = chunk
        .batch(batch)
        .map_err(|source| StoredError::Chunk { source })
        .and_then(|batch| EncodedBlock::from_batch(&batch, place));
    match block {
        Ok(block) => Done::Block(block, None),
        Err(error) => {
            let place = format!("encoded events of {place}: remove them and run again");
            Done::Failed(Failure::at(place, error))
        }
    }
}

/// Reads and encodes event files on `threads` threads and folds their blocks in stream order, on the
/// caller's thread.
///
/// # Errors
///
/// As [`map_stream`].
pub fn map_files(
    files: Vec<PathBuf>,
    spec: &FeatureSpec,
    language: &str,
    threads: usize,
    mut fold: impl FnMut(EncodedBlock) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut files = files.into_iter();
    let source = || {
        Ok(files.next().map(|path| Input::File {
            name: path.display().to_string(),
            path,
            identity: None,
        }))
    };
    map_stream(
        source,
        spec,
        language,
        threads,
        None,
        |step: Step<Infallible>| match step {
            Step::Block(block) => fold(block),
            Step::Mark(never) => match never {},
        },
    )
}
