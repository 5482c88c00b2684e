//! The bank's step in plain Rust, over fixed arrays that a compiler can turn into any vectors.

use super::{
    super::{Stack, draw, exp::one_plus_exp},
    BLOCK, COUNT, CURVATURES, H, Kinds, LINE, Lanes, Line, Look, MEMBERS, N, Plan, ROOM, SHARE,
    TERMS, ZERO,
};
use crate::{row::Ordered, rules::Lesson, single::invariant_push};

/// Largest sum kept: far above what `f32` still adds to, and low enough that products of rates
/// stay finite.
pub(super) const MOST: f32 = 1e9;

/// Count at which count and room are halved: 2²³.
pub(super) const MOST_COUNT: f32 = 8_388_608.0;

/// Feature `j` is added to chain `j mod 2`; the chains are added at the end. Of a line only the
/// numbers before n are read as vectors: what was just stored one by one is read one by one.
#[inline(always)]
pub(super) fn look(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &Stack,
    look: &mut Look,
) -> f64 {
    let (mut even, mut odd) = ([0.0_f32; LINE], [0.0_f32; LINE]);
    let (mut new_even, mut new_odd) = ([0.0_f32; LINE], [0.0_f32; LINE]);
    let (mut scaled, mut fresh) = (ZERO, ZERO);
    let (scaled, fresh) = (&mut scaled.0, &mut fresh.0);
    let blocks = row.positions().chunks(BLOCK);
    for (positions, values) in blocks.zip(row.values().chunks(BLOCK)) {
        for (((x, f), &position), &value) in scaled
            .iter_mut()
            .zip(fresh.iter_mut())
            .zip(positions)
            .zip(values)
        {
            let line = &lines[position as usize];
            *x = value + value * line.shrink();
            *f = *x * line.0[SHARE];
        }
        let (pairs, rest) = positions.as_chunks::<2>();
        for (j, &[p, q]) in pairs.iter().enumerate() {
            let (a, b) = (&lines[p as usize].0, &lines[q as usize].0);
            let (ax, bx) = (scaled[(2 * j) % BLOCK], scaled[(2 * j + 1) % BLOCK]);
            let (af, bf) = (fresh[(2 * j) % BLOCK], fresh[(2 * j + 1) % BLOCK]);
            for lane in 0..N {
                even[lane] += a[lane] * ax;
                odd[lane] += b[lane] * bx;
                new_even[lane] += a[lane] * af;
                new_odd[lane] += b[lane] * bf;
            }
        }
        if let &[p] = rest {
            let a = &lines[p as usize].0;
            let (ax, af) = (scaled[positions.len() - 1], fresh[positions.len() - 1]);
            for lane in 0..N {
                even[lane] += a[lane] * ax;
                new_even[lane] += a[lane] * af;
            }
        }
    }
    let (mut whole, mut new) = ([0.0; LINE], [0.0; LINE]);
    for lane in 0..LINE {
        whole[lane] = even[lane] + odd[lane];
        new[lane] = new_even[lane] + new_odd[lane];
    }
    look.whole.0 = whole;
    let sources = &plan.sources;
    for (k, term) in look.terms.iter_mut().enumerate() {
        let is_in = |mask: u16| mask >> k & 1 == 1;
        let margin = if is_in(sources.members) {
            whole[k]
        } else if is_in(sources.newcomers) {
            new[sources.lane[k] as usize % LINE]
        } else {
            0.0
        };
        *term = f64::from(margin);
    }
    look.terms[TERMS - 1] = 1.0;
    stack.margin(&look.terms)
}

/// How an event steps the lines, the same for all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    /// Size of the gradient of the stack.
    pub(super) size: f32,
    /// Importance times squared gradient, and importance times curvature, of the stack, in the
    /// units of the decayed sums.
    pub(super) square: f32,
    pub(super) curvature: f32,
    /// What a unit of the decayed sums counts now.
    pub(super) evidence: f32,
    /// Importance times gradient, and importance times curvature, for the stacker.
    pub(super) slope: f64,
    pub(super) bend: f64,
}

