//! Everything that continues a training run to the same bytes, as one object.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lr_core::{LearnerState, Tensor as LearnerTensor, TensorData};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use crate::container::{Container, Encoded, FORMAT_VERSION, Tensor};
use crate::error::{DecodeError, EncodeError, FileError};
use crate::file;
use crate::info::{EventSpan, SpecIdentity};
use crate::json;
use crate::model_file::metadata_of;
use crate::snapshot::Statistics;
use crate::version::{Version, check_name};

const KIND: &str = "checkpoint";

/// The state of a training run between two files of events.
///
/// The learner's arrays are checked by [`Learner::from_state`](lr_core::Learner::from_state), the
/// [`parts`](Self::parts) by their owners; this type carries them without knowing what they mean.
///
/// # Invariants (checked on encoding and decoding)
///
/// - names of parts and of learner arrays are those of [`Version`]'s characters and are unique;
/// - statistics as in [`Snapshot`](crate::Snapshot).
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Checkpoint {
    /// What was learned, how far, from what.
    pub progress: Progress,
    /// Every setting that shapes the result, by name.
    pub settings: BTreeMap<String, String>,
    /// Canonical text of the feature specification.
    pub spec: String,
    /// Columns of the model.
    pub columns: u64,
    /// The learner's memory.
    pub learner: LearnerState,
    /// Mean and standard deviation in use.
    pub statistics: Statistics,
    /// Further state by name, such as `population` and `metrics`, as its owner wrote it.
    pub parts: BTreeMap<String, Vec<u8>>,
}

/// How far a training run is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Progress {
    /// Number of trainers that have taken this run over; the writer sets it.
    pub epoch: u64,
    /// Unique to the attempt that wrote the checkpoint; the writer sets it.
    pub commit_id: String,
    /// Language of the events.
    pub language: String,
    /// Specification of the positions.
    pub spec: SpecIdentity,
    /// Events learned from.
    pub events_learned: u64,
    /// Times of the first and last of them.
    pub span: Option<EventSpan>,
    /// Files that were learned from, in order.
    pub consumed: Vec<ConsumedFile>,
    /// Newest version that the run published.
    pub published: Option<Version>,
}

/// A file that a run has learned from; seen again with another content it is an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumedFile {
    /// Its key or path relative to the input.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// What changes with its content: a digest or the store's tag.
    pub tag: Option<String>,
}

/// A run cannot continue a checkpoint, because its settings are others.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("settings differ from the checkpoint's: {}", list(differences))]
pub struct SettingsMismatch {
    /// Every setting that differs, by name.
    pub differences: Vec<SettingDifference>,
}

/// One setting with its value in the checkpoint and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDifference {
    /// Name of the setting.
    pub name: String,
    /// In the checkpoint, if it is there.
    pub saved: Option<String>,
    /// Now, if it is set.
    pub given: Option<String>,
}

