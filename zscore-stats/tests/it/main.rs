//! What the crate promises, through its public interface.
#![allow(clippy::unwrap_used)]

mod exact;
