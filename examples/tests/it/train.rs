//! The job: same bytes for any number of threads, no look ahead, and a clear end for bad input.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use feature_spec::Event;
use model_io::ServingModel;
use pipeline::event_files::{EventFilesConfig, EventWriter};
use pipeline::predict::{self, PredictConfig};
use pipeline::progress::Progress;
use pipeline::summary::Summary;
use pipeline::train::{self, TrainConfig};

/// 2022-05-04T10:00:00Z
pub(crate) const START_MS: i64 = 1_651_658_400_000;

pub(crate) const SPEC: &str = r##"
format = 1
name = "test"
dimension = 64
counters = ["plays", "liked"]
[vocabulary.hashtag]
values = ["#comedy", "#funny", "#dance"]
[user.plays]
history = "user.all"
metrics = ["plays", "liked"]
transform = "log1p"
scale = "z_score"
[item.hashtag]
from = "item.hashtag"
vocabulary = "hashtag"
unknown = "other"
"##;

/// A folder with a spec, and events to train on.
pub(crate) struct Job {
    folder: tempfile::TempDir,
    config: TrainConfig,
}

impl Job {
    pub(crate) fn new(lines: &[(i64, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("spec.toml"), SPEC).unwrap();
        let mut writer =
            EventWriter::new(&path("events"), "HI", EventFilesConfig::default()).unwrap();
        for (time_ms, line) in lines {
            writer.write(*time_ms, line.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        let models = path("models").to_str().unwrap().to_owned();
        let mut config = TrainConfig::new(path("events"), path("spec.toml"), "HI", models);
        config.predictions = Some(path("predictions.csv"));
        Self { folder, config }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self) -> Summary {
        train::train(&self.config, Progress::silent()).unwrap()
    }

    /// Exit code and message, with the folder's name left out.
    pub(crate) fn failure(&self) -> (u8, String) {
        let failure = train::train(&self.config, Progress::silent()).unwrap_err();
        let folder = self.folder.path().to_str().unwrap();
        (failure.exit_code(), failure.render().replace(folder, "DIR"))
    }

    pub(crate) fn predictions(&self) -> String {
        std::fs::read_to_string(self.path("predictions.csv")).unwrap()
    }
}

/// One event: the user's counters, the item's hashtag and the label.
fn event(id: usize, time_ms: i64, plays: u64, liked: u64, hashtag: &str, label: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(time_ms).unwrap();
    format!(
        r##"{{"event_id":"{id}","time":"{time:.3}","language":"HI","label":{label},"user":{{"id":"u{}","history":{{"all":{{"":{{"plays":{plays},"liked":{liked}}}}}}}}},"item":{{"id":"v","attributes":{{"hashtag":"{hashtag}"}}}}}}"##,
        id % 17
    )
}

/// Events over several days in which #dance is liked and #comedy is not.
pub(crate) fn stream(events: usize) -> Vec<(i64, String)> {
    (0..events)
        .map(|id| {
            let time_ms = START_MS + id as i64 * 97_000;
            let draw = (id * 7_919 + id / 13) % 10;
            let (hashtag, label) = match id % 3 {
                0 => ("#dance", draw < 7),
                1 => ("#comedy", draw < 2),
                _ => ("#new", draw < 4),
            };
            let plays = (id % 40) as u64;
            let label = if label { "1" } else { "0" };
            (
                time_ms,
                event(id, time_ms, plays, plays / 4, hashtag, label),
            )
        })
        .collect()
}

/// The bytes of every model file below a folder, by its path.
pub(crate) fn models(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "safetensors")
            {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_model_for_every_hour_with_the_same_bytes_for_any_number_of_threads() {
    let mut job = Job::new(&stream(3_000));
    let summary = job.run();
    assert_eq!((summary.events, summary.positives > 900), (3_000, true));
    assert!(summary.quality.auc.unwrap() > 0.65, "{summary}");
    assert!(
        summary.quality.normalized_entropy.unwrap() < 0.95,
        "{summary}"
    );

    let hours = 3_000 * 97 / 3_600 + 1;
    assert_eq!(summary.dumps.len(), hours);
    assert_eq!(summary.dumps[0].hour, "2022-05-04T10");
    assert_eq!(summary.dumps[0].version, "2022-05-04T10-38");
    assert!(
        summary
            .dumps
            .iter()
            .all(|dump| Path::new(&dump.path).is_file()),
        "{:?}",
        summary.dumps
    );

    let expected = models(&job.path("models"));
    let predictions = job.predictions();
    assert_eq!(expected.len(), hours);
    for threads in [1, 2, 5] {
        job.config.threads = threads;
        job.config.output = job
            .path(&format!("models-{threads}"))
            .to_str()
            .unwrap()
            .to_owned();
        job.run();
        assert!(
            models(Path::new(&job.config.output)) == expected,
            "{threads} threads"
        );
        assert_eq!(job.predictions(), predictions);
    }
}

#[test]
fn a_dump_carries_events_and_the_probabilities_that_its_file_gives_them() {
    let job = Job::new(&stream(3_000));
    let dumps = job.run().dumps;
    let mut carried = Vec::new();
    for dump in &dumps {
        // Opening computes the golden probabilities again.
        let model = ServingModel::open(&dump.path).unwrap();
        let golden = &model.info().golden;
        assert!((1..=3).contains(&golden.len()), "{dump:?}");
        carried.push(golden.len());
        for golden in golden {
            let event = Event::from_json(golden.event.as_bytes()).unwrap();
            // No event of the hours after the dump's.
            let time = jiff::Timestamp::from_millisecond(event.time.milliseconds()).unwrap();
            let hour = &time.to_string()[..13];
            assert!(hour <= &*dump.hour, "{hour} {dump:?}");
            let served = model.predict(&event).unwrap();
            assert!((served.probability - golden.probability).abs() < 1e-12);
        }
    }
    // A file of each hour begins with a sample.
    assert_eq!(carried[..3], [1, 2, 3]);
    assert!(carried[3..].iter().all(|&carried| carried == 3));
}

#[test]
fn a_second_run_publishes_the_same_bytes_again() {
    let job = Job::new(&stream(200));
    let first = job.run();
    assert_eq!(job.run().dumps, first.dumps);
}

#[test]
fn a_prediction_does_not_depend_on_its_own_label_or_on_later_events() {
    let events = stream(2_500);
    let cut = 1_700;
    let whole = Job::new(&events);
    whole.run();
    let mut changed = events[..=cut].to_vec();
    let line = &mut changed[cut].1;
    *line = if line.contains(r#""label":1"#) {
        line.replace(r#""label":1"#, r#""label":0"#)
    } else {
        line.replace(r#""label":0"#, r#""label":1"#)
    };
    let part = Job::new(&changed);
    part.run();
    let probability = |job: &Job, row: usize| {
        let line = job.predictions().lines().nth(row + 1).unwrap().to_owned();
        line.split(',').nth(2).unwrap().to_owned()
    };
    for row in [0, 900, cut] {
        assert_eq!(
            probability(&whole, row),
            probability(&part, row),
            "row {row}"
        );
    }
}

#[test]
fn figures_from_an_event_on_are_those_of_the_predictions() {
    let mut job = Job::new(&stream(1_000));
    job.config.evaluate_from = Some("600".to_owned());
    let evaluated = job.run().evaluated.unwrap();
    let (mut loss, mut predicted, mut observed) = (0.0, 0.0, 0.0);
    for line in job.predictions().lines().skip(601) {
        let cells: Vec<&str> = line.split(',').collect();
        let probability: f64 = cells[2].parse().unwrap();
        let label = cells[1] == "1";
        loss -= if label {
            probability.ln()
        } else {
            (1.0 - probability).ln()
        };
        predicted += probability;
        observed += f64::from(u8::from(label));
    }
    assert!((evaluated.log_loss.unwrap() - loss / 400.0).abs() < 1e-9);
    assert!((evaluated.calibration.unwrap() - predicted / observed).abs() < 1e-9);
}

#[test]
fn broken_lines_are_counted_by_reason_and_kept() {
    let mut events = stream(2_000);
    let other = events[500].1.replace(r#""HI""#, r#""TA""#);
    let no_label = events[501]
        .1
        .replace(r#""label":1,"#, "")
        .replace(r#""label":0,"#, "");
    let label_2 = events[502]
        .1
        .replace(r#""label":1"#, r#""label":2"#)
        .replace(r#""label":0"#, r#""label":2"#);
    let negative = events[503].1.replace(r#""plays":"#, r#""plays":-"#);
    let nan = events[504].1.replace(r#""plays":"#, r#""plays":NaN,"x":"#);
    for (index, line) in [
        (500, other),
        (501, no_label),
        (502, label_2),
        (503, negative),
        (504, nan),
    ] {
        events[index].1 = line;
    }
    events[505].1 = "{".to_owned();
    let job = Job::new(&events);
    let summary = job.run();
    let rejected: Vec<_> = summary
        .rejected
        .iter()
        .map(|(name, n)| (name.as_str(), *n))
        .collect();
    assert_eq!(
        rejected,
        [
            ("invalid_event", 2),
            ("no_label", 1),
            ("not_json", 2),
            ("other_language", 1)
        ]
    );
    assert_eq!(summary.events, 1_994);
    let folder = job.path("models/rejects/HI");
    let kept: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(kept.lines().count(), 6);
    assert!(kept.contains(r#""reason":"other_language""#), "{kept}");
    assert!(kept.contains("label"), "{kept}");
}

#[test]
fn too_many_broken_lines_stop_the_job_before_the_dump_of_their_hour() {
    let mut events: Vec<_> = (0..3_000)
        .map(|id| {
            let time_ms = START_MS + (id as i64) * 2_400;
            (
                time_ms,
                event(
                    id,
                    time_ms,
                    3,
                    1,
                    "#dance",
                    if id % 3 == 0 { "1" } else { "0" },
                ),
            )
        })
        .collect();
    for (_, line) in events[1_600..].iter_mut().step_by(40) {
        "not an event".clone_into(line);
    }
    let job = Job::new(&events);
    let (code, message) = job.failure();
    assert_eq!(code, 1);
    assert!(
        message.contains("lines are rejected, more than --max-reject-share 0.01"),
        "{message}"
    );
    assert!(message.contains("line 1021: not JSON"), "{message}");
    // The first hour was whole; the second is not published.
    let published: Vec<_> = models(&job.path("models")).into_keys().collect();
    assert_eq!(published.len(), 1, "{published:?}");
    assert!(
        published[0]
            .to_str()
            .unwrap()
            .contains("2022-05-04T10-1500"),
        "{published:?}"
    );
    assert!(job.path("models/rejects/HI").read_dir().unwrap().count() > 0);
}

#[test]
fn bad_input_ends_with_one_clear_message() {
    let mut job = Job::new(&stream(50));
    job.config.evaluate_from = Some("77".to_owned());
    assert_eq!(
        job.failure(),
        (
            2,
            "error: --evaluate-from 77: the stream has no such event".to_owned()
        )
    );

    let mut job = Job::new(&stream(50));
    job.config.language = "TA".to_owned();
    let (code, message) = job.failure();
    assert_eq!(code, 1);
    assert!(message.starts_with("error: DIR/events/TA: "), "{message}");

    let job = Job::new(&[(START_MS, "{}".to_owned())]);
    assert_eq!(
        job.failure(),
        (
            1,
            "error: DIR/events: no event of \"HI\" could be used, 1 lines were rejected".to_owned()
        )
    );

    let job = Job::new(&stream(50));
    std::fs::write(
        job.path("spec.toml"),
        SPEC.replace("dimension", "dimensions"),
    )
    .unwrap();
    let (code, message) = job.failure();
    assert_eq!(code, 1);
    assert!(message.contains("unknown key `dimensions`"), "{message}");
    assert!(message.contains("spec.toml:4"), "{message}");

    let job = Job::new(&stream(50));
    let file = job.path("events/HI/dt=2022-05-04/hour=10/part-00000.jsonl.zst");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 9]).unwrap();
    let (code, message) = job.failure();
    assert_eq!(code, 1);
    assert!(
        message.contains("part-00000.jsonl.zst") && message.contains("truncated"),
        "{message}"
    );
}

#[test]
fn a_model_file_alone_predicts_what_training_predicted() {
    let events = stream(1_200);
    let whole = Job::new(&events);
    whole.run();
    let expected = whole.predictions();

    // A model of the first events, then the prediction of the next one from its file alone.
    let cut = 800;
    let mut part = Job::new(&events[..cut]);
    let dump = part.run().dumps.pop().unwrap();
    let next = part.path("next.jsonl");
    std::fs::write(&next, &events[cut].1).unwrap();
    part.config.threads = 1;
    let mut csv = Vec::new();
    predict::predict(&PredictConfig::new(&dump.path, &next), &mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    let served: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    let trained: Vec<&str> = expected.lines().nth(cut + 1).unwrap().split(',').collect();
    assert_eq!(served[0], trained[0]);
    let difference = served[1].parse::<f64>().unwrap() - trained[2].parse::<f64>().unwrap();
    // The learner's members are folded into one `f32` weight a position.
    assert!(difference.abs() < 1e-5, "{served:?} {trained:?}");
}

/// Event files, and files of chunks, below a folder.
fn count(folder: &Path, extension: &str) -> usize {
    let mut folders = vec![folder.to_owned()];
    let mut found = 0;
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let matches = path.extension().is_some_and(|found| found == extension);
            found += usize::from(matches);
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

#[test]
fn encoded_events_from_the_cache_give_the_bytes_of_the_text() {
    let mut events = stream(3_000);
    events[700].1 = "{".to_owned();
    events[2_999].1 = events[2_999].1.replace(r#""label":"#, r#""label":3,"l":"#);
    let mut job = Job::new(&events);
    let rejects = |job: &Job| -> Vec<String> {
        let folder = Path::new(&job.config.output).join("rejects/HI");
        let mut files: Vec<_> = (std::fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let texts = files
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap());
        texts.collect()
    };
    job.run();
    let (models_of_text, rejects_of_text) = (models(&job.path("models")), rejects(&job));
    let predictions = job.predictions();
    assert_eq!(rejects_of_text.concat().lines().count(), 2);

    let cache = job.path("cache");
    job.config.cache = Some(cache.clone());
    for (run, threads) in [("written", 2), ("used", 2), ("used-by-one", 1)] {
        job.config.threads = threads;
        job.config.output = job.path(run).to_str().unwrap().to_owned();
        let summary = job.run();
        assert_eq!(summary.rejected.values().sum::<u64>(), 2);
        assert!(models(&job.path(run)) == models_of_text, "{run}");
        assert_eq!(rejects(&job), rejects_of_text, "{run}");
        assert_eq!(job.predictions(), predictions, "{run}");
        assert_eq!(count(&cache, "arrow"), count(&job.path("events"), "zst"));
    }

    // The text is not read: only its name, length and time of change are looked at.
    let file = job.path("events/HI/dt=2022-05-04/hour=10/part-00000.jsonl.zst");
    let (bytes, modified) = (
        std::fs::read(&file).unwrap(),
        file.metadata().unwrap().modified().unwrap(),
    );
    let touch = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let file = std::fs::File::options().write(true).open(&file).unwrap();
        file.set_modified(modified).unwrap();
    };
    touch(&vec![b'x'; bytes.len()]);
    job.config.output = job.path("unread").to_str().unwrap().to_owned();
    job.run();
    assert!(models(&job.path("unread")) == models_of_text);
    // Of another length it is read.
    touch(b"x");
    assert_eq!(job.failure().0, 1);
    touch(&bytes);

    // Chunks that are damaged, or of another spec, are not used.
    let mut chunks = vec![cache.clone()];
    while let Some(next) = chunks.pop() {
        if next.is_dir() {
            chunks.extend(next.read_dir().unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let mut bytes = std::fs::read(&next).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(&next, bytes).unwrap();
        }
    }
    job.config.output = job.path("damaged").to_str().unwrap().to_owned();
    job.run();
    assert!(models(&job.path("damaged")) == models_of_text);
    std::fs::write(job.path("spec.toml"), SPEC.replace("log1p", "none")).unwrap();
    job.config.output = job.path("other-spec").to_str().unwrap().to_owned();
    job.run();
    assert!(models(&job.path("other-spec")) != models_of_text);
    job.config.cache = None;
    let with_cache = models(&job.path("other-spec"));
    job.config.output = job.path("other-spec-text").to_str().unwrap().to_owned();
    job.run();
    assert!(models(&job.path("other-spec-text")) == with_cache);
}

#[test]
fn a_cache_that_cannot_be_written_does_not_stop_the_run() {
    let mut job = Job::new(&stream(200));
    std::fs::write(job.path("cache"), "a file").unwrap();
    let plain = job.run();
    job.config.cache = Some(job.path("cache"));
    assert_eq!(job.run().dumps, plain.dumps);
}
