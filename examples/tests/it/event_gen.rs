//! Events from plays: what they hold, that they know the past alone, and what is done to bad input.

use feature_spec::{Event, HistorySnapshot};
use proptest::prelude::*;

use crate::log::{HEADER, Log, MAPPING, VIDEOS};

fn counters(history: &HistorySnapshot<'_>, group: &str, key: &str) -> Vec<(String, f64)> {
    let counters = history.get(group, key);
    let pairs = counters.iter().flat_map(|counters| counters.iter());
    pairs
        .map(|(name, number)| (name.to_owned(), number))
        .collect()
}

fn pairs(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    expected
        .iter()
        .map(|(name, number)| ((*name).to_owned(), *number))
        .collect()
}

#[test]
fn an_event_joins_play_user_video_and_what_was_counted_before() {
    let log = Log::new(&[
        "1000,u1,v1,home,10000,1,0",
        "2000,u1,v2,home,4999,0,0",
        "3000,u1,v1,search,1,1,0",
    ]);
    let events = log.events();
    let last = &events[2];
    assert_eq!(last.event_id, "2");
    assert_eq!(last.time.to_string(), "1970-01-01T00:00:03.000Z");
    assert_eq!(last.language, "HI");
    assert_eq!(last.label, Some(true));
    assert_eq!(last.user.id, "u1");
    assert_eq!(last.user.attributes.first("location"), Some("delhi"));
    assert_eq!(last.user.numbers.get("days"), Some(10.0));
    assert_eq!(last.item.attributes.get("hashtag"), ["#comedy", "#dance"]);
    assert_eq!(last.item.numbers.get("duration_s"), Some(20.0));
    assert_eq!(last.context.attributes.first("tab"), Some("search"));
    let user = &last.user.history;
    // 10,000 of 20,000 ms is half; 4,999 of 10,000 ms is not.
    let both = [("liked", 1.0), ("plays", 2.0), ("watched_50pct", 1.0)];
    assert_eq!(counters(user, "all", ""), pairs(&both));
    assert_eq!(counters(user, "hashtag", "#comedy"), pairs(&both));
    let first = [("liked", 1.0), ("plays", 1.0), ("watched_50pct", 1.0)];
    assert_eq!(counters(user, "hashtag", "#dance"), pairs(&first));
    assert_eq!(user.get("all", "").unwrap().last(), Some(2000));
    assert_eq!(counters(&last.item.history, "all", ""), pairs(&first));
    assert_eq!(counters(&last.item.history, "author", "a1"), pairs(&both));
}

#[test]
fn a_line_is_what_the_event_itself_would_write() {
    let log = Log::new(&[
        "1000,u1,v1,\"a \"\"b\"\" \\\",1,1,0",
        "2000,nobody,nothing,,,0,0",
        "2001,u2,v3,x,1,0,0",
    ]);
    log.run().unwrap();
    for line in log.lines() {
        assert_eq!(Event::from_json(line.as_bytes()).unwrap().to_json(), line);
    }
}

#[test]
fn an_empty_cell_is_absent() {
    let log = Log::new(&["1000,u2,v3,,,0,0"]);
    let event = log.events().remove(0);
    assert!(!event.user.attributes.contains("location"));
    assert_eq!(event.user.numbers.get("days"), None);
    assert!(!event.item.attributes.contains("hashtag"));
    assert!(event.context.is_empty());
}

#[test]
fn unknown_users_and_videos_are_allowed_and_counted() {
    let log = Log::new(&[
        "1000,u9,v1,x,1,0,0",
        "1001,u1,v9,x,1,0,0",
        "1002,u9,v9,x,1,0,0",
    ]);
    let summary = log.run().unwrap();
    assert_eq!(
        (summary.events, summary.unknown_users, summary.unknown_items),
        (3, 2, 2)
    );
    let event = log.events().remove(2);
    assert_eq!(event.user.id, "u9");
    // History is kept for those whom no table knows.
    assert_eq!(
        counters(&event.user.history, "all", ""),
        pairs(&[("plays", 1.0)])
    );
}

