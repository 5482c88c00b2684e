//! Isotonic regression of labels on margins, learned event by event.

use crate::loss::sigmoid;
use crate::metrics::{Metrics, MetricsError};

/// Bits of the histogram of margins: 64 bins per unit of log-odds.
const RESOLUTION: u32 = 6;
/// Share by which events must have grown for a new fit.
const GROWTH: u64 = 8;
/// Fewest events of a fit.
const FIRST_FIT: u64 = 256;

/// Isotonic recalibration online: the non-decreasing map from margin to probability that fits the
/// events so far best.
///
/// Events are kept as a histogram of margins, 64 bins per unit of log-odds, so memory is bounded
/// (64 KiB) and a fit costs one pass over the bins. It is renewed whenever there are an eighth more
/// events. Until the first 256 events probabilities are those of the margins.
///
/// # Examples
///
/// ```
/// use lr_core::Isotonic;
///
/// let mut isotonic = Isotonic::new();
/// for event in 0..1000 {
///     isotonic.push(2.0, event % 4 == 0, 1.0)?;
///     isotonic.push(-1.0, event % 10 == 0, 1.0)?;
/// }
/// assert!((isotonic.probability(2.0) - 0.25).abs() < 0.01);
/// assert!((isotonic.probability(-1.0) - 0.1).abs() < 0.01);
/// # Ok::<(), lr_core::MetricsError>(())
/// ```
///
/// # References
///
/// Zadrozny & Elkan (2002), *Transforming classifier scores into accurate multiclass probability
/// estimates*.
#[derive(Debug, Clone, PartialEq)]
pub struct Isotonic {
    seen: Metrics,
    map: Option<IsotonicMap>,
    next_fit: u64,
}

impl Isotonic {
    /// Creates a map that changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seen: Metrics::empty(RESOLUTION),
            map: None,
            next_fit: FIRST_FIT,
        }
    }

    /// Learns from the margin of one event, its label and its importance.
    ///
    /// # Errors
    ///
    /// As [`Metrics::push_margin`]; nothing is learned then.
    pub fn push(&mut self, margin: f64, label: bool, importance: f32) -> Result<(), MetricsError> {
        self.seen.push_margin(margin, label, importance)?;
        if self.seen.events() >= self.next_fit {
            self.map = IsotonicMap::fit(&self.seen);
            self.next_fit = self.seen.events() + self.seen.events() / GROWTH;
        }
        Ok(())
    }

    /// Returns the recalibrated probability of a margin.
    #[must_use]
    pub fn probability(&self, margin: f64) -> f64 {
        self.map
            .as_ref()
            .map_or_else(|| sigmoid(margin), |map| map.probability(margin))
    }

    /// The events so far; [`IsotonicMap::fit`] makes the newest map of them.
    #[must_use]
    pub fn seen(&self) -> &Metrics {
        &self.seen
    }
}

impl Default for Isotonic {
    fn default() -> Self {
        Self::new()
    }
}

/// A non-decreasing map from margin to probability, in steps joined by straight lines.
#[derive(Debug, Clone, PartialEq)]
pub struct IsotonicMap {
    /// Mean margin of each block, increasing.
    margins: Vec<f64>,
    /// Probability of each block, increasing, in (0, 1).
    probabilities: Vec<f64>,
}

impl IsotonicMap {
    /// Fits the map to the events of some metrics by pooling adjacent violators.
    ///
    /// One event's worth of importance is added to both ends, negative to the highest scores and
    /// positive to the lowest, so that no probability is 0 or 1.
    /// `None` without importance.
    ///
    /// # Complexity
    ///
    /// One pass over the bins.
    ///
    /// # References
    ///
    /// Ayer et al. (1955), *An empirical distribution function for sampling with incomplete
    /// information*.
    #[must_use]
    pub fn fit(metrics: &Metrics) -> Option<Self> {
        let mut bins = metrics.margins();
        bins.first_mut()?.positive += 1.0;
        bins.last_mut()?.negative += 1.0;
        let mut blocks: Vec<Block> = Vec::new();
        for bin in bins {
            let total = bin.positive + bin.negative;
            let mut block = Block {
                total,
                positive: bin.positive,
                margin: bin.margin * total,
            };
            while let Some(last) = blocks.pop_if(|last| last.rate() >= block.rate()) {
                block.total += last.total;
                block.positive += last.positive;
                block.margin += last.margin;
            }
            blocks.push(block);
        }
        Some(Self {
            margins: blocks
                .iter()
                .map(|block| block.margin / block.total)
                .collect(),
            probabilities: blocks.iter().map(Block::rate).collect(),
        })
    }

    /// Returns the recalibrated probability of a margin; constant beyond the outermost blocks.
    #[must_use]
    pub fn probability(&self, margin: f64) -> f64 {
        let above = self.margins.partition_point(|&other| other <= margin);
        match (above.checked_sub(1), self.margins.get(above)) {
            (Some(below), Some(high)) => {
                let (low, from) = (self.margins[below], self.probabilities[below]);
                let share = (margin - low) / (high - low);
                from + share * (self.probabilities[above] - from)
            }
            (Some(last), None) => self.probabilities[last],
            (None, _) => self.probabilities[0],
        }
    }
}

struct Block {
    total: f64,
    positive: f64,
    /// Σ importance · margin.
    margin: f64,
}

impl Block {
    fn rate(&self) -> f64 {
        self.positive / self.total
    }
}
