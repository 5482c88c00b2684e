//! Joint Newton steps of one member, at the positions that carry most of the curvature.
//!
//! A member's own step treats positions as if each were alone. Groups of one-hot features add up to
//! the same thing, so frequent positions are nearly dependent, and diagonal steps need many passes
//! to tell them apart. Here the steps of a batch of events, at up to a few hundred positions, are
//! replaced by one Newton step:
//!
//! ```text
//! w ← w₀ − (A + I/η)⁻¹ G,   A = Σ σ(m) (1 − σ(m)) x̂ x̂ᵀ,   Gᵢ = (w₀ᵢ − wᵢ) (1/η + h̄ᵢ)
//! ```
//!
//! with m the member's margin, w₀ and w its weights when the batch began and ended, and η its rate,
//! the variance that a weight is believed to have beforehand.
//! G is the sum of the gradients: the member's own steps divided by their rate, for which h̄, the
//! mean of the curvature when the batch began and ended, does. And A takes in one event of many, for
//! all those since the one before: whenever their curvatures σ(m) (1 − σ(m)) add up to that of
//! about 32 mean events, later of 256. So those that say much are taken in more often.

mod state;

use crate::{
    config::BankConfig,
    dense::Factor,
    kernel::{
        Checked,
        bank::{COUNT, H, Line},
        random,
    },
    row::CheckedRow,
    rules::Lesson,
};

/// Slot of a position that is not joint.
const NONE: u16 = u16::MAX;
/// A takes an event in for the curvature of so many, and of so many from a number of events on; of
/// half as many to half as many again, so that no period of a stream is met.
const PERIODS: [f64; 2] = [32.0, 256.0];
const MANY_EVENTS: u64 = 65_536;
/// Events before positions are first chosen; they are chosen anew whenever there are
/// four times as many; between two choices the factor is made anew twice, at 1.6 times as many.
const FIRST_CHOICE: u64 = 512;
/// Events that a position must have been in to be chosen.
const LEAST_COUNT: f32 = 5.0;
/// Events of a batch: an eighth of those so far, within these bounds.
const BATCH: (u64, u64) = (64, 2048);
/// Largest change of a weight in one step; a longer step is shortened.
const MOST_CHANGE: f64 = 1.0;

/// Joint Newton steps of one member.
#[derive(Debug, Clone)]
pub(super) struct Joint {
    member: usize,
    /// Most positions.
    size: usize,
    /// I/η.
    ridge: f64,
    /// Slot of each position.
    slots: Vec<u16>,
    /// Position of each slot.
    positions: Vec<u32>,
    /// Lower triangle of A, by row, in the units of decayed sums.
    curvature: Vec<Vec<f64>>,
    /// Factor of an earlier `A + I/η`.
    factor: Option<Factor>,
    /// Weights and curvatures when the batch began.
    start: Vec<f32>,
    start_curvature: Vec<f32>,
    counters: Counters,
    curvatures: Curvatures,
    /// Slots and values of the row that adds to A.
    present: Vec<(u16, f64)>,
}

/// Sums of the member's curvature, importance times σ(m) (1 − σ(m)).
#[derive(Debug, Clone)]
struct Curvatures {
    /// Of all events.
    all: f64,
    /// Of those since A last took one in.
    waiting: f64,
    /// How many times that of a mean event it waits for.
    period: f64,
}

/// Events, and when what is due.
#[derive(Debug, Clone, Default)]
struct Counters {
    events: u64,
    next_step: u64,
    next_factor: u64,
    next_choice: u64,
}

