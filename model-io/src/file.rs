//! Files that are replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::FileError;

/// A file under way beside its place under a hidden name, which [`Replacement::finish`] renames.
///
/// Dropped before that, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
}

impl Replacement {
    /// Creates the hidden file for `path`.
    pub(crate) fn create(path: &Path) -> Result<(Self, BufWriter<File>), FileError> {
        let temporary = hidden_sibling(path).map_err(failed("naming", path))?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(failed("writing", path))?;
        let path = path.to_owned();
        let out = BufWriter::with_capacity(1 << 20, file);
        Ok((Self { path, temporary }, out))
    }

    /// Where the file will be.
    #[cfg(feature = "chunks")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the hidden file, renames it over the path, syncs the folder.
    pub(crate) fn finish(self, mut out: BufWriter<File>) -> Result<(), FileError> {
        out.flush()
            .and_then(|()| out.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .map_err(failed("writing", &self.path))?;
        sync_folder(&self.path).map_err(failed("syncing the folder of", &self.path))
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Nothing is there any more after the rename, and the first error is the one to report.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Writes a hidden file beside `path`, syncs it, renames it over `path`, syncs the folder.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FileError> {
    let (file, mut out) = Replacement::create(path)?;
    write(&mut out).map_err(failed("writing", path))?;
    file.finish(out)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io {
        action,
        path,
        source,
    }
}

/// Maps the file at `path` into memory.
#[allow(unsafe_code)]
pub(crate) fn map(path: &Path) -> Result<memmap2::Mmap, FileError> {
    let file = File::open(path).map_err(failed("opening", path))?;
    // SAFETY: the map is read-only. Its bytes change only if someone writes into the file in place,
    // which the documentation of `ModelFile` and `ChunkFile` excludes; everything in this crate
    // replaces files.
    unsafe { memmap2::Mmap::map(&file) }.map_err(failed("mapping", path))
}

/// A name that no other writer of this process, and no living other process, uses.
fn hidden_sibling(path: &Path) -> io::Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("the path names no file"))?;
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let hidden = format!(
        ".{}.{}.{count}.tmp",
        name.to_string_lossy(),
        std::process::id()
    );
    Ok(path.with_file_name(hidden))
}

/// Makes the rename itself last; folders can be synced on Unix only.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Creates `path` and the folders above it.
#[cfg(feature = "registry")]
pub(crate) fn create_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(failed("creating the folder", path))
}
