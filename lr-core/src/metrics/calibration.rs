//! Predicted and observed rates by bucket of probability.

use super::histogram::Bin;
use super::{Metrics, fixed, ratio};
use crate::loss::{logit, sigmoid};

/// Events whose probability is in `[low, high)`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct CalibrationBucket {
    /// Lowest probability.
    pub low: f64,
    /// Upper end of the probabilities.
    pub high: f64,
    /// Total importance.
    pub importance: f64,
    /// Importance of positive events.
    pub observed: f64,
    /// Σ importance · probability, where each probability is that of the middle of its bin.
    pub predicted: f64,
}

impl CalibrationBucket {
    /// Share of importance that is positive; `None` in an empty bucket.
    #[must_use]
    pub fn observed_rate(&self) -> Option<f64> {
        ratio(self.observed, self.importance)
    }

    /// Mean probability; `None` in an empty bucket.
    #[must_use]
    pub fn predicted_rate(&self) -> Option<f64> {
        ratio(self.predicted, self.importance)
    }

    /// Predicted over observed; `None` without positive events.
    #[must_use]
    pub fn calibration(&self) -> Option<f64> {
        ratio(self.predicted, self.observed)
    }
}

impl Metrics {
    /// Splits the events into buckets at some probabilities, from 0 to 1.
    ///
    /// `edges` that are not increasing or not in (0, 1) are left out, and each is moved down to
    /// the edge of its bin of log-odds.
    ///
    /// # Precision
    ///
    /// `predicted` is within a relative 2^-15 at the default resolution, since a bin is 2^-14 of
    /// log-odds wide; `observed` and `importance` are exact.
    ///
    /// # Complexity
    ///
    /// One pass over the bins.
    #[must_use]
    pub fn calibration_at(&self, edges: &[f64]) -> Vec<CalibrationBucket> {
        let mut bounds = vec![0];
        for &edge in edges.iter().filter(|&&edge| edge > 0.0 && edge < 1.0) {
            let index = self.histogram.index(logit(edge));
            if bounds.last().is_none_or(|&last| index > last) {
                bounds.push(index);
            }
        }
        self.buckets(&bounds)
    }

    /// Splits the events into `count` buckets of about equal importance, fewer where bins are
    /// heavier than a bucket.
    ///
    /// # Complexity
    ///
    /// Two passes over the bins.
    #[must_use]
    pub fn calibration_quantiles(&self, count: u32) -> Vec<CalibrationBucket> {
        let count = u128::from(count.max(1));
        let total = u128::from(self.totals.importance_units());
        let (mut bounds, mut passed, mut cut) = (vec![0], 0_u128, 1_u128);
        for (index, bin) in self.histogram.iter() {
            if cut < count && passed * count >= cut * total && passed > 0 {
                bounds.push(index);
                cut = passed * count / total + 1;
            }
            passed += u128::from(bin.positive) + u128::from(bin.negative);
        }
        self.buckets(&bounds)
    }

    /// Expected calibration error: the mean of |observed − predicted rate| over `count` buckets of
    /// about equal importance. `None` without importance.
    ///
    /// # References
    ///
    /// Naeini, Cooper & Hauskrecht (2015), *Obtaining well calibrated probabilities using Bayesian
    /// binning*.
    #[must_use]
    pub fn calibration_error(&self, count: u32) -> Option<f64> {
        let buckets = self.calibration_quantiles(count);
        let distance: f64 = buckets
            .iter()
            .map(|bucket| (bucket.observed - bucket.predicted).abs())
            .sum();
        ratio(distance, self.importance())
    }

    /// Buckets that begin at some bins, the first at 0.
    fn buckets(&self, bounds: &[usize]) -> Vec<CalibrationBucket> {
        let probability = |index: usize| match index {
            0 => 0.0,
            index => sigmoid(self.histogram.lower_margin(index)),
        };
        let highs = bounds
            .iter()
            .skip(1)
            .map(|&index| probability(index))
            .chain([1.0]);
        let mut buckets: Vec<CalibrationBucket> = bounds
            .iter()
            .zip(highs)
            .map(|(&index, high)| CalibrationBucket {
                low: probability(index),
                high,
                importance: 0.0,
                observed: 0.0,
                predicted: 0.0,
            })
            .collect();
        for (index, Bin { positive, negative }) in self.histogram.iter() {
            let bucket = bounds.partition_point(|&bound| bound <= index) - 1;
            let bucket = &mut buckets[bucket];
            let importance = fixed::importance_of(positive + negative);
            bucket.importance += importance;
            bucket.observed += fixed::importance_of(positive);
            bucket.predicted += importance * sigmoid(self.histogram.middle_margin(index));
        }
        buckets
    }
}
