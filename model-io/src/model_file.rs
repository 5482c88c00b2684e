//! A model file, mapped and verified, without copying its weights.

use std::borrow::Cow;
use std::path::Path;

use lr_core::LinearModel;
use serde::Deserialize;

use crate::container::{Container, FORMAT_VERSION};
use crate::error::{DecodeError, FileError};
use crate::info::ModelInfo;
use crate::json;
use crate::snapshot::{DEFAULT_MAX_COLUMNS, KIND, ModelMetadata, Snapshot, Statistics};
use crate::tensors::{check_finite, check_positions};

/// The weights of a model file as they are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Weights<'a> {
    /// One weight per column.
    Dense(&'a [f32]),
    /// The weights that are not zero.
    Sparse {
        /// Strictly increasing columns.
        positions: &'a [u32],
        /// Their weights.
        values: &'a [f32],
    },
}

/// A decoded view of a model's bytes.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) metadata: ModelMetadata,
    weights: StoredWeights<'a>,
    pub(crate) bias: f64,
    pub(crate) dense_bias: f64,
    pub(crate) statistics: Statistics,
    pub(crate) spec: &'a str,
}

#[derive(Debug)]
enum StoredWeights<'a> {
    Dense(Cow<'a, [f32]>),
    Sparse(Cow<'a, [u32]>, Cow<'a, [f32]>),
}

/// What must be understood before anything else of the metadata is.
#[derive(Deserialize)]
struct Envelope {
    min_reader: u32,
    kind: String,
}

/// Checks kind and version of `container` and decodes its metadata.
pub(crate) fn metadata_of<T: for<'de> Deserialize<'de>>(
    container: &Container<'_>,
    kind: &'static str,
) -> Result<T, DecodeError> {
    let text = container.metadata();
    let invalid = |reason| DecodeError::Metadata { reason };
    let envelope: Envelope = json::from_strict(text).map_err(invalid)?;
    if envelope.min_reader > FORMAT_VERSION {
        let min_reader = envelope.min_reader;
        return Err(DecodeError::UnsupportedVersion {
            min_reader,
            supported: FORMAT_VERSION,
        });
    }
    if envelope.kind != kind {
        let reason = format!("the file is a {:?}, expected a {kind:?}", envelope.kind);
        return Err(invalid(reason));
    }
    serde_json::from_str(text).map_err(|error| invalid(error.to_string()))
}

impl<'a> View<'a> {
    pub(crate) fn parse(bytes: &'a [u8], max_columns: u64) -> Result<Self, DecodeError> {
        let container = Container::parse(bytes, KIND)?;
        let metadata: ModelMetadata = metadata_of(&container, KIND)?;
        metadata.info.check()?;
        let columns = metadata.columns;
        if columns > max_columns.min(u64::from(u32::MAX)) {
            let limit = max_columns.min(u64::from(u32::MAX));
            return Err(DecodeError::TooManyColumns { columns, limit });
        }
        let weights = StoredWeights::decode(&container, columns)?;
        let statistics = Statistics {
            positions: container.u32("stats.positions")?.into_owned(),
            mean: container.f64("stats.mean")?.into_owned(),
            std_dev: container.f64("stats.std_dev")?.into_owned(),
        };
        statistics.check(columns)?;
        let spec =
            std::str::from_utf8(container.u8("spec")?).map_err(|error| DecodeError::Spec {
                reason: error.to_string(),
            })?;
        Ok(Self {
            metadata,
            weights,
            bias: scalar(&container, "bias")?,
            dense_bias: scalar(&container, "bias.dense")?,
            statistics,
            spec,
        })
    }

    pub(crate) fn to_snapshot(&self) -> Result<Snapshot, DecodeError> {
        let model = LinearModel::new(self.dense_weights()?, self.bias).map_err(|error| {
            DecodeError::Part {
                part: "model",
                reason: error.to_string(),
            }
        })?;
        Ok(Snapshot {
            model,
            dense_bias: self.dense_bias,
            statistics: self.statistics.clone(),
            spec: self.spec.to_owned(),
            info: self.metadata.info.clone(),
        })
    }

    /// Allocates four bytes a column, and columns are bounded by the caller.
    fn dense_weights(&self) -> Result<Vec<f32>, DecodeError> {
        let columns = self.metadata.columns;
        let too_many = |limit| DecodeError::TooManyColumns { columns, limit };
        match &self.weights {
            StoredWeights::Dense(weights) => Ok(weights.to_vec()),
            StoredWeights::Sparse(positions, values) => {
                let columns = usize::try_from(columns).map_err(|_| too_many(usize::MAX as u64))?;
                let mut weights = Vec::new();
                weights
                    .try_reserve_exact(columns)
                    .map_err(|_| too_many(0))?;
                weights.resize(columns, 0.0);
                for (&position, &value) in positions.iter().zip(values.iter()) {
                    weights[position as usize] = value;
                }
                Ok(weights)
            }
        }
    }
}

impl<'a> StoredWeights<'a> {
    fn decode(container: &Container<'a>, columns: u64) -> Result<Self, DecodeError> {
        let shape = |name: &str, expected: String, actual: usize| DecodeError::TensorShape {
            name: name.to_owned(),
            expected,
            actual: format!("of {actual} elements"),
        };
        if container.has("weights") {
            if container.has("weights.positions") || container.has("weights.values") {
                let reason = "both dense and sparse weights are there".to_owned();
                return Err(DecodeError::Part {
                    part: "weights",
                    reason,
                });
            }
            let weights = container.f32("weights")?;
            if weights.len() as u64 != columns {
                return Err(shape(
                    "weights",
                    format!("of {columns} elements"),
                    weights.len(),
                ));
            }
            check_finite("weights", &weights)?;
            return Ok(Self::Dense(weights));
        }
        let positions = container.u32("weights.positions")?;
        let values = container.f32("weights.values")?;
        if values.len() != positions.len() {
            let expected = format!("of {} elements", positions.len());
            return Err(shape("weights.values", expected, values.len()));
        }
        check_positions("weights.positions", &positions, columns)?;
        check_finite("weights.values", &values)?;
        Ok(Self::Sparse(positions, values))
    }
}

