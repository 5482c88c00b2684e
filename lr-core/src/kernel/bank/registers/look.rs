//! The margins of the members.

use std::{
    arch::x86_64::{
        __m128, _CMP_GT_OQ, _CMP_LT_OQ, _CMP_NEQ_UQ, _CMP_NLT_UQ, _mm_add_ps, _mm_mul_ps,
        _mm_set1_ps, _mm_setzero_ps,
    },
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    super::{
        super::{
            draw,
            registers::{Floats, Places, Registers, Row, Sixteen, fours},
            stack::registers as matrix,
        },
        BLOCK, Line, Look, N, Plan, SHRINK, Sources, TERMS, ZERO, plain,
    },
    Ahead, for_blocks,
};
use crate::row::Ordered;

/// Margins of the members, and the terms of the stacker.
pub(super) struct Seen<R: Registers> {
    pub(super) whole: R::Sixteen,
    pub(super) terms: Row<R::Doubles>,
}

/// Computes margins and terms, and keeps what the steps need.
///
/// # Safety
///
/// The caller is compiled for the registers, and every position of the row is below the number of
/// lines.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn terms<R: Registers>(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    look: &mut Look,
) -> Seen<R> {
    let blocks = row.positions().len().div_ceil(BLOCK);
    if look.ahead.len() < blocks {
        look.ahead.resize(blocks, Ahead::default());
    }
    let lines = lines.as_ptr();
    // SAFETY: as required of the caller; `Lanes` have sixteen numbers.
    unsafe {
        for_blocks!(row, look.ahead, |positions, _values, ahead| for R locate(positions, ahead));
        compiler_fence(Ordering::AcqRel);
        for_blocks!(row, look.ahead, |_positions, values, ahead| for R scale(
            lines,
            values,
            row.ones(),
            plan,
            ahead
        ));
        compiler_fence(Ordering::AcqRel);
        let (whole, terms) = if plan.sources.are_early {
            let Chain { whole, new } = sums::<Early, R::Sixteen>(lines, row, &mut look.ahead);
            (whole, R::joined(whole, new.0))
        } else {
            let Chain { whole, new } =
                sums::<All<R::Sixteen>, R::Sixteen>(lines, row, &mut look.ahead);
            (whole, R::doubles(terms_of(whole, new.0, &plan.sources)))
        };
        whole.store(look.whole.0.as_mut_ptr());
        matrix::store(&mut look.terms, terms);
        Seen { whole, terms }
    }
}

/// Returns the terms of the stacker, by the margins of members and newcomers.
#[inline(always)]
fn terms_of<F: Sixteen>(whole: F, new: F, sources: &Sources) -> F {
    let constant = F::select(F::mask(1 << (TERMS - 1)), F::of(1.0), F::of(0.0));
    let new = new.permuted(F::lanes(&sources.lane));
    let others = F::select(F::mask(sources.newcomers), new, constant);
    F::select(F::mask(sources.members), whole, others)
}

#[inline(always)]
fn locate<F: Floats>(positions: &[u32], ahead: &mut Ahead) {
    ahead.offsets.set::<F>(positions);
}

/// Scales the values of a block, weighs them by how new their positions are, and keeps the sums of
/// the positions.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn scale<F: Floats>(
    lines: *const Line,
    values: &[f32],
    ones: bool,
    plan: &Plan,
    ahead: &mut Ahead,
) {
    // SAFETY: the offsets are those of lines, whose numbers 12 to 15 are aligned to 16; `Lanes` have
    // sixteen numbers.
    unsafe {
        let [n, h, squares, count] = fours::<F>(&ahead.offsets, |offset| {
            lines.byte_add(offset).cast::<f32>().add(N).cast()
        });
        let newness = F::of(plan.newness);
        let share = newness / (newness + count);
        // A value is shrunk only where its RMS is above 1.
        let large = squares.compare::<_CMP_GT_OQ>(count);
        // No event adds as much as half of the limit of n and h.
        let most = F::of(plain::MOST / 2.0);
        let full = F::either(
            n.compare::<_CMP_NLT_UQ>(most),
            h.compare::<_CMP_NLT_UQ>(most),
        );
        let many = count.compare::<_CMP_NLT_UQ>(F::of(plain::MOST_COUNT));
        let mut other = F::either(large, F::either(full, many));
        if !ones {
            // Of values that are missing it is not asked whether they are 1.
            let values = F::load_first(values.as_ptr(), values.len(), 1.0);
            other = F::either(other, values.compare::<_CMP_NEQ_UQ>(F::of(1.0)));
        }
        let rare = count.compare::<_CMP_LT_OQ>(F::of(draw::FREQUENT));
        ahead.frequent = !F::any(rare);
        n.store(ahead.sums[0].0.as_mut_ptr());
        h.store(ahead.sums[1].0.as_mut_ptr());
        ahead.unit = !F::any(other);
        if ahead.unit {
            share.store(ahead.fresh.0.as_mut_ptr());
            return;
        }
        let value = F::load_first(values.as_ptr(), values.len(), 0.0);
        let mut x = value;
        if F::any(large) {
            let mut shrink = ZERO;
            for (j, shrink) in shrink.0.iter_mut().enumerate().take(F::LANES) {
                *shrink = (*lines.byte_add((&ahead.offsets).at(j))).0[SHRINK];
            }
            x = value + value * F::load(shrink.0.as_ptr());
        }
        x.store(ahead.scaled.0.as_mut_ptr());
        (x * share).store(ahead.fresh.0.as_mut_ptr());
        squares.store(ahead.sums[2].0.as_mut_ptr());
        count.store(ahead.sums[3].0.as_mut_ptr());
    }
}

