//! The steps of the lines: what is known before the margin, and what hangs on it.

use std::{
    arch::x86_64::{
        __m512, _CMP_GT_OQ, _CMP_NLT_UQ, _mm_cvtss_f32, _mm512_add_epi32, _mm512_add_ps,
        _mm512_cmp_ps_mask, _mm512_div_ps, _mm512_extractf32x4_ps, _mm512_load_epi32,
        _mm512_load_ps, _mm512_mask_div_ps, _mm512_mask_mov_ps, _mm512_mask_mul_ps,
        _mm512_mask_permutexvar_ps, _mm512_mask_shuffle_f32x4, _mm512_mask_sub_ps,
        _mm512_maskz_loadu_ps, _mm512_maskz_mov_ps, _mm512_min_ps, _mm512_mul_ps,
        _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_sqrt_ps, _mm512_store_ps,
        _mm512_sub_ps,
    },
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    super::{
        super::{
            avx512::{Places, turn},
            exp::one_plus_exp,
            first,
            registers::Zmm,
        },
        COUNT, CURVATURES, H, Lanes, Line, N, Plan, SHRINK, SQUARES,
        plain::{self, Update},
    },
    Ahead,
};
use crate::rules::Lesson;

/// Works out what the steps of up to sixteen features need that does not hang on the margin; the same
/// as in `plain`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) fn prepare(values: &[f32], plan: &Plan, evidence: f32, ahead: &mut Ahead) {
    let set = |x: f32| _mm512_set1_ps(x);
    let add = |a, b| _mm512_add_ps(a, b);
    let mul = |a, b| _mm512_mul_ps(a, b);
    // SAFETY: `Lanes` are aligned and fill a register.
    let load = |lanes: &Lanes| unsafe { _mm512_load_ps(lanes.0.as_ptr()) };
    // SAFETY: as above.
    let store = |lanes: &mut Lanes, x| unsafe { _mm512_store_ps(lanes.0.as_mut_ptr(), x) };
    let [n, h, squares, count] = &ahead.sums;
    let mut rates = falling(load(n), load(h), plan, evidence);
    ahead.shrunk = false;
    if !ahead.unit {
        let (squares, count) = (load(squares), load(count));
        // SAFETY: the mask has as many bits as there are values.
        let value = unsafe { _mm512_maskz_loadu_ps(first(values.len()), values.as_ptr()) };
        let shrunk_before = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(squares, count);
        let many = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(count, set(plain::MOST_COUNT));
        let keep = _mm512_mask_mov_ps(set(1.0), many, set(0.5));
        let squares = add(mul(squares, keep), mul(value, value));
        let count = add(mul(count, keep), set(1.0));
        let shrunk = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(squares, count);
        let mut x = value;
        ahead.shrunk = (shrunk_before | shrunk) != 0;
        if ahead.shrunk {
            let floor = _mm512_mask_mov_ps(count, shrunk, squares);
            let shrink = _mm512_sub_ps(_mm512_sqrt_ps(_mm512_div_ps(count, floor)), set(1.0));
            x = add(value, mul(value, shrink));
            store(&mut ahead.shrink, shrink);
        }
        rates = rates.map(|rate| mul(rate, x));
        store(&mut ahead.sums[2], squares);
        store(&mut ahead.sums[3], count);
        store(&mut ahead.scaled, x);
    }
    for (lanes, rates) in ahead.rates.iter_mut().zip(turn(rates)) {
        store(lanes, rates);
    }
}

/// Returns the rates that fall, of sixteen features.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn falling(n: __m512, h: __m512, plan: &Plan, evidence: f32) -> [__m512; 1 + CURVATURES] {
    let set = |x: f32| _mm512_set1_ps(x);
    let add = |a, b| _mm512_add_ps(a, b);
    let mul = |a, b| _mm512_mul_ps(a, b);
    let (now_n, now_h) = (mul(n, set(evidence)), mul(h, set(evidence)));
    let a = add(set(1.0), _mm512_sqrt_ps(now_n));
    let [b, c, d] = plan.variances.map(|v| add(set(1.0), mul(set(v), now_h)));
    let (ab, cd) = (mul(a, b), mul(c, d));
    let inverse = _mm512_div_ps(set(1.0), mul(ab, cd));
    let (inverse_ab, inverse_cd) = (mul(inverse, cd), mul(inverse, ab));
    [
        mul(inverse_ab, b),
        mul(inverse_ab, a),
        mul(inverse_cd, d),
        mul(inverse_cd, c),
    ]
}

/// By how much the lines are pushed.
#[derive(Clone, Copy)]
pub(super) struct Pushes {
    /// Of each member, as in `plain`; other lanes mean nothing.
    members: __m512,
    /// The same, and in the lanes of the sums less what a feature of value 1 adds to them.
    unit: __m512,
}

