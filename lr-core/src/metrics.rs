//! How good predictions are: streaming, mergeable and importance-weighted.

mod calibration;
mod error;
mod exact;
mod fixed;
mod histogram;
mod interval;
mod slices;
mod state;
mod threshold;
mod totals;

pub use self::calibration::CalibrationBucket;
pub use self::error::MetricsError;
pub use self::exact::exact_auc;
pub use self::interval::Interval;
pub use self::slices::{LearningCurve, RecentMetrics, SlicedMetrics};
pub use self::state::MetricsState;
pub use self::threshold::{Confusion, Measure};

use self::histogram::ScoreHistogram;
use self::totals::Totals;
use crate::loss::{logistic_loss, sigmoid};

/// Probabilities closer to 0 or 1 than this are moved to this distance before their loss is taken.
const PROBABILITY_FLOOR: f64 = 1e-15;

/// Events whose bins are asked for at once.
const AHEAD: usize = 32;

/// Log loss, AUC, normalized entropy and calibration of a stream of predictions.
///
/// Push a prediction before its event is learned from and the figures are progressive
/// (Blum, Kalai & Langford 1999).
///
/// Every sum is a fixed-point integer and the scores are kept as a histogram of margins, so memory
/// is bounded, and [`merge`](Self::merge) in any order gives the bytes of one pass.
/// Importances are rounded to multiples of 2^-24, losses to 2^-50 nats.
///
/// # Memory
///
/// 32 KiB, and 16 bytes for each bin in touched pages of 256 bins.
/// At the default resolution a unit of log-odds has 16,384 bins (256 KiB); scores of a click model
/// span 10 to 15 units (4 MiB), and no stream exceeds 16 MiB.
///
/// # Examples
///
/// ```
/// use lr_core::Metrics;
///
/// let mut metrics = Metrics::new();
/// metrics.push(0.8, true, 1.0)?;
/// metrics.push(0.4, false, 1.0)?;
/// metrics.push(0.2, true, 2.0)?;
/// // −(ln 0.8 + ln 0.6 + 2 ln 0.2) / 4
/// assert!((metrics.log_loss().unwrap() - 0.988_211).abs() < 1e-6);
/// // One of three units of positive importance is above the negative event.
/// assert!((metrics.auc().unwrap() - 1.0 / 3.0).abs() < 1e-12);
/// // Predicted (0.8 + 0.4 + 2 · 0.2) over observed 3.
/// assert!((metrics.calibration().unwrap() - 1.6 / 3.0).abs() < 1e-12);
/// # Ok::<(), lr_core::MetricsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    totals: Totals,
    histogram: ScoreHistogram,
}

impl Metrics {
    /// Resolution of [`Metrics::new`], in bits: 2^14 bins per unit of log-odds.
    pub const DEFAULT_RESOLUTION: u32 = 14;

    /// Creates empty metrics with the default resolution.
    #[must_use]
    pub fn new() -> Self {
        Self::empty(Self::DEFAULT_RESOLUTION)
    }

    /// Creates empty metrics whose scores are told apart to 2^-`resolution` of log-odds.
    ///
    /// A lower resolution takes less memory (for many slices, say) and widens
    /// [`auc_error_bound`](Self::auc_error_bound); 8 bits take at most 256 KiB.
    ///
    /// # Errors
    ///
    /// [`MetricsError::ResolutionOutOfRange`] — `resolution` is not in 2 to 16.
    pub fn with_resolution(resolution: u32) -> Result<Self, MetricsError> {
        if !(2..=16).contains(&resolution) {
            return Err(MetricsError::ResolutionOutOfRange { resolution });
        }
        Ok(Self {
            totals: Totals::default(),
            histogram: ScoreHistogram::new(resolution),
        })
    }

    /// Adds one event: the probability predicted for it, its label and its importance.
    ///
    /// An importance of k counts as k events of importance 1 in every figure but
    /// [`events`](Self::events) and [`positives`](Self::positives).
    /// The loss of a probability within 1e-15 of 0 or 1 is that of 1e-15 or 1 − 1e-15.
    ///
    /// # Errors
    ///
    /// - [`MetricsError::ProbabilityOutOfRange`] — `probability` is NaN or not in [0, 1].
    /// - [`MetricsError::ImportanceOutOfRange`] — `importance` is NaN, negative or above 2^24.
    /// - [`MetricsError::TooMuchImportance`] — the total importance would exceed 2^39.
    pub fn push(
        &mut self,
        probability: f64,
        label: bool,
        importance: f32,
    ) -> Result<(), MetricsError> {
        let place = self.count(probability, label, importance)?;
        self.fill(place, label);
        Ok(())
    }