/// Returns the sums of the lines of a row: of the members, and of the members' shares of newcomers.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn sums<N: Newcomers<F>, F: Floats>(
    lines: *const Line,
    row: &Ordered<'_>,
    blocks: &mut [Ahead],
) -> Chain<N, F> {
    let none = Chain {
        whole: F::of(0.0),
        new: N::none(),
    };
    let mut chains = [none; 2];
    // SAFETY: as required of the caller.
    unsafe {
        for_blocks!(row, blocks, |positions, _values, ahead| {
            chains = if ahead.unit {
                add::<true, N, F>(lines, positions.len(), ahead, chains)
            } else {
                add::<false, N, F>(lines, positions.len(), ahead, chains)
            };
        });
    }
    let [even, odd] = chains;
    Chain {
        whole: even.whole + odd.whole,
        new: even.new.plus(odd.new),
    }
}

/// Sums of lines: of the members, and of the members' shares of newcomers.
#[derive(Clone, Copy)]
struct Chain<N, F> {
    whole: F,
    new: N,
}

/// Sums of the shares of newcomers, as far as somebody asks for them.
trait Newcomers<F>: Copy {
    fn none() -> Self;

    fn add(self, line: F, share: f32) -> Self;

    fn plus(self, other: Self) -> Self;
}

/// Those of all members.
#[derive(Clone, Copy)]
struct All<F>(F);

impl<F: Floats> Newcomers<F> for All<F> {
    #[inline(always)]
    fn none() -> Self {
        Self(F::of(0.0))
    }

    #[inline(always)]
    fn add(self, line: F, share: f32) -> Self {
        Self(self.0 + line * F::of(share))
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

/// Those of the first four members.
#[derive(Clone, Copy)]
struct Early(__m128);

#[allow(unsafe_code)]
impl<F: Floats> Newcomers<F> for Early {
    #[inline(always)]
    fn none() -> Self {
        // SAFETY: one of the first instructions of this kind of CPU, here and below.
        Self(unsafe { _mm_setzero_ps() })
    }

    #[inline(always)]
    fn add(self, line: F, share: f32) -> Self {
        let [first, ..] = line.quads();
        // SAFETY: as above.
        Self(unsafe { _mm_add_ps(self.0, _mm_mul_ps(first, _mm_set1_ps(share))) })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm_add_ps(self.0, other.0) })
    }
}

/// Adds the lines of up to sixteen features, in turns to the two chains.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn add<const UNIT: bool, N: Newcomers<F>, F: Floats>(
    lines: *const Line,
    count: usize,
    ahead: &Ahead,
    [mut even, mut odd]: [Chain<N, F>; 2],
) -> [Chain<N, F>; 2] {
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

impl<N: Newcomers<F>, F: Floats> Chain<N, F> {
    /// Adds feature `j` of a block.
    ///
    /// # Safety
    ///
    /// The caller is compiled for the registers, and the offset is that of a line.
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn add<const UNIT: bool>(self, lines: *const Line, ahead: &Ahead, j: usize) -> Self {
        // SAFETY: as required of the caller; a line has sixteen numbers.
        unsafe {
            let line = F::load(lines.byte_add((&ahead.offsets).at(j)).cast());
            let scaled = if UNIT {
                line
            } else {
                line * F::of(ahead.scaled.0[j % BLOCK])
            };
            let sums = Self {
                whole: self.whole + scaled,
                new: self.new.add(line, ahead.fresh.0[j % BLOCK]),
            };
            // Or the compiler loads numbers of several features as one vector, to take it apart.
            compiler_fence(Ordering::AcqRel);
            sums
        }
    }
}
