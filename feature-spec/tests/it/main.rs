//! Behaviour of the public interface.

#![allow(clippy::unwrap_used)] // `allow-unwrap-in-tests` does not reach helper functions

mod encoder;
mod event;
mod history;
mod spec;