#[test]
fn the_label_is_the_column_asked_for() {
    let mut log = Log::new(&["1000,u1,v1,x,1,0,1"]);
    assert_eq!(log.events()[0].label, Some(false));
    log.config.label = Some("share".to_owned());
    assert_eq!(log.events()[0].label, Some(true));
    log.config.label = Some("tab".to_owned());
    let expected = "error: --label tab: the mapping lists like, share";
    assert_eq!(log.failure(), (2, expected.to_owned()));
}

#[test]
fn a_play_has_its_own_id_or_the_number_of_its_row() {
    let with_id = MAPPING.replace(
        "user = \"user\"\nitem",
        "id = \"tab\"\nuser = \"user\"\nitem",
    );
    let plays = [
        "1000,u1,v1,p7,1,0,0",
        "bad,u1,v1,p8,1,0,0",
        "1001,u1,v1,p9,1,0,0",
    ];
    let ids = |log: &Log| {
        let events = log.events();
        events
            .iter()
            .map(|event| event.event_id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&Log::with(&with_id, &plays)), ["p7", "p9"]);
    assert_eq!(ids(&Log::new(&plays)), ["0", "2"]);
}

#[test]
fn plays_out_of_order_within_the_lateness_are_put_in_order() {
    // Lateness is 1 s: 1500 comes when 2400 was seen.
    let log = Log::new(&[
        "1400,u1,v1,x,1,1,0",
        "2400,u1,v1,x,1,0,0",
        "1500,u1,v1,x,1,1,0",
    ]);
    let summary = log.run().unwrap();
    assert_eq!((summary.events, summary.out_of_order), (3, 1));
    let ids: Vec<_> = log
        .events()
        .iter()
        .map(|event| event.event_id.to_string())
        .collect();
    assert_eq!(ids, ["0", "2", "1"]);
    let last = log.events().remove(2);
    assert_eq!(
        counters(&last.user.history, "all", ""),
        pairs(&[("liked", 2.0), ("plays", 2.0)])
    );
}

#[test]
fn plays_later_than_that_are_counted_and_set_aside() {
    let log = Log::new(&[
        "1000,u1,v1,x,1,1,0",
        "2401,u1,v1,x,1,0,0",
        "1400,u1,v1,x,1,1,0",
    ]);
    let summary = log.run().unwrap();
    assert_eq!((summary.plays, summary.events), (3, 2));
    assert_eq!(summary.rejected.get("late"), Some(&1));
    let (reason, line, detail) = log.rejects().remove(0);
    assert_eq!((reason.as_str(), line), ("late", 4));
    assert_eq!(
        detail,
        "1001 ms before the newest play, and plays of its time are written already (lateness 1000 ms)"
    );
}

#[test]
fn exact_duplicates_are_dropped_or_kept_as_the_mapping_says() {
    let plays = [
        "1000,u1,v1,x,1,1,0",
        "1000,u1,v1,x,1,1,0",
        "1000,u1,v1,x,1,0,0",
        "1001,u1,v1,x,1,1,0",
    ];
    let dropped = Log::new(&plays);
    let summary = dropped.run().unwrap();
    assert_eq!((summary.events, summary.duplicates), (3, 1));
    assert_eq!(
        counters(&dropped.events()[2].user.history, "all", ""),
        pairs(&[("liked", 1.0), ("plays", 2.0)])
    );
    let keep = MAPPING.replace("lateness_s", "duplicates = \"keep\"\nlateness_s");
    let kept = Log::with(&keep, &plays);
    let summary = kept.run().unwrap();
    assert_eq!((summary.events, summary.duplicates), (4, 0));
    assert_eq!(
        counters(&kept.events()[3].user.history, "all", ""),
        pairs(&[("liked", 2.0), ("plays", 3.0)])
    );
}