impl Lanes {
    fn times(&self, factor: f32) -> Self {
        Self(self.0.map(|number| number * factor))
    }
}

/// Takes the gradients of the members and of the stack, `±1 / (1 + e^agreement)`, each at its own
/// margin. The first of the two is by how much each member is pushed, its learning rate included; 0
/// in other lanes.
#[inline(always)]
fn update_of(plan: &Plan, look: &Look, lesson: &Lesson, margin: f64) -> (Lanes, Update) {
    let mut margins = look.whole;
    // In the last lane, which is no member's, the stack; so one exponential serves all.
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    let stacked = margin as f32;
    margins.0[LINE - 1] = stacked;
    let mut inverse_sizes = ZERO;
    for lane in 0..LINE {
        inverse_sizes.0[lane] = one_plus_exp(-lesson.sign() * margins.0[lane]);
    }
    let signed = lesson.importance * lesson.sign();
    let mut pushes = ZERO;
    for lane in 0..LINE {
        let push = (plan.rates.0[lane] * signed) / inverse_sizes.0[lane];
        // A lane without a rate is no member: its margin may be anything.
        pushes.0[lane] = if plan.rates.0[lane] > 0.0 { push } else { 0.0 };
    }
    (pushes, Update::new(1.0 / inverse_sizes.0[LINE - 1], lesson))
}

impl Update {
    /// What an event of the lesson adds to the decayed sums for a square of 1.
    #[inline(always)]
    pub(super) fn units(lesson: &Lesson) -> f32 {
        lesson.importance * lesson.decay.gain
    }

    /// What an event that counts so many times adds to the decayed sums.
    #[inline(always)]
    pub(super) fn times(&self, times: f32) -> Self {
        Self {
            square: self.square * times,
            curvature: self.curvature * times,
            ..*self
        }
    }

    /// `size`: that of the gradient of the stack.
    #[inline(always)]
    pub(super) fn new(size: f32, lesson: &Lesson) -> Self {
        let importance = lesson.importance;
        let curvature = size * (1.0 - size);
        let units = Self::units(lesson);
        Self {
            size,
            square: units * (size * size),
            curvature: units * curvature,
            evidence: lesson.decay.evidence,
            slope: f64::from(importance) * f64::from(lesson.sign() * size),
            bend: f64::from(importance) * f64::from(curvature),
        }
    }
}

