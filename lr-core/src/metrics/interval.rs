//! Confidence intervals for log loss and AUC.

use statrs::distribution::{ContinuousCDF, Normal};

use super::error::MetricsError;
use super::{Metrics, fixed};
use crate::loss::{logit, sigmoid};

/// An estimate with a range that covers the true value with a stated frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Interval {
    /// The figure itself.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How often such a range covers the true value, in (0, 1).
    pub level: f64,
}

impl Metrics {
    /// Confidence interval of [`log_loss`](Self::log_loss), for events drawn independently.
    ///
    /// The normal interval of a weighted mean:
    ///
    /// ```text
    /// variance = Σ wᵢ² (ℓᵢ − mean)² / (Σ wᵢ)²
    /// ```
    ///
    /// `None` unless two events have importance. Events of one user are not independent, so the
    /// true interval is wider.
    ///
    /// # Errors
    ///
    /// [`MetricsError::LevelOutOfRange`] — `level` is not in (0, 1).
    ///
    /// # References
    ///
    /// Cochran (1977), *Sampling Techniques*, 3rd ed., eq. 6.9 (a ratio of sums); the same as
    /// White's (1980) variance of a mean.
    pub fn log_loss_interval(&self, level: f64) -> Result<Option<Interval>, MetricsError> {
        let quantile = normal_quantile(level)?;
        let (Some(mean), true) = (self.log_loss(), self.effective_size() > 1.0) else {
            return Ok(None);
        };
        let totals = &self.totals;
        let squares = fixed::square_of(totals.positive_square + totals.negative_square);
        let deviation = fixed::square_of(totals.square_loss_square)
            - mean * (2.0 * fixed::square_of(totals.square_loss) - mean * squares);
        let half = quantile * deviation.max(0.0).sqrt() / self.importance();
        let low = (mean - half).max(0.0);
        Ok(Some(Interval {
            estimate: mean,
            low,
            high: mean + half,
            level,
        }))
    }

    /// Confidence interval of [`auc`](Self::auc), for events drawn independently.
    ///
    /// The variance of `DeLong` and others, with each positive event's share of negative events below it and the
    /// reverse, turned into an interval on the log-odds of the AUC, so that it stays in (0, 1).
    /// With unequal importances Kish's effective numbers `(Σw)² / Σw²` stand for the numbers of
    /// positive and negative events.
    /// If every positive event is above every negative one the variance is 0, and so is the width.
    ///
    /// `None` unless both labels have more than one event's worth of importance.
    ///
    /// # Errors
    ///
    /// [`MetricsError::LevelOutOfRange`] — `level` is not in (0, 1).
    ///
    /// # Complexity
    ///
    /// One pass over the bins.
    ///
    /// # References
    ///
    /// `DeLong`, `DeLong` & Clarke-Pearson (1988), *Comparing the areas under two or more correlated
    /// receiver operating characteristic curves*, Biometrics 44.
    /// Kish (1965), *Survey Sampling*. Pepe (2003), *The Statistical Evaluation of Medical Tests*,
    /// section 5.2, for the log-odds.
    pub fn auc_interval(&self, level: f64) -> Result<Option<Interval>, MetricsError> {
        let quantile = normal_quantile(level)?;
        let totals = &self.totals;
        let positive = fixed::importance_of(totals.positive_importance);
        let negative = fixed::importance_of(totals.negative_importance);
        let positives = positive * positive / fixed::square_of(totals.positive_square);
        let negatives = negative * negative / fixed::square_of(totals.negative_square);
        let (Some(auc), true) = (self.auc(), positives > 1.0 && negatives > 1.0) else {
            return Ok(None);
        };
        let (mut negative_below, mut positive_above) = (0.0, positive);
        let (mut positive_spread, mut negative_spread) = (0.0, 0.0);
        for (_, bin) in self.histogram.iter() {
            let p = fixed::importance_of(bin.positive);
            let n = fixed::importance_of(bin.negative);
            positive_above -= p;
            let of_positive = (negative_below + n / 2.0) / negative - auc;
            let of_negative = (positive_above + p / 2.0) / positive - auc;
            positive_spread += p * of_positive * of_positive;
            negative_spread += n * of_negative * of_negative;
            negative_below += n;
        }
        let variance = positive_spread / (positive * (positives - 1.0))
            + negative_spread / (negative * (negatives - 1.0));
        let width = variance.sqrt() / (auc * (1.0 - auc));
        let (low, high) = if width.is_finite() {
            let half = quantile * width;
            (sigmoid(logit(auc) - half), sigmoid(logit(auc) + half))
        } else {
            (auc, auc)
        };
        Ok(Some(Interval {
            estimate: auc,
            low,
            high,
            level,
        }))
    }

    /// `(Σw)² / Σw²`, the number of equal events with the same variance; 0 without importance.
    fn effective_size(&self) -> f64 {
        let squares = fixed::square_of(self.totals.positive_square + self.totals.negative_square);
        if squares > 0.0 {
            self.importance() * self.importance() / squares
        } else {
            0.0
        }
    }
}

fn normal_quantile(level: f64) -> Result<f64, MetricsError> {
    if level > 0.0 && level < 1.0 {
        Ok(Normal::standard().inverse_cdf(0.5 + level / 2.0))
    } else {
        Err(MetricsError::LevelOutOfRange { level })
    }
}
