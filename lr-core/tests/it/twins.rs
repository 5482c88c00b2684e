//! Each optimiser beside a dense loop written from its paper, in `f64`.

use lr_core::{
    AdaGradConfig, BankConfig, Example, FtrlConfig, Learner, LearnerConfig, Member,
    NormalizedConfig, OptimizerConfig, RateDecay, Schedule, SgdConfig, sigmoid, sprs::CsVecViewI,
};

use crate::solver::gauss;

const DIMENSION: usize = 12;

type Rows = Vec<(Vec<u32>, Vec<f32>, bool)>;

/// Rows of uneven length and scale, some with negative values.
fn rows(count: usize) -> Rows {
    rows_with(count, [20, 70])
}

/// The same with chances of the label, in percent, where few and where many odd positions are present.
fn rows_with(count: usize, [few, many]: [u64; 2]) -> Rows {
    let mut seed = 99_u64;
    let mut draw = move |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    (0..count)
        .map(|_| {
            let mut positions = Vec::new();
            let mut values = Vec::new();
            for position in 0..u32::try_from(DIMENSION).unwrap() {
                if draw(3) == 0 {
                    positions.push(position);
                    let value = f32::from(u16::try_from(draw(2000)).unwrap()) / 500.0 - 1.0;
                    values.push(if position == 3 { 5.0 * value } else { value });
                }
            }
            let odd = positions.iter().filter(|p| **p % 2 == 1).count();
            (
                positions,
                values,
                draw(100) < if odd > 2 { many } else { few },
            )
        })
        .collect()
}

/// A dense learner: `step(i, x, g, slot)` changes one coordinate; the bias is the last one.
fn twin(count: usize, step: impl Fn(&mut [f64; 4], f64, f64, f64)) -> Vec<f64> {
    let mut slots = vec![[0.0_f64; 4]; DIMENSION + 1];
    let mut margins = Vec::new();
    for (t, (positions, values, label)) in rows(count).into_iter().enumerate() {
        let mut x = [0.0; DIMENSION + 1];
        for (p, v) in positions.iter().zip(&values) {
            x[*p as usize] = f64::from(*v);
        }
        x[DIMENSION] = 1.0;
        let present: Vec<usize> = positions
            .iter()
            .map(|p| *p as usize)
            .chain([DIMENSION])
            .collect();
        let margin: f64 = present.iter().map(|&i| slots[i][0] * x[i]).sum();
        margins.push(margin);
        let gradient = sigmoid(margin) - f64::from(u8::from(label));
        for &i in &present {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
            step(&mut slots[i], x[i], gradient * x[i], t as f64);
        }
    }
    margins
}

fn margins(config: impl Into<LearnerConfig>, count: usize) -> Vec<f64> {
    margins_of(config, &rows(count))
}

fn margins_of(config: impl Into<LearnerConfig>, rows: &Rows) -> Vec<f64> {
    let mut learner = Learner::new(DIMENSION, config).unwrap();
    rows.iter()
        .map(|(p, v, label)| {
            let row = CsVecViewI::new(DIMENSION, p, v);
            learner.learn(&Example::new(row, *label)).unwrap().margin
        })
        .collect()
}

/// The library steps in `f32`: 2⁻²⁴ a step, and steps feed on each other.
fn assert_close(ours: &[f64], twins: &[f64]) {
    for (t, (a, b)) in ours.iter().zip(twins).enumerate() {
        assert!(
            (a - b).abs() <= 2e-4 * (1.0 + b.abs()),
            "event {t}: {a} against {b}"
        );
    }
    assert!(
        twins.last().unwrap().abs() > 0.01,
        "the twin has learned something"
    );
}

#[test]
fn ftrl_is_the_textbook_one() {
    let (alpha, beta, l1, l2) = (0.3, 0.7, 0.4, 0.2);
    let config = FtrlConfig::default().alpha(alpha).beta(beta).l1(l1).l2(l2);
    // Slot: w, z, n.
    let twin = twin(1500, |slot, _, g, _| {
        let [w, z, n, _] = slot;
        let sigma = ((*n + g * g).sqrt() - n.sqrt()) / alpha;
        *z += g - sigma * *w;
        *n += g * g;
        *w = if z.abs() <= l1 {
            0.0
        } else {
            -(*z - z.signum() * l1) / ((beta + n.sqrt()) / alpha + l2)
        };
    });
    assert_close(&margins(OptimizerConfig::Ftrl(config), 1500), &twin);
}