impl Pushes {
    /// Keeps those of the members.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
    pub(super) fn keep(&self, lanes: &mut Lanes) {
        #[allow(unsafe_code)]
        // SAFETY: `Lanes` are aligned and fill a register.
        unsafe {
            _mm512_store_ps(lanes.0.as_mut_ptr(), self.members);
        }
    }
}

/// The same as in `plain`; the gradient of the stack is in the lanes of n and h.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) fn update_of(
    whole: __m512,
    plan: &Plan,
    lesson: &Lesson,
    margin: f64,
) -> (Pushes, Update) {
    const STACK: u16 = 1 << N | 1 << H;
    let set = |x: f32| _mm512_set1_ps(x);
    // SAFETY: `Lanes` are aligned and fill a register.
    let rates = unsafe { _mm512_load_ps(plan.rates.0.as_ptr()) };
    let members = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(rates, _mm512_setzero_ps());
    let signed = _mm512_mul_ps(rates, set(lesson.importance * lesson.sign()));
    let above = _mm512_mask_mov_ps(signed, STACK, set(1.0));
    let less_one = _mm512_maskz_mov_ps(1 << SQUARES | 1 << COUNT, set(-1.0));
    #[expect(clippy::cast_possible_truncation, reason = "steps are taken in f32")]
    let margins = _mm512_mask_mov_ps(whole, STACK, set(margin as f32));
    let agreements = _mm512_mul_ps(set(-lesson.sign()), margins);
    let Zmm(below) = one_plus_exp(Zmm(agreements));
    let pushes = _mm512_mask_div_ps(less_one, members | STACK, above, below);
    // The size of the gradient, times itself for n and times one less it for h.
    let others = _mm512_mask_sub_ps(pushes, 1 << H, set(1.0), pushes);
    let sizes = _mm512_mul_ps(pushes, others);
    let less_units = set(-Update::units(lesson));
    let unit = _mm512_mask_mul_ps(pushes, STACK, sizes, less_units);
    // n is the first number of the last quarter.
    let size = _mm_cvtss_f32(_mm512_extractf32x4_ps::<3>(pushes));
    let members = pushes;
    (Pushes { members, unit }, Update::new(size, lesson))
}

/// Steps the lines of up to sixteen features. Always inlined, so that whole blocks are unrolled.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn step<const UNIT: bool>(
    lines: *mut Line,
    features: usize,
    ahead: &Ahead,
    plan: &Plan,
    pushes: &Pushes,
    update: &Update,
) {
    // SAFETY: as required of the caller; `Lanes`, lines and the kinds are aligned and fill a register.
    unsafe {
        let load = |lanes: &Lanes| _mm512_load_ps(lanes.0.as_ptr());
        let one = _mm512_set1_ps(1.0);
        let kinds = _mm512_load_epi32(plan.kinds.index.as_ptr().cast());
        let rates = ahead.rates.each_ref().map(load);
        let pushes = if UNIT { pushes.unit } else { pushes.members };
        // Those of unit features are in the pushes.
        let mut sums = [one; 4];
        if !UNIT {
            let [n, h, squares, count] = ahead.sums.each_ref().map(load);
            let x = load(&ahead.scaled);
            let xx = _mm512_mul_ps(x, x);
            let raise = |sum, by: f32| {
                let more = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_set1_ps(by), xx));
                // The smaller of the two; the second where the first is not a number.
                _mm512_min_ps(more, _mm512_set1_ps(plain::MOST))
            };
            let (n, h) = (raise(n, update.square), raise(h, update.curvature));
            sums = turn([n, h, squares, count]);
        }
        // Of the four features `4 g + m` with the same m, the rates and sums are in one register.
        macro_rules! step_groups {
            ($($group:literal)*) => {$({
                let kinds = _mm512_add_epi32(kinds, _mm512_set1_epi32(4 * $group));
                for (m, (rates, sums)) in rates.into_iter().zip(sums).enumerate() {
                    let j = 4 * $group + m;
                    if j < features {
                        let x = if UNIT { one } else { _mm512_set1_ps(ahead.scaled.0[j]) };
                        let rate = _mm512_mask_permutexvar_ps(x, plan.kinds.mask, kinds, rates);
                        let place = lines.byte_add(ahead.offsets.at(j)).cast();
                        let mut line = _mm512_load_ps(place);
                        line = _mm512_sub_ps(line, _mm512_mul_ps(pushes, rate));
                        if !UNIT {
                            // The sums of the feature become the last four numbers of its line.
                            const FROM: i32 = 0x55 * $group;
                            line = _mm512_mask_shuffle_f32x4::<FROM>(line, 0xf000, sums, sums);
                        }
                        _mm512_store_ps(place, line);
                        // As in `look`.
                        compiler_fence(Ordering::AcqRel);
                    }
                }
            })*};
        }
        step_groups!(0 1 2 3);
        if ahead.shrunk {
            for (j, &shrink) in ahead.shrink.0.iter().enumerate().take(features) {
                (*lines.byte_add(ahead.offsets.at(j))).0[SHRINK] = shrink;
            }
        }
    }
}
