//! The bank: members side by side at each position, stacked online.

use crate::{
    config::{BankConfig, RateDecay},
    kernel::{
        Checked, Stack, TERMS,
        bank::{
            self, COUNT, CURVATURES, H, LINE, Line, MEMBERS, Margins, N, Pushes, SHRINK, SQUARES,
            Update,
        },
    },
    row::CheckedRow,
    rules::Decay,
    single::invariant_push,
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
    kernel: Checked,
    plan: Plan,
}

/// The settings in the form that the kernels take.
#[derive(Debug, Clone)]
struct Plan {
    members: usize,
    rates: [f32; LINE],
    kinds: Pushes,
    variances: [f32; CURVATURES],
    /// Members whose newcomers are terms `MEMBERS`, `MEMBERS + 1`, ….
    newcomers: Vec<usize>,
    newness: f32,
    l1: f32,
    l2: f32,
}

impl Plan {
    fn new(config: &BankConfig) -> Self {
        let mut plan = Self {
            members: config.members.len(),
            rates: [0.0; LINE],
            kinds: Pushes::default(),
            variances: [0.0; CURVATURES],
            newcomers: Vec::new(),
            newness: config.newness,
            l1: config.l1,
            l2: config.l2,
        };
        let curvature_rates = config.curvature_rates();
        plan.variances[..curvature_rates.len()].copy_from_slice(&curvature_rates);
        for (k, member) in config.members.iter().enumerate() {
            plan.rates[k] = member.learning_rate;
            match member.decay {
                RateDecay::None => plan.kinds.constant[k] = 1.0,
                RateDecay::Root => plan.kinds.root[k] = 1.0,
                RateDecay::Curvature => {
                    for (kind, &rate) in plan.kinds.curvature.iter_mut().zip(&curvature_rates) {
                        if rate.to_bits() == member.learning_rate.to_bits() {
                            kind[k] = 1.0;
                        }
                    }
                }
            }
            if member.newcomers {
                plan.newcomers.push(k);
            }
        }
        plan
    }

    fn terms(&self, margins: &Margins) -> [f64; TERMS] {
        let mut terms = [0.0; TERMS];
        for (term, &margin) in terms.iter_mut().zip(&margins.whole[..self.members]) {
            *term = f64::from(margin);
        }
        for (term, &k) in terms[MEMBERS..].iter_mut().zip(&self.newcomers) {
            *term = f64::from(margins.newcomers[k]);
        }
        terms[CONSTANT] = 1.0;
        terms
    }
}

/// A prediction, with what learning from the same row needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) margin: f64,
    margins: Margins,
    terms: [f64; TERMS],
}

impl Bank {
    pub(crate) fn new(config: &BankConfig, dimension: usize) -> Self {
        let plan = Plan::new(config);
        let mut mean = [0.0; TERMS];
        let mut variances = [0.0; TERMS];
        #[expect(clippy::cast_precision_loss, reason = "at most 11")]
        let share = 1.0 / plan.members as f64;
        mean[..plan.members].fill(share);
        variances[..plan.members].fill(config.prior_variance);
        variances[MEMBERS..MEMBERS + plan.newcomers.len()].fill(config.prior_variance);
        variances[CONSTANT] = config.bias_variance;
        Self {
            lines: vec![Line::default(); dimension],
            stack: Stack::new(mean, variances, config.forgetting),
            kernel: Checked::best(),
            plan,
        }
    }

    pub(crate) fn set_kernel(&mut self, kernel: Checked) {
        self.kernel = kernel;
    }

    pub(crate) fn grow(&mut self, dimension: usize) {
        self.lines.resize(dimension, Line::default());
    }

    pub(crate) fn prefetch(&self, positions: &[u32]) {
        bank::prefetch_row(&self.lines, positions);
    }

    /// Predicts a row.
    pub(crate) fn look(&self, row: CheckedRow<'_>) -> Look {
        let margins = bank::margins(
            self.kernel,
            &self.lines,
            row.positions(),
            row.values(),
            self.plan.newness,
        );
        let terms = self.plan.terms(&margins);
        Look {
            margin: self.stack.margin(&terms),
            margins,
            terms,
        }
    }

    /// Learns a row that has just been looked at and given the probability `p`.
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    pub(crate) fn learn(
        &mut self,
        row: CheckedRow<'_>,
        look: &Look,
        p: f64,
        label: bool,
        importance: f32,
        decay: Decay,
    ) {
        let gradient = p - f64::from(u8::from(label));
        let mut agreements = look.margins.whole;
        let sign = if label { -1.0 } else { 1.0 };
        if !label {
            agreements = agreements.map(|m| -m);
        }
        let sizes = bank::gradients(self.kernel, &agreements);
        let mut update = Update {
            pushes: Pushes::default(),
            variances: self.plan.variances,
            square: importance * (gradient * gradient) as f32 * decay.gain,
            curvature: importance * (p * (1.0 - p)) as f32 * decay.gain,
            evidence: decay.evidence,
            l1: self.plan.l1 * importance,
            l2: self.plan.l2 * importance,
            rates: &self.plan.rates,
            kinds: &self.plan.kinds,
        };
        let mut pushes = [0.0; LINE];
        for (lane, push) in pushes.iter_mut().enumerate() {
            *push = self.plan.rates[lane] * (importance * (sign * sizes[lane]));
        }
        if importance > 1.0 {
            self.shorten(row, look, label, importance, &update, &mut pushes);
        }
        for (lane, &push) in pushes.iter().enumerate() {
            let (kinds, split) = (&self.plan.kinds, &mut update.pushes);
            split.constant[lane] = push * kinds.constant[lane];
            split.root[lane] = push * kinds.root[lane];
            for (split, kind) in split.curvature.iter_mut().zip(&kinds.curvature) {
                split[lane] = push * kind[lane];
            }
        }
        bank::update(
            self.kernel,
            &mut self.lines,
            row.positions(),
            row.values(),
            &update,
        );
        self.stack
            .learn(self.kernel, &look.terms, p, label, f64::from(importance));
    }

