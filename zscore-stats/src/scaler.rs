//! Step two of scaling: frozen means and standard deviations, applied to sparse rows.

use std::sync::Arc;

use sprs::{CsMatViewMutI, CsVecViewMutI};

use crate::normal::{normal_cdf, normal_quantile};
use crate::policies::ScalePolicies;
use crate::policy::{Absent, Scale, ScalePolicy};
use crate::population::Population;
use crate::value::{LIMIT, ValueError, check_lengths, check_shape};

/// The means and standard deviations of a population, frozen, and the scales built on them.
///
/// A row goes through [`ScalePolicies::transform_in_place`] first and then through
/// [`scale_in_place`](Self::scale_in_place). Both keep the row sparse: a present position stores
/// `f(x) − f(x₀)`, and the constant `Σ wᵢ f(x₀ᵢ)` that dense rows would add to every margin is
/// [`absent_constant`](Self::absent_constant).
///
/// # Invariants
///
/// - means and standard deviations are at most 2²⁵ in size, the second not negative
/// - a position that is not scaled, or that nobody has had, has `M = t(x₀)` and `D = 1`
/// - `D = 0`, a constant, divides by 1; any other `1/D` is at most the policy's cap
///
/// # Examples
///
/// Position 0 counts plays over 10 s; `z(15) = (15 − M) / D` over three users:
///
/// ```
/// use zscore_stats::{Cohorts, Population, Scale, ScalePolicies, ScalePolicy, Scaler};
///
/// let policies = ScalePolicies::uniform(ScalePolicy::default().scale(Scale::ZScore), 1)?;
/// let mut users = Population::new(Cohorts::single(1)?);
/// for plays in [15.0, 3.0, 0.0] {
///     users.push(0, (&[0], &[plays]))?;
/// }
/// let scaler = Scaler::new(&policies, &users)?;
/// let std_dev = 42.0_f64.sqrt(); // (81 + 9 + 36) / 3 = 42
/// assert_eq!(scaler.apply(0, 15.0), Some((15.0 - 6.0) * (1.0 / std_dev)));
///
/// // The row stores z(15) − z(0), and the bias takes z(0).
/// let mut values = [15.0];
/// scaler.scale_in_place(&[0], &mut values)?;
/// assert_eq!(values, [(15.0 / std_dev) as f32]);
/// assert_eq!(scaler.absent_constant(&[1.0])?, -6.0 * (1.0 / std_dev));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "ScalerData", try_from = "ScalerData"))]
pub struct Scaler {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    policies: ScalePolicies,
    /// Scaled positions with statistics, increasing, and their parts.
    positions: Vec<u32>,
    mean: Vec<f64>,
    std_dev: Vec<f64>,
    /// For every position `z = (v − center) · slope`, with `v = t(x) − t(x₀)`.
    slopes: Vec<f64>,
    centers: Vec<f64>,
    /// What a row's value is less: `f(x₀)`, or 0 where absent positions take no part. Empty if all
    /// steps are linear.
    bases: Vec<f64>,
    /// What each policy does with `z`.
    steps: Vec<Step>,
}

/// What a policy stores, given `z = (v − center) · slope`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// `v · slope`: the center cancels against that of `x₀`.
    Linear,
    /// `f(x)` less the base.
    General {
        unit: bool,
        low: f64,
        high: f64,
        centered: bool,
    },
}

impl Scaler {
    /// Takes means and standard deviations from a population.
    ///
    /// # Errors
    ///
    /// [`ScalerError::Dimension`] if the policies are for another number of positions.
    ///
    /// # Complexity
    ///
    /// O(dimension).
    pub fn new(policies: &ScalePolicies, population: &Population) -> Result<Self, ScalerError> {
        if policies.dimension() != population.dimension() {
            return Err(ScalerError::Dimension {
                dimension: policies.dimension(),
                given: population.dimension(),
            });
        }
        Self::from_statistics(policies, |position| {
            let size = population.size_at(position);
            let moments = population.moments(position)?;
            if moments.nonzeros == 0 {
                return None;
            }
            Some((moments.mean(size)?, moments.population_std_dev(size)?))
        })
    }

