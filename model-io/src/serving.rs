//! From a raw event to a probability, with one model file.

mod explain;
mod golden;

use std::path::Path;
use std::sync::Arc;

use feature_spec::{Encoder, Event, FeatureSpec, Row};
use lr_core::{LinearModel, sigmoid};
use zscore_stats::Scaler;

pub use explain::{Contribution, Explanation};

use crate::error::{DecodeError, FileError};
use crate::info::{ModelInfo, SpecIdentity};
use crate::model_file::ModelFile;
use crate::snapshot::{Snapshot, Statistics};

/// Why a model cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServingError {
    /// The file is not a valid model.
    #[error("model file")]
    File {
        /// What is wrong.
        source: FileError,
    },
    /// The bytes are not a valid model, or its parts contradict each other.
    #[error("model")]
    Decode {
        /// What is wrong.
        source: DecodeError,
    },
    /// A golden event does not get the probability that the model's writer computed.
    #[error("golden event {index} gets probability {actual}, the model's writer got {expected}")]
    GoldenMismatch {
        /// Index among the golden events.
        index: usize,
        /// Probability in the file.
        expected: f64,
        /// Probability computed here.
        actual: f64,
    },
    /// A golden event cannot be predicted at all.
    #[error("golden event {index}")]
    Golden {
        /// Index among the golden events.
        index: usize,
        /// Why.
        source: PredictError,
    },
}

/// Why an event got no prediction.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The event's text is not an event record.
    #[error("event: {reason}")]
    Event {
        /// What the parser says.
        reason: String,
    },
    /// The event cannot be encoded under the model's specification.
    #[error("encoding: {reason}")]
    Encode {
        /// What the encoder says.
        reason: String,
    },
    /// A value cannot be scaled, or the row does not fit the model.
    #[error("scoring: {reason}")]
    Score {
        /// What was refused.
        reason: String,
    },
}

/// A prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Served {
    /// Probability of a like, the sampling of negatives undone.
    pub probability: f64,
    /// Whether the probability reaches the model's threshold.
    pub like: bool,
}

/// A verified model that turns raw events into probabilities.
///
/// It is immutable and shared between threads; each thread predicts through a [`Predictor`] of its
/// own, which holds the buffers.
///
/// # Invariants
///
/// - the specification inside the model has the fingerprint that the model names, and as many
///   columns as the model;
/// - every golden event gets the probability in the file, to 1e-5.
#[derive(Debug)]
pub struct ServingModel {
    spec: FeatureSpec,
    scaler: Scaler,
    model: LinearModel,
    /// ln of the part of the negatives that was kept in training: added to every margin.
    correction: f64,
    info: ModelInfo,
}

