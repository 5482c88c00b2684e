//! The bank's step: margins of every member, then an update of every member.
//!
//! A position's numbers fill one cache line of sixteen `f32`, so a step touches a line to read it
//! and the same line to write it:
//!
//! ```text
//! 0 … 10   weights of the members, in units of the scaled value
//! 11       1 / max(1, RMS of the values so far) − 1
//! 12       n = Σ i g²           squared gradients of the stacked prediction
//! 13       h = Σ i p (1 − p) x² curvature of the stacked prediction
//! 14       Σ v²                 squared values
//! 15       count of events
//! ```
//!
//! What differs by position but not by member (a root, a division) is computed for sixteen features
//! at a time; what differs by member is computed for all members of a position at once.

use super::{Checked, dispatch, exp::complement_sigmoid, prefetch};

/// Numbers kept a position.
pub(crate) const LINE: usize = 16;
/// Members a line has room for.
pub(crate) const MEMBERS: usize = 11;
/// Different curvature members.
pub(crate) const CURVATURES: usize = 3;
pub(crate) const SHRINK: usize = 11;
pub(crate) const N: usize = 12;
pub(crate) const H: usize = 13;
pub(crate) const SQUARES: usize = 14;
pub(crate) const COUNT: usize = 15;

/// Largest sum kept: far above what `f32` still adds to, and low enough that products of rates
/// stay finite.
const MOST: f32 = 1e9;

/// Count at which count and squares are halved: 2²³.
const MOST_COUNT: f32 = 8_388_608.0;

/// What is kept for one position.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [f32; LINE]);

/// Margins of a row by member, as a whole and of the share of newcomers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Margins {
    pub(crate) whole: [f32; LINE],
    pub(crate) newcomers: [f32; LINE],
}

/// Features whose rates are computed at once.
const BLOCK: usize = 16;

/// Pushes of the members, by how their rates fall; 0 in the lanes of other members.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(crate) struct Pushes {
    pub(crate) constant: [f32; LINE],
    pub(crate) root: [f32; LINE],
    pub(crate) curvature: [[f32; LINE]; CURVATURES],
}

/// What an update needs beside the lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    pub(crate) pushes: Pushes,
    /// Prior variances of the curvature members; 0 where there are fewer.
    pub(crate) variances: [f32; CURVATURES],
    /// Importance times squared gradient, and importance times curvature, of the stack.
    pub(crate) square: f32,
    pub(crate) curvature: f32,
    /// What a unit of the decayed sums counts now.
    pub(crate) evidence: f32,
    /// λ₁ and λ₂ times importance.
    pub(crate) l1: f32,
    pub(crate) l2: f32,
    /// Learning rates, for the penalties.
    pub(crate) rates: &'a [f32; LINE],
    /// Which members are of which kind: 1 or 0.
    pub(crate) kinds: &'a Pushes,
}

/// Computes the margins of a row.
pub(crate) fn margins(
    kernel: Checked,
    lines: &[Line],
    positions: &[u32],
    values: &[f32],
    newness: f32,
) -> Margins {
    dispatch!(
        kernel,
        margins_body,
        (lines: &[Line], positions: &[u32], values: &[f32], newness: f32) -> Margins
    )
}

