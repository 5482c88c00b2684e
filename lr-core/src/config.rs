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
    /// A bank has more different rates among its curvature members than fit.
    #[error("a bank has at most {most} different curvature rates, not {curvatures}")]
    CurvatureCount {
        /// Rates given.
        curvatures: usize,
        /// Rates that fit.
        most: usize,
    },
    /// A bank has more members with newcomers than fit.
    #[error("a bank has at most {most} members with newcomers, not {newcomers}")]
    NewcomerCount {
        /// Members given.
        newcomers: usize,
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
            Self::Bank(c) => c.numbers(),
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

/// How a bank member's rate falls as evidence adds up at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateDecay {
    /// Not at all: `w ← w − η g`. The member forgets, and follows drift.
    None,
    /// With the root of the sum of squared gradients, as FTRL-Proximal's and AdaGrad's:
    /// `w ← w − η g / (1 + √n)`.
    Root,
    /// With the curvature: `w ← w − η g / (1 + η h)`, `h = Σ p (1 − p) x²`. It is the diagonal of
    /// a second-order step; η is the variance that the weight is believed to have beforehand.
    Curvature,
}

impl RateDecay {
    fn number(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Root => 1.0,
            Self::Curvature => 2.0,
        }
    }
}

/// One member of a bank.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// η, dimensionless; in `(0, 100]`.
    pub learning_rate: f32,
    /// How η falls with evidence.
    pub decay: RateDecay,
    /// Whether the stacker also weighs this member's share that comes from positions seen rarely.
    pub newcomers: bool,
}

impl Member {
    /// Joins a rate and its decay; the stacker weighs the member as a whole.
    #[must_use]
    pub const fn new(learning_rate: f32, decay: RateDecay) -> Self {
        Self {
            learning_rate,
            decay,
            newcomers: false,
        }
    }

    /// Lets the stacker also weigh the share that comes from positions seen rarely.
    #[must_use]
    pub const fn with_newcomers(mut self) -> Self {
        self.newcomers = true;
        self
    }
}

/// Settings of the bank: members side by side, stacked online. The default needs no tuning.
///
/// ```text
/// mₖ = Σᵢ wₖᵢ x̂ᵢ                    margin of member k, x̂ᵢ = xᵢ / max(1, RMS of xᵢ so far)
/// rₖ = Σᵢ wₖᵢ x̂ᵢ c / (c + countᵢ)    its share of newcomers, for some members
/// margin = Σ aₖ mₖ + Σ bₖ rₖ + a₀
/// ```
///
/// Each member learns from its own margin; a second-order online logistic regression learns
/// `a` and `b`.
/// Because the margin is linear in `x`, the bank is at any time **one** linear model.
/// What each part gains is measured in the [numerics notes].
///
/// [numerics notes]: https://github.com/ctr-predict/ctr-predict/blob/main/docs/numerics.md
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BankConfig {
    /// 1 to 11 members, at most 3 different rates among those with [`RateDecay::Curvature`] and at
    /// most 4 with newcomers.
    pub members: Vec<Member>,
    /// c: events after which half of a position's weight no longer counts as a newcomer's; finite,
    /// above 0, default 10.
    pub newness: f32,
    /// Variance of each mixing coefficient before any event, dimensionless; finite, above 0,
    /// default 1e-3.
    pub prior_variance: f64,
    /// Variance of the constant `a₀` before any event; finite, above 0, default 1.
    pub bias_variance: f64,
    /// Share of the mixing evidence that is forgotten at each event, in `[0, 0.5]`, default 3e-5.
    pub forgetting: f64,
    /// λ₁ of the members, by proximal steps at present positions; finite, at least 0, default 0.
    /// A weight of the dump is 0 where every member's is.
    pub l1: f32,
    /// λ₂ of the members, by proximal steps at present positions; finite, at least 0, default 0.
    pub l2: f32,
}

impl BankConfig {
    /// Members that fit in one cache line a position.
    pub const MOST_MEMBERS: usize = 11;
    /// Different rates among members with [`RateDecay::Curvature`].
    pub const MOST_CURVATURES: usize = 3;
    /// Members whose newcomers the stacker can weigh.
    pub const MOST_NEWCOMERS: usize = 4;

    /// Sets the members.
    #[must_use]
    pub fn members(mut self, members: Vec<Member>) -> Self {
        self.members = members;
        self
    }

    /// Sets the number of events after which a position is half a newcomer.
    #[must_use]
    pub fn newness(mut self, newness: f32) -> Self {
        self.newness = newness;
        self
    }