    /// Takes, for each scaled position, mean and standard deviation of what was pushed from a
    /// function, such as [`DecayedStatistics::at`](crate::DecayedStatistics::at).
    ///
    /// `None` means that nobody has had the position.
    ///
    /// # Errors
    ///
    /// [`ScalerError::Statistic`] for a standard deviation that is negative, and for statistics
    /// above 2²⁵ in size, which no values can have.
    pub fn from_statistics(
        policies: &ScalePolicies,
        statistics: impl Fn(u32) -> Option<(f64, f64)>,
    ) -> Result<Self, ScalerError> {
        let (mut positions, mut mean, mut std_dev) = (Vec::new(), Vec::new(), Vec::new());
        for (position, &policy) in (0_u32..).zip(policies.index()) {
            if policies.policies()[usize::from(policy)].scale == Scale::None {
                continue;
            }
            if let Some((m, d)) = statistics(position) {
                positions.push(position);
                mean.push(policies.absent_transformed(policy) + m);
                std_dev.push(d);
            }
        }
        Self::from_parts(policies, positions, mean, std_dev)
    }

    /// The scaler of a population of nobody: `M = t(x₀)`, which is 0 for a count, and `D = 1`.
    #[must_use]
    pub fn identity(policies: &ScalePolicies) -> Self {
        Self::build(policies, Vec::new(), Vec::new(), Vec::new())
    }

    /// Rebuilds a scaler from what [`parts`](Self::parts) returned, to the bit.
    ///
    /// `positions`: the scaled positions that have statistics; `mean` and `std_dev`: `M` and `D`
    /// of the transformed value at each of them, as many. All others have `M = t(x₀)`, `D = 1`.
    ///
    /// # Errors
    ///
    /// - [`ScalerError::Lengths`] if the lists differ in length
    /// - [`ScalerError::Order`] if positions are not strictly increasing and below the dimension
    /// - [`ScalerError::NotScaled`] for a position whose policy does not scale
    /// - [`ScalerError::Statistic`] for a standard deviation that is negative, and for statistics
    ///   above 2²⁵ in size, which no values can have
    pub fn from_parts(
        policies: &ScalePolicies,
        positions: Vec<u32>,
        mean: Vec<f64>,
        std_dev: Vec<f64>,
    ) -> Result<Self, ScalerError> {
        if positions.len() != mean.len() || positions.len() != std_dev.len() {
            return Err(ScalerError::Lengths {
                positions: positions.len(),
                means: mean.len(),
                std_devs: std_dev.len(),
            });
        }
        let mut least = 0;
        for ((&position, &mean), &std_dev) in positions.iter().zip(&mean).zip(&std_dev) {
            let policy = policies.policy(position).filter(|_| position >= least);
            let Some(policy) = policy else {
                return Err(ScalerError::Order {
                    position,
                    dimension: policies.dimension(),
                });
            };
            if policy.scale == Scale::None {
                return Err(ScalerError::NotScaled { position });
            }
            if !(mean.abs() <= 2.0 * LIMIT && (0.0..=2.0 * LIMIT).contains(&std_dev)) {
                return Err(ScalerError::Statistic {
                    position,
                    mean,
                    std_dev,
                });
            }
            // Below the dimension, which is below 2³².
            least = position + 1;
        }
        Ok(Self::build(policies, positions, mean, std_dev))
    }

    /// Scales a row's transformed values in place: `t(x) − t(x₀)` becomes `f(x) − f(x₀)`, or
    /// `f(x)` where absent positions take no part.
    ///
    /// `positions`: the present positions; `values`: what
    /// [`ScalePolicies::transform_in_place`] left there. On error nothing is changed.
    ///
    /// # Errors
    ///
    /// - [`ValueError::Lengths`] if the slices differ in length
    /// - [`ValueError::PositionOutOfRange`] at or above the dimension
    ///
    /// # Precision
    ///
    /// Computed in `f64` and rounded once to the row's `f32`.
    ///
    /// # Complexity
    ///
    /// O(nnz), no allocation.
    pub fn scale_in_place(&self, positions: &[u32], values: &mut [f32]) -> Result<(), ValueError> {
        check_lengths(positions, values)?;
        let inner = &*self.inner;
        let dimension = inner.slopes.len();
        // One pass without an early exit is quicker than a branch per entry.
        let largest = positions.iter().fold(0, |largest, &p| largest.max(p));
        if largest as usize >= dimension && !positions.is_empty() {
            return Err(ValueError::PositionOutOfRange {
                position: largest,
                dimension,
            });
        }
        if inner.steps.iter().all(|step| *step == Step::Linear) {
            for (&position, value) in positions.iter().zip(values) {
                *value = to_f32(f64::from(*value) * inner.slopes[position as usize]);
            }
        } else {
            for (&position, value) in positions.iter().zip(values) {
                *value = to_f32(inner.store(position as usize, f64::from(*value)));
            }
        }
        Ok(())
    }

