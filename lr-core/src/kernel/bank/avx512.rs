//! How lines travel between memory and AVX-512 registers.
//!
//! The last four numbers of sixteen lines (sixteen features, four sums) are loaded four lines to a
//! register and turned with eight shuffles, so that each register holds one sum of sixteen
//! features; the rates and the new sums go back the same way. A line is loaded once and stored
//! once, whole.

use std::arch::x86_64::{
    __m512, _CMP_GT_OQ, _CMP_NLT_UQ, _mm512_add_epi32, _mm512_add_ps, _mm512_castps512_ps256,
    _mm512_cmp_ps_mask, _mm512_cvtps_pd, _mm512_div_ps, _mm512_extractf32x8_ps, _mm512_load_epi32,
    _mm512_load_ps, _mm512_mask_mov_ps, _mm512_mask_permutexvar_ps, _mm512_mask_shuffle_f32x4,
    _mm512_maskz_loadu_ps, _mm512_maskz_mul_ps, _mm512_maskz_permutex2var_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_sqrt_ps,
    _mm512_store_ps, _mm512_sub_ps,
};

use super::{
    super::{
        Stack,
        avx512::{Padded, Positions, fours, turn},
        first,
        stack::avx512 as matrix,
    },
    BLOCK, LINE, Lanes, Line, Look, N, Plan, SHRINK, TERMS, ZERO,
    plain::{self, Update},
};
use crate::{row::Ordered, rules::Lesson};

/// Loads the sums of sixteen features, one register a sum.
///
/// # Safety
///
/// Every position is below the number of lines.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
unsafe fn sums(lines: *const Line, positions: impl Positions) -> [__m512; 4] {
    // SAFETY: the positions are those of lines; numbers 12 to 15 of a line are aligned to 16.
    unsafe {
        fours(positions, |position| {
            lines.add(position).cast::<f32>().add(N).cast()
        })
    }
}

/// # Safety
///
/// Every position of the row is below the number of lines.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn observe(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &Stack,
    look: &mut Look,
) -> f64 {
    let blocks = row.positions().len().div_ceil(BLOCK);
    if look.sums.len() < blocks {
        look.sums.resize(blocks, [ZERO; 4]);
    }
    // SAFETY: as required of the caller.
    let margin = unsafe { terms::<true>(lines, row, plan, stack, look) };
    let gain = matrix::gain(&stack.covariance, &look.terms);
    matrix::store(&mut look.gain, gain);
    margin
}

/// Sums of lines: of the members, and of the members' shares of newcomers.
#[derive(Clone, Copy)]
struct Chain {
    whole: __m512,
    new: __m512,
}

impl Chain {
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
    fn add(&mut self, line: __m512, x: f32, share: f32) {
        self.whole = _mm512_add_ps(self.whole, _mm512_mul_ps(line, _mm512_set1_ps(x)));
        self.new = _mm512_add_ps(self.new, _mm512_mul_ps(line, _mm512_set1_ps(share)));
    }
}

/// Computes margin and terms. To keep the sums, there must be a block for every sixteen features.
///
/// # Safety
///
/// Every position of the row is below the number of lines.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn terms<const KEEP: bool>(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &Stack,
    look: &mut Look,
) -> f64 {
    let zero = Chain {
        whole: _mm512_setzero_ps(),
        new: _mm512_setzero_ps(),
    };
    let (mut even, mut odd) = (zero, zero);
    let lines = lines.as_ptr();
    // SAFETY: the position is that of a line, which is aligned.
    let line = |position: u32| unsafe { _mm512_load_ps(lines.add(position as usize).cast()) };
    let (mut scaled, mut fresh) = (ZERO, ZERO);
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, rest_values) = row.values().as_chunks::<BLOCK>();
    let mut kept = look.sums.iter_mut();
    let mut keep = |sums: [__m512; 4]| {
        if let (true, Some(kept)) = (KEEP, kept.next()) {
            for (lanes, sum) in kept.iter_mut().zip(sums) {
                // SAFETY: `Lanes` are aligned.
                unsafe { _mm512_store_ps(lanes.0.as_mut_ptr(), sum) };
            }
        }
    };
    for (positions, values) in blocks.iter().zip(value_blocks) {
        // SAFETY: as required of the caller.
        keep(unsafe { scale(lines, positions, values, plan, &mut scaled, &mut fresh) });
        for pair in 0..BLOCK / 2 {
            let (j, k) = (2 * pair, 2 * pair + 1);
            even.add(line(positions[j]), scaled.0[j], fresh.0[j]);
            odd.add(line(positions[k]), scaled.0[k], fresh.0[k]);
        }
    }
    if !rest.is_empty() {
        let positions = Padded::new(rest);
        // SAFETY: as required of the caller.
        keep(unsafe {
            scale(
                lines,
                &positions,
                rest_values,
                plan,
                &mut scaled,
                &mut fresh,
            )
        });
        let (pairs, last) = rest.as_chunks::<2>();
        let (scaled_pairs, _) = scaled.0.as_chunks::<2>();
        let (fresh_pairs, _) = fresh.0.as_chunks::<2>();
        for ((&[p, q], &[x, y]), &[f, g]) in pairs.iter().zip(scaled_pairs).zip(fresh_pairs) {
            even.add(line(p), x, f);
            odd.add(line(q), y, g);
        }
        if let &[p] = last {
            let j = rest.len() - 1;
            even.add(line(p), scaled.0[j % BLOCK], fresh.0[j % BLOCK]);
        }
    }
    let whole = _mm512_add_ps(even.whole, odd.whole);
    let new = _mm512_add_ps(even.new, odd.new);
    let sources = &plan.sources;
    // SAFETY: both arrays fill a register and are aligned.
    let lanes = unsafe {
        _mm512_store_ps(look.whole.0.as_mut_ptr(), whole);
        _mm512_load_epi32(sources.lane.as_ptr().cast())
    };
    let terms = _mm512_maskz_permutex2var_ps(sources.mask, whole, lanes, new);
    let terms = _mm512_mask_mov_ps(terms, 1 << (TERMS - 1), _mm512_set1_ps(1.0));
    let terms = [
        _mm512_cvtps_pd(_mm512_castps512_ps256(terms)),
        _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(terms)),
    ];
    matrix::store(&mut look.terms, terms);
    matrix::dot(matrix::load(&stack.mean), terms)
}

