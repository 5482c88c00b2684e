//! Taking the state out, and putting it back.

use super::{Kind, LearnError, Learner, MOST_GAIN, Quantity, on_single};
use crate::{
    bank::Bank,
    config::{LearnerConfig, OptimizerConfig},
    model::LinearModel,
    single::Single,
    state::{LearnerState, StateError, TensorData},
};

impl Learner {
    /// Continues from a saved state, under the settings it was learned under.
    ///
    /// # Errors
    ///
    /// - [`StateError::Config`]: the settings are invalid;
    /// - [`StateError::SettingsMismatch`]: they are not those of the state;
    /// - [`StateError::Missing`], [`StateError::Count`], [`StateError::Value`]: the state is
    ///   incomplete or damaged.
    pub fn from_state(
        config: impl Into<LearnerConfig>,
        state: &LearnerState,
    ) -> Result<Self, StateError> {
        let config = config.into();
        config
            .validate()
            .map_err(|source| StateError::Config { source })?;
        state.match_settings(&config.numbers())?;
        let counters = state.u64("counters", 2)?;
        let dimension = usize::try_from(counters[0])
            .ok()
            .filter(|&d| u32::try_from(d).is_ok())
            .ok_or(StateError::Value {
                name: "counters",
                index: 0,
                value: f64::INFINITY,
            })?;
        let kind = match &config.optimizer {
            OptimizerConfig::Bank(c) => Kind::Bank(Box::new(Bank::load(c, dimension, state)?)),
            OptimizerConfig::Ftrl(c) => Kind::Ftrl(Single::load(c.into(), dimension, state)?),
            OptimizerConfig::AdaGrad(c) => Kind::AdaGrad(Single::load(c.into(), dimension, state)?),
            OptimizerConfig::Normalized(c) => {
                Kind::Normalized(Single::load(c.into(), dimension, state)?)
            }
            OptimizerConfig::Sgd(c) => Kind::Sgd(Single::load(c.into(), dimension, state)?),
        };
        let mut learner = Self::assemble(config, dimension, kind);
        let progress = &mut learner.course.progress;
        progress.events = counters[1];
        progress.mean_loss = state.f64("mean_loss", 1)?[0];
        progress.set_gain(state.f64("gain", 1)?[0]);
        if !(1.0..=2.0 * MOST_GAIN).contains(&progress.gain) {
            return Err(StateError::Value {
                name: "gain",
                index: 0,
                value: progress.gain,
            });
        }
        Ok(learner)
    }

    /// Returns the model learned so far: one array whose prediction is the learner's, up to the
    /// rounding of each weight to `f32`. Negative down-sampling is undone in the bias.
    ///
    /// # Errors
    ///
    /// - [`LearnError::Diverged`]: a weight does not fit in an `f32`.
    ///
    /// # Complexity
    ///
    /// O(dimension × members) time, O(dimension) memory: 4 bytes a position.
    pub fn model(&self) -> Result<LinearModel, LearnError> {
        let (weights, bias) = on_single!(&self.kind, bank => bank.weights(), s => s.weights());
        LinearModel::new(weights, bias + self.unsampling).map_err(|_| LearnError::Diverged {
            quantity: Quantity::Weight,
            value: f64::INFINITY,
            limit: f64::from(f32::MAX),
            event: self.course.progress.events,
        })
    }

    /// Takes the state out: everything that was learned, and the settings as numbers, by which
    /// [`Learner::from_state`] knows them again.
    ///
    /// # Complexity
    ///
    /// O(dimension) time and memory, as many bytes a position as the learner has.
    #[must_use]
    pub fn state(&self) -> LearnerState {
        let mut state = LearnerState::default();
        state.push("settings", TensorData::F64(self.config.numbers()));
        let progress = &self.course.progress;
        let counters = vec![self.dimension as u64, progress.events];
        state.push("counters", TensorData::U64(counters));
        state.push("mean_loss", TensorData::F64(vec![progress.mean_loss]));
        state.push("gain", TensorData::F64(vec![progress.gain]));
        on_single!(&self.kind, bank => bank.save(&mut state), s => s.save(&mut state));
        state
    }
}
