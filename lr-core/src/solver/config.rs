//! Settings of the exact solver and their ranges.

/// What happens to the bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum BiasTerm {
    /// Fitted and not regularised.
    #[default]
    Free,
    /// Fitted and regularised by `l2` like a weight, but not by `l1`: LIBLINEAR's `-B 1`.
    Penalized,
    /// Held at 0: LIBLINEAR's default, `-B -1`.
    Absent,
}

/// Settings of the exact solver.
///
/// The objective is, with cᵢ the importance and ℓ the [`logistic_loss`](crate::logistic_loss),
///
/// ```text
/// F(w, b) = Σᵢ cᵢ ℓ(w·xᵢ + b, yᵢ) + l1 Σⱼ |wⱼ| + l2/2 Σⱼ wⱼ²
/// ```
///
/// LIBLINEAR's `-s 0 -c C` minimises C · F with `l2 = 1/C`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct SolverConfig {
    /// λ₁, weight of the absolute values; finite, at least 0. Default 0.
    pub l1: f64,
    /// λ₂, weight of half the squares; finite, at least 0. Default 1.
    pub l2: f64,
    /// What happens to the bias. Default [`BiasTerm::Free`].
    pub bias: BiasTerm,
    /// Largest duality gap over the objective at which to stop, in [1e-12, 1). Default 1e-9.
    /// With `l2 = 0` rounding keeps the gap above about 1e-8.
    pub tolerance: f64,
    /// Most Newton steps, at least 1. Default 200.
    pub max_iterations: usize,
    /// Threads to use, at least 1; the result is the same for any number. Default 1.
    pub threads: usize,
}

/// A setting of the solver outside of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolverConfigError {
    /// A penalty is negative or not finite.
    #[error("{name} = {value} is not a finite number of at least 0")]
    PenaltyOutOfRange {
        /// `l1` or `l2`.
        name: &'static str,
        /// The value given.
        value: f64,
    },
    /// Neither penalty is positive, so the optimum may not exist.
    #[error("l1 and l2 are both 0: the optimum may not exist")]
    NoPenalty,
    /// The tolerance is not in [1e-12, 1).
    #[error("tolerance {tolerance} is not in [1e-12, 1)")]
    ToleranceOutOfRange {
        /// The value given.
        tolerance: f64,
    },
    /// `threads` or `max_iterations` is 0.
    #[error("{name} is 0")]
    Zero {
        /// The setting.
        name: &'static str,
    },
}

impl SolverConfig {
    /// Sets `l1`.
    #[must_use]
    pub fn l1(mut self, l1: f64) -> Self {
        self.l1 = l1;
        self
    }

    /// Sets `l2`.
    #[must_use]
    pub fn l2(mut self, l2: f64) -> Self {
        self.l2 = l2;
        self
    }

    /// Sets what happens to the bias.
    #[must_use]
    pub fn bias(mut self, bias: BiasTerm) -> Self {
        self.bias = bias;
        self
    }

    /// Sets the tolerance.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets the most Newton steps.
    #[must_use]
    pub fn max_iterations(mut self, max_iterations: usize) -> Self {
        self.max_iterations = max_iterations;
        self
    }

    /// Sets the number of threads.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    pub(super) fn check(&self) -> Result<(), SolverConfigError> {
        for (name, value) in [("l1", self.l1), ("l2", self.l2)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(SolverConfigError::PenaltyOutOfRange { name, value });
            }
        }
        if !(self.l1 > 0.0 || self.l2 > 0.0) {
            return Err(SolverConfigError::NoPenalty);
        }
        if !(1e-12..1.0).contains(&self.tolerance) {
            return Err(SolverConfigError::ToleranceOutOfRange {
                tolerance: self.tolerance,
            });
        }
        for (name, value) in [
            ("threads", self.threads),
            ("max_iterations", self.max_iterations),
        ] {
            if value == 0 {
                return Err(SolverConfigError::Zero { name });
            }
        }
        Ok(())
    }
}

impl Default for SolverConfig {
    fn default() -> Self {
        Self {
            l1: 0.0,
            l2: 1.0,
            bias: BiasTerm::Free,
            tolerance: 1e-9,
            max_iterations: 200,
            threads: 1,
        }
    }
}
