//! What the service counts, in the text format of Prometheus.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use model_io::ModelInfo;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::error::Problem;

/// Upper bounds of the buckets of latencies, in seconds.
const LATENCIES: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0, 5.0,
];

/// The counters and gauges of one service.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    latency: Family<Route, Histogram, fn() -> Histogram>,
    /// Events that got a probability.
    pub(super) predicted: Counter,
    rejected: Family<Reason, Counter>,
    /// Requests under way.
    pub(super) in_flight: Gauge,
    /// Connections open.
    pub(super) connections: Gauge,
    model: Family<Model, Gauge>,
    model_last_event: Gauge<f64, AtomicU64>,
    /// Models taken over since the first.
    pub(super) reloads: Counter,
    /// Looks at the registry that failed, or whose model was refused.
    pub(super) poll_failures: Counter,
    /// Unix time at which the registry was last read with success.
    pub(super) last_poll: Gauge<f64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Model {
    version: String,
    language: String,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let latency: fn() -> Histogram = || Histogram::new(LATENCIES);
        let mut metrics = Self {
            registry: Registry::with_prefix("serve"),
            requests: Family::default(),
            latency: Family::new_with_constructor(latency),
            predicted: Counter::default(),
            rejected: Family::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            model: Family::default(),
            model_last_event: Gauge::default(),
            reloads: Counter::default(),
            poll_failures: Counter::default(),
            last_poll: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    /// Counts a request that was answered.
    pub(super) fn answered(&self, route: &'static str, status: u16, took: Duration) {
        self.requests
            .get_or_create(&Request { route, status })
            .inc();
        self.latency
            .get_or_create(&Route { route })
            .observe(took.as_secs_f64());
    }

    /// Counts an event without a prediction.
    pub(super) fn rejected(&self, problem: &Problem) {
        let reason = problem.reason;
        self.rejected.get_or_create(&Reason { reason }).inc();
    }

    /// Names the model in use.
    pub(super) fn serving(&self, info: &ModelInfo) {
        self.model.clear();
        let model = Model {
            version: info.version.to_string(),
            language: info.language.clone(),
        };
        self.model.get_or_create(&model).set(1);
        #[allow(clippy::cast_precision_loss)] // milliseconds are far below 2^53
        if let Some(span) = info.span {
            self.model_last_event.set(span.last as f64 / 1000.0);
        }
    }

    /// Everything as text.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to memory cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Requests answered, by route and status",
            self.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time from the head of a request to its answer, by route",
            self.latency.clone(),
        );
        registry.register(
            "predictions",
            "Events that got a probability",
            self.predicted.clone(),
        );
        registry.register(
            "rejected_events",
            "Events without a prediction, by reason",
            self.rejected.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Requests under way",
            self.in_flight.clone(),
        );
        registry.register("connections", "Connections open", self.connections.clone());
        registry.register("model_info", "The model in use", self.model.clone());
        registry.register(
            "model_last_event_timestamp_seconds",
            "Event time of the last event that the model learned, in Unix time",
            self.model_last_event.clone(),
        );
        registry.register(
            "model_reloads",
            "Models taken over since the first",
            self.reloads.clone(),
        );
        registry.register(
            "registry_poll_failures",
            "Looks at the registry that failed or whose model was refused",
            self.poll_failures.clone(),
        );
        registry.register(
            "registry_last_poll_timestamp_seconds",
            "Unix time at which the registry was last read with success",
            self.last_poll.clone(),
        );
    }
}