/// Updates the lines of a row.
pub(crate) fn update(
    kernel: Checked,
    lines: &mut [Line],
    positions: &[u32],
    values: &[f32],
    update: &Update<'_>,
) {
    dispatch!(
        kernel,
        update_body,
        (lines: &mut [Line], positions: &[u32], values: &[f32], update: &Update<'_>)
    );
}

/// Asks for the lines of a row that comes soon.
#[inline(always)]
pub(crate) fn prefetch_row(lines: &[Line], positions: &[u32]) {
    for &position in positions {
        if let Some(line) = lines.get(position as usize) {
            prefetch(line);
        }
    }
}

/// Computes every member's gradient size `1 / (1 + e^agreement)`.
pub(crate) fn gradients(kernel: Checked, agreements: &[f32; LINE]) -> [f32; LINE] {
    dispatch!(kernel, gradients_body, (agreements: &[f32; LINE]) -> [f32; LINE])
}

#[inline(always)]
fn gradients_body(agreements: &[f32; LINE]) -> [f32; LINE] {
    let mut sizes = [0.0; LINE];
    for lane in 0..LINE {
        sizes[lane] = complement_sigmoid(agreements[lane]);
    }
    sizes
}

/// Feature `j` is added to chain `j mod 2`; the chains are added at the end.
#[inline(always)]
fn margins_body(lines: &[Line], positions: &[u32], values: &[f32], newness: f32) -> Margins {
    let (mut even, mut odd) = ([0.0_f32; LINE], [0.0_f32; LINE]);
    let (mut new_even, mut new_odd) = ([0.0_f32; LINE], [0.0_f32; LINE]);
    let (mut scaled, mut fresh) = (ZERO, ZERO);
    let (scaled, fresh) = (&mut scaled.0, &mut fresh.0);
    for (positions, values) in positions.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        for (((x, f), &position), &value) in scaled
            .iter_mut()
            .zip(fresh.iter_mut())
            .zip(positions)
            .zip(values)
        {
            let line = &lines[position as usize].0;
            *x = value + value * line[SHRINK];
            *f = line[COUNT];
        }
        for (x, f) in scaled.iter().zip(fresh.iter_mut()) {
            *f = x * (newness / (newness + *f));
        }
        let (pairs, rest) = positions.as_chunks::<2>();
        for (j, &[p, q]) in pairs.iter().enumerate() {
            let (a, b) = (&lines[p as usize].0, &lines[q as usize].0);
            let (ax, bx) = (scaled[(2 * j) % BLOCK], scaled[(2 * j + 1) % BLOCK]);
            let (af, bf) = (fresh[(2 * j) % BLOCK], fresh[(2 * j + 1) % BLOCK]);
            for lane in 0..LINE {
                even[lane] += a[lane] * ax;
                odd[lane] += b[lane] * bx;
                new_even[lane] += a[lane] * af;
                new_odd[lane] += b[lane] * bf;
            }
        }
        if let &[p] = rest {
            let a = &lines[p as usize].0;
            let (ax, af) = (scaled[positions.len() - 1], fresh[positions.len() - 1]);
            for lane in 0..LINE {
                even[lane] += a[lane] * ax;
                new_even[lane] += a[lane] * af;
            }
        }
    }
    let mut sums = Margins::default();
    for lane in 0..LINE {
        sums.whole[lane] = even[lane] + odd[lane];
        sums.newcomers[lane] = new_even[lane] + new_odd[lane];
    }
    sums
}

/// One number a feature of a block; aligned, so that no vector straddles two cache lines.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Lanes([f32; BLOCK]);

const ZERO: Lanes = Lanes([0.0; BLOCK]);

/// What the steps of a block of features need, the same for all members.
#[derive(Debug, Clone, Copy)]
struct Block {
    scaled: Lanes,
    root: Lanes,
    curvature: [Lanes; CURVATURES],
    shrink: Lanes,
    /// n, h, Σ v² and count, this event included.
    sums: [Lanes; 4],
}

impl Block {
    /// Takes the event into the sums of up to sixteen features and computes their rates.
    #[inline(always)]
    fn new(lines: &[Line], positions: &[u32], values: &[f32], update: &Update<'_>) -> Self {
        let mut value = ZERO;
        let mut sums = [ZERO; 4];
        for j in 0..positions.len().min(values.len()).min(BLOCK) {
            let line = &lines[positions[j] as usize].0;
            value.0[j] = values[j];
            sums[0].0[j] = line[N];
            sums[1].0[j] = line[H];
            sums[2].0[j] = line[SQUARES];
            sums[3].0[j] = line[COUNT];
        }
        advance(&value, &sums, update)
    }

    /// The rate of each kind of member, in the lanes of that kind.
    #[inline(always)]
    fn rates(&self, j: usize, lanes: &Pushes) -> [f32; LINE] {
        let Pushes {
            constant,
            root,
            curvature: [p0, p1, p2],
        } = lanes;
        let [c0, c1, c2] = &self.curvature;
        let (c0, c1, c2, r) = (c0.0[j], c1.0[j], c2.0[j], self.root.0[j]);
        let mut rates = [0.0; LINE];
        for lane in 0..LINE {
            let adaptive = constant[lane] + root[lane] * r;
            let curved = (p0[lane] * c0 + p1[lane] * c1) + p2[lane] * c2;
            rates[lane] = adaptive + curved;
        }
        rates
    }
}

