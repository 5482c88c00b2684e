//! A model as values, to and from bytes.

use std::path::Path;

use feature_spec::FeatureSpec;
use lr_core::LinearModel;
use serde::{Deserialize, Serialize};
use zscore_stats::{ScalePolicies, Scaler};

use crate::container::{Encoded, FORMAT_VERSION, Tensor};
use crate::error::{DecodeError, EncodeError, FileError};
use crate::file;
use crate::info::{ModelInfo, SpecIdentity};
use crate::json;
use crate::tensors::{check_finite, check_positions, check_spread};

/// Columns that a decoder accepts unless told otherwise: 512 Mi, 2 GiB of weights.
pub const DEFAULT_MAX_COLUMNS: u64 = 1 << 29;

/// Everything that a model file holds.
///
/// The same snapshot always gives the same bytes.
///
/// # Invariants (checked on encoding and decoding)
///
/// - weights and biases are finite;
/// - statistics are finite, standard deviations are not negative, their positions strictly
///   increase and are below the number of weights;
/// - the invariants of [`ModelInfo`].
///
/// # Examples
///
/// ```
/// use lr_core::LinearModel;
/// use model_io::{ModelInfo, Snapshot, Version};
///
/// let version = Version::of_model(None, 1_651_658_400_000, 3)?;
/// let snapshot = Snapshot {
///     model: LinearModel::new(vec![0.5, 0.0, -1.0], 0.25)?,
///     dense_bias: 0.25,
///     statistics: Default::default(),
///     spec: String::new(),
///     info: ModelInfo::new(version, "HI"),
/// };
/// let bytes = snapshot.to_bytes()?;
/// assert_eq!(Snapshot::from_bytes(&bytes)?.model.weights(), [0.5, 0.0, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Weights, and the bias that goes with sparse rows (absent positions contribute nothing).
    pub model: LinearModel,
    /// The bias that goes with literal dense arrays, in which an absent position holds its scaled
    /// value: the sparse bias less what absent positions would add.
    pub dense_bias: f64,
    /// Mean and standard deviation of the scaled positions.
    pub statistics: Statistics,
    /// Canonical text of the feature specification.
    pub spec: String,
    /// Everything else.
    pub info: ModelInfo,
}

/// Mean M and standard deviation D of the positions that are scaled and were seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statistics {
    /// Strictly increasing.
    pub positions: Vec<u32>,
    /// M of each, after its transform.
    pub mean: Vec<f64>,
    /// Population standard deviation D of each, after its transform.
    pub std_dev: Vec<f64>,
}

/// The metadata of a model file, but its digest.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ModelMetadata {
    pub(crate) columns: u64,
    pub(crate) format: u32,
    pub(crate) info: ModelInfo,
    pub(crate) kind: String,
    pub(crate) min_reader: u32,
}

pub(crate) const KIND: &str = "model";

impl Snapshot {
    /// Joins a model, the statistics and the specification that it was learned under, and what is
    /// to be said about it; sets [`ModelInfo::spec`] and the dense bias.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Invalid`]: the parts do not have the same number of columns.
    pub fn new(
        model: LinearModel,
        scaler: &Scaler,
        spec: &FeatureSpec,
        mut info: ModelInfo,
    ) -> Result<Self, EncodeError> {
        let invalid = |part, reason| {
            let source = DecodeError::Part { part, reason };
            EncodeError::Invalid { source }
        };
        if spec.columns() != model.dimension() {
            let reason = format!(
                "{} columns, the model has {}",
                spec.columns(),
                model.dimension()
            );
            return Err(invalid("specification", reason));
        }
        let absent = scaler
            .absent_constant(model.weights())
            .map_err(|error| invalid("statistics", error.to_string()))?;
        info.spec = SpecIdentity::of(spec);
        Ok(Self {
            dense_bias: model.bias() - absent,
            model,
            statistics: Statistics::of(scaler),
            spec: spec.canonical().to_owned(),
            info,
        })
    }

