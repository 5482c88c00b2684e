//! Platt scaling, learned event by event.

use crate::loss::sigmoid;
use crate::model::{LinearModel, ModelError};

/// Numbers of a saved [`Platt`] state.
const STATE: usize = 5;

/// A setting or an event that recalibration refuses, or a saved state that it cannot take up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecalibrationError {
    /// A setting is outside of its range.
    #[error("{name} = {value} is not {range}")]
    SettingOutOfRange {
        /// The setting.
        name: &'static str,
        /// The value given.
        value: f64,
        /// The values allowed.
        range: &'static str,
    },
    /// A margin is NaN or infinite.
    #[error("margin {margin} is not finite")]
    MarginNotFinite {
        /// The value given.
        margin: f64,
    },
    /// An importance is not a finite number of at least 0.
    #[error("importance {importance} is not a finite number of at least 0")]
    ImportanceOutOfRange {
        /// The value given.
        importance: f64,
    },
    /// A saved state is not finite, or its covariance is not one.
    #[error("saved recalibration is invalid: {reason}")]
    InvalidState {
        /// What does not hold.
        reason: &'static str,
    },
    /// The recalibrated model is not a model.
    #[error("the recalibrated model is not a model")]
    Model {
        /// What is wrong with it.
        source: ModelError,
    },
}

/// Settings of [`Platt`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct PlattConfig {
    /// Variance of the slope around 1 and the shift around 0 before any event, in (0, 100].
    /// Default 0.1.
    pub prior_variance: f64,
    /// Share of what was learned that each event lets go, in [0, 0.1]; 1e-4 remembers about the
    /// last 10,000 events. Default 0: all events count the same.
    pub forgetting: f64,
}

impl PlattConfig {
    /// Sets the prior variance.
    #[must_use]
    pub fn prior_variance(mut self, prior_variance: f64) -> Self {
        self.prior_variance = prior_variance;
        self
    }

    /// Sets the forgetting.
    #[must_use]
    pub fn forgetting(mut self, forgetting: f64) -> Self {
        self.forgetting = forgetting;
        self
    }
}

impl Default for PlattConfig {
    fn default() -> Self {
        Self {
            prior_variance: 0.1,
            forgetting: 0.0,
        }
    }
}

/// Platt scaling online: `p = σ(slope · margin + shift)`, learned event by event.
///
/// Each event is one step of a recursive Bayesian logistic regression on the margin and a constant:
///
/// ```text
/// κ = c p (1 − p),   Σ ← Σ/(1 − λ),   Σ ← Σ − κ Σxxᵀ Σ / (1 + κ xᵀΣx),   θ ← θ + Σ x c (y − p)
/// ```
///
/// with x = (margin, 1), θ = (slope, shift), c the importance and λ the forgetting.
/// Because the map is linear in the margin, [`apply`](Self::apply) makes a recalibrated model of a
/// model.
///
/// # Examples
///
/// ```
/// use lr_core::{Platt, PlattConfig};
///
/// // Margins of 2 where one in two events is positive: they are far too sure.
/// let mut platt = Platt::new(&PlattConfig::default())?;
/// for event in 0..1000 {
///     platt.push(2.0, event % 2 == 0, 1.0)?;
/// }
/// assert!((platt.probability(2.0) - 0.5).abs() < 0.03);
/// # Ok::<(), lr_core::RecalibrationError>(())
/// ```
///
/// # References
///
/// Platt (1999), *Probabilistic outputs for support vector machines*; Spiegelhalter & Lauritzen
/// (1990), *Sequential updating of conditional probabilities on directed graphical structures*,
/// for the recursion.
#[derive(Debug, Clone, PartialEq)]
pub struct Platt {
    keep: f64,
    largest_variance: f64,
    slope: f64,
    shift: f64,
    /// Variance of the slope, covariance, variance of the shift.
    covariance: [f64; 3],
}

impl Platt {
    /// Creates a map that changes nothing yet.
    ///
    /// # Errors
    ///
    /// [`RecalibrationError::SettingOutOfRange`] — a setting is outside of its range.
    pub fn new(config: &PlattConfig) -> Result<Self, RecalibrationError> {
        let PlattConfig {
            prior_variance,
            forgetting,
        } = *config;
        let refuse =
            |name, value, range| Err(RecalibrationError::SettingOutOfRange { name, value, range });
        if !(prior_variance > 0.0 && prior_variance <= 100.0) {
            return refuse("prior_variance", prior_variance, "in (0, 100]");
        }
        if !(0.0..=0.1).contains(&forgetting) {
            return refuse("forgetting", forgetting, "in [0, 0.1]");
        }
        Ok(Self {
            keep: 1.0 - forgetting,
            largest_variance: prior_variance,
            slope: 1.0,
            shift: 0.0,
            covariance: [prior_variance, 0.0, prior_variance],
        })
    }

