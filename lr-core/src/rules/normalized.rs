//! Normalized adaptive gradients.

use super::{Event, Rule};
use crate::config::NormalizedConfig;

/// Normalized adaptive gradient, Ross, Mineiro & Langford (2013), algorithm 2:
///
/// ```text
/// where |x| > s:  w ← w s / |x|,  s ← |x|
/// n ← n + g²,  w ← w − η g / (s √n)
/// ```
///
/// The paper also multiplies by `√(t / N)`, with `N` the sum of `Σ x²/s²` over the events: the
/// inverse root of the mean number of (normalized) features. It is left to η here, so that a
/// coordinate's rate depends on that coordinate alone and a row's order of arrival elsewhere does
/// not matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normalized {
    learning_rate: f32,
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(16))]
pub(crate) struct NormalizedSlot {
    weight: f32,
    n: f32,
    scale: f32,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once"
)]
impl From<&NormalizedConfig> for Normalized {
    fn from(c: &NormalizedConfig) -> Self {
        Self {
            learning_rate: c.learning_rate as f32,
        }
    }
}

impl Rule for Normalized {
    type Slot = NormalizedSlot;
    const NAMES: &'static [&'static str] = &["weight", "n", "scale"];
    const INVARIANT: bool = true;

    fn weight(slot: &NormalizedSlot) -> f32 {
        slot.weight
    }

    #[inline(always)]
    fn prepare(&self, slot: &mut NormalizedSlot, x: f32, event: Event) -> f32 {
        let size = x.abs();
        if size > slot.scale {
            slot.weight *= slot.scale / size;
            slot.scale = size;
        }
        let g = event.gradient * x;
        slot.n += (event.importance * event.decay.gain) * (g * g);
        let denominator = slot.scale * (slot.n.sqrt() * event.decay.root);
        if denominator > 0.0 {
            self.learning_rate / denominator
        } else {
            0.0
        }
    }

    #[inline(always)]
    fn step(&self, slot: &mut NormalizedSlot, x: f32, rate: f32, push: f32) {
        slot.weight -= rate * (push * x);
    }

    fn reweigh(&self, slot: &mut NormalizedSlot, factor: f32) {
        slot.n *= factor;
    }

    fn information(slot: &NormalizedSlot) -> Option<f32> {
        Some(slot.n)
    }

    fn rescale(&self, slot: &mut NormalizedSlot, ratio: f32) {
        slot.weight /= ratio;
        slot.n *= ratio * ratio;
        slot.scale *= ratio;
    }

    fn numbers(slot: &NormalizedSlot) -> [f32; 3] {
        [slot.weight, slot.n, slot.scale]
    }

    fn restore(&self, [weight, n, scale]: [f32; 3]) -> NormalizedSlot {
        NormalizedSlot { weight, n, scale }
    }
}
