//! Slots in AVX-512 registers: sixteen of them, one register a number.

use std::arch::x86_64::{
    __m128, __m512, _mm_add_ps, _mm_add_ss, _mm_castpd_ps, _mm_castps_pd, _mm_cvtss_f32,
    _mm_load_sd, _mm_load_ss, _mm_loadh_pd, _mm_movehdup_ps, _mm_movehl_ps, _mm_movelh_ps,
    _mm_shuffle_ps, _mm_store_ps, _mm_store_ss, _mm_storeh_pd, _mm_storel_pd, _mm_unpacklo_ps,
    _mm256_add_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm512_add_ps,
    _mm512_castps128_ps512, _mm512_castps512_ps256, _mm512_extractf32x4_ps, _mm512_extractf32x8_ps,
    _mm512_insertf32x4, _mm512_load_ps, _mm512_mask_add_ps, _mm512_maskz_compress_ps,
    _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_setzero_ps, _mm512_shuffle_ps, _mm512_store_ps,
    _mm512_unpackhi_ps, _mm512_unpacklo_ps,
};

use super::{
    super::{
        avx512::{Padded, Places, fours, turn},
        bank::Lanes,
        first,
        number::Wide,
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

/// Sixteen slots.
pub(crate) type Columns = [__m512; 4];

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
/// The caller is compiled for AVX-512, every position of the row is that of a slot, and `seen` has a
/// block for every sixteen of them.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn observe<S: Stored>(
    slots: &[S],
    row: &Ordered<'_>,
    seen: &mut [Numbers<Lanes>],
) -> f64 {
    // SAFETY: as required of the caller.
    unsafe {
        if row.ones() {
            sum::<true, S>(slots, row, seen)
        } else {
            sum::<false, S>(slots, row, seen)
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
unsafe fn sum<const ONES: bool, S: Stored>(
    slots: &[S],
    row: &Ordered<'_>,
    seen: &mut [Numbers<Lanes>],
) -> f64 {
    let slots = slots.as_ptr();
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, _) = row.values().as_chunks::<BLOCK>();
    // SAFETY: as required of the caller; there are as many values as positions; `Lanes` are aligned;
    // a mask has as many bits as there are values.
    unsafe {
        // Keeps the slots of a block, and returns what they add to the sum.
        let mut take = |block: usize, columns: Columns, values: &[f32]| {
            let seen = seen.get_unchecked_mut(block);
            for (lanes, column) in seen.iter_mut().zip(columns).take(S::WIDTH) {
                _mm512_store_ps(lanes.0.as_mut_ptr(), column);
            }
            if ONES {
                return columns[0];
            }
            let x = _mm512_maskz_loadu_ps(first(values.len()), values.as_ptr());
            _mm512_mul_ps(columns[0], x)
        };
        let mut sums = _mm512_setzero_ps();
        for (block, positions) in blocks.iter().enumerate() {
            let values = value_blocks.get_unchecked(block);
            sums = _mm512_add_ps(sums, take(block, S::fetch(slots, positions), values));
        }
        let count = rest.len();
        let last = match Rest::of(row) {
            Rest::None => _mm512_setzero_ps(),
            // The last `count` of eight come first, as if they had been padded.
            Rest::Eight(positions, values) => {
                let all = take(blocks.len(), S::fetch(slots, positions), values);
                _mm512_maskz_compress_ps(first(HALF) & !(first(HALF) >> count), all)
            }
            Rest::Sixteen(positions, values) => {
                let all = take(blocks.len(), S::fetch(slots, positions), values);
                _mm512_maskz_compress_ps(!(first(BLOCK) >> count), all)
            }
            Rest::All(positions, values) => {
                let padded = Padded::new(positions);
                take(blocks.len(), S::fetch(slots, &padded), values)
            }
        };
        let sums = _mm512_mask_add_ps(sums, first(count), sums, last);
        let eight = _mm256_add_ps(
            _mm512_castps512_ps256(sums),
            _mm512_extractf32x8_ps::<1>(sums),
        );
        let four = _mm_add_ps(
            _mm256_castps256_ps128(eight),
            _mm256_extractf128_ps::<1>(eight),
        );
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        f64::from(_mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two))))
    }
}

