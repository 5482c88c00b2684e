//! The pipeline through its public functions, which the programs are thin mains over.

#![allow(clippy::unwrap_used)] // helper functions are not covered by `allow-unwrap-in-tests`

mod bad_input;
#[cfg(feature = "parquet")]
mod columnar;
mod crash;
mod evaluate;
mod event_files;
mod event_gen;
mod exact;
mod follow;
mod following;
#[cfg(unix)]
mod full_disk;
mod future;
mod gate;
mod kuairand;
mod libsvm;
mod log;
mod mapping;
#[cfg(feature = "aws")]
mod outage;
#[cfg(feature = "parquet")]
mod parquet;
mod population;
mod programs;
mod registry;
mod report;
#[cfg(feature = "http")]
mod serve;
mod settings;
mod simulate;
mod statistics;
mod table;
mod telemetry;
mod train;
mod vocabulary;
