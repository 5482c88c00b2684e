//! From events to rows.

use feature_spec::{EncodeError, Encoder, Event, FeatureSpec, Row, Time};
use proptest::prelude::*;

use crate::spec::{WHOLE, spec};

fn encode(spec: &FeatureSpec, event: &Event<'_>) -> Vec<(String, f32)> {
    let mut row = Row::default();
    Encoder::new(spec)
        .encode(event, &mut row)
        .unwrap_or_else(|e| panic!("{e}"));
    assert!(row.positions().is_sorted_by(|a, b| a < b));
    assert_eq!(row.view().nnz(), row.nnz());
    assert_eq!(row.columns(), spec.columns());
    row.positions()
        .iter()
        .map(|p| spec.describe(*p))
        .zip(row.values().iter().copied())
        .collect()
}

fn named(entries: &[(&str, f32)]) -> Vec<(String, f32)> {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn event(json: &str) -> Event<'_> {
    Event::from_json(json.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
}

/// Position 0 is hashtag #comedy, 1 #funny, 2 location = delhi, 3 hashtag #dance; 60 % of the
/// videos watched are comedy and 40 % funny.
#[test]
fn the_old_systems_worked_example() {
    let spec = spec(
        r##"
        format = 1
        name = "worked example"
        dimension = 100_000
        counters = ["plays"]
        [vocabulary.hashtag]
        values = ["#comedy", "#funny", "#dance"]
        [vocabulary.location]
        values = ["delhi"]
        [metric.share]
        share = "plays"
        [user.hashtag]
        history = "user.hashtag"
        metrics = ["share"]
        vocabulary = "hashtag"
        positions = [0, 1, 3]
        [user.location]
        from = "user.location"
        vocabulary = "location"
        start = 2
        "##,
    );
    let event = event(
        r##"{"event_id": "1", "time": "2022-05-04T10:00:00Z", "user": {"attributes": {"location": "delhi"},
        "history": {"all": {"": {"plays": 30}}, "hashtag": {"#comedy": {"plays": 18}, "#funny": {"plays": 12}}}}}"##,
    );
    let mut row = Row::default();
    Encoder::new(&spec).encode(&event, &mut row).unwrap();
    assert_eq!(row.positions(), [0, 1, 2]);
    assert_eq!(row.values(), [0.6, 0.4, 1.0]);
    assert_eq!(spec.describe(3), "user/hashtag=#dance/share");
}

/// Hashtag #comedy with 30 plays takes six positions.
#[test]
fn the_six_slots_of_comedy() {
    let spec = spec(
        r##"
        format = 1
        name = "six slots"
        counters = ["watched_10s", "watched_under_10s", "watched_90pct", "watched_50pct", "liked", "shared"]
        [vocabulary.hashtag]
        values = ["#comedy"]
        [user.hashtag]
        history = "user.hashtag"
        metrics = ["watched_10s", "watched_under_10s", "watched_90pct", "watched_50pct", "liked", "shared"]
        vocabulary = "hashtag"
        start = 0
        "##,
    );
    let event = event(
        r##"{"event_id": "1", "time": "2022-05-04T10:00:00Z", "user": {"history": {"hashtag": {"#comedy":
        {"watched_10s": 15, "watched_under_10s": 15, "watched_90pct": 6, "watched_50pct": 11, "liked": 2, "shared": 0}}}}}"##,
    );
    let mut row = Row::default();
    Encoder::new(&spec).encode(&event, &mut row).unwrap();
    assert_eq!(row.positions(), [0, 1, 2, 3, 4]);
    assert_eq!(row.values(), [15.0, 15.0, 6.0, 11.0, 2.0]);
    assert_eq!(spec.describe(5), "user/hashtag=#comedy/shared");
}

const FULL: &str = r##"{"event_id": "1", "time": "2022-10-23T19:30:00Z",
 "user": {"id": "u", "attributes": {"location": "delhi"}, "numbers": {"days_registered": 799, "age": 25},
          "history": {"all": {"": {"plays": 20, "liked": 2, "last": 1666549800000}},
                      "hashtag": {"#comedy": {"plays": 5, "liked": 1}, "#dance": {"liked": 1, "plays": 10}, "#new": {"plays": 5}}}},
 "item": {"id": "i", "attributes": {"hashtag": ["#dance", "#comedy", "#dance", "#never"], "author": "7"},
          "numbers": {"live": true, "bytes": 1024, "duration_s": 49.5},
          "history": {"all": {"": {"plays": 100, "liked": 9}}}}}"##;

