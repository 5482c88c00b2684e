//! One row in, one row out: what is checked first, and what is then done.

use crate::cohort::{CohortError, Membership};
use crate::moments::Moments;
use crate::population::{Population, PopulationError, SAFE_SIZE};
use crate::value::{Entries, check_entries};

impl Population {
    pub(super) fn check_row(&self, cohort: u16, row: Entries<'_>) -> Result<(), PopulationError> {
        check_entries(row, self.dimension())?;
        self.check_cohort(cohort, row.positions)
    }

    /// Checks that a cohort takes rows and that it owns all of an ordered row's positions.
    pub(super) fn check_cohort(
        &self,
        cohort: u16,
        positions: &[u32],
    ) -> Result<(), PopulationError> {
        let members = self.cohorts.members();
        match members.get(usize::from(cohort)) {
            Some(Membership::Every) => {}
            Some(Membership::Present { of }) => {
                return Err(PopulationError::DerivedCohort { cohort, of: *of });
            }
            None => {
                let unknown = CohortError::UnknownCohort {
                    cohort,
                    cohorts: members.len(),
                };
                return Err(PopulationError::Cohort(unknown));
            }
        }
        if self.cohorts.is_within(cohort, positions) {
            return Ok(());
        }
        for &position in positions {
            let owner = self.cohorts.index()[position as usize];
            let part = Membership::Present { of: cohort };
            if owner != cohort && members[usize::from(owner)] != part {
                return Err(PopulationError::ForeignPosition {
                    position,
                    cohort,
                    owner,
                });
            }
        }
        Ok(())
    }

    /// Checks that adding a row overflows nothing.
    pub(super) fn check_room(
        &self,
        cohort: u16,
        row: Entries<'_>,
        more: u64,
    ) -> Result<(), PopulationError> {
        let size = self.sizes[usize::from(cohort)];
        if size < SAFE_SIZE {
            return Ok(());
        }
        let full = |&position: &u32| PopulationError::Overflow { position };
        if size.checked_add(more).is_none() {
            return Err(full(row.positions.first().unwrap_or(&0)));
        }
        for (position, &value) in row.positions.iter().zip(row.values) {
            self.moments(*position)
                .and_then(|moments| moments.checked_add(&Moments::of(value)))
                .ok_or_else(|| full(position))?;
        }
        Ok(())
    }

    /// Checks that a row can have been counted.
    pub(super) fn check_counted(
        &self,
        cohort: u16,
        row: Entries<'_>,
    ) -> Result<(), PopulationError> {
        let missing = |&position: &u32| PopulationError::NotCounted { position };
        for (position, &value) in row.positions.iter().zip(row.values) {
            let part = Moments::of(value);
            let owner = self.cohorts.index()[*position as usize];
            self.moments(*position)
                .and_then(|whole| whole.checked_sub(&part))
                .filter(|_| self.size(owner) > 0)
                .ok_or_else(|| missing(position))?;
        }
        if self.sizes[usize::from(cohort)] == 0 {
            return Err(missing(&0));
        }
        Ok(())
    }

    pub(super) fn add_row(&mut self, cohort: u16, row: Entries<'_>) {
        self.count_members(cohort, row.positions, 1);
        #[expect(clippy::float_cmp, reason = "exactly one is what the counters count")]
        let all_ones = row
            .values
            .iter()
            .fold(true, |all, &value| all & (value == 1.0));
        if all_ones {
            if self.rows_of_ones == u32::MAX {
                self.fold_ones();
            }
            self.rows_of_ones += 1;
            for &position in row.positions {
                self.ones[position as usize] += 1;
            }
        } else {
            for (&position, &value) in row.positions.iter().zip(row.values) {
                self.moments[position as usize].push(value);
            }
        }
    }

    /// Subtracts a row that was checked to be counted.
    pub(super) fn subtract_row(&mut self, cohort: u16, row: Entries<'_>) {
        self.count_members(cohort, row.positions, -1);
        for (&position, &value) in row.positions.iter().zip(row.values) {
            let rest = self
                .moments(position)
                .and_then(|whole| whole.checked_sub(&Moments::of(value)));
            if let Some(rest) = rest {
                self.moments[position as usize] = rest.into();
                self.ones[position as usize] = 0;
            }
        }
    }

    /// Counts a row in its cohort, and once in each cohort of present rows that it has a position
    /// of.
    fn count_members(&mut self, cohort: u16, positions: &[u32], step: i64) {
        let sizes = &mut self.sizes;
        let mut count = |cohort: u16| {
            let size = &mut sizes[usize::from(cohort)];
            *size = size.saturating_add_signed(step);
        };
        count(cohort);
        if self.cohorts.is_within(cohort, positions) {
            return;
        }
        let index = self.cohorts.index();
        for (at, &position) in positions.iter().enumerate() {
            let owner = index[position as usize];
            // Cohorts are few and rows short: looking back is quicker than a set.
            let is_first = || positions[..at].iter().all(|&p| index[p as usize] != owner);
            if owner != cohort && is_first() {
                count(owner);
            }
        }
    }

    /// Moves all ones into the moments.
    fn fold_ones(&mut self) {
        for (moments, ones) in self.moments.iter_mut().zip(&mut self.ones) {
            if *ones > 0
                && let Some(sum) = moments.unpack().checked_add(&Moments::ones(*ones))
            {
                *moments = sum.into();
                *ones = 0;
            }
        }
        self.rows_of_ones = 0;
    }
}
