//! Statistics of a stream of events: by hand, on any number of threads, and day by day.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pipeline::event_files::{EventFilesConfig, EventWriter};
use pipeline::population::{self, PopulationConfig};
use pipeline::progress::Progress;
use tempfile::TempDir;

const DAY_MS: i64 = 86_400_000;

const SPEC: &str = r#"
format = 1
name = "small"
language = "HI"
dimension = 10
counters = ["plays"]

[user.watched]
history = "user.all"
metrics = ["plays"]
scale = "z_score"

[item.watched]
history = "item.all"
metrics = ["plays"]
transform = "log1p"
scale = "z_score"
"#;

/// Plays of user and item before each event: day, user, its plays, item, its plays.
const EVENTS: [(i64, &str, u32, &str, u32); 6] = [
    (0, "ann", 3, "x", 0),
    (0, "bob", 1, "y", 7),
    (0, "ann", 4, "y", 8),
    (1, "ann", 9, "x", 1),
    (1, "eve", 0, "x", 2),
    (2, "bob", 2, "z", 5),
];

/// A folder with a spec and the event files of some days.
fn stream() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spec.toml"), SPEC).unwrap();
    let events = folder.path().join("events");
    let mut writer = EventWriter::new(&events, "HI", EventFilesConfig::default()).unwrap();
    for (number, (day, user, user_plays, item, item_plays)) in (0_i64..).zip(EVENTS) {
        let time = jiff::Timestamp::from_millisecond(day * DAY_MS + number).unwrap();
        let mut line = String::new();
        write!(
            line,
            r#"{{"event_id":"{number}","time":"{}","language":"HI","label":0,
               "user":{{"id":"{user}","history":{{"all":{{"":{{"plays":{user_plays}}}}}}}}},
               "item":{{"id":"{item}","history":{{"all":{{"":{{"plays":{item_plays}}}}}}}}}}}"#,
            time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        )
        .unwrap();
        let line = line.replace('\n', "");
        writer
            .write(time.as_millisecond(), line.as_bytes())
            .unwrap();
    }
    writer.finish().unwrap();
    folder
}

fn config(folder: &Path, output: &str) -> PopulationConfig {
    let at = |name: &str| -> PathBuf { folder.join(name) };
    PopulationConfig::new(at("events"), at("spec.toml"), "HI", at(output))
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn users_and_items_count_with_their_latest_row() {
    let folder = stream();
    let folder = folder.path();
    let summary = population::run(&config(folder, "all.zpop"), Progress::silent()).unwrap();
    assert_eq!((summary.events, summary.positions), (6, 2));
    let spec = population::load_spec(&folder.join("spec.toml"), None).unwrap();
    let found = population::read(&folder.join("all.zpop"), &spec).unwrap();
    // ann 9, bob 2, eve 0; x 2, y 8, z 5.
    let at = |name: &str| spec.features().position(|feature| feature == name).unwrap();
    assert_eq!(at("user/watched"), 0);
    assert_eq!((found.size(0), found.size(1)), (3, 3));
    assert_eq!(found.population_variance(0), Some(134.0 / 9.0));
    let expected = (3.0_f64.ln() + 9.0_f64.ln() + 6.0_f64.ln()) / 3.0;
    assert!((found.mean(1).unwrap() - expected).abs() < 1e-7);

    let list = folder.join("list.csv");
    population::list(&list, &spec, &found).unwrap();
    let text = std::fs::read_to_string(list).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(
        text.starts_with("position,feature,rows,nonzeros,mean,std_dev\n0,"),
        "{text}"
    );
    assert!(text.contains(",3,2,3.666666666666"), "{text}");
}

#[test]
fn any_number_of_threads_and_any_split_into_runs_give_the_same_bytes() {
    let folder = stream();
    let folder = folder.path();
    let mut whole = config(folder, "one.zpop");
    whole.threads = 1;
    whole.daily = Some(folder.join("daily"));
    whole.state = Some(folder.join("whole.state"));
    population::run(&whole, Progress::silent()).unwrap();
    let mut threads = config(folder, "four.zpop");
    threads.threads = 4;
    population::run(&threads, Progress::silent()).unwrap();
    assert_eq!(bytes(folder, "one.zpop"), bytes(folder, "four.zpop"));
    assert_eq!(
        bytes(folder, "one.zpop"),
        bytes(folder, "daily/dt=1970-01-03.zpop")
    );

    // A run a day, each continuing where the last one ended.
    for (day, name) in (0..3).zip(["01", "02", "03"]) {
        let mut daily = config(folder, "day.zpop");
        daily.days = day..day + 1;
        daily.state = Some(folder.join("state"));
        population::run(&daily, Progress::silent()).unwrap();
        assert_eq!(
            bytes(folder, "day.zpop"),
            bytes(folder, &format!("daily/dt=1970-01-{name}.zpop"))
        );
    }
    assert_eq!(bytes(folder, "state"), bytes(folder, "whole.state"));
}

#[test]
fn a_damaged_state_and_days_without_events_are_refused() {
    let folder = stream();
    let folder = folder.path();
    let mut first = config(folder, "day.zpop");
    first.days = 0..1;
    first.state = Some(folder.join("state"));
    population::run(&first, Progress::silent()).unwrap();
    let good = bytes(folder, "state");
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        std::fs::write(folder.join("state"), damaged).unwrap();
        assert!(
            population::run(&first, Progress::silent()).is_err(),
            "byte {at}"
        );
    }
    let mut empty = config(folder, "none.zpop");
    empty.days = 7..9;
    let error = population::run(&empty, Progress::silent()).unwrap_err();
    assert!(
        error.render().contains("holds no event file of these days"),
        "{}",
        error.render()
    );
    assert!(!folder.join("none.zpop").exists());
}

#[test]
fn drift_between_two_days_names_features() {
    let folder = stream();
    let folder = folder.path();
    for (day, name) in [(0, "a.zpop"), (1, "b.zpop")] {
        let mut config = config(folder, name);
        config.days = day..day + 1;
        population::run(&config, Progress::silent()).unwrap();
    }
    let spec = population::load_spec(&folder.join("spec.toml"), None).unwrap();
    let (before, after) = (folder.join("a.zpop"), folder.join("b.zpop"));
    let text = population::compare(&spec, &before, &after, 5).unwrap();
    assert!(text.starts_with("2 positions compared"), "{text}");
    assert!(text.contains("watched"), "{text}");
}

#[cfg(feature = "parquet")]
#[test]
fn the_parquet_list_says_what_the_csv_list_says() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    let folder = stream();
    let folder = folder.path();
    population::run(&config(folder, "all.zpop"), Progress::silent()).unwrap();
    let spec = population::load_spec(&folder.join("spec.toml"), None).unwrap();
    let found = population::read(&folder.join("all.zpop"), &spec).unwrap();
    population::list(&folder.join("list.parquet"), &spec, &found).unwrap();
    population::list(&folder.join("list.csv"), &spec, &found).unwrap();
    let file = std::fs::File::open(folder.join("list.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let mut text = String::from("position,feature,rows,nonzeros,mean,std_dev\n");
    for row in reader.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let whole = |at| row.get_long(at).unwrap();
        let real = |at| row.get_double(at).unwrap();
        let name = row.get_string(1).unwrap();
        writeln!(
            text,
            "{},{name},{},{},{},{}",
            whole(0),
            whole(2),
            whole(3),
            real(4),
            real(5)
        )
        .unwrap();
    }
    assert_eq!(
        text,
        std::fs::read_to_string(folder.join("list.csv")).unwrap()
    );
}
