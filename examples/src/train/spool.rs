//! Files of a store fetched ahead of their turn, so that what is checked is what is read.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::cli::Failure;
use crate::event_files::EventFile;
use crate::{remote, text};

/// Files that are fetched, or wait fetched for their turn, at any time.
pub(super) const AHEAD: usize = 3;
/// Copies that are kept after their turn came: those that may still be read.
const KEPT: usize = 2;
/// Bytes that are asked for at once.
const CHUNK: usize = 64 << 10;

type Opener = dyn Fn(&Path) -> Result<Box<dyn Read + Send>, Failure> + Send + Sync;

/// A temporary folder with a copy of each of the next and of the last files.
///
/// On a disk it holds at most [`AHEAD`] + [`KEPT`] files, in memory a buffer for each that is
/// fetched. What is on a disk already is read where it is.
pub(super) struct Spool {
    open: Arc<Opener>,
    /// Read each file to its end before it is handed on.
    check: bool,
    folder: Option<Folder>,
    /// In the order of their turns.
    ahead: VecDeque<Fetch>,
    copies: VecDeque<PathBuf>,
    fetched: u64,
    cancelled: Arc<AtomicBool>,
}

/// A file under way, or there.
struct Fetch {
    file: EventFile,
    copy: PathBuf,
    thread: JoinHandle<Result<(), Failure>>,
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
    /// Fetches from the stores that URLs name. With `check`, files are read to their ends too, to
    /// learn of a broken one before its first event is learned from.
    pub(super) fn new(check: bool) -> Self {
        Self::with(check, |url| Ok(Box::new(remote::open(url)?)))
    }

    fn with(
        check: bool,
        open: impl Fn(&Path) -> Result<Box<dyn Read + Send>, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self {
            open: Arc::new(open),
            check,
            folder: None,
            ahead: VecDeque::new(),
            copies: VecDeque::new(),
            fetched: 0,
            cancelled: Arc::default(),
        }
    }

    /// Begins to fetch those files of a store that come next, and returns at once; a failure is
    /// told by [`fetch`](Self::fetch).
    ///
    /// `files`: in the order of their turns; [`AHEAD`] of them are looked at.
    pub(super) fn fetch_ahead<'a>(&mut self, files: impl Iterator<Item = &'a EventFile>) {
        for file in files.take(AHEAD) {
            let is_known = self.ahead.iter().any(|fetch| fetch.file == *file);
            if self.ahead.len() < AHEAD && !is_known && remote::is_url(&file.path) {
                // What fails here fails again, and is told, when the file's turn comes.
                let Ok(fetch) = self.begin(file) else { return };
                self.ahead.push_back(fetch);
            }
        }
    }

    /// Returns a path at which the file can be read: its own on a disk, that of a copy otherwise,
    /// which is there until two more files were asked for. Waits until it is fetched.
    ///
    /// # Errors
    ///
    /// The file cannot be fetched, is not as long as it was listed, there is no room for it, or it
    /// is not what its name says.
    pub(super) fn fetch(&mut self, file: &EventFile) -> Result<PathBuf, Failure> {
        if !remote::is_url(&file.path) {
            self.check_at(&file.path)?;
            return Ok(file.path.clone());
        }
        // Whatever was to come before it will not be asked for any more.
        let stale = self.ahead.iter().take_while(|next| next.file != *file);
        let stale = stale.count();
        self.ahead.drain(..stale).for_each(Fetch::discard);
        let fetch = match self.ahead.pop_front() {
            Some(fetch) => fetch,
            None => self.begin(file)?,
        };
        while self.copies.len() >= KEPT {
            if let Some(old) = self.copies.pop_front() {
                let _ = std::fs::remove_file(old);
            }
        }
        self.copies.push_back(fetch.copy.clone());
        let result = fetch.thread.join();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(fetch.copy)
    }

    fn begin(&mut self, file: &EventFile) -> Result<Fetch, Failure> {
        let failure = |source| Failure::file(&file.path, source);
        let folder = self.folder().map_err(failure)?;
        // The end of the name says how the bytes are packed.
        let name = file.key.rsplit('/').next().unwrap_or_default();
        let copy = folder.join(format!("{}-{name}", self.fetched));
        self.fetched += 1;
        let (open, check) = (Arc::clone(&self.open), self.check);
        let cancelled = Arc::clone(&self.cancelled);
        let (from, to) = (file.clone(), copy.clone());
        let work = move || {
            copy_of(&from, &to, &*open, &cancelled)?;
            if check { read_whole(&to) } else { Ok(()) }
        };
        let thread = std::thread::Builder::new().name("fetch".to_owned());
        let thread = thread.spawn(work).map_err(failure)?;
        Ok(Fetch {
            file: file.clone(),
            copy,
            thread,
        })
    }

    fn check_at(&self, path: &Path) -> Result<(), Failure> {
        if self.check { read_whole(path) } else { Ok(()) }
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

impl Drop for Spool {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.ahead.drain(..).for_each(Fetch::discard);
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool")
            .field("ahead", &self.ahead.len())
            .field("copies", &self.copies)
            .finish_non_exhaustive()
    }
}

