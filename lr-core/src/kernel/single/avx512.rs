//! Slots in AVX-512 registers: sixteen of them, one register a number.

use std::arch::x86_64::{
    __m128, __m512, _mm_castpd_ps, _mm_castps_pd, _mm_load_sd, _mm_load_ss, _mm_loadh_pd,
    _mm_movelh_ps, _mm_shuffle_ps, _mm_store_ps, _mm_store_ss, _mm_storeh_pd, _mm_storel_pd,
    _mm_unpacklo_ps, _mm512_castps128_ps512, _mm512_castps512_ps256, _mm512_cvtps_pd,
    _mm512_extractf32x4_ps, _mm512_extractf32x8_ps, _mm512_insertf32x4, _mm512_load_ps,
    _mm512_mask_add_ps, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_set1_pd, _mm512_setzero_ps,
    _mm512_shuffle_ps, _mm512_store_ps, _mm512_unpackhi_ps, _mm512_unpacklo_ps,
};

use super::{
    super::{
        avx512::{Padded, Places, fours, turn},
        bank::Lanes,
        first,
        number::Wide,
        stack::avx512::dot,
    },
    BLOCK, Four, One, Stored, Two,
};
use crate::{
    kernel::Number,
    row::Ordered,
    rules::{Numbers, Step},
};

/// Sixteen slots.
pub(crate) type Columns = [__m512; 4];

/// [`super::observe`].
///
/// # Safety
///
/// Every position of the row is that of a slot, and `seen` has a block for every sixteen of them.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn observe<S: Stored>(
    slots: &[S],
    row: &Ordered<'_>,
    seen: &mut [Numbers<Lanes>],
) -> f64 {
    let mut sums = _mm512_setzero_ps();
    let slots = slots.as_ptr();
    let mut add = |columns: Columns, values: &[f32], seen: &mut Numbers<Lanes>| {
        let mask = first(values.len());
        // SAFETY: the mask has as many bits as there are values; `Lanes` are aligned.
        let x = unsafe {
            for (lanes, column) in seen.iter_mut().zip(columns).take(S::WIDTH) {
                _mm512_store_ps(lanes.0.as_mut_ptr(), column);
            }
            _mm512_maskz_loadu_ps(mask, values.as_ptr())
        };
        sums = _mm512_mask_add_ps(sums, mask, sums, _mm512_mul_ps(columns[0], x));
    };
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, rest_values) = row.values().as_chunks::<BLOCK>();
    let (seen, seen_rest) = seen.split_at_mut(blocks.len());
    // Early, because they are read back one by one.
    let padded = Padded::new(rest);
    for ((positions, values), seen) in blocks.iter().zip(value_blocks).zip(seen) {
        // SAFETY: as required of the caller.
        add(unsafe { S::fetch(slots, positions) }, values, seen);
    }
    if let (false, Some(seen)) = (rest.is_empty(), seen_rest.first_mut()) {
        // SAFETY: as required of the caller.
        let columns = unsafe { S::fetch(slots, &padded) };
        add(columns, rest_values, seen);
    }
    let sums = [
        _mm512_cvtps_pd(_mm512_castps512_ps256(sums)),
        _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(sums)),
    ];
    dot(sums, [_mm512_set1_pd(1.0); 2])
}

/// [`super::learn`].
///
/// # Safety
///
/// Every position of the row is that of a slot.
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn learn<S: Stored, T: Step>(
    step: &T,
    slots: &mut [S],
    row: &Ordered<'_>,
    seen: &[Numbers<Lanes>],
    push: f32,
) {
    let slots = slots.as_mut_ptr();
    let (blocks, rest) = row.positions().as_chunks::<BLOCK>();
    let (value_blocks, rest_values) = row.values().as_chunks::<BLOCK>();
    let (seen, seen_rest) = seen.split_at(blocks.len().min(seen.len()));
    for ((positions, values), seen) in blocks.iter().zip(value_blocks).zip(seen) {
        // SAFETY: as required of the caller.
        unsafe { learn_block(step, slots, positions, values, seen, push) };
    }
    if let (false, Some(seen)) = (rest.is_empty(), seen_rest.first()) {
        // SAFETY: as required of the caller.
        unsafe { learn_block(step, slots, rest, rest_values, seen, push) };
    }
}

/// Steps up to sixteen slots. Always inlined, so that whole blocks are unrolled.
///
/// # Safety
///
/// The caller is compiled for AVX-512, and every position is that of a slot.
#[inline(always)]
#[allow(unsafe_code)]
unsafe fn learn_block<S: Stored, T: Step>(
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
        let x = Wide(_mm512_maskz_loadu_ps(first(values.len()), values.as_ptr()));
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
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
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
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn fetch_two(slots: *const Two, places: impl Places) -> Columns {
    // SAFETY: as required of the caller.
    let two = |j: usize| unsafe {
        let place = |j: usize| slots.add(places.at(j)).cast::<f64>();
        _mm_castpd_ps(_mm_loadh_pd(_mm_load_sd(place(j)), place(j + 1)))
    };
    let line = |first: usize| -> __m512 {
        let pairs = _mm512_castps128_ps512(two(first));
        let pairs = _mm512_insertf32x4::<1>(pairs, two(first + 4));
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
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn fetch_one(slots: *const One, places: impl Places) -> Columns {
    // SAFETY: as required of the caller.
    let one = |j: usize| unsafe { _mm_load_ss(slots.add(places.at(j)).cast()) };
    let four = |j: usize| -> __m128 {
        let (low, high) = (
            _mm_unpacklo_ps(one(j), one(j + 1)),
            _mm_unpacklo_ps(one(j + 2), one(j + 3)),
        );
        _mm_movelh_ps(low, high)
    };
    let all = _mm512_castps128_ps512(four(0));
    let all = _mm512_insertf32x4::<1>(all, four(4));
    let all = _mm512_insertf32x4::<2>(all, four(8));
    let all = _mm512_insertf32x4::<3>(all, four(12));
    let zero = _mm512_setzero_ps();
    [all, zero, zero, zero]
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
