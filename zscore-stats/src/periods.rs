//! Populations by period of time: sliding windows and exponential decay, with time as data.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::cohort::Cohorts;
use crate::population::{Population, PopulationError};

/// One exact [`Population`] per period of time.
///
/// A period is a number that the caller derives from the data, such as the day of an event since
/// 1970; no clock is read. Windows and decay are taken over whole periods when they are asked for,
/// so what was counted stays exact, and periods merge in any order like populations do.
///
/// Takes 46 bytes a position and period.
///
/// # Examples
///
/// ```
/// use zscore_stats::{Cohorts, Periods};
///
/// let mut days = Periods::new(Cohorts::single(1)?, 30);
/// for (day, plays) in [(0, 8.0), (1, 2.0), (2, 4.0)] {
///     days.push(day, 0, (&[0], &[plays]))?;
/// }
/// assert_eq!(days.window(1..=2)?.mean(0), Some(3.0));
/// // A day counts half as much as the next: (8/4 + 2/2 + 4) / (1/4 + 1/2 + 1) = 4.
/// assert_eq!(days.decayed(2, 1.0)?.mean(0), Some(4.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Periods {
    cohorts: Cohorts,
    capacity: usize,
    populations: BTreeMap<i64, Population>,
}

impl Periods {
    /// Starts with no period, and room for `capacity` of them.
    #[must_use]
    pub fn new(cohorts: Cohorts, capacity: usize) -> Self {
        Self {
            cohorts,
            capacity,
            populations: BTreeMap::new(),
        }
    }

    /// The population of a period, begun if there is none.
    ///
    /// # Errors
    ///
    /// [`PeriodError::Full`] if there is none and no room;
    /// [`forget_before`](Self::forget_before) makes room. Old periods do not make way by
    /// themselves, or one wrong date would forget everything.
    pub fn period_mut(&mut self, period: i64) -> Result<&mut Population, PeriodError> {
        if self.populations.len() >= self.capacity && !self.populations.contains_key(&period) {
            return Err(PeriodError::Full {
                period,
                capacity: self.capacity,
            });
        }
        let cohorts = &self.cohorts;
        let begin = || Population::new(cohorts.clone());
        Ok(self.populations.entry(period).or_insert_with(begin))
    }

    /// Adds one row to a period; see [`Population::push`].
    ///
    /// # Errors
    ///
    /// - [`PeriodError::Full`] as in [`period_mut`](Self::period_mut)
    /// - [`PeriodError::Population`] for a row that cannot be counted
    pub fn push<'a>(
        &mut self,
        period: i64,
        cohort: u16,
        row: impl Into<crate::Entries<'a>>,
    ) -> Result<(), PeriodError> {
        let population = self.period_mut(period)?;
        population
            .push(cohort, row)
            .map_err(PeriodError::population)
    }

    /// Adds another's rows, period by period.
    ///
    /// # Errors
    ///
    /// - [`PeriodError::Full`] if together there are more periods than there is room for
    /// - [`PeriodError::Population`] if the cohorts differ or a sum would overflow
    ///
    /// On error nothing is changed.
    pub fn merge(&mut self, other: &Self) -> Result<(), PeriodError> {
        let mut merged = self.clone();
        for (&period, population) in &other.populations {
            let own = merged.period_mut(period)?;
            own.merge(population).map_err(PeriodError::population)?;
        }
        *self = merged;
        Ok(())
    }

    /// Forgets all periods before `period`.
    pub fn forget_before(&mut self, period: i64) {
        self.populations = self.populations.split_off(&period);
    }

    /// The periods there are, in order, with their populations.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Population)> {
        self.populations
            .iter()
            .map(|(&period, population)| (period, population))
    }

    /// The rows of all periods in a range as one population, exactly.
    ///
    /// # Errors
    ///
    /// [`PeriodError::Population`] if a sum would overflow.
    ///
    /// # Complexity
    ///
    /// O(dimension) for each period in the range. A window that moves on by a day is cheaper by
    /// [`Population::merge`] of the new day and [`Population::subtract`] of the oldest.
    pub fn window(&self, range: RangeInclusive<i64>) -> Result<Population, PeriodError> {
        let mut window = Population::new(self.cohorts.clone());
        if range.is_empty() {
            return Ok(window);
        }
        for (_, population) in self.populations.range(range) {
            window.merge(population).map_err(PeriodError::population)?;
        }
        Ok(window)
    }

    /// Statistics in which a row counts half as much with every `half_life` periods of age, as of
    /// the period `now`. Later periods take no part: they had not been seen.
    ///
    /// ```text
    /// wₖ = nₖ · 2^(−(now − k) / half_life)        M = Σ wₖ Mₖ / Σ wₖ
    /// D² = Σ wₖ (Dₖ² + (Mₖ − M)²) / Σ wₖ
    /// ```
    ///
    /// over periods `k`, with `nₖ` rows, mean `Mₖ` and population variance `Dₖ²`. No term is
    /// negative, so nothing cancels. Periods are taken in order: the same bits however they were
    /// merged.
    ///
    /// # Errors
    ///
    /// [`PeriodError::HalfLife`] unless `half_life` is positive and finite.
    ///
    /// # Complexity
    ///
    /// O(dimension) for each period.
    pub fn decayed(&self, now: i64, half_life: f64) -> Result<DecayedStatistics, PeriodError> {
        if !(half_life > 0.0 && half_life.is_finite()) {
            return Err(PeriodError::HalfLife { half_life });
        }
        let periods: Vec<_> = (self.populations.range(..=now))
            .map(|(&period, population)| {
                #[expect(clippy::cast_precision_loss, reason = "an age, to 53 bits")]
                let age = now.abs_diff(period) as f64;
                (libm::exp2(-age / half_life), population)
            })
            .collect();
        let dimension = u32::try_from(self.cohorts.dimension()).unwrap_or(u32::MAX);
        let statistics = (0..dimension)
            .map(|position| decay(&periods, position))
            .collect();
        Ok(DecayedStatistics { statistics })
    }
}

