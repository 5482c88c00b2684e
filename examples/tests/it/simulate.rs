//! The made-up app: the same bytes everywhere, and a log that fits its truth.

use std::collections::HashMap;
use std::path::Path;

use pipeline::compressed::Compression;
use pipeline::progress::Progress;
use pipeline::simulate::{self, FESTIVALS, SimulateConfig};

fn small() -> SimulateConfig {
    let mut config = SimulateConfig::default();
    config.plays = 20_000;
    config.users = 500;
    config.videos = 200;
    config.hashtags = 40;
    config
}

fn cells(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, config: &SimulateConfig| {
        let done = simulate::run(config, &folder.path().join(name), Progress::silent()).unwrap();
        [done.plays, done.users, done.videos, done.truth].map(|path| std::fs::read(path).unwrap())
    };
    let first = run("first", &small());
    assert!(first == run("second", &small()));
    let mut other = small();
    other.seed = 8;
    assert!(first[0] != run("other", &other)[0]);
}

#[test]
fn the_first_bytes_are_those_of_every_platform() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small();
    config.plays = 3;
    let done = simulate::run(&config, folder.path(), Progress::silent()).unwrap();
    let plays = std::fs::read_to_string(done.plays).unwrap();
    let truth = std::fs::read_to_string(done.truth).unwrap();
    assert_eq!(
        format!("{plays}{truth}"),
        include_str!("../data/simulate.golden.csv")
    );
}

#[test]
fn plays_are_in_order_and_of_users_and_videos_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let config = small();
    let done = simulate::run(&config, folder.path(), Progress::silent()).unwrap();
    let plays = cells(&done.plays);
    assert_eq!(plays.len(), 20_000);
    let times: Vec<i64> = plays.iter().map(|play| play[1].parse().unwrap()).collect();
    assert!(times.is_sorted());
    let start = config.start.as_millisecond();
    assert!(times[0] >= start && times[19_999] < start + 96 * 3_600_000);
    for play in &plays {
        assert!(play[2].parse::<u32>().unwrap() < 500 && play[3].parse::<u32>().unwrap() < 200);
    }
}

#[test]
fn likes_fit_the_true_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let done = simulate::run(&small(), folder.path(), Progress::silent()).unwrap();
    let (plays, truth) = (cells(&done.plays), cells(&done.truth));
    let (mut likes, mut expected, mut variance, mut loss) = (0.0, 0.0, 0.0, 0.0);
    for (play, truth) in plays.iter().zip(&truth) {
        assert_eq!(play[0], truth[0]);
        let probability: f64 = truth[1].parse().unwrap();
        let liked = play[7] == "1";
        likes += f64::from(u8::from(liked));
        expected += probability;
        variance += probability * (1.0 - probability);
        loss -= (if liked {
            probability
        } else {
            1.0 - probability
        })
        .ln();
    }
    // Within four standard deviations of what was drawn.
    assert!(
        (likes - expected).abs() < 4.0 * variance.sqrt(),
        "{likes} likes, {expected} expected"
    );
    assert!((likes - done.likes as f64).abs() < 0.5);
    // The file holds nine decimals of each probability.
    assert!((loss / 20_000.0 - done.true_log_loss).abs() < 1e-6);
    // The like rate asked for is 0.1; the bias is solved on a sample of 4,096 plays.
    assert!((0.08..0.12).contains(&(expected / 20_000.0)), "{expected}");
}

#[test]
fn popularity_is_uneven_as_zipf_says() {
    let folder = tempfile::tempdir().unwrap();
    let done = simulate::run(&small(), folder.path(), Progress::silent()).unwrap();
    let mut counts: HashMap<String, u32> = HashMap::new();
    for play in cells(&done.plays) {
        *counts.entry(play[2].clone()).or_insert(0) += 1;
    }
    // Users' activity falls with the square root of the rank: the first has 10 times the hundredth.
    let ratio = f64::from(counts["0"]) / f64::from(counts["99"]);
    assert!((7.0..14.0).contains(&ratio), "{ratio}");
}

#[test]
fn the_calendar_of_the_demo_is_the_simulated_one() {
    let path = format!("{}/config/demo/festivals.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let simulated: Vec<String> = FESTIVALS
        .iter()
        .map(|(date, name)| format!("{date} {name}"))
        .collect();
    assert_eq!(lines, simulated);
}

#[test]
fn compressed_files_hold_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small();
    config.plays = 100;
    let plain = simulate::run(&config, &folder.path().join("plain"), Progress::silent()).unwrap();
    config.compression = Compression::Zstd;
    let packed = simulate::run(&config, &folder.path().join("packed"), Progress::silent()).unwrap();
    let unpacked = zstd::decode_all(std::fs::File::open(packed.plays).unwrap()).unwrap();
    assert_eq!(unpacked, std::fs::read(plain.plays).unwrap());
}

#[test]
fn settings_out_of_range_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let mut rate = small();
    rate.like_rate = f64::NAN;
    let mut start = small();
    start.start = "2023-11-10T00:00:01Z".parse().unwrap();
    let mut end = small();
    end.start = "9999-12-30T00:00:00Z".parse().unwrap();
    for config in [rate, start, end] {
        let failure = simulate::run(&config, folder.path(), Progress::silent()).unwrap_err();
        assert_eq!(failure.exit_code(), 2, "{}", failure.render());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
