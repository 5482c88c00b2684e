//! Where a run's event files come from: one listing, or one after the other for as long as it runs.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::TrainConfig;
use super::ledger::{Ledger, Verdict};
use super::spool::Spool;
use super::stop::Stop;
use crate::cli::Failure;
use crate::encode::Input;
use crate::event_files::{EventFile, EventListing};
use crate::telemetry::Telemetry;

/// Longest pause between two looks at whether the run is to stop.
const TICK: Duration = Duration::from_millis(500);
/// Time between two log lines about the same trouble.
const REMIND: Duration = Duration::from_secs(10);
/// First pause before an unreadable file is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Time between two listings of everything, which find files of closed hours.
const LATE_SCAN: Duration = Duration::from_secs(3_600);

/// What happens between the events of a stream, in order with them.
#[derive(Debug)]
pub(super) enum Mark {
    /// The events that follow are those of this file.
    Begin(EventFile),
    /// The file ends here.
    End,
    /// Nothing is there to be read right now.
    Idle,
    /// A file was taken and has another content now; it is not read again.
    Changed(EventFile),
    /// Files turned up in an hour that is closed; they are not read.
    Late { hour: i64, files: u64 },
    /// A file could not be read for long enough; it is not tried again.
    Aside { file: EventFile, why: String },
    /// A file of which a part was learned from before a restart is not what it was.
    Lost { file: EventFile, why: String },
    /// A file was listed and gone before it could be read.
    Vanished(EventFile),
}

/// The files of a run in order, and what happens to them.
pub(super) struct Source {
    listing: EventListing,
    ledger: Ledger,
    settings: Settings,
    stop: Stop,
    /// Read in part before a restart: comes first.
    resumed: Option<EventFile>,
    queue: VecDeque<EventFile>,
    ready: VecDeque<Input<Mark>>,
    troubles: BTreeMap<String, Trouble>,
    spool: Spool,
    /// Every file will be read: none comes out of a cache without being looked at.
    fetches_ahead: bool,
    listed: Option<Instant>,
    scanned: Option<Instant>,
    failing: Option<Failing>,
    held_back: Option<Instant>,
    ended: bool,
    telemetry: Telemetry,
}

/// The part of a run's settings that is about its input.
#[derive(Debug, Clone)]
struct Settings {
    follow: bool,
    poll: Duration,
    until: Option<i64>,
    max_future_hours: i64,
    patience: Duration,
    clock: fn() -> i64,
}

/// A file that cannot be read.
struct Trouble {
    since: Instant,
    next: Instant,
    pause: Duration,
}

/// A listing that fails.
struct Failing {
    since: Instant,
    said: Instant,
}

impl Source {
    /// Prepares to list; `ledger` holds what was taken before, `resumed` what was read in part.
    pub(super) fn new(
        config: &TrainConfig,
        ledger: Ledger,
        resumed: Option<EventFile>,
        telemetry: Telemetry,
    ) -> Result<Self, Failure> {
        Ok(Self {
            listing: EventListing::open(&config.input, &config.language)?,
            ledger,
            settings: Settings {
                follow: config.follow,
                poll: config.poll,
                until: config.until_hour,
                max_future_hours: i64::from(config.max_future_hours),
                patience: config.patience,
                clock: config.clock,
            },
            stop: config.stop.clone(),
            resumed,
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            troubles: BTreeMap::new(),
            spool: Spool::new(config.follow),
            fetches_ahead: config.follow || config.cache.is_none(),
            listed: None,
            scanned: None,
            failing: None,
            held_back: None,
            ended: false,
            telemetry,
        })
    }

