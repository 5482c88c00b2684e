//! How lines travel between memory and AVX-512 registers.
//!
//! The last four numbers of sixteen lines (sixteen features, four sums) are loaded four lines to a
//! register and turned with eight shuffles, so that each register holds one sum of sixteen
//! features; the rates and the new sums go back the same way. A line is loaded once and stored
//! once, whole.

mod step;

use std::arch::x86_64::{
    __m512, _CMP_GT_OQ, _mm512_add_ps, _mm512_castps512_ps256, _mm512_cmp_ps_mask, _mm512_cvtps_pd,
    _mm512_div_ps, _mm512_extractf32x8_ps, _mm512_load_epi32, _mm512_load_ps, _mm512_mask_mov_ps,
    _mm512_maskz_loadu_ps, _mm512_maskz_permutex2var_ps, _mm512_mul_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_store_ps,
};

use self::step::{prepare, step, update_of};
use super::{
    super::{
        Stack,
        avx512::{Padded, Positions, fours},
        first,
        stack::{self, avx512 as matrix},
    },
    Ahead, BLOCK, Lanes, Line, Look, N, Plan, SHRINK, TERMS, ZERO, plain,
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

/// Margins of the members, and the terms of the stacker.
struct Seen {
    whole: __m512,
    terms: matrix::Pair,
}

/// Computes margins and terms. To prepare the steps as well, there must be a block ahead for every
/// sixteen features.
///
/// # Safety
///
/// Every position of the row is below the number of lines.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
unsafe fn terms<const KEEP: bool>(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    look: &mut Look,
) -> Seen {
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
    let evidence = look.evidence;
    let mut blocks_ahead = look.ahead.iter_mut();
    let mut keep = |values: &[f32], sums: [__m512; 4]| {
        if let (true, Some(ahead)) = (KEEP, blocks_ahead.next()) {
            prepare(values, sums, plan, evidence, ahead);
        }
    };
    // Early, because they are read back one by one.
    let padded = Padded::new(rest);
    for (positions, values) in blocks.iter().zip(value_blocks) {
        // SAFETY: as required of the caller.
        let sums = unsafe { scale(lines, positions, values, plan, &mut scaled, &mut fresh) };
        keep(values, sums);
        for pair in 0..BLOCK / 2 {
            let (j, k) = (2 * pair, 2 * pair + 1);
            even.add(line(positions[j]), scaled.0[j], fresh.0[j]);
            odd.add(line(positions[k]), scaled.0[k], fresh.0[k]);
        }
    }
    if !rest.is_empty() {
        // SAFETY: as required of the caller.
        let sums = unsafe { scale(lines, &padded, rest_values, plan, &mut scaled, &mut fresh) };
        keep(rest_values, sums);
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
    Seen { whole, terms }
}

/// [`super::look`].
///
/// # Safety
///
/// Every position of the row is below the number of lines.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn look(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &Stack,
    look: &mut Look,
) -> f64 {
    // SAFETY: as required of the caller.
    let seen = unsafe { terms::<false>(lines, row, plan, look) };
    matrix::dot(matrix::load(&stack.mean), seen.terms)
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

/// [`super::learn`]. What hangs on the margin stays in registers, because it is what the next event
/// waits for.
///
/// # Safety
///
/// Every position of the row is below the number of lines.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn learn<E>(
    lines: &mut [Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &mut Stack,
    look: &mut Look,
    lesson: impl FnOnce(f64) -> Result<Lesson, E>,
) -> Result<Lesson, E> {
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let all = row.positions().len().div_ceil(BLOCK);
    if look.ahead.len() < all {
        look.ahead.resize(all, Ahead::default());
    }
    // SAFETY: as required of the caller.
    let seen = unsafe { terms::<true>(lines, row, plan, look) };
    let margin = matrix::dot(matrix::load(&stack.mean), seen.terms);
    let lesson = lesson(margin)?;
    if lesson.importance > 1.0 || plan.l1 > 0.0 || plan.l2 > 0.0 {
        // What is rare is written once.
        learn_seen(lines, row, plan, stack, look, &lesson);
        return Ok(lesson);
    }
    let (pushes, update) = update_of(seen.whole, plan, &lesson);
    let weight = stack::weight(&lesson, update.slope);
    let change = (weight > 0.0).then(|| {
        matrix::change(
            stack,
            seen.terms,
            weight * update.slope,
            weight * update.bend,
        )
    });
    let lines = lines.as_mut_ptr();
    let (ahead, ahead_rest) = look.ahead.split_at(blocks.len().min(look.ahead.len()));
    for (positions, ahead) in blocks.iter().zip(ahead) {
        // SAFETY: as required of the caller.
        unsafe { step(lines, positions, ahead, plan, pushes, &update) };
    }
    if let (false, Some(ahead)) = (rest.is_empty(), ahead_rest.first()) {
        // SAFETY: as required of the caller.
        unsafe { step(lines, rest, ahead, plan, pushes, &update) };
    }
    match change {
        Some((gain, change)) => matrix::apply(stack, gain, change),
        None => stack.age(0.0),
    }
    Ok(lesson)
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn learn_seen(
    lines: &mut [Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &mut Stack,
    look: &Look,
    lesson: &Lesson,
) {
    plain::learn(lines, row, plan, stack, look, lesson);
}
