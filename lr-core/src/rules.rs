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
use crate::state::{LearnerState, StateError, TensorData};

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