impl Joint {
    /// `None` where no member is joint, or where penalties act at every event: a Newton step would
    /// undo their exact zeros.
    pub(super) fn new(config: &BankConfig, dimension: usize) -> Option<Self> {
        let member = config.members.iter().position(|member| member.joint)?;
        if config.l1 > 0.0 || config.l2 > 0.0 {
            return None;
        }
        Some(Self {
            member,
            size: config.joint_positions,
            ridge: 1.0 / f64::from(config.members[member].learning_rate),
            slots: vec![NONE; dimension],
            positions: Vec::new(),
            curvature: Vec::new(),
            factor: None,
            start: Vec::new(),
            start_curvature: Vec::new(),
            counters: Counters {
                next_step: BATCH.0,
                next_choice: FIRST_CHOICE,
                ..Counters::default()
            },
            curvatures: Curvatures {
                all: 0.0,
                waiting: 0.0,
                period: PERIODS[0],
            },
            present: Vec::new(),
        })
    }

    pub(super) fn member(&self) -> usize {
        self.member
    }

    pub(super) fn grow(&mut self, dimension: usize) {
        self.slots.resize(dimension, NONE);
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.slots.reserve(more);
    }

    /// Counts an event.
    #[inline]
    pub(super) fn count(&mut self) {
        self.counters.events += 1;
    }

    /// Takes in the event that was counted last, which counts so many `times`, after the members have
    /// learned it, and steps where a batch has ended. `push` is what the member was pushed by: its rate
    /// times the gradient of the event counted once.
    pub(super) fn learn(
        &mut self,
        kernel: Checked,
        lines: &mut [Line],
        row: &CheckedRow<'_>,
        push: f32,
        times: f32,
        lesson: &Lesson,
    ) {
        let decay = lesson.decay;
        let events = self.counters.events;
        if let Some(waited) = self.wait(push, times, lesson.importance) {
            self.collect(lines, row);
            self.add_curvature(waited * f64::from(decay.gain));
        }
        if events >= self.counters.next_step || events >= self.counters.next_choice {
            self.step(kernel, lines, f64::from(decay.evidence));
            if events >= self.counters.next_choice {
                self.choose(lines);
                self.counters.next_choice = 4 * events;
                self.counters.next_factor = 0;
            }
            self.begin(lines);
        }
    }

    /// Counts the curvature of an event; if A is to take the event in, returns for how much.
    fn wait(&mut self, push: f32, times: f32, importance: f32) -> Option<f64> {
        let size = f64::from((push / importance).abs()) * self.ridge;
        let curvature = f64::from(importance * times) * size * (1.0 - size).max(0.0);
        let sums = &mut self.curvatures;
        sums.all += curvature;
        if self.positions.is_empty() {
            return None;
        }
        sums.waiting += curvature;
        let events = self.counters.events;
        #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
        if sums.waiting * events as f64 <= sums.period * sums.all {
            return None;
        }
        let period = PERIODS[usize::from(events >= MANY_EVENTS)];
        sums.period = period * (0.5 + uniform(random(events)));
        Some(std::mem::take(&mut sums.waiting))
    }

    /// Finds the joint positions of a row; slots increase, as positions do.
    fn collect(&mut self, lines: &[Line], row: &CheckedRow<'_>) {
        self.present.clear();
        self.present.resize(row.positions().len(), (NONE, 0.0));
        let mut count = 0;
        for (&position, &value) in row.positions().iter().zip(row.values()) {
            let slot = self.slots[position as usize];
            let x = value + value * lines[position as usize].shrink();
            // Written in any case and kept by the count: which it is cannot be foreseen.
            self.present[count] = (slot, f64::from(x));
            count += usize::from(slot != NONE);
        }
        self.present.truncate(count);
    }

    fn add_curvature(&mut self, weight: f64) {
        for (i, &(slot, x)) in self.present.iter().enumerate() {
            let row = self.curvature[usize::from(slot)].as_mut_slice();
            let x = weight * x;
            for &(other, value) in &self.present[..=i] {
                row[usize::from(other)] += x * value;
            }
        }
    }

