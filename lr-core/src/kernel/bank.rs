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
//! What differs by position but not by member (roots, divisions) is computed for a block of
//! features at a time; what differs by member is computed for all members of a position at once.

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

const BLOCK: usize = 16;

/// Pushes of the members, by how their rates fall; 0 in the lanes of other members.
#[derive(Debug, Clone, Copy, Default)]
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
    let mut scaled = [0.0_f32; BLOCK];
    let mut fresh = [0.0_f32; BLOCK];
    for (positions, values) in positions.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        for (((x, f), &position), &value) in
            scaled.iter_mut().zip(&mut fresh).zip(positions).zip(values)
        {
            let line = &lines[position as usize].0;
            *x = value + value * line[SHRINK];
            *f = line[COUNT];
        }
        for (x, f) in scaled.iter().zip(&mut fresh) {
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

/// What is computed by feature for a block of features.
#[derive(Debug, Clone, Copy)]
struct Block {
    value: [f32; BLOCK],
    n: [f32; BLOCK],
    h: [f32; BLOCK],
    squares: [f32; BLOCK],
    count: [f32; BLOCK],
    shrink: [f32; BLOCK],
    scaled: [f32; BLOCK],
    root: [f32; BLOCK],
    curvature: [[f32; BLOCK]; CURVATURES],
}

impl Block {
    const EMPTY: Self = Self {
        value: [0.0; BLOCK],
        n: [0.0; BLOCK],
        h: [0.0; BLOCK],
        squares: [0.0; BLOCK],
        count: [0.0; BLOCK],
        shrink: [0.0; BLOCK],
        scaled: [0.0; BLOCK],
        root: [0.0; BLOCK],
        curvature: [[0.0; BLOCK]; CURVATURES],
    };

    /// Fetches the numbers of up to a block of features; what is left over stays as it was.
    #[inline(always)]
    fn load(&mut self, lines: &[Line], positions: &[u32], values: &[f32]) {
        for (j, (&position, &value)) in positions.iter().zip(values).take(BLOCK).enumerate() {
            let line = &lines[position as usize].0;
            self.value[j] = value;
            self.n[j] = line[N];
            self.h[j] = line[H];
            self.squares[j] = line[SQUARES];
            self.count[j] = line[COUNT];
        }
    }

    /// Takes the event into the sums and computes the rates.
    #[inline(always)]
    fn advance(&mut self, update: &Update<'_>) {
        let mut large = false;
        for j in 0..BLOCK {
            // Halved together where f32 would soon stop counting; their ratio stays.
            let keep = if self.count[j] < MOST_COUNT { 1.0 } else { 0.5 };
            self.squares[j] = self.squares[j] * keep + self.value[j] * self.value[j];
            self.count[j] = self.count[j] * keep + 1.0;
            large |= self.squares[j] > self.count[j];
        }
        if large {
            for j in 0..BLOCK {
                // 1 / max(1, RMS), this event's value included: a first value is never large.
                let ratio = self.count[j] / self.squares[j].max(self.count[j]);
                self.shrink[j] = ratio.sqrt() - 1.0;
            }
        } else {
            self.shrink = [0.0; BLOCK];
        }
        for j in 0..BLOCK {
            let x = self.value[j] + self.value[j] * self.shrink[j];
            let xx = x * x;
            self.scaled[j] = x;
            self.n[j] = (self.n[j] + update.square * xx).min(MOST);
            self.h[j] = (self.h[j] + update.curvature * xx).min(MOST);
        }
        let [v0, v1, v2] = update.variances;
        for j in 0..BLOCK {
            // One division for four rates: 1/a = bcd / abcd. Each factor is at least 1 and the
            // product below 1e33, so neither overflows nor loses digits.
            let (a, b) = (1.0 + self.n[j].sqrt(), 1.0 + v0 * self.h[j]);
            let (c, d) = (1.0 + v1 * self.h[j], 1.0 + v2 * self.h[j]);
            let (ab, cd) = (a * b, c * d);
            let inverse = 1.0 / (ab * cd);
            let (inverse_ab, inverse_cd) = (inverse * cd, inverse * ab);
            self.root[j] = inverse_ab * b;
            self.curvature[0][j] = inverse_ab * a;
            self.curvature[1][j] = inverse_cd * d;
            self.curvature[2][j] = inverse_cd * c;
        }
    }
}

#[inline(always)]
fn update_body(lines: &mut [Line], positions: &[u32], values: &[f32], update: &Update<'_>) {
    let mut block = Block::EMPTY;
    let penalized = update.l1 > 0.0 || update.l2 > 0.0;
    for (positions, values) in positions.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        block.load(lines, positions, values);
        block.advance(update);
        for (j, &position) in positions.iter().enumerate() {
            let line = &mut lines[position as usize].0;
            let [c0, c1, c2] = [0, 1, 2].map(|k| block.curvature[k][j]);
            let (x, root) = (block.scaled[j], block.root[j]);
            let Pushes {
                constant,
                root: by_root,
                curvature: [p0, p1, p2],
            } = &update.pushes;
            for lane in 0..LINE {
                let adaptive = constant[lane] + by_root[lane] * root;
                let curved = (p0[lane] * c0 + p1[lane] * c1) + p2[lane] * c2;
                line[lane] -= (adaptive + curved) * x;
            }
            if penalized {
                penalize(line, update, root, [c0, c1, c2]);
            }
            line[SHRINK] = block.shrink[j];
            line[N] = block.n[j];
            line[H] = block.h[j];
            line[SQUARES] = block.squares[j];
            line[COUNT] = block.count[j];
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
    let mut block = Block::EMPTY;
    for (positions, values) in positions.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        block.load(lines, positions, values);
        block.advance(update);
        for j in 0..positions.len() {
            let x = f64::from(block.scaled[j]);
            let [c0, c1, c2] = [0, 1, 2].map(|k| block.curvature[k][j]);
            let Pushes {
                constant,
                root,
                curvature: [k0, k1, k2],
            } = &update.kinds;
            for lane in 0..LINE {
                let adaptive = constant[lane] + root[lane] * block.root[j];
                let curved = (k0[lane] * c0 + k1[lane] * c1) + k2[lane] * c2;
                sums[lane] += f64::from(adaptive + curved) * (x * x);
            }
        }
    }
    sums
}

/// The proximal step of `λ₁ |w| + λ₂ w² / 2`: a soft threshold, then a shrinkage.
#[inline(always)]
fn penalize(line: &mut [f32; LINE], update: &Update<'_>, root: f32, curved: [f32; CURVATURES]) {
    let Pushes {
        constant,
        root: by_root,
        curvature: [k0, k1, k2],
    } = &update.kinds;
    for lane in 0..MEMBERS {
        let adaptive = constant[lane] + by_root[lane] * root;
        let curved = (k0[lane] * curved[0] + k1[lane] * curved[1]) + k2[lane] * curved[2];
        let rate = update.rates[lane] * (adaptive + curved);
        let size = (line[lane].abs() - rate * update.l1).max(0.0) / (1.0 + rate * update.l2);
        line[lane] = size.copysign(line[lane]);
    }
}
