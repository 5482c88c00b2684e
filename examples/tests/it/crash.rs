//! Kill −9 at random moments of a run that follows its input: the models are those of a run that
//! nobody disturbed, byte for byte.
//!
//! The trainers are this test binary started again, each of which runs the real loop on a real
//! folder. Files appear while they run. Two controls show that the test can fail: states torn the
//! way two separate commits (model and list of files) tear them must end in other models.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use model_io::{Blocking, Checkpoint, Location, Registry};
use pipeline::event_files::{self, EventFilesConfig, EventWriter};
use pipeline::progress::Progress;
use pipeline::train::{self, TrainConfig};

use crate::train::{SPEC, START_MS, models, stream};

const ROOT: &str = "PIPELINE_CRASH_ROOT";
const OUTPUT: &str = "PIPELINE_CRASH_OUTPUT";
const HOUR_MS: i64 = 3_600_000;
/// Number of kills of [`many_kills`].
const KILLS: &str = "PIPELINE_CRASH_KILLS";

/// What a trainer does until it is done or killed; returns at once in an ordinary run of the tests.
#[test]
fn worker() {
    let (Ok(root), Ok(output)) = (std::env::var(ROOT), std::env::var(OUTPUT)) else {
        return;
    };
    let config = config(Path::new(&root), output);
    #[cfg(unix)]
    config.stop.on_signals().unwrap();
    let code = match train::train(&config, Progress::silent()) {
        Ok(_) => 0,
        Err(failure) => {
            eprintln!("{}", failure.render());
            failure.exit_code()
        }
    };
    std::process::exit(i32::from(code));
}

fn config(root: &Path, output: String) -> TrainConfig {
    let mut config = TrainConfig::new(root.join("events"), root.join("spec.toml"), "HI", output);
    config.threads = 2;
    config.follow = true;
    config.poll = Duration::from_millis(20);
    config.checkpoint = true;
    config.checkpoint_every = Duration::from_millis(30);
    config.dump_every = Duration::from_secs(6 * 3_600);
    // Every third dump is judged, from what was counted over as many restarts.
    (config.gate.min_events, config.gate.min_positives) = (500, 50);
    config.until_hour = Some(last_hour());
    config
}

/// An hour after all events, whose file ends a run.
fn last_hour() -> i64 {
    (START_MS + events() as i64 * 97_000).div_euclid(HOUR_MS) + 2
}

/// Events of four and a half days in the short run, 22 in the long one; a file for each hour.
fn events() -> usize {
    if std::env::var_os(KILLS).is_some() {
        20_000
    } else {
        4_000
    }
}

/// A folder with events, some of them broken, that appear when [`appear`](Self::appear) says so.
struct Stage {
    folder: tempfile::TempDir,
    waiting: Vec<PathBuf>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spec.toml"), SPEC).unwrap();
        let all = folder.path().join("all");
        let mut writer = EventWriter::new(&all, "HI", EventFilesConfig::default()).unwrap();
        for (index, (time_ms, line)) in stream(events()).into_iter().enumerate() {
            let line = if index % 501 == 500 {
                "{".to_owned()
            } else {
                line
            };
            writer.write(time_ms, line.as_bytes()).unwrap();
        }
        writer.write(last_hour() * HOUR_MS, b"{}").unwrap();
        writer.finish().unwrap();
        let waiting = event_files::list(&all, "HI").unwrap();
        Self { folder, waiting }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts the first files that wait into the trainer's folder.
    fn appear(&mut self, files: usize) {
        for file in self.waiting.drain(..files.min(self.waiting.len())) {
            let name = file.strip_prefix(self.folder.path().join("all")).unwrap();
            let place = self.folder.path().join("events").join(name);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::rename(file, place).unwrap();
        }
    }