/// Returns how often the event counted.
#[inline(always)]
pub(super) fn learn(
    lines: &mut [Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &mut Stack,
    look: &mut Look,
    lesson: &Lesson,
    margin: f64,
) -> f32 {
    let (mut pushes, update) = update_of(plan, look, lesson, margin);
    look.pushes = pushes;
    if lesson.importance > 1.0 {
        pushes = shorten(lines, row, plan, look, lesson, &update);
    }
    let times = draw::times(lesson, update.size);
    stack.learn(&look.terms, f64::from(times), update.slope, update.bend);
    step(lines, row, plan, &pushes, &update, lesson.importance, times);
    times
}

/// Returns the pushes of an important example by the gradient flow, so that no member overshoots.
#[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
fn shorten(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    look: &Look,
    lesson: &Lesson,
    update: &Update,
) -> Lanes {
    let reaches = reaches(lines, row, plan, update);
    let mut pushes = ZERO;
    for (lane, reach) in reaches.into_iter().enumerate().take(plan.members) {
        let rate = f64::from(plan.rates.0[lane]);
        let push = invariant_push(
            f64::from(look.whole.0[lane]),
            lesson.label,
            f64::from(lesson.importance),
            rate * reach,
        );
        pushes.0[lane] = (rate * push) as f32;
    }
    pushes
}

/// Sums of a block of features, one lane a feature: n, h, room and count.
#[derive(Debug, Clone, Copy)]
struct Sums([Lanes; 4]);

/// What the steps of a block of features need, the same for all members.
#[derive(Debug, Clone, Copy)]
struct Block {
    scaled: Lanes,
    /// Rates that fall with the root of n, then with the curvature under each prior variance.
    falling: [Lanes; 1 + CURVATURES],
    /// This event included, as are the sums.
    share: Lanes,
    sums: Sums,
}

/// Takes the event into the sums of up to sixteen features and computes their rates.
#[inline(always)]
fn block(lines: &[Line], positions: &[u32], values: &[f32], plan: &Plan, update: &Update) -> Block {
    let mut value = ZERO;
    let mut sums = [ZERO; 4];
    for j in 0..positions.len().min(values.len()).min(BLOCK) {
        let line = &lines[positions[j] as usize].0;
        value.0[j] = values[j];
        sums[0].0[j] = line[N];
        sums[1].0[j] = line[H];
        sums[2].0[j] = line[ROOM];
        sums[3].0[j] = line[COUNT];
    }
    advance(&value, &Sums(sums), plan, update)
}

#[inline(always)]
fn advance(value: &Lanes, sums: &Sums, plan: &Plan, update: &Update) -> Block {
    let [mut n, mut h, mut room, mut count] = sums.0;
    let mut large = false;
    for j in 0..BLOCK {
        // Halved together where f32 would soon stop counting; their ratio stays.
        let keep = if count.0[j] < MOST_COUNT { 1.0 } else { 0.5 };
        room.0[j] = room.0[j] * keep + (1.0 - value.0[j] * value.0[j]);
        count.0[j] = count.0[j] * keep + 1.0;
        large |= room.0[j] < 0.0;
    }
    let mut shrink = ZERO;
    if large {
        for j in 0..BLOCK {
            // 1 / max(1, RMS), this event's value included: a first value is never large.
            let least = if room.0[j] < 0.0 { room.0[j] } else { 0.0 };
            shrink.0[j] = (count.0[j] / (count.0[j] - least)).sqrt() - 1.0;
        }
    }
    let mut share = ZERO;
    let mut scaled = ZERO;
    let [mut root, mut c0, mut c1, mut c2] = [ZERO; 1 + CURVATURES];
    let [v0, v1, v2] = plan.variances;
    for j in 0..BLOCK {
        let x = value.0[j] + value.0[j] * shrink.0[j];
        let xx = x * x;
        scaled.0[j] = x;
        share.0[j] = plan.newness / (plan.newness + count.0[j]);
        // Before this event's own gradient, so that nobody waits for the margin to know a rate.
        let (now_n, now_h) = (n.0[j] * update.evidence, h.0[j] * update.evidence);
        let (more_n, more_h) = (n.0[j] + update.square * xx, h.0[j] + update.curvature * xx);
        n.0[j] = if more_n < MOST { more_n } else { MOST };
        h.0[j] = if more_h < MOST { more_h } else { MOST };
        // One division for four rates: 1/a = bcd / abcd. Each factor is at least 1 and the product
        // below 1e37, so neither overflows nor loses digits.
        let (a, b) = (1.0 + now_n.sqrt(), 1.0 + v0 * now_h);
        let (c, d) = (1.0 + v1 * now_h, 1.0 + v2 * now_h);
        let (ab, cd) = (a * b, c * d);
        let inverse = 1.0 / (ab * cd);
        let (inverse_ab, inverse_cd) = (inverse * cd, inverse * ab);
        root.0[j] = inverse_ab * b;
        c0.0[j] = inverse_ab * a;
        c1.0[j] = inverse_cd * d;
        c2.0[j] = inverse_cd * c;
    }
    Block {
        scaled,
        falling: [root, c0, c1, c2],
        share,
        sums: Sums([n, h, room, count]),
    }
}

impl Block {
    /// The rate of each lane of feature `j`, by selecting bits: 1, or one of those that fall.
    #[inline(always)]
    fn rates(&self, j: usize, kinds: &Kinds) -> [f32; LINE] {
        let Kinds {
            constant,
            falling: [k0, k1, k2, k3],
            ..
        } = kinds;
        let [r0, r1, r2, r3] = self.falling.each_ref().map(|rate| rate.0[j].to_bits());
        let one = 1.0_f32.to_bits();
        let mut rates = [0.0; LINE];
        for lane in 0..LINE {
            let slow = (one & constant[lane]) | (r0 & k0[lane]);
            let curved = ((r1 & k1[lane]) | (r2 & k2[lane])) | (r3 & k3[lane]);
            rates[lane] = f32::from_bits(slow | curved);
        }
        rates
    }
}

/// Steps the lines of a row, those of a block of frequent positions by an event that counts so many
/// `times`, the others by one that counts once.
#[inline(always)]
fn step(
    lines: &mut [Line],
    row: &Ordered<'_>,
    plan: &Plan,
    pushes: &Lanes,
    update: &Update,
    importance: f32,
    times: f32,
) {
    let (often, update_often) = (pushes.times(times), update.times(times));
    let blocks = row.positions().chunks(BLOCK);
    for (positions, values) in blocks.zip(row.values().chunks(BLOCK)) {
        let count = |&position: &u32| lines[position as usize].0[COUNT];
        let is_rare = positions.iter().any(|p| count(p) < draw::FREQUENT);
        let (pushes, update, times) = if is_rare {
            (pushes, update, 1.0)
        } else {
            (&often, &update_often, times)
        };
        if times <= 0.0 {
            continue;
        }
        let (l1, l2) = (plan.l1 * importance * times, plan.l2 * importance * times);
        let block = block(lines, positions, values, plan, update);
        for (j, &position) in positions.iter().enumerate() {
            let line = &mut lines[position as usize].0;
            let rates = block.rates(j, &plan.kinds);
            let x = block.scaled.0[j];
            // Whole vectors: the pushes of lanes that are not members are 0.
            for lane in 0..N {
                line[lane] -= pushes.0[lane] * (rates[lane] * x);
            }
            if l1 > 0.0 || l2 > 0.0 {
                penalize(line, &plan.rates, &rates, l1, l2);
            }
            for (number, sum) in line[N..].iter_mut().zip(&block.sums.0) {
                *number = sum.0[j];
            }
            line[SHARE] = block.share.0[j];
        }
    }
}

/// Returns `Σ rateₖᵢ x̂ᵢ²` by member, without the members' learning rates: how far the margin of a
/// member moves for a unit of push. Only important examples need it.
fn reaches(lines: &[Line], row: &Ordered<'_>, plan: &Plan, update: &Update) -> [f64; LINE] {
    let mut sums = [0.0_f64; LINE];
    let blocks = row.positions().chunks(BLOCK);
    for (positions, values) in blocks.zip(row.values().chunks(BLOCK)) {
        let block = block(lines, positions, values, plan, update);
        for j in 0..positions.len() {
            let x = f64::from(block.scaled.0[j]);
            for (sum, rate) in sums.iter_mut().zip(block.rates(j, &plan.kinds)) {
                *sum += f64::from(rate) * (x * x);
            }
        }
    }
    sums
}

/// The proximal step of `λ₁ |w| + λ₂ w² / 2`: a soft threshold, then a shrinkage.
#[inline(always)]
fn penalize(line: &mut [f32; LINE], etas: &Lanes, rates: &[f32; LINE], l1: f32, l2: f32) {
    for lane in 0..MEMBERS {
        let rate = etas.0[lane] * rates[lane];
        let size = (line[lane].abs() - rate * l1).max(0.0) / (1.0 + rate * l2);
        line[lane] = size.copysign(line[lane]);
    }
}