    /// Replaces the pushes of an important example by those of the gradient flow, so that no
    /// member overshoots.
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    fn shorten(
        &self,
        row: CheckedRow<'_>,
        look: &Look,
        label: bool,
        importance: f32,
        update: &Update<'_>,
        pushes: &mut [f32; LINE],
    ) {
        let reaches = bank::reaches(&self.lines, row.positions(), row.values(), update);
        for lane in 0..self.plan.members {
            let rate = f64::from(self.plan.rates[lane]);
            let push = invariant_push(
                f64::from(look.margins.whole[lane]),
                label,
                f64::from(importance),
                rate * reaches[lane],
            );
            pushes[lane] = (rate * push) as f32;
        }
    }

    /// Returns the variance of the margin: that of the mixing coefficients, plus that of the
    /// weights under the diagonal curvature with the largest prior variance.
    pub(crate) fn variance(&self, row: CheckedRow<'_>, look: &Look, evidence: f64) -> f64 {
        let prior = self.plan.variances.iter().copied().fold(0.0_f32, f32::max);
        let prior = if prior > 0.0 { f64::from(prior) } else { 1.0 };
        let mut sum = self.stack.variance(&look.terms);
        for (&position, &value) in row.positions().iter().zip(row.values()) {
            let line = &self.lines[position as usize].0;
            let x = f64::from(value) * (1.0 + f64::from(line[SHRINK]));
            sum += x * x / (1.0 / prior + f64::from(line[H]) * evidence);
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
        let newness = f64::from(self.plan.newness);
        let line = &line.0;
        let mut whole = 0.0;
        for (a, &weight) in mean.iter().zip(&line[..self.plan.members]) {
            whole += a * f64::from(weight);
        }
        let mut newcomers = 0.0;
        for (a, &k) in mean[MEMBERS..].iter().zip(&self.plan.newcomers) {
            newcomers += a * f64::from(line[k]);
        }
        let share = newness / (newness + f64::from(line[COUNT]));
        (whole + newcomers * share) * (1.0 + f64::from(line[SHRINK]))
    }

    pub(crate) fn rescale(&mut self, ratios: &[f32]) {
        for (line, &ratio) in self.lines.iter_mut().zip(ratios) {
            // An untouched line needs nothing, and most lines of a wide model are untouched.
            if ratio.to_bits() == 1.0_f32.to_bits() || line.0[COUNT] == 0.0 {
                continue;
            }
            let line = &mut line.0;
            let before = 1.0 + line[SHRINK];
            line[SQUARES] *= ratio * ratio;
            let after = (line[COUNT] / line[SQUARES].max(line[COUNT])).sqrt();
            line[SHRINK] = after - 1.0;
            // Members see value · ratio · after where they saw value · before.
            let seen = ratio * (after / before);
            for weight in &mut line[..MEMBERS] {
                *weight /= seen;
            }
            line[N] *= seen * seen;
            line[H] *= seen * seen;
        }
    }

    /// Multiplies the sums that set the rates by `factor`: new units for decayed sums.
    pub(crate) fn reweigh(&mut self, factor: f32) {
        for line in &mut self.lines {
            line.0[N] *= factor;
            line.0[H] *= factor;
        }
    }

    /// Returns what each present position adds to the margin.
    pub(crate) fn contributions(&self, row: CheckedRow<'_>) -> Vec<(u32, f64)> {
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
    }

    pub(crate) fn save(&self, state: &mut LearnerState) {
        let lines = self.lines.iter().flat_map(|line| line.0).collect();
        state.push("lines", TensorData::F32(lines));
        state.push("stack_total", TensorData::F64(vec![self.stack.total]));
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
        // Sizes are checked before anything is allocated.
        let expected = dimension.saturating_mul(LINE);
        let numbers = state.f32("lines", expected)?;
        let mut bank = Self::new(config, dimension);
        for (index, (line, numbers)) in bank
            .lines
            .iter_mut()
            .zip(numbers.chunks_exact(LINE))
            .enumerate()
        {
            line.0.copy_from_slice(numbers);
            if let Some(k) = [N, H, SQUARES, COUNT]
                .into_iter()
                .find(|&k| line.0[k] < 0.0)
            {
                let value = f64::from(line.0[k]);
                return Err(StateError::Value {
                    name: "lines",
                    index: index * LINE + k,
                    value,
                });
            }
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
        Ok(bank)
    }
}
