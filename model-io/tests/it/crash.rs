//! Kill −9 at random moments of publishing and of checkpoints, on a local disk.
//!
//! The workers are this test binary started again. A toy run learns from 60 files of 10 events; a
//! right protocol counts 600 whatever dies when. The naive protocol, model and list of files in two
//! objects, is run beside it and must fail, or the test proves nothing.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model_io::{
    Blocking, Checkpoint, ConsumedFile, Location, PublishOptions, Registry, Snapshot, Version,
};

use crate::common::sparse;

const FILES: u64 = 60;
const EVENTS: u64 = 10;
const FILES_PER_MODEL: u64 = 4;
const ROOT: &str = "MODEL_IO_CRASH_ROOT";
const PROTOCOL: &str = "MODEL_IO_CRASH_PROTOCOL";

/// What a worker does until it is done or killed; returns at once in an ordinary run of the tests.
#[test]
fn worker() {
    let Ok(root) = std::env::var(ROOT) else {
        return;
    };
    match std::env::var(PROTOCOL).unwrap().as_str() {
        "one-object" => one_object(&root),
        _ => naive(Path::new(&root)),
    }
}

fn one_object(root: &str) {
    let blocking = Blocking::new().unwrap();
    let registry = Registry::open(Location::parse(root).unwrap());
    blocking.run(async {
        let log = registry.checkpoints("HI").unwrap();
        let (mut writer, state) = log.take_over().await.unwrap();
        let mut state = state.unwrap_or_default();
        loop {
            // A trainer that died after a checkpoint and before its publish publishes now.
            let consumed = state.progress.consumed.len() as u64;
            if consumed > 0 && consumed.is_multiple_of(FILES_PER_MODEL) {
                let mut options = PublishOptions::default();
                options.epoch = writer.epoch();
                let snapshot = numbered(state.progress.events_learned);
                registry.publish(&snapshot, &options).await.unwrap();
            }
            if consumed == FILES {
                break;
            }
            let key = format!("file-{consumed:03}");
            state.progress.consumed.push(ConsumedFile {
                key,
                size: EVENTS,
                tag: None,
            });
            state.progress.events_learned += EVENTS;
            writer.commit(&mut state).await.unwrap();
        }
    });
}

fn numbered(events: u64) -> Snapshot {
    let mut snapshot = sparse();
    snapshot.info.events_learned = events;
    snapshot.info.version = Version::of_model(None, 0, events).unwrap();
    snapshot
}

/// The model first, then the list of files: each write is atomic, the two together are not.
fn naive(root: &Path) {
    let read = |name| -> u64 {
        std::fs::read_to_string(root.join(name)).map_or(0, |text| text.parse().unwrap())
    };
    let write = |name: &str, number: u64| {
        let hidden = root.join(format!(".{name}"));
        std::fs::write(&hidden, number.to_string()).unwrap();
        std::fs::File::open(&hidden).unwrap().sync_all().unwrap();
        std::fs::rename(hidden, root.join(name)).unwrap();
    };
    while read("files") < FILES {
        write("model", read("model") + EVENTS);
        std::thread::sleep(Duration::from_millis(1));
        write("files", read("files") + 1);
    }
}

/// Starts workers one after the other, kills each after a moment, lets the last one finish.
/// Returns the number of kills.
fn run_with_kills(root: &Path, protocol: &str, most: u32) -> u32 {
    let mut pause = Duration::from_millis(15);
    for kill in 0..most {
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::worker"])
            .env(ROOT, root)
            .env(PROTOCOL, protocol)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        // Moments differ from run to run; they grow, so that the run makes progress and ends.
        pause = pause.mul_f64(1.02) + Duration::from_micros(u64::from(kill) * 37 % 900);
        loop {
            if let Some(status) = worker.try_wait().unwrap() {
                assert!(status.success(), "a worker failed by itself");
                return kill;
            }
            if started.elapsed() > pause {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        // SIGKILL: nothing is flushed, no destructor runs.
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    panic!("not done after {most} kills");
}

#[test]
fn killed_runs_count_every_event_once_and_publish_every_model_once() {
    let folder = tempfile::tempdir().unwrap();
    let kills = run_with_kills(folder.path(), "one-object", 2000);
    assert!(kills > 5, "only {kills} kills");
    let registry = Registry::open(Location::parse(folder.path().to_str().unwrap()).unwrap());
    Blocking::new().unwrap().run(async {
        let log = registry.checkpoints("HI").unwrap();
        let (_, state): (u64, Checkpoint) = log.latest().await.unwrap().unwrap();
        assert_eq!(state.progress.events_learned, FILES * EVENTS);
        let mut keys: Vec<_> = state
            .progress
            .consumed
            .iter()
            .map(|file| &file.key)
            .collect();
        keys.dedup();
        assert_eq!(keys.len() as u64, FILES);
        assert!(state.progress.epoch > 5, "commits happened between kills");

        let commits = registry.commits("HI").await.unwrap();
        let versions: Vec<_> = commits.into_iter().map(|commit| commit.version).collect();
        let expected = (1..=FILES / FILES_PER_MODEL)
            .map(|model| numbered(model * FILES_PER_MODEL * EVENTS).info.version);
        assert_eq!(
            versions,
            expected.collect::<Vec<_>>(),
            "each model once, none lost"
        );
        let report = registry.verify("HI").await.unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    });
}

#[test]
fn the_naive_protocol_counts_wrong_so_the_test_can_fail() {
    let wrong = (0..5).any(|_| {
        let folder = tempfile::tempdir().unwrap();
        run_with_kills(folder.path(), "naive", 2000);
        let counted = std::fs::read_to_string(folder.path().join("model")).unwrap();
        counted != (FILES * EVENTS).to_string()
    });
    assert!(wrong, "kills never fell between the two writes");
}
