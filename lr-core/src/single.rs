//! A learner with one weight a position.

use crate::{
    kernel::{
        self, Checked, Instructions, Soon,
        single::{Seen, Stored},
    },
    learner::Learn,
    row::CheckedRow,
    rules::{Event, Lesson, Numbers, Rule, Step},
    state::{LearnerState, StateError, TensorData},
};

/// Bytes that are taken to fit in a second-level cache.
const SMALL: usize = 1 << 19;

/// One rule's slots: the positions, then the bias.
#[derive(Debug, Clone)]
pub(crate) struct Single<R: Rule> {
    rule: R,
    slots: Vec<R::Slot>,
    bias: Numbers<f32>,
    /// Slots of the row that is being learned.
    seen: Seen,
    /// Its rates, where they are needed before the steps.
    rates: Vec<f32>,
    kernel: Checked,
}

fn weight<S: Stored>(slot: &S) -> f32 {
    slot.numbers()[0]
}

impl<R: Rule> Single<R> {
    pub(crate) fn new(rule: R, dimension: usize) -> Self {
        let mut bias = Numbers::default();
        rule.complete(&mut bias);
        Self {
            rule,
            slots: vec![R::Slot::default(); dimension],
            bias,
            seen: Seen::new(),
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

    pub(crate) fn reserve(&mut self, more: usize) {
        self.slots.reserve(more);
    }

    /// Returns the margin of a row.
    pub(crate) fn margin(&self, row: &CheckedRow<'_>) -> f64 {
        kernel::single::margin(&self.slots, row.ordered()) + f64::from(self.bias[0])
    }

    /// Learns with steps that follow the gradient flow, so that they do not overshoot: their common
    /// factor needs all rates first.
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    #[cold]
    fn learn_important(
        &mut self,
        row: &CheckedRow<'_>,
        label: bool,
        importance: f32,
        margin: f64,
        step: R::Step,
    ) {
        let Self {
            slots, bias, rates, ..
        } = self;
        let entries = row.positions().iter().zip(row.values());
        rates.clear();
        let bias_rate = step.prepare(bias, 1.0);
        let mut reach = f64::from(bias_rate);
        for (&position, &x) in entries.clone() {
            let slot = &mut slots[position as usize];
            let mut numbers = slot.numbers();
            let rate = step.prepare(&mut numbers, x);
            *slot = R::Slot::of(numbers);
            reach += f64::from(rate) * (f64::from(x) * f64::from(x));
            rates.push(rate);
        }
        let importance = f64::from(importance);
        let push = invariant_push(margin, label, importance, reach) as f32;
        step.step(bias, 1.0, bias_rate, push);
        for ((&position, &x), &rate) in entries.zip(&*rates) {
            let slot = &mut slots[position as usize];
            let mut numbers = slot.numbers();
            step.step(&mut numbers, x, rate, push);
            *slot = R::Slot::of(numbers);
        }
    }

    pub(crate) fn weights(&self) -> (Vec<f32>, f64) {
        let weights = self.slots.iter().map(weight).collect();
        (weights, f64::from(self.bias[0]))
    }

    pub(crate) fn rescale(&mut self, ratios: &[f32]) {
        for (slot, &ratio) in self.slots.iter_mut().zip(ratios) {
            let mut numbers = slot.numbers();
            self.rule.rescale(&mut numbers, ratio);
            *slot = R::Slot::of(numbers);
        }
    }

    /// Multiplies all sums by `factor`: new units for decayed sums.
    pub(crate) fn reweigh(&mut self, factor: f32) {
        for slot in &mut self.slots {
            let mut numbers = slot.numbers();
            self.rule.reweigh(&mut numbers, factor);
            *slot = R::Slot::of(numbers);
        }
        self.rule.reweigh(&mut self.bias, factor);
    }

    /// Returns what each present position adds to the margin.
    pub(crate) fn contributions(&self, row: &CheckedRow<'_>) -> Vec<(u32, f64)> {
        let entries = row.positions().iter().zip(row.values());
        entries
            .map(|(&position, &x)| {
                let weight = weight(&self.slots[position as usize]);
                (position, f64::from(weight) * f64::from(x))
            })
            .collect()
    }

    /// Returns `Σ x² / (1 + I)` over the row, `I` the information at the position.
    pub(crate) fn variance(&self, row: &CheckedRow<'_>, evidence: f64) -> Option<f64> {
        if !R::CURVED {
            return None;
        }
        let mut sum = 1.0 / (1.0 + f64::from(self.bias[1]) * evidence);
        for (&position, &x) in row.positions().iter().zip(row.values()) {
            let information = self.slots[position as usize].numbers()[1];
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
        for (name, &place) in R::NAMES.iter().zip(R::PLACES) {
            let numbers = self
                .slots
                .iter()
                .map(|slot| slot.numbers()[place])
                .collect();
            state.push(name, TensorData::F32(numbers));
        }
        let bias = R::PLACES.iter().map(|&place| self.bias[place]).collect();
        state.push("bias", TensorData::F32(bias));
    }

    pub(crate) fn load(
        rule: R,
        dimension: usize,
        state: &LearnerState,
    ) -> Result<Self, StateError> {
        let mut columns = Vec::with_capacity(R::NAMES.len());
        for &name in R::NAMES {
            columns.push(state.f32(name, dimension)?);
        }
        let bias = state.f32("bias", R::NAMES.len())?;
        let mut single = Self::new(rule, dimension);
        for (i, slot) in single.slots.iter_mut().enumerate() {
            let mut numbers = Numbers::default();
            for (&place, column) in R::PLACES.iter().zip(&columns) {
                numbers[place] = column[i];
            }
            single.rule.complete(&mut numbers);
            *slot = R::Slot::of(numbers);
        }
        for (&place, &number) in R::PLACES.iter().zip(bias) {
            single.bias[place] = number;
        }
        single.rule.complete(&mut single.bias);
        Ok(single)
    }
}

impl<R: Rule> Learn for Single<R> {
    type Slot = R::Slot;

    fn kernel(&self) -> Checked {
        self.kernel
    }

    #[inline(always)]
    fn dimension(&self) -> usize {
        self.slots.len()
    }

    fn is_large(&self) -> bool {
        size_of_val(&*self.slots) > SMALL
    }

    #[inline(always)]
    fn soon<'a>(&self, positions: &'a [u32]) -> Soon<'a, R::Slot> {
        Soon::new(&self.slots, positions)
    }

    #[inline(always)]
    fn learn(
        &mut self,
        on: impl Instructions,
        row: &CheckedRow<'_>,
        lesson: &Lesson,
        soon: &Soon<'_, R::Slot>,
        is_good: impl FnOnce(f64) -> bool,
    ) -> bool {
        let Self {
            rule,
            slots,
            bias,
            seen,
            ..
        } = self;
        let sum = kernel::single::observe(on, slots, row.ordered(), seen);
        let margin = sum + f64::from(bias[0]);
        let event = Event::new(lesson, margin);
        soon.prefetch();
        if !is_good(margin) {
            return false;
        }
        let step = rule.step_of(event);
        if R::INVARIANT && event.importance > 1.0 {
            self.learn_important(row, lesson.label, event.importance, margin, step);
            return true;
        }
        let push = event.importance * event.gradient;
        kernel::single::learn(on, &step, slots, row.ordered(), seen, push);
        // After the slots, for which the next row waits longer.
        let rate = step.prepare(bias, 1.0);
        step.step(bias, 1.0, rate, push);
        true
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
    if agreement < -30.0 {
        return sign * far_flow(agreement, a, budget) / reach;
    }
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

/// δ of [`invariant_push`] where the prediction is far on the wrong side, so that `a = e^t` may
/// vanish while `e^δ` overflows: their product is `e^(t + δ)`.
fn far_flow(agreement: f64, a: f64, budget: f64) -> f64 {
    let mut delta = budget.min(libm::log1p(budget) - agreement);
    for _ in 0..8 {
        let grown = libm::exp(agreement + delta);
        let next = delta - (delta + (grown - a) - budget) / (1.0 + grown);
        if next >= delta {
            break;
        }
        delta = next;
    }
    delta
}