impl ServingModel {
    /// Opens and verifies a model file.
    ///
    /// # Errors
    ///
    /// Any [`ServingError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ServingError> {
        let file = ModelFile::open(path).map_err(|source| ServingError::File { source })?;
        let snapshot = file
            .to_snapshot()
            .map_err(|source| ServingError::Decode { source })?;
        Self::from_snapshot(snapshot)
    }

    /// Decodes and verifies a model's bytes.
    ///
    /// # Errors
    ///
    /// Any [`ServingError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ServingError> {
        let snapshot =
            Snapshot::from_bytes(bytes).map_err(|source| ServingError::Decode { source })?;
        Self::from_snapshot(snapshot)
    }

    /// Compiles and verifies a snapshot.
    ///
    /// # Errors
    ///
    /// Any [`ServingError`].
    pub fn from_snapshot(snapshot: Snapshot) -> Result<Self, ServingError> {
        let model = Self::compile(snapshot).map_err(|source| ServingError::Decode { source })?;
        model.check_golden()?;
        Ok(model)
    }

    /// Returns a prediction; allocates its buffers each time, which a [`Predictor`] does not.
    ///
    /// # Errors
    ///
    /// Any [`PredictError`].
    pub fn predict(&self, event: &Event<'_>) -> Result<Served, PredictError> {
        self.predict_with(event, &mut Scratch::new(&self.spec))
    }

    /// Returns a prediction of a row that was encoded, transformed and scaled under this model's
    /// specification and statistics.
    ///
    /// # Errors
    ///
    /// [`PredictError::Score`]: the row does not fit the model.
    pub fn predict_row(
        &self,
        row: &sprs::CsVecViewI<'_, f32, u32>,
    ) -> Result<Served, PredictError> {
        let margin = self
            .model
            .margin(row)
            .map_err(|error| PredictError::Score {
                reason: error.to_string(),
            })?;
        Ok(self.served(margin))
    }

    /// Returns what the model says about itself.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Returns the specification that the model carries.
    #[must_use]
    pub fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    /// Returns the statistics that the model carries.
    #[must_use]
    pub fn scaler(&self) -> &Scaler {
        &self.scaler
    }

    /// Returns the weights and the bias for sparse rows, before the correction for sampling.
    #[must_use]
    pub fn model(&self) -> &LinearModel {
        &self.model
    }

    fn compile(snapshot: Snapshot) -> Result<Self, DecodeError> {
        let Snapshot {
            model,
            statistics,
            spec,
            info,
            ..
        } = snapshot;
        let spec = FeatureSpec::from_canonical(&spec).map_err(|error| DecodeError::Spec {
            reason: error.to_string(),
        })?;
        Self::assemble(model, &statistics, info, spec)
    }

    /// Joins parts that belong together.
    fn assemble(
        model: LinearModel,
        statistics: &Statistics,
        info: ModelInfo,
        spec: FeatureSpec,
    ) -> Result<Self, DecodeError> {
        let actual = SpecIdentity::of(&spec);
        let pairs = [
            (&info.spec.fingerprint, actual.fingerprint),
            (&info.spec.scaling_fingerprint, actual.scaling_fingerprint),
        ];
        for (expected, actual) in pairs {
            if *expected != actual {
                let expected = expected.clone();
                return Err(DecodeError::FingerprintMismatch { expected, actual });
            }
        }
        if spec.columns() != model.dimension() {
            let reason = format!(
                "{} columns, the model has {}",
                spec.columns(),
                model.dimension()
            );
            return Err(DecodeError::Part {
                part: "specification",
                reason,
            });
        }
        let scaler = statistics.scaler(spec.policies())?;
        let correction = libm::log(info.sampling_rate);
        Ok(Self {
            spec,
            scaler,
            model,
            correction,
            info,
        })
    }

    fn predict_with(
        &self,
        event: &Event<'_>,
        scratch: &mut Scratch,
    ) -> Result<Served, PredictError> {
        self.encode(event, scratch)?;
        self.predict_row(&scratch.row.view())
    }

    /// Leaves the scaled row in `scratch`.
    fn encode(&self, event: &Event<'_>, scratch: &mut Scratch) -> Result<(), PredictError> {
        let Scratch { encoder, row } = scratch;
        encoder
            .encode(event, row)
            .map_err(|error| PredictError::Encode {
                reason: error.to_string(),
            })?;
        let refused = |error: zscore_stats::ValueError| PredictError::Score {
            reason: error.to_string(),
        };
        let (positions, values) = row.parts_mut();
        self.spec
            .policies()
            .transform_in_place(positions, values)
            .map_err(refused)?;
        self.scaler
            .scale_in_place(positions, values)
            .map_err(refused)
    }

    fn served(&self, margin: f64) -> Served {
        let probability = sigmoid(margin + self.correction);
        Served {
            probability,
            like: probability >= self.info.threshold,
        }
    }
}

/// The buffers of one thread.
#[derive(Debug)]
struct Scratch {
    encoder: Encoder,
    row: Row,
}

impl Scratch {
    fn new(spec: &FeatureSpec) -> Self {
        Self {
            encoder: Encoder::new(spec),
            row: Row::default(),
        }
    }
}

/// One thread's way to predict: allocates nothing once it has seen rows of the usual size.
#[derive(Debug)]
pub struct Predictor {
    model: Arc<ServingModel>,
    scratch: Scratch,
}

impl Predictor {
    /// Returns a predictor of `model`.
    #[must_use]
    pub fn new(model: Arc<ServingModel>) -> Self {
        let scratch = Scratch::new(model.spec());
        Self { model, scratch }
    }

    /// Returns a prediction.
    ///
    /// # Errors
    ///
    /// Any [`PredictError`].
    pub fn predict(&mut self, event: &Event<'_>) -> Result<Served, PredictError> {
        self.model.predict_with(event, &mut self.scratch)
    }

    /// Goes over to `model`; keeps the buffers where the specification is the same.
    pub fn renew(&mut self, model: &Arc<ServingModel>) {
        if self.model.spec.canonical() != model.spec.canonical() {
            self.scratch = Scratch::new(&model.spec);
        }
        self.model = model.clone();
    }

    /// Returns the model.
    #[must_use]
    pub fn model(&self) -> &Arc<ServingModel> {
        &self.model
    }
}
