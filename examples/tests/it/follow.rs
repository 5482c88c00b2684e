//! Following an input that is not as it should be: what is read, what is not, and that it is said.

use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use feature_spec::FeatureSpec;
use lr_core::{LearnerConfig, LinearModel};
use model_io::{ArtifactKind, Blocking, Location, Registry};
use pipeline::blocks::Blocks;
use pipeline::cli::Failure;
use pipeline::encode::{BlockEncoder, Encoded, EncodedEvent};
use pipeline::event_files::{EventFilesConfig, EventWriter};
use pipeline::progress::Progress;
use pipeline::summary::Summary;
use pipeline::telemetry::Telemetry;
use pipeline::train::{self, PastPopulation, Stop, TrainConfig, Trainer};
use zscore_stats::Scaler;

use crate::train::{SPEC, START_MS, models, stream};

const HOUR_MS: i64 = 3_600_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that a trainer follows; files wait in another one.
struct Input {
    folder: tempfile::TempDir,
    config: TrainConfig,
}

impl Input {
    /// Events of 20 hours wait, 37 or 38 in each.
    fn new() -> Self {
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
        Self { folder, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Name of the file of an hour, counted from the first.
    fn name(hour: i64) -> String {
        let time = jiff::Timestamp::from_millisecond(START_MS + hour * HOUR_MS).unwrap();
        format!(
            "HI/{}/part-00000.jsonl.zst",
            time.strftime("dt=%Y-%m-%d/hour=%H")
        )
    }

    fn bytes(&self, hour: i64) -> Vec<u8> {
        std::fs::read(self.path("waiting").join(Self::name(hour))).unwrap()
    }

    /// Lets the files of some hours appear.
    fn appear(&self, hours: impl IntoIterator<Item = i64>) {
        for hour in hours {
            self.put(&Self::name(hour), &self.bytes(hour));
        }
    }

    /// Lets a file appear, whole.
    fn put(&self, name: &str, bytes: &[u8]) {
        let place = self.path("events").join(name);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        let beside = place.with_file_name(".beside");
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(beside, place).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path("events").join(name)).unwrap();
    }

    fn start(&mut self) -> Running {
        self.config.stop = Stop::default();
        let config = self.config.clone();
        let telemetry = Telemetry::new("HI");
        let progress = Progress::silent().telemetry(telemetry.clone());
        Running {
            stop: config.stop.clone(),
            telemetry,
            thread: Some(std::thread::spawn(move || train::train(&config, progress))),
        }
    }

    /// Follows until `files` are read, and stops.
    fn follow(&mut self, files: f64) -> Summary {
        let running = self.start();
        running.wait(r#"files_total{language="HI",outcome="consumed"}"#, files);
        running.stop()
    }

    fn models(&self) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
        models(&self.path("models/models"))
    }
}

/// A trainer at work.
struct Running {
    stop: Stop,
    telemetry: Telemetry,
    thread: Option<JoinHandle<Result<Summary, Failure>>>,
}

impl Running {
    /// Waits until a metric has a value.
    fn wait(&self, metric: &str, value: f64) {
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

    fn stop(mut self) -> Summary {
        self.stop.ask();
        self.end().unwrap()
    }

    fn end(&mut self) -> Result<Summary, Failure> {
        self.thread.take().unwrap().join().unwrap()
    }
}

#[test]
fn following_gives_the_bytes_of_a_batch() {
    let mut input = Input::new();
    let running = input.start();
    for hour in 0..20 {
        input.appear([hour]);
        std::thread::sleep(Duration::from_millis(7));
    }
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 20.0);
    let summary = running.stop();
    assert_eq!((summary.events, summary.dumps.len()), (742, 19));
    let followed = input.models();

