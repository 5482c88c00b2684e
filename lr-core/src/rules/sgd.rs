//! Stochastic gradient descent.

use super::{Event, Numbers, Rule, Step};
use crate::{
    config::{Schedule, SgdConfig},
    kernel::{Number, single::One},
};

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

/// A slot is `w`.
impl Rule for Sgd {
    type Slot = One;
    type Step = SgdStep;
    const NAMES: &'static [&'static str] = &["weight"];
    const PLACES: &'static [usize] = &[0];
    const INVARIANT: bool = true;
    const CURVED: bool = false;

    fn step_of(&self, event: Event) -> SgdStep {
        let rate = self.rate(event.before);
        SgdStep {
            rate,
            shrinkage: 1.0 + rate * event.importance * self.l2,
        }
    }

    fn reweigh(&self, _: &mut Numbers<f32>, _: f32) {}

    fn rescale(&self, [weight, ..]: &mut Numbers<f32>, ratio: f32) {
        *weight /= ratio;
    }
}

/// SGD at one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SgdStep {
    rate: f32,
    shrinkage: f32,
}

impl Step for SgdStep {
    #[inline(always)]
    fn prepare<F: Number>(&self, [weight, ..]: &mut Numbers<F>, _: F) -> F {
        if self.shrinkage > 1.0 {
            // Backward Euler, so that a large rate shrinks the weight to 0 and not past it.
            *weight = *weight / F::of(self.shrinkage);
        }
        F::of(self.rate)
    }

    #[inline(always)]
    fn step<F: Number>(&self, [weight, ..]: &mut Numbers<F>, x: F, rate: F, push: F) {
        *weight = *weight - rate * (push * x);
    }
}
