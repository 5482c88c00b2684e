//! Behaviour of the crate through its public API.

#![allow(clippy::unwrap_used)]

mod checkpoint;
mod common;
mod decode;
mod faults;
mod model_file;
mod publish;
mod registry;
mod unfit;
