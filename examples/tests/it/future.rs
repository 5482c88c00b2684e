//! Files and events of the future, and a clock that jumps.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::following::{HOUR_MS, Input, lines};
use crate::train::START_MS;

#[test]
fn files_of_the_future_wait_for_the_clock_and_so_does_all_when_it_jumps_back() {
    static CLOCK: AtomicI64 = AtomicI64::new(START_MS);
    let mut input = Input::new();
    input.config.clock = || CLOCK.load(Ordering::Relaxed);
    input.appear([0, 1, 2]);
    let running = input.start();
    let consumed = r#"files_total{language="HI",outcome="consumed"}"#;
    running.wait(consumed, 2.0);
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        running
            .telemetry
            .render()
            .contains(&format!("{consumed} 2")),
        "hour 2 has to wait"
    );
    CLOCK.store(START_MS + HOUR_MS, Ordering::Relaxed);
    running.wait(consumed, 3.0);
    CLOCK.store(0, Ordering::Relaxed);
    input.appear([3]);
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        running
            .telemetry
            .render()
            .contains(&format!("{consumed} 3"))
    );
    CLOCK.store(START_MS + 9 * HOUR_MS, Ordering::Relaxed);
    running.wait(consumed, 4.0);
    let files = running.stop().files.unwrap();
    assert_eq!((files.consumed, files.late), (4, 0));
}

#[test]
fn an_event_of_the_future_in_a_file_is_set_aside_and_closes_no_interval() {
    static CLOCK: AtomicI64 = AtomicI64::new(START_MS + 5 * HOUR_MS);
    // What is learned from hours 0 to 3, when the line goes before the tenth of hour 1.
    let run = |line: Option<String>, max_future_hours: u32| {
        let mut input = Input::new();
        input.config.clock = || CLOCK.load(Ordering::Relaxed);
        input.config.max_future_hours = max_future_hours;
        let mut hour_1 = lines(&input, 1);
        if let Some(line) = line {
            hour_1.insert(9, line);
        }
        input.appear([0]);
        let text = hour_1.join("\n") + "\n";
        input.put(&Input::name(1).replace(".zst", ""), text.as_bytes());
        input.appear([2, 3]);
        (input.follow(4.0), input)
    };
    let line = |time_ms: i64| {
        let time = jiff::Timestamp::from_millisecond(time_ms).unwrap();
        format!(
            r#"{{"event_id":"ahead","time":"{time:.3}","language":"HI","label":1,"user":{{"id":"u"}},"item":{{"id":"v"}}}}"#
        )
    };
    let (without, expected) = run(None, 1);
    assert_eq!((without.events, without.dumps.len()), (38 + 3 * 37, 3));

    // One millisecond before the horizon an event counts, and ends the hour and the two after it.
    let (summary, _) = run(Some(line(START_MS + 6 * HOUR_MS - 1)), 1);
    assert!(summary.rejected.is_empty(), "{:?}", summary.rejected);
    assert_eq!(
        summary.dumps.len(),
        2,
        "hour 0, and hour 1 cut after nine events"
    );

    let (summary, input) = run(Some(line(START_MS + 6 * HOUR_MS)), 1);
    assert_eq!(summary.rejected["future"], 1);
    assert_eq!(summary.events, without.events);
    assert!(input.models() == expected.models(), "the models differ");
    let rejects = std::fs::read_to_string(input.path("models/rejects/HI/part-00000.jsonl"));
    let reject: serde_json::Value = serde_json::from_str(&rejects.unwrap()).unwrap();
    assert_eq!(reject["line"], 10);
    assert_eq!(
        reject["detail"],
        "event \"ahead\" is of 2022-05-04T16:00:00Z, more than --max-future 1 h ahead of the clock \
         (2022-05-04T15:00:00Z)"
    );
    assert!(
        reject["source"]
            .as_str()
            .unwrap()
            .ends_with("hour=11/part-00000.jsonl")
    );
    assert!(
        reject["text"]
            .as_str()
            .unwrap()
            .contains(r#""event_id":"ahead""#)
    );

    // A clock that is behind everything holds files back, and takes no event from those it lets in.
    CLOCK.store(START_MS - HOUR_MS, Ordering::Relaxed);
    let (summary, _) = run(None, 4);
    assert_eq!(
        (summary.events, summary.rejected.len()),
        (without.events, 0)
    );
}