fn scalar(container: &Container<'_>, name: &'static str) -> Result<f64, DecodeError> {
    match container.f64(name)?[..] {
        [value] => check_finite(name, &[value]).map(|()| value),
        ref values => Err(DecodeError::TensorShape {
            name: name.to_owned(),
            expected: "of 1 element".to_owned(),
            actual: format!("of {}", values.len()),
        }),
    }
}

/// A model file on disk, mapped into memory and verified.
///
/// The weights stay in the page cache: opening allocates for metadata and statistics alone.
/// The file must not be changed in place while it is open (this crate never does so: it replaces
/// whole files, which an open map does not notice).
///
/// # Examples
///
/// ```no_run
/// use model_io::{ModelFile, Weights};
///
/// let file = ModelFile::open("model.safetensors")?;
/// println!("{} learned {} events", file.info().version, file.info().events_learned);
/// if let Weights::Dense(weights) = file.weights() {
///     println!("{}", weights[0]);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ModelFile {
    map: memmap2::Mmap,
    metadata: ModelMetadata,
    weights: HeldWeights,
    bias: f64,
    dense_bias: f64,
    statistics: Statistics,
    spec: String,
}

#[derive(Debug)]
enum HeldWeights {
    Dense(Held<f32>),
    Sparse(Held<u32>, Held<f32>),
}

/// Elements that are a range of the map, or a copy of some that were not aligned in it.
#[derive(Debug)]
enum Held<T> {
    Mapped(std::ops::Range<usize>),
    Copied(Vec<T>),
}

impl ModelFile {
    /// Maps the file at `path` and verifies every byte of it, with at most
    /// [`DEFAULT_MAX_COLUMNS`] columns.
    ///
    /// # Errors
    ///
    /// - [`FileError::Io`]: the file cannot be opened or mapped;
    /// - [`FileError::Decode`]: it is not a valid model.
    ///
    /// # Complexity
    ///
    /// O(bytes), for the digest; no allocation of the weights' size.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let map = crate::file::map(path)?;
        Self::of_map(map).map_err(|source| FileError::Decode {
            path: path.to_owned(),
            source,
        })
    }

    fn of_map(map: memmap2::Mmap) -> Result<Self, DecodeError> {
        let view = View::parse(&map, DEFAULT_MAX_COLUMNS)?;
        let weights = match view.weights {
            StoredWeights::Dense(weights) => HeldWeights::Dense(Held::of(&map, weights)),
            StoredWeights::Sparse(positions, values) => {
                HeldWeights::Sparse(Held::of(&map, positions), Held::of(&map, values))
            }
        };
        let View {
            metadata,
            bias,
            dense_bias,
            statistics,
            spec,
            ..
        } = view;
        let spec = spec.to_owned();
        Ok(Self {
            metadata,
            weights,
            bias,
            dense_bias,
            statistics,
            spec,
            map,
        })
    }

    /// Returns what the file says about itself.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.metadata.info
    }

    /// Returns the number of weights, stored or not.
    #[must_use]
    pub fn columns(&self) -> u64 {
        self.metadata.columns
    }

    /// Returns the weights as they are stored.
    #[must_use]
    pub fn weights(&self) -> Weights<'_> {
        match &self.weights {
            HeldWeights::Dense(weights) => Weights::Dense(weights.as_slice(&self.map)),
            HeldWeights::Sparse(positions, values) => Weights::Sparse {
                positions: positions.as_slice(&self.map),
                values: values.as_slice(&self.map),
            },
        }
    }

    /// Returns the bias that goes with sparse rows, in log-odds.
    #[must_use]
    pub fn bias(&self) -> f64 {
        self.bias
    }

    /// Returns the bias that goes with literal dense arrays, in log-odds.
    #[must_use]
    pub fn dense_bias(&self) -> f64 {
        self.dense_bias
    }

    /// Returns the statistics of the scaled positions.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Returns the canonical text of the feature specification.
    #[must_use]
    pub fn spec(&self) -> &str {
        &self.spec
    }

    /// Copies the file's content out of the map.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooManyColumns`]: there is no memory for the weights.
    pub fn to_snapshot(&self) -> Result<Snapshot, DecodeError> {
        View::parse(&self.map, DEFAULT_MAX_COLUMNS)?.to_snapshot()
    }
}

impl<T: bytemuck::Pod> Held<T> {
    fn of(map: &[u8], elements: Cow<'_, [T]>) -> Self {
        match elements {
            Cow::Borrowed(slice) if !slice.is_empty() => {
                let bytes: &[u8] = bytemuck::cast_slice(slice);
                let start = bytes.as_ptr().addr() - map.as_ptr().addr();
                Self::Mapped(start..start + bytes.len())
            }
            other => Self::Copied(other.into_owned()),
        }
    }

    fn as_slice<'a>(&'a self, map: &'a [u8]) -> &'a [T] {
        match self {
            // The cast succeeded on the same bytes when the file was opened.
            Self::Mapped(range) => bytemuck::try_cast_slice(&map[range.clone()]).unwrap_or(&[]),
            Self::Copied(elements) => elements,
        }
    }
}
