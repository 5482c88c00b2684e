//! The bank: members side by side at each position, stacked online.

use crate::{
    config::{BankConfig, RateDecay},
    loss::sigmoid,
    row::Row,
    state::{LearnerState, StateError, TensorData},
};

/// Numbers kept a position: one cache line.
pub(crate) const LINE: usize = 16;
/// Members that a line has room for.
pub(crate) const MEMBERS: usize = BankConfig::MOST_MEMBERS;
/// Sum of squared gradients of the stacked prediction.
const N: usize = 12;
/// Sum of squared values.
const SQUARES: usize = 13;
/// How often the position was present.
const COUNT: usize = 14;
/// `1 / max(1, RMS of the values so far)`, less one: a fresh line is all zeros.
const SHRINK: usize = 15;

/// What is kept for one position.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [f32; LINE]);

/// A bank of members and its stacker.
#[derive(Debug, Clone)]
pub(crate) struct Bank {
    lines: Vec<Line>,
    bias: Line,
    rates: [f32; MEMBERS],
    decays: [RateDecay; MEMBERS],
    stack: Stack,
}

impl Bank {
    pub(crate) fn new(config: &BankConfig, dimension: usize) -> Self {
        let mut rates = [0.0; MEMBERS];
        let mut decays = [RateDecay::None; MEMBERS];
        for (k, member) in config.members.iter().enumerate() {
            rates[k] = member.learning_rate;
            decays[k] = member.decay;
        }
        Self {
            lines: vec![Line::default(); dimension],
            bias: Line::default(),
            rates,
            decays,
            stack: Stack::new(config),
        }
    }

    pub(crate) fn grow(&mut self, dimension: usize) {
        self.lines.resize(dimension, Line::default());
    }

    /// Returns the margin of each member.
    pub(crate) fn member_margins(&self, row: Row<'_>) -> [f32; MEMBERS] {
        let mut sums = [0.0_f32; MEMBERS];
        sums.copy_from_slice(&self.bias.0[..MEMBERS]);
        for (&position, &value) in row.positions().iter().zip(row.values()) {
            let line = &self.lines[position as usize].0;
            let x = value * (1.0 + line[SHRINK]);
            for (sum, &weight) in sums.iter_mut().zip(line) {
                *sum += weight * x;
            }
        }
        sums
    }

    /// Returns the stacked margin.
    pub(crate) fn margin(&self, members: &[f32; MEMBERS]) -> f64 {
        self.stack.margin(members)
    }

    /// Learns a row whose member margins are known.
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    pub(crate) fn learn(
        &mut self,
        row: Row<'_>,
        members: &[f32; MEMBERS],
        label: bool,
        importance: f32,
    ) {
        let y = f64::from(u8::from(label));
        let gradient = (sigmoid(self.margin(members)) - y) as f32;
        let mut pushes = [0.0_f32; MEMBERS];
        for ((push, &margin), &rate) in pushes.iter_mut().zip(members).zip(&self.rates) {
            if rate > 0.0 {
                *push = rate * importance * (sigmoid(f64::from(margin)) - y) as f32;
            }
        }
        self.stack.learn(members, label, f64::from(importance));
        step(
            &mut self.bias.0,
            1.0,
            gradient,
            importance,
            &pushes,
            &self.decays,
        );
        for (&position, &value) in row.positions().iter().zip(row.values()) {
            let line = &mut self.lines[position as usize].0;
            step(line, value, gradient, importance, &pushes, &self.decays);
        }
    }

    /// Folds the members into one weight a position and a bias.
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    pub(crate) fn weights(&self) -> (Vec<f32>, f64) {
        let fold = |line: &Line| {
            let mut sum = 0.0_f64;
            for (k, &a) in self.stack.mean[..self.stack.members].iter().enumerate() {
                sum += a * f64::from(line.0[k]);
            }
            sum
        };
        let weights = self
            .lines
            .iter()
            .map(|line| (fold(line) * f64::from(1.0 + line.0[SHRINK])) as f32)
            .collect();
        (
            weights,
            fold(&self.bias) + self.stack.mean[self.stack.members],
        )
    }

    pub(crate) fn rescale(&mut self, ratios: &[f32]) {
        for (line, &ratio) in self.lines.iter_mut().zip(ratios) {
            if ratio.to_bits() == 1.0_f32.to_bits() {
                continue;
            }
            let line = &mut line.0;
            let before = 1.0 + line[SHRINK];
            line[SQUARES] *= ratio * ratio;
            let after = inverse_scale(line[SQUARES], line[COUNT]);
            line[SHRINK] = after - 1.0;
            // Members see value · ratio · after where they saw value · before.
            let seen = ratio * (after / before);
            for weight in &mut line[..MEMBERS] {
                *weight /= seen;
            }
            line[N] *= seen * seen;
        }
    }

    pub(crate) fn save(&self, state: &mut LearnerState) {
        let lines = self
            .lines
            .iter()
            .chain([&self.bias])
            .flat_map(|line| line.0)
            .collect();
        state.push("lines", TensorData::F32(lines));
        state.push("stack_mean", TensorData::F64(self.stack.mean.to_vec()));
        state.push(
            "stack_covariance",
            TensorData::F64(self.stack.covariance.concat()),
        );
    }

