//! The event record: reading, writing, and what is rejected.

use feature_spec::{Event, EventError, Time, Values};
use proptest::prelude::*;

const LINE: &str = r##"{"event_id": "171670", "time": "2022-05-04T10:00:00.123Z", "language": "HI", "label": 1, "importance": 1.0,
 "user":  {"id": "712", "attributes": {"location": "delhi"}, "numbers": {"days_registered": 799},
           "history": {"all": {"": {"plays": 30, "watched_10s": 15, "last": 1651650000000}}, "hashtag": {"#comedy": {"plays": 18, "watched_10s": 15, "liked": 2}}, "author": {"7349": {"plays": 1}}}},
 "item":  {"id": "5239", "attributes": {"hashtag": ["#comedy", "#dance"], "author": "7349"}, "numbers": {"duration_s": 49.9},
           "history": {"all": {"": {"plays": 900, "liked": 20}}, "author": {"7349": {"plays": 2000, "liked": 41}}}},
 "context": {"tab": "1", "festival": "diwali", "temperature": 31.5, "charging": true}}"##;

#[test]
fn the_documented_event_is_read() {
    let event = Event::from_json(LINE.as_bytes()).unwrap();
    assert_eq!(event.time, Time::from_milliseconds(1_651_658_400_123));
    assert_eq!(event.label, Some(true));
    assert_eq!(event.user.numbers.get("days_registered"), Some(799.0));
    let all = event.user.history.get("all", "").unwrap();
    assert_eq!(
        (all.get("watched_10s"), all.last()),
        (15.0, Some(1_651_650_000_000))
    );
    assert_eq!(
        event.user.history.groups().collect::<Vec<_>>(),
        ["all", "author", "hashtag"]
    );
    assert_eq!(
        event
            .user
            .history
            .get("author", "7349")
            .unwrap()
            .get("plays"),
        1.0
    );
    assert_eq!(
        event
            .user
            .history
            .get("hashtag", "#comedy")
            .unwrap()
            .get("liked"),
        2.0
    );
    assert_eq!(event.item.attributes.get("hashtag"), ["#comedy", "#dance"]);
    assert_eq!(event.context.attributes.first("tab"), Some("1"));
    assert_eq!(event.context.numbers.get("temperature"), Some(31.5));
    assert_eq!(event.context.numbers.get("charging"), Some(1.0));
}

