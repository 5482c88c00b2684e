//! Settings of a learner: the optimiser and what surrounds it.

use super::{ConfigError, OptimizerConfig, in_range, positive};

/// Settings of a [`Learner`](crate::Learner): the optimiser and what surrounds it.
///
/// # Examples
///
/// ```
/// use lr_core::{Learner, LearnerConfig};
///
/// let config = LearnerConfig::default().positive_importance(2.0).sampling_rate(0.1);
/// let learner = Learner::new(100_000, config)?;
/// assert_eq!(learner.events(), 0);
/// # Ok::<(), lr_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LearnerConfig {
    /// The optimiser; default the bank.
    pub optimizer: OptimizerConfig,
    /// Class weight: multiplies the importance of positive examples; finite, above 0, default 1.
    pub positive_importance: f32,
    /// Class weight: multiplies the importance of negative examples; finite, above 0, default 1.
    pub negative_importance: f32,
    /// Share of the negative examples that are in the stream, in `(0, 1]`; default 1. It is undone
    /// in every probability: `margin + ln(sampling_rate)`.
    pub sampling_rate: f64,
    /// Events after which evidence counts half, for a stream that drifts: rates that had fallen rise
    /// again. In `[100, ∞]`; default ∞, which forgets nothing. On streams that drift, FTRL and AdaGrad
    /// gain up to 6 % of log loss by it and lose up to 9 % on one that does not; the bank, which has
    /// members that forget without it, changes by 2 % at most. SGD keeps no evidence and is not
    /// changed.
    pub half_life: f64,
    /// Largest absolute margin, in log-odds, that is not divergence; above 0, default 10,000.
    pub max_margin: f64,
    /// Largest average, over about the last 10,000 examples, of by how much the margin was on the
    /// wrong side of 0 (the logistic loss is at most ln 2 more), in nats, that is not divergence;
    /// above 0, default 2. Always answering one half costs 0.
    pub max_mean_loss: f64,
}

impl LearnerConfig {
    /// Sets the optimiser.
    #[must_use]
    pub fn optimizer(mut self, optimizer: OptimizerConfig) -> Self {
        self.optimizer = optimizer;
        self
    }

    /// Sets the class weight of positive examples.
    #[must_use]
    pub fn positive_importance(mut self, importance: f32) -> Self {
        self.positive_importance = importance;
        self
    }

    /// Sets the class weight of negative examples.
    #[must_use]
    pub fn negative_importance(mut self, importance: f32) -> Self {
        self.negative_importance = importance;
        self
    }

    /// Sets the share of the negative examples that are in the stream.
    #[must_use]
    pub fn sampling_rate(mut self, sampling_rate: f64) -> Self {
        self.sampling_rate = sampling_rate;
        self
    }

    /// Sets the number of events after which evidence counts half.
    #[must_use]
    pub fn half_life(mut self, half_life: f64) -> Self {
        self.half_life = half_life;
        self
    }

    /// Sets the largest absolute margin that is not divergence.
    #[must_use]
    pub fn max_margin(mut self, max_margin: f64) -> Self {
        self.max_margin = max_margin;
        self
    }

    /// Sets the largest average loss that is not divergence.
    #[must_use]
    pub fn max_mean_loss(mut self, max_mean_loss: f64) -> Self {
        self.max_mean_loss = max_mean_loss;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        self.optimizer.validate()?;
        positive("positive_importance", f64::from(self.positive_importance))?;
        positive("negative_importance", f64::from(self.negative_importance))?;
        in_range(
            "sampling_rate",
            self.sampling_rate,
            self.sampling_rate > 0.0 && self.sampling_rate <= 1.0,
            "in (0, 1]",
        )?;
        in_range(
            "half_life",
            self.half_life,
            self.half_life >= 100.0,
            "at least 100",
        )?;
        positive("max_margin", self.max_margin)?;
        positive("max_mean_loss", self.max_mean_loss)
    }

    pub(crate) fn numbers(&self) -> Vec<f64> {
        let mut numbers = vec![
            f64::from(self.positive_importance),
            f64::from(self.negative_importance),
            self.sampling_rate,
            self.half_life,
            self.max_margin,
            self.max_mean_loss,
        ];
        numbers.extend(self.optimizer.numbers());
        numbers
    }
}

impl Default for LearnerConfig {
    fn default() -> Self {
        Self {
            optimizer: OptimizerConfig::default(),
            positive_importance: 1.0,
            negative_importance: 1.0,
            sampling_rate: 1.0,
            half_life: f64::INFINITY,
            max_margin: 1e4,
            max_mean_loss: 2.0,
        }
    }
}

impl From<OptimizerConfig> for LearnerConfig {
    fn from(optimizer: OptimizerConfig) -> Self {
        Self {
            optimizer,
            ..Self::default()
        }
    }
}