    /// Learns from the margin of one event, its label and its importance.
    ///
    /// # Errors
    ///
    /// - [`RecalibrationError::MarginNotFinite`] — `margin` is NaN or infinite.
    /// - [`RecalibrationError::ImportanceOutOfRange`] — `importance` is negative or not finite.
    ///
    /// Nothing is learned then.
    pub fn push(
        &mut self,
        margin: f64,
        label: bool,
        importance: f32,
    ) -> Result<(), RecalibrationError> {
        if !margin.is_finite() {
            return Err(RecalibrationError::MarginNotFinite { margin });
        }
        let importance = f64::from(importance);
        if !(importance >= 0.0 && importance.is_finite()) {
            return Err(RecalibrationError::ImportanceOutOfRange { importance });
        }
        // Margins beyond ±50 say nothing more about slope and shift, and their squares overflow.
        let margin = margin.clamp(-50.0, 50.0);
        let probability = self.probability(margin);
        let [slope, mixed, shift] = self.covariance;
        let forgotten = self.forget([slope, mixed, shift]);
        let [slope, mixed, shift] = forgotten;
        let curvature = importance * probability * (1.0 - probability);
        let (along_slope, along_shift) = (slope * margin + mixed, mixed * margin + shift);
        let spread = 1.0 + curvature * (along_slope * margin + along_shift);
        let residual = importance * (f64::from(u8::from(label)) - probability) / spread;
        self.covariance = [
            slope - curvature * along_slope * along_slope / spread,
            mixed - curvature * along_slope * along_shift / spread,
            shift - curvature * along_shift * along_shift / spread,
        ];
        // Σx of the new covariance is the old one over `spread`.
        self.slope += along_slope * residual;
        self.shift += along_shift * residual;
        Ok(())
    }

    /// Returns the recalibrated probability of a margin.
    #[must_use]
    pub fn probability(&self, margin: f64) -> f64 {
        sigmoid(self.slope * margin + self.shift)
    }

    /// The factor on the margin.
    #[must_use]
    pub fn slope(&self) -> f64 {
        self.slope
    }

    /// What is added to the margin, in log-odds.
    #[must_use]
    pub fn shift(&self) -> f64 {
        self.shift
    }

    /// Returns the model whose probabilities are recalibrated: weights and bias times the slope,
    /// and the shift added to the bias.
    ///
    /// # Errors
    ///
    /// [`RecalibrationError::Model`] — a product does not fit.
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
    pub fn apply(&self, model: &LinearModel) -> Result<LinearModel, RecalibrationError> {
        let scale = |&weight: &f32| (f64::from(weight) * self.slope) as f32;
        let weights = model.weights().iter().map(scale).collect();
        LinearModel::new(weights, model.bias() * self.slope + self.shift)
            .map_err(|source| RecalibrationError::Model { source })
    }

    /// The state as plain numbers: slope, shift, variance of the slope, covariance, variance of
    /// the shift.
    #[must_use]
    pub fn state(&self) -> [f64; STATE] {
        let [slope, mixed, shift] = self.covariance;
        [self.slope, self.shift, slope, mixed, shift]
    }

    /// Takes up a saved state under the same settings.
    ///
    /// # Errors
    ///
    /// - [`RecalibrationError::SettingOutOfRange`] — a setting is outside of its range.
    /// - [`RecalibrationError::InvalidState`] — a number is not finite, or the covariance is not
    ///   positive.
    pub fn from_state(
        config: &PlattConfig,
        state: &[f64; STATE],
    ) -> Result<Self, RecalibrationError> {
        let mut platt = Self::new(config)?;
        if state.iter().any(|number| !number.is_finite()) {
            return Err(RecalibrationError::InvalidState {
                reason: "a number is not finite",
            });
        }
        let [slope, shift, slope_variance, mixed, shift_variance] = *state;
        if slope_variance < 0.0 || shift_variance < 0.0 {
            return Err(RecalibrationError::InvalidState {
                reason: "a variance is negative",
            });
        }
        (platt.slope, platt.shift) = (slope, shift);
        platt.covariance = [slope_variance, mixed, shift_variance];
        Ok(platt)
    }

    /// Widens the covariance, but not beyond where it began: a stream without evidence would
    /// otherwise make it grow without end.
    fn forget(&self, covariance: [f64; 3]) -> [f64; 3] {
        let widened = covariance.map(|entry| entry / self.keep);
        let fits = widened[0] <= self.largest_variance && widened[2] <= self.largest_variance;
        if fits { widened } else { covariance }
    }
}