    /// Scales an `sprs` row in place; see [`scale_in_place`](Self::scale_in_place).
    ///
    /// # Errors
    ///
    /// Those of [`scale_in_place`](Self::scale_in_place).
    pub fn scale_row(&self, row: CsVecViewMutI<'_, f32, u32>) -> Result<(), ValueError> {
        let (positions, values) = row.into_raw_storage();
        self.scale_in_place(positions, values)
    }

    /// Scales every row of a CSR batch in place; see [`scale_in_place`](Self::scale_in_place).
    ///
    /// # Errors
    ///
    /// - [`ValueError::ByColumn`] and [`ValueError::Columns`] for a batch of another shape
    /// - those of [`scale_in_place`](Self::scale_in_place)
    pub fn scale_batch(&self, batch: CsMatViewMutI<'_, f32, u32, usize>) -> Result<(), ValueError> {
        check_shape(batch.is_csr(), batch.cols(), self.policies().dimension())?;
        let (_, positions, values) = batch.into_raw_storage();
        self.scale_in_place(positions, values)
    }

    /// The policies this scaler was made for.
    #[must_use]
    pub fn policies(&self) -> &ScalePolicies {
        &self.inner.policies
    }

    /// The scaled positions that have statistics, with `M` and `D` of the transformed value.
    #[must_use]
    pub fn parts(&self) -> ScalerParts<'_> {
        ScalerParts {
            positions: &self.inner.positions,
            mean: &self.inner.mean,
            std_dev: &self.inner.std_dev,
        }
    }

    /// `f(x)` of a raw value as a literal, dense array holds it, in `f64`; `None` outside the
    /// transform's domain and at or above the dimension.
    #[must_use]
    pub fn apply(&self, position: u32, x: f64) -> Option<f64> {
        let policy = self.policies().policy(position)?;
        let v = policy.transform.apply(x)? - policy.absent_transformed();
        Some(self.inner.scaled(position as usize, v))
    }

    /// The raw value behind a stored one, in the feature's own unit, so that a row can be
    /// explained.
    ///
    /// `None` where no single raw value is behind it: at a bound of a clip, outside the range of
    /// the scale, and at or above the dimension.
    #[must_use]
    pub fn invert(&self, position: u32, stored: f64) -> Option<f64> {
        let policy = self.policies().policy(position)?;
        let inner = &*self.inner;
        let at = position as usize;
        let (slope, center) = (inner.slopes[at], inner.centers[at]);
        let v = match inner.step(at) {
            Step::Linear => stored / slope,
            Step::General {
                unit, low, high, ..
            } => {
                let f = stored + inner.bases[at];
                if !(f > low && f < high) {
                    return None;
                }
                let z = if unit { normal_quantile(f)? } else { f };
                z / slope + center
            }
        };
        policy.transform.invert(v + policy.absent_transformed())
    }

    /// Returns `Σ wᵢ f(x₀ᵢ)`, the constant between the two biases: dense bias = sparse bias − this.
    ///
    /// `weights`: one per position. Positions where absent means "takes no part" add nothing.
    /// Summed in `f64` in order of position.
    ///
    /// # Errors
    ///
    /// [`ScalerError::Dimension`] if there are not as many weights as positions.
    pub fn absent_constant(&self, weights: &[f32]) -> Result<f64, ScalerError> {
        self.check_dimension(weights.len())?;
        Ok((weights.iter().enumerate())
            .map(|(at, &weight)| f64::from(weight) * self.inner.absent_scaled(at))
            .sum())
    }

    /// Returns, for each position, how many times as large its stored values are under `to`: `D/D′`.
    ///
    /// What a learner needs to carry on when statistics change:
    ///
    /// ```text
    /// w′ = w / (D/D′)        n′ = n · (D/D′)²
    /// ```
    ///
    /// for weights `w` and accumulated squared gradients `n`. Margins of sparse rows do not change:
    /// exactly for unclipped `z_score` with absent values at `x₀`, up to the rounding of the ratio
    /// to `f32`. With a clip, or where absent positions take no part, it is the best linear answer;
    /// for `unit`, whose stored values keep their range, and for unscaled positions it is 1.
    ///
    /// # Errors
    ///
    /// [`ScalerError::OtherPolicies`] if the two scalers do not have the same policies.
    pub fn rescale_factors<'a>(
        &'a self,
        to: &'a Self,
    ) -> Result<impl ExactSizeIterator<Item = f32> + 'a, ScalerError> {
        if self.policies() != to.policies() {
            return Err(ScalerError::OtherPolicies);
        }
        let policies = self.policies();
        let slopes = self.inner.slopes.iter().zip(&to.inner.slopes);
        Ok(slopes.zip(policies.index()).map(|((from, to), &policy)| {
            match policies.policies()[usize::from(policy)].scale {
                Scale::ZScore => to_f32(to / from),
                Scale::None | Scale::Unit => 1.0,
            }
        }))
    }

    fn build(
        policies: &ScalePolicies,
        positions: Vec<u32>,
        mean: Vec<f64>,
        std_dev: Vec<f64>,
    ) -> Self {
        let mut slopes = vec![1.0; policies.dimension()];
        // Without statistics z = v; without a scale z = t(x).
        let mut centers: Vec<f64> = (policies.index().iter())
            .map(
                |&policy| match policies.policies()[usize::from(policy)].scale {
                    Scale::None => -policies.absent_transformed(policy),
                    Scale::ZScore | Scale::Unit => 0.0,
                },
            )
            .collect();
        for ((&position, mean), &std_dev) in positions.iter().zip(&mean).zip(&std_dev) {
            let at = position as usize;
            let policy = policies.index()[at];
            let cap = policies.policies()[usize::from(policy)].max_inverse_std_dev;
            let slope = if std_dev > 0.0 {
                (1.0 / std_dev).min(cap)
            } else {
                1.0
            };
            slopes[at] = slope;
            centers[at] = mean - policies.absent_transformed(policy);
        }
        let steps: Vec<_> = policies.policies().iter().map(Step::new).collect();
        let mut inner = Inner {
            policies: policies.clone(),
            positions,
            mean,
            std_dev,
            slopes,
            centers,
            bases: Vec::new(),
            steps,
        };
        if inner.steps.iter().any(|step| *step != Step::Linear) {
            inner.bases = (0..policies.dimension())
                .map(|at| inner.absent_scaled(at))
                .collect();
        }
        Self {
            inner: Arc::new(inner),
        }
    }

    fn check_dimension(&self, given: usize) -> Result<(), ScalerError> {
        let dimension = self.policies().dimension();
        if given == dimension {
            return Ok(());
        }
        Err(ScalerError::Dimension { dimension, given })
    }
}

