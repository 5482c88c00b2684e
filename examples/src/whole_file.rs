//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cli::Failure;

/// A file under way, written beside its place under a hidden name and renamed when finished.
///
/// Dropped before [`WholeFile::finish`], it leaves nothing behind; after a crash a hidden file
/// remains that no reader looks at.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    beside: PathBuf,
    file: Option<BufWriter<File>>,
}

impl WholeFile {
    /// Starts a file, creating the folders above it.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be created.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let failure = |source| Failure::file(path, source);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failure)?;
        }
        let mut hidden = OsString::from(".");
        hidden.push(path.file_name().unwrap_or_default());
        hidden.push(format!(".{}", std::process::id()));
        let beside = path.with_file_name(hidden);
        let file = File::create(&beside).map_err(failure)?;
        Ok(Self {
            path: path.to_owned(),
            beside,
            file: Some(BufWriter::with_capacity(256 << 10, file)),
        })
    }

    /// Puts the file in its place, over an older one of that name, with its bytes on disk.
    ///
    /// # Errors
    ///
    /// The disk is full, or the file cannot be renamed; its place is as it was before.
    pub fn finish(mut self) -> Result<(), Failure> {
        let Some(buffer) = self.file.take() else {
            return Ok(());
        };
        let written = buffer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_data())
            .and_then(|()| fs::rename(&self.beside, &self.path));
        written.map_err(|source| {
            let _ = fs::remove_file(&self.beside);
            Failure::file(&self.path, source)
        })
    }

    /// Where the file will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// Writes `bytes` to a file that appears whole or not at all.
///
/// # Errors
///
/// Those of [`WholeFile::create`] and [`WholeFile::finish`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)
        .map_err(|source| Failure::file(path, source))?;
    file.finish()
}
