//! Slots in registers, one register a number: for AVX2 and AVX-512.

use std::arch::x86_64::{
    __m128, _mm_castpd_ps, _mm_castps_pd, _mm_load_sd, _mm_load_ss, _mm_loadh_pd, _mm_movelh_ps,
    _mm_setzero_ps, _mm_shuffle_ps, _mm_store_ps, _mm_store_ss, _mm_storeh_pd, _mm_storel_pd,
    _mm_unpacklo_ps,
};

use super::{
    super::{
        bank::Lanes,
        registers::{Floats, Padded, Places, Registers, fours, turn},
    },
    BLOCK, Four, One, Stored, Two,
};
use crate::{
    kernel::Number,
    row::Ordered,
    rules::{Numbers, Step},
};

/// Half a block.
const HALF: usize = BLOCK / 2;

/// The entries of a row after its whole blocks.
///
/// They come with entries before them, as many as fill a block or half of one, so that nothing has to be
/// padded and no store hangs on a count. An entry that is in two blocks is summed once. It is stepped
/// twice, from the same numbers to the same bits.
enum Rest<'a> {
    None,
    Eight(&'a [u32; HALF], &'a [f32; HALF]),
    Sixteen(&'a [u32; BLOCK], &'a [f32; BLOCK]),
    /// All entries of a row that is too short for that.
    All(&'a [u32], &'a [f32]),
}

impl<'a> Rest<'a> {
    #[inline(always)]
    fn of(row: &Ordered<'a>) -> Self {
        let (positions, values) = (row.positions(), row.values());
        let rest = positions.len() % BLOCK;
        if rest == 0 {
            return Self::None;
        }
        if rest <= HALF
            && let Some(positions) = positions.last_chunk()
            && let Some(values) = values.last_chunk()
        {
            return Self::Eight(positions, values);
        }
        if let Some(positions) = positions.last_chunk()
            && let Some(values) = values.last_chunk()
        {
            return Self::Sixteen(positions, values);
        }
        Self::All(positions, values)
    }
}

/// [`super::observe`].
///
/// # Safety
///
/// The caller is compiled for the registers, every position of the row is that of a slot, and `seen` has
/// a block for every sixteen of them.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn observe<R: Registers, S: Stored>(
    slots: &[S],
    row: &Ordered<'_>,
    seen: &mut [Numbers<Lanes>],
) -> f64 {
    // SAFETY: as required of the caller.
    unsafe {
        if row.ones() {
            sum::<true, R, S>(slots, row, seen)
        } else {
            sum::<false, R, S>(slots, row, seen)
        }
    }
}

/// Sums the row; with `ONES` every value is 1.
///
/// # Safety
///
/// As for [`observe`].
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn sum<const ONES: bool, R: Registers, S: Stored>(
    slots: &[S],
    row: &Ordered<'_>,
    seen: &mut [Numbers<Lanes>],
) -> f64 {
    let slots = slots.as_ptr();
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, _) = row.values().as_chunks::<BLOCK>();
    // SAFETY: as required of the caller; there are as many values as positions.
    unsafe {
        let mut sums = R::Sixteen::of(0.0);
        for (block, positions) in blocks.iter().enumerate() {
            let values = value_blocks.get_unchecked(block);
            let seen = seen.get_unchecked_mut(block);
            sums = sums + take::<ONES, R::Sixteen, S>(slots, positions, values, seen);
        }
        let count = rest.len();
        let rest = Rest::of(row);
        if !matches!(rest, Rest::None) {
            let seen = seen.get_unchecked_mut(blocks.len());
            // The last `count` come first, as if they had been padded.
            let last = match rest {
                Rest::Eight(positions, values) => {
                    let eight = take::<ONES, R::Eight, S>(slots, positions, values, seen);
                    R::widen(eight.last_first(count))
                }
                Rest::Sixteen(positions, values) => {
                    take::<ONES, R::Sixteen, S>(slots, positions, values, seen).last_first(count)
                }
                Rest::All(positions, values) => {
                    let padded = Padded::new::<R::Sixteen>(positions);
                    take::<ONES, R::Sixteen, S>(slots, &padded, values, seen)
                }
                Rest::None => sums,
            };
            sums = sums.with_first(count, sums + last);
        }
        f64::from(sums.total())
    }
}