/// Every kind of feature against numbers worked out by hand.
#[test]
fn every_kind_of_feature() {
    let spec = spec(WHOLE);
    let row = encode(&spec, &event(FULL));
    let logit = |p: f64| (p / (1.0 - p)).ln() as f32;
    let expected = named(&[
        ("user/age/25..40", 1.0),
        ("user/hashtag=#comedy/share", 0.25),
        ("user/hashtag=#comedy/plays", 5.0),
        ("user/hashtag=#comedy/liked", 1.0),
        ("user/hashtag=#dance/share", 0.5),
        ("user/hashtag=#dance/plays", 10.0),
        ("user/hashtag=#dance/liked", 1.0),
        ("user/hashtag~other/share", 0.25),
        ("user/hashtag~other/plays", 5.0),
        ("user/location=delhi", 1.0),
        ("user/days", 799.0),
        ("user/all/recency", 1.0),
        ("user/all/plays", 20.0),
        ("user/all/like_rate", logit(2.5 / 50.0)),
        ("item/all/like_rate", logit(9.5 / 130.0)),
        ("item/live", 1.0),
        ("item/size/>=1024", 1.0),
        ("event/match/plays", 15.0),
        ("event/match/like_rate", logit(2.5 / 45.0)),
        ("event/match_each=#comedy/plays", 5.0),
        ("event/match_each=#dance/plays", 10.0),
        ("event/match_each=#comedy/liked", 1.0),
        ("event/match_each=#dance/liked", 1.0),
        // 19:30 UTC is 01:00 the next day in India: Monday, and Diwali.
        ("event/hour=1", 1.0),
        ("event/weekday=monday", 1.0),
        ("event/weekend=weekday", 1.0),
        ("event/festival=diwali", 1.0),
        ("event/duration_by_location=delhi", 49.5),
    ]);
    let (hashed, plain): (Vec<_>, Vec<_>) = row
        .into_iter()
        .partition(|(name, _)| name.contains('~') && !name.contains("~other"));
    for ((name, value), (wanted, right)) in plain.iter().zip(&expected) {
        assert_eq!(name, wanted);
        approx::assert_relative_eq!(*value, *right, max_relative = 1e-6);
    }
    assert_eq!(plain.len(), expected.len());
    let of = |prefix: &str| {
        hashed
            .iter()
            .filter(|h| h.0.starts_with(prefix))
            .map(|h| h.1)
            .sum::<f32>()
    };
    assert_eq!(of("item/author~"), 1.0);
    assert_eq!(of("event/pairs~"), 3.0); // delhi with three distinct hashtags
    assert_eq!(of("event/rate_by_location~"), 1.0);
}

#[test]
fn mean_and_max_count_values_without_history_as_absent() {
    for (combine, plays, rate) in [
        ("sum", 15.0, (2.0 + 0.5) / (15.0 + 10.0)),
        ("mean", 5.0, (1.5 / 15.0 + 1.5 / 20.0 + 0.05) / 3.0),
        ("max", 10.0, 1.5 / 15.0),
    ] {
        let text = format!(
            "format = 1\nname = 'x'\ncounters = ['plays', 'liked']\n\
             [metric.rate]\nrate = 'liked'\nper = 'plays'\na = 0.5\nb = 10\n\
             [event.m]\nhistory = 'user.hashtag'\nmatch = 'item.hashtag'\ncombine = '{combine}'\nmetrics = ['plays', 'rate']\n"
        );
        let row = encode(&spec(&text), &event(FULL));
        approx::assert_relative_eq!(row[0].1, plays, max_relative = 1e-6);
        approx::assert_relative_eq!(row[1].1, rate as f32, max_relative = 1e-6);
    }
}

/// The slot of a cross, from the definition: XXH64 of each value, chained from the seed, reduced by
/// the high half of a product. Computed with Python's `xxhash`.
#[test]
fn hashed_slots_are_those_of_the_format() {
    let text = "format = 1\nname = 'x'\n[event.x]\nfrom = ['user.location', 'item.author']\nhash = { size = 1000, seed = 5 }\n\
                [item.y]\nfrom = 'item.author'\nhash = { size = 1000 }\n";
    let row = encode(&spec(text), &event(FULL));
    assert_eq!(row, named(&[("item/y~975", 1.0), ("event/x~245", 1.0)]));
}

#[test]
fn values_of_one_position_are_added_as_distances_from_absent() {
    let text = "format = 1\nname = 'x'\ncounters = ['plays', 'liked']\n\
                [metric.rate]\nrate = 'liked'\nper = 'plays'\na = 0.5\nb = 10\n\
                [user.h]\nhistory = 'user.hashtag'\nhash = { size = 1 }\nmetrics = ['rate', 'plays']\n";
    let row = encode(&spec(text), &event(FULL));
    let (rates, absent) = ([1.5 / 15.0, 1.5 / 20.0, 0.5 / 15.0], 0.05);
    let rate = absent + rates.iter().map(|r| r - absent).sum::<f64>();
    approx::assert_relative_eq!(row[0].1, rate as f32, max_relative = 1e-6);
    assert_eq!(row[1].1, 20.0);
}