#[test]
fn adagrad_is_the_textbook_one() {
    let config = AdaGradConfig::default().learning_rate(0.15).beta(0.01);
    let twin = twin(1500, |slot, _, g, _| {
        slot[1] += g * g;
        slot[0] -= 0.15 * g / (0.01 + slot[1].sqrt());
    });
    assert_close(&margins(OptimizerConfig::AdaGrad(config), 1500), &twin);
}

#[test]
fn normalized_is_the_textbook_one() {
    let config = NormalizedConfig::default().learning_rate(0.2);
    // Slot: w, n, s.
    let twin = twin(1500, |slot, x, g, _| {
        if x.abs() > slot[2] {
            slot[0] *= slot[2] / x.abs();
            slot[2] = x.abs();
        }
        slot[1] += g * g;
        if g != 0.0 {
            slot[0] -= 0.2 * g / (slot[2] * slot[1].sqrt());
        }
    });
    assert_close(&margins(OptimizerConfig::Normalized(config), 1500), &twin);
}

#[test]
fn sgd_is_the_textbook_one() {
    let config = SgdConfig::default()
        .learning_rate(0.1)
        .schedule(Schedule::Power { exponent: 0.3 })
        .l2(0.01);
    let twin = twin(1500, |slot, _, g, t| {
        let rate = 0.1 * (1.0 + t).powf(-0.3);
        slot[0] = slot[0] / (1.0 + rate * 0.01) - rate * g;
    });
    assert_close(&margins(OptimizerConfig::Sgd(config), 1500), &twin);
}

/// Joint Newton steps of one member, with whole matrices and elimination instead of a factor.
struct JointTwin {
    member: usize,
    ridge: f64,
    size: usize,
    chosen: Vec<usize>,
    curvature: Vec<Vec<f64>>,
    system: Vec<Vec<f64>>,
    start: [f64; DIMENSION],
    start_h: [f64; DIMENSION],
    /// Curvature of all events, and of those since one was last taken in.
    all: f64,
    waiting: f64,
    period: f64,
    events: u64,
    next_step: u64,
    next_factor: u64,
    next_choice: u64,
}

impl JointTwin {
    fn new(config: &BankConfig) -> Option<Self> {
        let member = config.members.iter().position(|member| member.joint)?;
        Some(Self {
            member,
            ridge: 1.0 / f64::from(config.members[member].learning_rate),
            size: config.joint_positions,
            chosen: vec![],
            curvature: vec![vec![0.0; DIMENSION]; DIMENSION],
            system: vec![],
            start: [0.0; DIMENSION],
            start_h: [0.0; DIMENSION],
            all: 0.0,
            waiting: 0.0,
            period: 32.0,
            events: 0,
            next_step: 64,
            next_factor: 0,
            next_choice: 512,
        })
    }

    fn learn(
        &mut self,
        weights: &mut [f64; DIMENSION],
        x: &[f64; DIMENSION],
        (p, times): (f64, f64),
        (h, counts): (&[f64; DIMENSION], &[f64; DIMENSION]),
    ) {
        self.events += 1;
        if times <= 0.0 {
            return;
        }
        self.all += times * p * (1.0 - p);
        if !self.chosen.is_empty() {
            self.waiting += times * p * (1.0 - p);
        }
        if self.waiting > self.period * self.all / self.events as f64 {
            self.period = 32.0 * (0.5 + murmur(self.events) as f64 / 2.0_f64.powi(64));
            for &i in &self.chosen {
                for &j in &self.chosen {
                    self.curvature[i][j] += self.waiting * x[i] * x[j];
                }
            }
            self.waiting = 0.0;
        }
        if self.events < self.next_step.min(self.next_choice) {
            return;
        }
        if !self.chosen.is_empty() {
            self.step(weights, h);
        }
        if self.events >= self.next_choice {
            self.choose(h, counts);
            self.next_choice = 4 * self.events;
            self.next_factor = 0;
        }
        self.start = *weights;
        self.start_h = *h;
        self.next_step = self.events + (self.events / 8).clamp(64, 2048);
    }

