//! The bank: members side by side at each position, stacked online.

mod joint;

use self::joint::Joint;
use crate::{
    config::{BankConfig, RateDecay},
    kernel::{
        Checked, Instructions, Soon, Stack, TERMS,
        bank::{
            self, COUNT, CURVATURES, H, Kinds, LINE, Lanes, Line, Look, MEMBERS, N, Plan, ROOM,
            SHARE, Sources,
        },
    },
    learner::Learn,
    row::CheckedRow,
    rules::Lesson,
    state::{LearnerState, StateError, TensorData},
};

const _: () = assert!(MEMBERS == BankConfig::MOST_MEMBERS);
const _: () = assert!(CURVATURES == BankConfig::MOST_CURVATURES);
const _: () = assert!(MEMBERS + BankConfig::MOST_NEWCOMERS + 1 == TERMS);

/// Term of the constant.
const CONSTANT: usize = TERMS - 1;

/// A bank of members and its stacker.
#[derive(Debug, Clone)]
pub(crate) struct Bank {
    lines: Vec<Line>,
    stack: Stack,
    plan: Plan,
    /// Members whose newcomers are terms `MEMBERS`, `MEMBERS + 1`, ….
    newcomers: Vec<u32>,
    /// The row that is being learned.
    look: Look,
    joint: Option<Joint>,
}

fn plan(config: &BankConfig, newcomers: &[u32]) -> Plan {
    let mut rates = Lanes::default();
    let mut kinds = Kinds::NONE;
    let curvature_rates = config.curvature_rates();
    let mut variances = [0.0; CURVATURES];
    variances[..curvature_rates.len()].copy_from_slice(&curvature_rates);
    for (k, member) in config.members.iter().enumerate() {
        rates.0[k] = member.learning_rate;
        match member.decay {
            RateDecay::None => kinds.set_constant(k),
            RateDecay::Root => kinds.set_root(k),
            RateDecay::Curvature => {
                for (variance, rate) in (0..).zip(&curvature_rates) {
                    if rate.to_bits() == member.learning_rate.to_bits() {
                        kinds.set_curvature(k, variance);
                    }
                }
            }
        }
    }
    Plan {
        kernel: Checked::best(),
        rates,
        kinds,
        sources: Sources::new(config.members.len(), newcomers),
        members: config.members.len(),
        newness: config.newness,
        variances,
        l1: config.l1,
        l2: config.l2,
    }
}

impl Bank {
    pub(crate) fn new(config: &BankConfig, dimension: usize) -> Self {
        let members = config.members.len();
        let newcomers: Vec<u32> = (0..)
            .zip(&config.members)
            .filter(|(_, member)| member.newcomers)
            .map(|(k, _)| k)
            .collect();
        let mut mean = [0.0; TERMS];
        let mut variances = [0.0; TERMS];
        #[expect(clippy::cast_precision_loss, reason = "at most 11")]
        let share = 1.0 / members as f64;
        mean[..members].fill(share);
        variances[..members].fill(config.prior_variance);
        variances[MEMBERS..MEMBERS + newcomers.len()].fill(config.prior_variance);
        variances[CONSTANT] = config.bias_variance;
        Self {
            lines: vec![Line::default(); dimension],
            stack: Stack::new(mean, variances, config.forgetting),
            plan: plan(config, &newcomers),
            newcomers,
            look: Look::default(),
            joint: Joint::new(config, dimension),
        }
    }

    pub(crate) fn set_kernel(&mut self, kernel: Checked) {
        self.plan.kernel = kernel;
    }

    pub(crate) fn grow(&mut self, dimension: usize) {
        self.lines.resize(dimension, Line::default());
        if let Some(joint) = &mut self.joint {
            joint.grow(dimension);
        }
    }

    pub(crate) fn reserve(&mut self, more: usize) {
        self.lines.reserve(more);
        if let Some(joint) = &mut self.joint {
            joint.reserve(more);
        }
    }

