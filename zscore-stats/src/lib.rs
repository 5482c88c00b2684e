//! Exact, mergeable population statistics per position, and the z-score scales built on them.
//!
//! A value in a sparse vector says little until it is compared with what is usual at its position.
//! This crate keeps the mean `M` and the standard deviation `D` of every position over a population
//! of rows, to the last bit and without ever visiting a zero, and turns a raw value into
//! `(x − M) / D` while the row stays sparse. What stands at a position is the business of the
//! `feature-spec` crate, and what is learned from the rows that of `lr-core`.
//!
//! ```
//! use zscore_stats::{Cohorts, Population, Scale, ScalePolicies, ScalePolicy, Scaler};
//!
//! // 100,000 positions, all z-scored; three users.
//! let policies = ScalePolicies::uniform(ScalePolicy::default().scale(Scale::ZScore), 100_000)?;
//! let mut users = Population::new(Cohorts::single(100_000)?);
//! users.push(0, (&[0, 7], &[15.0, 2.0]))?;
//! users.push(0, (&[0], &[6.0]))?;
//! users.push(0, (&[7], &[1.0]))?; // 0 plays at position 0
//! assert_eq!(users.mean(0), Some(7.0));
//! assert_eq!(users.population_variance(0), Some(38.0)); // (64 + 1 + 49) / 3
//!
//! let scaler = Scaler::new(&policies, &users)?;
//! let z = scaler.apply(0, 15.0).ok_or("not a count")?;
//! assert!((z - 8.0 / 38.0_f64.sqrt()).abs() < 1e-15);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Overview
//!
//! A row goes through two steps, both in place and both sparse:
//!
//! 1. [`ScalePolicies::transform_in_place`] applies each position's [`Transform`] and takes off that
//!    of an absent value: `x` becomes `t(x) − t(x₀)`. It needs no statistics.
//!    Rows after this step are what a [`Population`] is pushed.
//! 2. [`Scaler::scale_in_place`] applies the [`Scale`] with the frozen statistics of a population:
//!    the row stores `f(x) − f(x₀)`, and [`Scaler::absent_constant`] is what a bias over dense rows
//!    is smaller by.
//!
//! [`Cohorts`] says which positions share a population size (all users, all videos).
//! [`Periods`] keeps a population for each period, for windows and exponential decay.
//! [`Drift`] compares two populations, or live rows with the statistics of a model.
//!
//! # Numerics
//!
//! - Rows hold `f32`, statistics `f64`; `M` and `D` are in the unit of the transformed value.
//! - Sums are exact: a value is rounded once to a multiple of 2⁻²⁴ and summed in 128-bit integers
//!   ([`Moments`]). Any order, split, removal or replacement gives equal populations and the same
//!   bytes. Mean and population variance (divisor N) are rounded once, the root once more.
//! - Values must be finite, and after the transform at most 2²⁴ in size.
//! - `Option` where there is no statistic; no NaN comes out.
//! - Transcendental functions are those of `libm`: the same bits on every platform.
//! - `push` is O(nnz), `merge` O(dimension); a population takes 46 bytes a position.
//!
//! # Errors and panics
//!
//! Everything from outside is checked and refused with an error that names the position; an
//! operation that fails leaves a population as it was. No function panics.
//!
//! # Crate features
//!
//! - `serde` (off by default): `Serialize` and `Deserialize` for policies, cohorts, populations and
//!   scalers, validated on the way in. Pulls `serde`. Readers that parse decimal floats inexactly
//!   (`serde_json` without its `float_roundtrip` feature) may change the last bit of an `M` or `D`;
//!   populations hold integers alone.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod cohort;
mod drift;
mod moments;
mod normal;
mod periods;
mod policies;
mod policy;
mod population;
mod scaler;
mod value;
mod wide;

pub use sprs;

pub use crate::cohort::{CohortError, Cohorts, Membership};
pub use crate::drift::{Drift, PositionDrift, population_stability_index};
pub use crate::moments::Moments;
pub use crate::normal::{normal_cdf, normal_quantile};
pub use crate::periods::{DecayedStatistics, PeriodError, Periods};
pub use crate::policies::ScalePolicies;
pub use crate::policy::{Absent, Clip, PolicyError, Scale, ScalePolicy, Transform};
pub use crate::population::{Population, PopulationDecodeError, PopulationError};
pub use crate::scaler::{Scaler, ScalerError, ScalerParts};
pub use crate::value::{Entries, ValueError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
