//! Stochastic gradient descent.

use super::{Event, Rule};
use crate::config::{Schedule, SgdConfig};

/// Stochastic gradient descent, Bottou (2010):
///
/// ```text
/// w ← w − ηₜ (g + λ₂ w)   at present positions,  ηₜ = η / (1 + t)^e
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sgd {
    learning_rate: f64,
    exponent: f64,
    l2: f32,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SgdSlot {
    weight: f32,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "settings are rounded to f32 once"
)]
impl From<&SgdConfig> for Sgd {
    fn from(c: &SgdConfig) -> Self {
        let exponent = match c.schedule {
            Schedule::Constant => 0.0,
            Schedule::Power { exponent } => exponent,
        };
        Self {
            learning_rate: c.learning_rate,
            exponent,
            l2: c.l2 as f32,
        }
    }
}

impl Sgd {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a rate"
    )]
    fn rate(&self, before: u64) -> f32 {
        if self.exponent > 0.0 {
            (self.learning_rate * libm::pow(1.0 + before as f64, -self.exponent)) as f32
        } else {
            self.learning_rate as f32
        }
    }
}

impl Rule for Sgd {
    type Slot = SgdSlot;
    const NAMES: &'static [&'static str] = &["weight"];
    const INVARIANT: bool = true;

    fn weight(slot: &SgdSlot) -> f32 {
        slot.weight
    }

    #[inline(always)]
    fn prepare(&self, slot: &mut SgdSlot, _: f32, event: Event) -> f32 {
        let rate = self.rate(event.before);
        if self.l2 > 0.0 {
            // Backward Euler, so that a large rate shrinks the weight to 0 and not past it.
            slot.weight /= 1.0 + rate * event.importance * self.l2;
        }
        rate
    }

    #[inline(always)]
    fn step(&self, slot: &mut SgdSlot, x: f32, rate: f32, push: f32) {
        slot.weight -= rate * (push * x);
    }

    fn reweigh(&self, _: &mut SgdSlot, _: f32) {}

    fn information(_: &SgdSlot) -> Option<f32> {
        None
    }

    fn rescale(&self, slot: &mut SgdSlot, ratio: f32) {
        slot.weight /= ratio;
    }

    fn numbers(slot: &SgdSlot) -> [f32; 3] {
        [slot.weight, 0.0, 0.0]
    }

    fn restore(&self, [weight, _, _]: [f32; 3]) -> SgdSlot {
        SgdSlot { weight }
    }
}
