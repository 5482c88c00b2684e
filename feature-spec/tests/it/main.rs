//! Behaviour of the public interface.

#![allow(clippy::unwrap_used)]
// `allow-unwrap-in-tests` does not reach helper functions
// Expected values are exact, and written as they are.
#![allow(clippy::float_cmp, clippy::cast_possible_truncation)]

mod diff;
mod encoder;
mod event;
mod history;
mod invalid;
mod spec;
