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
            // Without β and λ₂ an untouched coordinate has no curvature: 0 / 0.
            l2: (c.l2 as f32).max(f32::MIN_POSITIVE),
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
            plain: evidence.to_bits() == 1.0_f32.to_bits() && self.l1 <= 0.0,
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
    /// Whether nothing is aged and λ₁ is 0.
    plain: bool,
}

impl FtrlStep {
    /// Returns z and √n in units in which this event counts 1, after it has been taken in.
    #[inline(always)]
    fn take_in<const PLAIN: bool, F: Number>(&self, slot: &mut Numbers<F>, g: F) -> [F; 2] {
        // A factor of 1 changes no bit, but everything waits for the product.
        let times = |number: F, factor: f32| {
            if PLAIN {
                number
            } else {
                number * F::of(factor)
            }
        };
        let [weight, n, z, root] = *slot;
        let new_n = n + times(g * g, self.gain);
        let new_root = new_n.root();
        let sigma = times(new_root - root, self.scale) * F::of(self.rule.inverse_alpha);
        let new_z = z + times(g - sigma * weight, self.gain);
        *slot = [weight, new_n, new_z, new_root];
        [times(new_z, self.evidence), times(new_root, self.scale)]
    }
}

impl Step for FtrlStep {
    #[inline(always)]
    fn prepare<F: Number>(&self, _: &mut Numbers<F>, _: F) -> F {
        // The weight follows from z and n, and not from a rate.
        F::of(0.0)
    }

    #[inline(always)]
    fn step<F: Number>(&self, slot: &mut Numbers<F>, x: F, _: F, push: F) {
        let g = push * x;
        let zero = F::of(0.0);
        let (shrunk, root) = if self.plain {
            let [z, root] = self.take_in::<true, F>(slot, g);
            (zero - z, root)
        } else {
            let [z, root] = self.take_in::<false, F>(slot, g);
            let (l1, minus_l1) = (F::of(self.rule.l1), F::of(-self.rule.l1));
            let above = z.above(l1, l1 - z, zero);
            (minus_l1.above(z, minus_l1 - z, above), root)
        };
        let beta = F::of(self.rule.beta);
        let curvature = (beta + root) * F::of(self.rule.inverse_alpha) + F::of(self.rule.l2);
        slot[0] = shrunk / curvature;
    }
}