fn list(differences: &[SettingDifference]) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "(unset)".to_owned());
    let lines = differences.iter().map(|one| {
        format!(
            "{} was {}, is {}",
            one.name,
            text(&one.saved),
            text(&one.given)
        )
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[derive(Debug, Serialize, Deserialize)]
struct CheckpointMetadata {
    columns: u64,
    format: u32,
    kind: String,
    /// Names of the learner's arrays in its own order.
    learner: Vec<String>,
    min_reader: u32,
    progress: Progress,
    settings: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Checks that a run with the settings `given` would continue this one to the same bytes.
    ///
    /// # Errors
    ///
    /// [`SettingsMismatch`]: names every difference.
    pub fn check_settings(&self, given: &BTreeMap<String, String>) -> Result<(), SettingsMismatch> {
        let names: BTreeSet<&String> = self.settings.keys().chain(given.keys()).collect();
        let differences: Vec<SettingDifference> = names
            .into_iter()
            .filter(|name| self.settings.get(*name) != given.get(*name))
            .map(|name| SettingDifference {
                name: name.clone(),
                saved: self.settings.get(name).cloned(),
                given: given.get(name).cloned(),
            })
            .collect();
        if differences.is_empty() {
            Ok(())
        } else {
            Err(SettingsMismatch { differences })
        }
    }

    /// Returns the bytes of the checkpoint: the same for the same content, on any machine.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Invalid`]: the checkpoint breaks an invariant.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let encoded = self
            .encode()
            .map_err(|source| EncodeError::Invalid { source })?;
        Ok(encoded.to_bytes())
    }

    /// Decodes a checkpoint; checks its digest, layout and invariants.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let container = Container::parse(bytes, KIND)?;
        let metadata: CheckpointMetadata = metadata_of(&container, KIND)?;
        let mut parts = BTreeMap::new();
        for name in container.names() {
            if let Some(part) = name.strip_prefix("part.") {
                parts.insert(part.to_owned(), container.u8(name)?.to_vec());
            }
        }
        let tensors = metadata
            .learner
            .iter()
            .map(|name| learner_tensor(&container, name));
        let checkpoint = Self {
            progress: metadata.progress,
            settings: metadata.settings,
            spec: String::from_utf8(container.u8("spec")?.to_vec()).map_err(|error| {
                DecodeError::Spec {
                    reason: error.to_string(),
                }
            })?,
            columns: metadata.columns,
            learner: LearnerState {
                tensors: tensors.collect::<Result<_, _>>()?,
            },
            statistics: Statistics {
                positions: container.u32("stats.positions")?.into_owned(),
                mean: container.f64("stats.mean")?.into_owned(),
                std_dev: container.f64("stats.std_dev")?.into_owned(),
            },
            parts,
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Writes the checkpoint at `path`, replacing a file there whole or not at all, synced.
    ///
    /// # Errors
    ///
    /// - [`FileError::Io`]: the operating system refused; the old file is as it was;
    /// - [`FileError::Encode`]: the checkpoint breaks an invariant.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let encoded = self.encode().map_err(|source| FileError::Encode {
            path: path.to_owned(),
            source: EncodeError::Invalid { source },
        })?;
        file::replace(path, |out| encoded.write_to(out))
    }

    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    ///
    /// - [`FileError::Io`]: the file cannot be read;
    /// - [`FileError::Decode`]: it is not a valid checkpoint.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| FileError::Io {
            action: "reading",
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes).map_err(|source| FileError::Decode {
            path: path.to_owned(),
            source,
        })
    }

    fn encode(&self) -> Result<Encoded<'_>, DecodeError> {
        self.check()?;
        let metadata = CheckpointMetadata {
            columns: self.columns,
            format: FORMAT_VERSION,
            kind: KIND.to_owned(),
            learner: self
                .learner
                .tensors
                .iter()
                .map(|tensor| tensor.name.clone())
                .collect(),
            min_reader: 1,
            progress: self.progress.clone(),
            settings: self.settings.clone(),
        };
        let metadata = json::to_canonical(&metadata).map_err(|error| DecodeError::Metadata {
            reason: error.to_string(),
        })?;
        let mut tensors = vec![
            Tensor::u8("spec", self.spec.as_bytes()),
            Tensor::f64("stats.mean", &self.statistics.mean),
            Tensor::u32("stats.positions", &self.statistics.positions),
            Tensor::f64("stats.std_dev", &self.statistics.std_dev),
        ];
        for LearnerTensor { name, data } in &self.learner.tensors {
            let name = format!("learner.{name}");
            tensors.push(match data {
                TensorData::F32(data) => Tensor::f32(&name, data),
                TensorData::F64(data) => Tensor::f64(&name, data),
                TensorData::U64(data) => {
                    Tensor::new(&name, Dtype::U64, data.len(), bytemuck::cast_slice(data))
                }
                _ => {
                    let reason =
                        format!("array `{name}` has a number type this crate cannot store");
                    return Err(DecodeError::Part {
                        part: "learner state",
                        reason,
                    });
                }
            });
        }
        for (name, bytes) in &self.parts {
            tensors.push(Tensor::u8(&format!("part.{name}"), bytes));
        }
        Encoded::new(&metadata, tensors)
    }

    fn check(&self) -> Result<(), DecodeError> {
        self.statistics.check(self.columns)?;
        let mut names = BTreeSet::new();
        let learner = self
            .learner
            .tensors
            .iter()
            .map(|tensor| ("learner array", &tensor.name));
        let parts = self.parts.keys().map(|name| ("part", name));
        for (kind, name) in learner.chain(parts) {
            let reason = match check_name(kind, name) {
                Err(error) => error.to_string(),
                Ok(()) if !names.insert((kind, name)) => format!("{kind} `{name}` occurs twice"),
                Ok(()) => continue,
            };
            return Err(DecodeError::Part {
                part: "checkpoint",
                reason,
            });
        }
        Ok(())
    }
}

fn learner_tensor(container: &Container<'_>, name: &str) -> Result<LearnerTensor, DecodeError> {
    let stored = format!("learner.{name}");
    let data = match container.dtype(&stored)? {
        Dtype::F32 => TensorData::F32(container.f32(&stored)?.into_owned()),
        Dtype::U64 => TensorData::U64(container.u64(&stored)?.into_owned()),
        _ => TensorData::F64(container.f64(&stored)?.into_owned()),
    };
    Ok(LearnerTensor {
        name: name.to_owned(),
        data,
    })
}