/// Scales the values of a block, and weighs them by how new their positions are; returns the sums of
/// the positions.
///
/// # Safety
///
/// Every position is below the number of lines.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
unsafe fn scale(
    lines: *const Line,
    positions: impl Positions,
    values: &[f32],
    plan: &Plan,
    scaled: &mut Lanes,
    fresh: &mut Lanes,
) -> [__m512; 4] {
    // SAFETY: the positions are those of lines; the mask has as many bits as there are values;
    // `Lanes` are aligned.
    unsafe {
        let sums = sums(lines, positions);
        let [_, _, squares, count] = sums;
        let value = _mm512_maskz_loadu_ps(first(values.len()), values.as_ptr());
        let mut x = value;
        // A value is shrunk only where its RMS is above 1.
        if _mm512_cmp_ps_mask::<_CMP_GT_OQ>(squares, count) != 0 {
            let mut shrink = ZERO;
            for (j, shrink) in shrink.0.iter_mut().enumerate() {
                *shrink = (*lines.add(positions.at(j))).0[SHRINK];
            }
            let shrink = _mm512_load_ps(shrink.0.as_ptr());
            x = _mm512_add_ps(value, _mm512_mul_ps(value, shrink));
        }
        let newness = _mm512_set1_ps(plan.newness);
        let share = _mm512_div_ps(newness, _mm512_add_ps(newness, count));
        _mm512_store_ps(scaled.0.as_mut_ptr(), x);
        _mm512_store_ps(fresh.0.as_mut_ptr(), _mm512_mul_ps(x, share));
        sums
    }
}

/// Learns from an example without penalties and with an importance of at most 1.
///
/// # Safety
///
/// Every position of the row is below the number of lines.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn learn(
    lines: &mut [Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &mut Stack,
    look: &Look,
    lesson: &Lesson,
) {
    let update = update_of(plan, look, lesson);
    let lines = lines.as_mut_ptr();
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, rest_values) = row.values().as_chunks::<BLOCK>();
    let (sums, sums_rest) = look.sums.split_at(blocks.len().min(look.sums.len()));
    for ((positions, values), sums) in blocks.iter().zip(value_blocks).zip(sums) {
        // SAFETY: as required of the caller.
        unsafe { step(lines, positions, values, sums, plan, &update) };
    }
    if let (false, Some(sums)) = (rest.is_empty(), sums_rest.first()) {
        // SAFETY: as required of the caller.
        unsafe { step(lines, rest, rest_values, sums, plan, &update) };
    }
    matrix::learn(stack, &look.terms, &look.gain, update.slope, update.bend);
}

/// The same as in `plain`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
fn update_of(plan: &Plan, look: &Look, lesson: &Lesson) -> Update {
    const LAST: u16 = 1 << (LINE - 1);
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    let stacked = _mm512_set1_ps(lesson.margin as f32);
    let (mut margins, mut pushes) = (ZERO, ZERO);
    // SAFETY: `Lanes` are aligned and fill a register.
    unsafe {
        let all = _mm512_mask_mov_ps(_mm512_load_ps(look.whole.0.as_ptr()), LAST, stacked);
        _mm512_store_ps(margins.0.as_mut_ptr(), all);
    }
    let sizes = plain::sizes(&margins, lesson);
    // SAFETY: as above.
    unsafe {
        let rates = _mm512_load_ps(plan.rates.0.as_ptr());
        let gradients = _mm512_mul_ps(
            _mm512_set1_ps(lesson.sign()),
            _mm512_load_ps(sizes.0.as_ptr()),
        );
        let gradients = _mm512_mul_ps(_mm512_set1_ps(lesson.importance), gradients);
        let members = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(rates, _mm512_setzero_ps());
        let all = _mm512_maskz_mul_ps(members, rates, gradients);
        _mm512_store_ps(pushes.0.as_mut_ptr(), all);
    }
    Update::new(pushes, sizes.0[LINE - 1], lesson)
}

