//! Behaviour of the crate through its public API.

#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod checkpoint;
#[cfg(feature = "chunks")]
mod chunk;
mod common;
mod crash;
mod decode;
mod export;
mod faults;
mod golden;
mod migrate;
mod model_file;
mod publish;
mod readers;
mod registry;
#[cfg(feature = "aws")]
mod s3;
mod serving;
mod unfit;
mod watcher;
