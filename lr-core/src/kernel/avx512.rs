//! Moving small groups of numbers between scattered places in memory and AVX-512 registers.

use std::arch::x86_64::{
    __m128, __m512, __m512i, _mm_load_ps, _mm512_castpd_ps, _mm512_castps_pd,
    _mm512_castps128_ps512, _mm512_insertf32x4, _mm512_mask_loadu_epi32, _mm512_set1_epi32,
    _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::first;

/// Numbers of a register.
pub(super) const BLOCK: usize = 16;

/// Sixteen places of items, as positions or in bytes.
pub(crate) trait Places: Copy {
    /// How many there are, in groups of four; what is loaded for the others means nothing.
    const GROUPS: usize = BLOCK / 4;

    /// Place `j`, or another one of the block where there is none.
    fn at(self, j: usize) -> usize;
}

impl Places for &[u32; BLOCK] {
    #[inline(always)]
    fn at(self, j: usize) -> usize {
        self[j] as usize
    }
}

impl Places for &[u32; BLOCK / 2] {
    const GROUPS: usize = BLOCK / 8;

    #[inline(always)]
    fn at(self, j: usize) -> usize {
        self[j] as usize
    }
}

/// Loads up to sixteen positions; the first one in the place of those that are missing.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(super) fn load_padded(positions: &[u32]) -> __m512i {
    let first_position = positions.first().copied().unwrap_or_default();
    let rest = _mm512_set1_epi32(first_position.cast_signed());
    #[allow(unsafe_code)]
    // SAFETY: the mask has as many bits as there are positions, up to sixteen.
    unsafe {
        _mm512_mask_loadu_epi32(rest, first(positions.len()), positions.as_ptr().cast())
    }
}

/// Turns four lines of sixteen numbers, in groups of four: number `4 l + k` of line `m` becomes
/// number `4 l + m` of line `k`. Turning twice changes nothing.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(super) fn turn([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    let (ab_low, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let (cd_low, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    let (ab_low, ab_high) = (_mm512_castps_pd(ab_low), _mm512_castps_pd(ab_high));
    let (cd_low, cd_high) = (_mm512_castps_pd(cd_low), _mm512_castps_pd(cd_high));
    [
        _mm512_castpd_ps(_mm512_unpacklo_pd(ab_low, cd_low)),
        _mm512_castpd_ps(_mm512_unpackhi_pd(ab_low, cd_low)),
        _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high)),
        _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high)),
    ]
}

/// Loads four numbers of each of sixteen places, one register for the first ones, one for the
/// second ones, and so on.
///
/// # Safety
///
/// `place` gives, for every place of the block, the address of four numbers, aligned to 16.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
pub(super) unsafe fn fours<P: Places>(
    places: P,
    place: impl Fn(usize) -> *const __m128,
) -> [__m512; 4] {
    // SAFETY: as required of the caller.
    let four = |j: usize| unsafe { _mm_load_ps(place(places.at(j)).cast()) };
    let line = |first: usize| -> __m512 {
        let quads = _mm512_castps128_ps512(four(first));
        let quads = _mm512_insertf32x4::<1>(quads, four(first + 4));
        if P::GROUPS < 3 {
            return quads;
        }
        let quads = _mm512_insertf32x4::<2>(quads, four(first + 8));
        _mm512_insertf32x4::<3>(quads, four(first + 12))
    };
    turn([line(0), line(1), line(2), line(3)])
}
