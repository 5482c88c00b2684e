//! The committed KuaiRand config on four plays, against numbers worked out by hand.

use std::collections::BTreeMap;
use std::path::Path;

use feature_spec::{Encoder, FeatureSpec, LoadOptions, Row};
use pipeline::progress::Progress;
use pipeline::vocabulary::{self, VocabularyConfig};

use crate::log::Log;

const USERS: &str = "user_id,user_active_degree,follow_user_num,fans_user_num,friend_user_num,\
    register_days,onehot_feat0,onehot_feat1,onehot_feat2,onehot_feat6\n\
    7,full_active,65,58,0,891,1,4,10,1\n\
    8,high_active,3,1,2,30,0,2,11,0\n";
const VIDEOS: &str = "video_id,author_id,upload_type,tag,video_duration,server_width,server_height\n\
    1,500,LongImport,\"3,9\",87433,720,1280\n\
    2,500,ShortImport,3,9233,1280,720\n";
/// Seconds 1,000 to 4,000; user 7 watches video 1 again in the last.
const PLAYS: &str = "time_ms,user_id,video_id,tab,is_like,long_view\n\
    1000000,7,1,1,1,1\n\
    2000000,7,2,1,0,0\n\
    3000000,8,1,0,0,0\n\
    4000000,7,1,1,0,0\n";

fn config(name: &str) -> String {
    format!("{}/config/kuairand/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn log() -> Log {
    let log = Log::with(
        &std::fs::read_to_string(config("mapping.toml")).unwrap(),
        &[],
    );
    log.write("users.csv", USERS);
    log.write("videos.csv", VIDEOS);
    log.write("plays.csv", PLAYS);
    log
}

fn spec(log: &Log) -> FeatureSpec {
    let mut vocabularies = VocabularyConfig::new(
        log.path("mapping.toml"),
        log.path("plays.csv"),
        log.path("vocabularies"),
    );
    vocabularies.users = Some(log.path("users.csv"));
    vocabularies.videos = Some(log.path("videos.csv"));
    vocabulary::run(&vocabularies, Progress::silent()).unwrap();
    let mut options = LoadOptions::default();
    options.vocabularies = Some(log.path("vocabularies"));
    FeatureSpec::from_path(Path::new(&config("spec.toml")), &options)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The last event as a row, by name; the hashed shape of the video is left out.
fn last_row() -> BTreeMap<String, f32> {
    let log = log();
    let spec = spec(&log);
    let events = log.events();
    let mut row = Row::default();
    Encoder::new(&spec)
        .encode(events.last().unwrap(), &mut row)
        .unwrap();
    let names = row.positions().iter().map(|p| spec.describe(*p));
    let mut named: BTreeMap<_, _> = names.zip(row.values().iter().copied()).collect();
    let shapes = named.len();
    named.retain(|name, _| !name.starts_with("item/shape"));
    assert_eq!(shapes - named.len(), 1, "one shape");
    named
}

#[test]
fn the_kuairand_config_makes_the_row_that_it_describes() {
    // What is left after 3,000 and 2,000 seconds with a half-life of 1,800.
    let (first, second) = (0.5_f64.powf(3000.0 / 1800.0), 0.5_f64.powf(2000.0 / 1800.0));
    let rate = |liked: f64, plays: f64| ((liked + 0.0525) / (plays + 3.0)).ln();
    let numbers = [
        ("user/habit/like_rate", rate(1.0, 2.0)),
        ("user/habit/long_view_rate", (1.93_f64 / 5.0).ln()),
        ("user/habit/since_last", 2000.0),
        (
            "user/sitting/cautious_like_log_rate",
            ((first + 0.175) / (first + second + 10.0)).ln(),
        ),
        ("item/liked/like_rate", rate(1.0, 2.0)),
        ("item/author_liked/like_rate", rate(1.0, 3.0)),
        // #3 has 3 plays and a like, #9 has 2 and a like: added up before the rate is taken.
        ("item/hashtag_liked/like_rate", rate(2.0, 5.0)),
        ("event/tab_liked/like_rate", rate(1.0, 2.0)),
        ("event/habit_with_hashtag/like_rate", rate(2.0, 3.0)),
        ("event/habit_with_upload_type/like_rate", rate(1.0, 1.0)),
    ];
    let ones = [
        "user/id=7",
        "user/active_degree=full_active",
        "user/onehot_feat0=1",
        "user/onehot_feat1=4",
        "user/onehot_feat2=10",
        "user/onehot_feat6=1",
        "user/follows/64..128",
        "user/fans/32..64",
        "user/friends/<1",
        "user/days_registered/512..1024",
        "item/id=1",
        "item/author=500",
        "item/hashtag=3",
        "item/hashtag=9",
        "item/upload_type=LongImport",
        "item/duration/64..128",
        "event/tab=1",
        // (1 + 0.175) / (2 + 10) = 0.098
        "event/habit_in_tab=0.08..0.1",
    ];
    let row = last_row();
    for (name, expected) in numbers {
        let actual = f64::from(
            *row.get(name)
                .unwrap_or_else(|| panic!("{name} in {row:#?}")),
        );
        assert!(
            (actual - expected).abs() <= 1e-6 * expected.abs(),
            "{name}: {actual}, {expected}"
        );
    }
    for name in ones {
        let one = row
            .get(name)
            .unwrap_or_else(|| panic!("{name} in {row:#?}"));
        assert_eq!(one.to_bits(), 1.0_f32.to_bits(), "{name}");
    }
    assert_eq!(row.len(), numbers.len() + ones.len(), "{row:#?}");
}

#[test]
fn a_newcomer_has_no_history_but_a_bucket() {
    let log = log();
    let spec = spec(&log);
    let events = log.events();
    let mut row = Row::default();
    Encoder::new(&spec).encode(&events[0], &mut row).unwrap();
    let names: Vec<String> = row.positions().iter().map(|p| spec.describe(*p)).collect();
    let history = names
        .iter()
        .filter(|n| n.contains("habit") || n.contains("_rate"));
    // 0.175 / 10, the base rate
    assert_eq!(
        history.collect::<Vec<_>>(),
        ["event/habit_in_tab=0.016..0.02"]
    );
}