#[test]
fn bad_plays_are_set_aside_with_their_reason() {
    let log = Log::new(&[
        "1000,u1,v1,x,1,1,0",
        "1001,u1,v1,x,1,2,0",
        "1002,u1,v1,x,1,,0",
        "1003,u1,v1,x,NaN,0,0",
        "1004,u1,v1,x,inf,0,0",
        "1005,u1,v1,x,ten,0,0",
        "soon,u1,v1,x,1,0,0",
        "1007,,v1,x,1,0,0",
        "1008,u1,,x,1,0,0",
        "1009,u1,v1,x,1,0",
        "99999999999999999,u1,v1,x,1,0,0",
        "1011,u1,v1,x,1,0,0",
    ]);
    let summary = log.run().unwrap();
    assert_eq!((summary.plays, summary.events), (12, 2));
    let expected = [
        ("malformed", 11, "6 cells where the header has 7"),
        ("time", 8, "`time_ms` is \"soon\", not a time"),
        ("time", 12, "`time_ms` is \"99999999999999999\", not a time"),
        ("item", 10, "`video` is empty"),
        ("label", 3, "`like` is \"2\", not 0 or 1"),
        ("label", 4, "`like` is empty"),
        ("number", 5, "`watched_ms` is \"NaN\", not a finite number"),
        ("number", 6, "`watched_ms` is \"inf\", not a finite number"),
        ("number", 7, "`watched_ms` is \"ten\", not a number"),
        ("user", 9, "`user` is empty"),
    ];
    let mut rejects = log.rejects();
    rejects.sort();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|&(reason, line, detail)| (reason.to_owned(), line, detail.to_owned()))
        .collect();
    expected.sort();
    assert_eq!(rejects, expected);
    // Nothing of a rejected play is counted.
    let last = log.events().remove(1);
    assert_eq!(
        counters(&last.user.history, "all", ""),
        pairs(&[("liked", 1.0), ("plays", 1.0)])
    );
}

#[test]
fn a_negative_count_is_a_reject() {
    let mapping = MAPPING.replace(
        "liked = \"like\"",
        "watched_ms = \"watched_ms\"\nliked = \"like\"",
    );
    let log = Log::with(
        &mapping,
        &[
            "1000,u1,v1,x,5,1,0",
            "1001,u1,v1,x,-5,1,0",
            "1002,u1,v1,x,5,1,0",
        ],
    );
    let summary = log.run().unwrap();
    assert_eq!(
        (summary.events, summary.rejected.get("metric")),
        (2, Some(&1))
    );
    let (_, line, detail) = log.rejects().remove(0);
    assert_eq!(line, 3);
    assert_eq!(
        detail,
        "metric \"watched_ms\" is -5; a metric is a finite number from 0"
    );
}

#[test]
fn too_many_rejects_stop_the_job_from_a_thousand_plays_on() {
    let good: Vec<String> = (0..989)
        .map(|ms| format!("{},u1,v1,x,1,0,0", 1000 + ms))
        .collect();
    let plays = |bad: usize| {
        let mut plays: Vec<&str> = vec!["soon,u1,v1,x,1,0,0"; bad];
        plays.splice(0..0, good.iter().map(String::as_str));
        Log::new(&plays)
    };
    // 9 of 998 pass unjudged, 11 of 1,000 are more than one in a hundred.
    assert_eq!(plays(9).run().unwrap().events, 989);
    let log = plays(11);
    let (code, message) = log.failure();
    assert_eq!(code, 1);
    assert_eq!(
        message,
        "error: plays.csv: 11 of 1000 records rejected (time 11), more than the share of 0.01 that \
         is allowed; see events/rejects/plays.jsonl"
    );
    assert_eq!(log.rejects().len(), 11);
    assert!(
        !log.config
            .output
            .join("HI")
            .join("dt=1970-01-01/hour=00/part-00000.jsonl.zst")
            .exists()
    );
}

