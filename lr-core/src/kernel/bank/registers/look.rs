//! The margins of the members.

use std::{
    arch::x86_64::{_CMP_GT_OQ, _CMP_NEQ_UQ, _CMP_NLT_UQ},
    sync::atomic::{Ordering, compiler_fence},
};

use super::{
    super::{
        super::{
            Number,
            registers::{Doubles, Floats, Places, Registers, Row, Sixteen, fours},
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
        let empty = Chain {
            whole: R::Sixteen::of(0.0),
            new: R::Sixteen::of(0.0),
        };
        let mut chains = [empty, empty];
        for_blocks!(row, look.ahead, |positions, _values, ahead| {
            chains = if ahead.unit {
                add::<true, _>(lines, positions.len(), ahead, chains)
            } else {
                add::<false, _>(lines, positions.len(), ahead, chains)
            };
        });
        let [even, odd] = chains;
        let (whole, new) = (even.whole + odd.whole, even.new + odd.new);
        whole.store(look.whole.0.as_mut_ptr());
        let terms = R::Doubles::widened(terms_of(whole, new, &plan.sources).quads());
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

/// Sums of lines: of the members, and of the members' shares of newcomers.
#[derive(Clone, Copy)]
struct Chain<F> {
    whole: F,
    new: F,
}

/// Adds the lines of up to sixteen features, in turns to the two chains.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn add<const UNIT: bool, F: Floats>(
    lines: *const Line,
    count: usize,
    ahead: &Ahead,
    [mut even, mut odd]: [Chain<F>; 2],
) -> [Chain<F>; 2] {
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

impl<F: Floats> Chain<F> {
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
            let fresh = line * F::of(ahead.fresh.0[j % BLOCK]);
            // Or the compiler loads numbers of several features as one vector, to take it apart.
            compiler_fence(Ordering::AcqRel);
            Self {
                whole: self.whole + scaled,
                new: self.new + fresh,
            }
        }
    }
}