    /// The next file or mark; blocks for half a second at most when there is none, and then says
    /// [`Mark::Idle`]. `None` ends the stream: everything is read, or the run is to stop.
    ///
    /// # Errors
    ///
    /// - Without `follow`: the folder cannot be listed or holds no event files.
    /// - With it: it could not be listed for longer than the patience allows.
    pub(super) fn next(&mut self) -> Result<Option<Input<Mark>>, Failure> {
        loop {
            if let Some(input) = self.ready.pop_front() {
                return Ok(Some(input));
            }
            if self.stop.is_asked() {
                return Ok(None);
            }
            if let Some(file) = self.queue.pop_front() {
                self.telemetry.backlog(self.queue.len() as u64);
                self.offer(file)?;
            } else if self.ended || (!self.settings.follow && self.listed.is_some()) {
                return Ok(None);
            } else {
                let wait = self.listed.map_or(Duration::ZERO, |listed| {
                    self.settings.poll.saturating_sub(listed.elapsed())
                });
                if wait > Duration::ZERO {
                    let _ = self.stop.wait(wait.min(TICK));
                    return Ok(Some(Input::Mark(Mark::Idle)));
                }
                self.list()?;
            }
        }
    }

    fn list(&mut self) -> Result<(), Failure> {
        let scan = self
            .scanned
            .is_none_or(|scanned| scanned.elapsed() >= LATE_SCAN);
        let from = if scan { None } else { self.ledger.floor() };
        let listed = self.listing.list(from);
        self.listed = Some(Instant::now());
        let files = match listed {
            Ok(files) => files,
            Err(failure) => return self.listing_failed(failure),
        };
        if let Some(failing) = self.failing.take() {
            let seconds = failing.since.elapsed().as_secs();
            tracing::info!(seconds, "the input can be listed again");
        }
        if files.is_empty() && !self.settings.follow && self.ledger.floor().is_none() {
            return Err(Failure::file(
                self.listing.folder(),
                "holds no event files (dt=YYYY-MM-DD/hour=HH/part-NNNNN.jsonl.zst)",
            ));
        }
        if scan {
            self.scanned = self.listed;
            for (hour, files) in self.ledger.find_late(&files) {
                self.mark(Mark::Late { hour, files });
            }
        }
        self.forget_vanished(&files);
        self.take_in(files);
        self.telemetry.backlog(self.queue.len() as u64);
        Ok(())
    }

    /// Queues what is new.
    fn take_in(&mut self, files: Vec<EventFile>) {
        if let Some(resumed) = self.resumed.take() {
            match files.iter().find(|file| file.key == resumed.key) {
                Some(file) if (file.size, &file.tag) == (resumed.size, &resumed.tag) => {
                    self.queue.push_back(resumed);
                }
                found => {
                    let gone = if found.is_some() {
                        "has changed"
                    } else {
                        "is gone"
                    };
                    let why = format!("{gone} since a part of it was learned from");
                    self.ledger.take(&resumed);
                    self.mark(Mark::Lost { file: resumed, why });
                }
            }
        }
        let latest = (self.settings.clock)()
            .div_euclid(3_600_000)
            .saturating_add(self.settings.max_future_hours);
        let mut held_back: Option<(u64, String)> = None;
        for file in files {
            if self
                .queue
                .front()
                .is_some_and(|first| first.key == file.key)
            {
                continue;
            }
            if let (Some(hour), Some(until)) = (file.hour, self.settings.until)
                && hour >= until
            {
                self.ended = true;
                continue;
            }
            match self.ledger.judge(&file) {
                Verdict::Known | Verdict::Late => {}
                Verdict::Changed { .. } => {
                    // Remembered under its new content, so that it is said once.
                    self.ledger.take(&file);
                    self.mark(Mark::Changed(file));
                }
                Verdict::New if self.settings.follow && file.hour.is_none() => {
                    tracing::warn!(file = %file.key, "not in a folder of an hour: not read");
                    self.ledger.set_aside(&file);
                }
                Verdict::New if self.settings.follow && file.hour > Some(latest) => {
                    held_back.get_or_insert((0, file.key)).0 += 1;
                }
                Verdict::New => self.queue.push_back(file),
            }
        }
        match held_back {
            Some((files, first)) if self.held_back.is_none_or(|said| said.elapsed() >= REMIND) => {
                self.held_back = Some(Instant::now());
                tracing::warn!(
                    files,
                    first,
                    "files of the future wait until the clock is there"
                );
            }
            Some(_) => {}
            None => self.held_back = None,
        }
    }

