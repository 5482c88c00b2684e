//! What the crate promises, through its public interface.
#![allow(clippy::unwrap_used)]

mod bytes;
mod cohorts;
mod errors;
mod exact;
mod policies;
mod reference;
mod scaler;
