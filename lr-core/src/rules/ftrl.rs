//! FTRL-Proximal.

use super::{Event, Rule};
use crate::config::FtrlConfig;

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

/// `z`, `n`, `w` and `√n`: 16 bytes, so that no slot straddles two cache lines.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(16))]
pub(crate) struct FtrlSlot {
    z: f32,
    n: f32,
    weight: f32,
    root: f32,
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

impl Ftrl {
    /// The weight that belongs to `z` and `root = √n`. Selections and not branches, so that the
    /// compiler may compute sixteen at once.
    #[inline(always)]
    fn weight_of(&self, z: f32, root: f32) -> f32 {
        let above = if z > self.l1 { self.l1 - z } else { 0.0 };
        let shrunk = if z < -self.l1 { -self.l1 - z } else { above };
        let curvature = (self.beta + root) * self.inverse_alpha + self.l2;
        // Without β and λ₂ an untouched coordinate has no curvature: 0 / 0.
        let curvature = if curvature > f32::MIN_POSITIVE {
            curvature
        } else {
            f32::MIN_POSITIVE
        };
        shrunk / curvature
    }
}

impl Rule for Ftrl {
    type Slot = FtrlSlot;
    const NAMES: &'static [&'static str] = &["z", "n", "weight"];
    const INVARIANT: bool = false;

    fn weight(slot: &FtrlSlot) -> f32 {
        slot.weight
    }

    #[inline(always)]
    fn prepare(&self, _: &mut FtrlSlot, _: f32, event: Event) -> f32 {
        event.decay.evidence
    }

    #[inline(always)]
    fn step(&self, slot: &mut FtrlSlot, x: f32, evidence: f32, push: f32) {
        // In units in which this event counts 1: z e, n e and √n √e.
        let (scale, gain) = (evidence.sqrt(), 1.0 / evidence);
        let g = push * x;
        let n = slot.n + gain * (g * g);
        let root = n.sqrt();
        let sigma = ((root - slot.root) * scale) * self.inverse_alpha;
        slot.z += gain * (g - sigma * slot.weight);
        slot.n = n;
        slot.root = root;
        slot.weight = self.weight_of(slot.z * evidence, root * scale);
    }

    fn reweigh(&self, slot: &mut FtrlSlot, factor: f32) {
        slot.z *= factor;
        slot.n *= factor;
        slot.root = slot.n.sqrt();
    }

    fn information(slot: &FtrlSlot) -> Option<f32> {
        Some(slot.n)
    }

    fn rescale(&self, slot: &mut FtrlSlot, ratio: f32) {
        // w' = w / ratio and n' = n · ratio²; z' is what gives that w'.
        let weight = slot.weight / ratio;
        let n = slot.n * ratio * ratio;
        let root = n.sqrt();
        let curvature = (self.beta + root) * self.inverse_alpha + self.l2;
        slot.z = if weight == 0.0 {
            slot.z.clamp(-self.l1, self.l1)
        } else {
            -(weight * curvature) - self.l1.copysign(weight)
        };
        slot.n = n;
        slot.root = root;
        slot.weight = weight;
    }

    fn numbers(slot: &FtrlSlot) -> [f32; 3] {
        [slot.z, slot.n, slot.weight]
    }

    fn restore(&self, [z, n, weight]: [f32; 3]) -> FtrlSlot {
        FtrlSlot {
            z,
            n,
            weight,
            root: n.sqrt(),
        }
    }
}