/// What the steps of a block of features need, the same for all members.
struct Block {
    scaled: __m512,
    /// Times the scaled value.
    rates: [__m512; 4],
    sums: [__m512; 4],
    /// Where a value is shrunk.
    shrunk: u16,
    shrink: __m512,
}

/// The same as in `plain`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn advance(value: __m512, before: [__m512; 4], plan: &Plan, update: &Update) -> Block {
    let set = |x: f32| _mm512_set1_ps(x);
    let add = |a, b| _mm512_add_ps(a, b);
    let mul = |a, b| _mm512_mul_ps(a, b);
    let [n, h, squares, count] = before;
    let one = set(1.0);
    let many = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(count, set(plain::MOST_COUNT));
    let keep = _mm512_mask_mov_ps(one, many, set(0.5));
    let squares = add(mul(squares, keep), mul(value, value));
    let count = add(mul(count, keep), one);
    let shrunk = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(squares, count);
    let (mut shrink, mut x) = (_mm512_setzero_ps(), value);
    if shrunk != 0 {
        let floor = _mm512_mask_mov_ps(count, shrunk, squares);
        shrink = _mm512_sub_ps(_mm512_sqrt_ps(_mm512_div_ps(count, floor)), one);
        x = add(value, mul(value, shrink));
    }
    let xx = mul(x, x);
    // The smaller of the two; the second where the first is not a number.
    let n = _mm512_min_ps(add(n, mul(set(update.square), xx)), set(plain::MOST));
    let h = _mm512_min_ps(add(h, mul(set(update.curvature), xx)), set(plain::MOST));
    let (now_n, now_h) = (mul(n, set(update.evidence)), mul(h, set(update.evidence)));
    let [v0, v1, v2] = plan.variances;
    let (a, b) = (
        add(one, _mm512_sqrt_ps(now_n)),
        add(one, mul(set(v0), now_h)),
    );
    let (c, d) = (add(one, mul(set(v1), now_h)), add(one, mul(set(v2), now_h)));
    let (ab, cd) = (mul(a, b), mul(c, d));
    let inverse = _mm512_div_ps(one, mul(ab, cd));
    let (inverse_ab, inverse_cd) = (mul(inverse, cd), mul(inverse, ab));
    Block {
        scaled: x,
        rates: [
            mul(mul(inverse_ab, b), x),
            mul(mul(inverse_ab, a), x),
            mul(mul(inverse_cd, d), x),
            mul(mul(inverse_cd, c), x),
        ],
        sums: [n, h, squares, count],
        shrunk,
        shrink,
    }
}

/// Steps the lines of up to sixteen features. Always inlined, so that whole blocks are unrolled.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and every position is below the number of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn step(
    lines: *mut Line,
    positions: &[u32],
    values: &[f32],
    sums: &[Lanes; 4],
    plan: &Plan,
    update: &Update,
) {
    // SAFETY: as required of the caller; the mask has as many bits as there are values, and `Lanes`,
    // lines and the kinds are aligned and fill a register.
    unsafe {
        let load = |lanes: &Lanes| _mm512_load_ps(lanes.0.as_ptr());
        let value = _mm512_maskz_loadu_ps(first(values.len()), values.as_ptr());
        let kinds = _mm512_load_epi32(plan.kinds.index.as_ptr().cast());
        let (before, pushes) = (sums.each_ref().map(load), load(&update.pushes));
        let shrunk = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(before[2], before[3]);
        let after = advance(value, before, plan, update);
        let mut scaled = ZERO;
        _mm512_store_ps(scaled.0.as_mut_ptr(), after.scaled);
        let (rates, sums) = (turn(after.rates), turn(after.sums));
        // Of the four features `4 g + m` with the same m, the rates and sums are in one register.
        macro_rules! step {
        ($($group:literal)*) => {$({
            let kinds = _mm512_add_epi32(kinds, _mm512_set1_epi32(4 * $group));
            for member in 0..4 {
                let feature = 4 * $group + member;
                if let Some(&position) = positions.get(feature) {
                    let x = _mm512_set1_ps(scaled.0[feature]);
                    let rate =
                        _mm512_mask_permutexvar_ps(x, plan.kinds.mask, kinds, rates[member]);
                    let sums = sums[member];
                    {
                        let place = lines.add(position as usize).cast();
                        let line = _mm512_load_ps(place);
                        let line = _mm512_sub_ps(line, _mm512_mul_ps(pushes, rate));
                        // The sums of the feature become the last four numbers of its line.
                        let line = _mm512_mask_shuffle_f32x4::<{ 0x55 * $group }>(
                            line, 0xf000, sums, sums,
                        );
                        _mm512_store_ps(place, line);
                    }
                }
            }
        })*};
    }
        step!(0 1 2 3);
        if (shrunk | after.shrunk) != 0 {
            let mut shrink = ZERO;
            _mm512_store_ps(shrink.0.as_mut_ptr(), after.shrink);
            for (&position, &shrink) in positions.iter().zip(&shrink.0) {
                (*lines.add(position as usize)).0[SHRINK] = shrink;
            }
        }
    }
}
