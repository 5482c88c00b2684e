//! What a running trainer tells a monitoring system: counters and gauges for Prometheus, and
//! whether it is ready.
//!
//! A [`Telemetry`] is a handle without a global behind it: whoever counts gets a clone.
//! Updates are a lookup and an atomic addition, so call them once a block and not once an event.
//! `docs/operations.md` lists what is exposed, and which alert belongs to which metric.

#[cfg(feature = "http")]
mod endpoint;
mod metrics;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::registry::Registry;

use self::metrics::{Labels, Metrics};
use crate::encode::Reason;

#[cfg(feature = "http")]
pub use self::endpoint::Endpoint;

/// The figures of one stream (a language) of a process that may train several.
///
/// Clones count into the same figures.
#[derive(Debug, Clone)]
pub struct Telemetry {
    shared: Arc<Shared>,
    language: Arc<str>,
}

/// What became of an event file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileOutcome {
    /// Read to its end and learned from.
    Consumed,
    /// It appeared after its hour was closed.
    Late,
    /// Its content is not what it was when it was read.
    Changed,
}

/// What became of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpOutcome {
    /// It is in the registry.
    Published,
    /// The gate kept it back.
    Withheld,
    /// The registry could not take it.
    Failed,
}

#[derive(Debug)]
struct Shared {
    registry: Registry,
    metrics: Metrics,
    /// By language: ready, and what is being done or waited for.
    states: Mutex<BTreeMap<Arc<str>, State>>,
}

#[derive(Debug)]
struct State {
    ready: bool,
    why: String,
}

impl Telemetry {
    /// Starts with every counter at 0 and a stream that is not ready.
    #[must_use]
    pub fn new(language: &str) -> Self {
        let mut registry = Registry::with_prefix("ctr_train");
        let metrics = Metrics::register(&mut registry);
        let shared = Shared {
            registry,
            metrics,
            states: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            language: Arc::from(""),
        }
        .for_language(language)
    }

    /// The figures of another stream of the same process, with a label of its own.
    #[must_use]
    pub fn for_language(&self, language: &str) -> Self {
        let telemetry = Self {
            shared: Arc::clone(&self.shared),
            language: Arc::from(language),
        };
        telemetry.metrics().start_counters(&telemetry.language);
        telemetry.set_ready(false, "starting");
        telemetry
    }

    /// Counts events learned from; `newest_event_ms`: the latest event time among them, in
    /// milliseconds since the Unix epoch.
    pub fn events_learned(&self, events: u64, newest_event_ms: i64) {
        self.metrics()
            .events
            .get_or_create(&self.labels())
            .inc_by(events);
        let newest = self
            .metrics()
            .newest_event
            .get_or_create_owned(&self.labels());
        newest.set(newest.get().max(seconds(newest_event_ms)));
    }

    /// Counts lines set aside.
    pub fn rejected(&self, reason: Reason, lines: u64) {
        let labels = self.labels_and("reason", reason.name());
        self.metrics().rejected.get_or_create(&labels).inc_by(lines);
    }

    /// Counts an event file.
    pub fn file(&self, outcome: FileOutcome) {
        let labels = self.labels_and("outcome", outcome.name());
        self.metrics().files.get_or_create(&labels).inc();
    }

    /// Tells how many listed files wait to be read.
    pub fn backlog(&self, files: u64) {
        let gauge = self
            .metrics()
            .backlog_files
            .get_or_create_owned(&self.labels());
        gauge.set(i64::try_from(files).unwrap_or(i64::MAX));
    }

    /// Counts a dump.
    pub fn dump(&self, outcome: DumpOutcome) {
        let labels = self.labels_and("outcome", outcome.name());
        self.metrics().dumps.get_or_create(&labels).inc();
        if outcome == DumpOutcome::Published {
            let gauge = &self.metrics().last_dump;
            gauge.get_or_create(&self.labels()).set(now());
        }
    }

    /// Tells how long it is to the next dump, on the clock that dumps follow.
    pub fn next_dump(&self, wait: Duration) {
        let gauge = &self.metrics().next_dump;
        gauge.get_or_create(&self.labels()).set(wait.as_secs_f64());
    }

    /// Tells the quality of the last dump interval: mean log loss in nats, and predicted over
    /// observed positives.
    pub fn interval(&self, log_loss: Option<f64>, calibration: Option<f64>) {
        if let Some(log_loss) = log_loss {
            let gauge = &self.metrics().log_loss;
            gauge.get_or_create(&self.labels()).set(log_loss);
        }
        if let Some(calibration) = calibration {
            let gauge = &self.metrics().calibration;
            gauge.get_or_create(&self.labels()).set(calibration);
        }
    }

