//! The update rules of single learners, one coordinate at a time.
//!
//! A rule says what is kept for a coordinate (its slot) and how the slot changes.
//! Learning takes two steps, so that a step's effect on the margin is known before it is taken:
//! `prepare` takes the squared gradient in and returns the coordinate's rate, `step` moves the
//! weight.

use crate::{
    config::{AdaGradConfig, FtrlConfig, NormalizedConfig, Schedule, SgdConfig},
    state::{LearnerState, StateError, TensorData},
};

/// Facts about the event that is being learned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// `∂ℓ/∂m`, in `[−1, 1]`.
    pub(crate) gradient: f32,
    /// Importance, class weight included.
    pub(crate) importance: f32,
    /// Events learned before.
    pub(crate) before: u64,
    pub(crate) decay: Decay,
}

/// How evidence ages: what is added at one event counts half after a half-life.
///
/// Sums are kept in growing units, `Σ growthᵗ g²`, so that ageing touches no coordinate: what is
/// added is multiplied by `gain`, what is read by `evidence = 1 / gain`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decay {
    pub(crate) gain: f32,
    pub(crate) evidence: f32,
    /// Root of `evidence`.
    pub(crate) root: f32,
}

impl Decay {
    #[expect(clippy::cast_possible_truncation, reason = "factors of f32 sums")]
    pub(crate) fn new(gain: f64) -> Self {
        let evidence = 1.0 / gain;
        Self {
            gain: gain as f32,
            evidence: evidence as f32,
            root: evidence.sqrt() as f32,
        }
    }
}

/// An update rule with its settings, ready for the inner loop.
pub(crate) trait Rule {
    /// What is kept for a coordinate.
    type Slot: Copy + Default;

    /// Names of the slot's numbers, in the order of [`Rule::numbers`].
    const NAMES: &'static [&'static str];

    /// Whether a step is `w −= rate · x · G`, with G scaled so that it never overshoots.
    const INVARIANT: bool;

    fn weight(slot: &Self::Slot) -> f32;

    /// Takes the event in and returns the rate of the coordinate.
    fn prepare(&self, slot: &mut Self::Slot, x: f32, event: Event) -> f32;

    /// Moves the weight; `push` is the (effective) importance times the gradient.
    fn step(&self, slot: &mut Self::Slot, x: f32, rate: f32, push: f32);

    /// Multiplies the sums by `factor` and changes nothing else: new units for decayed sums.
    fn reweigh(&self, slot: &mut Self::Slot, factor: f32);

    /// Curvature seen at the coordinate, in the units of the sums, where the rule keeps one: the
    /// sum of squared gradients, whose expectation it is.
    fn information(slot: &Self::Slot) -> Option<f32>;

    /// Carries the slot to values that are `ratio` times as large.
    fn rescale(&self, slot: &mut Self::Slot, ratio: f32);

    fn numbers(slot: &Self::Slot) -> [f32; 3];

    fn restore(&self, numbers: [f32; 3]) -> Self::Slot;

    fn save(slots: &[Self::Slot], state: &mut LearnerState) {
        for (k, name) in Self::NAMES.iter().enumerate() {
            let numbers = slots.iter().map(|slot| Self::numbers(slot)[k]).collect();
            state.push(name, TensorData::F32(numbers));
        }
    }

    fn load(&self, state: &LearnerState, count: usize) -> Result<Vec<Self::Slot>, StateError> {
        let mut columns = Vec::with_capacity(Self::NAMES.len());
        for &name in Self::NAMES {
            columns.push(state.f32(name, count)?);
        }
        Ok((0..count)
            .map(|i| {
                let mut numbers = [0.0; 3];
                for (number, column) in numbers.iter_mut().zip(&columns) {
                    *number = column[i];
                }
                self.restore(numbers)
            })
            .collect())
    }
}

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
