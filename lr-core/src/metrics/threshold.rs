//! Precision, recall and F1 at a threshold, and the threshold that is best.

use super::error::MetricsError;
use super::{Metrics, fixed, ratio};
use crate::loss::{logit, sigmoid};

/// Importance by label and by prediction, where at least `threshold` is predicted positive.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Confusion {
    /// The probability from which on an event is predicted positive.
    pub threshold: f64,
    /// Importance of positive events predicted positive.
    pub true_positive: f64,
    /// Importance of negative events predicted positive.
    pub false_positive: f64,
    /// Importance of positive events predicted negative.
    pub false_negative: f64,
    /// Importance of negative events predicted negative.
    pub true_negative: f64,
}

/// What a threshold can be chosen to maximise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Measure {
    /// Harmonic mean of precision and recall.
    F1,
    /// Share of importance predicted right.
    Accuracy,
    /// Recall minus false positive rate (Youden's J).
    Youden,
    /// Correlation of label and prediction (Matthews).
    Matthews,
}

impl Confusion {
    /// Share of what is predicted positive that is; `None` if nothing is predicted so.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// Share of what is positive that is predicted so; `None` if nothing is positive.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// `2 TP / (2 TP + FP + FN)`; `None` if nothing is positive or predicted so.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        let doubled = 2.0 * self.true_positive;
        ratio(doubled, doubled + self.false_positive + self.false_negative)
    }

    /// Share of importance predicted right; `None` without importance.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let right = self.true_positive + self.true_negative;
        ratio(right, right + self.false_positive + self.false_negative)
    }

    /// The value of a measure; `None` where it divides by nothing.
    #[must_use]
    pub fn measure(&self, measure: Measure) -> Option<f64> {
        let negative = self.false_positive + self.true_negative;
        match measure {
            Measure::F1 => self.f1(),
            Measure::Accuracy => self.accuracy(),
            Measure::Youden => Some(self.recall()? - ratio(self.false_positive, negative)?),
            Measure::Matthews => {
                let predicted = self.true_positive + self.false_positive;
                let positive = self.true_positive + self.false_negative;
                let spread = predicted * positive * negative;
                let unpredicted = self.false_negative + self.true_negative;
                let agreement = self.true_positive * self.true_negative
                    - self.false_positive * self.false_negative;
                ratio(agreement, (spread * unpredicted).sqrt())
            }
        }
    }
}

impl Metrics {
    /// Returns what a threshold makes of the events.
    ///
    /// The threshold is moved down to the edge of its bin of log-odds, by less than 2^-14 at the
    /// default resolution, and returned so; at that threshold the figures are exact.
    ///
    /// # Errors
    ///
    /// [`MetricsError::ProbabilityOutOfRange`] — `threshold` is NaN or not in [0, 1].
    ///
    /// # Complexity
    ///
    /// One pass over the bins.
    pub fn confusion(&self, threshold: f64) -> Result<Confusion, MetricsError> {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(MetricsError::ProbabilityOutOfRange {
                probability: threshold,
            });
        }
        let edge = self.histogram.index(logit(threshold));
        let above = self
            .histogram
            .iter()
            .filter(|&(index, _)| index >= edge)
            .fold((0, 0), |(p, n), (_, bin)| {
                (p + bin.positive, n + bin.negative)
            });
        Ok(self.confusion_of(edge, above))
    }

    /// Returns the threshold that maximises a measure, with what it makes of the events.
    ///
    /// Of equal thresholds the highest; `None` if the measure divides by nothing everywhere.
    ///
    /// # Complexity
    ///
    /// One pass over the bins.
    #[must_use]
    pub fn best_threshold(&self, measure: Measure) -> Option<Confusion> {
        let mut above = (0, 0);
        let mut best: Option<(f64, Confusion)> = None;
        for (index, bin) in self.histogram.iter().rev() {
            above = (above.0 + bin.positive, above.1 + bin.negative);
            let confusion = self.confusion_of(index, above);
            let value = confusion.measure(measure);
            if let Some(value) = value.filter(|v| best.is_none_or(|(least, _)| *v > least)) {
                best = Some((value, confusion));
            }
        }
        best.map(|(_, confusion)| confusion)
    }

    fn confusion_of(&self, edge: usize, (positive, negative): (u64, u64)) -> Confusion {
        let threshold = if edge == 0 {
            0.0
        } else {
            sigmoid(self.histogram.lower_margin(edge))
        };
        Confusion {
            threshold,
            true_positive: fixed::importance_of(positive),
            false_positive: fixed::importance_of(negative),
            false_negative: fixed::importance_of(self.totals.positive_importance - positive),
            true_negative: fixed::importance_of(self.totals.negative_importance - negative),
        }
    }
}
