//! Margin and step of a learner with one weight a position, sixteen features at a time.
//!
//! The arithmetic is that of the rules, written once. With AVX2 and AVX-512 the slots of a row are
//! brought into registers once, to be summed and then stepped.

#[cfg(target_arch = "x86_64")]
mod registers;

use super::{Instructions, add_eight, bank::Lanes};
#[cfg(target_arch = "x86_64")]
use super::{
    Kernel,
    registers::{Avx2, Avx512, Floats, Places},
};
use crate::{
    row::Ordered,
    rules::{Numbers, Step},
};

const BLOCK: usize = 16;

/// How a slot lies in memory.
pub(crate) trait Stored: Copy + Default {
    /// How many numbers it has.
    const WIDTH: usize;

    fn numbers(&self) -> Numbers<f32>;

    fn of(numbers: Numbers<f32>) -> Self;

    /// Loads slots, as many as a register has lanes, into one register for each of their numbers.
    ///
    /// # Safety
    ///
    /// The CPU has the registers, and every place is that of a slot.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    unsafe fn fetch<F: Floats>(slots: *const Self, places: impl Places) -> Numbers<F>;

    /// Stores the first slots, one at each position.
    ///
    /// # Safety
    ///
    /// The CPU has the registers, and every position is that of a slot.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    unsafe fn store<F: Floats>(slots: *mut Self, positions: &[u32], columns: Numbers<F>);
}

/// A slot of one number.
#[derive(Debug, Clone, Copy, Default)]
#[repr(transparent)]
pub(crate) struct One(f32);

/// A slot of two numbers.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(8))]
pub(crate) struct Two([f32; 2]);

/// A slot of four numbers.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(16))]
pub(crate) struct Four([f32; 4]);

/// Implements what only registers need.
macro_rules! by_registers {
    ($fetch:ident, $store:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        #[inline(always)]
        unsafe fn fetch<F: Floats>(slots: *const Self, places: impl Places) -> Numbers<F> {
            // SAFETY: as required of the caller.
            unsafe { registers::$fetch(slots, places) }
        }

        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        #[inline(always)]
        unsafe fn store<F: Floats>(slots: *mut Self, positions: &[u32], columns: Numbers<F>) {
            // SAFETY: as required of the caller.
            unsafe { registers::$store(slots, positions, columns) }
        }
    };
}

impl Stored for One {
    const WIDTH: usize = 1;

    #[inline(always)]
    fn numbers(&self) -> Numbers<f32> {
        [self.0, 0.0, 0.0, 0.0]
    }

    #[inline(always)]
    fn of([weight, ..]: Numbers<f32>) -> Self {
        Self(weight)
    }

    by_registers!(fetch_one, store_one);
}

impl Stored for Two {
    const WIDTH: usize = 2;

    #[inline(always)]
    fn numbers(&self) -> Numbers<f32> {
        [self.0[0], self.0[1], 0.0, 0.0]
    }

    #[inline(always)]
    fn of([a, b, ..]: Numbers<f32>) -> Self {
        Self([a, b])
    }

    by_registers!(fetch_two, store_two);
}

impl Stored for Four {
    const WIDTH: usize = 4;

    #[inline(always)]
    fn numbers(&self) -> Numbers<f32> {
        self.0
    }

    #[inline(always)]
    fn of(numbers: Numbers<f32>) -> Self {
        Self(numbers)
    }

    by_registers!(fetch_four, store_four);
}

/// Numbers of the slots of a row that has been looked at, in blocks of sixteen.
pub(crate) type Seen = Vec<Numbers<Lanes>>;

