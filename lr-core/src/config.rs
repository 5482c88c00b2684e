//! Settings of the learners: plain structs, checked once when a learner is built.

use std::str::FromStr;

/// Why settings were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting is outside its range, or NaN.
    #[error("{setting} is {value}, not {range}")]
    OutOfRange {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// The values it may take.
        range: &'static str,
    },
    /// A bank has no members, or more than fit.
    #[error("a bank has 1 to {most} members, not {members}")]
    MemberCount {
        /// Members given.
        members: usize,
        /// Members that fit.
        most: usize,
    },
    /// No optimiser has this name.
    #[error("no optimiser is called {name:?}: use bank, ftrl, adagrad, normalized or sgd")]
    UnknownOptimizer {
        /// The name.
        name: String,
    },
    /// The dimension does not fit in a `u32`.
    #[error("dimension {dimension} is above {}", u32::MAX)]
    DimensionTooLarge {
        /// The dimension.
        dimension: usize,
    },
}

/// Which optimiser learns, with its settings. [`OptimizerConfig::default`] needs no tuning.
///
/// # Examples
///
/// ```
/// use lr_core::{FtrlConfig, OptimizerConfig};
///
/// let by_name: OptimizerConfig = "ftrl".parse()?;
/// assert_eq!(by_name, OptimizerConfig::Ftrl(FtrlConfig::default()));
/// # Ok::<(), lr_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum OptimizerConfig {
    /// Several members with different rates, stacked online: the default.
    Bank(BankConfig),
    /// FTRL-Proximal: adaptive rates, with L1 and L2.
    Ftrl(FtrlConfig),
    /// AdaGrad: adaptive rates.
    AdaGrad(AdaGradConfig),
    /// Normalized adaptive gradient: indifferent to the scale of each position.
    Normalized(NormalizedConfig),
    /// Stochastic gradient descent with a schedule.
    Sgd(SgdConfig),
}

impl OptimizerConfig {
    /// Returns the optimiser's name, as [`FromStr`] takes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bank(_) => "bank",
            Self::Ftrl(_) => "ftrl",
            Self::AdaGrad(_) => "adagrad",
            Self::Normalized(_) => "normalized",
            Self::Sgd(_) => "sgd",
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Bank(config) => config.validate(),
            Self::Ftrl(config) => config.validate(),
            Self::AdaGrad(config) => config.validate(),
            Self::Normalized(config) => config.validate(),
            Self::Sgd(config) => config.validate(),
        }
    }

    /// The settings as numbers, so that a saved state can be matched with the settings it is
    /// continued under.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Bank(c) => {
                let mut numbers = vec![0.0, c.prior_variance, c.forgetting];
                for member in &c.members {
                    numbers.push(f64::from(member.learning_rate));
                    numbers.push(member.decay.exponent());
                }
                numbers
            }
            Self::Ftrl(c) => vec![1.0, c.alpha, c.beta, c.l1, c.l2],
            Self::AdaGrad(c) => vec![2.0, c.learning_rate, c.beta],
            Self::Normalized(c) => vec![3.0, c.learning_rate],
            Self::Sgd(c) => {
                let (kind, exponent) = match c.schedule {
                    Schedule::Constant => (0.0, 0.0),
                    Schedule::Power { exponent } => (1.0, exponent),
                };
                vec![4.0, c.learning_rate, kind, exponent, c.l2]
            }
        }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Bank(BankConfig::default())
    }
}

impl FromStr for OptimizerConfig {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        match name {
            "bank" => Ok(Self::Bank(BankConfig::default())),
            "ftrl" => Ok(Self::Ftrl(FtrlConfig::default())),
            "adagrad" => Ok(Self::AdaGrad(AdaGradConfig::default())),
            "normalized" => Ok(Self::Normalized(NormalizedConfig::default())),
            "sgd" => Ok(Self::Sgd(SgdConfig::default())),
            _ => Err(ConfigError::UnknownOptimizer {
                name: name.to_owned(),
            }),
        }
    }
}

/// How a bank member's rate falls as squared gradients add up at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the kernel computes exactly these three powers"
)]
pub enum RateDecay {
    /// Not at all: the member forgets, and follows drift. `q = 0`.
    None,
    /// With the fourth root of the sum of squares. `q = 1/2`.
    Slow,
    /// With the square root of the sum of squares, as FTRL-Proximal's. `q = 1`.
    Full,
}

