//! Following an input: what is read and what is not, when it ends, and that it is said.

use std::time::Duration;

use pipeline::progress::Progress;
use pipeline::train;

use crate::following::{HOUR_MS, Input};
use crate::train::{SPEC, START_MS};

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
fn files_of_a_store_that_are_fetched_ahead_give_the_bytes_of_those_on_a_disk() {
    let mut disk = Input::new();
    disk.appear(0..20);
    disk.follow(20.0);
    let expected = disk.models();
    for follow in [true, false] {
        let mut store = Input::new();
        store.appear(0..20);
        store.config.input = format!("file://{}", store.path("events").display()).into();
        store.config.follow = follow;
        let summary = if follow {
            store.follow(20.0)
        } else {
            train::train(&store.config, Progress::silent()).unwrap()
        };
        assert_eq!(summary.files.unwrap().consumed, 20);
        let mut models = store.models();
        models.retain(|name, _| expected.contains_key(name));
        assert_eq!(models.len(), 19);
        assert!(models == expected, "the models differ: follow {follow}");
    }
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
