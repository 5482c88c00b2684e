//! Encoded event files kept in a folder, so that a run with other settings need not encode again.
//!
//! A chunk for each event file, `<folder>/<language>/<fingerprint>/dt=…/hour=…/part-….arrow`, used
//! while the file is as long and has the tag that it had, under the same spec. What is missing, of
//! another file or damaged is encoded and written again; a run never fails for its cache.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use feature_spec::FeatureSpec;
use model_io::FileError;
use model_io::chunk::{ChunkFile, ChunkInfo, ChunkRows, ChunkSource, ChunkWriter};

use crate::cli::Failure;
use crate::encode::StoredError;

/// Raised when the same spec and the same line give another row than before.
const ENCODING: u32 = 1;

/// Batches that may wait to be written before encoding waits too.
const WAITING: usize = 8;

/// A folder of chunks of one spec and one language.
#[derive(Debug)]
pub struct ChunkCache {
    folder: PathBuf,
    columns: u32,
    language: String,
    fingerprint: String,
    scaling_fingerprint: String,
}

impl ChunkCache {
    /// Names the folder; nothing is created before the first chunk.
    #[must_use]
    pub fn new(root: &Path, spec: &FeatureSpec, language: &str) -> Self {
        let fingerprint = spec.fingerprint().to_string();
        // Enough digits to keep specs apart in one folder; the chunk has all of them.
        let short = fingerprint.get(..16).unwrap_or_default();
        Self {
            folder: root.join(language).join(short),
            columns: u32::try_from(spec.columns()).unwrap_or(u32::MAX),
            language: language.to_owned(),
            scaling_fingerprint: spec.scaling_fingerprint().to_string(),
            fingerprint,
        }
    }

    /// What every position is below.
    pub(crate) fn columns(&self) -> u32 {
        self.columns
    }

    /// The chunk of a source, if there is one that is whole and of this very source.
    pub(crate) fn get(&self, source: &ChunkSource) -> Option<ChunkFile> {
        let path = self.path_of(source)?;
        let found = ChunkFile::open(&path).and_then(|chunk| {
            if *chunk.info() != self.info_of(source) {
                return Ok(None);
            }
            chunk.verify().map_err(|source| FileError::Chunk {
                path: path.clone(),
                source,
            })?;
            Ok(Some(chunk))
        });
        match found {
            Ok(chunk) => chunk,
            Err(FileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                None
            }
            Err(error) => {
                let why = failure(error).render();
                let why = why.trim_start_matches("error: ");
                tracing::warn!(why, "encoded events cannot be used: they are encoded again");
                None
            }
        }
    }

    fn info_of(&self, source: &ChunkSource) -> ChunkInfo {
        let mut info = ChunkInfo::new(self.columns);
        info.language.clone_from(&self.language);
        info.fingerprint.clone_from(&self.fingerprint);
        info.scaling_fingerprint
            .clone_from(&self.scaling_fingerprint);
        info.source = source.clone();
        info.source.tag = format!("encoding {ENCODING}, {}", source.tag);
        info
    }

    /// `None` for a key that would leave the folder.
    fn path_of(&self, source: &ChunkSource) -> Option<PathBuf> {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\');
        let mut path = self.folder.clone();
        for part in source.name.split('/') {
            plain(part).then(|| path.push(part))?;
        }
        path.set_extension("arrow");
        Some(path)
    }
}

/// Rows of a block, or why it cannot be one of a chunk.
pub(crate) type KeptRows = Box<Result<ChunkRows, StoredError>>;

/// What a [`CacheWriter`] is told, in the order of the stream.
#[derive(Debug)]
enum Entry {
    Begin(ChunkSource),
    Rows(KeptRows),
    End,
}

/// Writes chunks on a thread of its own, one after the other.
#[derive(Debug)]
pub(crate) struct CacheWriter {
    entries: Option<SyncSender<Entry>>,
    thread: Option<JoinHandle<()>>,
}

impl CacheWriter {
    /// Starts the thread.
    pub(crate) fn start(cache: Arc<ChunkCache>) -> Self {
        let (entries, receiver) = sync_channel(WAITING);
        let thread = std::thread::spawn(move || write(&cache, &receiver));
        Self {
            entries: Some(entries),
            thread: Some(thread),
        }
    }

    /// A source begins.
    pub(crate) fn begin(&self, source: ChunkSource) {
        self.send(Entry::Begin(source));
    }

    /// A block of it, or why it cannot be one: then nothing of the source is kept.
    pub(crate) fn push(&self, rows: KeptRows) {
        self.send(Entry::Rows(rows));
    }

    /// The source has ended.
    pub(crate) fn end(&self) {
        self.send(Entry::End);
    }

    fn send(&self, entry: Entry) {
        if let Some(entries) = &self.entries {
            // The thread ends with the last sender, and sooner only by a panic, seen when joined.
            let _ = entries.send(entry);
        }
    }
}

impl Drop for CacheWriter {
    /// Waits until what was whole is written.
    fn drop(&mut self) {
        self.entries = None;
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

fn write(cache: &ChunkCache, entries: &Receiver<Entry>) {
    let mut under_way: Option<ChunkWriter> = None;
    for entry in entries {
        let written = match entry {
            Entry::Begin(source) => create(cache, &source).map(|writer| under_way = writer),
            Entry::Rows(rows) => match (*rows, &mut under_way) {
                (Ok(rows), Some(writer)) => writer.write(&rows).map_err(failure),
                (Ok(_), None) => Ok(()),
                (Err(error), _) => Err(Failure::at("a block of events", error)),
            },
            Entry::End => under_way
                .take()
                .map_or(Ok(()), |writer| writer.finish().map_err(failure)),
        };
        if let Err(error) = written {
            // A full disk, say: this file is encoded again the next time.
            let why = error.render();
            let why = why.trim_start_matches("error: ");
            tracing::warn!(why, "encoded events are not kept");
            under_way = None;
        }
    }
}

fn failure(error: FileError) -> Failure {
    Failure::at("--cache", error)
}

fn create(cache: &ChunkCache, source: &ChunkSource) -> Result<Option<ChunkWriter>, Failure> {
    let Some(path) = cache.path_of(source) else {
        return Ok(None);
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| Failure::file(folder, source))?;
    }
    let writer = ChunkWriter::create(&path, &cache.info_of(source)).map_err(failure)?;
    Ok(Some(writer))
}
