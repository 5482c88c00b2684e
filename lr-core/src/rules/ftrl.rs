//! FTRL-Proximal.

use super::{Event, Numbers, Rule, Step};
use crate::{
    config::FtrlConfig,
    kernel::{Number, single::Four},
};

/// FTRL-Proximal, H. B. McMahan et al. (2013), algorithm 1:
///
/// ```text
/// n ← n + g²,  σ = (√n − √(n − g²)) / α,  z ← z + g − σ w
/// w = 0                                   where |z| ≤ λ₁
/// w = −(z − sgn(z) λ₁) / ((β + √n) / α + λ₂)   elsewhere
/// ```
///
/// With a half-life, `z` and `n` are both aged before a coordinate's event, as in the
/// time-decayed FTRL of the literature: weights without new evidence are drawn to 0.
///
/// The paper computes `w` from `z` and `n` when a row needs it; here it is kept beside them, so
/// that a margin costs no root and no division.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ftrl {
    inverse_alpha: f32,
    beta: f32,
    l1: f32,
    l2: f32,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once"
)]
impl From<&FtrlConfig> for Ftrl {
    fn from(c: &FtrlConfig) -> Self {
        Self {
            inverse_alpha: (1.0 / c.alpha) as f32,
            beta: c.beta as f32,
            l1: c.l1 as f32,
            l2: c.l2 as f32,
        }
    }
}

/// A slot is `w`, `n`, `z` and `√n`: 16 bytes, so that none straddles two cache lines.
impl Rule for Ftrl {
    type Slot = Four;
    type Step = FtrlStep;
    const NAMES: &'static [&'static str] = &["z", "n", "weight"];
    const PLACES: &'static [usize] = &[2, 1, 0];
    const INVARIANT: bool = false;
    const CURVED: bool = true;

    fn step_of(&self, event: Event) -> FtrlStep {
        let evidence = event.decay.evidence;
        FtrlStep {
            rule: *self,
            evidence,
            scale: evidence.sqrt(),
            gain: 1.0 / evidence,
        }
    }

    fn reweigh(&self, [_, n, z, root]: &mut Numbers<f32>, factor: f32) {
        *z *= factor;
        *n *= factor;
        *root = n.sqrt();
    }

    fn rescale(&self, slot: &mut Numbers<f32>, ratio: f32) {
        // w' = w / ratio and n' = n · ratio²; z' is what gives that w'.
        let [old, n, z, _] = *slot;
        let weight = old / ratio;
        let n = n * ratio * ratio;
        let root = n.sqrt();
        let curvature = (self.beta + root) * self.inverse_alpha + self.l2;
        let z = if weight == 0.0 {
            z.clamp(-self.l1, self.l1)
        } else {
            -(weight * curvature) - self.l1.copysign(weight)
        };
        *slot = [weight, n, z, root];
    }

    fn complete(&self, [_, n, _, root]: &mut Numbers<f32>) {
        *root = n.sqrt();
    }
}

/// FTRL at one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FtrlStep {
    rule: Ftrl,
    evidence: f32,
    /// Root of the evidence, and its inverse: in units in which this event counts 1, the sums are
    /// `z e`, `n e` and `√n √e`.
    scale: f32,
    gain: f32,
}

impl Step for FtrlStep {
    #[inline(always)]
    fn prepare<F: Number>(&self, _: &mut Numbers<F>, _: F) -> F {
        F::of(self.evidence)
    }

    #[inline(always)]
    fn step<F: Number>(&self, slot: &mut Numbers<F>, x: F, evidence: F, push: F) {
        let (scale, gain) = (F::of(self.scale), F::of(self.gain));
        let inverse_alpha = F::of(self.rule.inverse_alpha);
        let [weight, n, z, root] = *slot;
        let g = push * x;
        let new_n = n + gain * (g * g);
        let new_root = new_n.root();
        let sigma = ((new_root - root) * scale) * inverse_alpha;
        let new_z = z + gain * (g - sigma * weight);
        // The weight that belongs to z and √n.
        let (aged_z, aged_root) = (new_z * evidence, new_root * scale);
        let (l1, zero) = (F::of(self.rule.l1), F::of(0.0));
        let above = aged_z.above(l1, l1 - aged_z, zero);
        let minus_l1 = F::of(-self.rule.l1);
        let shrunk = minus_l1.above(aged_z, minus_l1 - aged_z, above);
        let beta = F::of(self.rule.beta);
        let curvature = (beta + aged_root) * inverse_alpha + F::of(self.rule.l2);
        // Without β and λ₂ an untouched coordinate has no curvature: 0 / 0.
        let least = F::of(f32::MIN_POSITIVE);
        let curvature = curvature.above(least, curvature, least);
        *slot = [shrunk / curvature, new_n, new_z, new_root];
    }
}