    fn step(&mut self, weights: &mut [f64; DIMENSION], h: &[f64; DIMENSION]) {
        let chosen = &self.chosen;
        if self.events >= self.next_factor {
            let row = |&i: &usize| chosen.iter().map(|&j| self.curvature[i][j]).collect();
            self.system = chosen.iter().map(row).collect();
            for (k, row) in self.system.iter_mut().enumerate() {
                row[k] += self.ridge;
            }
            self.next_factor = self.events + self.events * 10 / 17;
        }
        let gradient = |&i: &usize| {
            (self.start[i] - weights[i]) * (self.ridge + (self.start_h[i] + h[i]) / 2.0)
        };
        let gradient = chosen.iter().map(gradient).collect();
        let step = gauss(self.system.clone(), gradient);
        let largest = step.iter().fold(1.0_f64, |most, d| most.max(d.abs()));
        for (&i, d) in chosen.iter().zip(step) {
            weights[i] = self.start[i] - d / largest;
        }
    }

    fn choose(&mut self, h: &[f64; DIMENSION], counts: &[f64; DIMENSION]) {
        let mut chosen: Vec<usize> = (0..DIMENSION).filter(|&i| counts[i] >= 5.0).collect();
        chosen.sort_by(|&a, &b| h[b].total_cmp(&h[a]));
        chosen.truncate(self.size);
        chosen.sort_unstable();
        let mut curvature = vec![vec![0.0; DIMENSION]; DIMENSION];
        for &i in &chosen {
            curvature[i][i] = h[i];
            for &j in &chosen {
                if self.chosen.contains(&i) && self.chosen.contains(&j) {
                    curvature[i][j] = self.curvature[i][j];
                }
            }
        }
        (self.chosen, self.curvature) = (chosen, curvature);
    }
}

/// The finalizer of `MurmurHash3`, without its last step, which leaves the high bits as they are.
fn murmur(mut key: u64) -> u64 {
    for factor in [0xff51_afd7_ed55_8ccd_u64, 0xc4ce_b9fe_1a85_ec53] {
        key ^= key >> 33;
        key = key.wrapping_mul(factor);
    }
    key
}

