//! Normalized adaptive gradients.

use super::{Event, Numbers, Rule, Step};
use crate::{
    config::NormalizedConfig,
    kernel::{Number, single::Four},
};

/// Least `s √n` that is learned from: beneath it, at values smaller than about 1e-14, the rate leaves
/// the range of `f32`.
const LEAST_SPREAD: f32 = 1e-28;

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

/// A slot is `w`, `n` and `s`.
impl Rule for Normalized {
    type Slot = Four;
    type Step = NormalizedStep;
    const NAMES: &'static [&'static str] = &["weight", "n", "scale"];
    const PLACES: &'static [usize] = &[0, 1, 2];
    const INVARIANT: bool = true;
    const CURVED: bool = true;

    fn step_of(&self, event: Event) -> NormalizedStep {
        NormalizedStep {
            learning_rate: self.learning_rate,
            gradient: event.gradient,
            gain: event.importance * event.decay.gain,
            root: event.decay.root,
        }
    }

    fn reweigh(&self, [_, n, ..]: &mut Numbers<f32>, factor: f32) {
        *n *= factor;
    }

    fn rescale(&self, [weight, n, scale, _]: &mut Numbers<f32>, ratio: f32) {
        *weight /= ratio;
        *n *= ratio * ratio;
        *scale *= ratio;
    }
}

/// The rule at one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormalizedStep {
    learning_rate: f32,
    gradient: f32,
    gain: f32,
    root: f32,
}

impl Step for NormalizedStep {
    #[inline(always)]
    fn prepare<F: Number>(&self, [weight, n, scale, _]: &mut Numbers<F>, x: F) -> F {
        let zero = F::of(0.0);
        let size = x.above(zero, x, zero - x);
        *weight = size.above(*scale, *weight * (*scale / size), *weight);
        *scale = size.above(*scale, size, *scale);
        let g = F::of(self.gradient) * x;
        *n = *n + F::of(self.gain) * (g * g);
        let spread = *scale * (n.root() * F::of(self.root));
        spread.above(
            F::of(LEAST_SPREAD),
            F::of(self.learning_rate) / spread,
            zero,
        )
    }

    #[inline(always)]
    fn step<F: Number>(&self, [weight, ..]: &mut Numbers<F>, x: F, rate: F, push: F) {
        *weight = *weight - rate * (push * x);
    }
}