impl Fetch {
    fn discard(self) {
        let _ = self.thread.join();
        let _ = std::fs::remove_file(self.copy);
    }
}

/// Copies a file of a store.
fn copy_of(
    file: &EventFile,
    copy: &Path,
    open: &Opener,
    cancelled: &AtomicBool,
) -> Result<(), Failure> {
    let failure = |source| Failure::file(&file.path, source);
    let mut object = open(&file.path)?;
    let mut out = File::create(copy).map_err(failure)?;
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let read = object.read(&mut buffer).map_err(failure)?;
        if read == 0 {
            break;
        }
        if cancelled.load(Ordering::Relaxed) {
            return Err(failure(io::Error::other("no longer wanted")));
        }
        out.write_all(&buffer[..read]).map_err(failure)?;
        bytes += read as u64;
    }
    if bytes == file.size {
        return Ok(());
    }
    let message = format!("{bytes} bytes came of the {} that were listed", file.size);
    Err(failure(io::Error::other(message)))
}

/// Reads a file to its end.
fn read_whole(path: &Path) -> Result<(), Failure> {
    let mut input = text::open(path)?;
    io::copy(&mut input, &mut io::sink())
        .map_err(|error| Failure::file(path, text::explain(error)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::{Duration, Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn file(number: usize, size: u64) -> EventFile {
        let key = format!("dt=2022-05-04/hour=10/part-{number:05}.jsonl");
        let path = PathBuf::from(format!("memory:///events/{key}"));
        let mut file = EventFile::named(path, key);
        file.size = size;
        file
    }

    fn content(number: usize) -> Vec<u8> {
        format!("{number}\n").repeat(50_000).into_bytes()
    }

    /// Waits until a number is reached; `false` if it never is.
    fn reaches(counter: &AtomicUsize, value: usize) -> bool {
        let started = Instant::now();
        while counter.load(Ordering::SeqCst) < value {
            if started.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    #[test]
    fn three_files_are_fetched_while_one_is_read_and_no_more() {
        let files: Vec<_> = (0..9).map(|n| file(n, content(n).len() as u64)).collect();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        // None of the first three comes before all of them are asked for.
        let mut spool = Spool::with(true, move |url| {
            counter.fetch_add(1, Ordering::SeqCst);
            assert!(reaches(&counter, AHEAD), "one after the other");
            let name = url.file_stem().unwrap().to_str().unwrap();
            let number = name.trim_start_matches("part-").parse().unwrap();
            Ok(Box::new(io::Cursor::new(content(number))))
        });
        spool.fetch_ahead(files.iter());
        for (turn, file) in files.iter().enumerate() {
            let path = spool.fetch(file).unwrap();
            spool.fetch_ahead(files[turn + 1..].iter());
            let expected = (turn + 1 + AHEAD).min(files.len());
            assert!(reaches(&asked, expected), "nothing is fetched meanwhile");
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(asked.load(Ordering::SeqCst), expected);
            assert_eq!(std::fs::read(path).unwrap(), content(turn));
            let kept = std::fs::read_dir(&spool.folder.as_ref().unwrap().0).unwrap();
            assert!(kept.count() <= AHEAD + KEPT);
        }
        let folder = spool.folder.as_ref().unwrap().0.clone();
        drop(spool);
        assert!(!folder.exists());
    }

    #[test]
    fn a_file_that_is_not_as_listed_fails_at_its_turn_and_the_next_one_does_not() {
        let files = [
            file(0, content(0).len() as u64),
            file(1, 7),
            file(2, 100_000),
        ];
        let open = |url: &Path| -> Result<Box<dyn Read + Send>, Failure> {
            let number = usize::from(url.ends_with("part-00001.jsonl"));
            Ok(Box::new(io::Cursor::new(content(number))))
        };
        let mut spool = Spool::with(false, open);
        spool.fetch_ahead(files.iter());
        assert!(spool.fetch(&files[0]).is_ok());
        let failure = spool.fetch(&files[1]).unwrap_err().render();
        assert!(
            failure.contains("100000 bytes came of the 7 that were listed"),
            "{failure}"
        );
        assert!(spool.fetch(&files[2]).is_ok());
        // One that was fetched as it was is not handed out as what it is now.
        spool.fetch_ahead(files.iter());
        assert!(spool.fetch(&file(0, 8)).is_err());
    }

    #[test]
    fn a_broken_file_is_found_before_its_turn_ends() {
        let bytes = b"not zstd".to_vec();
        let mut broken = file(0, bytes.len() as u64);
        broken.key += ".zst";
        let open = move |_: &Path| -> Result<Box<dyn Read + Send>, Failure> {
            Ok(Box::new(io::Cursor::new(bytes.clone())))
        };
        assert!(Spool::with(true, open.clone()).fetch(&broken).is_err());
        assert!(Spool::with(false, open).fetch(&broken).is_ok());
    }
}
