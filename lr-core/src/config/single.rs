//! Settings of the optimisers with one weight a position.

use super::{ConfigError, in_range, not_negative, rate};

/// Settings of FTRL-Proximal.
///
/// H. B. McMahan et al. (2013), "Ad click prediction: a view from the trenches", algorithm 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FtrlConfig {
    /// α: scale of the rate; in `[1e-9, 1e9]`, default 0.1.
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

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        rate("alpha", self.alpha)?;
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
    /// η; in `[1e-9, 1e9]`, default 0.1.
    pub learning_rate: f64,
    /// δ: added to the root of the sum of squares; finite, at least 1e-20, default 1e-6.
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

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        rate("learning_rate", self.learning_rate)?;
        in_range(
            "beta",
            self.beta,
            self.beta >= 1e-20 && self.beta.is_finite(),
            "finite and at least 1e-20",
        )
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
    /// η; in `[1e-9, 1e9]`, default 0.1.
    pub learning_rate: f64,
}

impl NormalizedConfig {
    /// Sets η.
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        rate("learning_rate", self.learning_rate)
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
    /// η; in `[1e-9, 1e9]`, default 0.05.
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

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        rate("learning_rate", self.learning_rate)?;
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
