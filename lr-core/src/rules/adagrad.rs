//! AdaGrad.

use super::{Event, Numbers, Rule, Step};
use crate::{
    config::AdaGradConfig,
    kernel::{Number, single::Two},
};

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

/// A slot is `w` and `n`.
impl Rule for AdaGrad {
    type Slot = Two;
    type Step = AdaGradStep;
    const NAMES: &'static [&'static str] = &["weight", "n"];
    const PLACES: &'static [usize] = &[0, 1];
    const INVARIANT: bool = true;
    const CURVED: bool = true;

    fn step_of(&self, event: Event) -> AdaGradStep {
        AdaGradStep {
            rule: *self,
            gradient: event.gradient,
            gain: event.importance * event.decay.gain,
            root: event.decay.root,
        }
    }

    fn reweigh(&self, [_, n, ..]: &mut Numbers<f32>, factor: f32) {
        *n *= factor;
    }

    fn rescale(&self, [weight, n, ..]: &mut Numbers<f32>, ratio: f32) {
        *weight /= ratio;
        *n *= ratio * ratio;
    }
}

/// AdaGrad at one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdaGradStep {
    rule: AdaGrad,
    gradient: f32,
    gain: f32,
    root: f32,
}

impl Step for AdaGradStep {
    #[inline(always)]
    fn prepare<F: Number>(&self, [_, n, ..]: &mut Numbers<F>, x: F) -> F {
        let g = F::of(self.gradient) * x;
        *n = *n + F::of(self.gain) * (g * g);
        let spread = F::of(self.rule.beta) + n.root() * F::of(self.root);
        F::of(self.rule.learning_rate) / spread
    }

    #[inline(always)]
    fn step<F: Number>(&self, [weight, ..]: &mut Numbers<F>, x: F, rate: F, push: F) {
        *weight = *weight - rate * (push * x);
    }
}
