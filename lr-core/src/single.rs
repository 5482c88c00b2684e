//! A learner with one weight a position.

use crate::{
    kernel::{self, Checked},
    row::CheckedRow,
    rules::{Event, Rule},
    state::{LearnerState, StateError, TensorData},
};

/// One rule's slots: the positions, then the bias.
#[derive(Debug, Clone)]
pub(crate) struct Single<R: Rule> {
    rule: R,
    slots: Vec<R::Slot>,
    bias: R::Slot,
    /// Rates of the row that is being learned.
    rates: Vec<f32>,
    kernel: Checked,
}

impl<R: Rule> Single<R> {
    pub(crate) fn new(rule: R, dimension: usize) -> Self {
        Self {
            rule,
            slots: vec![R::Slot::default(); dimension],
            bias: R::Slot::default(),
            rates: Vec::new(),
            kernel: Checked::best(),
        }
    }

    pub(crate) fn set_kernel(&mut self, kernel: Checked) {
        self.kernel = kernel;
    }

    pub(crate) fn grow(&mut self, dimension: usize) {
        self.slots.resize(dimension, R::Slot::default());
    }

    pub(crate) fn margin(&self, row: &CheckedRow<'_>) -> f64 {
        let sum = kernel::dot(&self.slots, R::weight, row.ordered());
        sum.unwrap_or_default() + f64::from(R::weight(&self.bias))
    }

    pub(crate) fn prefetch(&self, positions: &[u32]) {
        for &position in positions {
            if let Some(slot) = self.slots.get(position as usize) {
                kernel::prefetch(slot);
            }
        }
    }

    /// Learns a row whose margin is known.
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    pub(crate) fn learn(&mut self, row: &CheckedRow<'_>, margin: f64, label: bool, event: Event) {
        let Self {
            rule,
            slots,
            bias,
            rates,
            kernel,
        } = self;
        let entries = row.positions().iter().zip(row.values());
        if R::INVARIANT && event.importance > 1.0 {
            rates.clear();
            let rate = rule.prepare(bias, 1.0, event);
            let mut reach = f64::from(rate);
            rates.push(rate);
            for (&position, &x) in entries.clone() {
                let rate = rule.prepare(&mut slots[position as usize], x, event);
                reach += f64::from(rate) * (f64::from(x) * f64::from(x));
                rates.push(rate);
            }
            let push = invariant_push(margin, label, f64::from(event.importance), reach) as f32;
            rule.step(bias, 1.0, rates[0], push);
            for ((&position, &x), &rate) in entries.zip(&rates[1..]) {
                rule.step(&mut slots[position as usize], x, rate, push);
            }
        } else {
            let push = event.importance * event.gradient;
            let rate = rule.prepare(bias, 1.0, event);
            rule.step(bias, 1.0, rate, push);
            kernel::single::learn(*kernel, rule, slots, row.positions(), row.values(), event);
        }
    }

    pub(crate) fn weights(&self) -> (Vec<f32>, f64) {
        (
            self.slots.iter().map(R::weight).collect(),
            f64::from(R::weight(&self.bias)),
        )
    }

    pub(crate) fn rescale(&mut self, ratios: &[f32]) {
        for (slot, &ratio) in self.slots.iter_mut().zip(ratios) {
            self.rule.rescale(slot, ratio);
        }
    }

    /// Multiplies all sums by `factor`: new units for decayed sums.
    pub(crate) fn reweigh(&mut self, factor: f32) {
        for slot in self.slots.iter_mut().chain([&mut self.bias]) {
            self.rule.reweigh(slot, factor);
        }
    }

    /// Returns what each present position adds to the margin.
    pub(crate) fn contributions(&self, row: &CheckedRow<'_>) -> Vec<(u32, f64)> {
        let entries = row.positions().iter().zip(row.values());
        entries
            .map(|(&position, &x)| {
                let weight = R::weight(&self.slots[position as usize]);
                (position, f64::from(weight) * f64::from(x))
            })
            .collect()
    }

    /// Returns `Σ x² / (1 + I)` over the row, `I` the information at the position.
    pub(crate) fn variance(&self, row: &CheckedRow<'_>, evidence: f64) -> Option<f64> {
        let mut sum = 1.0 / (1.0 + f64::from(R::information(&self.bias)?) * evidence);
        for (&position, &x) in row.positions().iter().zip(row.values()) {
            let information = R::information(&self.slots[position as usize])?;
            sum += f64::from(x) * f64::from(x) / (1.0 + f64::from(information) * evidence);
        }
        Some(sum)
    }

    /// Moves slots to other positions; those without a source start afresh.
    pub(crate) fn remap(&mut self, sources: &[Option<u32>]) {
        self.slots = sources
            .iter()
            .map(|source| source.map_or_else(R::Slot::default, |s| self.slots[s as usize]))
            .collect();
    }

    pub(crate) fn save(&self, state: &mut LearnerState) {
        R::save(&self.slots, state);
        let bias = R::numbers(&self.bias)[..R::NAMES.len()].to_vec();
        state.push("bias", TensorData::F32(bias));
    }

    pub(crate) fn load(
        rule: R,
        dimension: usize,
        state: &LearnerState,
    ) -> Result<Self, StateError> {
        let slots = rule.load(state, dimension)?;
        let mut numbers = [0.0; 3];
        numbers[..R::NAMES.len()].copy_from_slice(state.f32("bias", R::NAMES.len())?);
        let bias = rule.restore(numbers);
        Ok(Self {
            rule,
            slots,
            bias,
            rates: Vec::new(),
            kernel: Checked::best(),
        })
    }
}

/// Returns the total push `G` of an example, so that `w ← w − rateᵢ xᵢ G` follows the gradient
/// flow over an importance of `h` instead of one long step.
///
/// ```text
/// dm/dh = −r ∂ℓ/∂m,   r = Σ rateᵢ xᵢ²
/// with t = ±m (agreement with the label):   δ + e^t (e^δ − 1) = r h,   |G| = δ / r
/// ```
///
/// A step never carries the margin past where its gradient dies out, and an importance of 10
/// equals ten times an importance of 1. Solved by Newton's method from above, where it converges
/// monotonically because the left side is convex.
///
/// # References
///
/// Karampatziakis & Langford (2011), "Online importance weight aware updates", UAI,
/// section 3.2, arXiv:1011.1576.
pub(crate) fn invariant_push(margin: f64, label: bool, importance: f64, reach: f64) -> f64 {
    let agreement = if label { margin } else { -margin };
    let sign = if label { -1.0 } else { 1.0 };
    let plain = importance * crate::sigmoid(-agreement);
    let budget = reach * importance;
    // The flow is the plain step where the gradient hardly changes along it.
    if reach <= 0.0 || agreement > 30.0 || budget < 1e-9 {
        return sign * plain;
    }
    let a = libm::exp(agreement);
    let mut delta = budget / (1.0 + a);
    if a > 0.0 {
        delta = delta.min(libm::log1p(budget / a));
    }
    for _ in 0..8 {
        let e = libm::expm1(delta);
        let next = delta - (delta + a * e - budget) / (1.0 + a * (e + 1.0));
        if next >= delta {
            break;
        }
        delta = next;
    }
    sign * delta / reach
}
