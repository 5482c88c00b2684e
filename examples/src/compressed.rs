//! Files written plain, as gzip or as zstd, whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::whole_file::WholeFile;

/// How a file's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all
    None,
    /// gzip (`.gz`)
    Gzip,
    /// Zstandard (`.zst`)
    Zstd,
}

impl Compression {
    /// What a file name ends in: nothing, `.gz` or `.zst`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// What a file name promises: `.gz` and `.zst` are compressed, everything else is not.
    #[must_use]
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// A [`WholeFile`] behind a compressor.
pub struct CompressedFile {
    path: PathBuf,
    encoder: Encoder,
}

enum Encoder {
    None(WholeFile),
    Gzip(flate2::write::GzEncoder<WholeFile>),
    Zstd(zstd::Encoder<'static, WholeFile>),
}

impl CompressedFile {
    /// Starts a file, creating the folders above it.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be created.
    pub fn create(path: &Path, compression: Compression) -> Result<Self, Failure> {
        let encoder = match compression {
            Compression::None => Encoder::None(WholeFile::create(path)?),
            // No name and no time in the header: the bytes are a function of the content.
            Compression::Gzip => Encoder::Gzip(
                flate2::GzBuilder::new()
                    .write(WholeFile::create(path)?, flate2::Compression::fast()),
            ),
            Compression::Zstd => return Self::create_zstd(path, zstd::DEFAULT_COMPRESSION_LEVEL),
        };
        Ok(Self {
            path: path.to_owned(),
            encoder,
        })
    }

    /// Starts a Zstandard file with a checksum, at a level from 1 (fast) to 19.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be created.
    pub fn create_zstd(path: &Path, level: i32) -> Result<Self, Failure> {
        let encoder = zstd::Encoder::new(WholeFile::create(path)?, level)
            .and_then(|mut encoder| encoder.include_checksum(true).map(|()| encoder))
            .map_err(|source| Failure::file(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            encoder: Encoder::Zstd(encoder),
        })
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// The disk is full or fails; the message names the file.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match &mut self.encoder {
            Encoder::None(file) => file.write_all(bytes),
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
        };
        written.map_err(|source| Failure::file(&self.path, source))
    }

    /// Ends the compressed stream and puts the file in its place.
    ///
    /// # Errors
    ///
    /// As [`WholeFile::finish`].
    pub fn finish(self) -> Result<(), Failure> {
        let file = match self.encoder {
            Encoder::None(file) => Ok(file),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        };
        file.map_err(|source| Failure::file(&self.path, source))?
            .finish()
    }
}

impl std::fmt::Debug for CompressedFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CompressedFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
