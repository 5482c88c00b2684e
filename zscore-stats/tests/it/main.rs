//! What the crate promises, through its public interface.
#![allow(clippy::unwrap_used)]

mod bytes;
mod cohorts;
mod drift;
mod errors;
mod exact;
mod periods;
mod policies;
mod rare;
mod reference;
mod scaler;
