//! What the programs share: readers, event generation, the training pipeline.
//!
//! Every program is a thin `main` over a function of this library, so that the demo of `train` runs
//! the very code of `simulate`, `event_gen` and the job itself.

pub mod blocks;
pub mod chunk_cache;
pub mod cli;
#[cfg(feature = "parquet")]
mod columnar;
pub mod compressed;
pub mod demo;
#[cfg(doctest)]
mod docs;
pub mod encode;
pub mod evaluate;
pub mod event_files;
pub mod event_gen;
pub mod exact;
pub mod feed;
pub mod libsvm;
pub mod logging;
pub mod mapping;
pub mod optimizer;
pub mod ordered;
pub mod population;
pub mod predict;
mod predictions;
pub mod progress;
pub mod registry;
pub mod rejects;
pub mod remote;
pub mod report;
#[cfg(feature = "http")]
pub mod serve;
pub mod settings;
pub mod simulate;
pub mod spec_source;
pub mod summary;
pub mod table;
pub mod telemetry;
pub mod text;
pub mod train;
pub mod vocabulary;
pub mod whole_file;