/// Keeps the slots of a block, and returns what they add to the sum.
///
/// # Safety
///
/// The caller is compiled for the registers, and every place is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn take<const ONES: bool, F: Floats, S: Stored>(
    slots: *const S,
    places: impl Places,
    values: &[f32],
    seen: &mut Numbers<Lanes>,
) -> F {
    // SAFETY: as required of the caller; there is room for sixteen numbers.
    unsafe {
        let columns = S::fetch::<F>(slots, places);
        for (lanes, column) in seen.iter_mut().zip(columns).take(S::WIDTH) {
            column.store(lanes.0.as_mut_ptr());
        }
        if ONES {
            return columns[0];
        }
        columns[0] * F::load_first(values.as_ptr(), values.len(), 0.0)
    }
}

/// [`super::learn`].
///
/// # Safety
///
/// The caller is compiled for the registers, every position of the row is that of a slot, and `seen` is
/// what [`observe`] has made of the row.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn learn<R: Registers, S: Stored, T: Step>(
    step: &T,
    slots: &mut [S],
    row: &Ordered<'_>,
    seen: &[Numbers<Lanes>],
    push: f32,
) {
    // SAFETY: as required of the caller.
    unsafe {
        if row.ones() {
            learn_row::<true, R, S, T>(step, slots, row, seen, push);
        } else {
            learn_row::<false, R, S, T>(step, slots, row, seen, push);
        }
    }
}

/// With `ONES` every value is 1.
///
/// # Safety
///
/// As for [`learn`].
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn learn_row<const ONES: bool, R: Registers, S: Stored, T: Step>(
    step: &T,
    slots: &mut [S],
    row: &Ordered<'_>,
    seen: &[Numbers<Lanes>],
    push: f32,
) {
    let slots = slots.as_mut_ptr();
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, _) = row.values().as_chunks::<BLOCK>();
    // SAFETY: as required of the caller; there are as many values as positions.
    unsafe {
        for (block, positions) in blocks.iter().enumerate() {
            let values = value_blocks.get_unchecked(block);
            let seen = seen.get_unchecked(block);
            learn_block::<ONES, R::Sixteen, S, T>(step, slots, positions, values, seen, push);
        }
        if rest.is_empty() {
            return;
        }
        let seen = seen.get_unchecked(blocks.len());
        match Rest::of(row) {
            Rest::None => {}
            Rest::Eight(positions, values) => {
                learn_block::<ONES, R::Eight, S, T>(step, slots, positions, values, seen, push);
            }
            Rest::Sixteen(positions, values) => {
                learn_block::<ONES, R::Sixteen, S, T>(step, slots, positions, values, seen, push);
            }
            Rest::All(positions, values) => {
                learn_block::<ONES, R::Sixteen, S, T>(step, slots, positions, values, seen, push);
            }
        }
    }
}

/// Steps up to as many slots as there are lanes. Always inlined, so that whole blocks are unrolled.
///
/// # Safety
///
/// The caller is compiled for the registers, and every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn learn_block<const ONES: bool, F: Floats, S: Stored, T: Step>(
    step: &T,
    slots: *mut S,
    positions: &[u32],
    values: &[f32],
    seen: &Numbers<Lanes>,
    push: f32,
) {
    // SAFETY: as required of the caller; `Lanes` have sixteen numbers.
    unsafe {
        let mut columns = [F::of(0.0); 4];
        for (column, lanes) in columns.iter_mut().zip(seen).take(S::WIDTH) {
            *column = F::load(lanes.0.as_ptr());
        }
        let x = if ONES {
            F::of(1.0)
        } else {
            F::load_first(values.as_ptr(), values.len(), 0.0)
        };
        let rate = step.prepare(&mut columns, x);
        step.step(&mut columns, x, rate, F::of(push));
        S::store(slots, positions, columns);
    }
}

/// Loads slots of four numbers.
///
/// # Safety
///
/// Every place is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn fetch_four<F: Floats>(slots: *const Four, places: impl Places) -> Numbers<F> {
    // SAFETY: as required of the caller; a slot is four numbers, aligned to 16.
    unsafe { fours(places, |position| slots.add(position).cast()) }
}

