//! Behaviour of the public interface.

#![allow(clippy::unwrap_used)] // `allow-unwrap-in-tests` does not reach helper functions

mod diff;
mod encoder;
mod event;
mod history;
mod invalid;
mod spec;