    let mut batch = Input::new();
    batch.appear(0..20);
    batch.config.follow = false;
    batch.config.checkpoint = false;
    let summary = train::train(&batch.config, Progress::silent()).unwrap();
    assert_eq!(
        summary.dumps.len(),
        20,
        "a batch dumps the last hour as well"
    );
    let mut expected = batch.models();
    expected.retain(|name, _| followed.contains_key(name));
    assert_eq!(followed.len(), 19);
    assert!(followed == expected, "the models differ");
}

#[test]
fn files_within_the_window_are_read_and_older_ones_are_late() {
    let mut input = Input::new();
    input.appear([0, 1, 5, 6, 8]);
    let summary = input.follow(5.0);
    assert_eq!(summary.files.unwrap().consumed, 5);
    // The floor is hour 6: one file within the window, two below the floor.
    input.appear([7, 2, 3]);
    let summary = input.follow(1.0);
    let files = summary.files.unwrap();
    assert_eq!((files.consumed, files.late), (6, 2));
    // Said once, also after a restart.
    input.appear([9]);
    let files = input.follow(1.0).files.unwrap();
    assert_eq!((files.consumed, files.late), (7, 2));
}

#[test]
fn a_file_that_changes_after_it_was_read_is_an_alarm_and_no_second_reading() {
    let mut input = Input::new();
    input.appear([0, 1]);
    let running = input.start();
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 2.0);
    input.put(&Input::name(1), &input.bytes(2));
    running.wait(r#"files_total{language="HI",outcome="changed"}"#, 1.0);
    input.appear([3]);
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 3.0);
    let summary = running.stop();
    let files = summary.files.unwrap();
    assert_eq!((files.changed, files.consumed), (1, 3));
    assert_eq!(summary.events, 38 + 37 + 37);
}

#[test]
fn a_cut_file_is_waited_for_and_read_when_it_is_whole() {
    let mut input = Input::new();
    let whole = input.bytes(1);
    input.appear([0]);
    input.put(&Input::name(1), &whole[..whole.len() - 9]);
    input.appear([2]);
    let running = input.start();
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 2.0);
    input.put(&Input::name(1), &whole);
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 3.0);
    let summary = running.stop();
    assert_eq!(
        summary.events,
        38 + 37 + 37,
        "no event of the cut file was counted before"
    );
    assert_eq!(summary.files.unwrap().set_aside, 0);
}

#[test]
fn what_cannot_be_read_is_set_aside_and_taken_when_it_comes_again() {
    let mut input = Input::new();
    input.config.patience = Duration::from_millis(1_200);
    input.appear([0]);
    input.put(&Input::name(1), b"not zstd, though its name says so");
    input.put(&Input::name(2), &input.bytes(2)[..20]);
    let running = input.start();
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 1.0);
    std::thread::sleep(Duration::from_millis(2_500));
    let summary = running.stop();
    let files = summary.files.unwrap();
    assert_eq!((files.consumed, files.set_aside), (1, 2));
    input.appear([1]);
    let summary = input.follow(1.0);
    let files = summary.files.unwrap();
    assert_eq!(
        (files.consumed, files.set_aside, summary.events),
        (2, 2, 38 + 37)
    );
}

#[test]
fn a_file_that_vanishes_is_not_waited_for() {
    let mut input = Input::new();
    input.appear([0]);
    input.put(&Input::name(1), &input.bytes(1)[..20]);
    let running = input.start();
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 1.0);
    std::thread::sleep(Duration::from_millis(100));
    input.remove(&Input::name(1));
    std::thread::sleep(Duration::from_millis(100));
    input.appear([2]);
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 2.0);
    assert_eq!(running.stop().files.unwrap().vanished, 1);
}