    /// Returns the margin of a row.
    pub(crate) fn margin(&self, row: &CheckedRow<'_>) -> f64 {
        let mut look = Look::default();
        self.look(row, &mut look)
    }

    fn look(&self, row: &CheckedRow<'_>, look: &mut Look) -> f64 {
        let Self {
            lines, plan, stack, ..
        } = self;
        bank::look(lines, row.ordered(), plan, stack, look)
    }

    /// Returns the variance of the margin: that of the mixing coefficients, plus that of the
    /// weights under the diagonal curvature with the largest prior variance.
    pub(crate) fn variance(&self, row: &CheckedRow<'_>, evidence: f64) -> f64 {
        let prior = self.plan.variances.iter().copied().fold(0.0_f32, f32::max);
        let prior = if prior > 0.0 { f64::from(prior) } else { 1.0 };
        let mut look = Look::default();
        self.look(row, &mut look);
        let mut sum = self.stack.variance(&look.terms);
        for (&position, &value) in row.positions().iter().zip(row.values()) {
            let line = &self.lines[position as usize];
            let x = f64::from(value) * (1.0 + f64::from(line.shrink()));
            sum += x * x / (1.0 / prior + f64::from(line.0[H]) * evidence);
        }
        sum
    }

    /// Folds the members into one weight a position and a bias.
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    pub(crate) fn weights(&self) -> (Vec<f32>, f64) {
        let weights = self
            .lines
            .iter()
            .map(|line| self.fold(line) as f32)
            .collect();
        (weights, self.stack.mean[CONSTANT])
    }

    /// Folds the members of one position into a weight.
    fn fold(&self, line: &Line) -> f64 {
        let mean = &self.stack.mean;
        let scale = 1.0 + f64::from(line.shrink());
        let line = &line.0;
        let mut whole = 0.0;
        for (a, &weight) in mean.iter().zip(&line[..self.plan.members]) {
            whole += a * f64::from(weight);
        }
        let mut newcomers = 0.0;
        for (a, &k) in mean[MEMBERS..].iter().zip(&self.newcomers) {
            newcomers += a * f64::from(line[k as usize]);
        }
        (whole + newcomers * f64::from(line[SHARE])) * scale
    }

    pub(crate) fn rescale(&mut self, ratios: &[f32]) {
        for (position, (line, &ratio)) in self.lines.iter_mut().zip(ratios).enumerate() {
            // An untouched line needs nothing, and most lines of a wide model are untouched.
            if ratio.to_bits() == 1.0_f32.to_bits() || line.0[COUNT] == 0.0 {
                continue;
            }
            let before = 1.0 + line.shrink();
            let squares = (line.0[COUNT] - line.0[ROOM]) * (ratio * ratio);
            line.0[ROOM] = line.0[COUNT] - squares;
            // Members see value · ratio · after where they saw value · before.
            let seen = ratio * ((1.0 + line.shrink()) / before);
            let line = &mut line.0;
            for weight in &mut line[..MEMBERS] {
                *weight /= seen;
            }
            line[N] *= seen * seen;
            line[H] *= seen * seen;
            if let Some(joint) = &mut self.joint {
                joint.rescale(position, seen);
            }
        }
    }

    /// Multiplies the sums that set the rates by `factor`: new units for decayed sums.
    pub(crate) fn reweigh(&mut self, factor: f32) {
        for line in &mut self.lines {
            line.0[N] *= factor;
            line.0[H] *= factor;
        }
        if let Some(joint) = &mut self.joint {
            joint.reweigh(factor);
        }
    }

    /// Returns what each present position adds to the margin.
    pub(crate) fn contributions(&self, row: &CheckedRow<'_>) -> Vec<(u32, f64)> {
        let entries = row.positions().iter().zip(row.values());
        entries
            .map(|(&position, &x)| {
                (
                    position,
                    self.fold(&self.lines[position as usize]) * f64::from(x),
                )
            })
            .collect()
    }

