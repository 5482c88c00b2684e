//! Following an input with wrong lines: broken, of the future, of another language, spec or size.

use std::io::{self, BufRead, Read};

use pipeline::blocks::Blocks;
use pipeline::summary::Summary;

use crate::following::{Input, lines};

/// The file of an hour as plain text, with every line changed.
fn put(input: &Input, hour: i64, mut change: impl FnMut(usize, String) -> String) {
    let lines = lines(input, hour).into_iter().enumerate();
    let text: String = lines
        .map(|(index, line)| change(index, line) + "\n")
        .collect();
    input.put(&Input::name(hour).replace(".zst", ""), text.as_bytes());
}

/// The first 1,000 lines that are judged together: 38 of hour 0, and copies of hour 1 of which
/// `broken` are no JSON.
fn with_broken_lines(broken: usize) -> (Summary, Input) {
    let mut input = Input::new();
    let hour_1 = lines(&input, 1);
    let text: String = (0..962)
        .map(|index| match index % 80 {
            7 if index / 80 < broken => "{\"event_id\":\n",
            _ => &hour_1[index % hour_1.len()],
        })
        .flat_map(|line| [line.trim_end(), "\n"])
        .collect();
    input.appear([0]);
    input.put(&Input::name(1).replace(".zst", ""), text.as_bytes());
    input.appear([2]);
    (input.follow(3.0), input)
}

#[test]
fn one_broken_line_in_a_hundred_is_accepted_and_one_more_is_not() {
    let (summary, input) = with_broken_lines(10);
    assert_eq!(summary.rejected["not_json"], 10);
    assert_eq!(summary.events, 38 + 952 + 37);
    assert_eq!((summary.dumps.len(), summary.withheld.len()), (2, 0));
    let rejects = std::fs::read_to_string(input.path("models/rejects/HI/part-00000.jsonl"));
    let rejects: Vec<serde_json::Value> = (rejects.unwrap().lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rejects.len(), 10);
    assert_eq!(
        (&rejects[0]["line"], &rejects[9]["line"]),
        (&8.into(), &728.into())
    );
    assert_eq!(rejects[0]["text"], "{\"event_id\":");

    let warned = |input: &Input| input.log.text().matches("many lines are rejected").count();
    assert_eq!(warned(&input), 0);

    let (summary, input) = with_broken_lines(11);
    assert_eq!(warned(&input), 1, "{}", input.log.text());
    assert!(input.log.text().contains(r#"reasons="not_json 11""#));
    assert_eq!(
        summary.events,
        38 + 951 + 37,
        "what is good is learned from"
    );
    assert_eq!((summary.dumps.len(), summary.withheld.len()), (1, 1));
    let reason = &summary.withheld[0].reasons[0];
    assert!(
        reason.starts_with("11 of 1000 lines are rejected"),
        "{reason}"
    );
}

#[test]
fn lines_of_another_language_are_set_aside_and_leave_the_models_as_they_are() {
    let mut without = Input::new();
    let mut input = Input::new();
    for hour in 0..4 {
        put(&without, hour, |_, line| line);
        // One of another language after every tenth line, with a label that would be learned from.
        put(&input, hour, |index, line| match index % 10 {
            9 => format!("{line}\n{}", line.replace("\"HI\"", "\"BN\"")),
            _ => line,
        });
    }
    let expected = without.follow(4.0);
    let summary = input.follow(4.0);
    assert_eq!(summary.rejected["other_language"], 12);
    assert_eq!(summary.rejected.len(), 1);
    assert_eq!(summary.events, expected.events);
    assert!(input.models() == without.models(), "the models differ");
}

#[test]
fn events_of_an_older_spec_are_learned_from_as_far_as_they_go() {
    // What this spec has no place for: a counter and attributes that an older one used.
    let mut input = Input::new();
    let mut without = Input::new();
    input.appear([0]);
    without.appear([0]);
    put(&input, 1, |_, line| {
        let line = line.replace("\"plays\":", "\"shares\":7,\"plays\":");
        line.replace("\"attributes\":{", "\"attributes\":{\"genre\":\"old\",")
    });
    put(&without, 1, |_, line| line);
    input.appear([2]);
    without.appear([2]);
    let expected = without.follow(3.0);
    let summary = input.follow(3.0);
    assert_eq!(summary.events, 38 + 37 + 37);
    assert!(summary.rejected.is_empty(), "{:?}", summary.rejected);
    assert_eq!(summary.quality, expected.quality);

    // What it has a place for and they do not carry is absent; a key that no event has is an error.
    let mut input = Input::new();
    input.appear([0]);
    put(&input, 1, |index, line| match index {
        0..5 => line.replace("\"hashtag\"", "\"genre\""),
        5..8 => line.replace("\"event_id\"", "\"segment\":3,\"event_id\""),
        _ => line,
    });
    input.appear([2]);
    let summary = input.follow(3.0);
    assert_eq!(summary.events, 38 + 34 + 37);
    assert_eq!(summary.rejected["invalid_event"], 3);
    assert_eq!(summary.dumps.len(), 2, "a few of them keep nothing back");
}

#[test]
fn an_hour_of_broken_lines_is_withheld_and_training_goes_on() {
    let mut input = Input::new();
    input.appear([0]);
    let broken = "{\n".repeat(1_500);
    input.put(&Input::name(1).replace(".zst", ""), broken.as_bytes());
    input.appear(2..5);
    let summary = input.follow(5.0);
    assert_eq!(summary.rejected["not_json"], 1_500);
    assert_eq!(summary.withheld.len(), 1);
    let reason = &summary.withheld[0].reasons[0];
    assert!(
        reason.contains("1500 of 1538 lines are rejected"),
        "{reason}"
    );
    let record = input
        .path("models/withheld/HI")
        .join(format!("{}.json", summary.withheld[0].version));
    assert!(
        std::fs::read_to_string(record)
            .unwrap()
            .contains("1500 of 1538")
    );
    assert_eq!(summary.dumps.len(), 2, "hours 2 and 3");
}

/// Ten gigabytes without a line end, and then a line.
struct OneLine {
    left: u64,
    end: &'static [u8],
}

const CHUNK: &[u8] = &[b'x'; 1 << 20];

impl BufRead for OneLine {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(if self.left > 0 { CHUNK } else { self.end })
    }

    fn consume(&mut self, bytes: usize) {
        if self.left > 0 {
            self.left = self.left.saturating_sub(bytes as u64);
        } else {
            self.end = &self.end[bytes..];
        }
    }
}

impl Read for OneLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let filled = self.fill_buf()?;
        let bytes = filled.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&filled[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}

#[test]
fn ten_gigabytes_of_one_line_are_one_reject_in_bounded_memory() {
    let input = OneLine {
        left: 10 << 30,
        end: b"\nnext\n",
    };
    let mut blocks = Blocks::new("memory", Box::new(input));
    let mut lines = Vec::new();
    while let Some(block) = blocks.read().unwrap() {
        assert!(
            block.text.capacity() < 64 << 20,
            "{} bytes",
            block.text.capacity()
        );
        lines.extend(
            block
                .lines()
                .map(|(number, line, cut)| (number, line.len(), cut)),
        );
    }
    assert_eq!(lines, [(1, 1_024, true), (2, 4, false)]);
}