/// [`super::learn`].
///
/// # Safety
///
/// The caller is compiled for AVX-512, every position of the row is that of a slot, and `seen` is what
/// [`observe`] has made of the row.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn learn<S: Stored, T: Step>(
    step: &T,
    slots: &mut [S],
    row: &Ordered<'_>,
    seen: &[Numbers<Lanes>],
    push: f32,
) {
    // SAFETY: as required of the caller.
    unsafe {
        if row.ones() {
            learn_row::<true, S, T>(step, slots, row, seen, push);
        } else {
            learn_row::<false, S, T>(step, slots, row, seen, push);
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
unsafe fn learn_row<const ONES: bool, S: Stored, T: Step>(
    step: &T,
    slots: &mut [S],
    row: &Ordered<'_>,
    seen: &[Numbers<Lanes>],
    push: f32,
) {
    let slots = slots.as_mut_ptr();
    let (blocks, _) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, _) = row.values().as_chunks::<BLOCK>();
    // SAFETY: as required of the caller; there are as many values as positions.
    unsafe {
        let learn = |block: usize, positions: &[u32], values: &[f32]| {
            let seen = seen.get_unchecked(block);
            learn_block::<ONES, S, T>(step, slots, positions, values, seen, push);
        };
        for (block, positions) in blocks.iter().enumerate() {
            learn(block, positions, value_blocks.get_unchecked(block));
        }
        match Rest::of(row) {
            Rest::None => {}
            Rest::Eight(positions, values) => learn(blocks.len(), positions, values),
            Rest::Sixteen(positions, values) => learn(blocks.len(), positions, values),
            Rest::All(positions, values) => learn(blocks.len(), positions, values),
        }
    }
}

/// Steps up to sixteen slots. Always inlined, so that whole blocks are unrolled.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn learn_block<const ONES: bool, S: Stored, T: Step>(
    step: &T,
    slots: *mut S,
    positions: &[u32],
    values: &[f32],
    seen: &Numbers<Lanes>,
    push: f32,
) {
    // SAFETY: as required of the caller; the mask has as many bits as there are values, and `Lanes`
    // are aligned.
    unsafe {
        let mut columns = [Wide::of(0.0); 4];
        for (column, lanes) in columns.iter_mut().zip(seen).take(S::WIDTH) {
            *column = Wide(_mm512_load_ps(lanes.0.as_ptr()));
        }
        let x = if ONES {
            Wide::of(1.0)
        } else {
            Wide(_mm512_maskz_loadu_ps(first(values.len()), values.as_ptr()))
        };
        let rate = step.prepare(&mut columns, x);
        step.step(&mut columns, x, rate, Wide::of(push));
        S::store(slots, positions, columns.map(|column| column.0));
    }
}

/// Runs a piece of code for each group of four numbers of a register, as far as there are
/// positions: a group can only be named by a constant.
macro_rules! for_groups {
    (|$group:ident| $code:expr) => {{
        {
            const $group: i32 = 0;
            $code
        }
        {
            const $group: i32 = 1;
            $code
        }
        {
            const $group: i32 = 2;
            $code
        }
        {
            const $group: i32 = 3;
            $code
        }
    }};
}

/// Loads sixteen slots of four numbers.
///
/// # Safety
///
/// Every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn fetch_four(slots: *const Four, places: impl Places) -> Columns {
    // SAFETY: as required of the caller; a slot is four numbers, aligned to 16.
    unsafe { fours(places, |position| slots.add(position).cast()) }
}

/// Stores slots of four numbers.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn store_four(slots: *mut Four, positions: &[u32], columns: Columns) {
    // SAFETY: as required of the caller; a slot is aligned to 16.
    unsafe {
        // Register k has slots k, k + 4, k + 8 and k + 12.
        let lines = turn(columns);
        for_groups!(|GROUP| {
            for (k, &line) in lines.iter().enumerate() {
                if let Some(&position) = positions.get(4 * GROUP as usize + k) {
                    let slot = _mm512_extractf32x4_ps::<GROUP>(line);
                    _mm_store_ps(slots.add(position as usize).cast(), slot);
                }
            }
        });
    }
}