    /// Moves lines to other positions; those without a source start afresh.
    pub(crate) fn remap(&mut self, sources: &[Option<u32>]) {
        self.lines = sources
            .iter()
            .map(|source| source.map_or_else(Line::default, |s| self.lines[s as usize]))
            .collect();
        if let Some(joint) = &mut self.joint {
            joint.remap(sources);
        }
    }

    pub(crate) fn save(&self, state: &mut LearnerState) {
        let lines = self.lines.iter().flat_map(|line| line.0).collect();
        state.push("bank_lines", TensorData::F32(lines));
        state.push("stack_growth", TensorData::F64(vec![self.stack.growth]));
        state.push("stack_total", TensorData::F64(vec![self.stack.total]));
        state.push("stack_mean", TensorData::F64(self.stack.mean.to_vec()));
        state.push(
            "stack_covariance",
            TensorData::F64(self.stack.covariance.concat()),
        );
        if let Some(joint) = &self.joint {
            joint.save(state);
        }
    }

    pub(crate) fn load(
        config: &BankConfig,
        dimension: usize,
        state: &LearnerState,
    ) -> Result<Self, StateError> {
        // Sizes are checked before anything is allocated.
        let expected = dimension.saturating_mul(LINE);
        let numbers = state.f32("bank_lines", expected)?;
        let mut bank = Self::new(config, dimension);
        for (index, (line, numbers)) in bank
            .lines
            .iter_mut()
            .zip(numbers.chunks_exact(LINE))
            .enumerate()
        {
            line.0.copy_from_slice(numbers);
            line.0[SHARE] = if line.0[COUNT] > 0.0 {
                bank.plan.newness / (bank.plan.newness + line.0[COUNT])
            } else {
                0.0
            };
            // Squares are the rest of the count.
            let negative = |&k: &usize| line.0[k] < 0.0;
            let wrong = [N, H, COUNT].into_iter().find(negative);
            let crowded = line.0[ROOM] > line.0[COUNT];
            if let Some(k) = wrong.or(crowded.then_some(ROOM)) {
                let value = f64::from(line.0[k]);
                return Err(StateError::Value {
                    name: "bank_lines",
                    index: index * LINE + k,
                    value,
                });
            }
        }
        bank.stack.growth = state.f64("stack_growth", 1)?[0];
        if !(1.0..2.0).contains(&bank.stack.growth) {
            return Err(StateError::Value {
                name: "stack_growth",
                index: 0,
                value: bank.stack.growth,
            });
        }
        bank.stack.total = state.f64("stack_total", 1)?[0];
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
        bank.joint = Joint::load(config, dimension, state)?;
        Ok(bank)
    }
}

impl Learn for Bank {
    type Slot = Line;

    fn kernel(&self) -> Checked {
        self.plan.kernel
    }

    #[inline(always)]
    fn dimension(&self) -> usize {
        self.lines.len()
    }

    fn is_large(&self) -> bool {
        true
    }

    /// The lines of a row that comes soon.
    #[inline(always)]
    fn soon<'a>(&self, positions: &'a [u32]) -> Soon<'a, Line> {
        Soon::new(&self.lines, positions)
    }

    #[inline(always)]
    fn learn(
        &mut self,
        on: impl Instructions,
        row: &CheckedRow<'_>,
        lesson: &Lesson,
        soon: &Soon<'_, Line>,
        is_good: impl FnOnce(f64) -> bool,
    ) -> bool {
        let Self {
            lines,
            plan,
            stack,
            look,
            joint,
            ..
        } = self;
        let times = bank::learn(
            on,
            lines,
            row.ordered(),
            plan,
            stack,
            look,
            lesson,
            soon,
            is_good,
        );
        let Some(times) = times else {
            return false;
        };
        if let Some(joint) = joint {
            joint.count();
            if times > 0.0 {
                let push = look.pushes.0[joint.member()];
                joint.learn(plan.kernel, lines, row, push, times, lesson);
            }
        }
        true
    }
}
