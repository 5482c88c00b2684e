//! The online learner: predict, then learn, one event at a time.

mod bounds;
mod carry;
mod error;
mod explain;
mod state;

use sprs::CsVecViewI;

use self::bounds::Bounds;
use crate::{
    bank::Bank,
    config::{ConfigError, LearnerConfig, OptimizerConfig},
    example::Example,
    kernel::{Checked, Kernel},
    loss::sigmoid,
    row::{CheckedRow, RowError, check_importance},
    rules::{AdaGrad, Decay, Ftrl, Lesson, Normalized, Sgd},
    single::Single,
};

pub use self::error::{LearnError, Quantity, RescaleError};

/// What a learner says of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// Log-odds, with negative down-sampling undone.
    pub margin: f64,
    /// Probability of the label, with negative down-sampling undone.
    pub probability: f64,
}

impl Prediction {
    /// `unsampling` is added to the margin to undo negative down-sampling.
    #[inline(always)]
    fn new(margin: f64, unsampling: f64) -> Self {
        let margin = margin + unsampling;
        Self {
            margin,
            probability: sigmoid(margin),
        }
    }
}

/// A logistic regression that learns from a stream, one example at a time.
///
/// Everything it does is a pure function of its settings and the examples in order: the same bytes
/// on every CPU.
///
/// # Examples
///
/// ```
/// use lr_core::{Example, Learner, OptimizerConfig};
/// use sprs::CsVecViewI;
///
/// let mut learner = Learner::new(3, OptimizerConfig::default())?;
/// let liked = CsVecViewI::new(3, &[0_u32][..], &[1.0_f32][..]);
/// let not_liked = CsVecViewI::new(3, &[2_u32][..], &[1.0_f32][..]);
/// for _ in 0..200 {
///     learner.learn(&Example::new(liked, true))?;
///     learner.learn(&Example::new(not_liked, false))?;
/// }
/// assert!(learner.predict(&liked)?.probability > 0.8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Learner {
    config: LearnerConfig,
    dimension: usize,
    kind: Kind,
    events: u64,
    mean_loss: f64,
    /// What an event adds to decayed sums; grows by `growth` at each.
    gain: f64,
    growth: f64,
    /// That of the gain.
    decay: Decay,
    /// ln of the sampling rate: what is added to a margin to undo it.
    unsampling: f64,
}

#[derive(Debug, Clone)]
enum Kind {
    Bank(Box<Bank>),
    Ftrl(Single<Ftrl>),
    AdaGrad(Single<AdaGrad>),
    Normalized(Single<Normalized>),
    Sgd(Single<Sgd>),
}

/// Runs an expression on whichever single learner there is.
macro_rules! on_single {
    ($kind:expr, $bank:ident => $on_bank:expr, $single:ident => $on_single:expr) => {
        match $kind {
            Kind::Bank($bank) => $on_bank,
            Kind::Ftrl($single) => $on_single,
            Kind::AdaGrad($single) => $on_single,
            Kind::Normalized($single) => $on_single,
            Kind::Sgd($single) => $on_single,
        }
    };
}
use on_single;

/// Gain at which decayed sums are brought to new units, a power of two so that nothing is rounded.
const MOST_GAIN: f64 = 1_048_576.0;

impl Learner {
    /// Builds a learner that knows nothing: every weight is 0.
    ///
    /// # Errors
    ///
    /// - [`ConfigError::OutOfRange`], [`ConfigError::MemberCount`]: a setting is invalid;
    /// - [`ConfigError::DimensionTooLarge`]: the dimension does not fit in a `u32`.
    ///
    /// # Complexity
    ///
    /// O(dimension) memory: 64 bytes a position for the bank, 16 for FTRL and normalized, 8 for
    /// AdaGrad, 4 for SGD.
    pub fn new(dimension: usize, config: impl Into<LearnerConfig>) -> Result<Self, ConfigError> {
        let config = config.into();
        config.validate()?;
        if u32::try_from(dimension).is_err() {
            return Err(ConfigError::DimensionTooLarge { dimension });
        }
        let kind = match &config.optimizer {
            OptimizerConfig::Bank(c) => Kind::Bank(Box::new(Bank::new(c, dimension))),
            OptimizerConfig::Ftrl(c) => Kind::Ftrl(Single::new(c.into(), dimension)),
            OptimizerConfig::AdaGrad(c) => Kind::AdaGrad(Single::new(c.into(), dimension)),
            OptimizerConfig::Normalized(c) => Kind::Normalized(Single::new(c.into(), dimension)),
            OptimizerConfig::Sgd(c) => Kind::Sgd(Single::new(c.into(), dimension)),
        };
        Ok(Self::assemble(config, dimension, kind))
    }

