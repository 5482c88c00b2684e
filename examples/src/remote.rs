//! Inputs in an object store, read like files.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use model_io::object_store::{self, ObjectMeta, ObjectStoreExt};
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

/// Lists the objects under a URL whose keys `wanted` accepts, sorted, as URLs.
///
/// `wanted` gets the part of the key below the URL.
///
/// # Errors
///
/// This build cannot reach the store, or it fails.
pub fn list(url: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Failure> {
    let location = parse(url)?;
    let runtime = Blocking::new().map_err(|source| Failure::file(url, source))?;
    let objects: Vec<ObjectMeta> = runtime
        .run(location.store().list(Some(location.prefix())).try_collect())
        .map_err(|source| Failure::file(url, source))?;
    let mut keys: Vec<String> = objects
        .iter()
        .filter_map(|object| {
            let parts: Vec<_> = object.location.prefix_match(location.prefix())?.collect();
            Some(
                parts
                    .iter()
                    .map(AsRef::as_ref)
                    .collect::<Vec<&str>>()
                    .join("/"),
            )
        })
        .filter(|key| wanted(key))
        .collect();
    keys.sort();
    let root = url.to_string_lossy();
    let root = root.trim_end_matches('/');
    Ok(keys
        .into_iter()
        .map(|key| PathBuf::from(format!("{root}/{key}")))
        .collect())
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

fn parse(url: &Path) -> Result<Location, Failure> {
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
    use super::*;

    #[test]
    fn objects_are_listed_in_order_and_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/part-1", "b/part-0", "a/part-0", "a/other"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let root = PathBuf::from(format!("file://{}", folder.path().display()));
        let listed = list(&root, |key| key.contains("part-")).unwrap();
        let mut texts = Vec::new();
        for url in &listed {
            assert!(is_url(url));
            let mut text = String::new();
            open(url).unwrap().read_to_string(&mut text).unwrap();
            texts.push(text);
        }
        assert_eq!(texts, ["a/part-0", "b/part-0", "b/part-1"]);
    }
}
