//! Metrics as plain numbers, for a checkpoint.

use super::Metrics;
use super::error::MetricsError;
use super::fixed;
use super::histogram::Bin;
use super::totals::Totals;

/// The whole state of [`Metrics`] as plain numbers, for a checkpoint.
///
/// Equal metrics have equal states, whatever order their events came in.
/// The numbers are fixed-point integers; only [`Metrics::from_state`] gives them a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MetricsState {
    /// Bins of the score histogram per unit of log-odds, as a power of two.
    pub resolution: u32,
    /// Counts and sums; 128-bit numbers are two entries, low half first.
    pub totals: Vec<u64>,
    /// Indices of the bins that are not empty, increasing.
    pub bins: Vec<u64>,
    /// Positive importance of each of `bins`, in units of 2^-24.
    pub positive: Vec<u64>,
    /// Negative importance of each of `bins`, in units of 2^-24.
    pub negative: Vec<u64>,
}

impl MetricsState {
    /// Puts a state together from saved parts; [`Metrics::from_state`] checks them.
    #[must_use]
    pub fn new(
        resolution: u32,
        totals: Vec<u64>,
        bins: Vec<u64>,
        positive: Vec<u64>,
        negative: Vec<u64>,
    ) -> Self {
        Self {
            resolution,
            totals,
            bins,
            positive,
            negative,
        }
    }
}

impl Metrics {
    /// Returns the state as plain numbers.
    ///
    /// # Complexity
    ///
    /// One pass over the bins of the score histogram.
    #[must_use]
    pub fn state(&self) -> MetricsState {
        let totals = &self.totals;
        let mut numbers = vec![
            totals.events,
            totals.positives,
            totals.positive_importance,
            totals.negative_importance,
        ];
        for sum in totals.sums() {
            numbers.extend([low(sum), high(sum)]);
        }
        let mut state =
            MetricsState::new(self.histogram.resolution(), numbers, vec![], vec![], vec![]);
        for (index, bin) in self.histogram.iter() {
            state.bins.push(index as u64);
            state.positive.push(bin.positive);
            state.negative.push(bin.negative);
        }
        state
    }

    /// Takes up a saved state: pushing the same events then gives the same bytes.
    ///
    /// # Errors
    ///
    /// - [`MetricsError::ResolutionOutOfRange`] — the resolution is not in 2 to 16.
    /// - [`MetricsError::InvalidState`] — counts, sums and bins contradict each other.
    pub fn from_state(state: &MetricsState) -> Result<Self, MetricsError> {
        let mut metrics = Self::with_resolution(state.resolution)?;
        metrics.totals = totals_from(&state.totals)?;
        if state.bins.len() != state.positive.len() || state.bins.len() != state.negative.len() {
            return Err(invalid("bins and their importance differ in number"));
        }
        if !state.bins.is_sorted_by(|left, right| left < right) {
            return Err(invalid("bins are not in increasing order"));
        }
        let (mut positive, mut negative) = (0_u64, 0_u64);
        for ((&index, &p), &n) in state.bins.iter().zip(&state.positive).zip(&state.negative) {
            positive = positive
                .checked_add(p)
                .ok_or(invalid("importance overflows"))?;
            negative = negative
                .checked_add(n)
                .ok_or(invalid("importance overflows"))?;
            metrics
                .histogram
                .add(
                    index,
                    Bin {
                        positive: p,
                        negative: n,
                    },
                )
                .ok_or(invalid("a bin is outside of the histogram"))?;
        }
        let totals = &metrics.totals;
        if (positive, negative) != (totals.positive_importance, totals.negative_importance) {
            return Err(invalid("bins do not add up to the total importance"));
        }
        Ok(metrics)
    }
}

fn totals_from(numbers: &[u64]) -> Result<Totals, MetricsError> {
    let (counts, sums) = numbers
        .split_first_chunk::<4>()
        .ok_or(invalid("totals are too few"))?;
    let (pairs, rest) = sums.as_chunks::<2>();
    let sums: [u128; 6] = pairs
        .iter()
        .map(|&[low, high]| u128::from(low) | (u128::from(high) << 64))
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| invalid("totals are not 16 numbers"))?;
    let totals = Totals::from_parts(*counts, sums);
    let importance = totals
        .positive_importance
        .checked_add(totals.negative_importance);
    let bounded = importance.is_some_and(|units| units < fixed::MAX_TOTAL_UNITS);
    if !rest.is_empty() {
        return Err(invalid("totals are not 16 numbers"));
    }
    if !bounded || totals.positives > totals.events {
        return Err(invalid("totals are out of range"));
    }
    let largest = u128::from(totals.importance_units()) * fixed::MAX_UNITS_OF_SUM + (1 << 64);
    if sums.iter().any(|&sum| sum > largest) {
        return Err(invalid("a sum is larger than its importance allows"));
    }
    Ok(totals)
}

fn invalid(reason: &'static str) -> MetricsError {
    MetricsError::InvalidState { reason }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower 64 bits are meant"
)]
fn low(sum: u128) -> u64 {
    sum as u64
}

fn high(sum: u128) -> u64 {
    low(sum >> 64)
}
