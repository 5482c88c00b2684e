//! The margins of the members.

use std::{
    arch::x86_64::{
        __m128, _CMP_LT_OQ, _CMP_NEQ_UQ, _mm_add_ps, _mm_cmplt_ps, _mm_load_ps, _mm_min_ps,
        _mm_movemask_ps, _mm_mul_ps, _mm_set1_ps, _mm_setr_ps, _mm_setzero_ps,
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
        BLOCK, COUNT, Line, Look, N, Plan, ROOM, SHARE, Sources, TERMS,
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
        let (whole, terms) = if plan.sources.are_early {
            let Chain { whole, new } = sums::<R, Early>(lines, row, &mut look.ahead);
            (whole, R::joined(whole, new.0))
        } else {
            let Chain { whole, new } = sums::<R, All<R::Sixteen>>(lines, row, &mut look.ahead);
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

/// Scales the values of up to sixteen features, and finds out whether they are 1 and stay it.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn scale<F: Floats>(lines: *const Line, values: &[f32], ahead: &mut Ahead) {
    // SAFETY: as required of the caller; numbers 12 to 15 of a line are aligned to 16, `Lanes` have
    // sixteen numbers, and no more values are loaded than there are.
    unsafe {
        let [_, _, room, count] = fours::<F>(&ahead.offsets, |offset| {
            lines.byte_add(offset).cast::<f32>().add(N).cast()
        });
        let (none, one) = (F::of(0.0), F::of(1.0));
        let mut x = F::load_first(values.as_ptr(), values.len(), 1.0);
        let other = x.compare::<_CMP_NEQ_UQ>(one);
        let large = room.compare::<_CMP_LT_OQ>(none);
        if F::any(large) {
            let shrink = (count / (count - room)).root() - one;
            x = x + x * F::select(large, shrink, none);
        }
        ahead.unit = !F::any(F::either(large, other));
        x.store(ahead.scaled.0.as_mut_ptr());
    }
}

/// Returns the sums of the lines of a row: of the members, and of the members' shares of newcomers.
/// Keeps what it finds out about the blocks.
///
/// # Safety
///
/// The caller is compiled for the registers, and the offsets are those of lines.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn sums<R: Registers, N: Newcomers<R::Sixteen>>(
    lines: *const Line,
    row: &Ordered<'_>,
    blocks: &mut [Ahead],
) -> Chain<N, R::Sixteen> {
    let none = Added::<N, R::Sixteen>::none();
    let mut added = none;
    // SAFETY: as required of the caller.
    unsafe {
        if row.ones() {
            for_blocks!(row, blocks, |positions, _values, ahead| {
                ahead.unit = true;
                added = added.add::<true>(lines, positions.len(), ahead);
            });
        }
        // Whether one of them is shrunk is found out on the way.
        if !row.ones() || added.shrunk {
            added = none;
            for_blocks!(row, blocks, |_positions, values, ahead| for R scale(
                lines, values, ahead
            ));
            for_blocks!(row, blocks, |positions, _values, ahead| {
                added = if ahead.unit {
                    added.add::<true>(lines, positions.len(), ahead)
                } else {
                    added.add::<false>(lines, positions.len(), ahead)
                };
            });
        }
    }
    let [even, odd] = added.chains;
    Chain {
        whole: even.whole + odd.whole,
        new: even.new.plus(odd.new),
    }
}

/// Two chains, and whether a value was shrunk.
#[derive(Clone, Copy)]
struct Added<N, F> {
    chains: [Chain<N, F>; 2],
    shrunk: bool,
}

impl<N: Newcomers<F>, F: Floats> Added<N, F> {
    #[inline(always)]
    fn none() -> Self {
        let none = Chain {
            whole: F::of(0.0),
            new: N::none(),
        };
        Self {
            chains: [none; 2],
            shrunk: false,
        }
    }

    /// Adds the lines of up to sixteen features, in turns to the two chains.
    ///
    /// # Safety
    ///
    /// The caller is compiled for the registers, and the offsets are those of lines.
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn add<const UNIT: bool>(
        self,
        lines: *const Line,
        features: usize,
        ahead: &mut Ahead,
    ) -> Self {
        let [mut even, mut odd] = self.chains;
        // SAFETY: as required of the caller.
        unsafe {
            let mut least = _mm_set1_ps(f32::INFINITY);
            for pair in 0..features / 2 {
                even = even.add::<UNIT>(lines, ahead, 2 * pair, &mut least);
                odd = odd.add::<UNIT>(lines, ahead, 2 * pair + 1, &mut least);
            }
            if features % 2 == 1 {
                even = even.add::<UNIT>(lines, ahead, features - 1, &mut least);
            }
            let limits = _mm_setr_ps(0.0, 0.0, 0.0, draw::FREQUENT);
            let low = _mm_movemask_ps(_mm_cmplt_ps(least, limits));
            ahead.frequent = low & 1 << (COUNT - N) == 0;
            Self {
                chains: [even, odd],
                shrunk: self.shrunk || low & 1 << (ROOM - N) != 0,
            }
        }
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

    /// Adds a share of the line at a place.
    ///
    /// # Safety
    ///
    /// There is one.
    #[allow(unsafe_code)]
    unsafe fn add(self, place: *const f32, line: F, share: f32) -> Self;

    fn plus(self, other: Self) -> Self;
}

/// Those of all members.
#[derive(Clone, Copy)]
struct All<F>(F);

#[allow(unsafe_code)]
impl<F: Floats> Newcomers<F> for All<F> {
    #[inline(always)]
    fn none() -> Self {
        Self(F::of(0.0))
    }

    #[inline(always)]
    unsafe fn add(self, _: *const f32, line: F, share: f32) -> Self {
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
    unsafe fn add(self, place: *const f32, _: F, share: f32) -> Self {
        // SAFETY: as required of the caller.
        Self(unsafe {
            let first = _mm_load_ps(place);
            _mm_add_ps(self.0, _mm_mul_ps(first, _mm_set1_ps(share)))
        })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm_add_ps(self.0, other.0) })
    }
}

impl<N: Newcomers<F>, F: Floats> Chain<N, F> {
    /// Adds feature `j` of a block, and takes note of the least numbers of last quads.
    ///
    /// # Safety
    ///
    /// The caller is compiled for the registers, and the offset is that of a line.
    #[inline(always)]
    #[allow(unsafe_code)]
    unsafe fn add<const UNIT: bool>(
        self,
        lines: *const Line,
        ahead: &Ahead,
        j: usize,
        least: &mut __m128,
    ) -> Self {
        // SAFETY: as required of the caller; a line has sixteen numbers.
        unsafe {
            let place = lines.byte_add((&ahead.offsets).at(j)).cast::<f32>();
            let (line, share) = (F::load(place), *place.add(SHARE));
            *least = _mm_min_ps(*least, _mm_load_ps(place.add(N)));
            let sums = if UNIT {
                Self {
                    whole: self.whole + line,
                    new: self.new.add(place, line, share),
                }
            } else {
                let x = ahead.scaled.0[j % BLOCK];
                Self {
                    whole: self.whole + line * F::of(x),
                    new: self.new.add(place, line, x * share),
                }
            };
            // Or the compiler loads numbers of several features as one vector, to take it apart.
            compiler_fence(Ordering::AcqRel);
            sums
        }
    }
}
