//! Why a population refuses.

use crate::cohort::CohortError;
use crate::value::ValueError;

/// Why rows cannot be counted, taken out or merged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PopulationError {
    /// The row or batch itself is at fault.
    #[error("row cannot be counted")]
    Value {
        /// What is wrong with it.
        #[from]
        source: ValueError,
    },
    /// There is no such cohort.
    #[error(transparent)]
    Cohort(CohortError),
    /// Rows were given to a cohort that takes them from another one.
    #[error("cohort {cohort} takes its rows from cohort {of}")]
    DerivedCohort {
        /// The cohort that was named.
        cohort: u16,
        /// The cohort to push to.
        of: u16,
    },
    /// A row of one cohort has a position of another.
    #[error("position {position} belongs to cohort {owner}, and the row to cohort {cohort}")]
    ForeignPosition {
        /// The position.
        position: u32,
        /// The cohort of the row.
        cohort: u16,
        /// The cohort of the position.
        owner: u16,
    },
    /// A sum does not fit in 128 bits, or a size in 64.
    #[error("the sums at position {position} would overflow")]
    Overflow {
        /// The position.
        position: u32,
    },
    /// Rows to be taken out were never counted.
    #[error("what is taken out at position {position} was never counted")]
    NotCounted {
        /// The position.
        position: u32,
    },
    /// A scaler and a population do not have the same number of positions.
    #[error("{given} positions where the dimension is {dimension}")]
    OtherDimension {
        /// Positions of the scaler.
        dimension: usize,
        /// Positions of the population.
        given: usize,
    },
    /// Two populations do not have the same cohorts.
    #[error("the two populations do not have the same positions and cohorts")]
    OtherCohorts,
}