    /// Adds many events, each a probability, a label and an importance: [`push`](Self::push) for each
    /// in order, but the memory is asked for the bins of 32 events at a time, which takes half the time
    /// where they are not in the cache.
    ///
    /// # Errors
    ///
    /// That of [`push`](Self::push) for the first event that has one; the events before it were added.
    ///
    /// # Examples
    ///
    /// ```
    /// use lr_core::Metrics;
    ///
    /// let (probabilities, labels) = ([0.8, 0.4], [true, false]);
    /// let mut metrics = Metrics::new();
    /// metrics.extend(probabilities.iter().zip(&labels).map(|(&p, &y)| (p, y, 1.0)))?;
    /// assert_eq!(metrics.events(), 2);
    /// # Ok::<(), lr_core::MetricsError>(())
    /// ```
    pub fn extend(
        &mut self,
        events: impl IntoIterator<Item = (f64, bool, f32)>,
    ) -> Result<(), MetricsError> {
        let mut events = events.into_iter();
        loop {
            let mut waiting = [(Place::default(), false); AHEAD];
            let mut outcome = Ok(());
            let mut count = 0;
            for (waiting, (probability, label, importance)) in waiting.iter_mut().zip(&mut events) {
                match self.count(probability, label, importance) {
                    Ok(place) => {
                        if place.units > 0 {
                            self.histogram.prefetch(place.index);
                        }
                        *waiting = (place, label);
                        count += 1;
                    }
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            for &(place, label) in &waiting[..count] {
                self.fill(place, label);
            }
            if outcome.is_err() || count < AHEAD {
                return outcome;
            }
        }
    }

    /// Adds one event by its margin, in log-odds; like [`push`](Self::push), but the loss of a
    /// certain prediction is its own, up to 1,024 nats.
    ///
    /// # Errors
    ///
    /// - [`MetricsError::MarginNotANumber`] — `margin` is NaN.
    /// - As [`push`](Self::push) for the importance.
    pub fn push_margin(
        &mut self,
        margin: f64,
        label: bool,
        importance: f32,
    ) -> Result<(), MetricsError> {
        if margin.is_nan() {
            return Err(MetricsError::MarginNotANumber);
        }
        let loss = logistic_loss(margin, label);
        let place = self.count_scored(margin, sigmoid(margin), loss, label, importance)?;
        self.fill(place, label);
        Ok(())
    }

    /// Adds the events of other metrics, as if they had been pushed here.
    ///
    /// # Errors
    ///
    /// - [`MetricsError::ResolutionMismatch`] — the resolutions differ.
    /// - [`MetricsError::TooMuchImportance`] — the total importance would exceed 2^39.
    pub fn merge(&mut self, other: &Self) -> Result<(), MetricsError> {
        let (left, right) = (self.histogram.resolution(), other.histogram.resolution());
        if left != right {
            return Err(MetricsError::ResolutionMismatch { left, right });
        }
        self.totals.check_room(other.totals.importance_units())?;
        self.totals.merge(&other.totals);
        self.histogram.merge(&other.histogram);
        Ok(())
    }

    /// Bins of the scores per unit of log-odds, as a power of two.
    #[must_use]
    pub fn resolution(&self) -> u32 {
        self.histogram.resolution()
    }

    /// Number of events, not weighted.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.totals.events
    }

    /// Number of positive events, not weighted.
    #[must_use]
    pub fn positives(&self) -> u64 {
        self.totals.positives
    }

    /// Total importance.
    #[must_use]
    pub fn importance(&self) -> f64 {
        fixed::importance_of(self.totals.importance_units())
    }

    /// Total importance of positive events.
    #[must_use]
    pub fn positive_importance(&self) -> f64 {
        fixed::importance_of(self.totals.positive_importance)
    }

    /// Share of importance that is positive; `None` without importance.
    #[must_use]
    pub fn base_rate(&self) -> Option<f64> {
        ratio(self.positive_importance(), self.importance())
    }

    /// Mean log loss, in nats per unit of importance; `None` without importance.
    ///
    /// ```text
    /// Σ wᵢ (−yᵢ ln pᵢ − (1 − yᵢ) ln(1 − pᵢ)) / Σ wᵢ
    /// ```
    #[must_use]
    pub fn log_loss(&self) -> Option<f64> {
        ratio(fixed::loss_of(self.totals.loss), self.importance())
    }

    /// Log loss over that of always predicting the base rate; below 1 is better than knowing
    /// nothing but the rate. `None` unless both labels are present.
    ///
    /// # References
    ///
    /// He et al. (2014), *Practical Lessons from Predicting Clicks on Ads at Facebook*, eq. 3.
    #[must_use]
    pub fn normalized_entropy(&self) -> Option<f64> {
        let rate = self.base_rate()?;
        let entropy = -rate * libm::log(rate) - (1.0 - rate) * libm::log1p(-rate);
        self.log_loss().and_then(|loss| ratio(loss, entropy))
    }

    /// Predicted over observed positive importance; above 1 predicts too much.
    /// `None` without positive importance.
    #[must_use]
    pub fn calibration(&self) -> Option<f64> {
        ratio(
            fixed::probability_of(self.totals.predicted),
            self.positive_importance(),
        )
    }

    /// Area under the ROC curve; `None` unless both labels are present.
    ///
    /// The chance that a positive event is scored above a negative one, both drawn by importance,
    /// with half a win for a tie.
    /// Margins in one bin of 2^-14 of log-odds count as ties:
    /// [`auc_error_bound`](Self::auc_error_bound) is how far that can be from the exact value, and
    /// the deviation seen is far smaller, since events within a bin are in no particular order.
    ///
    /// # Complexity
    ///
    /// One pass over the bins.
    #[must_use]
    pub fn auc(&self) -> Option<f64> {
        let mut negative_below = 0_u128;
        let mut doubled_wins = 0_u128;
        for (_, bin) in self.histogram.iter() {
            let (positive, negative) = (u128::from(bin.positive), u128::from(bin.negative));
            doubled_wins += positive * (2 * negative_below + negative);
            negative_below += negative;
        }
        ratio(doubled_wins as f64, 2.0 * self.pairs())
    }

    /// Largest distance of [`auc`](Self::auc) from the AUC of the margins themselves.
    ///
    /// ```text
    /// Σ_bins positive · negative / (2 · total positive · total negative)
    /// ```
    ///
    /// `None` unless both labels are present.
    #[must_use]
    pub fn auc_error_bound(&self) -> Option<f64> {
        let ties: u128 = self
            .histogram
            .iter()
            .map(|(_, bin)| u128::from(bin.positive) * u128::from(bin.negative))
            .sum();
        ratio(ties as f64, 2.0 * self.pairs())
    }

    /// Importance by label and margin, by increasing margin, without empty bins.
    pub(crate) fn margins(&self) -> Vec<MarginBin> {
        let bins = self.histogram.iter().map(|(index, bin)| MarginBin {
            margin: self.histogram.middle_margin(index),
            positive: fixed::importance_of(bin.positive),
            negative: fixed::importance_of(bin.negative),
        });
        bins.collect()
    }

    /// Empty metrics of a checked resolution.
    pub(crate) fn empty(resolution: u32) -> Self {
        Self {
            totals: Totals::default(),
            histogram: ScoreHistogram::new(resolution),
        }
    }

    fn pairs(&self) -> f64 {
        let positive = u128::from(self.totals.positive_importance);
        (positive * u128::from(self.totals.negative_importance)) as f64
    }

    /// Adds an event to the sums, and says where it belongs in the histogram.
    fn count(
        &mut self,
        probability: f64,
        label: bool,
        importance: f32,
    ) -> Result<Place, MetricsError> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(MetricsError::ProbabilityOutOfRange { probability });
        }
        let clamped = probability.clamp(PROBABILITY_FLOOR, 1.0 - PROBABILITY_FLOOR);
        let (ln_positive, ln_negative) = (libm::log(clamped), libm::log1p(-clamped));
        let loss = if label { -ln_positive } else { -ln_negative };
        let margin = ln_positive - ln_negative;
        self.count_scored(margin, probability, loss, label, importance)
    }

    fn count_scored(
        &mut self,
        margin: f64,
        probability: f64,
        loss: f64,
        label: bool,
        importance: f32,
    ) -> Result<Place, MetricsError> {
        let importance = f64::from(importance);
        if !(0.0..=fixed::MAX_IMPORTANCE).contains(&importance) {
            return Err(MetricsError::ImportanceOutOfRange { importance });
        }
        let units = fixed::importance_units(importance);
        self.totals.check_room(units)?;
        self.totals
            .push(probability, loss.min(fixed::MAX_LOSS), label, units);
        let index = self.histogram.index(margin);
        Ok(Place { index, units })
    }

    fn fill(&mut self, Place { index, units }: Place, label: bool) {
        if units > 0 {
            self.histogram.push(index, label, units);
        }
    }
}

/// Where an event belongs in the histogram, and its importance.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    index: usize,
    units: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Importance at about one margin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MarginBin {
    /// Margin in the middle of the bin, in log-odds.
    pub(crate) margin: f64,
    pub(crate) positive: f64,
    pub(crate) negative: f64,
}

fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}
