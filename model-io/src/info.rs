//! What a model file says about itself.

use std::collections::BTreeMap;

use feature_spec::FeatureSpec;
use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::version::{Version, check_name};

/// Everything about a model that is not a number per position.
///
/// All of it should be a function of what the model learned: no clock, host, path or run number,
/// so that a run with restarts publishes the same bytes as one without.
///
/// # Invariants (checked on encoding and decoding)
///
/// - `threshold` is within 0 to 1, `sampling_rate` within 0 (excluded) to 1;
/// - metrics are finite, golden probabilities within 0 to 1;
/// - the first event is not after the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Version under which it is published.
    pub version: Version,
    /// Language code of the events, such as `HI`.
    pub language: String,
    /// Which specification the positions belong to.
    pub spec: SpecIdentity,
    /// Events learned from since training began.
    pub events_learned: u64,
    /// Event times of the first and last event learned.
    pub span: Option<EventSpan>,
    /// Probability from which a prediction counts as "like".
    pub threshold: f64,
    /// Part of the negatives that was kept in training; undone in every served probability.
    pub sampling_rate: f64,
    /// Name of the optimiser, and its settings and all others that shaped the model.
    pub optimizer: String,
    /// Settings of the run by name, as text.
    pub settings: BTreeMap<String, String>,
    /// Measures at the time of the dump, by name, such as `log_loss` in nats.
    pub metrics: BTreeMap<String, f64>,
    /// Version of the model that this one continued, if any.
    pub parent: Option<Version>,
    /// Program and version that wrote the file.
    pub tool: String,
    /// Events with the probability that a right load must give.
    pub golden: Vec<Golden>,
}

impl ModelInfo {
    /// Returns the description of a model about which nothing else is known: threshold 0.5,
    /// sampling rate 1.
    #[must_use]
    pub fn new(version: Version, language: impl Into<String>) -> Self {
        Self {
            version,
            language: language.into(),
            spec: SpecIdentity::default(),
            events_learned: 0,
            span: None,
            threshold: 0.5,
            sampling_rate: 1.0,
            optimizer: String::new(),
            settings: BTreeMap::new(),
            metrics: BTreeMap::new(),
            parent: None,
            tool: concat!("ctr-predict ", env!("CARGO_PKG_VERSION")).to_owned(),
            golden: Vec::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        let out_of_range = |field, value: &dyn ToString, allowed| {
            Err(DecodeError::FieldOutOfRange {
                field,
                value: value.to_string(),
                allowed,
            })
        };
        if check_name("language", &self.language).is_err() {
            return out_of_range("language", &self.language, "letters, digits, `.`, `_`, `-`");
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return out_of_range("threshold", &self.threshold, "0 to 1");
        }
        if !(self.sampling_rate > 0.0 && self.sampling_rate <= 1.0) {
            return out_of_range("sampling_rate", &self.sampling_rate, "above 0, at most 1");
        }
        if let Some(value) = self.metrics.values().find(|value| !value.is_finite()) {
            return out_of_range("metrics", value, "finite");
        }
        if let Some(span) = self.span.filter(|span| span.first > span.last) {
            return out_of_range("span.first", &span.first, "not after span.last");
        }
        match self
            .golden
            .iter()
            .find(|pair| !(0.0..=1.0).contains(&pair.probability))
        {
            Some(pair) => out_of_range("golden.probability", &pair.probability, "0 to 1"),
            None => Ok(()),
        }
    }
}

/// Which specification a model's positions belong to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpecIdentity {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of what stands at which position, as hexadecimal digits.
    pub fingerprint: String,
    /// Digest of how each position is scaled, as hexadecimal digits.
    #[serde(default)]
    pub scaling_fingerprint: String,
}

impl SpecIdentity {
    /// Returns the identity of `spec`.
    #[must_use]
    pub fn of(spec: &FeatureSpec) -> Self {
        Self {
            name: spec.name().to_owned(),
            version: spec.version().to_owned(),
            fingerprint: spec.fingerprint().to_string(),
            scaling_fingerprint: spec.scaling_fingerprint().to_string(),
        }
    }
}

/// Times of the first and last event learned, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSpan {
    /// The earliest.
    pub first: i64,
    /// The latest.
    pub last: i64,
}

/// An event and the probability that the model gives it.
///
/// Whoever loads the model computes it again and refuses the model if it differs by more than
/// 1e-5: a check of the whole chain from raw event to probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// One event record, as JSON text.
    pub event: String,
    /// The served probability.
    pub probability: f64,
}