#[test]
fn files_of_the_future_wait_for_the_clock_and_so_does_all_when_it_jumps_back() {
    static CLOCK: AtomicI64 = AtomicI64::new(START_MS);
    let mut input = Input::new();
    input.config.clock = || CLOCK.load(Ordering::Relaxed);
    input.appear([0, 1, 2]);
    let running = input.start();
    let consumed = r#"files_total{language="HI",outcome="consumed"}"#;
    running.wait(consumed, 2.0);
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        running
            .telemetry
            .render()
            .contains(&format!("{consumed} 2")),
        "hour 2 has to wait"
    );
    CLOCK.store(START_MS + HOUR_MS, Ordering::Relaxed);
    running.wait(consumed, 3.0);
    CLOCK.store(0, Ordering::Relaxed);
    input.appear([3]);
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        running
            .telemetry
            .render()
            .contains(&format!("{consumed} 3"))
    );
    CLOCK.store(START_MS + 9 * HOUR_MS, Ordering::Relaxed);
    running.wait(consumed, 4.0);
    let files = running.stop().files.unwrap();
    assert_eq!((files.consumed, files.late), (4, 0));
}

/// Lines of the file of an hour.
fn lines(input: &Input, hour: i64) -> Vec<String> {
    let text = zstd::decode_all(&*input.bytes(hour)).unwrap();
    let text = String::from_utf8(text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_event_of_the_future_in_a_file_is_set_aside_and_closes_no_interval() {
    static CLOCK: AtomicI64 = AtomicI64::new(START_MS + 5 * HOUR_MS);
    // What is learned from hours 0 to 3, when the line goes before the tenth of hour 1.
    let run = |line: Option<String>, max_future_hours: u32| {
        let mut input = Input::new();
        input.config.clock = || CLOCK.load(Ordering::Relaxed);
        input.config.max_future_hours = max_future_hours;
        let mut hour_1 = lines(&input, 1);
        if let Some(line) = line {
            hour_1.insert(9, line);
        }
        input.appear([0]);
        let text = hour_1.join("\n") + "\n";
        input.put(&Input::name(1).replace(".zst", ""), text.as_bytes());
        input.appear([2, 3]);
        (input.follow(4.0), input)
    };
    let line = |time_ms: i64| {
        let time = jiff::Timestamp::from_millisecond(time_ms).unwrap();
        format!(
            r#"{{"event_id":"ahead","time":"{time:.3}","language":"HI","label":1,"user":{{"id":"u"}},"item":{{"id":"v"}}}}"#
        )
    };
    let (without, expected) = run(None, 1);
    assert_eq!((without.events, without.dumps.len()), (38 + 3 * 37, 3));

    // One millisecond before the horizon an event counts, and ends the hour and the two after it.
    let (summary, _) = run(Some(line(START_MS + 6 * HOUR_MS - 1)), 1);
    assert!(summary.rejected.is_empty(), "{:?}", summary.rejected);
    assert_eq!(
        summary.dumps.len(),
        2,
        "hour 0, and hour 1 cut after nine events"
    );

    let (summary, input) = run(Some(line(START_MS + 6 * HOUR_MS)), 1);
    assert_eq!(summary.rejected["future"], 1);
    assert_eq!(summary.events, without.events);
    assert!(input.models() == expected.models(), "the models differ");
    let rejects = std::fs::read_to_string(input.path("models/rejects/HI/part-00000.jsonl"));
    let reject: serde_json::Value = serde_json::from_str(&rejects.unwrap()).unwrap();
    assert_eq!(reject["line"], 10);
    assert_eq!(
        reject["detail"],
        "event \"ahead\" is of 2022-05-04T16:00:00Z, more than --max-future 1 h ahead of the clock \
         (2022-05-04T15:00:00Z)"
    );
    assert!(
        reject["source"]
            .as_str()
            .unwrap()
            .ends_with("hour=11/part-00000.jsonl")
    );
    assert!(
        reject["text"]
            .as_str()
            .unwrap()
            .contains(r#""event_id":"ahead""#)
    );

    // A clock that is behind everything holds files back, and takes no event from those it lets in.
    CLOCK.store(START_MS - HOUR_MS, Ordering::Relaxed);
    let (summary, _) = run(None, 4);
    assert_eq!(
        (summary.events, summary.rejected.len()),
        (without.events, 0)
    );
}

#[test]
fn an_hour_of_broken_lines_is_withheld_and_training_goes_on() {
    let mut input = Input::new();
    input.appear([0]);
    let broken = "{\n".repeat(1_500);
    input.put(&Input::name(1).replace(".zst", ""), broken.as_bytes());
    input.appear(2..5);
    let summary = input.follow(5.0);
    assert_eq!(summary.rejected["not_json"], 1_500);
    assert_eq!(summary.withheld.len(), 1);
    let reason = &summary.withheld[0].reasons[0];
    assert!(
        reason.contains("1500 of 1538 lines are rejected"),
        "{reason}"
    );
    let record = input
        .path("models/withheld/HI")
        .join(format!("{}.json", summary.withheld[0].version));
    assert!(
        std::fs::read_to_string(record)
            .unwrap()
            .contains("1500 of 1538")
    );
    assert_eq!(summary.dumps.len(), 2, "hours 2 and 3");
}

#[test]
fn a_run_ends_by_itself_at_the_hour_it_is_given() {
    let mut input = Input::new();
    input.config.until_hour = Some((START_MS + 3 * HOUR_MS) / HOUR_MS);
    let mut running = input.start();
    for hour in 0..5 {
        input.appear([hour]);
    }
    let summary = running.end().unwrap();
    assert_eq!(
        (summary.files.unwrap().consumed, summary.dumps.len()),
        (3, 3)
    );
}

#[test]
fn an_input_that_is_not_there_is_waited_for_as_long_as_the_patience_lasts() {
    let mut input = Input::new();
    let running = input.start();
    std::thread::sleep(Duration::from_millis(50));
    input.appear([0]);
    running.wait(r#"files_total{language="HI",outcome="consumed"}"#, 1.0);
    running.stop();

    let mut input = Input::new();
    input.config.patience = Duration::from_millis(50);
    let failure = input.start().end().unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert!(
        failure.render().contains("No such file"),
        "{}",
        failure.render()
    );
}

#[test]
fn a_registry_that_cannot_be_written_is_waited_for_and_nothing_is_lost() {
    let mut input = Input::new();
    input.appear(0..4);
    // A file in the place of the folder: no write below it succeeds.
    std::fs::create_dir_all(input.path("models")).unwrap();
    std::fs::write(input.path("models/models"), "in the way").unwrap();
    let running = input.start();
    std::thread::sleep(Duration::from_millis(600));
    std::fs::remove_file(input.path("models/models")).unwrap();
    running.wait(r#"dumps_total{language="HI",outcome="published"}"#, 3.0);
    assert_eq!(running.stop().dumps.len(), 3);
    assert_eq!(input.models().len(), 3);
}

#[test]
fn a_checkpoint_of_other_settings_or_of_another_spec_is_refused() {
    let mut input = Input::new();
    input.appear(0..2);
    input.follow(2.0);
    input.config.threshold = 0.25;
    let failure = input.start().end().unwrap_err();
    assert_eq!(
        failure.render(),
        "error: settings differ from the checkpoint's: threshold was 0.5, is 0.25"
    );
    input.config.threshold = 0.5;
    std::fs::write(input.path("spec.toml"), SPEC.replace("#dance", "#sport")).unwrap();
    let failure = input.start().end().unwrap_err();
    assert!(
        failure.render().contains("the checkpoint is of spec test"),
        "{}",
        failure.render()
    );
    assert_eq!(failure.exit_code(), 2);
}

#[test]
fn the_statistics_of_each_day_are_published_and_others_take_them_over() {
    let mut input = Input::new();
    input.config.publish_statistics = true;
    input.appear(0..20);
    input.follow(20.0);
    let registry = Registry::open(Location::parse(&input.config.output).unwrap());
    let runtime = Blocking::new().unwrap();
    let kind = ArtifactKind::Statistics;
    let versions = runtime.run(registry.artifact_versions(kind, "HI")).unwrap();
    // The first day has 14 hours, 520 events before midnight.
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].as_str(), "2022-05-04-520");
    assert_eq!(
        newest_statistics(&runtime, &registry),
        Some(versions[0].to_string())
    );

    // Another trainer scales with them from its first event on, and with newer ones when they come.
    let (_, files) = runtime
        .run(registry.artifact(kind, "HI", &versions[0]))
        .unwrap();
    let mut other = Input::new();
    other.config.statistics = Some("latest".into());
    let failure = other.start().end().unwrap_err();
    assert!(
        failure.render().contains("holds no statistics of HI"),
        "{}",
        failure.render()
    );
    let registry = Registry::open(Location::parse(&other.config.output).unwrap());
    let publish = |version: &str| {
        let version = version.parse().unwrap();
        runtime
            .run(registry.publish_artifact(kind, "HI", &version, &files))
            .unwrap();
    };
    publish("2022-05-04-520");
    other.appear(0..2);
    let running = other.start();
    let dumps = r#"dumps_total{language="HI",outcome="published"}"#;
    running.wait(dumps, 1.0);
    publish("2022-05-05-1000");
    let mut hour = 2;
    let used = loop {
        other.appear([hour]);
        running.wait(dumps, hour as f64);
        hour += 1;
        let used = newest_statistics(&runtime, &registry).unwrap();
        if used != "2022-05-04-520" || hour == 20 {
            break used;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(used, "2022-05-05-1000");
    running.stop();
}

#[test]
fn several_languages_have_a_run_each_and_a_failure_of_one_stops_all() {
    let mut input = Input::new();
    input.appear(0..3);
    for hour in 0..3 {
        let text = zstd::decode_all(&*input.bytes(hour)).unwrap();
        let text = String::from_utf8(text).unwrap().replace("\"HI\"", "\"BN\"");
        let name = Input::name(hour).replace("HI/", "BN/").replace(".zst", "");
        input.put(&name, text.as_bytes());
    }
    input.config.language = "HI,BN".to_owned();
    input.config.follow = false;
    let both = train::train_each(&input.config, &Progress::silent()).unwrap();
    assert_eq!(both.keys().collect::<Vec<_>>(), ["BN", "HI"]);
    assert!(
        both.values()
            .all(|summary| summary.events == 112 && summary.dumps.len() == 3)
    );
    let weights = |language: &str| {
        let path = &both[language].dumps[2].path;
        let bytes = std::fs::read(path).unwrap();
        model_io::Snapshot::from_bytes(&bytes).unwrap().model
    };
    assert_eq!(weights("HI"), weights("BN"), "the same events");

    input.config.follow = true;
    input.config.language = "HI,TA".to_owned();
    input.config.patience = Duration::from_millis(100);
    let failure = train::train_each(&input.config, &Progress::silent()).unwrap_err();
    assert!(failure.render().contains("TA"), "{}", failure.render());
    input.config.language = "HI,HI".to_owned();
    let failure = train::train_each(&input.config, &Progress::silent()).unwrap_err();
    assert_eq!(failure.exit_code(), 2);
}

/// Version of the statistics of the live model.
fn newest_statistics(runtime: &Blocking, registry: &Registry) -> Option<String> {
    let live = runtime.run(registry.latest("HI")).unwrap()?;
    let manifest = runtime.run(registry.show("HI", &live.version)).unwrap();
    manifest
        .statistics_version
        .map(|version| version.to_string())
}

/// Every event of a text, encoded.
fn encode(spec: &FeatureSpec, lines: &str, mut each: impl FnMut(EncodedEvent<'_>)) {
    let input = io::Cursor::new(lines.to_owned().into_bytes());
    let mut blocks = Blocks::new("memory", Box::new(input));
    let mut encoder = BlockEncoder::new(spec, "HI");
    while let Some(block) = blocks.read().unwrap() {
        let taken = encoder.encode(&block).for_each(|encoded| match encoded {
            Encoded::Event(event) => {
                each(event);
                Ok(())
            }
            Encoded::Reject(reject) => Err(reject.detail.clone()),
        });
        taken.unwrap();
    }
}

#[test]
fn predictions_do_not_jump_when_statistics_take_over() {
    let spec = FeatureSpec::from_toml(SPEC).unwrap();
    let lines: String = (stream(500).into_iter())
        .map(|(_, line)| line + "\n")
        .collect();
    let mut first = PastPopulation::new(&spec);
    let mut second = PastPopulation::new(&spec);
    let mut count = 0;
    encode(&spec, &lines, |event| {
        count += 1;
        if count < 100 {
            first.push(&event).unwrap();
        }
        // Other means and deviations: larger values, and half as many rows.
        if count % 2 == 0 {
            event
                .values
                .iter_mut()
                .for_each(|value| *value = 3.0 * *value + 0.5);
            second.push(&event).unwrap();
        }
    });
    let mut trainer =
        Trainer::new(&spec, Some(first.population()), LearnerConfig::default()).unwrap();
    encode(&spec, &lines, |mut event| {
        trainer.learn(&mut event).unwrap();
    });
    let before = trainer.dump().unwrap().unwrap();
    let version = "2022-05-04-250".parse().unwrap();
    trainer
        .use_statistics(version, second.population())
        .unwrap();
    let after = trainer.dump().unwrap().unwrap();
    assert_eq!(after.statistics.unwrap().as_str(), "2022-05-04-250");
    let margin = |model: &LinearModel, scaler: &Scaler, event: &EncodedEvent<'_>| {
        let mut values = event.values.to_vec();
        scaler.scale_in_place(event.positions, &mut values).unwrap();
        let products = event.positions.iter().zip(&values);
        let products =
            products.map(|(&at, &x)| f64::from(model.weights()[at as usize]) * f64::from(x));
        model.bias() + products.sum::<f64>()
    };
    let mut moved: f64 = 0.0;
    encode(&spec, &lines, |event| {
        let old = margin(&before.model, &before.scaler, &event);
        let new = margin(&after.model, &after.scaler, &event);
        assert!(
            (old - new).abs() < 1e-5 * (1.0 + old.abs()),
            "{old} and {new}"
        );
        // The same weights under the new scale are another model: the test can fail.
        moved = moved.max((old - margin(&before.model, &after.scaler, &event)).abs());
    });
    assert!(moved > 0.1, "{moved}");
}

/// Ten gigabytes without a line end, and then a line.
struct OneLine {
    left: u64,
    end: &'static [u8],
}

const CHUNK: &[u8] = &[b'x'; 1 << 20];

impl BufRead for OneLine {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(if self.left > 0 { CHUNK } else { self.end })
    }

    fn consume(&mut self, bytes: usize) {
        if self.left > 0 {
            self.left = self.left.saturating_sub(bytes as u64);
        } else {
            self.end = &self.end[bytes..];
        }
    }
}

impl Read for OneLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let filled = self.fill_buf()?;
        let bytes = filled.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&filled[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}

#[test]
fn ten_gigabytes_of_one_line_are_one_reject_in_bounded_memory() {
    let input = OneLine {
        left: 10 << 30,
        end: b"\nnext\n",
    };
    let mut blocks = Blocks::new("memory", Box::new(input));
    let mut lines = Vec::new();
    while let Some(block) = blocks.read().unwrap() {
        assert!(
            block.text.capacity() < 64 << 20,
            "{} bytes",
            block.text.capacity()
        );
        lines.extend(
            block
                .lines()
                .map(|(number, line, cut)| (number, line.len(), cut)),
        );
    }
    assert_eq!(lines, [(1, 1_024, true), (2, 4, false)]);
}
