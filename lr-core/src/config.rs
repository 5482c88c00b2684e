//! Settings of the learners: plain structs, checked once when a learner is built.

mod bank;
mod learner;
mod single;

use std::str::FromStr;

pub use self::{
    bank::{BankConfig, Member, RateDecay},
    learner::LearnerConfig,
    single::{AdaGradConfig, FtrlConfig, NormalizedConfig, Schedule, SgdConfig},
};

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
    /// More than one member of a bank is joint, or one whose rate does not fall with the curvature.
    #[error(
        "at most one member of a bank takes joint steps, and its rate falls with the curvature"
    )]
    JointMember,
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

fn positive(setting: &'static str, value: f64) -> Result<(), ConfigError> {
    in_range(
        setting,
        value,
        value > 0.0 && value.is_finite(),
        "finite and above 0",
    )
}

/// A rate of a single learner: wide enough for any use, and in `f32` neither it, its inverse nor
/// its product with the largest step overflows.
fn rate(setting: &'static str, value: f64) -> Result<(), ConfigError> {
    let inside = (1e-9..=1e9).contains(&value);
    in_range(setting, value, inside, "in [1e-9, 1e9]")
}

/// A prior variance of the bank's stacker: times the largest importance it leaves digits of `f64`.
fn variance(setting: &'static str, value: f64) -> Result<(), ConfigError> {
    in_range(setting, value, value > 0.0 && value <= 1e3, "in (0, 1000]")
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
