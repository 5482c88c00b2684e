//! Files and objects that appear whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::remote;

/// A file under way, written beside its place under a hidden name and renamed when finished.
///
/// Dropped before [`WholeFile::finish`], it leaves nothing behind; after a crash a hidden file
/// remains that no reader looks at.
/// In an object store (a path that is a URL) it is kept in memory and put when finished.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
enum UnderWay {
    File {
        beside: PathBuf,
        file: BufWriter<File>,
    },
    Object(Vec<u8>),
}

impl WholeFile {
    /// Starts a file, creating the folders above it.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be created.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let under_way = if remote::is_url(path) {
            UnderWay::Object(Vec::new())
        } else {
            UnderWay::beside(path).map_err(|source| Failure::file(path, source))?
        };
        Ok(Self {
            path: path.to_owned(),
            under_way: Some(under_way),
        })
    }

    /// Puts the file in its place, over an older one of that name, with its bytes on disk.
    ///
    /// # Errors
    ///
    /// The disk is full, the file cannot be renamed, or the store fails; its place is as it was
    /// before.
    pub fn finish(mut self) -> Result<(), Failure> {
        match self.under_way.take() {
            None => Ok(()),
            Some(UnderWay::Object(bytes)) => remote::put(&self.path, bytes),
            Some(UnderWay::File { beside, file }) => {
                let written = file
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)
                    .and_then(|file| file.sync_data())
                    .and_then(|()| fs::rename(&beside, &self.path));
                written.map_err(|source| {
                    let _ = fs::remove_file(&beside);
                    Failure::file(&self.path, source)
                })
            }
        }
    }

    /// Where the file will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl UnderWay {
    fn beside(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut hidden = OsString::from(".");
        hidden.push(path.file_name().unwrap_or_default());
        hidden.push(format!(".{}", std::process::id()));
        let beside = path.with_file_name(hidden);
        let file = BufWriter::with_capacity(256 << 10, File::create(&beside)?);
        Ok(Self::File { beside, file })
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.under_way {
            Some(UnderWay::File { file, .. }) => file.write(bytes),
            Some(UnderWay::Object(object)) => object.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.under_way {
            Some(UnderWay::File { file, .. }) => file.flush(),
            _ => Ok(()),
        }
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(UnderWay::File { beside, .. }) = self.under_way.take() {
            let _ = fs::remove_file(beside);
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
