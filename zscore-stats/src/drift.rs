//! How two populations differ, position by position, and a summary for people.

use std::fmt;

use crate::policy::Scale;
use crate::population::{Population, PopulationError};
use crate::scaler::Scaler;

/// How the values at each position differ between two populations, most different first.
///
/// Both populations hold transformed values, so a position's unit does not matter.
///
/// # Examples
///
/// ```
/// use zscore_stats::{Cohorts, Drift, Population};
///
/// let mut monday = Population::new(Cohorts::single(2)?);
/// let mut friday = monday.clone();
/// for plays in [2.0, 4.0, 6.0] {
///     monday.push(0, (&[0, 1], &[plays, 1.0]))?;
///     friday.push(0, (&[0, 1], &[plays + 4.0, 1.0]))?;
/// }
/// let drift = Drift::between(&monday, &friday)?;
/// let first = &drift.positions()[0];
/// assert_eq!(first.position, 0);
/// assert_eq!(first.mean, (4.0, 8.0));
/// assert!((first.standardized_mean_difference - 6.0_f64.sqrt()).abs() < 1e-15); // 4 / √(8/3)
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    positions: Vec<PositionDrift>,
}

/// How one position differs between two populations; pairs hold the earlier one first.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PositionDrift {
    /// The position.
    pub position: u32,
    /// Means of what was pushed, in the unit of the transformed value.
    pub mean: (f64, f64),
    /// Population standard deviations, in the same unit.
    pub std_dev: (f64, f64),
    /// Shares of rows that have a non-zero there; `None` where only a mean and a standard
    /// deviation are known.
    pub present: Option<(f64, f64)>,
    /// `(M′ − M) / √((D² + D′²) / 2)`, dimensionless; infinite where a constant has changed.
    ///
    /// 0.1 is commonly taken as the least that matters (Austin 2009, DOI 10.1002/sim.3697).
    pub standardized_mean_difference: f64,
    /// `D′² / D²`; `None` if `D` is 0.
    pub variance_ratio: Option<f64>,
    /// [`population_stability_index`] of the two buckets "has a non-zero" and "has none"; `None`
    /// where [`present`](Self::present) is.
    pub stability_index: Option<f64>,
}

impl Drift {
    /// Compares two populations at every position that either has seen.
    ///
    /// # Errors
    ///
    /// [`PopulationError::OtherCohorts`] if the populations do not have the same cohorts.
    ///
    /// # Complexity
    ///
    /// O(dimension), and the sort of the positions seen.
    pub fn between(before: &Population, after: &Population) -> Result<Self, PopulationError> {
        if before.cohorts() != after.cohorts() {
            return Err(PopulationError::OtherCohorts);
        }
        let compare = |position| {
            let (old, new) = (before.moments(position)?, after.moments(position)?);
            if old.nonzeros == 0 && new.nonzeros == 0 {
                return None;
            }
            let sizes = (before.size_at(position), after.size_at(position));
            let mean = (old.mean(sizes.0)?, new.mean(sizes.1)?);
            let variance = (
                old.population_variance(sizes.0)?,
                new.population_variance(sizes.1)?,
            );
            let buckets = |nonzeros: u64, size: u64| [nonzeros, size - nonzeros];
            Some(PositionDrift {
                present: Some((share(old.nonzeros, sizes.0), share(new.nonzeros, sizes.1))),
                stability_index: population_stability_index(
                    &buckets(old.nonzeros, sizes.0),
                    &buckets(new.nonzeros, sizes.1),
                ),
                ..PositionDrift::new(position, mean, variance)
            })
        };
        Ok(Self::ranked(before.positions().filter_map(compare)))
    }

    /// Compares live values with the statistics that a model was trained with, at every scaled
    /// position: what a service does to notice that its inputs have changed.
    ///
    /// `live`: rows after [`transform_in_place`](crate::ScalePolicies::transform_in_place) and
    /// before scaling. Positions without statistics in the scaler are compared with a constant 0.
    ///
    /// # Errors
    ///
    /// [`PopulationError::OtherDimension`] if the two do not have the same number of positions.
    pub fn from_scaler(scaler: &Scaler, live: &Population) -> Result<Self, PopulationError> {
        let policies = scaler.policies();
        if policies.dimension() != live.dimension() {
            return Err(PopulationError::OtherDimension {
                dimension: policies.dimension(),
                given: live.dimension(),
            });
        }
        let mut parts = scaler.parts().iter().peekable();
        let mut positions = Vec::new();
        for (position, &policy) in live.positions().zip(policies.index()) {
            let trained = parts.next_if(|&(at, ..)| at == position);
            let Some(moments) = live.moments(position) else {
                continue;
            };
            let size = live.size_at(position);
            let is_scaled = policies.policies()[usize::from(policy)].scale != Scale::None;
            if !is_scaled || (trained.is_none() && moments.nonzeros == 0) {
                continue;
            }
            let (mean, variance) = trained.map_or((0.0, 0.0), |(_, mean, std_dev)| {
                (
                    mean - policies.absent_transformed(policy),
                    std_dev * std_dev,
                )
            });
            if let (Some(m), Some(v)) = (moments.mean(size), moments.population_variance(size)) {
                positions.push(PositionDrift::new(position, (mean, m), (variance, v)));
            }
        }
        Ok(Self::ranked(positions))
    }

