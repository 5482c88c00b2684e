//! Recalibration: making probabilities agree with what is observed, online.

mod isotonic;
mod platt;

pub use self::isotonic::{Isotonic, IsotonicMap};
pub use self::platt::{Platt, PlattConfig, RecalibrationError};
