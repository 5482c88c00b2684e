//! Behaviour of the crate through its public API.

#![allow(clippy::unwrap_used)]

mod common;
mod decode;
mod model_file;
