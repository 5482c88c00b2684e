//! Counters: what is counted, point in time, storing and merging.

use feature_spec::history::{
    GroupConfig, History, HistoryConfig, HistoryError, HistoryState, Play, SnapshotKeys,
};
use feature_spec::{Event, Owner, Time};
use proptest::prelude::*;

fn config() -> HistoryConfig {
    HistoryConfig::default()
        .metric("plays", "1")
        .metric("liked", "is_like == 1")
        .metric("watched_90pct", "play_time_ms >= 0.9 * duration_ms")
        .group(GroupConfig::new(Owner::User, "all"))
        .group(
            GroupConfig::new(Owner::User, "hashtag")
                .key("hashtag")
                .snapshot(SnapshotKeys::All),
        )
        .group(GroupConfig::new(Owner::Item, "all"))
        .group(
            GroupConfig::new(Owner::Item, "author")
                .key("author")
                .shared(true),
        )
}

/// A play in short: time, user, item, like, hashtags.
type Short = (i64, u8, u8, bool, Vec<u8>);

const TAGS: [&str; 4] = ["#comedy", "#funny", "#dance", ""];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn with_play<T>(history: &History, short: &Short, run: impl FnOnce(&Play<'_>) -> T) -> T {
    let fields: Vec<_> = history
        .fields()
        .iter()
        .map(|f| match f.as_str() {
            "is_like" => Some(f64::from(u8::from(short.3))),
            "play_time_ms" => Some(900.0),
            "duration_ms" => Some(1_000.0),
            _ => None,
        })
        .collect();
    let keys: Vec<Vec<&str>> = history
        .key_fields()
        .iter()
        .map(|k| match k.as_str() {
            "hashtag" => short.4.iter().map(|t| TAGS[usize::from(*t)]).collect(),
            _ => vec![NAMES[usize::from(short.2 / 2)]],
        })
        .collect();
    run(&Play {
        time: Time::from_milliseconds(short.0),
        user: NAMES[usize::from(short.1)],
        item: NAMES[usize::from(short.2)],
        fields: &fields,
        keys: &keys,
    })
}

fn snapshot(history: &mut History, short: &Short) -> String {
    let reader = history.clone();
    with_play(&reader, short, |play| {
        let mut event = Event::new("e", play.time);
        history.snapshot(play, &mut event).unwrap();
        event.to_json()
    })
}

fn push(history: &mut History, short: &Short) {
    let reader = history.clone();
    with_play(&reader, short, |play| history.push(play)).unwrap();
}

#[test]
fn counters_hold_what_was_played_before() {
    let mut history = History::new(config()).unwrap();
    push(&mut history, &(1, 0, 0, true, vec![0, 1, 0]));
    push(&mut history, &(2, 0, 1, false, vec![0]));
    push(&mut history, &(2, 1, 0, true, vec![0]));
    let text = snapshot(&mut history, &(3, 0, 0, false, vec![0]));
    let event = Event::from_json(text.as_bytes()).unwrap();
    let user = &event.user.history;
    let all = user.get("all", "").unwrap();
    assert_eq!(
        (all.get("plays"), all.get("liked"), all.last()),
        (2.0, 1.0, Some(2))
    );
    assert_eq!(all.get("watched_90pct"), 2.0);
    let comedy = user.get("hashtag", "#comedy").unwrap();
    assert_eq!((comedy.get("plays"), comedy.get("liked")), (2.0, 1.0));
    assert_eq!(user.get("hashtag", "#funny").unwrap().get("plays"), 1.0);
    let item = event.item.history.get("all", "").unwrap();
    assert_eq!((item.get("plays"), item.get("liked")), (2.0, 2.0));
    let author = event.item.history.get("author", "a").unwrap();
    assert_eq!((author.get("plays"), author.get("liked")), (3.0, 2.0));
}

#[test]
fn plays_must_come_in_order() {
    let mut history = History::new(config()).unwrap();
    push(&mut history, &(5, 0, 0, true, vec![]));
    snapshot(&mut history, &(7, 0, 0, true, vec![]));
    let reader = history.clone();
    let error =
        with_play(&reader, &(6, 0, 0, true, vec![]), |play| history.push(play)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "time 1970-01-01T00:00:00.006Z is before 1970-01-01T00:00:00.007Z, the latest seen; \
         plays must come in order of time"
    );
}

#[test]
fn expressions_follow_the_usual_precedence() {
    let cases: [(&str, f64); 14] = [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("10 - 4 - 3", 3.0),
        ("16 / 4 / 2", 2.0),
        ("-a + 5", 3.0),
        ("a == 2 and b < 4 or missing > 1", 1.0),
        ("not (a == 2) or b >= 3", 1.0),
        ("not a == 2", 0.0),
        ("min(a, b) * 10 + max(a, b)", 23.0),
        ("missing", 0.0),
        ("missing + 1", 0.0),
        ("missing != 1", 0.0),
        ("1e3 + 1_000 + .5", 2_000.5),
        ("order and 1", 0.0),
    ];
    for (text, expected) in cases {
        let config = HistoryConfig::default()
            .metric("m", text)
            .group(GroupConfig::new(Owner::User, "all"));
        let mut history = History::new(config).unwrap();
        let fields: Vec<_> = (history.fields().iter())
            .map(|f| match f.as_str() {
                "a" => Some(2.0),
                "b" => Some(3.0),
                _ => None,
            })
            .collect();
        let time = Time::from_milliseconds(1);
        let play = Play {
            time,
            user: "u",
            item: "i",
            fields: &fields,
            keys: &[],
        };
        history.push(&play).unwrap();
        let mut event = Event::new("e", Time::from_milliseconds(2));
        let play = Play {
            time: event.time,
            ..play
        };
        history.snapshot(&play, &mut event).unwrap();
        assert_eq!(
            event.user.history.get("all", "").unwrap().get("m"),
            expected,
            "{text}"
        );
    }
}

#[test]
fn broken_expressions_are_shown_with_a_column() {
    let deep = "(".repeat(1_000);
    let cases = [
        (
            "is_like = 1",
            "metric \"m\": `=` is not an operator; equality is `==` at column 9 of `is_like = 1`",
        ),
        (
            "1 +",
            "metric \"m\": expected a number, a field or `(`, found the end at column 4 of `1 +`",
        ),
        (
            "(1",
            "metric \"m\": expected `)`, found the end at column 3 of `(1`",
        ),
        (
            "é",
            "metric \"m\": expected a number, a field or `(`, found 'é' at column 1 of `é`",
        ),
        ("a b", "metric \"m\": unexpected 'b' at column 3 of `a b`"),
        (
            "1..2",
            "metric \"m\": \"1..2\" is not a number at column 1 of `1..2`",
        ),
        (
            deep.as_str(),
            "metric \"m\": nested deeper than 64 at column 65 of",
        ),
    ];
    for (text, expected) in cases {
        let error = History::new(HistoryConfig::default().metric("m", text)).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn half_life_halves() {
    let config = HistoryConfig::default()
        .metric("plays", "1")
        .group(GroupConfig::new(Owner::User, "all").half_life_s(10.0));
    let mut history = History::new(config).unwrap();
    for (ms, expected) in [(0, None), (10_000, Some(0.5)), (20_000, Some(0.75))] {
        let time = Time::from_milliseconds(ms);
        let play = Play {
            time,
            user: "u",
            item: "i",
            fields: &[],
            keys: &[],
        };
        let mut event = Event::new("e", time);
        history.snapshot(&play, &mut event).unwrap();
        assert_eq!(
            event.user.history.get("all", "").map(|c| c.get("plays")),
            expected
        );
        history.push(&play).unwrap();
    }
}

#[test]
fn a_state_that_breaks_an_invariant_is_rejected() {
    let mut history = History::new(config()).unwrap();
    push(&mut history, &(1, 0, 0, true, vec![0]));
    push(&mut history, &(2, 0, 0, true, vec![0]));
    let good = history.state();
    assert!(History::from_state(good.clone()).is_ok());
    let mut bad = good.clone();
    bad.groups.pop();
    assert!(matches!(
        History::from_state(bad),
        Err(HistoryError::State { .. })
    ));
    let mut bad = good.clone();
    bad.groups[0][0].counters[0] = -1.0;
    assert!(matches!(
        History::from_state(bad),
        Err(HistoryError::State { .. })
    ));
    let mut bad = good.clone();
    bad.groups[0][0].last = Time::from_milliseconds(2);
    assert!(matches!(
        History::from_state(bad),
        Err(HistoryError::State { .. })
    ));
    let mut bad = good;
    bad.pending[0].metrics[0] = f64::NAN;
    assert!(matches!(
        History::from_state(bad),
        Err(HistoryError::State { .. })
    ));
}

fn plays() -> impl Strategy<Value = Vec<Short>> {
    let play = (
        0_i64..12,
        0_u8..3,
        0_u8..4,
        any::<bool>(),
        prop::collection::vec(0_u8..4, 0..4),
    );
    prop::collection::vec(play, 1..60).prop_map(|mut plays| {
        plays.sort_by_key(|p| p.0);
        plays
    })
}

proptest! {
    /// Reversing every outcome of one millisecond changes no snapshot of that millisecond.
    #[test]
    fn plays_of_a_millisecond_never_see_each_other(plays in plays(), flipped in 0_i64..12) {
        let mut one = History::new(config()).unwrap();
        let mut two = one.clone();
        for play in &plays {
            let mut other = play.clone();
            if play.0 == flipped {
                other.3 = !other.3;
            }
            let (a, b) = (snapshot(&mut one, play), snapshot(&mut two, &other));
            if play.0 <= flipped {
                prop_assert_eq!(a, b);
            }
            push(&mut one, play);
            push(&mut two, &other);
        }
    }

    /// The counters equal those of a loop over all plays, whatever the order within a millisecond.
    #[test]
    fn counters_equal_a_scan_over_earlier_plays(plays in plays()) {
        let mut history = History::new(config()).unwrap();
        for play in &plays {
            let text = snapshot(&mut history, play);
            let event = Event::from_json(text.as_bytes()).unwrap();
            let earlier: Vec<_> = plays.iter().filter(|p| p.0 < play.0).collect();
            let count = |keep: &dyn Fn(&Short) -> bool| earlier.iter().filter(|p| keep(p)).count() as f64;
            let got = |group: &str, key: &str, metric: &str| {
                event.user.history.get(group, key).map_or(0.0, |c| c.get(metric))
            };
            prop_assert_eq!(got("all", "", "plays"), count(&|p| p.1 == play.1));
            prop_assert_eq!(got("all", "", "liked"), count(&|p| p.1 == play.1 && p.3));
            for tag in 0..4_u8 {
                let key = TAGS[usize::from(tag)];
                let expected = count(&|p| p.1 == play.1 && p.4.contains(&tag) && p.3);
                prop_assert_eq!(got("hashtag", key, "liked"), expected);
            }
            let author = event.item.history.get("author", NAMES[usize::from(play.2 / 2)]);
            prop_assert_eq!(
                author.map_or(0.0, |c| c.get("plays")),
                count(&|p| p.2 / 2 == play.2 / 2)
            );
            push(&mut history, play);
        }
    }

    #[test]
    fn storing_at_any_point_changes_nothing(plays in plays(), at in 0_usize..60) {
        let mut one = History::new(config()).unwrap();
        let mut two = one.clone();
        for (i, play) in plays.iter().enumerate() {
            if i == at {
                let text = serde_json::to_string(&two.state()).unwrap();
                let state: HistoryState = serde_json::from_str(&text).unwrap();
                two = History::from_state(state).unwrap();
            }
            prop_assert_eq!(snapshot(&mut one, play), snapshot(&mut two, play));
            push(&mut one, play);
            push(&mut two, play);
        }
        prop_assert_eq!(one.state(), two.state());
    }

    #[test]
    fn partitions_merge_to_the_whole(plays in plays(), split in prop::collection::vec(any::<bool>(), 60)) {
        let mut whole = History::new(config()).unwrap();
        let mut parts = [whole.clone(), whole.clone()];
        for (play, second) in plays.iter().zip(split) {
            push(&mut whole, play);
            push(&mut parts[usize::from(second)], play);
        }
        let [mut one, two] = parts;
        let mut back = two.clone();
        back.merge(&one).unwrap();
        one.merge(&two).unwrap();
        prop_assert_eq!(one.state(), whole.state());
        prop_assert_eq!(back.state(), whole.state());
    }
}
