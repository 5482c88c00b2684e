//! How lines travel between memory and registers: for AVX2 and AVX-512.
//!
//! The last four numbers of sixteen lines (sixteen features, four sums) are loaded and turned, so
//! that each register holds one sum of sixteen features; the rates and the new sums go back the same
//! way. A line is loaded once to be summed and once to be stepped, and stored once, whole.
//!
//! An event is a long wait, from its margin through an exponential to the steps, between two
//! stretches of work; a CPU looks ahead over about 300 operations. So each kind of work is done for
//! all blocks of the row before the next kind begins, what was stored is loaded again as late as
//! can be, and what hangs on no margin is put where the wait is.

mod look;
mod step;

use self::{
    look::terms,
    step::{prepare, step, update_of},
};
use super::{
    super::{
        Soon, Stack, draw,
        registers::{Floats, Places, Registers},
        stack::registers as matrix,
    },
    BLOCK, CURVATURES, Lanes, Line, Look, Plan,
};
use crate::{row::Ordered, rules::Lesson};

/// What the steps of sixteen features need, as far as it does not hang on the margin.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub(super) struct Ahead {
    offsets: Offsets,
    /// Rates that fall, times the scaled value, in the order of `turn`.
    rates: [Lanes; 1 + CURVATURES],
    /// n and h before the event, room and count after it.
    sums: [Lanes; 4],
    /// The values as the members see them: in the margin, and from `prepare` on in the step.
    scaled: Lanes,
    /// The shares of newcomers after the event.
    shares: Lanes,
    /// Whether every value is 1 and not shrunk, and from `prepare` on no sum near its limit. Then
    /// `scaled` and `sums` mean nothing.
    unit: bool,
    /// Whether no position is a rare one, so that an event counts as often as it was drawn for.
    frequent: bool,
}

/// Where up to sixteen lines are, in bytes after the first line; the first of them in the place of
/// those that are missing.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
struct Offsets([u64; BLOCK]);

impl Offsets {
    /// Takes up to as many positions as there are lanes.
    #[inline(always)]
    fn set<F: Floats>(&mut self, positions: &[u32]) {
        const SHIFT: u32 = size_of::<Line>().trailing_zeros();
        let first = f32::from_bits(positions.first().copied().unwrap_or_default());
        #[allow(unsafe_code)]
        // SAFETY: no more are loaded than there are, and there is room for sixteen. The bits of numbers
        // are moved as they are.
        unsafe {
            F::load_first(positions.as_ptr().cast(), positions.len(), first)
                .store_shifted::<SHIFT>(self.0.as_mut_ptr());
        }
    }
}

impl Places for &Offsets {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "64 bits, as an address")]
    fn at(self, j: usize) -> usize {
        let offset: &u64 = &self.0[j];
        #[allow(unsafe_code)]
        // SAFETY: a live reference. Volatile because the compiler would otherwise take the offsets
        // out of the register one by one, which costs more than loading them.
        unsafe {
            std::ptr::from_ref(offset).read_volatile() as usize
        }
    }
}