    fn start(&self, output: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::worker", "--nocapture"])
            .env(ROOT, self.folder.path())
            .env(OUTPUT, self.path(output))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn registry(&self, output: &str) -> Registry {
        Registry::open(Location::parse(self.path(output).to_str().unwrap()).unwrap())
    }

    fn newest(&self, output: &str) -> Option<(u64, Checkpoint)> {
        let log = self.registry(output).checkpoints("HI").unwrap();
        Blocking::new().unwrap().run(log.latest()).unwrap()
    }

    /// Everything that must not depend on what happened to the trainers.
    fn outcome(&self, output: &str) -> Outcome {
        let folder = self.path(output);
        let registry = self.registry(output);
        let blocking = Blocking::new().unwrap();
        let commits = blocking.run(registry.commits("HI")).unwrap();
        let report = blocking.run(registry.verify("HI")).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        let mut rejects = BTreeMap::new();
        for part in std::fs::read_dir(folder.join("rejects/HI")).unwrap() {
            let part = part.unwrap().path();
            // A killed write leaves `part-….jsonl#1` behind.
            if part
                .extension()
                .is_none_or(|extension| extension != "jsonl")
            {
                continue;
            }
            let text = std::fs::read_to_string(part).unwrap();
            for line in text
                .replace(self.folder.path().to_str().unwrap(), "DIR")
                .lines()
            {
                *rejects.entry(line.to_owned()).or_insert(0) += 1;
            }
        }
        let (_, last) = self.newest(output).unwrap();
        Outcome {
            models: models(&folder.join("models")),
            versions: commits
                .into_iter()
                .map(|commit| commit.version.to_string())
                .collect(),
            rejects,
            events: last.progress.events_learned,
            learner: last.learner,
            recent: last.parts["recent-population"].clone(),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    models: BTreeMap<PathBuf, Vec<u8>>,
    versions: Vec<String>,
    rejects: BTreeMap<String, u32>,
    events: u64,
    learner: lr_core::LearnerState,
    /// What the gate has counted since it last judged.
    recent: Vec<u8>,
}

/// What a run gives that nobody disturbs.
fn undisturbed() -> &'static Outcome {
    static OUTCOME: OnceLock<Outcome> = OnceLock::new();
    OUTCOME.get_or_init(run_undisturbed)
}

fn run_undisturbed() -> Outcome {
    let mut stage = Stage::new();
    stage.appear(usize::MAX);
    let status = stage.start("calm").wait().unwrap();
    assert!(status.success(), "{status}");
    let outcome = stage.outcome("calm");
    assert_eq!(outcome.events, (events() - events() / 501) as u64);
    assert!(outcome.versions.len() > 15, "{:?}", outcome.versions);
    assert!(outcome.rejects.values().all(|&times| times == 1));
    outcome
}

/// Numbers that differ from run to run.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}

/// How a run went that was killed again and again.
#[derive(Debug, Default)]
struct Kills {
    kills: u32,
    /// Kills after which the newest checkpoint held more events than at the kill before.
    with_progress: u32,
    epochs: BTreeSet<u64>,
}

/// Starts trainers one after the other and kills each after a moment until `most` are killed, while
/// files appear; then lets one finish.
fn run_with_kills(stage: &mut Stage, output: &str, most: u32) -> Kills {
    let mut result = Kills::default();
    let files = stage.waiting.len();
    let mut learned = 0;
    // A start takes a moment of its own, longer on a busy machine: measured, not guessed.
    let mut life = Duration::from_millis(60);
    while result.kills < most {
        // The last file ends a run, so it has to wait for the last trainer.
        let next = files.div_ceil(most as usize * 3 / 4);
        stage.appear(next.min(stage.waiting.len() - 1));
        let mut trainer = stage.start(output);
        std::thread::sleep(life.mul_f64(0.5 + (random() % 1_000) as f64 / 1_000.0));
        let status = trainer.try_wait().unwrap();
        assert!(status.is_none(), "a trainer ended by itself: {status:?}");
        // SIGKILL: nothing is flushed, no destructor runs.
        trainer.kill().unwrap();
        trainer.wait().unwrap();
        result.kills += 1;
        let Some((_, newest)) = stage.newest(output) else {
            life = life.mul_f64(1.2);
            continue;
        };
        result.epochs.insert(newest.progress.epoch);
        let now = newest.progress.events_learned;
        if now > learned {
            result.with_progress += 1;
        } else if result.with_progress * 2 < result.kills {
            life = life.mul_f64(1.2);
        }
        learned = now;
    }
    stage.appear(usize::MAX);
    let status = stage.start(output).wait().unwrap();
    assert!(status.success(), "{status}");
    result
}

fn check_kills(kills: u32) {
    let started = Instant::now();
    let expected = undisturbed();
    let calm = started.elapsed();
    let mut stage = Stage::new();
    let result = run_with_kills(&mut stage, "killed", kills);
    println!(
        "{} kills, {} of them after a checkpoint with more events, {} epochs, {:.1} s; undisturbed {:.1} s",
        result.kills,
        result.with_progress,
        result.epochs.len(),
        (started.elapsed() - calm).as_secs_f64(),
        calm.as_secs_f64()
    );
    assert_eq!(result.kills, kills);
    assert!(
        result.with_progress >= kills / 3,
        "nothing was committed between the kills: {result:?}"
    );
    let outcome = stage.outcome("killed");
    assert_eq!(outcome.versions, expected.versions);
    assert_eq!(outcome.rejects, expected.rejects);
    assert!(outcome == *expected, "the models differ");
}

#[test]
fn killed_trainers_publish_the_bytes_of_an_undisturbed_one() {
    check_kills(14);
}

/// The long run: `PIPELINE_CRASH_KILLS=200 cargo test --release -p examples --test it many_kills`.
#[test]
fn many_kills() {
    if let Ok(kills) = std::env::var(KILLS) {
        check_kills(kills.parse().unwrap());
    }
}

/// Leaves a state the way two separate commits leave it when a trainer dies between the two: parts
/// of the newest checkpoint beside others of one before.
fn tear(stage: &Stage, output: &str, older: impl Fn(&mut Checkpoint, &Checkpoint)) {
    let log = stage.registry(output).checkpoints("HI").unwrap();
    Blocking::new().unwrap().run(async {
        let sequences = log.sequences().await.unwrap();
        let (mut writer, newest) = log.clone().take_over().await.unwrap();
        let mut newest = newest.unwrap();
        let mut found = false;
        for sequence in sequences.into_iter().rev() {
            let before = log.read(sequence).await.unwrap().unwrap();
            if before.progress.events_learned < newest.progress.events_learned {
                older(&mut newest, &before);
                found = true;
                break;
            }
        }
        assert!(found, "no checkpoint before the newest");
        newest.parts.remove("pending");
        writer.commit(&mut newest).await.unwrap();
    });
}

/// Runs half of the stream, tears the state, and runs the rest.
fn torn(older: impl Fn(&mut Checkpoint, &Checkpoint)) -> Option<Outcome> {
    let mut stage = Stage::new();
    stage.appear(70);
    let mut trainer = stage.start("torn");
    let deadline = Instant::now() + Duration::from_secs(60);
    while stage
        .newest("torn")
        .is_none_or(|(_, newest)| newest.progress.events_learned < 1_000)
    {
        assert!(Instant::now() < deadline, "no progress");
        std::thread::sleep(Duration::from_millis(20));
    }
    trainer.kill().unwrap();
    trainer.wait().unwrap();
    tear(&stage, "torn", older);
    stage.appear(usize::MAX);
    let status = stage.start("torn").wait().unwrap();
    // A version that is there with other content stops a trainer, which is another way to be found.
    status.success().then(|| stage.outcome("torn"))
}

#[test]
fn model_and_list_of_files_in_two_commits_fail_the_same_check() {
    let expected = undisturbed();
    // The model first: the events of the last files are learned from twice.
    let twice = torn(|state, before| {
        state
            .parts
            .insert("run".to_owned(), before.parts["run"].clone());
    });
    assert!(
        twice.is_none_or(|outcome| outcome != *expected),
        "counted twice and not seen"
    );
    // The list of files first: their events are lost.
    let lost = torn(|state, before| {
        let run = state.parts["run"].clone();
        let progress = state.progress.clone();
        *state = before.clone();
        state.progress = progress;
        state.parts.insert("run".to_owned(), run);
    });
    assert!(
        lost.is_none_or(|outcome| outcome != *expected),
        "lost and not seen"
    );
}

#[test]
fn of_two_trainers_started_by_mistake_one_is_fenced_and_the_models_are_right() {
    let expected = undisturbed();
    let mut stage = Stage::new();
    stage.appear(40);
    let mut first = stage.start("two");
    let deadline = Instant::now() + Duration::from_secs(60);
    while stage.newest("two").is_none() {
        assert!(Instant::now() < deadline, "no checkpoint");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut second = stage.start("two");
    stage.appear(usize::MAX);
    // The one that is there may win the race for the next checkpoint when the other takes over.
    let mut codes = [first.wait().unwrap().code(), second.wait().unwrap().code()];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(3)]);
    assert!(stage.outcome("two") == *expected, "the models differ");
}

#[cfg(unix)]
#[test]
fn a_trainer_that_is_asked_to_stop_ends_in_good_order_and_goes_on_later() {
    let expected = undisturbed();
    let mut stage = Stage::new();
    for files in [30, 40] {
        stage.appear(files);
        let mut trainer = stage.start("stopped");
        let before = stage
            .newest("stopped")
            .map_or(0, |(_, state)| state.progress.events_learned);
        let deadline = Instant::now() + Duration::from_secs(60);
        while stage
            .newest("stopped")
            .is_none_or(|(_, state)| state.progress.events_learned <= before)
        {
            assert!(Instant::now() < deadline, "no progress");
            std::thread::sleep(Duration::from_millis(10));
        }
        let id = trainer.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(trainer.wait().unwrap().code(), Some(0));
    }
    stage.appear(usize::MAX);
    assert_eq!(stage.start("stopped").wait().unwrap().code(), Some(0));
    assert!(stage.outcome("stopped") == *expected, "the models differ");
}
