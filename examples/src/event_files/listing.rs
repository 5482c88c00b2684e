//! Event files found in a folder or an object store, from an hour on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::TryStreamExt;
use model_io::chunk::ChunkSource;
use model_io::object_store::{ObjectMeta, ObjectStore};
use model_io::{Blocking, Location};
use serde::{Deserialize, Serialize};

use super::{hour_folder, hour_of, is_event_file, language_folder};
use crate::cli::Failure;
use crate::remote;

/// Time after which a listing that the store does not end counts as failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// One event file, as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventFile {
    /// Path or URL.
    pub path: PathBuf,
    /// `dt=…/hour=…/part-…`: what is remembered of it.
    pub key: String,
    /// Hour that it is for, in hours since the Unix epoch; `None` if its folders name none.
    pub hour: Option<i64>,
    /// Size in bytes.
    pub size: u64,
    /// What changes with its content: the store's tag, or on a disk the time of its last change.
    pub tag: Option<String>,
}

impl EventFile {
    /// What a cache knows the file by; `None` without a tag.
    pub(crate) fn identity(&self) -> Option<ChunkSource> {
        let tag = self.tag.as_ref()?;
        Some(ChunkSource::new(&self.key, self.size, tag))
    }

    /// A file of which only its name is known.
    pub(crate) fn named(path: PathBuf, key: String) -> Self {
        Self {
            hour: hour_of(&path),
            path,
            key,
            size: 0,
            tag: None,
        }
    }

    /// A file of one byte.
    #[cfg(test)]
    pub(crate) fn for_tests(hour: i64, key: &str, tag: &str) -> Self {
        Self {
            path: PathBuf::from(key),
            key: key.to_owned(),
            hour: Some(hour),
            size: 1,
            tag: Some(tag.to_owned()),
        }
    }
}

/// The event files of one language, listed again and again.
///
/// A connection to a store is kept from one listing to the next.
#[derive(Debug)]
pub struct EventListing {
    folder: PathBuf,
    store: Option<(Blocking, Location)>,
}

impl EventListing {
    /// Prepares to list `<root>/<language>`; `root`: a folder, or the URL of one.
    ///
    /// # Errors
    ///
    /// - `language` is not a plain name.
    /// - `root` is a URL that this build cannot reach.
    pub fn open(root: &Path, language: &str) -> Result<Self, Failure> {
        Self::within(language_folder(root, language)?)
    }

    /// Prepares to list the folder of a language.
    pub(super) fn within(folder: PathBuf) -> Result<Self, Failure> {
        let store = if remote::is_url(&folder) {
            let runtime = Blocking::new().map_err(|source| Failure::file(&folder, source))?;
            Some((runtime, remote::parse(&folder)?))
        } else {
            None
        };
        Ok(Self { folder, store })
    }

    /// Folder or URL that is listed.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lists the files of `from_hour` (hours since the Unix epoch) and later in stream order, by
    /// hour, then by part; all of them for `None`.
    ///
    /// Keys sort like their hours, so that a store lists from the hour on and nothing before it.
    ///
    /// # Errors
    ///
    /// The folder is not there or cannot be read; the store fails, or does not answer for two
    /// minutes.
    pub fn list(&self, from_hour: Option<i64>) -> Result<Vec<EventFile>, Failure> {
        let from = from_hour.map(hour_folder).transpose()?;
        let mut files = match &self.store {
            Some((runtime, location)) => self.list_store(runtime, location, from.as_deref())?,
            None => self
                .list_folder(from.as_deref())
                .map_err(|source| Failure::file(&self.folder, source))?,
        };
        files.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(files)
    }

    fn list_store(
        &self,
        runtime: &Blocking,
        location: &Location,
        from: Option<&str>,
    ) -> Result<Vec<EventFile>, Failure> {
        let prefix = location.prefix();
        let listing = async {
            let found = match from {
                // `hour=07` sorts before every `hour=07/…`.
                Some(from) => {
                    let offset = from
                        .split('/')
                        .fold(prefix.clone(), |path, part| path.join(part));
                    location.store().list_with_offset(Some(prefix), &offset)
                }
                None => location.store().list(Some(prefix)),
            };
            tokio::time::timeout(PATIENCE, found.try_collect::<Vec<ObjectMeta>>()).await
        };
        let objects = runtime
            .run(listing)
            .map_err(|_| Failure::file(&self.folder, "the store did not end a listing in time"))?
            .map_err(|source| Failure::file(&self.folder, source))?;
        let root = self.folder.to_string_lossy();
        let root = root.trim_end_matches('/');
        let found = objects.into_iter().filter_map(|object| {
            let parts: Vec<_> = object.location.prefix_match(prefix)?.collect();
            let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
            let key = parts.join("/");
            is_event_file(&key).then(|| {
                let path = PathBuf::from(format!("{root}/{key}"));
                EventFile {
                    hour: hour_of(&path),
                    path,
                    key,
                    size: object.size,
                    tag: object.e_tag,
                }
            })
        });
        Ok(found.collect())
    }