    /// Counts a checkpoint and the time that writing it took.
    pub fn checkpoint(&self, sequence: u64, took: Duration) {
        let labels = self.labels();
        let gauge = self
            .metrics()
            .checkpoint_sequence
            .get_or_create_owned(&labels);
        gauge.set(i64::try_from(sequence).unwrap_or(i64::MAX));
        let histogram = &self.metrics().checkpoint_duration;
        histogram.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts a start from a checkpoint.
    pub fn restarted(&self) {
        self.metrics().restarts.get_or_create(&self.labels()).inc();
    }

    /// Tells whether the stream is being learned from, and what is being done or waited for.
    pub fn set_ready(&self, ready: bool, why: impl Into<String>) {
        let why = why.into();
        self.metrics()
            .ready
            .get_or_create(&self.labels())
            .set(i64::from(ready));
        self.states()
            .insert(Arc::clone(&self.language), State { ready, why });
    }

    /// Where the stream is.
    #[must_use]
    pub fn status(&self) -> Status {
        let (labels, metrics) = (self.labels(), self.metrics());
        let newest = metrics.newest_event.get(&labels).map(|gauge| gauge.get());
        Status {
            newest_event_seconds: newest,
            lag_seconds: newest.map(|newest| (now() - newest).max(0.0)),
            next_dump_seconds: metrics.next_dump.get(&labels).map(|gauge| gauge.get()),
            backlog_files: metrics.backlog_files.get(&labels).map(|gauge| gauge.get()),
        }
    }

    /// Whether every stream is ready, and a line on each.
    #[must_use]
    pub fn readiness(&self) -> (bool, String) {
        let mut text = String::new();
        let mut all = true;
        for (language, State { ready, why }) in &*self.states() {
            let state = if *ready { "ready" } else { "not ready" };
            all &= ready;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{language}: {state}: {why}");
        }
        (all, text)
    }

    /// Everything in the `OpenMetrics` text format.
    #[must_use]
    pub fn render(&self) -> String {
        let now = now();
        for language in self.states().keys() {
            let labels = vec![("language", language.to_string())];
            let newest = self.metrics().newest_event.get(&labels).map(|g| g.get());
            if let Some(newest) = newest {
                let lag = &self.metrics().lag;
                lag.get_or_create(&labels).set((now - newest).max(0.0));
            }
        }
        if let Some(bytes) = metrics::resident_bytes() {
            self.metrics().resident_memory.set(bytes);
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.shared.registry);
        text
    }

    /// Serves `/metrics`, `/healthz` and `/readyz` on a thread of its own until the returned
    /// endpoint is dropped.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    #[cfg(feature = "http")]
    pub fn listen(&self, address: std::net::SocketAddr) -> Result<Endpoint, crate::cli::Failure> {
        Endpoint::start(self.clone(), address)
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, State>> {
        // The map is whole after every insertion, so a panic elsewhere does not spoil it.
        self.shared
            .states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn labels(&self) -> Labels {
        vec![("language", self.language.to_string())]
    }

    fn labels_and(&self, name: &'static str, value: &str) -> Labels {
        vec![
            ("language", self.language.to_string()),
            (name, value.to_owned()),
        ]
    }
}

/// Where a stream is, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Time of the newest event learned from, in seconds since the Unix epoch.
    pub newest_event_seconds: Option<f64>,
    /// The clock minus that.
    pub lag_seconds: Option<f64>,
    /// Time to the next dump, in seconds of the clock that dumps follow.
    pub next_dump_seconds: Option<f64>,
    /// Files that are listed and not yet read.
    pub backlog_files: Option<i64>,
}

impl Status {
    /// The time of the newest event to the second, in UTC.
    #[must_use]
    pub fn newest_event(&self) -> Option<String> {
        #[allow(clippy::cast_possible_truncation)] // seconds since 1970 fit
        let seconds = self.newest_event_seconds? as i64;
        let time = jiff::Timestamp::from_second(seconds).ok()?;
        Some(time.to_string())
    }
}

impl std::fmt::Display for Status {
    /// What is known, in words: `newest event 2022-05-04T10:13:20Z (12 s ago), next dump in 2800 s`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        if let (Some(newest), Some(lag)) = (self.newest_event(), self.lag_seconds) {
            write!(formatter, "newest event {newest} ({} ago)", rough(lag))?;
            separator = ", ";
        }
        if let Some(wait) = self.next_dump_seconds {
            write!(formatter, "{separator}next dump in {}", rough(wait))?;
            separator = ", ";
        }
        if let Some(files) = self.backlog_files {
            write!(formatter, "{separator}{files} files waiting")?;
        }
        Ok(())
    }
}

/// A length of time in its largest whole unit.
fn rough(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 2.0 * 86_400.0 => format!("{:.0} d", seconds / 86_400.0),
        seconds if seconds >= 2.0 * 3_600.0 => format!("{:.0} h", seconds / 3_600.0),
        seconds if seconds >= 120.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{seconds:.0} s"),
    }
}

impl FileOutcome {
    const ALL: [Self; 3] = [Self::Consumed, Self::Late, Self::Changed];

    fn name(self) -> &'static str {
        match self {
            Self::Consumed => "consumed",
            Self::Late => "late",
            Self::Changed => "changed",
        }
    }
}

impl DumpOutcome {
    const ALL: [Self; 3] = [Self::Published, Self::Withheld, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Withheld => "withheld",
            Self::Failed => "failed",
        }
    }
}

/// Seconds since the Unix epoch.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

#[allow(clippy::cast_precision_loss)] // milliseconds since 1970 are far below 2^53
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}
