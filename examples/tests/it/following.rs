//! A trainer that follows a folder, for the tests of what it does there.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pipeline::cli::Failure;
use pipeline::event_files::{EventFilesConfig, EventWriter};
use pipeline::logging::{self, LogFormat};
use pipeline::progress::Progress;
use pipeline::summary::Summary;
use pipeline::telemetry::Telemetry;
use pipeline::train::{self, Stop, TrainConfig};

use crate::telemetry::Kept;
use crate::train::{SPEC, START_MS, models, stream};

pub(crate) const HOUR_MS: i64 = 3_600_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that a trainer follows; files wait in another one.
pub(crate) struct Input {
    folder: tempfile::TempDir,
    pub(crate) config: TrainConfig,
    /// What the thread that learns has warned of.
    pub(crate) log: Kept,
}

impl Input {
    /// Events of 20 hours wait, 37 or 38 in each.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("spec.toml"), SPEC).unwrap();
        let mut writer =
            EventWriter::new(&path("waiting"), "HI", EventFilesConfig::default()).unwrap();
        for (time_ms, line) in stream(742) {
            writer.write(time_ms, line.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        let models = path("models").to_str().unwrap().to_owned();
        let mut config = TrainConfig::new(path("events"), path("spec.toml"), "HI", models);
        config.threads = 2;
        config.follow = true;
        config.checkpoint = true;
        config.poll = Duration::from_millis(10);
        config.patience = PATIENCE;
        Self {
            folder,
            config,
            log: Kept::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Name of the file of an hour, counted from the first.
    pub(crate) fn name(hour: i64) -> String {
        let time = jiff::Timestamp::from_millisecond(START_MS + hour * HOUR_MS).unwrap();
        format!(
            "HI/{}/part-00000.jsonl.zst",
            time.strftime("dt=%Y-%m-%d/hour=%H")
        )
    }

    pub(crate) fn bytes(&self, hour: i64) -> Vec<u8> {
        std::fs::read(self.path("waiting").join(Self::name(hour))).unwrap()
    }

    /// Lets the files of some hours appear.
    pub(crate) fn appear(&self, hours: impl IntoIterator<Item = i64>) {
        for hour in hours {
            self.put(&Self::name(hour), &self.bytes(hour));
        }
    }

    /// Lets a file appear, whole.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let place = self.path("events").join(name);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        let beside = place.with_file_name(".beside");
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(beside, place).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path("events").join(name)).unwrap();
    }

    pub(crate) fn start(&mut self) -> Running {
        self.config.stop = Stop::default();
        let config = self.config.clone();
        let telemetry = Telemetry::new("HI");
        let progress = Progress::silent().telemetry(telemetry.clone());
        let log = self.log.clone();
        let log = logging::subscriber(LogFormat::Text, "warn", false, log).unwrap();
        Running {
            stop: config.stop.clone(),
            telemetry,
            thread: Some(std::thread::spawn(move || {
                tracing::subscriber::with_default(log, || train::train(&config, progress))
            })),
        }
    }

    /// Follows until `files` are read, and stops.
    pub(crate) fn follow(&mut self, files: f64) -> Summary {
        let running = self.start();
        running.wait(r#"files_total{language="HI",outcome="consumed"}"#, files);
        running.stop()
    }

    pub(crate) fn models(&self) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
        models(&self.path("models/models"))
    }
}

/// A trainer at work.
pub(crate) struct Running {
    stop: Stop,
    pub(crate) telemetry: Telemetry,
    thread: Option<JoinHandle<Result<Summary, Failure>>>,
}

impl Running {
    /// Waits until a metric has a value.
    pub(crate) fn wait(&self, metric: &str, value: f64) {
        let name = format!("ctr_train_{metric} ");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.telemetry.render();
            let found = text
                .lines()
                .find_map(|line| line.strip_prefix(name.as_str()));
            if found.is_some_and(|found| found.parse::<f64>().unwrap() >= value) {
                return;
            }
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            assert!(
                !ended && Instant::now() < deadline,
                "{metric} is {found:?}\n{text}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn stop(mut self) -> Summary {
        self.stop.ask();
        self.end().unwrap()
    }

    pub(crate) fn end(&mut self) -> Result<Summary, Failure> {
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Lines of the file of an hour.
pub(crate) fn lines(input: &Input, hour: i64) -> Vec<String> {
    let text = zstd::decode_all(&*input.bytes(hour)).unwrap();
    let text = String::from_utf8(text).unwrap();
    text.lines().map(str::to_owned).collect()
}
