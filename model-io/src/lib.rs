//! Verified model files, checkpoints and an atomic model registry on any object store.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "registry")]
mod blocking;
mod checkpoint;
#[cfg(feature = "registry")]
mod checkpoint_log;
mod container;
mod diff;
mod error;
pub mod export;
mod file;
mod info;
mod json;
#[cfg(feature = "registry")]
mod location;
mod model_file;
#[cfg(feature = "registry")]
mod registry;
mod serving;
mod snapshot;
mod tensors;
mod version;
#[cfg(feature = "registry")]
mod watcher;

pub use checkpoint::{Checkpoint, ConsumedFile, Progress, SettingDifference, SettingsMismatch};
pub use container::{DIGEST_OFFSET, FORMAT_VERSION};
pub use diff::{WeightChange, weight_changes};
pub use error::{DecodeError, EncodeError, FileError};
pub use info::{EventSpan, Golden, ModelInfo, SpecIdentity};
pub use model_file::{ModelFile, Weights};
pub use serving::{
    Contribution, Explanation, PredictError, Predictor, Served, ServingError, ServingModel,
};
pub use snapshot::{DEFAULT_MAX_COLUMNS, Snapshot, Statistics};
pub use version::{NameError, Version};
#[cfg(feature = "registry")]
pub use {
    blocking::Blocking,
    checkpoint_log::{CheckpointLog, CheckpointWriter},
    location::{Location, LocationError},
    object_store,
    registry::Registry,
    registry::error::RegistryError,
    registry::layout::{ArtifactKind, Layout},
    registry::publish::{PublishOptions, PublishOutcome, Published},
    registry::record::{Commit, CommitKind, FileEntry, FolderManifest, Manifest},
    registry::resolve::{Listed, Selector},
    registry::retain::{RetainPolicy, Retained},
    registry::verify::Verification,
    watcher::{ModelWatcher, Polled, WatchError, WatchStatus, WatchingPredictor},
};