    /// Returns the bytes of the model file: the same for the same snapshot, on any machine.
    ///
    /// Weights are stored dense or as positions and values, whichever is smaller.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Invalid`]: the snapshot breaks an invariant.
    ///
    /// # Complexity
    ///
    /// O(columns); one copy of what is stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let sparse = Sparse::of(self.model.weights());
        let encoded = self
            .encode(sparse.as_ref())
            .map_err(|source| EncodeError::Invalid { source })?;
        Ok(encoded.to_bytes())
    }

    /// Decodes a model file of at most [`DEFAULT_MAX_COLUMNS`] columns.
    ///
    /// The specification's text is not compiled here, its fingerprint is not checked: that is done
    /// by [`ServingModel`](crate::ServingModel).
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        crate::model_file::View::parse(bytes, DEFAULT_MAX_COLUMNS)?.to_snapshot()
    }

    /// Writes the model file at `path`: to a hidden file beside it, then `fsync`, then rename, then
    /// `fsync` of the folder. Readers see the old file or the new one, never a part.
    ///
    /// Streams: what is borrowed from the snapshot is not copied.
    ///
    /// # Errors
    ///
    /// - [`FileError::Io`]: the operating system refused; the old file is as it was;
    /// - [`FileError::Encode`]: the snapshot breaks an invariant.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let sparse = Sparse::of(self.model.weights());
        let encoded = self
            .encode(sparse.as_ref())
            .map_err(|source| FileError::Encode {
                path: path.to_owned(),
                source: EncodeError::Invalid { source },
            })?;
        file::replace(path, |out| encoded.write_to(out))
    }

    fn encode<'a>(&'a self, sparse: Option<&'a Sparse>) -> Result<Encoded<'a>, DecodeError> {
        self.check()?;
        let metadata = ModelMetadata {
            columns: self.model.dimension() as u64,
            format: FORMAT_VERSION,
            info: self.info.clone(),
            kind: KIND.to_owned(),
            min_reader: 1,
        };
        let metadata = json::to_canonical(&metadata).map_err(|error| DecodeError::Metadata {
            reason: error.to_string(),
        })?;
        let biases = bytemuck::bytes_of(&self.dense_bias).to_vec();
        let mut tensors = vec![
            Tensor {
                name: "bias".to_owned(),
                dtype: safetensors::Dtype::F64,
                shape: vec![1],
                data: self.model.bias().to_le_bytes().to_vec().into(),
            },
            Tensor {
                name: "bias.dense".to_owned(),
                dtype: safetensors::Dtype::F64,
                shape: vec![1],
                data: biases.into(),
            },
            Tensor::u8("spec", self.spec.as_bytes()),
            Tensor::f64("stats.mean", &self.statistics.mean),
            Tensor::u32("stats.positions", &self.statistics.positions),
            Tensor::f64("stats.std_dev", &self.statistics.std_dev),
        ];
        match sparse {
            Some(sparse) => {
                tensors.push(Tensor::u32("weights.positions", &sparse.positions));
                tensors.push(Tensor::f32("weights.values", &sparse.values));
            }
            None => tensors.push(Tensor::f32("weights", self.model.weights())),
        }
        Encoded::new(&metadata, tensors)
    }

    /// The weights and the sparse bias are finite by the invariants of [`LinearModel`].
    fn check(&self) -> Result<(), DecodeError> {
        check_finite("bias.dense", &[self.dense_bias])?;
        self.statistics.check(self.model.dimension() as u64)?;
        self.info.check()
    }
}

impl Statistics {
    /// Copies what `scaler` was made of.
    #[must_use]
    pub fn of(scaler: &Scaler) -> Self {
        let parts = scaler.parts();
        Self {
            positions: parts.positions.to_vec(),
            mean: parts.mean.to_vec(),
            std_dev: parts.std_dev.to_vec(),
        }
    }

    /// Builds the scaler again, under the policies of the specification.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Part`]: the statistics do not fit the policies.
    pub fn scaler(&self, policies: &ScalePolicies) -> Result<Scaler, DecodeError> {
        let Self {
            positions,
            mean,
            std_dev,
        } = self.clone();
        Scaler::from_parts(policies, positions, mean, std_dev).map_err(|error| DecodeError::Part {
            part: "statistics",
            reason: error.to_string(),
        })
    }

    pub(crate) fn check(&self, columns: u64) -> Result<(), DecodeError> {
        let Self {
            positions,
            mean,
            std_dev,
        } = self;
        for (name, length) in [("stats.mean", mean.len()), ("stats.std_dev", std_dev.len())] {
            if length != positions.len() {
                return Err(DecodeError::TensorShape {
                    name: name.to_owned(),
                    expected: format!("of {} elements", positions.len()),
                    actual: format!("of {length}"),
                });
            }
        }
        check_positions("stats.positions", positions, columns)?;
        check_finite("stats.mean", mean)?;
        check_spread("stats.std_dev", std_dev)
    }
}

/// Weights that are not all-zero bits, when storing them alone takes fewer bytes.
pub(crate) struct Sparse {
    pub(crate) positions: Vec<u32>,
    pub(crate) values: Vec<f32>,
}

impl Sparse {
    pub(crate) fn of(weights: &[f32]) -> Option<Self> {
        let stored = weights
            .iter()
            .filter(|weight| weight.to_bits() != 0)
            .count();
        if 2 * stored >= weights.len() {
            return None;
        }
        let entries = (0_u32..)
            .zip(weights)
            .filter(|(_, weight)| weight.to_bits() != 0);
        let (positions, values) = entries.unzip();
        Some(Self { positions, values })
    }
}