    pub(crate) fn load(
        config: &BankConfig,
        dimension: usize,
        state: &LearnerState,
    ) -> Result<Self, StateError> {
        let mut bank = Self::new(config, dimension);
        let numbers = state.f32("lines", (dimension + 1) * LINE)?;
        let lines = bank.lines.iter_mut().chain([&mut bank.bias]);
        for (line, numbers) in lines.zip(numbers.chunks_exact(LINE)) {
            line.0.copy_from_slice(numbers);
        }
        bank.stack
            .mean
            .copy_from_slice(state.f64("stack_mean", TERMS)?);
        let covariance = state.f64("stack_covariance", TERMS * TERMS)?;
        for (row, saved) in bank
            .stack
            .covariance
            .iter_mut()
            .zip(covariance.chunks_exact(TERMS))
        {
            row.copy_from_slice(saved);
        }
        Ok(bank)
    }
}

/// Learns one coordinate of every member.
fn step(
    line: &mut [f32; LINE],
    value: f32,
    gradient: f32,
    importance: f32,
    pushes: &[f32; MEMBERS],
    decays: &[RateDecay; MEMBERS],
) {
    let x = value * (1.0 + line[SHRINK]);
    let g = gradient * x;
    line[N] += importance * (g * g);
    let full = 1.0 / (1.0 + line[N].sqrt());
    let slow = full.sqrt();
    for ((weight, &push), decay) in line.iter_mut().zip(pushes).zip(decays) {
        let rate = match decay {
            RateDecay::None => 1.0,
            RateDecay::Slow => slow,
            RateDecay::Full => full,
        };
        *weight -= push * (rate * x);
    }
    line[SQUARES] += value * value;
    line[COUNT] += 1.0;
    line[SHRINK] = inverse_scale(line[SQUARES], line[COUNT]) - 1.0;
}

fn inverse_scale(squares: f32, count: f32) -> f32 {
    if squares > count {
        (count / squares).sqrt()
    } else {
        1.0
    }
}

const TERMS: usize = MEMBERS + 1;

/// Second-order online logistic regression over the members' margins and a constant.
#[derive(Debug, Clone)]
struct Stack {
    members: usize,
    forgetting: f64,
    prior_variance: f64,
    mean: [f64; TERMS],
    covariance: [[f64; TERMS]; TERMS],
}

impl Stack {
    fn new(config: &BankConfig) -> Self {
        let members = config.members.len();
        let mut mean = [0.0; TERMS];
        let mut covariance = [[0.0; TERMS]; TERMS];
        for k in 0..=members {
            covariance[k][k] = config.prior_variance;
            if k < members {
                #[expect(clippy::cast_precision_loss, reason = "at most 12")]
                let share = 1.0 / members as f64;
                mean[k] = share;
            }
        }
        let (forgetting, prior_variance) = (config.forgetting, config.prior_variance);
        Self {
            members,
            forgetting,
            prior_variance,
            mean,
            covariance,
        }
    }

    fn terms(&self, members: &[f32; MEMBERS]) -> [f64; TERMS] {
        let mut terms = [0.0; TERMS];
        for (term, &margin) in terms.iter_mut().zip(&members[..self.members]) {
            *term = f64::from(margin);
        }
        terms[self.members] = 1.0;
        terms
    }

    fn margin(&self, members: &[f32; MEMBERS]) -> f64 {
        let mut sum = 0.0;
        for (a, m) in self.mean.iter().zip(self.terms(members)) {
            sum += a * m;
        }
        sum
    }

    fn learn(&mut self, members: &[f32; MEMBERS], label: bool, importance: f64) {
        let terms = self.terms(members);
        let p = sigmoid(self.margin(members));
        let mut gain = [0.0; TERMS];
        for (gain, row) in gain.iter_mut().zip(&self.covariance) {
            for (c, t) in row.iter().zip(&terms) {
                *gain += c * t;
            }
        }
        let mut spread = 0.0;
        for (g, t) in gain.iter().zip(&terms) {
            spread += g * t;
        }
        let curvature = importance * (p * (1.0 - p));
        let damping = 1.0 / (1.0 + curvature * spread);
        let pull = importance * (p - f64::from(u8::from(label))) * damping;
        for (a, g) in self.mean.iter_mut().zip(&gain) {
            *a -= pull * g;
        }
        let mut trace = 0.0;
        for k in 0..TERMS {
            trace += self.covariance[k][k];
        }
        let grow = if trace < self.prior_variance * TERMS as f64 {
            1.0 / (1.0 - self.forgetting)
        } else {
            1.0
        };
        let shrink = curvature * damping;
        for (i, row) in self.covariance.iter_mut().enumerate() {
            for (j, c) in row.iter_mut().enumerate() {
                *c = (*c - (gain[i] * gain[j]) * shrink) * grow;
            }
        }
    }
}
