//! Files that are replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::FileError;

/// Writes a hidden file beside `path`, syncs it, renames it over `path`, syncs the folder.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FileError> {
    let failed = |action| {
        move |source| FileError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let temporary = hidden_sibling(path).map_err(failed("naming"))?;
    let written = write_synced(&temporary, write).and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        return Err(failed("writing")(source));
    }
    sync_folder(path).map_err(failed("syncing the folder of"))
}

fn write_synced(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    write(&mut out)?;
    out.flush()?;
    out.get_ref().sync_all()
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
    let action = "creating the folder";
    fs::create_dir_all(path).map_err(|source| FileError::Io {
        action,
        path: path.to_owned(),
        source,
    })
}
