//! Verified model files, checkpoints and an atomic model registry on any object store.
//!
//! A model that loads is the model that was written: every byte is under a digest, every number is
//! checked, the feature specification travels with the weights, and golden events are computed again
//! before a service uses it. What is published is published once and whole, whatever fails in
//! between. This crate does not learn (`lr-core` does) and does not know what a feature means
//! (`feature-spec` does).
//!
//! ```
//! use lr_core::LinearModel;
//! use model_io::{Blocking, Location, ModelInfo, PublishOptions, Registry, Snapshot, Version};
//!
//! let snapshot = Snapshot {
//!     model: LinearModel::new(vec![0.5, 0.0, -1.0], 0.25)?,
//!     dense_bias: 0.25,
//!     statistics: Default::default(),
//!     spec: String::new(),
//!     info: ModelInfo::new(Version::of_model(None, 1_651_658_400_000, 3)?, "HI"),
//! };
//! let registry = Registry::open(Location::parse("memory://registry")?);
//! let blocking = Blocking::new()?;
//! blocking.run(registry.publish(&snapshot, &PublishOptions::default()))?;
//! let live = blocking.run(registry.latest("HI"))?.ok_or("nothing is live")?;
//! assert_eq!(live.version.as_str(), "2022-05-04T10-3");
//! let (_, bytes) = blocking.run(registry.model("HI", &live.version))?;
//! assert_eq!(Snapshot::from_bytes(&bytes)?.model.weights(), [0.5, 0.0, -1.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Overview
//!
//! A trainer joins model, statistics and specification to a [`Snapshot`], which is the content of a
//! model file; [`Registry::publish`] stores it and makes it live; a [`Checkpoint`] holds what else
//! the run needs to continue to the same bytes. A service opens a [`ModelFile`] or a
//! [`ServingModel`], or follows the registry with a [`ModelWatcher`]. [`export`] writes forms for
//! consumers that are not Rust.
//!
//! # Contract
//!
//! - The same snapshot gives the same bytes on any machine: no clock, host or path is in them.
//! - Weights are `f32`; biases, statistics and margins `f64`. Nothing that is not finite is loaded.
//! - Decoding allocates no more than the file's size, and for sparse weights four bytes a column,
//!   of which at most [`DEFAULT_MAX_COLUMNS`] are accepted.
//! - A publish interrupted anywhere can be done again and commits once. A version that is live,
//!   pinned or about to be live is not deleted.
//! - Requests take no lock and wait for no verification.
//!
//! # Errors and panics
//!
//! [`DecodeError`] for bytes, [`FileError`] for files, [`LocationError`] for places,
//! [`RegistryError`] for the registry and checkpoints in it, [`ServingError`] for a model that
//! cannot be served, [`PredictError`] for an event, [`WatchError`] for a poll. No input from outside
//! panics; [`Blocking::run`] does when it is called within a runtime.
//!
//! # Crate features
//!
//! - `registry` (default): [`Registry`], [`CheckpointLog`], [`ModelWatcher`], [`Location`]; pulls
//!   `object_store` with the local file system, `tokio` and `arc-swap`.
//! - `chunks`: [`chunk`], encoded events in Arrow IPC files; pulls the parts of `arrow` that write
//!   them, `bytes` and `crc32fast`.
//! - `aws`, `gcp`, `azure`: cloud stores for [`Location::parse`]; each pulls an HTTP and TLS stack.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "registry")]
mod blocking;
mod checkpoint;
#[cfg(feature = "registry")]
mod checkpoint_log;
#[cfg(feature = "chunks")]
pub mod chunk;
mod container;
mod diff;
mod error;
pub mod export;
mod file;
mod info;
mod json;
#[cfg(feature = "registry")]
mod location;
mod migrate;
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
pub use migrate::Migrated;
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

/// The readme's code blocks, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
