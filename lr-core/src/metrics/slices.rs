//! Metrics by category, and over time.

use std::collections::{BTreeMap, VecDeque};

use super::error::MetricsError;
use super::{Metrics, MetricsState};

/// Metrics of each value of a category (language, hour, …), in bounded memory.
///
/// The first `limit` values seen have metrics of their own; events of later ones are counted
/// together in [`others`](Self::others).
///
/// # Examples
///
/// ```
/// use lr_core::SlicedMetrics;
///
/// let mut languages = SlicedMetrics::new(100, 8)?;
/// languages.push("HI", 0.3, true, 1.0)?;
/// languages.push("TA", 0.2, false, 1.0)?;
/// let positives: Vec<_> =
///     languages.iter().map(|(slice, metrics)| (slice, metrics.positives())).collect();
/// assert_eq!(positives, [("HI", 1), ("TA", 0)]);
/// # Ok::<(), lr_core::MetricsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlicedMetrics {
    limit: usize,
    slices: BTreeMap<String, Metrics>,
    others: Metrics,
}

impl SlicedMetrics {
    /// Creates metrics for at most `limit` slices of a resolution in bits; 8 bits take at most
    /// 256 KiB a slice.
    ///
    /// # Errors
    ///
    /// [`MetricsError::ResolutionOutOfRange`] — `resolution` is not in 2 to 16.
    pub fn new(limit: usize, resolution: u32) -> Result<Self, MetricsError> {
        let others = Metrics::with_resolution(resolution)?;
        Ok(Self {
            limit,
            slices: BTreeMap::new(),
            others,
        })
    }

    /// Adds one event to its slice.
    ///
    /// # Errors
    ///
    /// As [`Metrics::push`].
    pub fn push(
        &mut self,
        slice: &str,
        probability: f64,
        label: bool,
        importance: f32,
    ) -> Result<(), MetricsError> {
        if let Some(metrics) = self.slices.get_mut(slice) {
            return metrics.push(probability, label, importance);
        }
        if self.slices.len() >= self.limit {
            return self.others.push(probability, label, importance);
        }
        let mut metrics = self.empty();
        metrics.push(probability, label, importance)?;
        self.slices.insert(slice.to_owned(), metrics);
        Ok(())
    }

    /// Adds the slices of others, in the order of their names.
    ///
    /// While all slices fit in the limit, any order of merging gives the same result.
    ///
    /// # Errors
    ///
    /// As [`Metrics::merge`]; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), MetricsError> {
        let mut merged = self.clone();
        for (slice, metrics) in &other.slices {
            if let Some(mine) = merged.slices.get_mut(slice) {
                mine.merge(metrics)?;
            } else if merged.slices.len() < merged.limit {
                let mut mine = merged.empty();
                mine.merge(metrics)?;
                merged.slices.insert(slice.clone(), mine);
            } else {
                merged.others.merge(metrics)?;
            }
        }
        merged.others.merge(&other.others)?;
        *self = merged;
        Ok(())
    }

    /// The metrics of a slice; `None` if it has none of its own.
    #[must_use]
    pub fn slice(&self, slice: &str) -> Option<&Metrics> {
        self.slices.get(slice)
    }

    /// The slices with metrics of their own, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Metrics)> {
        self.slices
            .iter()
            .map(|(slice, metrics)| (slice.as_str(), metrics))
    }

    /// The metrics of all slices beyond the limit.
    #[must_use]
    pub fn others(&self) -> &Metrics {
        &self.others
    }

    /// The state as plain numbers: slices by name, and the others.
    #[must_use]
    pub fn state(&self) -> (Vec<(String, MetricsState)>, MetricsState) {
        let slices = self
            .slices
            .iter()
            .map(|(slice, metrics)| (slice.clone(), metrics.state()));
        (slices.collect(), self.others.state())
    }

    /// Takes up a saved state.
    ///
    /// # Errors
    ///
    /// - [`MetricsError::InvalidState`] — more slices than `limit`, or one twice.
    /// - As [`Metrics::from_state`].
    pub fn from_state(
        limit: usize,
        slices: &[(String, MetricsState)],
        others: &MetricsState,
    ) -> Result<Self, MetricsError> {
        let mut sliced = Self {
            limit,
            slices: BTreeMap::new(),
            others: Metrics::from_state(others)?,
        };
        for (slice, state) in slices {
            if state.resolution != others.resolution {
                let (left, right) = (others.resolution, state.resolution);
                return Err(MetricsError::ResolutionMismatch { left, right });
            }
            if sliced
                .slices
                .insert(slice.clone(), Metrics::from_state(state)?)
                .is_some()
            {
                return Err(MetricsError::InvalidState {
                    reason: "a slice occurs twice",
                });
            }
        }
        if sliced.slices.len() > limit {
            return Err(MetricsError::InvalidState {
                reason: "more slices than the limit",
            });
        }
        Ok(sliced)
    }

    fn empty(&self) -> Metrics {
        Metrics::empty(self.others.resolution())
    }
}