/// Runs a piece of code for each block of a row: for whole ones, whose length the compiler knows, and
/// for the rest.
///
/// A function `for` the registers of a kernel is called for sixteen numbers, or for eight where the rest
/// has no more; for all blocks, or `if` a condition holds.
///
/// # Safety
///
/// There are as many blocks ahead.
macro_rules! for_blocks {
    (
        $row:expr, $ahead:expr, |$positions:ident, $values:ident, $block:ident|
        for $registers:ident $function:ident($($argument:expr),*) $(if $condition:expr)?
    ) => {
        for_blocks!(
            @ $row, $ahead, $positions, $values, $block,
            if true $(&& $condition)? { $function::<$registers::Sixteen>($($argument),*) },
            if !(true $(&& $condition)?) {
            } else if $row.positions().len() % BLOCK <= BLOCK / 2 {
                $function::<$registers::Eight>($($argument),*)
            } else {
                $function::<$registers::Sixteen>($($argument),*)
            }
        )
    };
    ($row:expr, $ahead:expr, |$positions:ident, $values:ident, $block:ident| $code:expr) => {
        for_blocks!(@ $row, $ahead, $positions, $values, $block, $code, $code)
    };
    (
        @ $row:expr, $ahead:expr, $positions:ident, $values:ident, $block:ident,
        $whole:expr, $rest:expr
    ) => {{
        let (blocks, rest) = $row.positions().as_chunks::<BLOCK>();
        let (value_blocks, rest_values) = $row.values().as_chunks::<BLOCK>();
        debug_assert!($ahead.len() >= $row.positions().len().div_ceil(BLOCK));
        for (block, $positions) in blocks.iter().enumerate() {
            let $values = value_blocks.get_unchecked(block);
            let $block = $ahead.get_unchecked_mut(block);
            $whole;
        }
        if !rest.is_empty() {
            let ($positions, $values) = (rest, rest_values);
            let $block = $ahead.get_unchecked_mut(blocks.len());
            $rest;
        }
    }};
}
use for_blocks;

/// [`super::look`].
///
/// # Safety
///
/// The caller is compiled for the registers, and every position of the row is below the number of
/// lines.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn look<R: Registers>(
    lines: &[Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &Stack,
    look: &mut Look,
) -> f64 {
    // SAFETY: as required of the caller.
    let seen = unsafe { terms::<R>(lines, row, plan, look) };
    matrix::dot(matrix::load(&stack.mean), seen.terms)
}

/// [`super::learn`], for events of an importance of at most 1 without penalties. What hangs on the
/// margin stays in registers, because it is what the next event waits for.
///
/// # Safety
///
/// The caller is compiled for the registers, and every position of the row is below the number of
/// lines.
#[expect(clippy::too_many_arguments, reason = "the parts of a bank")]
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn learn<R: Registers>(
    lines: &mut [Line],
    row: &Ordered<'_>,
    plan: &Plan,
    stack: &mut Stack,
    look: &mut Look,
    lesson: &Lesson,
    soon: &Soon<'_, Line>,
    is_good: impl FnOnce(f64) -> bool,
) -> Option<f32> {
    // SAFETY: as required of the caller.
    let seen = unsafe { terms::<R>(lines, row, plan, look) };
    let margin = matrix::dot(matrix::load(&stack.mean), seen.terms);
    soon.prefetch();
    // The wait begins here; the rest of the work before the steps fits into it.
    let (pushes, update) = update_of(seen.whole, plan, lesson, margin);
    let times = draw::times(lesson, update.size);
    // SAFETY: `terms` has seen to the blocks.
    unsafe {
        for_blocks!(row, look.ahead, |_positions, values, ahead| for R prepare(
            lines.as_ptr(),
            values,
            plan,
            lesson.decay.evidence,
            ahead
        ) if ahead.is_learned(times));
    }
    if !is_good(margin) {
        return None;
    }
    let change = (times > 0.0).then(|| {
        let times = f64::from(times);
        let (slope, bend) = (times * update.slope, times * update.bend);
        matrix::change::<R::Doubles>(stack, seen.terms, &look.terms, slope, bend)
    });
    let lines = lines.as_mut_ptr();
    let (often, update_often) = (pushes.times(times), update.times(times));
    // SAFETY: as above, and as required of the caller.
    unsafe {
        for_blocks!(row, look.ahead, |positions, _values, ahead| {
            if ahead.is_learned(times) {
                let (pushes, update) = if ahead.frequent {
                    (&often, &update_often)
                } else {
                    (&pushes, &update)
                };
                step(lines, positions.len(), ahead, plan, pushes, update);
            }
        });
    }
    pushes.keep(&mut look.pushes);
    match change {
        Some((gain, change)) => matrix::apply(stack, gain, change),
        None => stack.age(0.0),
    }
    Some(times)
}

impl Ahead {
    /// Whether the block learns from an event that counts so many times.
    #[inline(always)]
    fn is_learned(&self, times: f32) -> bool {
        times > 0.0 || !self.frequent
    }
}