impl PartialEq for Scaler {
    /// Same policies and the same statistics.
    fn eq(&self, other: &Self) -> bool {
        self.policies() == other.policies() && self.parts() == other.parts()
    }
}

/// What is written of a [`Scaler`]; read through [`Scaler::from_parts`].
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ScalerData {
    policies: ScalePolicies,
    positions: Vec<u32>,
    mean: Vec<f64>,
    std_dev: Vec<f64>,
}

#[cfg(feature = "serde")]
impl From<Scaler> for ScalerData {
    fn from(scaler: Scaler) -> Self {
        let parts = scaler.parts();
        Self {
            policies: scaler.policies().clone(),
            positions: parts.positions.to_vec(),
            mean: parts.mean.to_vec(),
            std_dev: parts.std_dev.to_vec(),
        }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<ScalerData> for Scaler {
    type Error = ScalerError;

    fn try_from(data: ScalerData) -> Result<Self, ScalerError> {
        Self::from_parts(&data.policies, data.positions, data.mean, data.std_dev)
    }
}

impl Inner {
    fn step(&self, at: usize) -> Step {
        self.steps[usize::from(self.policies.index()[at])]
    }

    /// `f` of a transformed, shifted value.
    #[inline]
    fn scaled(&self, at: usize, v: f64) -> f64 {
        let z = (v - self.centers[at]) * self.slopes[at];
        match self.step(at) {
            Step::Linear => z,
            Step::General {
                unit, low, high, ..
            } => squash(z, unit, low, high),
        }
    }

    /// What a row stores for a transformed, shifted value.
    #[inline]
    fn store(&self, at: usize, v: f64) -> f64 {
        match self.step(at) {
            Step::Linear => v * self.slopes[at],
            Step::General {
                unit, low, high, ..
            } => {
                let z = (v - self.centers[at]) * self.slopes[at];
                squash(z, unit, low, high) - self.bases[at]
            }
        }
    }

    /// `f(x₀)`, or 0 where absent positions take no part.
    fn absent_scaled(&self, at: usize) -> f64 {
        match self.step(at) {
            Step::General {
                centered: false, ..
            } => 0.0,
            _ => self.scaled(at, 0.0),
        }
    }
}

impl Step {
    fn new(policy: &ScalePolicy) -> Self {
        let centered = policy.absent == Absent::Zero;
        let unit = policy.scale == Scale::Unit;
        if centered && !unit && policy.clip.is_none() {
            return Self::Linear;
        }
        let clip = policy.clip;
        Self::General {
            unit,
            low: clip.map_or(f64::NEG_INFINITY, |clip| clip.low),
            high: clip.map_or(f64::INFINITY, |clip| clip.high),
            centered,
        }
    }
}

/// `Φ(z)` or `z`, within bounds.
#[inline]
fn squash(z: f64, unit: bool, low: f64, high: f64) -> f64 {
    let f = if unit { normal_cdf(z) } else { z };
    f.max(low).min(high)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "rounds to nearest")]
fn to_f32(x: f64) -> f32 {
    x as f32
}

/// The statistics of a [`Scaler`], position by position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalerParts<'a> {
    /// Scaled positions that have statistics, strictly increasing.
    pub positions: &'a [u32],
    /// `M`, mean of the transformed value.
    pub mean: &'a [f64],
    /// `D`, population standard deviation of the transformed value, before any cap.
    pub std_dev: &'a [f64],
}