    /// Replaces the diagonal steps since the batch began by one Newton step, where there is a
    /// finite one.
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    fn step(&mut self, kernel: Checked, lines: &mut [Line], evidence: f64) {
        let events = self.counters.events;
        if self.positions.is_empty() {
            return;
        }
        if events >= self.counters.next_factor {
            let earlier = self.factor.take();
            self.factor = Factor::of_scaled(kernel, &self.curvature, evidence, self.ridge, earlier);
            self.counters.next_factor = events + events * 10 / 17;
        }
        let Some(factor) = &self.factor else { return };
        let starts = self.start.iter().zip(&self.start_curvature);
        let mut step: Vec<f64> = self
            .positions
            .iter()
            .zip(starts)
            .map(|(&position, (&start, &curvature))| {
                let line = &lines[position as usize].0;
                let curvature = (f64::from(curvature) + f64::from(line[H])) / 2.0;
                let moved = f64::from(start) - f64::from(line[self.member]);
                moved * (self.ridge + curvature * evidence)
            })
            .collect();
        factor.solve(kernel, &mut step);
        let largest = step.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
        let length = if largest > MOST_CHANGE {
            MOST_CHANGE / largest
        } else {
            1.0
        };
        if !step.iter().all(|d| (d * length).is_finite()) {
            return;
        }
        for ((&position, &start), d) in self.positions.iter().zip(&self.start).zip(step) {
            lines[position as usize].0[self.member] = start - (length * d) as f32;
        }
    }

    /// Chooses the positions with the largest curvature; what is known of pairs that stay is kept.
    fn choose(&mut self, lines: &[Line]) {
        let mut chosen: Vec<u32> = (0..)
            .zip(lines)
            .filter(|(_, line)| line.0[COUNT] >= LEAST_COUNT)
            .map(|(position, _)| position)
            .collect();
        let curvature = |position: u32| lines[position as usize].0[H];
        let order = |a: &u32, b: &u32| curvature(*b).total_cmp(&curvature(*a)).then(a.cmp(b));
        if chosen.len() > self.size {
            chosen.select_nth_unstable_by(self.size, order);
            chosen.truncate(self.size);
        }
        chosen.sort_unstable();
        let slots: Vec<u16> = chosen.iter().map(|&p| self.slots[p as usize]).collect();
        let triangle = |(i, &slot): (usize, &u16)| {
            // Slots increase, as positions do, so the pair of a later one is in its row.
            let known = self.curvature.get(usize::from(slot));
            let pair = |&other: &u16| Some(*known?.get(usize::from(other))?);
            let mut row: Vec<f64> = slots[..=i].iter().map(|s| pair(s).unwrap_or(0.0)).collect();
            if slot == NONE {
                row[i] = f64::from(curvature(chosen[i]));
            }
            row
        };
        self.curvature = slots.iter().enumerate().map(triangle).collect();
        for &position in &self.positions {
            self.slots[position as usize] = NONE;
        }
        self.positions = chosen;
        self.index();
    }

    /// Writes the slots of the positions.
    fn index(&mut self) {
        for (slot, &position) in (0..).zip(&self.positions) {
            self.slots[position as usize] = slot;
        }
    }

    /// Begins a batch.
    fn begin(&mut self, lines: &[Line]) {
        let number = |k| move |&position: &u32| lines[position as usize].0[k];
        self.start = self.positions.iter().map(number(self.member)).collect();
        self.start_curvature = self.positions.iter().map(number(H)).collect();
        let (least, most) = BATCH;
        let events = self.counters.events;
        self.counters.next_step = events + (events / 8).clamp(least, most);
    }

    /// Carries a position over to values that the member sees `seen` times as large.
    pub(super) fn rescale(&mut self, position: usize, seen: f32) {
        let slot = self.slots[position];
        if slot == NONE {
            return;
        }
        let (slot, ratio) = (usize::from(slot), f64::from(seen));
        for (i, row) in self.curvature.iter_mut().enumerate().skip(slot) {
            row[slot] *= ratio;
            if i == slot {
                row.iter_mut().for_each(|entry| *entry *= ratio);
            }
        }
        self.start[slot] /= seen;
        self.start_curvature[slot] *= seen * seen;
        // The factor is of the old scale.
        self.factor = None;
        self.counters.next_factor = 0;
    }

