//! A small log in a temporary folder, and the events made from it.

use std::path::PathBuf;

use feature_spec::Event;
use pipeline::cli::Failure;
use pipeline::event_files;
use pipeline::event_gen::{self, EventGenConfig, EventGenSummary};
use pipeline::progress::Progress;
use pipeline::text::{Line, Lines};
use tempfile::TempDir;

pub(crate) const MAPPING: &str = r##"
format = 1
[plays]
time = "time_ms"
user = "user"
item = "video"
labels = ["like", "share"]
attributes = ["tab"]
lateness_s = 1
[users]
id = "user"
attributes = ["location"]
numbers = ["days"]
[items]
id = "video"
attributes = ["author", { name = "hashtag", column = "tags", separator = "," }]
numbers = [{ name = "duration_s", column = "duration_ms", factor = 0.001 }]
[metrics]
plays = "1"
liked = "like"
watched_50pct = "watched_ms >= 500 * item_duration_s"
[[groups]]
owner = "user"
name = "all"
[[groups]]
owner = "user"
name = "hashtag"
key = "hashtag"
[[groups]]
owner = "item"
name = "all"
[[groups]]
owner = "item"
name = "author"
key = "author"
shared = true
[[vocabularies]]
name = "hashtag"
of = "items.hashtag"
[[vocabularies]]
name = "tab"
of = "plays.tab"
before = "1970-01-01T00:00:00.003Z"
"##;

pub(crate) const USERS: &str = "user,location,days\nu1,delhi,10\nu2,,\n";
pub(crate) const VIDEOS: &str = "video,author,tags,duration_ms\n\
    v1,a1,\"#comedy,#dance\",20000\nv2,a1,#comedy,10000\nv3,a2,,5000\n";
pub(crate) const HEADER: &str = "time_ms,user,video,tab,watched_ms,like,share";

/// A folder with a log.
pub(crate) struct Log {
    pub(crate) folder: TempDir,
    pub(crate) config: EventGenConfig,
}

impl Log {
    /// A log of these plays, each a line of CSV without a header.
    pub(crate) fn new(plays: &[&str]) -> Self {
        Self::with(MAPPING, plays)
    }

    pub(crate) fn with(mapping: &str, plays: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut config =
            EventGenConfig::new(path("mapping.toml"), path("plays.csv"), path("events"));
        config.users = Some(path("users.csv"));
        config.videos = Some(path("videos.csv"));
        let log = Self { folder, config };
        log.write("mapping.toml", mapping);
        log.write("users.csv", USERS);
        log.write("videos.csv", VIDEOS);
        log.write("plays.csv", format!("{HEADER}\n{}\n", plays.join("\n")));
        log
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn run(&self) -> Result<EventGenSummary, Failure> {
        event_gen::run(&self.config, Progress::silent())
    }

    /// The failure of a run, as the exit code and the message with the folder's name left out.
    pub(crate) fn failure(&self) -> (u8, String) {
        self.explain(&self.run().unwrap_err())
    }

    pub(crate) fn explain(&self, failure: &Failure) -> (u8, String) {
        let folder = format!("{}/", self.folder.path().display());
        (failure.exit_code(), failure.render().replace(&folder, ""))
    }

    /// The lines of all event files, in stream order.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut all = Vec::new();
        for file in event_files::list(&self.config.output, "HI").unwrap() {
            let mut lines = Lines::open(&file).unwrap();
            let mut line = Vec::new();
            while lines.read(&mut line).unwrap() == Line::Whole {
                all.push(String::from_utf8(line.clone()).unwrap());
            }
        }
        all
    }

    /// Runs and returns the events.
    pub(crate) fn events(&self) -> Vec<Event<'static>> {
        self.run().unwrap();
        let lines = self.lines();
        let read = lines
            .iter()
            .map(|line| Event::from_json(line.as_bytes()).unwrap().into_owned());
        read.collect()
    }

    /// The rejects of the plays: reason and line.
    pub(crate) fn rejects(&self) -> Vec<(String, u64, String)> {
        let text = std::fs::read_to_string(self.config.output.join("rejects/plays.jsonl"));
        let objects = text.unwrap_or_default();
        let objects = objects.lines().map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| object[key].as_str().unwrap().to_owned();
            (
                text("reason"),
                object["line"].as_u64().unwrap(),
                text("detail"),
            )
        });
        objects.collect()
    }
}
