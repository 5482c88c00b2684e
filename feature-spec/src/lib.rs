//! Declared, checked and versioned mapping from features to positions of sparse vectors.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod calendar;
mod diff;
mod encoder;
mod event;
mod hash;
pub mod history;
mod owner;
mod problem;
mod row;
mod schema;
mod spec;
mod vocabulary;

pub use diff::{FeatureChange, MigrateError, PositionMap, SpecDiff};
pub use encoder::{EncodeError, Encoder, FeatureCounts, Record};
pub use event::{
    Attributes, Context, Counters, Entity, Event, EventError, HistorySnapshot, Numbers, Time,
    Values,
};
pub use owner::Owner;
pub use problem::{Problem, SpecError};
pub use row::Row;
pub use spec::{
    FeatureSpec, Fingerprint, FingerprintError, Layout, Listed, LoadOptions, NoFiles,
    PopulationKind, Sources, Vector,
};
pub use sprs;
pub use vocabulary::vocabulary_line;
pub use zscore_stats;