#[test]
fn files_that_cannot_be_used_end_in_one_message() {
    let log = Log::new(&["1000,u1,v1,x,1,0,0"]);
    let cases: [(&str, &[u8], &str); 9] = [
        (
            "plays.csv",
            b"",
            "plays.csv: is empty: a header line is missing",
        ),
        ("plays.csv", HEADER.as_bytes(), "plays.csv: holds no plays"),
        (
            "plays.csv",
            b"time_ms,user,video,tab,like,share\n",
            "plays.csv: no column `watched_ms`; there are time_ms, user, video, tab, like, share",
        ),
        (
            "plays.csv",
            b"time_ms,user,video,tab,watched_ms,like,share\n1,u,v,x,1,7,0\n",
            "plays.csv: none of 1 plays could be used (label 1)",
        ),
        (
            "users.csv",
            b"user,location,days\n",
            "users.csv: holds no users",
        ),
        (
            "users.csv",
            b"user,days\n",
            "users.csv: no column `location`; there are user, days",
        ),
        (
            "mapping.toml",
            b"format = 2",
            "mapping.toml: line 1, column 1: missing field `plays`",
        ),
        (
            "videos.csv",
            b"\x28\xb5\x2f\xfd\x00",
            "videos.csv: ends in the middle of its compressed data: the file is truncated",
        ),
        (
            "videos.csv",
            b"\x1f\x8b\x08\x00",
            "videos.csv: ends in the middle of its compressed data: the file is truncated",
        ),
    ];
    for (name, content, expected) in cases {
        let before = std::fs::read(log.path(name)).unwrap();
        log.write(name, content);
        assert_eq!(log.failure(), (1, format!("error: {expected}")));
        log.write(name, before);
    }
    assert_eq!(log.run().unwrap().events, 1);
}

#[test]
fn a_missing_file_is_named() {
    let mut log = Log::new(&["1000,u1,v1,x,1,0,0"]);
    log.config.videos = Some(log.path("nothing.csv"));
    let (code, message) = log.failure();
    assert_eq!(code, 1);
    assert!(
        message.starts_with("error: nothing.csv: No such file"),
        "{message}"
    );
}

#[test]
fn a_truncated_file_of_plays_stops_the_job() {
    let mut log = Log::new(&[]);
    let plays: String = (0..5000)
        .map(|ms| format!("{ms},u1,v1,x,{},0,0\n", ms * 7919 % 10_007))
        .collect();
    let packed = zstd::encode_all(format!("{HEADER}\n{plays}").as_bytes(), 3).unwrap();
    log.write("plays.csv.zst", &packed[..packed.len() / 2]);
    log.config.plays = log.path("plays.csv.zst");
    let (code, message) = log.failure();
    assert_eq!(code, 1);
    assert!(message.starts_with("error: plays.csv.zst"), "{message}");
    assert!(message.ends_with("the file is truncated"), "{message}");
    log.write("plays.csv.zst", VIDEOS);
    let expected = "error: plays.csv.zst: not zstd data, though its name says so";
    assert_eq!(log.failure(), (1, expected.to_owned()));
}

#[test]
fn compressed_and_json_plays_give_the_same_events() {
    let mut log = Log::new(&["1000,u1,v1,home,10000,1,0", "2000,u1,v2,,,0,0"]);
    log.run().unwrap();
    let expected = log.lines();
    let csv = std::fs::read(log.path("plays.csv")).unwrap();
    log.write("plays.csv.zst", zstd::encode_all(&csv[..], 3).unwrap());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &csv).unwrap();
    log.write("plays.csv.gz", gzip.finish().unwrap());
    log.write(
        "plays.jsonl",
        r#"{"time_ms": 1000, "user": "u1", "video": "v1", "tab": "home", "watched_ms": 10000, "like": true, "share": 0}
{"time_ms": "2000", "user": "u1", "video": "v2", "tab": null, "like": 0, "share": 0}
"#,
    );
    for name in ["plays.csv.zst", "plays.csv.gz", "plays.jsonl"] {
        log.config.plays = log.path(name);
        log.run().unwrap();
        assert_eq!(log.lines(), expected, "{name}");
    }
}