    /// Puts a file before the reader, after a look at the whole of it where a bad file must not end
    /// the run. Those of a store are fetched before, and the next ones meanwhile.
    fn offer(&mut self, file: EventFile) -> Result<(), Failure> {
        if self.must_wait(&file) {
            return Ok(());
        }
        self.fetch_ahead(Some(&file));
        let path = if self.fetches_ahead {
            self.spool.fetch(&file)
        } else {
            Ok(file.path.clone())
        };
        self.fetch_ahead(None);
        match path {
            Ok(path) => {
                if self.troubles.remove(&file.key).is_some() {
                    tracing::info!(file = %file.path.display(), "the file can be read now");
                }
                self.ledger.take(&file);
                let input = Input::File {
                    path,
                    name: file.path.display().to_string(),
                    identity: file.identity(),
                };
                self.hand_over(file, input);
                Ok(())
            }
            Err(failure) if !self.settings.follow => Err(failure),
            Err(failure) => {
                self.trouble(file, &failure);
                Ok(())
            }
        }
    }

    /// Whether a file that could not be read is to be left alone for now.
    fn must_wait(&self, file: &EventFile) -> bool {
        let trouble = self.troubles.get(&file.key);
        trouble.is_some_and(|trouble| Instant::now() < trouble.next)
    }

    fn fetch_ahead(&mut self, now: Option<&EventFile>) {
        if self.fetches_ahead {
            let troubles = &self.troubles;
            let next = self
                .queue
                .iter()
                .filter(|file| !troubles.contains_key(&file.key));
            self.spool.fetch_ahead(now.into_iter().chain(next));
        }
    }

    fn hand_over(&mut self, file: EventFile, input: Input<Mark>) {
        self.mark(Mark::Begin(file));
        self.ready.push_back(input);
        self.mark(Mark::End);
    }

    /// A file cannot be read: it is tried again for a while and then set aside.
    fn trouble(&mut self, file: EventFile, failure: &Failure) {
        let why = failure.render();
        let why = why.trim_start_matches("error: ");
        let now = Instant::now();
        let trouble = self.troubles.entry(file.key.clone()).or_insert_with(|| {
            tracing::error!(file = file.key, why, "cannot be read: will be tried again");
            Trouble {
                since: now,
                next: now,
                pause: FIRST_PAUSE,
            }
        });
        if trouble.since.elapsed() >= self.settings.patience {
            self.troubles.remove(&file.key);
            self.ledger.set_aside(&file);
            let why = why.to_owned();
            self.mark(Mark::Aside { file, why });
            return;
        }
        trouble.next = (now + trouble.pause).min(trouble.since + self.settings.patience);
        trouble.pause = (trouble.pause * 2).min(LONGEST_PAUSE);
    }

    /// Files in trouble that are no longer listed will not be waited for.
    fn forget_vanished(&mut self, files: &[EventFile]) {
        let gone: Vec<String> = (self.troubles.keys())
            .filter(|key| files.binary_search_by(|file| file.key.cmp(key)).is_err())
            .cloned()
            .collect();
        for key in gone {
            self.troubles.remove(&key);
            let path = self.listing.folder().join(&key);
            self.mark(Mark::Vanished(EventFile::named(path, key)));
        }
    }

    fn listing_failed(&mut self, failure: Failure) -> Result<(), Failure> {
        let now = Instant::now();
        let failing = self.failing.get_or_insert(Failing {
            since: now,
            said: now.checked_sub(REMIND).unwrap_or(now),
        });
        let waited = failing.since.elapsed();
        if !self.settings.follow || waited >= self.settings.patience {
            return Err(failure);
        }
        if failing.said.elapsed() >= REMIND {
            failing.said = now;
            let why = failure.render();
            let patience = self.settings.patience.as_secs();
            let waited = waited.as_secs();
            tracing::error!(why, waited, patience, "cannot list the input: trying again");
        }
        Ok(())
    }

    fn mark(&mut self, mark: Mark) {
        self.ready.push_back(Input::Mark(mark));
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn system_clock() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
