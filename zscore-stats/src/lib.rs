//! Exact, mergeable population statistics per position, and the z-score scales built on them.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod cohort;
mod moments;
mod normal;
mod policies;
mod policy;
mod population;
mod scaler;
mod value;
mod wide;

pub use sprs;

pub use crate::cohort::{CohortError, Cohorts, Membership};
pub use crate::moments::Moments;
pub use crate::normal::{normal_cdf, normal_quantile};
pub use crate::policies::ScalePolicies;
pub use crate::policy::{Absent, Clip, PolicyError, Scale, ScalePolicy, Transform};
pub use crate::population::{Population, PopulationDecodeError, PopulationError};
pub use crate::scaler::{Scaler, ScalerError, ScalerParts};
pub use crate::value::{Entries, ValueError};
