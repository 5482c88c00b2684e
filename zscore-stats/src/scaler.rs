//! Step two of scaling: frozen means and standard deviations, applied to sparse rows.

mod parts;
mod table;

use std::sync::Arc;

use sprs::{CsMatViewMutI, CsVecViewMutI};

use crate::policies::ScalePolicies;
use crate::policy::Scale;
use crate::population::Population;
use crate::value::{LIMIT, ValueError, check_lengths, check_shape};

#[cfg(feature = "serde")]
use self::parts::ScalerData;
pub use self::parts::{ScalerError, ScalerParts};
use self::table::{Table, to_f32};

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
    table: Table,
    /// Scaled positions with statistics, increasing, and their parts.
    positions: Vec<u32>,
    mean: Vec<f64>,
    std_dev: Vec<f64>,
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
        let table = &self.inner.table;
        let dimension = table.slopes.len();
        // One pass without an early exit is quicker than a branch per entry.
        let largest = positions.iter().fold(0, |largest, &p| largest.max(p));
        if largest as usize >= dimension && !positions.is_empty() {
            return Err(ValueError::PositionOutOfRange {
                position: largest,
                dimension,
            });
        }
        if table.linear {
            for (&position, value) in positions.iter().zip(values) {
                *value = to_f32(f64::from(*value) * table.slopes[position as usize]);
            }
        } else {
            for (&position, value) in positions.iter().zip(values) {
                *value = to_f32(table.store(position as usize, f64::from(*value)));
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
        &self.inner.table.policies
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
        Some(self.inner.table.scaled(position as usize, v))
    }

    /// The raw value behind a stored one, in the feature's own unit, so that a row can be
    /// explained.
    ///
    /// `None` where no single raw value is behind it: at a bound of a clip, outside the range of
    /// the scale, and at or above the dimension.
    #[must_use]
    pub fn invert(&self, position: u32, stored: f64) -> Option<f64> {
        let policy = self.policies().policy(position)?;
        let v = self.inner.table.unscaled(position as usize, stored)?;
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
            .map(|(at, &weight)| f64::from(weight) * self.inner.table.absent_scaled(at))
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
        let slopes = self.inner.table.slopes.iter().zip(&to.inner.table.slopes);
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
        let parts = ScalerParts {
            positions: &positions,
            mean: &mean,
            std_dev: &std_dev,
        };
        let table = Table::new(policies, parts);
        Self {
            inner: Arc::new(Inner {
                table,
                positions,
                mean,
                std_dev,
            }),
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