/// Decayed mean and standard deviation of one position; `None` if nobody has had it.
fn decay(periods: &[(f64, &Population)], position: u32) -> Option<(f64, f64)> {
    let parts = || {
        periods.iter().filter_map(|&(decay, population)| {
            let size = population.size_at(position);
            let moments = population.moments(position)?;
            #[expect(clippy::cast_precision_loss, reason = "a weight, to 53 bits")]
            let weight = decay * size as f64;
            let mean = moments.mean(size)?;
            Some((
                weight,
                mean,
                moments.population_variance(size)?,
                moments.nonzeros,
            ))
        })
    };
    let total: f64 = parts().map(|(weight, ..)| weight).sum();
    let is_seen = parts().any(|(.., nonzeros)| nonzeros > 0);
    if !(total > 0.0 && is_seen) {
        return None;
    }
    let mean = parts().map(|(weight, mean, ..)| weight * mean).sum::<f64>() / total;
    let spread = |(weight, m, variance, _): (f64, f64, f64, u64)| {
        weight * (variance + (m - mean) * (m - mean))
    };
    let variance = parts().map(spread).sum::<f64>() / total;
    Some((mean, variance.sqrt()))
}

/// Exponentially decayed statistics of every position; see [`Periods::decayed`].
///
/// A [`Scaler`](crate::Scaler) takes them through
/// [`Scaler::from_statistics`](crate::Scaler::from_statistics).
#[derive(Debug, Clone, PartialEq)]
pub struct DecayedStatistics {
    statistics: Vec<Option<(f64, f64)>>,
}

impl DecayedStatistics {
    /// Mean of what was pushed, in the unit of the transformed value; `None` where nobody has had
    /// a non-zero, and at or above the dimension.
    #[must_use]
    pub fn mean(&self, position: u32) -> Option<f64> {
        Some(self.at(position)?.0)
    }

    /// Population standard deviation, in the unit of the transformed value; `None` as for
    /// [`mean`](Self::mean).
    #[must_use]
    pub fn population_std_dev(&self, position: u32) -> Option<f64> {
        Some(self.at(position)?.1)
    }

    /// Mean and population standard deviation at a position.
    #[must_use]
    pub fn at(&self, position: u32) -> Option<(f64, f64)> {
        *self.statistics.get(position as usize)?
    }
}

/// Why periods cannot be counted or summed up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeriodError {
    /// There is no room for another period.
    #[error("no room for period {period} beside {capacity} others")]
    Full {
        /// The period.
        period: i64,
        /// How many periods there is room for.
        capacity: usize,
    },
    /// The half-life is not a length of time.
    #[error("half-life {half_life} must be a positive, finite number of periods")]
    HalfLife {
        /// The half-life, in periods.
        half_life: f64,
    },
    /// A row or a population cannot be counted.
    #[error("rows of a period cannot be counted")]
    Population {
        /// Why.
        source: PopulationError,
    },
}

impl PeriodError {
    fn population(source: PopulationError) -> Self {
        Self::Population { source }
    }
}
