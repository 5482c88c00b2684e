//! Parsed rows kept in a chunk, so that the next run need not parse.

use std::path::Path;
use std::time::UNIX_EPOCH;

use lr_core::CheckedRows;
use model_io::chunk::{
    ChunkBatch, ChunkFile, ChunkInfo, ChunkRow, ChunkRows, ChunkSource, ChunkWriter,
};

use super::LibsvmConfig;
use crate::cli::Failure;

/// What there is of a cache.
#[derive(Debug)]
pub(super) enum Cached<'a> {
    /// No cache was asked for.
    Unused,
    /// It is to be written.
    Missing(&'a Path, ChunkInfo),
    /// It is of the very file.
    Fresh(ChunkFile),
}

impl<'a> Cached<'a> {
    /// Looks for the rows of the input: a chunk made from a file of this name, length and time of
    /// modification, with the same limit of positions.
    pub(super) fn open(path: &'a Path, config: &LibsvmConfig) -> Result<Self, Failure> {
        let info = info_of(config)?;
        match ChunkFile::open(path) {
            Ok(chunk) if *chunk.info() == info => Ok(Self::Fresh(chunk)),
            // Of another file, damaged, or not there: it is written anew.
            _ => Ok(Self::Missing(path, info)),
        }
    }
}

fn info_of(config: &LibsvmConfig) -> Result<ChunkInfo, Failure> {
    let input = &config.input;
    let failed = |source| Failure::file(input, source);
    let file = std::fs::metadata(input).map_err(failed)?;
    if !file.is_file() {
        let message = format!(
            "--cache: {} is not a file that can be read again",
            input.display()
        );
        return Err(Failure::usage(message));
    }
    let modified = file.modified().map_err(failed)?;
    let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let path = std::path::absolute(input).map_err(failed)?;
    let mut info = ChunkInfo::new(config.max_dimension);
    info.source = ChunkSource::new(
        path.to_string_lossy(),
        file.len(),
        format!("modified {} ns", modified.as_nanos()),
    );
    Ok(info)
}

/// A cache under way.
#[derive(Debug)]
pub(super) struct CacheWriter<'a> {
    path: &'a Path,
    writer: ChunkWriter,
    rows: ChunkRows,
}

impl<'a> CacheWriter<'a> {
    pub(super) fn create(path: &'a Path, info: &ChunkInfo) -> Result<Self, Failure> {
        let writer =
            ChunkWriter::create(path, info).map_err(|source| Failure::at("--cache", source))?;
        Ok(Self {
            path,
            writer,
            rows: ChunkRows::new(info.columns),
        })
    }

    pub(super) fn write(&mut self, rows: &CheckedRows, labels: &[bool]) -> Result<(), Failure> {
        self.rows.clear();
        for (row, &label) in rows.iter().zip(labels) {
            let row = ChunkRow {
                positions: row.positions(),
                values: row.values(),
                label,
                ..ChunkRow::default()
            };
            let pushed = self.rows.push(&row);
            pushed.map_err(|source| Failure::file(self.path, source))?;
        }
        let written = self.writer.write(&self.rows);
        written.map_err(|source| Failure::at("--cache", source))
    }

    /// Puts the cache in its place and opens it.
    pub(super) fn finish(self) -> Result<ChunkFile, Failure> {
        self.writer
            .finish()
            .and_then(|()| ChunkFile::open(self.path))
            .map_err(|source| Failure::at("--cache", source))
    }
}

/// Checks a batch of a cache; its rows stay where they are.
pub(super) fn read<'a>(
    chunk: &'a ChunkFile,
    index: usize,
    config: &LibsvmConfig,
) -> Result<ChunkBatch<'a>, Failure> {
    let path = config.cache.as_deref().unwrap_or(Path::new(""));
    let place = || format!("{}: remove it and run again", path.display());
    chunk
        .batch(index)
        .map_err(|source| Failure::at(place(), source))
}
