//! The update rules of single learners, one coordinate at a time.
//!
//! A rule says what is kept for a coordinate (its slot) and how the slot changes.
//! Learning takes two steps, so that a step's effect on the margin is known before it is taken:
//! `prepare` takes the squared gradient in and returns the coordinate's rate, `step` moves the
//! weight.

mod adagrad;
mod ftrl;
mod normalized;
mod sgd;

pub(crate) use self::{adagrad::AdaGrad, ftrl::Ftrl, normalized::Normalized, sgd::Sgd};
use crate::kernel::{Number, complement_sigmoid, single::Stored};

/// What there is to learn from a row, besides the row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lesson {
    pub(crate) label: bool,
    /// Importance, class weight included.
    pub(crate) importance: f32,
    /// Events learned before.
    pub(crate) before: u64,
    pub(crate) decay: Decay,
}

impl Lesson {
    /// The sign of the gradient: −1 where the label is true.
    #[inline(always)]
    pub(crate) fn sign(&self) -> f32 {
        if self.label { -1.0 } else { 1.0 }
    }
}

/// Facts about the event that is being learned, after its margin (log-odds) was predicted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// `∂ℓ/∂m`, in `[−1, 1]`.
    pub(crate) gradient: f32,
    pub(crate) importance: f32,
    /// Events learned before.
    pub(crate) before: u64,
    pub(crate) decay: Decay,
}

impl Event {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    pub(crate) fn new(lesson: &Lesson, margin: f64) -> Self {
        let agreement = -lesson.sign() * margin as f32;
        Self {
            gradient: lesson.sign() * complement_sigmoid(agreement),
            importance: lesson.importance,
            before: lesson.before,
            decay: lesson.decay,
        }
    }
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
///
/// A slot in memory has [`Stored::WIDTH`] numbers; in the rules it has four, those that are missing
/// being of no consequence. The first number is the weight.
pub(crate) trait Rule {
    /// How a slot lies in memory.
    type Slot: Stored;

    /// The rule, with what does not change within an event worked out.
    type Step: Step;

    /// Names of the slot's numbers that are saved, in order; the others follow from them.
    const NAMES: &'static [&'static str];

    /// Places of those numbers in the slot.
    const PLACES: &'static [usize];

    /// Whether a step is `w −= rate · x · G`, with G scaled so that it never overshoots.
    const INVARIANT: bool;

    /// Whether the second number is a curvature: a sum of squared gradients.
    const CURVED: bool;

    fn step_of(&self, event: Event) -> Self::Step;

    /// Multiplies the sums by `factor` and changes nothing else: new units for decayed sums.
    fn reweigh(&self, slot: &mut Numbers<f32>, factor: f32);

    /// Carries the slot to values that are `ratio` times as large.
    fn rescale(&self, slot: &mut Numbers<f32>, ratio: f32);

    /// Works out the numbers that are not saved.
    fn complete(&self, _: &mut Numbers<f32>) {}
}

/// The numbers of a slot, or of sixteen slots.
pub(crate) type Numbers<F> = [F; 4];

/// How an event changes a slot.
pub(crate) trait Step: Copy {
    /// Takes the event in and returns the rate of the coordinate.
    fn prepare<F: Number>(&self, slot: &mut Numbers<F>, x: F) -> F;

    /// Moves the weight; `push` is the (effective) importance times the gradient.
    fn step<F: Number>(&self, slot: &mut Numbers<F>, x: F, rate: F, push: F);
}