#[inline(always)]
fn advance(value: &Lanes, sums: &[Lanes; 4], update: &Update<'_>) -> Block {
    let [mut n, mut h, mut squares, mut count] = *sums;
    let mut large = 0_u32;
    for j in 0..BLOCK {
        // Halved together where f32 would soon stop counting; their ratio stays.
        let keep = if count.0[j] < MOST_COUNT { 1.0 } else { 0.5 };
        squares.0[j] = squares.0[j] * keep + value.0[j] * value.0[j];
        count.0[j] = count.0[j] * keep + 1.0;
        large |= u32::from(squares.0[j] > count.0[j]);
    }
    let mut shrink = ZERO;
    if large != 0 {
        for j in 0..BLOCK {
            // 1 / max(1, RMS), this event's value included: a first value is never large.
            let floor = if squares.0[j] > count.0[j] {
                squares.0[j]
            } else {
                count.0[j]
            };
            shrink.0[j] = (count.0[j] / floor).sqrt() - 1.0;
        }
    }
    let mut scaled = ZERO;
    let (mut root, mut curvature) = (ZERO, [ZERO; CURVATURES]);
    let [v0, v1, v2] = update.variances;
    for j in 0..BLOCK {
        let x = value.0[j] + value.0[j] * shrink.0[j];
        let xx = x * x;
        scaled.0[j] = x;
        let (more_n, more_h) = (n.0[j] + update.square * xx, h.0[j] + update.curvature * xx);
        n.0[j] = if more_n < MOST { more_n } else { MOST };
        h.0[j] = if more_h < MOST { more_h } else { MOST };
        // One division for four rates: 1/a = bcd / abcd. Each factor is at least 1 and the product
        // below 1e37, so neither overflows nor loses digits.
        let (now_n, now_h) = (n.0[j] * update.evidence, h.0[j] * update.evidence);
        let (a, b) = (1.0 + now_n.sqrt(), 1.0 + v0 * now_h);
        let (c, d) = (1.0 + v1 * now_h, 1.0 + v2 * now_h);
        let (ab, cd) = (a * b, c * d);
        let inverse = 1.0 / (ab * cd);
        let (inverse_ab, inverse_cd) = (inverse * cd, inverse * ab);
        root.0[j] = inverse_ab * b;
        curvature[0].0[j] = inverse_ab * a;
        curvature[1].0[j] = inverse_cd * d;
        curvature[2].0[j] = inverse_cd * c;
    }
    Block {
        scaled,
        root,
        curvature,
        shrink,
        sums: [n, h, squares, count],
    }
}

#[inline(always)]
fn update_body(lines: &mut [Line], positions: &[u32], values: &[f32], update: &Update<'_>) {
    let penalized = update.l1 > 0.0 || update.l2 > 0.0;
    for (positions, values) in positions.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        let block = Block::new(lines, positions, values, update);
        for (j, &position) in positions.iter().enumerate() {
            let line = &mut lines[position as usize].0;
            let steps = block.rates(j, &update.pushes);
            // All sixteen lanes: the pushes of those that are not members are 0.
            for lane in 0..LINE {
                line[lane] -= steps[lane] * block.scaled.0[j];
            }
        }
        if penalized {
            for (j, &position) in positions.iter().enumerate() {
                let line = &mut lines[position as usize].0;
                penalize(line, update, &block.rates(j, update.kinds));
            }
        }
        for (j, &position) in positions.iter().enumerate() {
            let line = &mut lines[position as usize].0;
            line[SHRINK] = block.shrink.0[j];
            line[N] = block.sums[0].0[j];
            line[H] = block.sums[1].0[j];
            line[SQUARES] = block.sums[2].0[j];
            line[COUNT] = block.sums[3].0[j];
        }
    }
}

/// Returns `Σ rateₖᵢ x̂ᵢ²` by member, without the members' learning rates: how far the margin of a
/// member moves for a unit of push. Only important examples need it.
pub(crate) fn reaches(
    lines: &[Line],
    positions: &[u32],
    values: &[f32],
    update: &Update<'_>,
) -> [f64; LINE] {
    let mut sums = [0.0_f64; LINE];
    for (positions, values) in positions.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        let block = Block::new(lines, positions, values, update);
        for j in 0..positions.len() {
            let x = f64::from(block.scaled.0[j]);
            for (sum, rate) in sums.iter_mut().zip(block.rates(j, update.kinds)) {
                *sum += f64::from(rate) * (x * x);
            }
        }
    }
    sums
}

/// The proximal step of `λ₁ |w| + λ₂ w² / 2`: a soft threshold, then a shrinkage.
#[inline(always)]
fn penalize(line: &mut [f32; LINE], update: &Update<'_>, rates: &[f32; LINE]) {
    for lane in 0..MEMBERS {
        let rate = update.rates[lane] * rates[lane];
        let size = (line[lane].abs() - rate * update.l1).max(0.0) / (1.0 + rate * update.l2);
        line[lane] = size.copysign(line[lane]);
    }
}