#[test]
fn unknown_and_missing_values_are_counted() {
    let spec = spec(WHOLE);
    let mut encoder = Encoder::new(&spec);
    let mut row = Row::default();
    encoder.encode(&event(FULL), &mut row).unwrap();
    let bare = Event::new("2", Time::from_milliseconds(0));
    encoder.encode(&bare, &mut row).unwrap();
    let counts: std::collections::BTreeMap<_, _> = encoder.counts().collect();
    let get = |name: &str| (counts[name].unknown, counts[name].missing);
    assert_eq!(get("user/hashtag"), (1, 1));
    assert_eq!(get("user/location"), (0, 1));
    assert_eq!(get("event/match_each"), (0, 1));
    assert_eq!(get("event/hour"), (0, 0));
    assert_eq!(get("event/pairs"), (0, 1));
    encoder.reset_counts();
    assert!(
        encoder
            .counts()
            .all(|(_, c)| c.unknown == 0 && c.missing == 0)
    );
}

#[test]
fn wrong_values_are_rejected_and_change_nothing() {
    let spec = spec(WHOLE);
    let mut encoder = Encoder::new(&spec);
    let mut row = Row::default();
    encoder.encode(&event(FULL), &mut row).unwrap();
    let (before, counts) = (row.clone(), encoder.counts().collect::<Vec<_>>());
    let cases = [
        (
            r#""user": {"attributes": {"age": "old"}}"#,
            r#"event "9", feature user/age: user.age is "old", and a number is expected"#,
        ),
        (
            r#""user": {"numbers": {"location": 3}}"#,
            r#"event "9", feature user/location: user.location is 3, and a string is expected"#,
        ),
        (
            r#""item": {"numbers": {"live": 2}}"#,
            r#"event "9", feature item/live: 2 is not 0 or 1"#,
        ),
        (
            r#""user": {"numbers": {"days_registered": 1e39}}"#,
            r#"event "9", feature user/days: 1000000000000000000000000000000000000000 is not a number in the range of f32"#,
        ),
        (
            r#""user": {"history": {"all": {"": {"plays": 1, "last": 5000}}}}"#,
            r#"event "9", feature user/hashtag: the last play counted, 1970-01-01T00:00:05.000Z, is not before the event, 1970-01-01T00:00:05.000Z"#,
        ),
    ];
    for (part, expected) in cases {
        let json = format!(r#"{{"event_id": "9", "time": "1970-01-01T00:00:05Z", {part}}}"#);
        let error = encoder.encode(&event(&json), &mut row).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(row, before);
        assert_eq!(encoder.counts().collect::<Vec<_>>(), counts);
    }
    let tags: Vec<String> = (0..5_000)
        .map(|i| format!("{i:?}"))
        .map(|s| format!("\"{s}\""))
        .collect();
    let json = format!(
        r#"{{"event_id": "9", "time": "1970-01-01T00:00:05Z", "item": {{"attributes": {{"hashtag": [{}]}}}}}}"#,
        tags.join(",")
    );
    let error = encoder.encode(&event(&json), &mut row).unwrap_err();
    assert!(
        matches!(error, EncodeError::TooMany { limit: 4_096, .. }),
        "{error}"
    );
}

proptest! {
    /// Whatever an event holds, the row is sorted, finite and in range, or the event is rejected.
    #[test]
    fn rows_are_sorted_finite_and_in_range(
        location in prop::option::of("[a-z]{0,6}"),
        tags in prop::collection::vec("#(comedy|funny|dance|x|y)", 0..6),
        age in prop::option::of(any::<f64>()),
        counts in prop::collection::vec(("#(comedy|funny|dance|x|y)", 0.0..1e6_f64, 0.0..1e6_f64), 0..8),
        ms in -62_000_000_000_000_i64..250_000_000_000_000,
    ) {
        let spec = spec(WHOLE);
        let mut event = Event::new("e", Time::from_milliseconds(ms));
        if let Some(location) = &location {
            event.user.attributes.insert("location", location.as_str());
        }
        event.item.attributes.insert("hashtag", tags.iter().map(String::as_str).collect::<feature_spec::Values<'_>>());
        if let Some(age) = age {
            event.user.numbers.insert("age", age);
        }
        event.user.history.insert("all", "", None, [("plays", 3.0)]);
        for (tag, plays, liked) in &counts {
            event.user.history.insert("hashtag", tag.as_str(), None, [("plays", *plays), ("liked", *liked)]);
        }
        let mut row = Row::default();
        match Encoder::new(&spec).encode(&event, &mut row) {
            Ok(()) => {
                prop_assert!(row.positions().is_sorted_by(|a, b| a < b));
                prop_assert!(row.values().iter().all(|v| v.is_finite()));
                prop_assert!(row.positions().iter().all(|p| (*p as usize) < spec.columns()));
                let json = event.to_json();
                let read = Event::from_json(json.as_bytes()).unwrap();
                let mut again = Row::default();
                Encoder::new(&spec).encode(&read, &mut again).unwrap();
                prop_assert_eq!(row, again);
            }
            Err(_) => prop_assert!(age.is_some_and(|a| !a.is_finite())),
        }
    }
}
