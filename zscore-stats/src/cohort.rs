//! Who is counted where: which positions share a population size.

use std::sync::Arc;

/// Who the members of a cohort are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Membership {
    /// Every row that is pushed to the cohort: all users, whatever they have.
    Every,
    /// The rows of another cohort that have at least one of this cohort's positions: only the users
    /// who have the feature at all.
    ///
    /// The mean over such a cohort is that of the feature among those it applies to, and an absent
    /// position counts as 0 only for rows that have another position of the same cohort.
    Present {
        /// The cohort whose rows they are; its membership is [`Every`](Self::Every).
        of: u16,
    },
}

/// Which positions share a population size: each position belongs to one cohort.
///
/// A cohort is what a mean is taken over. One per vector is usual: all users, all videos, all
/// events. Cheap to clone; two bytes a position.
///
/// # Invariants
///
/// - every position names a cohort that exists
/// - a [`Membership::Present`] cohort is part of a [`Membership::Every`] cohort
///
/// # Examples
///
/// ```
/// use zscore_stats::Cohorts;
///
/// // User vector at 0 to 2, item vector at 3 and 4.
/// let cohorts = Cohorts::ranges(&[3, 2])?;
/// assert_eq!(cohorts.dimension(), 5);
/// assert_eq!(cohorts.of(3), Some(1));
/// # Ok::<(), zscore_stats::CohortError>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(into = "CohortsData", try_from = "CohortsData")
)]
pub struct Cohorts {
    inner: Arc<Inner>,
}

#[derive(Debug, PartialEq)]
struct Inner {
    index: Vec<u16>,
    members: Vec<Membership>,
    /// Per cohort: the run of positions that are all its own, where there is one run.
    runs: Vec<Option<(u32, u32)>>,
}

impl Cohorts {
    /// Builds cohorts from each position's cohort and each cohort's members.
    ///
    /// # Errors
    ///
    /// - [`CohortError::UnknownCohort`] if a position or a membership names a cohort that is not
    ///   there
    /// - [`CohortError::Nested`] if a present cohort is part of a present cohort
    /// - [`CohortError::TooMany`] beyond 2³² − 1 positions or 2¹⁶ cohorts
    pub fn new(index: Vec<u16>, members: Vec<Membership>) -> Result<Self, CohortError> {
        let cohorts = members.len();
        if index.len() > u32::MAX as usize || cohorts > usize::from(u16::MAX) + 1 {
            return Err(CohortError::TooMany {
                positions: index.len(),
                cohorts,
            });
        }
        let unknown = |cohort: u16| CohortError::UnknownCohort { cohort, cohorts };
        for membership in &members {
            if let &Membership::Present { of } = membership {
                match members.get(usize::from(of)) {
                    None => return Err(unknown(of)),
                    Some(Membership::Present { .. }) => return Err(CohortError::Nested { of }),
                    Some(Membership::Every) => {}
                }
            }
        }
        if let Some(&cohort) = index.iter().find(|&&cohort| usize::from(cohort) >= cohorts) {
            return Err(unknown(cohort));
        }
        let runs = find_runs(&index, cohorts);
        Ok(Self {
            inner: Arc::new(Inner {
                index,
                members,
                runs,
            }),
        })
    }

    /// One cohort after another, each of as many positions as its entry of `dimensions` says.
    ///
    /// # Errors
    ///
    /// Those of [`Cohorts::new`].
    pub fn ranges(dimensions: &[usize]) -> Result<Self, CohortError> {
        let positions = dimensions.iter().copied().fold(0, usize::saturating_add);
        let too_many = CohortError::TooMany {
            positions,
            cohorts: dimensions.len(),
        };
        if positions > u32::MAX as usize {
            return Err(too_many);
        }
        let mut index = Vec::with_capacity(positions);
        for (cohort, &dimension) in dimensions.iter().enumerate() {
            let Ok(cohort) = u16::try_from(cohort) else {
                return Err(too_many);
            };
            index.resize(index.len() + dimension, cohort);
        }
        Self::new(index, vec![Membership::Every; dimensions.len()])
    }

    /// One cohort for all of `dimension` positions.
    ///
    /// # Errors
    ///
    /// [`CohortError::TooMany`] beyond 2³² − 1 positions.
    pub fn single(dimension: usize) -> Result<Self, CohortError> {
        Self::ranges(&[dimension])
    }

    /// Number of positions.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.inner.index.len()
    }

    /// Number of cohorts.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inner.members.len()
    }

    /// The cohort of a position, or `None` at or above the dimension.
    #[must_use]
    pub fn of(&self, position: u32) -> Option<u16> {
        self.inner.index.get(position as usize).copied()
    }

    /// Each position's cohort, in order of position.
    #[must_use]
    pub fn index(&self) -> &[u16] {
        &self.inner.index
    }

    /// Each cohort's members, in order of cohort.
    #[must_use]
    pub fn members(&self) -> &[Membership] {
        &self.inner.members
    }

    /// Whether all of an ordered row's positions lie in the one run of a cohort.
    pub(crate) fn is_within(&self, cohort: u16, positions: &[u32]) -> bool {
        match (self.inner.runs[usize::from(cohort)], positions) {
            (_, []) => true,
            (Some((start, end)), [first, .., last]) => start <= *first && *last < end,
            (Some((start, end)), [only]) => (start..end).contains(only),
            (None, _) => false,
        }
    }
}

impl PartialEq for Cohorts {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) || self.inner == other.inner
    }
}

/// What is written of [`Cohorts`]; read through [`Cohorts::new`].
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct CohortsData {
    index: Vec<u16>,
    members: Vec<Membership>,
}

#[cfg(feature = "serde")]
impl From<Cohorts> for CohortsData {
    fn from(cohorts: Cohorts) -> Self {
        Self {
            index: cohorts.index().to_vec(),
            members: cohorts.members().to_vec(),
        }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<CohortsData> for Cohorts {
    type Error = CohortError;

    fn try_from(data: CohortsData) -> Result<Self, CohortError> {
        Self::new(data.index, data.members)
    }
}

/// For each cohort, the range of its positions if they are one run.
fn find_runs(index: &[u16], cohorts: usize) -> Vec<Option<(u32, u32)>> {
    let mut runs = vec![None; cohorts];
    let mut broken = vec![false; cohorts];
    let mut start = 0;
    for run in index.chunk_by(|a, b| a == b) {
        // The number of positions was checked to fit.
        let end = start + u32::try_from(run.len()).unwrap_or(u32::MAX);
        let cohort = usize::from(run[0]);
        broken[cohort] |= runs[cohort].is_some();
        runs[cohort] = (!broken[cohort]).then_some((start, end));
        start = end;
    }
    runs
}

/// Why positions cannot be put into cohorts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CohortError {
    /// A position or a membership names a cohort that is not there.
    #[error("cohort {cohort} is not one of the {cohorts} cohorts")]
    UnknownCohort {
        /// The cohort, counted from 0.
        cohort: u16,
        /// Number of cohorts.
        cohorts: usize,
    },
    /// A cohort of present rows is part of another one.
    #[error("cohort {of} has only present rows and cannot have a part of its own")]
    Nested {
        /// The outer cohort.
        of: u16,
    },
    /// More positions or cohorts than can be numbered.
    #[error(
        "{positions} positions in {cohorts} cohorts, and at most 2^32 - 1 in 2^16 can be numbered"
    )]
    TooMany {
        /// Number of positions.
        positions: usize,
        /// Number of cohorts.
        cohorts: usize,
    },
}