    /// Sets the prior variance of the mixing coefficients.
    #[must_use]
    pub fn prior_variance(mut self, prior_variance: f64) -> Self {
        self.prior_variance = prior_variance;
        self
    }

    /// Sets the prior variance of the constant.
    #[must_use]
    pub fn bias_variance(mut self, bias_variance: f64) -> Self {
        self.bias_variance = bias_variance;
        self
    }

    /// Sets the forgetting of the mixing coefficients.
    #[must_use]
    pub fn forgetting(mut self, forgetting: f64) -> Self {
        self.forgetting = forgetting;
        self
    }

    /// Sets λ₁.
    #[must_use]
    pub fn l1(mut self, l1: f32) -> Self {
        self.l1 = l1;
        self
    }

    /// Sets λ₂.
    #[must_use]
    pub fn l2(mut self, l2: f32) -> Self {
        self.l2 = l2;
        self
    }

    /// Different rates of the curvature members, in order of first use.
    pub(crate) fn curvature_rates(&self) -> Vec<f32> {
        let mut rates: Vec<f32> = Vec::new();
        for member in self
            .members
            .iter()
            .filter(|m| m.decay == RateDecay::Curvature)
        {
            if !rates
                .iter()
                .any(|r| r.to_bits() == member.learning_rate.to_bits())
            {
                rates.push(member.learning_rate);
            }
        }
        rates
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let members = self.members.len();
        if members == 0 || members > Self::MOST_MEMBERS {
            return Err(ConfigError::MemberCount {
                members,
                most: Self::MOST_MEMBERS,
            });
        }
        let curvatures = self.curvature_rates().len();
        if curvatures > Self::MOST_CURVATURES {
            return Err(ConfigError::CurvatureCount {
                curvatures,
                most: Self::MOST_CURVATURES,
            });
        }
        let newcomers = self.members.iter().filter(|m| m.newcomers).count();
        if newcomers > Self::MOST_NEWCOMERS {
            return Err(ConfigError::NewcomerCount {
                newcomers,
                most: Self::MOST_NEWCOMERS,
            });
        }
        for member in &self.members {
            let rate = f64::from(member.learning_rate);
            in_range(
                "learning_rate",
                rate,
                rate > 0.0 && rate <= 100.0,
                "in (0, 100]",
            )?;
        }
        positive("newness", f64::from(self.newness))?;
        positive("prior_variance", self.prior_variance)?;
        positive("bias_variance", self.bias_variance)?;
        not_negative("l1", f64::from(self.l1))?;
        not_negative("l2", f64::from(self.l2))?;
        in_range(
            "forgetting",
            self.forgetting,
            (0.0..=0.5).contains(&self.forgetting),
            "in [0, 0.5]",
        )
    }

    fn numbers(&self) -> Vec<f64> {
        let mut numbers = vec![
            0.0,
            f64::from(self.newness),
            self.prior_variance,
            self.bias_variance,
            self.forgetting,
            f64::from(self.l1),
            f64::from(self.l2),
        ];
        for member in &self.members {
            numbers.push(f64::from(member.learning_rate));
            numbers.push(member.decay.number());
            numbers.push(f64::from(u8::from(member.newcomers)));
        }
        numbers
    }
}

impl Default for BankConfig {
    fn default() -> Self {
        use RateDecay::{Curvature, None, Root};
        Self {
            members: vec![
                Member::new(0.1, Root).with_newcomers(),
                Member::new(0.3, Root).with_newcomers(),
                Member::new(1.0, Root),
                Member::new(0.003, None),
                Member::new(0.01, None),
                Member::new(0.03, None).with_newcomers(),
                Member::new(0.1, None),
                Member::new(0.3, None),
                Member::new(0.1, Curvature),
                Member::new(0.3, Curvature),
                Member::new(1.0, Curvature).with_newcomers(),
            ],
            newness: 10.0,
            prior_variance: 1e-3,
            bias_variance: 1.0,
            forgetting: 3e-5,
            l1: 0.0,
            l2: 0.0,
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
    /// η; finite, above 0, default 0.1.
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
        Self { learning_rate: 0.1 }
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
    /// Events after which evidence counts half, for a stream that drifts: rates that had fallen rise
    /// again. In `[100, ∞]`; default ∞, which forgets nothing. The bank has members that forget
    /// without it; SGD keeps no evidence and is not changed by it.
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
