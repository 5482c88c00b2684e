//! What a monitoring system reads: names, units, values; and what the log looks like beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipeline::cli::Failure;
use pipeline::encode::Reason;
use pipeline::logging::{self, LogFormat};
use pipeline::progress::Progress;
use pipeline::telemetry::{DumpOutcome, FileOutcome, Telemetry};
use tracing_subscriber::fmt::MakeWriter;

/// 2022-05-04T10:00:00.250Z
const TIME_MS: i64 = 1_651_658_400_250;

/// Telemetry of two streams with a figure of every kind.
fn busy() -> Telemetry {
    let telemetry = Telemetry::new("HI");
    telemetry.events_learned(40, TIME_MS);
    telemetry.events_learned(2, TIME_MS - 60_000);
    telemetry.rejected(Reason::NotJson, 3);
    telemetry.file(FileOutcome::Consumed);
    telemetry.file(FileOutcome::Consumed);
    telemetry.file(FileOutcome::Late);
    telemetry.backlog(7);
    telemetry.dump(DumpOutcome::Published);
    telemetry.dump(DumpOutcome::Withheld);
    telemetry.next_dump(Duration::from_millis(1_500));
    telemetry.interval(Some(0.0678), Some(1.25));
    telemetry.checkpoint(12, Duration::from_millis(20));
    telemetry.checkpoint(13, Duration::from_secs(5));
    telemetry.restarted();
    let other = telemetry.for_language("TA");
    other.events_learned(5, TIME_MS);
    telemetry
}

/// The samples of an exposition by name with labels, and what its comments declare.
#[derive(Default)]
struct Exposition {
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
    units: BTreeMap<String, String>,
    helps: BTreeSet<String>,
}

/// Reads the `OpenMetrics` text format, strictly as far as this project uses it.
fn parse(text: &str) -> Exposition {
    let mut found = Exposition::default();
    let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap().to_owned());
            let rest = words.next().unwrap().to_owned();
            match kind {
                "TYPE" => assert!(found.types.insert(name, rest).is_none(), "twice: {line}"),
                "UNIT" => assert!(found.units.insert(name, rest).is_none(), "twice: {line}"),
                "HELP" => assert!(found.helps.insert(name), "twice: {line}"),
                _ => panic!("unknown comment: {line}"),
            }
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value = value.parse().unwrap();
            let twice = found.samples.insert(name.to_owned(), value).is_some();
            assert!(!twice, "twice: {line}");
        }
    }
    found
}