    /// Brings A to new units.
    pub(super) fn reweigh(&mut self, factor: f32) {
        let entries = self.curvature.iter_mut().flatten();
        entries.for_each(|entry| *entry *= f64::from(factor));
        let curvatures = self.start_curvature.iter_mut();
        curvatures.for_each(|curvature| *curvature *= factor);
    }

    /// Moves to other positions, as the lines do; what is known of pairs that stay is kept.
    pub(super) fn remap(&mut self, sources: &[Option<u32>]) {
        let moved: Vec<(u32, u16)> = (0..)
            .zip(sources)
            .filter_map(|(position, source)| Some((position, self.slots[(*source)? as usize])))
            .filter(|&(_, slot)| slot != NONE)
            .take(self.size)
            .collect();
        let pair = |&(_, a): &(u32, u16), &(_, b): &(u32, u16)| {
            self.curvature[usize::from(a.max(b))][usize::from(a.min(b))]
        };
        let triangle = |(i, a)| moved[..=i].iter().map(|b| pair(a, b)).collect();
        let curvature = moved.iter().enumerate().map(triangle).collect();
        let of_slots = |numbers: &[f32]| {
            let slots = moved.iter().map(|&(_, slot)| usize::from(slot));
            slots.map(|slot| numbers[slot]).collect()
        };
        self.start = of_slots(&self.start);
        self.start_curvature = of_slots(&self.start_curvature);
        self.curvature = curvature;
        self.positions = moved.iter().map(|&(position, _)| position).collect();
        self.slots = vec![NONE; sources.len()];
        self.index();
        // The factor is of the old order.
        self.factor = None;
        self.counters.next_factor = 0;
    }
}

/// Returns a number from 0 to 1 by the high bits of another.
#[expect(clippy::cast_precision_loss, reason = "52 bits")]
fn uniform(bits: u64) -> f64 {
    (bits >> 12) as f64 / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_in_by_their_curvature_and_for_all_of_it() {
        let config = BankConfig::default();
        let mut joint = Joint::new(&config, 1).unwrap();
        joint.positions.push(0);
        let rate = config.members[joint.member].learning_rate;
        // Three of four events are nearly certain, one is not: 0.0099 against 0.2475.
        let sizes = [0.01, 0.01, 0.45, 0.01].map(|size: f32| rate * size);
        let mut taken = [[0_u32; 2]; 2];
        let mut sum = 0.0;
        for (event, &push) in (0_u64..4 * MANY_EVENTS).zip(sizes.iter().cycle()) {
            joint.counters.events = event + 1;
            if let Some(waited) = joint.wait(-2.0 * push, 1.0, 2.0) {
                sum += waited;
                taken[usize::from(event + 1 >= MANY_EVENTS)][usize::from(event % 4 == 2)] += 1;
            }
        }
        let Curvatures { all, waiting, .. } = joint.curvatures;
        let mean = 2.0 * (3.0 * 0.01 * 0.99 + 0.45 * 0.55) / 4.0;
        let events = (4 * MANY_EVENTS) as f64;
        assert!((all / events - mean).abs() < 1e-6 * mean, "{all}");
        assert!(
            (sum + waiting - all).abs() < 1e-9 * all,
            "{sum} {waiting} {all}"
        );
        for (taken, expected) in taken.iter().zip([65_536.0 / 32.0, 3.0 * 65_536.0 / 256.0]) {
            let [certain, other] = taken.map(f64::from);
            assert!(
                ((certain + other) / expected - 1.0).abs() < 0.1,
                "{taken:?}"
            );
            assert!(other > 5.0 * certain, "{taken:?}");
        }
    }
}
