//! Inputs in an object store, read like files.

use std::io::{self, Read};
use std::path::Path;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use model_io::object_store::{self, ObjectStoreExt};
use model_io::{Blocking, Location};

use crate::cli::Failure;

/// Whether a path is the URL of an object store, such as `s3://bucket/plays.csv.gz`.
#[must_use]
pub fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains("://"))
}

/// Opens an object for reading; its bytes are fetched as they are read.
///
/// # Errors
///
/// - This build cannot reach the store; the message names the cargo feature.
/// - There is no such object.
pub fn open(url: &Path) -> Result<impl Read + Send + 'static, Failure> {
    let location = parse(url)?;
    let runtime = Blocking::new().map_err(|source| Failure::file(url, source))?;
    let object = runtime
        .run(location.store().get(location.prefix()))
        .map_err(|source| Failure::file(url, source))?;
    Ok(Object {
        runtime,
        stream: object.into_stream(),
        chunk: Default::default(),
    })
}

/// Writes an object, over an older one of that key; it appears whole or not at all.
///
/// # Errors
///
/// This build cannot reach the store, or it fails.
pub fn put(url: &Path, bytes: Vec<u8>) -> Result<(), Failure> {
    let location = parse(url)?;
    let runtime = Blocking::new().map_err(|source| Failure::file(url, source))?;
    runtime
        .run(location.store().put(location.prefix(), bytes.into()))
        .map_err(|source| Failure::file(url, source))?;
    Ok(())
}

/// The store and key that a URL names.
///
/// # Errors
///
/// It is no URL of a store, or of one that this build cannot reach.
pub fn parse(url: &Path) -> Result<Location, Failure> {
    Location::parse(&url.to_string_lossy())
        .map_err(|source| Failure::usage(format!("{}: {source}", url.display())))
}

/// One object under way.
struct Object {
    runtime: Blocking,
    stream: BoxStream<'static, object_store::Result<bytes::Bytes>>,
    chunk: bytes::Bytes,
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.run(self.stream.next()) {
                Some(chunk) => self.chunk = chunk.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let part = self.chunk.split_to(buffer.len().min(self.chunk.len()));
        buffer[..part.len()].copy_from_slice(&part);
        Ok(part.len())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn objects_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = PathBuf::from(format!("file://{}", folder.path().display()));
        let url = root.join("a/part-0");
        put(&url, b"text".to_vec()).unwrap();
        assert!(is_url(&url));
        let mut text = String::new();
        open(&url).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        assert!(open(&root.join("a/part-1")).is_err());
    }
}