/// Loads sixteen slots of two numbers.
///
/// # Safety
///
/// Every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn fetch_two<P: Places>(slots: *const Two, places: P) -> Columns {
    // SAFETY: as required of the caller.
    unsafe {
        let two = |j: usize| {
            let place = |j: usize| slots.add(places.at(j)).cast::<f64>();
            _mm_castpd_ps(_mm_loadh_pd(_mm_load_sd(place(j)), place(j + 1)))
        };
        let line = |first: usize| -> __m512 {
            let pairs = _mm512_castps128_ps512(two(first));
            let pairs = _mm512_insertf32x4::<1>(pairs, two(first + 4));
            if P::GROUPS < 3 {
                return pairs;
            }
            let pairs = _mm512_insertf32x4::<2>(pairs, two(first + 8));
            _mm512_insertf32x4::<3>(pairs, two(first + 12))
        };
        // Slots 4 l and 4 l + 1 in group l of the one, 4 l + 2 and 4 l + 3 in that of the other.
        let (low, high) = (line(0), line(2));
        let zero = _mm512_setzero_ps();
        [
            _mm512_shuffle_ps::<0b10_00_10_00>(low, high),
            _mm512_shuffle_ps::<0b11_01_11_01>(low, high),
            zero,
            zero,
        ]
    }
}

/// Stores slots of two numbers.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn store_two(slots: *mut Two, positions: &[u32], columns: Columns) {
    // SAFETY: as required of the caller; a slot is as large as an `f64`.
    unsafe {
        let lines = [
            _mm512_unpacklo_ps(columns[0], columns[1]),
            _mm512_unpackhi_ps(columns[0], columns[1]),
        ];
        for_groups!(|GROUP| {
            for (k, &line) in lines.iter().enumerate() {
                let pair = _mm_castps_pd(_mm512_extractf32x4_ps::<GROUP>(line));
                let first = 4 * GROUP as usize + 2 * k;
                if let Some(&position) = positions.get(first) {
                    _mm_storel_pd(slots.add(position as usize).cast(), pair);
                }
                if let Some(&position) = positions.get(first + 1) {
                    _mm_storeh_pd(slots.add(position as usize).cast(), pair);
                }
            }
        });
    }
}

/// Loads sixteen slots of one number.
///
/// # Safety
///
/// Every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn fetch_one<P: Places>(slots: *const One, places: P) -> Columns {
    // SAFETY: as required of the caller.
    unsafe {
        let one = |j: usize| _mm_load_ss(slots.add(places.at(j)).cast());
        let four = |j: usize| -> __m128 {
            let (low, high) = (
                _mm_unpacklo_ps(one(j), one(j + 1)),
                _mm_unpacklo_ps(one(j + 2), one(j + 3)),
            );
            _mm_movelh_ps(low, high)
        };
        let all = _mm512_castps128_ps512(four(0));
        let mut all = _mm512_insertf32x4::<1>(all, four(4));
        if P::GROUPS > 2 {
            all = _mm512_insertf32x4::<2>(all, four(8));
            all = _mm512_insertf32x4::<3>(all, four(12));
        }
        let zero = _mm512_setzero_ps();
        [all, zero, zero, zero]
    }
}

/// Stores slots of one number.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn store_one(slots: *mut One, positions: &[u32], columns: Columns) {
    // SAFETY: as required of the caller; a slot is as large as an `f32`.
    unsafe {
        for_groups!(|GROUP| {
            let four = _mm512_extractf32x4_ps::<GROUP>(columns[0]);
            // Through registers: a number that is read back just after its vector was stored waits.
            let numbers = [
                four,
                _mm_shuffle_ps::<0b01_01_01_01>(four, four),
                _mm_shuffle_ps::<0b10_10_10_10>(four, four),
                _mm_shuffle_ps::<0b11_11_11_11>(four, four),
            ];
            for (k, &number) in numbers.iter().enumerate() {
                if let Some(&position) = positions.get(4 * GROUP as usize + k) {
                    _mm_store_ss(slots.add(position as usize).cast(), number);
                }
            }
        });
    }
}