impl<'a> ScalerParts<'a> {
    /// Each position with its `M` and `D`, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, f64, f64)> + use<'a> {
        let Self {
            positions,
            mean,
            std_dev,
        } = *self;
        let statistics = mean.iter().zip(std_dev);
        (positions.iter().zip(statistics)).map(|(&position, (&m, &d))| (position, m, d))
    }
}

/// Why a [`Scaler`] cannot be made or used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScalerError {
    /// Something has another number of positions than the policies.
    #[error("{given} positions where the dimension is {dimension}")]
    Dimension {
        /// Positions of the policies.
        dimension: usize,
        /// Positions of what was given.
        given: usize,
    },
    /// The lists of statistics differ in length.
    #[error("{positions} positions, {means} means and {std_devs} standard deviations")]
    Lengths {
        /// Number of positions.
        positions: usize,
        /// Number of means.
        means: usize,
        /// Number of standard deviations.
        std_devs: usize,
    },
    /// Positions are not strictly increasing and below the dimension.
    #[error("position {position} is out of order or not below the dimension {dimension}")]
    Order {
        /// The position.
        position: u32,
        /// Positions of the policies.
        dimension: usize,
    },
    /// Statistics are given for a position that is not scaled.
    #[error("statistics for position {position}, which is not scaled")]
    NotScaled {
        /// The position.
        position: u32,
    },
    /// A mean or standard deviation is impossible.
    #[error(
        "mean {mean} and standard deviation {std_dev} at position {position}: both must be at most 2^25 in size, and the second not negative"
    )]
    Statistic {
        /// The position.
        position: u32,
        /// `M` as given.
        mean: f64,
        /// `D` as given.
        std_dev: f64,
    },
    /// Two scalers are for different policies.
    #[error("the two scalers do not have the same policies")]
    OtherPolicies,
}