/// [`margin`], for a row that is then learned. A row that does not fit counts as empty.
#[inline(always)]
pub(crate) fn observe<I: Instructions, S: Stored>(
    _: I,
    slots: &[S],
    row: &Ordered<'_>,
    seen: &mut Seen,
) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if I::KERNEL != Kernel::Plain && row.fits(slots.len()) {
        let blocks = row.positions().len().div_ceil(BLOCK);
        if seen.len() < blocks {
            seen.resize(blocks, Numbers::default());
        }
        #[allow(unsafe_code)]
        // SAFETY: `I` says what this is compiled for; the row fits; there are as many blocks.
        return unsafe {
            if I::KERNEL == Kernel::Avx512 {
                registers::observe::<Avx512, S>(slots, row, seen)
            } else {
                registers::observe::<Avx2, S>(slots, row, seen)
            }
        };
    }
    let _ = seen;
    margin(slots, row)
}

/// Takes the event into every slot of a row that has just been observed, and steps it.
#[inline(always)]
pub(crate) fn learn<I: Instructions, S: Stored, T: Step>(
    _: I,
    step: &T,
    slots: &mut [S],
    row: &Ordered<'_>,
    seen: &Seen,
    push: f32,
) {
    #[cfg(target_arch = "x86_64")]
    if I::KERNEL != Kernel::Plain && row.fits(slots.len()) {
        #[allow(unsafe_code)]
        // SAFETY: `I` says what this is compiled for; the row fits, and was observed.
        return unsafe {
            if I::KERNEL == Kernel::Avx512 {
                registers::learn::<Avx512, S, T>(step, slots, row, seen, push);
            } else {
                registers::learn::<Avx2, S, T>(step, slots, row, seen, push);
            }
        };
    }
    let _ = seen;
    body(step, slots, row, push);
}

/// Returns `Σ w·x` over the row.
///
/// Entry `j` is added to lane `j mod 16` in `f32`, and the lanes are added pairwise: the
/// first half to the second, and so on.
pub(crate) fn margin<S: Stored>(slots: &[S], row: &Ordered<'_>) -> f64 {
    let mut sums = [0.0_f32; BLOCK];
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, rest_values) = row.values().as_chunks::<BLOCK>();
    for (positions, values) in blocks.iter().zip(value_blocks) {
        for lane in 0..BLOCK {
            sums[lane] += slots[positions[lane] as usize].numbers()[0] * values[lane];
        }
    }
    for ((sum, &position), &value) in sums.iter_mut().zip(rest).zip(rest_values) {
        *sum += slots[position as usize].numbers()[0] * value;
    }
    let mut lanes = [0.0_f32; BLOCK / 2];
    for (k, lane) in lanes.iter_mut().enumerate() {
        *lane = sums[k] + sums[k + BLOCK / 2];
    }
    f64::from(add_eight(lanes))
}

/// Positions strictly increase, so the slots of a block are distinct and may be stepped together.
#[inline(always)]
fn body<S: Stored, T: Step>(step: &T, slots: &mut [S], row: &Ordered<'_>, push: f32) {
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, rest_values) = row.values().as_chunks::<BLOCK>();
    for (positions, values) in blocks.iter().zip(value_blocks) {
        let seen = positions.map(|position| slots[position as usize].numbers());
        let stepped = step_block(step, seen, values, push);
        for (&position, numbers) in positions.iter().zip(stepped) {
            slots[position as usize] = S::of(numbers);
        }
    }
    if rest.is_empty() {
        return;
    }
    let mut seen = [[0.0; 4]; BLOCK];
    let mut values = [0.0_f32; BLOCK];
    for (((numbers, x), &position), &value) in
        seen.iter_mut().zip(&mut values).zip(rest).zip(rest_values)
    {
        *numbers = slots[position as usize].numbers();
        *x = value;
    }
    for (&position, numbers) in rest.iter().zip(step_block(step, seen, &values, push)) {
        slots[position as usize] = S::of(numbers);
    }
}

/// Steps sixteen slots, also those that are left over, so that the loop has a fixed length.
#[inline(always)]
fn step_block<T: Step>(
    step: &T,
    mut slots: [Numbers<f32>; BLOCK],
    values: &[f32; BLOCK],
    push: f32,
) -> [Numbers<f32>; BLOCK] {
    for (slot, &x) in slots.iter_mut().zip(values) {
        let rate = step.prepare(slot, x);
        step.step(slot, x, rate, push);
    }
    slots
}
