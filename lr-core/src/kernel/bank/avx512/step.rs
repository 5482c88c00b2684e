//! The steps of the lines: what is known before the margin, and what hangs on it.

use std::arch::x86_64::{
    __m512, _CMP_GT_OQ, _CMP_NLT_UQ, _mm_cvtss_f32, _mm_shuffle_ps, _mm512_add_epi32,
    _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_div_ps, _mm512_extractf32x4_ps, _mm512_load_epi32,
    _mm512_load_ps, _mm512_mask_mov_ps, _mm512_mask_permutexvar_ps, _mm512_mask_shuffle_f32x4,
    _mm512_maskz_loadu_ps, _mm512_maskz_mul_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_sqrt_ps, _mm512_store_ps, _mm512_sub_ps,
};

use super::super::{
    super::{avx512::turn, exp::complement_sigmoid, first, number::Wide},
    Ahead, LINE, Lanes, Line, Plan, SHRINK,
    plain::{self, Update},
};
use crate::rules::Lesson;

/// Works out what the steps of up to sixteen features need that does not hang on the margin; the same
/// as in `plain`. `before` are n, h, Σ v² and count.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) fn prepare(
    values: &[f32],
    before: [__m512; 4],
    plan: &Plan,
    evidence: f32,
    ahead: &mut Ahead,
) {
    let set = |x: f32| _mm512_set1_ps(x);
    let add = |a, b| _mm512_add_ps(a, b);
    let mul = |a, b| _mm512_mul_ps(a, b);
    // SAFETY: the mask has as many bits as there are values; `Lanes` are aligned.
    let (value, store) = unsafe {
        (
            _mm512_maskz_loadu_ps(first(values.len()), values.as_ptr()),
            |lanes: &mut Lanes, x| _mm512_store_ps(lanes.0.as_mut_ptr(), x),
        )
    };
    let [n, h, squares, count] = before;
    let one = set(1.0);
    let shrunk_before = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(squares, count);
    let many = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(count, set(plain::MOST_COUNT));
    let keep = _mm512_mask_mov_ps(one, many, set(0.5));
    let squares = add(mul(squares, keep), mul(value, value));
    let count = add(mul(count, keep), one);
    let shrunk = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(squares, count);
    let mut x = value;
    ahead.shrunk = (shrunk_before | shrunk) != 0;
    if ahead.shrunk {
        let floor = _mm512_mask_mov_ps(count, shrunk, squares);
        let shrink = _mm512_sub_ps(_mm512_sqrt_ps(_mm512_div_ps(count, floor)), one);
        x = add(value, mul(value, shrink));
        store(&mut ahead.shrink, shrink);
    }
    let (now_n, now_h) = (mul(n, set(evidence)), mul(h, set(evidence)));
    let [v0, v1, v2] = plan.variances;
    let a = add(one, _mm512_sqrt_ps(now_n));
    let b = add(one, mul(set(v0), now_h));
    let (c, d) = (add(one, mul(set(v1), now_h)), add(one, mul(set(v2), now_h)));
    let (ab, cd) = (mul(a, b), mul(c, d));
    let inverse = _mm512_div_ps(one, mul(ab, cd));
    let (inverse_ab, inverse_cd) = (mul(inverse, cd), mul(inverse, ab));
    let rates = [
        mul(mul(inverse_ab, b), x),
        mul(mul(inverse_ab, a), x),
        mul(mul(inverse_cd, d), x),
        mul(mul(inverse_cd, c), x),
    ];
    for (lanes, rates) in ahead.rates.iter_mut().zip(turn(rates)) {
        store(lanes, rates);
    }
    for (lanes, sums) in ahead.sums.iter_mut().zip([n, h, squares, count]) {
        store(lanes, sums);
    }
    store(&mut ahead.scaled, x);
}

/// The same as in `plain`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) fn update_of(whole: __m512, plan: &Plan, lesson: &Lesson) -> (__m512, Update) {
    const LAST: u16 = 1 << (LINE - 1);
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    let stacked = _mm512_set1_ps(lesson.margin as f32);
    let margins = _mm512_mask_mov_ps(whole, LAST, stacked);
    let agreements = _mm512_mul_ps(_mm512_set1_ps(-lesson.sign()), margins);
    let Wide(sizes) = complement_sigmoid(Wide(agreements));
    // SAFETY: `Lanes` are aligned and fill a register.
    let rates = unsafe { _mm512_load_ps(plan.rates.0.as_ptr()) };
    let gradients = _mm512_mul_ps(_mm512_set1_ps(lesson.sign()), sizes);
    let gradients = _mm512_mul_ps(_mm512_set1_ps(lesson.importance), gradients);
    let members = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(rates, _mm512_setzero_ps());
    let pushes = _mm512_maskz_mul_ps(members, rates, gradients);
    let last = _mm512_extractf32x4_ps::<3>(sizes);
    let size = _mm_cvtss_f32(_mm_shuffle_ps::<0b11_11_11_11>(last, last));
    (pushes, Update::new(size, lesson))
}

/// Steps the lines of up to sixteen features. Always inlined, so that whole blocks are unrolled.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and every position is below the number of lines.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn step(
    lines: *mut Line,
    positions: &[u32],
    ahead: &Ahead,
    plan: &Plan,
    pushes: __m512,
    update: &Update,
) {
    // SAFETY: as required of the caller; `Lanes`, lines and the kinds are aligned and fill a register.
    unsafe {
        let load = |lanes: &Lanes| _mm512_load_ps(lanes.0.as_ptr());
        let kinds = _mm512_load_epi32(plan.kinds.index.as_ptr().cast());
        let rates = ahead.rates.each_ref().map(load);
        let [n, h, squares, count] = ahead.sums.each_ref().map(load);
        let x = load(&ahead.scaled);
        let xx = _mm512_mul_ps(x, x);
        let raise = |sum, by: f32| {
            let more = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(by), xx));
            // The smaller of the two; the second where the first is not a number.
            _mm512_min_ps(more, _mm512_set1_ps(plain::MOST))
        };
        let (n, h) = (raise(n, update.square), raise(h, update.curvature));
        let sums = turn([n, h, squares, count]);
        // Of the four features `4 g + m` with the same m, the rates and sums are in one register.
        macro_rules! step {
        ($($group:literal)*) => {$({
            let kinds = _mm512_add_epi32(kinds, _mm512_set1_epi32(4 * $group));
            for member in 0..4 {
                let feature = 4 * $group + member;
                if let Some(&position) = positions.get(feature) {
                    let x = _mm512_set1_ps(ahead.scaled.0[feature]);
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
        if ahead.shrunk {
            for (&position, &shrink) in positions.iter().zip(&ahead.shrink.0) {
                (*lines.add(position as usize)).0[SHRINK] = shrink;
            }
        }
    }
}