#[test]
fn figures_are_what_was_counted_by_stream() {
    let found = parse(&busy().render());
    let value = |name: &str| found.samples.get(name).copied();
    for (name, expected) in [
        (r#"ctr_train_events_total{language="HI"}"#, 42.0),
        (r#"ctr_train_events_total{language="TA"}"#, 5.0),
        (
            r#"ctr_train_rejected_lines_total{language="HI",reason="not_json"}"#,
            3.0,
        ),
        (
            r#"ctr_train_rejected_lines_total{language="TA",reason="too_long"}"#,
            0.0,
        ),
        (
            r#"ctr_train_files_total{language="HI",outcome="consumed"}"#,
            2.0,
        ),
        (
            r#"ctr_train_files_total{language="HI",outcome="late"}"#,
            1.0,
        ),
        (r#"ctr_train_backlog_files{language="HI"}"#, 7.0),
        (
            r#"ctr_train_dumps_total{language="HI",outcome="published"}"#,
            1.0,
        ),
        (
            r#"ctr_train_dumps_total{language="HI",outcome="withheld"}"#,
            1.0,
        ),
        (
            r#"ctr_train_dumps_total{language="HI",outcome="failed"}"#,
            0.0,
        ),
        (r#"ctr_train_next_dump_seconds{language="HI"}"#, 1.5),
        // The newest time stays when an older block follows.
        (
            r#"ctr_train_newest_event_timestamp_seconds{language="HI"}"#,
            1_651_658_400.25,
        ),
        (r#"ctr_train_interval_log_loss_nats{language="HI"}"#, 0.0678),
        (
            r#"ctr_train_interval_calibration_ratio{language="HI"}"#,
            1.25,
        ),
        (r#"ctr_train_checkpoint_sequence{language="HI"}"#, 13.0),
        (
            r#"ctr_train_checkpoint_duration_seconds_sum{language="HI"}"#,
            5.02,
        ),
        (
            r#"ctr_train_checkpoint_duration_seconds_bucket{le="0.03",language="HI"}"#,
            1.0,
        ),
        (r#"ctr_train_restarts_total{language="HI"}"#, 1.0),
        (r#"ctr_train_ready{language="HI"}"#, 0.0),
    ] {
        let found = value(name).unwrap_or_else(|| panic!("no {name}"));
        assert!((found - expected).abs() < 1e-9, "{name} {found}");
    }
    // A stream without such a figure has none, instead of a 0 that would raise an alarm.
    assert_eq!(value(r#"ctr_train_next_dump_seconds{language="TA"}"#), None);
    // The lag is measured at the scrape: these events are years old.
    assert!(value(r#"ctr_train_lag_seconds{language="HI"}"#).unwrap() > 86_400.0 * 365.0);
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    let found = parse(&busy().render());
    let base_units = ["seconds", "bytes", "ratio", "nats"];
    for (name, kind) in &found.types {
        assert!(name.starts_with("ctr_train_"), "{name}");
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{name}"
        );
        assert!(found.helps.contains(name), "{name} has no help");
        if let Some(unit) = found.units.get(name) {
            assert!(base_units.contains(&unit.as_str()), "{name}: {unit}");
            assert!(name.ends_with(&format!("_{unit}")), "{name}: {unit}");
        } else {
            let ending = name.rsplit('_').next().unwrap();
            assert!(!base_units.contains(&ending), "{name} declares no unit");
        }
        if kind == "counter" {
            let total = format!("{name}_total{{");
            assert!(
                found
                    .samples
                    .keys()
                    .any(|sample| sample.starts_with(&total)),
                "{name}"
            );
        }
    }
}

#[test]
fn readiness_names_every_stream_and_what_it_waits_for() {
    let telemetry = Telemetry::new("HI");
    let other = telemetry.for_language("TA");
    other.set_ready(true, "learning");
    telemetry.set_ready(false, "the store does not answer since 12:00");
    let (ready, text) = telemetry.readiness();
    assert!(!ready);
    assert_eq!(
        text,
        "HI: not ready: the store does not answer since 12:00\nTA: ready: learning\n"
    );
    telemetry.set_ready(true, "learning");
    assert!(telemetry.readiness().0);
}

#[test]
fn status_says_what_is_known_and_no_more() {
    let telemetry = Telemetry::new("HI");
    assert_eq!(telemetry.status().to_string(), "");
    telemetry.next_dump(Duration::from_secs(2_800));
    assert_eq!(telemetry.status().to_string(), "next dump in 47 min");
    let now = jiff::Timestamp::now().as_millisecond();
    telemetry.events_learned(1, now - 30_500);
    telemetry.backlog(3);
    let status = telemetry.status();
    let lag = status.lag_seconds.unwrap();
    assert!((30.0..60.0).contains(&lag), "{lag}");
    let text = status.to_string();
    assert!(text.starts_with("newest event 20"), "{text}");
    assert!(
        text.ends_with(" ago), next dump in 47 min, 3 files waiting"),
        "{text}"
    );
}

#[cfg(feature = "http")]
mod http {
    use super::*;
    use std::io::Read;
    use std::net::{SocketAddr, TcpStream};

    /// Status line and body.
    fn get(address: SocketAddr, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        if path == "/metrics" {
            assert!(
                head.contains("content-type: application/openmetrics-text; version=1.0.0"),
                "{head}"
            );
        }
        let status = head.lines().next().unwrap().to_owned();
        (status, body.to_owned())
    }

    #[test]
    fn endpoint_answers_until_it_is_dropped() {
        let telemetry = busy();
        let endpoint = telemetry.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = endpoint.address();
        // A client that says nothing must not keep the endpoint from ending.
        let silent = TcpStream::connect(address).unwrap();

        let (status, body) = get(address, "/metrics");
        assert_eq!(status, "HTTP/1.1 200 OK");
        let events = parse(&body).samples[r#"ctr_train_events_total{language="HI"}"#];
        assert!((events - 42.0).abs() < 1e-9);
        assert_eq!(get(address, "/healthz").0, "HTTP/1.1 200 OK");
        let (status, body) = get(address, "/readyz");
        assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(body, "HI: not ready: starting\nTA: not ready: starting\n");
        telemetry.set_ready(true, "learning");
        telemetry.for_language("TA").set_ready(true, "learning");
        assert_eq!(get(address, "/readyz").0, "HTTP/1.1 200 OK");
        assert_eq!(get(address, "/nothing").0, "HTTP/1.1 404 Not Found");

        let taken = telemetry.listen(address).unwrap_err().render();
        assert!(
            taken.starts_with(&format!("error: --listen {address}: ")),
            "{taken}"
        );

        let begun = std::time::Instant::now();
        drop(endpoint);
        assert!(begun.elapsed() < Duration::from_secs(8));
        assert!(TcpStream::connect(address).is_err());
        drop(silent);
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Kept {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn logged(format: LogFormat, level: &str) -> String {
    let kept = Kept::default();
    let subscriber = logging::subscriber(format, level, false, kept.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(file = "part-00000.jsonl", events = 7, "file is late");
        tracing::debug!("not at this level");
    });
    kept.text()
}

#[test]
fn json_logs_are_one_object_a_line_with_fields() {
    let text = logged(LogFormat::Json, "info");
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["message"], "file is late");
    assert_eq!(line["file"], "part-00000.jsonl");
    assert_eq!(line["events"], 7);
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_failure_is_a_log_line_where_logs_are_for_machines() {
    let kept = Kept::default();
    let subscriber = logging::subscriber(LogFormat::Json, "info", false, kept.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        let failure = Failure::at("events.jsonl", "is gone");
        let _ = logging::exit(LogFormat::Json, Err(failure));
    });
    let line: serde_json::Value = serde_json::from_slice(&kept.0.lock().unwrap()).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["message"], "events.jsonl: is gone");
    assert_eq!(line["exit_code"], 1);
}

#[test]
fn text_logs_are_one_line_an_event() {
    let text = logged(LogFormat::Text, "info");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.ends_with("WARN file is late file=\"part-00000.jsonl\" events=7\n"),
        "{text}"
    );
    assert_eq!(logged(LogFormat::Text, "error"), "");
}

#[test]
fn unknown_level_is_wrong_usage() {
    let failure = logging::subscriber(LogFormat::Text, "loud=very", false, Kept::default());
    let failure = failure.err().unwrap();
    assert_eq!(failure.exit_code(), 2);
    assert!(
        failure
            .render()
            .starts_with("error: --log loud=very: not error, warn"),
        "{}",
        failure.render()
    );
}

#[test]
fn streams_of_a_run_count_into_the_telemetry_that_was_given() {
    let telemetry = Telemetry::new("HI");
    let progress = Progress::silent().telemetry(telemetry.clone());
    progress.telemetry_of("TA").events_learned(5, TIME_MS);
    let found = parse(&telemetry.render());
    let events = found.samples[r#"ctr_train_events_total{language="TA"}"#];
    assert!((events - 5.0).abs() < 1e-9);
}
