//! What happens to a value at each position, ready to apply.

use crate::normal::{normal_cdf, normal_quantile};
use crate::policies::ScalePolicies;
use crate::policy::{Absent, Scale, ScalePolicy};
use crate::scaler::ScalerParts;

/// What is known of every position, and what its policy does with it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) policies: ScalePolicies,
    /// The slopes of `lines` once more: all that is needed where every step is linear.
    pub(super) slopes: Vec<f64>,
    lines: Vec<Line>,
    steps: Vec<Step>,
    /// Every step is.
    pub(super) linear: bool,
}

/// One position, in half a cache line: `z = (v − center) · slope`, with `v = t(x) − t(x₀)`.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Line {
    slope: f64,
    center: f64,
    /// What a row's value is less: `f(x₀)`, or 0 where absent positions take no part.
    base: f64,
    /// Number of the policy, and of its step.
    policy: u16,
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
        let steps: Vec<_> = policies.policies().iter().map(Step::new).collect();
        let mut lines: Vec<_> = (policies.index().iter())
            .map(|&policy| Line {
                slope: 1.0,
                // Without statistics z = v; without a scale z = t(x).
                center: match policies.policies()[usize::from(policy)].scale {
                    Scale::None => -policies.absent_transformed(policy),
                    Scale::ZScore | Scale::Unit => 0.0,
                },
                base: 0.0,
                policy,
            })
            .collect();
        for (position, mean, std_dev) in parts.iter() {
            let line = &mut lines[position as usize];
            let cap = policies.policies()[usize::from(line.policy)].max_inverse_std_dev;
            if std_dev > 0.0 {
                line.slope = (1.0 / std_dev).min(cap);
            }
            line.center = mean - policies.absent_transformed(line.policy);
        }
        for line in &mut lines {
            if let Step::General { centered: true, .. } = steps[usize::from(line.policy)] {
                line.base = steps[usize::from(line.policy)].apply(line.z(0.0));
            }
        }
        Self {
            policies: policies.clone(),
            slopes: lines.iter().map(|line| line.slope).collect(),
            lines,
            linear: steps.iter().all(|step| *step == Step::Linear),
            steps,
        }
    }

    /// `f` of a transformed, shifted value.
    pub(super) fn scaled(&self, at: usize, v: f64) -> f64 {
        let line = &self.lines[at];
        self.step(line).apply(line.z(v))
    }

    /// What a row stores for a transformed, shifted value.
    #[inline]
    pub(super) fn store(&self, at: usize, v: f64) -> f64 {
        let line = &self.lines[at];
        match self.step(line) {
            Step::Linear => v * line.slope,
            step @ Step::General { .. } => step.apply(line.z(v)) - line.base,
        }
    }

    /// `f(x₀)`, or 0 where absent positions take no part.
    pub(super) fn absent_scaled(&self, at: usize) -> f64 {
        let line = &self.lines[at];
        match self.step(line) {
            Step::Linear => line.z(0.0),
            Step::General { .. } => line.base,
        }
    }

    /// `v` of a stored value, or `None` where no single one is behind it.
    pub(super) fn unscaled(&self, at: usize, stored: f64) -> Option<f64> {
        let line = self.lines.get(at)?;
        match self.step(line) {
            Step::Linear => Some(stored / line.slope),
            Step::General {
                unit, low, high, ..
            } => {
                let f = stored + line.base;
                if !(f > low && f < high) {
                    return None;
                }
                let z = if unit { normal_quantile(f)? } else { f };
                Some(z / line.slope + line.center)
            }
        }
    }

    #[inline]
    fn step(&self, line: &Line) -> Step {
        self.steps[usize::from(line.policy)]
    }
}

impl Line {
    #[inline]
    fn z(&self, v: f64) -> f64 {
        (v - self.center) * self.slope
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

    /// `f`, given `z`: `Φ(z)` or `z`, within bounds.
    #[inline]
    fn apply(self, z: f64) -> f64 {
        match self {
            Self::Linear => z,
            Self::General {
                unit, low, high, ..
            } => {
                let f = if unit { normal_cdf(z) } else { z };
                f.max(low).min(high)
            }
        }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "rounds to nearest")]
pub(super) fn to_f32(x: f64) -> f32 {
    x as f32
}