impl RateDecay {
    fn exponent(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Slow => 0.5,
            Self::Full => 1.0,
        }
    }
}

/// One member of a bank.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// η, dimensionless; finite and above 0.
    pub learning_rate: f32,
    /// How η falls with evidence.
    pub decay: RateDecay,
}

impl Member {
    /// Joins a rate and its decay.
    #[must_use]
    pub const fn new(learning_rate: f32, decay: RateDecay) -> Self {
        Self {
            learning_rate,
            decay,
        }
    }
}

/// Settings of the bank: members side by side, stacked online.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BankConfig {
    /// 1 to 12 members.
    pub members: Vec<Member>,
    /// Variance of each mixing coefficient before any event, dimensionless; above 0. Default 1e-3.
    pub prior_variance: f64,
    /// Share of the mixing evidence that is forgotten at each event, in `[0, 1)`. Default 3e-5.
    pub forgetting: f64,
}

impl BankConfig {
    /// Members that fit in one cache line a position.
    pub const MOST_MEMBERS: usize = 12;

    /// Sets the members.
    #[must_use]
    pub fn members(mut self, members: Vec<Member>) -> Self {
        self.members = members;
        self
    }

    /// Sets the prior variance of the mixing coefficients.
    #[must_use]
    pub fn prior_variance(mut self, prior_variance: f64) -> Self {
        self.prior_variance = prior_variance;
        self
    }

    /// Sets the forgetting of the mixing coefficients.
    #[must_use]
    pub fn forgetting(mut self, forgetting: f64) -> Self {
        self.forgetting = forgetting;
        self
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let members = self.members.len();
        if members == 0 || members > Self::MOST_MEMBERS {
            return Err(ConfigError::MemberCount {
                members,
                most: Self::MOST_MEMBERS,
            });
        }
        for member in &self.members {
            positive("learning_rate", f64::from(member.learning_rate))?;
        }
        positive("prior_variance", self.prior_variance)?;
        in_range(
            "forgetting",
            self.forgetting,
            (0.0..1.0).contains(&self.forgetting),
            "in [0, 1)",
        )
    }
}

impl Default for BankConfig {
    fn default() -> Self {
        use RateDecay::{Full, None, Slow};
        Self {
            members: vec![
                Member::new(0.03, Full),
                Member::new(0.1, Full),
                Member::new(0.3, Full),
                Member::new(0.6, Full),
                Member::new(0.1, Slow),
                Member::new(0.01, None),
                Member::new(0.03, None),
                Member::new(0.1, None),
            ],
            prior_variance: 1e-3,
            forgetting: 3e-5,
        }
    }
}

/// Settings of FTRL-Proximal.
///
/// H. B. McMahan et al. (2013), "Ad click prediction: a view from the trenches", algorithm 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FtrlConfig {
    /// α: scale of the rate; finite, above 0, default 0.1.
    pub alpha: f64,
    /// β: added to √n, damps the first steps; finite, at least 0, default 1.
    pub beta: f64,
    /// λ₁: pull to exactly 0; finite, at least 0, default 0.
    pub l1: f64,
    /// λ₂: pull towards 0; finite, at least 0, default 0.
    pub l2: f64,
}

impl FtrlConfig {
    /// Sets α.
    #[must_use]
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets β.
    #[must_use]
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    /// Sets λ₁.
    #[must_use]
    pub fn l1(mut self, l1: f64) -> Self {
        self.l1 = l1;
        self
    }

    /// Sets λ₂.
    #[must_use]
    pub fn l2(mut self, l2: f64) -> Self {
        self.l2 = l2;
        self
    }

    fn validate(&self) -> Result<(), ConfigError> {
        positive("alpha", self.alpha)?;
        not_negative("beta", self.beta)?;
        not_negative("l1", self.l1)?;
        not_negative("l2", self.l2)
    }
}

impl Default for FtrlConfig {
    fn default() -> Self {
        Self {
            alpha: 0.1,
            beta: 1.0,
            l1: 0.0,
            l2: 0.0,
        }
    }
}