/// Stores slots of four numbers.
///
/// # Safety
///
/// Every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn store_four<F: Floats>(
    slots: *mut Four,
    positions: &[u32],
    columns: Numbers<F>,
) {
    // Register k has slots k, k + 4, k + 8 and k + 12.
    let [a, b, c, d] = turn(columns);
    let lines = [a.quads(), b.quads(), c.quads(), d.quads()];
    for j in 0..F::LANES {
        if let Some(&position) = positions.get(j) {
            // SAFETY: as required of the caller; a slot is aligned to 16.
            unsafe {
                _mm_store_ps(slots.add(position as usize).cast(), lines[j % 4][j / 4]);
            }
        }
    }
}

/// Loads slots of two numbers.
///
/// # Safety
///
/// Every place is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn fetch_two<F: Floats>(slots: *const Two, places: impl Places) -> Numbers<F> {
    // SAFETY: as required of the caller.
    unsafe {
        // Slots 4 l and 4 l + 1 in quad l of the one, 4 l + 2 and 4 l + 3 in that of the other.
        let mut lines = [[_mm_setzero_ps(); 4]; 2];
        for quad in 0..F::LANES / 4 {
            for (k, line) in lines.iter_mut().enumerate() {
                let place = |j: usize| slots.add(places.at(j)).cast::<f64>();
                let first = 4 * quad + 2 * k;
                let pair = _mm_loadh_pd(_mm_load_sd(place(first)), place(first + 1));
                line[quad] = _mm_castpd_ps(pair);
            }
        }
        let [low, high] = lines;
        let (low, high) = (F::of_quads(low), F::of_quads(high));
        let zero = F::of(0.0);
        [low.evens(high), low.odds(high), zero, zero]
    }
}

/// Stores slots of two numbers.
///
/// # Safety
///
/// Every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn store_two<F: Floats>(
    slots: *mut Two,
    positions: &[u32],
    [a, b, ..]: Numbers<F>,
) {
    let lines = [a.zip_low(b).quads(), a.zip_high(b).quads()];
    for j in 0..F::LANES {
        if let Some(&position) = positions.get(j) {
            // SAFETY: as required of the caller; a slot is as large as an `f64`.
            unsafe {
                let pair = _mm_castps_pd(lines[j % 4 / 2][j / 4]);
                let place = slots.add(position as usize).cast();
                if j % 2 == 0 {
                    _mm_storel_pd(place, pair);
                } else {
                    _mm_storeh_pd(place, pair);
                }
            }
        }
    }
}

/// Loads slots of one number.
///
/// # Safety
///
/// Every place is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn fetch_one<F: Floats>(slots: *const One, places: impl Places) -> Numbers<F> {
    // SAFETY: as required of the caller.
    unsafe {
        let one = |j: usize| _mm_load_ss(slots.add(places.at(j)).cast());
        let mut quads: [__m128; 4] = [_mm_setzero_ps(); 4];
        for (quad, numbers) in quads.iter_mut().enumerate().take(F::LANES / 4) {
            let j = 4 * quad;
            let low = _mm_unpacklo_ps(one(j), one(j + 1));
            let high = _mm_unpacklo_ps(one(j + 2), one(j + 3));
            *numbers = _mm_movelh_ps(low, high);
        }
        let zero = F::of(0.0);
        [F::of_quads(quads), zero, zero, zero]
    }
}

/// Stores slots of one number.
///
/// # Safety
///
/// Every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn store_one<F: Floats>(
    slots: *mut One,
    positions: &[u32],
    [weights, ..]: Numbers<F>,
) {
    for (quad, numbers) in weights.quads().into_iter().enumerate().take(F::LANES / 4) {
        // SAFETY: as required of the caller; a slot is as large as an `f32`.
        unsafe {
            // Through registers: a number that is read back just after its vector was stored waits.
            let numbers = [
                numbers,
                _mm_shuffle_ps::<0b01_01_01_01>(numbers, numbers),
                _mm_shuffle_ps::<0b10_10_10_10>(numbers, numbers),
                _mm_shuffle_ps::<0b11_11_11_11>(numbers, numbers),
            ];
            for (k, &number) in numbers.iter().enumerate() {
                if let Some(&position) = positions.get(4 * quad + k) {
                    _mm_store_ss(slots.add(position as usize).cast(), number);
                }
            }
        }
    }
}