    /// Walks the folders of days and hours, those before `from` unread.
    fn list_folder(&self, from: Option<&str>) -> io::Result<Vec<EventFile>> {
        let (from_day, _) = from
            .and_then(|from| from.split_once('/'))
            .unwrap_or_default();
        let mut files = Vec::new();
        for day in names(&self.folder, "dt=")? {
            if *day < *from_day {
                continue;
            }
            for hour in names_if_there(&self.folder.join(&day), "hour=")? {
                let hour = format!("{day}/{hour}");
                if from.is_some_and(|from| *hour < *from) {
                    continue;
                }
                for part in names_if_there(&self.folder.join(&hour), "part-")? {
                    files.extend(self.look_at(format!("{hour}/{part}"))?);
                }
            }
        }
        Ok(files)
    }

    /// The file under `key`; `None` if it is none or has vanished.
    fn look_at(&self, key: String) -> io::Result<Option<EventFile>> {
        let path = self.folder.join(&key);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let changed = metadata.modified()?;
        let tag = match changed.duration_since(UNIX_EPOCH) {
            Ok(since) => format!("changed-{}", since.as_nanos()),
            Err(before) => format!("changed--{}", before.duration().as_nanos()),
        };
        Ok(Some(EventFile {
            hour: hour_of(&path),
            path,
            key,
            size: metadata.len(),
            tag: Some(tag),
        }))
    }
}

/// Names in a folder that start with `prefix`, in no order.
fn names(folder: &Path, prefix: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string()
            && name.starts_with(prefix)
        {
            found.push(name);
        }
    }
    Ok(found)
}

/// As [`names`]; a folder that is gone, or a file in its place, has none.
fn names_if_there(folder: &Path, prefix: &str) -> io::Result<Vec<String>> {
    match names(folder, prefix) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 5] = [
        "HI/dt=2022-05-04/hour=09/part-00000.jsonl",
        "HI/dt=2022-05-04/hour=10/part-00000.jsonl",
        "HI/dt=2022-05-04/hour=10/part-00001.jsonl",
        "HI/dt=2022-05-05/hour=00/part-00000.jsonl",
        "HI/dt=2022-05-05/hour=23/part-00000.jsonl",
    ];

    /// 2022-05-04T00 in hours since the Unix epoch.
    const DAY: i64 = 1_651_622_400 / 3_600;

    #[test]
    fn a_folder_and_a_store_list_the_same_files_from_every_hour_on() {
        let root = tempfile::tempdir().unwrap();
        for name in FILES.into_iter().chain([
            "HI/dt=2022-05-04/hour=10/other",
            "HI/notes/hour=10/part-0",
            "BN/dt=2022-05-04/hour=10/part-0",
            "HI/dt=2022-05-03",
        ]) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let url = PathBuf::from(format!("file://{}", root.path().display()));
        for root in [root.path(), &url] {
            let listing = EventListing::open(root, "HI").unwrap();
            for (from, expected) in [
                (None, &FILES[..]),
                (Some(DAY + 9), &FILES[..]),
                (Some(DAY + 10), &FILES[1..]),
                (Some(DAY + 11), &FILES[3..]),
                (Some(DAY + 24), &FILES[3..]),
                (Some(DAY + 25), &FILES[4..]),
                (Some(DAY + 48), &FILES[5..]),
            ] {
                let found = listing.list(from).unwrap();
                let names: Vec<_> = found
                    .iter()
                    .map(|file| format!("HI/{}", file.key))
                    .collect();
                assert_eq!(names, expected, "{} from {from:?}", root.display());
                for file in found {
                    let name = format!("HI/{}", file.key);
                    assert_eq!(file.size, name.len() as u64);
                    assert!(file.tag.is_some() && file.hour.is_some());
                    assert_eq!(file.path, root.join(name));
                }
            }
        }
    }

    #[test]
    fn a_tag_changes_with_the_file() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(FILES[0]);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "one").unwrap();
        let listing = EventListing::open(root.path(), "HI").unwrap();
        let before = listing.list(None).unwrap();
        assert_eq!(listing.list(None).unwrap(), before);
        let later = std::time::SystemTime::now() + Duration::from_secs(2);
        fs::write(&path, "two").unwrap();
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_ne!(listing.list(None).unwrap(), before);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let listing = EventListing::open(root.path(), "HI").unwrap();
        let message = listing.list(None).unwrap_err().render();
        assert!(message.contains("No such file"), "{message}");
    }
}
