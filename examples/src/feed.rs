//! Event files that appear at a steady rate: what a trainer that follows its input is tried with.
//!
//! The events are those of a folder, over and over, under new times: event time runs `speed` times
//! as fast as the clock on the wall, and the hours of the output are those of event time.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::cli::Failure;
use crate::event_files::{self, EventFilesConfig, EventListing, EventWriter};
use crate::progress::Progress;
use crate::settings::Period;
use crate::text::{Line, Lines};

const HOUR_MS: i64 = 3_600_000;

/// Time between two looks at how many events are due.
const TICK: Duration = Duration::from_millis(20);

/// What to feed, and how fast.
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct FeedConfig {
    /// Folder of event files to take the events from
    #[arg(long)]
    pub events: PathBuf,
    /// Folder for event files to appear in
    #[arg(long)]
    pub output: PathBuf,
    /// Language of both streams
    #[arg(long, default_value = "HI")]
    pub language: String,
    /// Events a second
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: u64,
    /// How long to feed, such as 90s or 1h
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub time: Period,
    /// Time of the events in one file
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub file: Period,
    /// Seconds of event time in a second
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub speed: u32,
    /// Event time of the first event
    #[arg(long, default_value = "2023-11-10T00:00:00Z")]
    pub start: Timestamp,
    /// Hours of event time whose files stay; older ones are deleted
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    /// Events to hold in memory and repeat
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub distinct: u64,
}

/// What was fed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FeedSummary {
    /// Events written.
    pub events: u64,
    /// Files.
    pub files: u64,
    /// Wall time.
    pub seconds: f64,
    /// The longest that an event was written after its time.
    pub most_behind: Duration,
}

impl fmt::Display for FeedSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[allow(clippy::cast_precision_loss)] // a rate for people
        let rate = self.events as f64 / self.seconds;
        writeln!(formatter, "events        {}", self.events)?;
        writeln!(formatter, "files         {}", self.files)?;
        writeln!(formatter, "events/s      {rate:.0}")?;
        writeln!(formatter, "most behind   {:?}", self.most_behind)
    }
}

/// Writes events at a steady rate until the time is over.
///
/// # Errors
///
/// There is no event, an event has no `time`, or a file cannot be written.
pub fn run(config: &FeedConfig, progress: &Progress) -> Result<FeedSummary, Failure> {
    let events = read(config)?;
    let settings = EventFilesConfig {
        events_per_part: share(config.rate, config.file.get()).max(1),
        ..EventFilesConfig::default()
    };
    let mut writer = EventWriter::new(&config.output, &config.language, settings)?;
    let mut old = Old::new(config)?;
    let total = share(config.rate, config.time.get());
    let start = config.start.as_millisecond();
    let mut stage = progress.stage("feed", "events", Some(total));
    let began = Instant::now();
    let mut most_behind = Duration::ZERO;
    let mut written: u64 = 0;
    let mut line = Vec::new();
    for event in events.iter().cycle() {
        while written >= share(config.rate, began.elapsed()).min(total) {
            if written == total {
                stage.finish();
                let files = writer.finish()?.files;
                return Ok(FeedSummary {
                    events: total,
                    files,
                    seconds: began.elapsed().as_secs_f64(),
                    most_behind,
                });
            }
            std::thread::sleep(TICK);
        }
        let due = Duration::from_nanos(nanos(written, config.rate));
        let time_ms = due.as_millis() * u128::from(config.speed);
        let time_ms = start.saturating_add(i64::try_from(time_ms).unwrap_or(i64::MAX));
        event.at(time_ms, &mut line)?;
        writer.write(time_ms, &line)?;
        written += 1;
        if written.is_multiple_of(1_000) {
            stage.advance(1_000);
            most_behind = most_behind.max(began.elapsed().saturating_sub(due));
            old.delete(time_ms.div_euclid(HOUR_MS))?;
        }
    }
    Err(Failure::file(&config.events, "holds no event"))
}

/// An event whose times can be moved.
#[derive(Debug, PartialEq)]
struct Repeated {
    text: String,
    /// Where moments stand in the text, how they are written, and how long each is after the event,
    /// in milliseconds.
    moments: Vec<(Range<usize>, Written, i64)>,
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// `"2022-05-04T10:00:00.000Z"`
    Text,
    /// Milliseconds since the Unix epoch.
    Number,
}

