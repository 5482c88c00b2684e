//! Exact statistics of every position over a population of rows.

mod bytes;
#[cfg(feature = "serde")]
mod data;
mod error;
mod rows;

use sprs::CsMatViewI;

use crate::cohort::Cohorts;
use crate::moments::{Moments, PackedMoments};
use crate::value::{Entries, check_batch, check_values};

pub use self::bytes::PopulationDecodeError;
pub use self::error::PopulationError;

/// Rows up to which sums of squares cannot overflow: 2³² · (2²⁴ · 2²⁴)² = 2¹²⁸.
const SAFE_SIZE: u64 = u32::MAX as u64;

/// Exact sums of every position over the rows of a population, and the size of each cohort.
///
/// A row is a user, a video or an event with transformed, shifted values
/// ([`ScalePolicies::transform_in_place`](crate::ScalePolicies::transform_in_place)), so that a
/// position it lacks is a 0. Zeros are never visited: they count through the size alone.
///
/// Everything is kept in whole numbers (see [`Moments`]), so any order of pushes and removals and
/// any split of the rows over machines gives equal populations with the same bytes.
///
/// An operation that fails changes nothing.
///
/// # Invariants
///
/// - no position has more non-zeros than its cohort has rows, unless a row was removed that was
///   never pushed; see [`Population::check`]
///
/// # Examples
///
/// Three users, and the plays over 10 s of each at position 0:
///
/// ```
/// use zscore_stats::{Cohorts, Population};
///
/// let mut users = Population::new(Cohorts::single(2)?);
/// users.push(0, (&[0], &[15.0]))?;
/// users.push(0, (&[0], &[3.0]))?;
/// users.push(0, (&[], &[]))?; // has watched nothing: counts as 0
/// assert_eq!(users.mean(0), Some(6.0));
/// assert_eq!(users.population_variance(0), Some(42.0)); // (81 + 9 + 36) / 3
///
/// users.replace(0, (&[0], &[3.0]), (&[0], &[6.0]))?; // three more plays
/// assert_eq!(users.mean(0), Some(7.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(into = "data::PopulationData", try_from = "data::PopulationData")
)]
pub struct Population {
    cohorts: Cohorts,
    sizes: Vec<u64>,
    moments: Vec<PackedMoments>,
    /// Ones not yet in `moments`: a one-hot entry costs one increment.
    ones: Vec<u32>,
    /// Rows whose ones may be in `ones`; no entry of it is larger.
    rows_of_ones: u32,
}

impl Population {
    /// Starts with nobody.
    #[must_use]
    pub fn new(cohorts: Cohorts) -> Self {
        let dimension = cohorts.dimension();
        Self {
            sizes: vec![0; cohorts.count()],
            moments: vec![PackedMoments::default(); dimension],
            ones: vec![0; dimension],
            rows_of_ones: 0,
            cohorts,
        }
    }