#[test]
fn files_of_an_earlier_run_are_replaced_or_counted() {
    let log = Log::new(&["1000,u1,v1,x,1,0,0", "3600000,u1,v1,x,1,0,0"]);
    assert_eq!(log.run().unwrap().older_files, 0);
    let again = log.run().unwrap();
    assert_eq!((again.files, again.older_files), (2, 0));
    log.write("plays.csv", format!("{HEADER}\n1000,u1,v1,x,1,1,0\n"));
    let less = log.run().unwrap();
    assert_eq!((less.files, less.older_files), (1, 1));
    assert!(log.lines()[0].contains("\"label\":1"));
}

/// A play: time, user, video, watched, label.
type Crowded = (i64, u8, u8, u32, bool);

/// Plays of which many share a millisecond.
fn crowded_plays() -> impl Strategy<Value = Vec<Crowded>> {
    let play = (0_i64..6, 0_u8..3, 1_u8..4, 0_u32..20_000, any::<bool>());
    proptest::collection::vec(play, 1..40).prop_map(|mut plays| {
        plays.sort_by_key(|play| play.0);
        plays
    })
}

fn log_of(plays: &[Crowded]) -> Log {
    let keep = MAPPING.replace("lateness_s", "duplicates = \"keep\"\nlateness_s");
    let lines: Vec<String> = plays
        .iter()
        .map(|(time, user, video, watched, label)| {
            format!("{time},u{user},v{video},x,{watched},{},0", u8::from(*label))
        })
        .collect();
    Log::with(&keep, &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An event as text without its label.
fn features(line: &str) -> String {
    line.replace("\"label\":0,", "").replace("\"label\":1,", "")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reversing_the_labels_of_a_millisecond_changes_no_feature_of_its_plays(
        plays in crowded_plays(),
        place in any::<prop::sample::Index>(),
    ) {
        let moment = plays[place.index(plays.len())].0;
        let mut reversed = plays.clone();
        for play in reversed.iter_mut().filter(|play| play.0 == moment) {
            play.4 = !play.4;
        }
        let (log, other) = (log_of(&plays), log_of(&reversed));
        log.run().unwrap();
        other.run().unwrap();
        let (lines, others) = (log.lines(), other.lines());
        prop_assert_eq!(lines.len(), plays.len());
        for ((play, line), other) in plays.iter().zip(&lines).zip(&others) {
            if play.0 <= moment {
                prop_assert_eq!(features(line), features(other));
            }
            prop_assert_eq!(line == other, play.0 != moment && features(line) == features(other));
        }
    }

    #[test]
    fn counters_are_the_sums_over_all_plays_of_a_smaller_time(plays in crowded_plays()) {
        let events = log_of(&plays).events();
        for (number, event) in events.iter().enumerate() {
            let (now, user, video, _, _) = plays[number];
            let before = |of: &dyn Fn(&Crowded) -> bool| {
                let plays = plays.iter().filter(|play| play.0 < now && of(play));
                let (count, liked) = plays.fold((0.0, 0.0), |(count, liked), play| {
                    (count + 1.0, liked + f64::from(u8::from(play.4)))
                });
                (count, liked)
            };
            let seen = |history: &HistorySnapshot<'_>, group: &str, key: &str| {
                history.get(group, key).map_or((0.0, 0.0), |counters| {
                    (counters.get("plays"), counters.get("liked"))
                })
            };
            let author = |video: u8| if video == 3 { "a2" } else { "a1" };
            prop_assert_eq!(seen(&event.user.history, "all", ""), before(&|play| play.1 == user));
            prop_assert_eq!(seen(&event.item.history, "all", ""), before(&|play| play.2 == video));
            prop_assert_eq!(
                seen(&event.item.history, "author", author(video)),
                before(&|play| author(play.2) == author(video))
            );
            if video == 1 {
                prop_assert_eq!(
                    seen(&event.user.history, "hashtag", "#comedy"),
                    before(&|play| play.1 == user && play.2 != 3)
                );
            }
        }
    }
}
