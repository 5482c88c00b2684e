//! What happens to a value at each position, ready to apply.

use crate::normal::{normal_cdf, normal_quantile};
use crate::policies::ScalePolicies;
use crate::policy::{Absent, Scale, ScalePolicy};
use crate::scaler::ScalerParts;

/// Slope and center of every position, and what its policy does with the result.
///
/// `z = (v − center) · slope`, with `v = t(x) − t(x₀)`.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) policies: ScalePolicies,
    pub(super) slopes: Vec<f64>,
    pub(super) centers: Vec<f64>,
    /// What a row's value is less: `f(x₀)`, or 0 where absent positions take no part. Empty if all
    /// steps are linear.
    bases: Vec<f64>,
    steps: Vec<Step>,
    /// Every step is.
    pub(super) linear: bool,
}

/// What a policy stores, given `z = (v − center) · slope`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// `v · slope`: the center cancels against that of `x₀`.
    Linear,
    /// `f(x)` less the base.
    General {
        unit: bool,
        low: f64,
        high: f64,
        centered: bool,
    },
}

impl Table {
    pub(super) fn new(policies: &ScalePolicies, parts: ScalerParts<'_>) -> Self {
        let mut slopes = vec![1.0; policies.dimension()];
        // Without statistics z = v; without a scale z = t(x).
        let mut centers: Vec<f64> = (policies.index().iter())
            .map(
                |&policy| match policies.policies()[usize::from(policy)].scale {
                    Scale::None => -policies.absent_transformed(policy),
                    Scale::ZScore | Scale::Unit => 0.0,
                },
            )
            .collect();
        for (position, mean, std_dev) in parts.iter() {
            let at = position as usize;
            let policy = policies.index()[at];
            let cap = policies.policies()[usize::from(policy)].max_inverse_std_dev;
            if std_dev > 0.0 {
                slopes[at] = (1.0 / std_dev).min(cap);
            }
            centers[at] = mean - policies.absent_transformed(policy);
        }
        let steps: Vec<_> = policies.policies().iter().map(Step::new).collect();
        let mut table = Self {
            policies: policies.clone(),
            slopes,
            centers,
            bases: Vec::new(),
            linear: steps.iter().all(|step| *step == Step::Linear),
            steps,
        };
        if !table.linear {
            let base = |at| table.absent_scaled(at);
            table.bases = (0..policies.dimension()).map(base).collect();
        }
        table
    }

    /// `v` of a stored value, or `None` where no single one is behind it.
    pub(super) fn unscaled(&self, at: usize, stored: f64) -> Option<f64> {
        match self.step(at) {
            Step::Linear => Some(stored / self.slopes[at]),
            Step::General {
                unit, low, high, ..
            } => {
                let f = stored + self.bases[at];
                if !(f > low && f < high) {
                    return None;
                }
                let z = if unit { normal_quantile(f)? } else { f };
                Some(z / self.slopes[at] + self.centers[at])
            }
        }
    }

    fn step(&self, at: usize) -> Step {
        self.steps[usize::from(self.policies.index()[at])]
    }

    /// `f` of a transformed, shifted value.
    #[inline]
    pub(super) fn scaled(&self, at: usize, v: f64) -> f64 {
        let z = (v - self.centers[at]) * self.slopes[at];
        match self.step(at) {
            Step::Linear => z,
            Step::General {
                unit, low, high, ..
            } => squash(z, unit, low, high),
        }
    }

    /// What a row stores for a transformed, shifted value.
    #[inline]
    pub(super) fn store(&self, at: usize, v: f64) -> f64 {
        match self.step(at) {
            Step::Linear => v * self.slopes[at],
            Step::General {
                unit, low, high, ..
            } => {
                let z = (v - self.centers[at]) * self.slopes[at];
                squash(z, unit, low, high) - self.bases[at]
            }
        }
    }

    /// `f(x₀)`, or 0 where absent positions take no part.
    pub(super) fn absent_scaled(&self, at: usize) -> f64 {
        match self.step(at) {
            Step::General {
                centered: false, ..
            } => 0.0,
            _ => self.scaled(at, 0.0),
        }
    }
}

impl Step {
    fn new(policy: &ScalePolicy) -> Self {
        let centered = policy.absent == Absent::Zero;
        let unit = policy.scale == Scale::Unit;
        if centered && !unit && policy.clip.is_none() {
            return Self::Linear;
        }
        let clip = policy.clip;
        Self::General {
            unit,
            low: clip.map_or(f64::NEG_INFINITY, |clip| clip.low),
            high: clip.map_or(f64::INFINITY, |clip| clip.high),
            centered,
        }
    }
}

/// `Φ(z)` or `z`, within bounds.
#[inline]
fn squash(z: f64, unit: bool, low: f64, high: f64) -> f64 {
    let f = if unit { normal_cdf(z) } else { z };
    f.max(low).min(high)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "rounds to nearest")]
pub(super) fn to_f32(x: f64) -> f32 {
    x as f32
}