    /// Adds one row to a cohort, and to the cohorts of present rows that are part of it.
    ///
    /// `row`: an `sprs` view, or a pair of slices: positions and values.
    ///
    /// # Errors
    ///
    /// - [`PopulationError::Cohort`] if there is no such cohort, or it takes its rows from another
    /// - [`PopulationError::ForeignPosition`] if a position belongs to another cohort
    /// - [`PopulationError::Value`] for positions out of order or range, for values that are not
    ///   finite or above 2²⁴ in size
    /// - [`PopulationError::Overflow`] if a sum would not fit in 128 bits, which takes more than
    ///   2³² rows
    ///
    /// # Complexity
    ///
    /// O(nnz).
    pub fn push<'a>(
        &mut self,
        cohort: u16,
        row: impl Into<Entries<'a>>,
    ) -> Result<(), PopulationError> {
        let row = row.into();
        self.check_row(cohort, row)?;
        self.check_room(cohort, row, 1)?;
        self.add_row(cohort, row);
        Ok(())
    }

    /// Adds every row of a CSR batch to a cohort; see [`push`](Self::push).
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push), and [`PopulationError::Value`] for a batch stored by column
    /// or with another number of columns. The batch is checked as a whole before it is added.
    pub fn push_batch(
        &mut self,
        cohort: u16,
        batch: CsMatViewI<'_, f32, u32, usize>,
    ) -> Result<(), PopulationError> {
        check_batch(batch, self.dimension())?;
        check_values(batch.indices(), batch.data())?;
        self.check_cohort(cohort, &[])?;
        let ordered_rows = || batch.outer_iterator().map(Entries::from);
        for row in ordered_rows() {
            self.check_cohort(cohort, row.positions)?;
        }
        // All rows at once may need more room than there surely is; then one at a time is exact.
        let rows = batch.rows() as u64;
        if self.sizes[usize::from(cohort)].saturating_add(rows) > SAFE_SIZE {
            let mut whole = self.clone();
            for row in ordered_rows() {
                whole.push(cohort, row)?;
            }
            *self = whole;
            return Ok(());
        }
        for row in ordered_rows() {
            self.add_row(cohort, row);
        }
        Ok(())
    }

    /// Takes one row out of a cohort again.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push), and [`PopulationError::NotCounted`] if what is left could not
    /// be the sums of any rows. That finds most rows that were never pushed, not all of them.
    ///
    /// # Complexity
    ///
    /// O(nnz).
    pub fn remove<'a>(
        &mut self,
        cohort: u16,
        row: impl Into<Entries<'a>>,
    ) -> Result<(), PopulationError> {
        let row = row.into();
        self.check_row(cohort, row)?;
        self.check_counted(cohort, row)?;
        self.subtract_row(cohort, row);
        Ok(())
    }

    /// Takes a row out and puts its new version in, as when a user's counters have changed.
    ///
    /// # Errors
    ///
    /// Those of [`remove`](Self::remove) for `old` and of [`push`](Self::push) for `new`.
    ///
    /// # Complexity
    ///
    /// O(nnz) of both.
    pub fn replace<'a>(
        &mut self,
        cohort: u16,
        old: impl Into<Entries<'a>>,
        new: impl Into<Entries<'a>>,
    ) -> Result<(), PopulationError> {
        let (old, new) = (old.into(), new.into());
        self.check_row(cohort, old)?;
        self.check_row(cohort, new)?;
        self.check_counted(cohort, old)?;
        self.check_room(cohort, new, 0)?;
        self.subtract_row(cohort, old);
        self.add_row(cohort, new);
        Ok(())
    }

    /// Adds another population's rows.
    ///
    /// # Errors
    ///
    /// - [`PopulationError::OtherCohorts`] if the cohorts are not the same
    /// - [`PopulationError::Overflow`] if a sum would not fit
    ///
    /// # Complexity
    ///
    /// O(dimension).
    pub fn merge(&mut self, other: &Self) -> Result<(), PopulationError> {
        self.combine(other, Moments::checked_add, u64::checked_add, |position| {
            PopulationError::Overflow { position }
        })
    }

    /// Takes another population's rows out again, as when a day leaves a sliding window.
    ///
    /// # Errors
    ///
    /// - [`PopulationError::OtherCohorts`] if the cohorts are not the same
    /// - [`PopulationError::NotCounted`] if `other` is not a part of this population
    ///
    /// # Complexity
    ///
    /// O(dimension).
    pub fn subtract(&mut self, other: &Self) -> Result<(), PopulationError> {
        self.combine(other, Moments::checked_sub, u64::checked_sub, |position| {
            PopulationError::NotCounted { position }
        })
    }

    /// Moves the sums to other positions, as when a spec's layout changes: position `i` takes those
    /// of `sources[i]`, or none where that is `None`. Sizes stay.
    ///
    /// A position that is new counts every row so far as an absent one.
    ///
    /// `cohorts`: the cohorts of the new positions.
    ///
    /// # Errors
    ///
    /// - [`PopulationError::OtherCohorts`] if there is not one source for each new position, or the
    ///   cohorts have other members
    /// - [`PopulationError::ForeignPosition`] if a source belongs to another cohort, or to none
    ///
    /// # Complexity
    ///
    /// O(dimension).
    ///
    /// # Examples
    ///
    /// ```
    /// use zscore_stats::{Cohorts, Population};
    ///
    /// let mut users = Population::new(Cohorts::single(2)?);
    /// users.push(0, (&[1], &[15.0]))?;
    /// users.push(0, (&[], &[]))?;
    /// let moved = users.remapped(Cohorts::single(3)?, &[Some(1), None, Some(0)])?;
    /// assert_eq!((moved.size(0), moved.mean(0), moved.mean(1)), (2, Some(7.5), Some(0.0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remapped(
        &self,
        cohorts: Cohorts,
        sources: &[Option<u32>],
    ) -> Result<Self, PopulationError> {
        if sources.len() != cohorts.dimension() || cohorts.members() != self.cohorts.members() {
            return Err(PopulationError::OtherCohorts);
        }
        let mut moved = Self::new(cohorts);
        moved.sizes.clone_from(&self.sizes);
        for (position, source) in (0_u32..).zip(sources) {
            let Some(source) = *source else { continue };
            let cohort = moved.cohorts.of(position).unwrap_or(u16::MAX);
            let owner = self.cohorts.of(source).unwrap_or(u16::MAX);
            match self.moments(source) {
                Some(sums) if owner == cohort => moved.moments[position as usize] = sums.into(),
                _ => {
                    return Err(PopulationError::ForeignPosition {
                        position: source,
                        cohort,
                        owner,
                    });
                }
            }
        }
        Ok(moved)
    }

    /// Number of positions.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.cohorts.dimension()
    }

    /// Which positions share a size.
    #[must_use]
    pub fn cohorts(&self) -> &Cohorts {
        &self.cohorts
    }

    /// Number of rows in a cohort; 0 for one that does not exist.
    #[must_use]
    pub fn size(&self, cohort: u16) -> u64 {
        self.sizes.get(usize::from(cohort)).copied().unwrap_or(0)
    }

    /// Number of rows that the statistics of a position are taken over; 0 at or above the
    /// dimension.
    #[must_use]
    pub fn size_at(&self, position: u32) -> u64 {
        self.cohorts
            .of(position)
            .map_or(0, |cohort| self.size(cohort))
    }

    /// Exact sums at a position, or `None` at or above the dimension.
    #[must_use]
    pub fn moments(&self, position: u32) -> Option<Moments> {
        let position = position as usize;
        let ones = Moments::ones(*self.ones.get(position)?);
        // Room for the ones was checked when they were pushed.
        self.moments[position].unpack().checked_add(&ones)
    }

    /// Mean of what was pushed at a position, in the unit of the transformed value; `None` for
    /// nobody and at or above the dimension.
    ///
    /// The mean of the transformed value itself is `t(x₀)` more.
    #[must_use]
    pub fn mean(&self, position: u32) -> Option<f64> {
        self.moments(position)?.mean(self.size_at(position))
    }

    /// Population variance at a position (divisor N), in the squared unit of the transformed
    /// value; `None` for nobody and at or above the dimension.
    #[must_use]
    pub fn population_variance(&self, position: u32) -> Option<f64> {
        self.moments(position)?
            .population_variance(self.size_at(position))
    }

    /// Population standard deviation at a position (divisor N), in the unit of the transformed
    /// value; `None` for nobody and at or above the dimension.
    #[must_use]
    pub fn population_std_dev(&self, position: u32) -> Option<f64> {
        self.moments(position)?
            .population_std_dev(self.size_at(position))
    }

    /// Checks all invariants: only the removal of rows that were never pushed can break them.
    ///
    /// # Errors
    ///
    /// [`PopulationError::NotCounted`] naming the first position with more non-zeros than rows, or
    /// with sums that no rows have.
    ///
    /// # Complexity
    ///
    /// O(dimension).
    pub fn check(&self) -> Result<(), PopulationError> {
        for position in self.positions() {
            let valid = self.moments(position).is_some_and(|moments| {
                moments.is_valid() && moments.nonzeros <= self.size_at(position)
            });
            if !valid {
                return Err(PopulationError::NotCounted { position });
            }
        }
        Ok(())
    }

    /// Every position, in order.
    pub(crate) fn positions(&self) -> std::ops::Range<u32> {
        // A dimension is checked to fit when the cohorts are made.
        0..u32::try_from(self.dimension()).unwrap_or(u32::MAX)
    }

    fn combine(
        &mut self,
        other: &Self,
        moments: impl Fn(&Moments, &Moments) -> Option<Moments>,
        size: impl Fn(u64, u64) -> Option<u64>,
        error: impl Fn(u32) -> PopulationError,
    ) -> Result<(), PopulationError> {
        if self.cohorts != other.cohorts {
            return Err(PopulationError::OtherCohorts);
        }
        let sizes: Option<Vec<_>> = self
            .sizes
            .iter()
            .zip(&other.sizes)
            .map(|(&a, &b)| size(a, b))
            .collect();
        let sizes = sizes.ok_or_else(|| error(0))?;
        let mut combined = Vec::with_capacity(self.moments.len());
        for position in self.positions() {
            let both = self.moments(position).zip(other.moments(position));
            let sums = both.and_then(|(a, b)| moments(&a, &b));
            combined.push(sums.ok_or_else(|| error(position))?.into());
        }
        self.sizes = sizes;
        self.moments = combined;
        self.ones.fill(0);
        self.rows_of_ones = 0;
        Ok(())
    }
}

impl PartialEq for Population {
    fn eq(&self, other: &Self) -> bool {
        self.cohorts == other.cohorts
            && self.sizes == other.sizes
            && self
                .positions()
                .all(|position| self.moments(position) == other.moments(position))
    }
}

#[cfg(test)]
mod tests {
    use super::{PackedMoments, Population};

    #[test]
    fn a_position_takes_46_bytes() {
        // Moments, ones, and the index of the cohort.
        let of_each =
            |_: &Population| size_of::<PackedMoments>() + size_of::<u32>() + size_of::<u16>();
        let population = Population::new(crate::Cohorts::single(3).unwrap());
        assert_eq!(of_each(&population), 46);
        assert_eq!((population.moments.len(), population.ones.len()), (3, 3));
    }
}