/// Settings of AdaGrad.
///
/// Duchi, Hazan & Singer (2011), "Adaptive subgradient methods for online learning and stochastic
/// optimization", JMLR 12, figure 1 with a diagonal matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AdaGradConfig {
    /// η; finite, above 0, default 0.1.
    pub learning_rate: f64,
    /// δ: added to the root of the sum of squares; finite, above 0, default 1e-6.
    pub beta: f64,
}

impl AdaGradConfig {
    /// Sets η.
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// Sets δ.
    #[must_use]
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    fn validate(&self) -> Result<(), ConfigError> {
        positive("learning_rate", self.learning_rate)?;
        positive("beta", self.beta)
    }
}

impl Default for AdaGradConfig {
    fn default() -> Self {
        Self {
            learning_rate: 0.1,
            beta: 1e-6,
        }
    }
}

/// Settings of the normalized adaptive gradient.
///
/// Ross, Mineiro & Langford (2013), "Normalized online learning", algorithm 2 (NAG).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct NormalizedConfig {
    /// η; finite, above 0, default 0.5.
    pub learning_rate: f64,
}

impl NormalizedConfig {
    /// Sets η.
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    fn validate(&self) -> Result<(), ConfigError> {
        positive("learning_rate", self.learning_rate)
    }
}

impl Default for NormalizedConfig {
    fn default() -> Self {
        Self { learning_rate: 0.5 }
    }
}

/// How the rate of [`SgdConfig`] falls with the number `t` of events learned before.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// η at every event.
    Constant,
    /// `η / (1 + t)^exponent`; the exponent is in `[0, 1]`.
    Power {
        /// The exponent.
        exponent: f64,
    },
}

/// Settings of stochastic gradient descent: `w ← w − ηₜ (g + λ₂ w)` at present positions.
///
/// Bottou (2010), "Large-scale machine learning with stochastic gradient descent".
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SgdConfig {
    /// η; finite, above 0, default 0.05.
    pub learning_rate: f64,
    /// How η falls, default [`Schedule::Constant`].
    pub schedule: Schedule,
    /// λ₂, applied at present positions only; finite, at least 0, default 0.
    pub l2: f64,
}

impl SgdConfig {
    /// Sets η.
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// Sets the schedule.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Sets λ₂.
    #[must_use]
    pub fn l2(mut self, l2: f64) -> Self {
        self.l2 = l2;
        self
    }

    fn validate(&self) -> Result<(), ConfigError> {
        positive("learning_rate", self.learning_rate)?;
        not_negative("l2", self.l2)?;
        match self.schedule {
            Schedule::Constant => Ok(()),
            Schedule::Power { exponent } => in_range(
                "exponent",
                exponent,
                (0.0..=1.0).contains(&exponent),
                "in [0, 1]",
            ),
        }
    }
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self {
            learning_rate: 0.05,
            schedule: Schedule::Constant,
            l2: 0.0,
        }
    }
}

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
    /// Largest absolute margin, in log-odds, that is not divergence; above 0, default 10,000.
    pub max_margin: f64,
    /// Largest average logistic loss, in nats, over about the last 10,000 examples that is not
    /// divergence; above 0, default 3. (Always answering one half costs 0.69.)
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
        positive("max_margin", self.max_margin)?;
        positive("max_mean_loss", self.max_mean_loss)
    }

    pub(crate) fn numbers(&self) -> Vec<f64> {
        let mut numbers = vec![
            f64::from(self.positive_importance),
            f64::from(self.negative_importance),
            self.sampling_rate,
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
            max_margin: 1e4,
            max_mean_loss: 3.0,
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

fn positive(setting: &'static str, value: f64) -> Result<(), ConfigError> {
    in_range(
        setting,
        value,
        value > 0.0 && value.is_finite(),
        "finite and above 0",
    )
}

fn not_negative(setting: &'static str, value: f64) -> Result<(), ConfigError> {
    in_range(
        setting,
        value,
        value >= 0.0 && value.is_finite(),
        "finite and at least 0",
    )
}

fn in_range(
    setting: &'static str,
    value: f64,
    inside: bool,
    range: &'static str,
) -> Result<(), ConfigError> {
    if inside {
        Ok(())
    } else {
        Err(ConfigError::OutOfRange {
            setting,
            value,
            range,
        })
    }
}
