//! The margins of the members.

use std::{
    arch::x86_64::{
        __m512, _CMP_GT_OQ, _CMP_NEQ_UQ, _CMP_NLT_UQ, _mm512_add_ps, _mm512_castps512_ps256,
        _mm512_cmp_ps_mask, _mm512_cvtps_pd, _mm512_div_ps, _mm512_extractf32x8_ps,
        _mm512_load_epi32, _mm512_load_ps, _mm512_mask_cmp_ps_mask, _mm512_mask_mov_ps,
        _mm512_maskz_loadu_ps, _mm512_maskz_permutex2var_ps, _mm512_mul_ps, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_store_ps,
    },
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    super::{
        super::{
            avx512::{Places, fours},
            first,
            stack::avx512 as matrix,
        },
        BLOCK, Lanes, Line, Look, N, Plan, SHRINK, TERMS, ZERO, plain,
    },
    Ahead, for_blocks,
};
use crate::row::Ordered;

/// Margins of the members, and the terms of the stacker.
pub(super) struct Seen {
    pub(super) whole: __m512,
    pub(super) terms: matrix::Pair,
}

/// Computes margins and terms, and keeps what the steps need.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and every position of the row is below the number of lines.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn terms(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    look: &mut Look,
) -> Seen {
    let blocks = row.positions().len().div_ceil(BLOCK);
    if look.ahead.len() < blocks {
        look.ahead.resize(blocks, Ahead::default());
    }
    let lines = lines.as_ptr();
    // SAFETY: as required of the caller; arrays that are loaded or stored whole fill a register and
    // are aligned.
    unsafe {
        for_blocks!(row, look.ahead, |positions, _values, ahead| {
            ahead.offsets.set(positions);
        });
        compiler_fence(Ordering::AcqRel);
        for_blocks!(row, look.ahead, |_positions, values, ahead| {
            scale(lines, values, plan, ahead);
        });
        compiler_fence(Ordering::AcqRel);
        let empty = Chain {
            whole: _mm512_setzero_ps(),
            new: _mm512_setzero_ps(),
        };
        let mut chains = [empty, empty];
        for_blocks!(row, look.ahead, |positions, _values, ahead| {
            chains = if ahead.unit {
                add::<true>(lines, positions.len(), ahead, chains)
            } else {
                add::<false>(lines, positions.len(), ahead, chains)
            };
        });
        let [even, odd] = chains;
        let whole = _mm512_add_ps(even.whole, odd.whole);
        let new = _mm512_add_ps(even.new, odd.new);
        _mm512_store_ps(look.whole.0.as_mut_ptr(), whole);
        let sources = &plan.sources;
        let lanes = _mm512_load_epi32(sources.lane.as_ptr().cast());
        let terms = _mm512_maskz_permutex2var_ps(sources.mask, whole, lanes, new);
        let terms = _mm512_mask_mov_ps(terms, 1 << (TERMS - 1), _mm512_set1_ps(1.0));
        let terms = [
            _mm512_cvtps_pd(_mm512_castps512_ps256(terms)),
            _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(terms)),
        ];
        matrix::store(&mut look.terms, terms);
        Seen { whole, terms }
    }
}

/// Scales the values of a block, weighs them by how new their positions are, and keeps the sums of
/// the positions.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn scale(lines: *const Line, values: &[f32], plan: &Plan, ahead: &mut Ahead) {
    // SAFETY: the offsets are those of lines; numbers 12 to 15 of a line are aligned to 16; the mask
    // has as many bits as there are values; `Lanes` are aligned.
    unsafe {
        let [n, h, squares, count] = fours(&ahead.offsets, |offset| {
            lines.byte_add(offset).cast::<f32>().add(N).cast()
        });
        let all = first(values.len());
        let value = _mm512_maskz_loadu_ps(all, values.as_ptr());
        let set = |x: f32| _mm512_set1_ps(x);
        let not_below = |x, limit: f32| _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, set(limit));
        let newness = set(plan.newness);
        let share = _mm512_div_ps(newness, _mm512_add_ps(newness, count));
        // A value is shrunk only where its RMS is above 1.
        let large = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(squares, count);
        let other = _mm512_mask_cmp_ps_mask::<_CMP_NEQ_UQ>(all, value, set(1.0));
        // No event adds as much as half of the limit of n and h.
        let full = not_below(n, plain::MOST / 2.0) | not_below(h, plain::MOST / 2.0);
        let many = not_below(count, plain::MOST_COUNT);
        let store = |lanes: &mut Lanes, x| _mm512_store_ps(lanes.0.as_mut_ptr(), x);
        store(&mut ahead.sums[0], n);
        store(&mut ahead.sums[1], h);
        ahead.unit = (large | other | full | many) == 0;
        if ahead.unit {
            store(&mut ahead.fresh, share);
            return;
        }
        let mut x = value;
        if large != 0 {
            let mut shrink = ZERO;
            for (j, shrink) in shrink.0.iter_mut().enumerate() {
                *shrink = (*lines.byte_add((&ahead.offsets).at(j))).0[SHRINK];
            }
            let shrink = _mm512_load_ps(shrink.0.as_ptr());
            x = _mm512_add_ps(value, _mm512_mul_ps(value, shrink));
        }
        store(&mut ahead.scaled, x);
        store(&mut ahead.fresh, _mm512_mul_ps(x, share));
        store(&mut ahead.sums[2], squares);
        store(&mut ahead.sums[3], count);
    }
}

/// Sums of lines: of the members, and of the members' shares of newcomers.
#[derive(Clone, Copy)]
struct Chain {
    whole: __m512,
    new: __m512,
}

/// Adds the lines of up to sixteen features, in turns to the two chains.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn add<const UNIT: bool>(
    lines: *const Line,
    count: usize,
    ahead: &Ahead,
    [mut even, mut odd]: [Chain; 2],
) -> [Chain; 2] {
    // SAFETY: as required of the caller.
    unsafe {
        for pair in 0..count / 2 {
            even = even.add::<UNIT>(lines, ahead, 2 * pair);
            odd = odd.add::<UNIT>(lines, ahead, 2 * pair + 1);
        }
        if count % 2 == 1 {
            even = even.add::<UNIT>(lines, ahead, count - 1);
        }
    }
    [even, odd]
}

impl Chain {
    /// Adds feature `j` of a block.
    ///
    /// # Safety
    ///
    /// The caller is compiled for AVX-512, and the offset is that of a line.
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn add<const UNIT: bool>(self, lines: *const Line, ahead: &Ahead, j: usize) -> Self {
        // SAFETY: as required of the caller; a line fills a register and is aligned.
        unsafe {
            let line = _mm512_load_ps(lines.byte_add(ahead.offsets.at(j)).cast());
            let times = |lanes: &Lanes| _mm512_mul_ps(line, _mm512_set1_ps(lanes.0[j % BLOCK]));
            let scaled = if UNIT { line } else { times(&ahead.scaled) };
            let fresh = times(&ahead.fresh);
            // Or the compiler loads numbers of several features as one vector, to take it apart.
            compiler_fence(Ordering::AcqRel);
            Self {
                whole: _mm512_add_ps(self.whole, scaled),
                new: _mm512_add_ps(self.new, fresh),
            }
        }
    }
}
