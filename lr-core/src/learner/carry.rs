//! Carrying what was learned over to other positions and other scales.

use super::{Kind, Learner, RescaleError, on_single};
use crate::{
    config::ConfigError,
    row::{RowError, check_sources},
};

/// Smallest ratio by which values may change.
const MIN_RATIO: f32 = 1e-9;

impl Learner {
    /// Moves what was learned to other positions: position `i` takes over from `sources[i]`, or
    /// starts afresh where that is `None`. The dimension becomes `sources.len()`.
    ///
    /// For a new version of a feature specification; the bias and the mixing stay.
    ///
    /// # Errors
    ///
    /// - [`RowError::PositionOutOfRange`]: a source is not below the dimension; nothing is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lr_core::{Learner, OptimizerConfig};
    ///
    /// let mut learner = Learner::new(2, OptimizerConfig::default())?;
    /// learner.remap(&[Some(1), None, Some(0)])?;
    /// assert_eq!(learner.dimension(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remap(&mut self, sources: &[Option<u32>]) -> Result<(), RowError> {
        check_sources(sources, self.dimension)?;
        on_single!(&mut self.kind, bank => bank.remap(sources), s => s.remap(sources));
        self.dimension = sources.len();
        Ok(())
    }

    /// Carries weights and accumulators over to values that are `ratios[i]` times as large from
    /// now on, so that predictions do not jump: `w' = w / r`, `n' = n · r²`.
    ///
    /// For new population statistics the ratio is `D / D'`, old standard deviation over new.
    ///
    /// # Errors
    ///
    /// - [`RescaleError::Count`]: not one ratio a position;
    /// - [`RescaleError::Ratio`]: a ratio is not between 1e-9 and 1e9.
    pub fn rescale(&mut self, ratios: &[f32]) -> Result<(), RescaleError> {
        if ratios.len() != self.dimension {
            return Err(RescaleError::Count {
                actual: ratios.len(),
                dimension: self.dimension,
            });
        }
        if let Some(position) = ratios
            .iter()
            .position(|&r| !(MIN_RATIO..=1.0 / MIN_RATIO).contains(&r))
        {
            return Err(RescaleError::Ratio {
                position,
                ratio: ratios[position],
            });
        }
        self.refresh();
        on_single!(&mut self.kind, bank => bank.rescale(ratios), s => s.rescale(ratios));
        Ok(())
    }

    /// Makes room for positions up to `dimension`; what was learned stays as it is.
    /// A smaller dimension changes nothing.
    ///
    /// For inputs whose dimension is not known beforehand.
    ///
    /// # Errors
    ///
    /// - [`ConfigError::DimensionTooLarge`]: the dimension does not fit in a `u32`.
    ///
    /// # Complexity
    ///
    /// Amortised O(1) a position.
    pub fn grow(&mut self, dimension: usize) -> Result<(), ConfigError> {
        if u32::try_from(dimension).is_err() {
            return Err(ConfigError::DimensionTooLarge { dimension });
        }
        if dimension > self.dimension {
            on_single!(&mut self.kind, bank => bank.grow(dimension), s => s.grow(dimension));
            self.dimension = dimension;
        }
        Ok(())
    }

    /// Asks for the memory of positions up to `dimension`, so that growing to them moves nothing that
    /// was learned. Changes no result.
    ///
    /// For inputs whose dimension can be guessed: the system gives the memory when it is used.
    pub fn reserve(&mut self, dimension: usize) {
        let more = dimension.saturating_sub(self.dimension);
        on_single!(&mut self.kind, bank => bank.reserve(more), s => s.reserve(more));
    }

    /// Brings decayed sums to the units of now.
    pub(super) fn refresh(&mut self) {
        let gain = self.course.progress.gain;
        if gain > 1.0 {
            self.change_units(gain);
        }
    }
}