    /// Predicts an example, then learns from it, and returns the prediction made before.
    ///
    /// # Errors
    ///
    /// - [`LearnError::Row`]: the row or its importance is invalid;
    /// - [`LearnError::Diverged`]: the margin, the average loss or the step is out of bounds.
    ///
    /// After an error the learner is as it was before the call.
    ///
    /// # Complexity
    ///
    /// O(nnz × members).
    pub fn learn(&mut self, example: &Example<'_>) -> Result<Prediction, LearnError> {
        let row = CheckedRow::of_model(&example.features, self.dimension)
            .map_err(|source| LearnError::Row { source })?;
        self.learn_fitting(&row, example.label, example.importance, &[])
    }

    /// [`Learner::learn`] for a row that was checked before.
    ///
    /// # Errors
    ///
    /// As [`Learner::learn`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lr_core::{CheckedRow, Learner, OptimizerConfig};
    ///
    /// let mut learner = Learner::new(3, OptimizerConfig::default())?;
    /// let row = CheckedRow::new(&[0, 2], &[1.0, 0.5])?;
    /// learner.learn_row(&row, true, 1.0)?;
    /// assert!(learner.predict_row(&row)?.probability > 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn learn_row(
        &mut self,
        row: &CheckedRow<'_>,
        label: bool,
        importance: f32,
    ) -> Result<Prediction, LearnError> {
        self.learn_row_ahead(row, label, importance, None)
    }

    /// [`Learner::learn_row`], and asks the memory for what the next row will need, while the step
    /// waits for its gradient. Changes no result.
    ///
    /// Pays for the bank, whose 64 bytes a position soon fill a first-level cache, and for the other
    /// learners where their slots do not fit in a second-level cache.
    ///
    /// # Errors
    ///
    /// As [`Learner::learn`].
    pub fn learn_row_ahead(
        &mut self,
        row: &CheckedRow<'_>,
        label: bool,
        importance: f32,
        next: Option<&CheckedRow<'_>>,
    ) -> Result<Prediction, LearnError> {
        row.check_fit(self.dimension)
            .map_err(|source| LearnError::Row { source })?;
        let next = next.map_or(&[][..], CheckedRow::positions);
        self.learn_fitting(row, label, importance, next)
    }

    #[inline(always)]
    fn learn_fitting(
        &mut self,
        row: &CheckedRow<'_>,
        label: bool,
        importance: f32,
        next: &[u32],
    ) -> Result<Prediction, LearnError> {
        check_importance(importance).map_err(|source| LearnError::Row { source })?;
        let class = if label {
            self.config.positive_importance
        } else {
            self.config.negative_importance
        };
        let importance = importance * class;
        let bounds = Bounds {
            max_margin: self.config.max_margin,
            max_mean_loss: self.config.max_mean_loss,
            mean_loss: self.mean_loss,
            events: self.events,
            label,
            // The bias sees a value of 1, even where the row is empty.
            step: f64::from(importance.max(1.0)) * f64::from(row.largest().max(1.0)),
        };
        let full = self.gain * self.growth >= MOST_GAIN;
        if full || importance <= 0.0 {
            let margin = on_single!(&self.kind, bank => bank.margin(row), s => s.margin(row));
            let mean_loss = bounds.check(margin)?;
            self.age();
            if importance <= 0.0 {
                return Ok(self.count(self.prediction(margin), mean_loss));
            }
        }
        let (gain, decay) = if full {
            (self.gain, self.decay)
        } else {
            self.aged()
        };
        let lesson = Lesson {
            label,
            importance,
            before: self.events,
            decay,
        };
        let unsampling = self.unsampling;
        // While the step waits for its gradient there is time for all this.
        macro_rules! learn {
            ($learner:expr) => {{
                let soon = $learner.soon(next);
                $learner.learn(row, &lesson, move |margin| {
                    let mean_loss = bounds.check(margin)?;
                    soon.prefetch();
                    Ok((Prediction::new(margin, unsampling), mean_loss))
                })?
            }};
        }
        let (prediction, mean_loss) =
            on_single!(&mut self.kind, bank => learn!(bank), s => learn!(s));
        (self.gain, self.decay) = (gain, decay);
        Ok(self.count(prediction, mean_loss))
    }

    /// Asks the memory for what a row will need, without waiting: call it for the next row before
    /// learning this one, where the weights do not fit in the cache. Changes no result.
    pub fn prefetch(&self, features: &CsVecViewI<'_, f32, u32>) {
        let positions = features.indices();
        on_single!(&self.kind, bank => bank.soon(positions).prefetch(), s => s.soon(positions).prefetch());
    }

    /// Predicts a row with what was learned so far.
    ///
    /// # Errors
    ///
    /// Any [`RowError`] about positions or values.
    pub fn predict(&self, features: &CsVecViewI<'_, f32, u32>) -> Result<Prediction, RowError> {
        self.predict_row(&CheckedRow::of_model(features, self.dimension)?)
    }

    /// [`Learner::predict`] for a row that was checked before.
    ///
    /// # Errors
    ///
    /// - [`RowError::PositionOutOfRange`]: a position is not below the dimension.
    pub fn predict_row(&self, row: &CheckedRow<'_>) -> Result<Prediction, RowError> {
        row.check_fit(self.dimension)?;
        let margin = on_single!(&self.kind, bank => bank.margin(row), s => s.margin(row));
        Ok(self.prediction(margin))
    }

    /// Returns the number of examples learned.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the number of positions.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Returns the settings.
    #[must_use]
    pub fn config(&self) -> &LearnerConfig {
        &self.config
    }

    /// Chooses the instructions of the inner loops, for tests and benchmarks; every kernel gives
    /// the same bits. One that this CPU cannot run is replaced by [`Kernel::Plain`].
    pub fn set_kernel(&mut self, kernel: Kernel) {
        let kernel = Checked::new(kernel);
        on_single!(&mut self.kind, bank => bank.set_kernel(kernel), s => s.set_kernel(kernel));
    }

    fn assemble(config: LearnerConfig, dimension: usize, kind: Kind) -> Self {
        let unsampling = libm::log(config.sampling_rate);
        // ln 2 over the half-life; exactly 1 where nothing is forgotten.
        let growth = libm::exp(std::f64::consts::LN_2 / config.half_life);
        Self {
            config,
            dimension,
            kind,
            events: 0,
            mean_loss: 0.0,
            gain: 1.0,
            growth,
            decay: Decay::new(1.0),
            unsampling,
        }
    }

    /// What an event adds to decayed sums, one event later.
    #[inline(always)]
    fn aged(&self) -> (f64, Decay) {
        if self.growth <= 1.0 {
            return (self.gain, self.decay);
        }
        let gain = self.gain * self.growth;
        (gain, Decay::new(gain))
    }

    /// Ages the evidence by one event, and brings the sums to new units where they are due.
    fn age(&mut self) {
        let (gain, decay) = self.aged();
        (self.gain, self.decay) = (gain, decay);
        if gain >= MOST_GAIN {
            self.gain /= MOST_GAIN;
            self.decay = Decay::new(self.gain);
            #[expect(clippy::cast_possible_truncation, reason = "a power of two")]
            let factor = (1.0 / MOST_GAIN) as f32;
            on_single!(&mut self.kind, bank => bank.reweigh(factor), s => s.reweigh(factor));
        }
    }

    /// Counts an event, and returns its prediction.
    #[inline(always)]
    fn count(&mut self, prediction: Prediction, mean_loss: f64) -> Prediction {
        self.mean_loss = mean_loss;
        self.events += 1;
        prediction
    }

    fn prediction(&self, margin: f64) -> Prediction {
        Prediction::new(margin, self.unsampling)
    }
}
