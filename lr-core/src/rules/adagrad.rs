//! AdaGrad.

use super::{Event, Rule};
use crate::config::AdaGradConfig;

/// AdaGrad, Duchi, Hazan & Singer (2011), diagonal:
///
/// ```text
/// n ← n + g²,  w ← w − η g / (δ + √n)
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdaGrad {
    learning_rate: f32,
    beta: f32,
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(8))]
pub(crate) struct AdaGradSlot {
    weight: f32,
    n: f32,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once"
)]
impl From<&AdaGradConfig> for AdaGrad {
    fn from(c: &AdaGradConfig) -> Self {
        Self {
            learning_rate: c.learning_rate as f32,
            beta: c.beta as f32,
        }
    }
}

impl Rule for AdaGrad {
    type Slot = AdaGradSlot;
    const NAMES: &'static [&'static str] = &["weight", "n"];
    const INVARIANT: bool = true;

    fn weight(slot: &AdaGradSlot) -> f32 {
        slot.weight
    }

    #[inline(always)]
    fn prepare(&self, slot: &mut AdaGradSlot, x: f32, event: Event) -> f32 {
        let g = event.gradient * x;
        slot.n += (event.importance * event.decay.gain) * (g * g);
        self.learning_rate / (self.beta + slot.n.sqrt() * event.decay.root)
    }

    #[inline(always)]
    fn step(&self, slot: &mut AdaGradSlot, x: f32, rate: f32, push: f32) {
        slot.weight -= rate * (push * x);
    }

    fn reweigh(&self, slot: &mut AdaGradSlot, factor: f32) {
        slot.n *= factor;
    }

    fn information(slot: &AdaGradSlot) -> Option<f32> {
        Some(slot.n)
    }

    fn rescale(&self, slot: &mut AdaGradSlot, ratio: f32) {
        slot.weight /= ratio;
        slot.n *= ratio * ratio;
    }

    fn numbers(slot: &AdaGradSlot) -> [f32; 3] {
        [slot.weight, slot.n, 0.0]
    }

    fn restore(&self, [weight, n, _]: [f32; 3]) -> AdaGradSlot {
        AdaGradSlot { weight, n }
    }
}
