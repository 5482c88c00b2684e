//! The metrics themselves: names, help texts and units, by the rules of Prometheus.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{DumpOutcome, FileOutcome};
use crate::encode::Reason;

pub(super) type Labels = Vec<(&'static str, String)>;
type Real = Gauge<f64, AtomicU64>;

/// Upper ends of the buckets of checkpoint durations, in seconds.
const CHECKPOINT_BUCKETS: [f64; 9] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

/// Counters start at 0; a gauge appears with its first value, so that no figure is made up.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) events: Family<Labels, Counter>,
    pub(super) rejected: Family<Labels, Counter>,
    pub(super) files: Family<Labels, Counter>,
    pub(super) backlog_files: Family<Labels, Gauge>,
    pub(super) dumps: Family<Labels, Counter>,
    pub(super) last_dump: Family<Labels, Real>,
    pub(super) next_dump: Family<Labels, Real>,
    pub(super) newest_event: Family<Labels, Real>,
    pub(super) lag: Family<Labels, Real>,
    pub(super) log_loss: Family<Labels, Real>,
    pub(super) calibration: Family<Labels, Real>,
    pub(super) checkpoint_sequence: Family<Labels, Gauge>,
    pub(super) checkpoint_duration: Family<Labels, Histogram, fn() -> Histogram>,
    pub(super) restarts: Family<Labels, Counter>,
    pub(super) ready: Family<Labels, Gauge>,
    pub(super) resident_memory: Gauge,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            events: Family::default(),
            rejected: Family::default(),
            files: Family::default(),
            backlog_files: Family::default(),
            dumps: Family::default(),
            last_dump: Family::default(),
            next_dump: Family::default(),
            newest_event: Family::default(),
            lag: Family::default(),
            log_loss: Family::default(),
            calibration: Family::default(),
            checkpoint_sequence: Family::default(),
            checkpoint_duration: Family::new_with_constructor(|| {
                Histogram::new(CHECKPOINT_BUCKETS)
            }),
            restarts: Family::default(),
            ready: Family::default(),
            resident_memory: Gauge::default(),
        };
        let unit = |name: &str| Unit::Other(name.to_owned());
        registry.register("events", "Events learned from", metrics.events.clone());
        registry.register(
            "rejected_lines",
            "Lines set aside, by reason",
            metrics.rejected.clone(),
        );
        registry.register(
            "files",
            "Event files consumed, come too late, or changed after they were read",
            metrics.files.clone(),
        );
        registry.register(
            "backlog_files",
            "Event files that are listed and not yet read",
            metrics.backlog_files.clone(),
        );
        registry.register(
            "dumps",
            "Models published, withheld by the gate, or failed to publish",
            metrics.dumps.clone(),
        );
        registry.register_with_unit(
            "last_dump_timestamp",
            "Time of the last published model, since the Unix epoch",
            Unit::Seconds,
            metrics.last_dump.clone(),
        );
        registry.register_with_unit(
            "next_dump",
            "Time to the next dump, on the clock that dumps follow",
            Unit::Seconds,
            metrics.next_dump.clone(),
        );
        registry.register_with_unit(
            "newest_event_timestamp",
            "Time of the newest event learned from, since the Unix epoch",
            Unit::Seconds,
            metrics.newest_event.clone(),
        );
        registry.register_with_unit(
            "lag",
            "Clock minus the time of the newest event learned from",
            Unit::Seconds,
            metrics.lag.clone(),
        );
        registry.register_with_unit(
            "interval_log_loss",
            "Mean progressive log loss of the last dump interval",
            unit("nats"),
            metrics.log_loss.clone(),
        );
        registry.register_with_unit(
            "interval_calibration",
            "Predicted over observed positives of the last dump interval",
            unit("ratio"),
            metrics.calibration.clone(),
        );
        registry.register(
            "checkpoint_sequence",
            "Sequence number of the last checkpoint",
            metrics.checkpoint_sequence.clone(),
        );
        registry.register_with_unit(
            "checkpoint_duration",
            "Time that writing a checkpoint took",
            Unit::Seconds,
            metrics.checkpoint_duration.clone(),
        );
        registry.register(
            "restarts",
            "Starts from a checkpoint",
            metrics.restarts.clone(),
        );
        registry.register(
            "ready",
            "1 while the stream is being learned from",
            metrics.ready.clone(),
        );
        registry.register_with_unit(
            "resident_memory",
            "Memory of the process that is not swapped out",
            Unit::Bytes,
            metrics.resident_memory.clone(),
        );
        registry.register(
            "build",
            "Version of the program",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        metrics
    }

    /// Makes the counters of a stream visible at 0, so that rates are right from the first event.
    pub(super) fn start_counters(&self, language: &str) {
        let stream = || vec![("language", language.to_owned())];
        let labels = |name, value: &str| {
            let mut labels = stream();
            labels.push((name, value.to_owned()));
            labels
        };
        let _ = self.events.get_or_create(&stream());
        let _ = self.restarts.get_or_create(&stream());
        for reason in Reason::ALL {
            let _ = self
                .rejected
                .get_or_create(&labels("reason", reason.name()));
        }
        for outcome in FileOutcome::ALL {
            let _ = self.files.get_or_create(&labels("outcome", outcome.name()));
        }
        for outcome in DumpOutcome::ALL {
            let _ = self.dumps.get_or_create(&labels("outcome", outcome.name()));
        }
    }
}

/// Memory of this process that is not swapped out; `None` where the system does not say.
pub(super) fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