#[test]
fn writing_and_reading_gives_the_same_event_and_the_same_bytes() {
    let event = Event::from_json(LINE.as_bytes()).unwrap();
    let text = event.to_json();
    let again = Event::from_json(text.as_bytes()).unwrap();
    assert_eq!(again, event);
    assert_eq!(again.clone().into_owned().to_json(), text);
    assert!(
        text.contains(r#""days_registered":799,"#) || text.contains(r#""days_registered":799}"#)
    );
}

/// The nearest `f64` is read: an event that was written and read again is the same to the bit.
#[test]
fn numbers_are_read_exactly() {
    for value in [
        f64::from_bits(0x43ad4c2c5ed31be8),
        1e23,
        8.41e21,
        2.0_f64.powi(-1074),
        49.9,
        -0.0,
    ] {
        let mut event = Event::new("e", Time::default());
        event.user.numbers.insert("x", value);
        let text = event.to_json();
        let read = Event::from_json(text.as_bytes()).unwrap();
        assert_eq!(
            read.user.numbers.get("x").map(f64::to_bits),
            Some(value.to_bits()),
            "{text}"
        );
    }
}

#[test]
fn rejections_name_the_event_the_key_and_the_value() {
    let cases = [
        (
            r#"{"event_id": "7", "time": "1970-01-01T00:00:00Z", "user": {"numbers": {"age": "x"}}}"#,
            r#"event "7": user.numbers.age: invalid type: string "x", expected a number"#,
        ),
        (
            r#"{"event_id": "7", "time": "1970-01-01T00:00:00Z", "item": {"attributes": {"author": 3}}}"#,
            r#"event "7": item.attributes.author: invalid type: floating point `3.0`, expected a string or a list of strings"#,
        ),
        (
            r#"{"event_id": "7", "time": "1970-01-01T00:00:00Z", "label": 2}"#,
            r#"event "7": label: invalid value: integer `2`, expected a label: 0, 1, false, true or null"#,
        ),
        (
            r#"{"event_id": "7", "time": "1970-02-30T00:00:00Z"}"#,
            r#"event "7": time: "1970-02-30T00:00:00Z" is not a time such as 2022-05-04T10:00:00.123Z"#,
        ),
        (
            r#"{"event_id": "7", "time": "1970-01-01T00:00:00Z", "importance": -1}"#,
            r#"event "7": importance: importance -1 is not a finite number from 0"#,
        ),
        (
            r#"{"event_id": "7", "time": "1970-01-01T00:00:00Z", "user": {"history": {"all": {"": {"plays": -3}}}}}"#,
            r#"event "7": user.history.all..plays: negative counter -3"#,
        ),
        (
            r#"{"event_id": "7", "time": "1970-01-01T00:00:00Z", "usr": {}}"#,
            r#"event "7": event: unknown field `usr`, expected one of `event_id`, `time`, `language`, `label`, `importance`, `user`, `item`, `context`"#,
        ),
        (
            r#"{"time": "1970-01-01T00:00:00Z"}"#,
            "event: missing field `event_id`",
        ),
        (
            r#"{"event_id": "7", "time": "1970-01-01T00:00:00Z", "context": {"a": "1", "a": "2"}}"#,
            r#"event "7": context: repeated key "a""#,
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(
            Event::from_json(json.as_bytes()).unwrap_err().to_string(),
            expected
        );
    }
    let error = Event::from_json(br#"{"event_id": "7", "#).unwrap_err();
    assert!(
        matches!(error, EventError::Syntax { line: 1, .. }),
        "{error}"
    );
}

#[test]
fn groups_and_keys_may_come_in_any_order() {
    let json = br#"{"event_id": "7", "time": "1970-01-01T00:00:00Z",
        "user": {"history": {"z": {"b": {"plays": 1}, "a": {"plays": 2}}, "a": {"q": {"plays": 3}}}}}"#;
    let history = Event::from_json(json).unwrap().user.history;
    assert_eq!(history.get("z", "a").unwrap().get("plays"), 2.0);
    assert_eq!(history.get("z", "b").unwrap().get("plays"), 1.0);
    assert_eq!(history.get("a", "q").unwrap().get("plays"), 3.0);
    assert!(history.get("a", "b").is_none());
}

#[test]
fn times_are_exact_at_the_edges() {
    for (text, ms) in [
        ("1970-01-01T00:00:00.000Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2000-02-29T12:00:00.000Z", 951_825_600_000),
        ("0000-01-01T00:00:00.000Z", -62_167_219_200_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ] {
        assert_eq!(text.parse::<Time>().unwrap().milliseconds(), ms);
        assert_eq!(Time::from_milliseconds(ms).to_string(), text);
    }
    for bad in [
        "",
        "2022-05-04",
        "2022-13-04T10:00:00Z",
        "2022-05-04T24:00:00Z",
        "1900-02-29T00:00:00Z",
        "2022-05-04T10:00:00",
        "2022-05-04T10:00:00.Z",
        "2022-05-04T10:00:00.0123456789Z",
        "２022-05-04T10:00:00Z",
        "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:00-00:01",
    ] {
        assert!(bad.parse::<Time>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Event::from_json(&bytes);
    }

    #[test]
    fn damaged_events_are_read_or_rejected(at in 0..LINE.len(), byte in any::<u8>()) {
        let mut bytes = LINE.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = Event::from_json(&bytes);
    }

    #[test]
    fn times_round_trip(ms in -62_167_219_200_000_i64..253_402_300_800_000) {
        let time = Time::from_milliseconds(ms);
        prop_assert_eq!(time.to_string().parse::<Time>().unwrap(), time);
    }

    #[test]
    fn histories_inserted_in_any_order_are_equal(
        entries in prop::collection::vec(("[a-c]", "[a-f]", 0_u8..9), 0..30),
    ) {
        let mut event = Event::new("e", Time::default());
        let mut reference = std::collections::BTreeMap::new();
        for (group, key, n) in &entries {
            event.user.history.insert(group.as_str(), key.as_str(), None, [("n", f64::from(*n))]);
            reference.insert((group.clone(), key.clone()), f64::from(*n));
        }
        let mut sorted = Event::new("e", Time::default());
        for ((group, key), n) in &reference {
            sorted.user.history.insert(group.as_str(), key.as_str(), None, [("n", *n)]);
        }
        prop_assert_eq!(&event, &sorted);
        sorted.user.attributes.insert("a", Values::from("x"));
        let text = sorted.to_json();
        prop_assert_eq!(&Event::from_json(text.as_bytes()).unwrap(), &sorted);
    }
}
