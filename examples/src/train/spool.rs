//! Local copies of files in a store, so that what is checked is what is read.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::cli::Failure;
use crate::event_files::EventFile;
use crate::remote;

/// Copies that are kept: those that may still be read.
const KEPT: usize = 2;

/// A temporary folder with a copy of each of the last files fetched.
#[derive(Debug, Default)]
pub(super) struct Spool {
    folder: Option<Folder>,
    copies: VecDeque<PathBuf>,
    fetched: u64,
}

/// A folder that is removed with everything in it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Spool {
    /// Returns a path at which the file can be read: its own on a disk, that of a copy otherwise.
    ///
    /// # Errors
    ///
    /// The file cannot be fetched, is not as long as it was listed, or there is no room for it.
    pub(super) fn fetch(&mut self, file: &EventFile) -> Result<PathBuf, Failure> {
        if !remote::is_url(&file.path) {
            return Ok(file.path.clone());
        }
        let failure = |source| Failure::file(&file.path, source);
        let folder = self.folder().map_err(failure)?;
        // The end of the name says how the bytes are packed.
        let name = file.key.rsplit('/').next().unwrap_or_default();
        let copy = folder.join(format!("{}-{name}", self.fetched));
        self.fetched += 1;
        while self.copies.len() >= KEPT {
            if let Some(old) = self.copies.pop_front() {
                let _ = std::fs::remove_file(old);
            }
        }
        self.copies.push_back(copy.clone());
        let mut object = remote::open(&file.path)?;
        let mut out = File::create(&copy).map_err(failure)?;
        let bytes = io::copy(&mut object, &mut out).map_err(failure)?;
        if bytes != file.size {
            let message = format!("{bytes} bytes came of the {} that were listed", file.size);
            return Err(failure(io::Error::other(message)));
        }
        Ok(copy)
    }

    fn folder(&mut self) -> io::Result<PathBuf> {
        if let Some(Folder(folder)) = &self.folder {
            return Ok(folder.clone());
        }
        let name = format!("train-{}-{:p}", std::process::id(), self);
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        self.folder = Some(Folder(folder.clone()));
        Ok(folder)
    }
}