impl Repeated {
    /// Finds the event's time, and the times of the last plays counted; `None` without a time.
    fn new(text: String) -> Option<Self> {
        let (range, time) = text_after(&text, r#""time":""#)?;
        let mut moments = vec![(range, Written::Text, 0)];
        let key = r#""last":"#;
        for (at, _) in text.match_indices(key) {
            let start = at + key.len();
            let digits = text[start..].bytes().take_while(u8::is_ascii_digit).count();
            let range = start..start + digits;
            let last: i64 = text[range.clone()].parse().ok()?;
            moments.push((range, Written::Number, last.checked_sub(time)?));
        }
        moments.sort_by_key(|(range, ..)| range.start);
        Some(Self { text, moments })
    }

    /// The event at another time.
    fn at(&self, time_ms: i64, line: &mut Vec<u8>) -> Result<(), Failure> {
        line.clear();
        let mut end = 0;
        for (range, written, after) in &self.moments {
            line.extend_from_slice(&self.text.as_bytes()[end..range.start]);
            let moment = time_ms.saturating_add(*after);
            // Writing to a Vec cannot fail.
            let _ = match written {
                Written::Number => write!(line, "{moment}"),
                Written::Text => {
                    let moment = Timestamp::from_millisecond(moment)
                        .map_err(|source| Failure::at("event time", source))?;
                    write!(line, "{moment:.3}")
                }
            };
            end = range.end;
        }
        line.extend_from_slice(&self.text.as_bytes()[end..]);
        Ok(())
    }
}

/// The moment in quotes after `key`: where it stands, and its milliseconds since the Unix epoch.
fn text_after(text: &str, key: &str) -> Option<(Range<usize>, i64)> {
    let start = text.find(key)? + key.len();
    let length = text[start..].find('"')?;
    let range = start..start + length;
    let moment: Timestamp = text[range.clone()].parse().ok()?;
    Some((range, moment.as_millisecond()))
}

/// The events to repeat.
fn read(config: &FeedConfig) -> Result<Vec<Repeated>, Failure> {
    let mut events = Vec::new();
    for file in event_files::list(&config.events, &config.language)? {
        let mut lines = Lines::open(&file)?;
        let mut line = Vec::new();
        while (events.len() as u64) < config.distinct {
            match lines.read(&mut line)? {
                Line::Whole => {}
                Line::TooLong => continue,
                Line::End => break,
            }
            let place = || format!("{}: line {}", file.display(), lines.number());
            let text =
                String::from_utf8(line.clone()).map_err(|source| Failure::at(place(), source))?;
            events.push(Repeated::new(text).ok_or_else(|| Failure::at(place(), "has no time"))?);
        }
    }
    Ok(events)
}

/// Files that have been there for long enough.
struct Old {
    listing: EventListing,
    keep: i64,
    hour: Option<i64>,
}

impl Old {
    fn new(config: &FeedConfig) -> Result<Self, Failure> {
        Ok(Self {
            listing: EventListing::open(&config.output, &config.language)?,
            keep: i64::from(config.keep),
            hour: None,
        })
    }

    /// Deletes what is too old once an hour of event time.
    fn delete(&mut self, hour: i64) -> Result<(), Failure> {
        if self.hour == Some(hour) {
            return Ok(());
        }
        self.hour = Some(hour);
        for file in self.listing.list(None)? {
            if file.hour.is_some_and(|of| of < hour - self.keep) {
                remove(&file.path)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    std::fs::remove_file(path).map_err(|source| Failure::file(path, source))?;
    // The folders of the hour and the day go with their last file.
    for folder in path.ancestors().skip(1).take(2) {
        if std::fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// Events of a time at a rate.
fn share(rate: u64, time: Duration) -> u64 {
    let events = u128::from(rate) * time.as_nanos() / 1_000_000_000;
    u64::try_from(events).unwrap_or(u64::MAX)
}

/// When an event is due, in nanoseconds.
fn nanos(event: u64, rate: u64) -> u64 {
    let time = u128::from(event) * 1_000_000_000 / u128::from(rate);
    u64::try_from(time).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_of_an_event_moves_by_the_same_time() {
        let text =
            r#"{"time":"2023-11-10T00:00:46.875Z","a":{"last":1699574386875},"b":"2023-11-10"}"#;
        let event = Repeated::new(text.to_owned()).unwrap();
        let mut line = Vec::new();
        event.at(0, &mut line).unwrap();
        let moved = r#"{"time":"1970-01-01T00:00:00.000Z","a":{"last":-60000},"b":"2023-11-10"}"#;
        assert_eq!(String::from_utf8(line).unwrap(), moved);
        assert_eq!(Repeated::new("{}".to_owned()), None);
    }
}