/// A learning curve: metrics of consecutive windows of events, in bounded memory.
///
/// When `limit` windows are full, neighbours are merged and windows are twice as long from then on,
/// so that the whole stream stays covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearningCurve {
    window: u64,
    limit: usize,
    full: Vec<Metrics>,
    current: Metrics,
}

impl LearningCurve {
    /// Creates a curve of windows of `window` events (at least 1), `limit` of them at most (at
    /// least 2), with scores at a resolution in bits.
    ///
    /// # Errors
    ///
    /// [`MetricsError::ResolutionOutOfRange`] — `resolution` is not in 2 to 16.
    pub fn new(window: u64, limit: usize, resolution: u32) -> Result<Self, MetricsError> {
        let current = Metrics::with_resolution(resolution)?;
        // An even limit leaves no half window over when neighbours are merged.
        let limit = limit.clamp(2, usize::MAX - 1).next_multiple_of(2);
        Ok(Self {
            window: window.max(1),
            limit,
            full: Vec::new(),
            current,
        })
    }

    /// Adds one event to the current window.
    ///
    /// # Errors
    ///
    /// As [`Metrics::push`].
    pub fn push(
        &mut self,
        probability: f64,
        label: bool,
        importance: f32,
    ) -> Result<(), MetricsError> {
        self.current.push(probability, label, importance)?;
        if self.current.events() < self.window {
            return Ok(());
        }
        let empty = Metrics::empty(self.current.resolution());
        self.full.push(std::mem::replace(&mut self.current, empty));
        if self.full.len() == self.limit {
            let mut merged = Vec::with_capacity(self.limit);
            for pair in self.full.chunks(2) {
                let mut sum = pair[0].clone();
                for metrics in &pair[1..] {
                    sum.merge(metrics)?;
                }
                merged.push(sum);
            }
            self.full = merged;
            self.window = self.window.saturating_mul(2);
        }
        Ok(())
    }

    /// Events of a full window.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.window
    }

    /// The windows in order: the full ones, then the current one if it has events.
    pub fn windows(&self) -> impl Iterator<Item = &Metrics> {
        let current = Some(&self.current).filter(|current| current.events() > 0);
        self.full.iter().chain(current)
    }
}

/// Metrics of the newest events.
///
/// Events are kept in panes; the oldest pane is dropped when a new one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentMetrics {
    pane: u64,
    limit: usize,
    resolution: u32,
    panes: VecDeque<Metrics>,
}

impl RecentMetrics {
    /// Creates metrics of the newest `panes` × `pane` events or up to one pane fewer (both at
    /// least 1), with scores at a resolution in bits.
    ///
    /// # Errors
    ///
    /// [`MetricsError::ResolutionOutOfRange`] — `resolution` is not in 2 to 16.
    pub fn new(pane: u64, panes: usize, resolution: u32) -> Result<Self, MetricsError> {
        let first = Metrics::with_resolution(resolution)?;
        let (pane, limit) = (pane.max(1), panes.max(1));
        Ok(Self {
            pane,
            limit,
            resolution,
            panes: VecDeque::from([first]),
        })
    }

    /// Adds one event and lets the oldest pane go when the newest is full.
    ///
    /// # Errors
    ///
    /// As [`Metrics::push`].
    pub fn push(
        &mut self,
        probability: f64,
        label: bool,
        importance: f32,
    ) -> Result<(), MetricsError> {
        if self
            .panes
            .back()
            .is_none_or(|newest| newest.events() >= self.pane)
        {
            let mut newest = Metrics::empty(self.resolution);
            newest.push(probability, label, importance)?;
            self.panes.push_back(newest);
            if self.panes.len() > self.limit {
                self.panes.pop_front();
            }
            return Ok(());
        }
        self.panes
            .back_mut()
            .map_or(Ok(()), |newest| newest.push(probability, label, importance))
    }

    /// The metrics of all panes together.
    ///
    /// # Errors
    ///
    /// [`MetricsError::TooMuchImportance`] — together they exceed 2^39.
    pub fn metrics(&self) -> Result<Metrics, MetricsError> {
        let mut sum = Metrics::empty(self.resolution);
        self.panes.iter().try_for_each(|pane| sum.merge(pane))?;
        Ok(sum)
    }
}