/// The bank of [`BankConfig`]'s documentation, member by member and with a plain matrix recursion.
fn bank_twin(config: &BankConfig, rows: &Rows) -> Vec<f64> {
    let members = config.members.clone();
    let newcomers: Vec<usize> = (0..members.len())
        .filter(|&k| members[k].newcomers)
        .collect();
    let terms = members.len() + newcomers.len() + 1;
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let share = 1.0 / members.len() as f64;
    let mut a = vec![0.0; terms];
    a[..members.len()].fill(share);
    let mut p = vec![vec![0.0; terms]; terms];
    for (k, row) in p.iter_mut().enumerate() {
        row[k] = if k + 1 < terms {
            config.prior_variance
        } else {
            config.bias_variance
        };
    }
    let mut weights = vec![[0.0_f64; DIMENSION]; members.len()];
    let (mut n, mut h, mut squares, mut counts) = (
        [0.0_f64; DIMENSION],
        [0.0_f64; DIMENSION],
        [0.0_f64; DIMENSION],
        [0.0_f64; DIMENSION],
    );
    let mut joint = JointTwin::new(config);
    let mut margins = Vec::new();
    let (l1, l2) = (f64::from(config.l1), f64::from(config.l2));
    for (event, (positions, values, label)) in (0_u64..).zip(rows) {
        let y = f64::from(u8::from(*label));
        let entries: Vec<(usize, f64)> = positions
            .iter()
            .map(|p| *p as usize)
            .zip(values.iter().map(|v| f64::from(*v)))
            .collect();
        let rms = |s: f64, c: f64| {
            if c > 0.0 {
                (s / c).sqrt().max(1.0)
            } else {
                1.0
            }
        };
        let mut phi = vec![0.0; terms];
        for &(i, v) in &entries {
            let x = v / rms(squares[i], counts[i]);
            for (k, w) in weights.iter().enumerate() {
                phi[k] += w[i] * x;
            }
            let share = f64::from(config.newness) / (f64::from(config.newness) + counts[i]);
            for (t, &k) in newcomers.iter().enumerate() {
                phi[members.len() + t] += weights[k][i] * x * share;
            }
        }
        phi[terms - 1] = 1.0;
        let margin: f64 = a.iter().zip(&phi).map(|(a, f)| a * f).sum();
        margins.push(margin);
        let probability = sigmoid(margin);
        let (g, curvature) = (probability - y, probability * (1.0 - probability));
        let drawn = (murmur(event) >> 40) as f64 / 2.0_f64.powi(24);
        let share = (g.abs() / 0.07).clamp(1.0 / 32.0, 1.0);
        let times = match (event < 8192, drawn < share) {
            (true, _) => 1.0,
            (false, true) => 1.0 / share,
            (false, false) => 0.0,
        };
        let mut present = [0.0; DIMENSION];
        // A block of sixteen with a position that has been in fewer than 3 counts the event once.
        let times_of_blocks: Vec<f64> = entries
            .chunks(16)
            .flat_map(|block| {
                let is_rare = block.iter().any(|&(i, _)| counts[i] < 3.0);
                vec![if is_rare { 1.0 } else { times }; block.len()]
            })
            .collect();
        for (&(i, v), times) in entries.iter().zip(times_of_blocks) {
            if times <= 0.0 {
                present[i] = v / rms(squares[i], counts[i]);
                continue;
            }
            squares[i] += v * v;
            counts[i] += 1.0;
            let x = v / rms(squares[i], counts[i]);
            present[i] = x;
            for (k, member) in members.iter().enumerate() {
                let eta = f64::from(member.learning_rate);
                let rate = match member.decay {
                    RateDecay::Root => eta / (1.0 + n[i].sqrt()),
                    RateDecay::Curvature => eta / (1.0 + eta * h[i]),
                    _ => eta,
                };
                let w = &mut weights[k][i];
                *w -= rate * times * (sigmoid(phi[k]) - y) * x;
                let rate = rate * times;
                *w = w.signum() * (w.abs() - rate * l1).max(0.0) / (1.0 + rate * l2);
            }
            n[i] += times * g * g * x * x;
            h[i] += times * curvature * x * x;
        }
        if let Some(joint) = &mut joint {
            let k = joint.member;
            let event = (sigmoid(phi[k]), times);
            joint.learn(&mut weights[k], &present, event, (&h, &counts));
        }
        let v: Vec<f64> = p
            .iter()
            .map(|row| row.iter().zip(&phi).map(|(c, f)| c * f).sum())
            .collect();
        let s: f64 = v.iter().zip(&phi).map(|(v, f)| v * f).sum();
        let (g, curvature) = (times * g, times * curvature);
        for (a, v) in a.iter_mut().zip(&v) {
            *a -= v * g / (1.0 + curvature * s);
        }
        for i in 0..terms {
            for j in 0..terms {
                p[i][j] = (p[i][j] - v[i] * v[j] * curvature / (1.0 + curvature * s))
                    / (1.0 - config.forgetting);
            }
        }
    }
    margins
}

#[test]
fn default_bank_is_the_documented_one() {
    let config = BankConfig::default();
    let twin = bank_twin(&config, &rows(1500));
    assert_close(&margins(OptimizerConfig::Bank(config), 1500), &twin);
}

/// Past the events of which each is learned by the stacker, with labels that are mostly foreseen.
#[test]
fn stacker_of_a_longer_stream_is_the_documented_one() {
    let config = BankConfig::default().members(vec![
        Member::new(0.05, RateDecay::None).with_newcomers(),
        Member::new(0.5, RateDecay::Curvature),
        Member::new(0.2, RateDecay::Root),
    ]);
    let rows = rows_with(9000, [2, 9]);
    let twin = bank_twin(&config, &rows);
    assert_close(&margins_of(OptimizerConfig::Bank(config), &rows), &twin);
}

#[test]
fn joint_steps_of_a_small_bank_are_the_documented_ones() {
    let config = BankConfig::default()
        .members(vec![
            Member::new(0.05, RateDecay::None),
            Member::new(2.0, RateDecay::Curvature).with_joint_steps(),
        ])
        .joint_positions(5);
    let twin = bank_twin(&config, &rows(2500));
    assert_close(&margins(OptimizerConfig::Bank(config), 2500), &twin);
}

#[test]
fn small_penalized_bank_is_the_documented_one() {
    let config = BankConfig::default()
        .members(vec![
            Member::new(0.5, RateDecay::Curvature).with_newcomers(),
            Member::new(0.2, RateDecay::Root),
            Member::new(0.05, RateDecay::None),
        ])
        .forgetting(1e-3)
        .l1(0.01)
        .l2(0.02);
    let twin = bank_twin(&config, &rows(1500));
    assert_close(&margins(OptimizerConfig::Bank(config), 1500), &twin);
}