    /// All positions compared, the largest standardised mean difference first, ties by position.
    #[must_use]
    pub fn positions(&self) -> &[PositionDrift] {
        &self.positions
    }

    /// A few lines for people: how many positions have drifted, and the first `limit` of them.
    ///
    /// `name`: what stands at a position.
    #[must_use]
    pub fn summary<N: fmt::Display>(&self, limit: usize, name: impl Fn(u32) -> N) -> String {
        let drifted = |least: f64| {
            let is_over = |p: &&PositionDrift| p.standardized_mean_difference.abs() >= least;
            self.positions.iter().filter(is_over).count()
        };
        let mut text = format!(
            "{} positions compared: {} with a mean moved by 0.1 standard deviations or more, {} by \
             0.5 or more\n",
            self.positions.len(),
            drifted(0.1),
            drifted(0.5)
        );
        for p in self.positions.iter().take(limit) {
            text += &format!("  {}: {p}\n", name(p.position));
        }
        text
    }

    fn ranked(positions: impl IntoIterator<Item = PositionDrift>) -> Self {
        let mut positions: Vec<_> = positions.into_iter().collect();
        let size = |p: &PositionDrift| p.standardized_mean_difference.abs();
        positions.sort_by(|a, b| {
            size(b)
                .total_cmp(&size(a))
                .then(a.position.cmp(&b.position))
        });
        Self { positions }
    }
}

impl fmt::Display for PositionDrift {
    /// One line, without the position.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (moved, mean, std_dev) = (self.standardized_mean_difference, self.mean, self.std_dev);
        write!(f, "moved {moved:+.3}, mean {:.4} -> {:.4}", mean.0, mean.1)?;
        write!(f, ", std dev {:.4} -> {:.4}", std_dev.0, std_dev.1)?;
        if let (Some((old, new)), Some(index)) = (self.present, self.stability_index) {
            let (old, new) = (100.0 * old, 100.0 * new);
            write!(
                f,
                ", present in {old:.2} % -> {new:.2} % (stability index {index:.3})"
            )?;
        }
        Ok(())
    }
}

impl PositionDrift {
    fn new(position: u32, mean: (f64, f64), variance: (f64, f64)) -> Self {
        let moved = mean.1 - mean.0;
        let pooled = ((variance.0 + variance.1) / 2.0).sqrt();
        // A constant that stays is 0 / 0, and has not moved.
        let standardized_mean_difference = if moved == 0.0 { 0.0 } else { moved / pooled };
        Self {
            position,
            mean,
            std_dev: (variance.0.sqrt(), variance.1.sqrt()),
            present: None,
            standardized_mean_difference,
            variance_ratio: (variance.0 > 0.0).then(|| variance.1 / variance.0),
            stability_index: None,
        }
    }
}

/// Returns the population stability index of two histograms over the same buckets, in nats:
///
/// ```text
/// Σ (qᵢ − pᵢ) · ln(qᵢ / pᵢ)        pᵢ = (expectedᵢ + ½) / (Σ expected + buckets / 2)
/// ```
///
/// and `qᵢ` likewise from `actual`; the half a row keeps empty buckets finite. It is the sum of the
/// two Kullback-Leibler divergences. By custom, below 0.1 is stable and above 0.25 has shifted.
///
/// `None` for histograms of different length, and where either is empty.
///
/// # Examples
///
/// ```
/// use zscore_stats::population_stability_index;
///
/// assert_eq!(population_stability_index(&[30, 70], &[30, 70]), Some(0.0));
/// assert!(population_stability_index(&[30, 70], &[70, 30]).is_some_and(|index| index > 0.6));
/// ```
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shares, to 53 bits")]
pub fn population_stability_index(expected: &[u64], actual: &[u64]) -> Option<f64> {
    let total = |counts: &[u64]| counts.iter().map(|&count| count as f64).sum::<f64>();
    let (n, m) = (total(expected), total(actual));
    if expected.len() != actual.len() || !(n > 0.0 && m > 0.0) {
        return None;
    }
    let half_a_row_each = 0.5 * expected.len() as f64;
    let terms = expected.iter().zip(actual).map(|(&p, &q)| {
        let p = (p as f64 + 0.5) / (n + half_a_row_each);
        let q = (q as f64 + 0.5) / (m + half_a_row_each);
        (q - p) * libm::log(q / p)
    });
    Some(terms.sum())
}

#[expect(clippy::cast_precision_loss, reason = "a share, to 53 bits")]
fn share(count: u64, size: u64) -> f64 {
    count as f64 / size as f64
}
