//! The online learner: predict, then learn, one event at a time.

mod bounds;
mod carry;
mod course;
mod error;
mod explain;
mod state;

use sprs::CsVecViewI;

pub(crate) use self::course::Learn;
use self::course::{Course, Examples};
use crate::{
    bank::Bank,
    config::{ConfigError, LearnerConfig, OptimizerConfig},
    example::{CheckedExample, Example},
    kernel::{self, Checked, Kernel},
    loss::sigmoid,
    row::{CheckedRow, RowError, check_importance},
    rules::{AdaGrad, Ftrl, Normalized, Sgd},
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
    course: Course,
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

/// Examples whose probabilities are computed together.
const CHUNK: usize = 64;

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
        self.learn_row(&row, example.label, example.importance)
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
        let example = CheckedExample::new(*row, label).importance(importance);
        let mut margin = [0.0];
        self.take(&[example], &mut margin)?;
        Ok(self.prediction(margin[0]))
    }

    /// Learns one row after the other as [`Learner::learn_row`] does, to the same bits, and adds what
    /// was predicted for each before it was learned to `predictions`.
    ///
    /// Single learners take a fifth to a quarter less time than row by row, the bank an eighth: the memory
    /// is asked for a row before it is needed, and probabilities are computed eight at a time.
    ///
    /// # Errors
    ///
    /// As [`Learner::learn`], of the first row that is refused. The rows before it are learned, and
    /// `predictions` has grown by as many.
    ///
    /// # Examples
    ///
    /// ```
    /// use lr_core::{CheckedExample, CheckedRow, Learner, OptimizerConfig};
    ///
    /// let examples = [
    ///     CheckedExample::new(CheckedRow::new(&[0, 2], &[1.0, 0.5])?, true),
    ///     CheckedExample::new(CheckedRow::new(&[1], &[1.0])?, false),
    /// ];
    /// let mut learner = Learner::new(3, OptimizerConfig::default())?;
    /// let mut predictions = Vec::new();
    /// learner.learn_rows(&examples, &mut predictions)?;
    /// assert_eq!(predictions.len(), 2);
    /// assert_eq!(predictions[0].probability, 0.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn learn_rows(
        &mut self,
        examples: &[CheckedExample<'_>],
        predictions: &mut Vec<Prediction>,
    ) -> Result<(), LearnError> {
        let (mut margins, mut probabilities) = ([0.0; CHUNK], [0.0; CHUNK]);
        for start in (0..examples.len()).step_by(CHUNK) {
            let examples = &examples[start..];
            let before = self.events();
            let taken = self.take(examples, &mut margins[..examples.len().min(CHUNK)]);
            #[expect(clippy::cast_possible_truncation, reason = "at most those of a chunk")]
            let count = (self.events() - before) as usize;
            let (margins, probabilities) = (&mut margins[..count], &mut probabilities[..count]);
            kernel::shift_and_squash(margins, self.unsampling, probabilities);
            let pairs = margins.iter().zip(&*probabilities);
            predictions.extend(pairs.map(|(&margin, &probability)| Prediction {
                margin,
                probability,
            }));
            taken?;
        }
        Ok(())
    }

    /// Learns as many examples as there are margins, in their order, up to the first one that is
    /// refused, and writes their margins down.
    #[inline(always)]
    fn take(
        &mut self,
        examples: &[CheckedExample<'_>],
        margins: &mut [f64],
    ) -> Result<(), LearnError> {
        let mut done = 0;
        loop {
            let rest = Examples {
                all: &examples[done..],
                margins: &mut margins[done..],
            };
            done += on_single!(
                &mut self.kind,
                bank => bank.learn_ordinary(&mut self.course, rest),
                s => s.learn_ordinary(&mut self.course, rest)
            );
            if done == margins.len() {
                return Ok(());
            }
            if let Some(margin) = self.take_rare(&examples[done])? {
                margins[done] = margin;
                done += 1;
            }
        }
    }

    /// Takes an example that is not ordinary: refuses it, or returns its margin if nothing is to be
    /// learned from it, or brings decayed sums to new units, after which it may be ordinary.
    #[cold]
    fn take_rare(&mut self, example: &CheckedExample<'_>) -> Result<Option<f64>, LearnError> {
        let row = &example.row;
        check_importance(example.importance)
            .and_then(|()| row.check_fit(self.dimension))
            .map_err(|source| LearnError::Row { source })?;
        let margin = on_single!(&self.kind, bank => bank.margin(row), s => s.margin(row));
        let importance = self.course.importance(example);
        let bounds = self.course.bounds(example, importance);
        let Some(mean_loss) = bounds.check(margin) else {
            return Err(bounds.refuse(margin));
        };
        if self.course.is_full() {
            self.change_units(MOST_GAIN);
            return Ok(None);
        }
        if importance > 0.0 {
            // Not reached: nothing else keeps an example from being learned.
            return Err(bounds.refuse(margin));
        }
        self.course.advance(mean_loss);
        Ok(Some(margin))
    }

    /// Brings decayed sums to units that are `times` as large. Of no consequence for any prediction.
    fn change_units(&mut self, times: f64) {
        let progress = &mut self.course.progress;
        progress.set_gain(progress.gain / times);
        #[expect(clippy::cast_possible_truncation, reason = "a factor of f32 sums")]
        let factor = (1.0 / times) as f32;
        on_single!(&mut self.kind, bank => bank.reweigh(factor), s => s.reweigh(factor));
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
        self.course.progress.events
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
        let course = Course::new(&config);
        Self {
            config,
            dimension,
            kind,
            course,
            unsampling,
        }
    }

    fn prediction(&self, margin: f64) -> Prediction {
        Prediction::new(margin, self.unsampling)
    }
}
