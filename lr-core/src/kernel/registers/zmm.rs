//! Sixteen `f32` in a register of AVX-512.

use std::arch::x86_64::{self as x86, __m128, __m256, __m512, __m512i, _CMP_GT_OQ};

use super::{
    super::{Number, first},
    floats::{EVENS, EXPONENT, Floats, ODDS, Sixteen},
    ymm::Ymm,
};

/// Sixteen numbers, for code that is compiled for AVX-512.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zmm(__m512);

impl Zmm {
    /// Both halves.
    #[inline(always)]
    pub(super) fn halves(self) -> [__m256; 2] {
        #[allow(unsafe_code)]
        // SAFETY: only code that is compiled for AVX-512 uses a `Zmm`.
        unsafe {
            [
                x86::_mm512_castps512_ps256(self.0),
                x86::_mm512_extractf32x8_ps::<1>(self.0),
            ]
        }
    }

    /// The first eleven numbers, four others, and 1.
    #[inline(always)]
    pub(crate) fn joined(self, four: __m128) -> Self {
        #[allow(unsafe_code)]
        // SAFETY: only code that is compiled for AVX-512 uses a `Zmm`.
        Self(unsafe {
            let lanes = x86::_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 19, 0);
            let four = x86::_mm512_castps128_ps512(four);
            let all = x86::_mm512_permutex2var_ps(self.0, lanes, four);
            x86::_mm512_mask_mov_ps(all, 1 << 15, x86::_mm512_set1_ps(1.0))
        })
    }

    /// The first half is that of eight numbers, the rest means nothing.
    #[inline(always)]
    pub(crate) fn widened(eight: Ymm) -> Self {
        #[allow(unsafe_code)]
        // SAFETY: only code that is compiled for AVX-512 uses a `Zmm`.
        Self(unsafe { x86::_mm512_castps256_ps512(eight.0) })
    }
}

operators! {
    Zmm:
    Add add _mm512_add_ps
    Sub sub _mm512_sub_ps
    Mul mul _mm512_mul_ps
    Div div _mm512_div_ps
}

#[allow(unsafe_code)]
impl Number for Zmm {
    #[inline(always)]
    fn of(number: f32) -> Self {
        // SAFETY: only code that is compiled for AVX-512 uses a `Zmm`.
        Self(unsafe { x86::_mm512_set1_ps(number) })
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn within(self, least: f32, most: f32) -> Self {
        let (least, most) = (Self::of(least), Self::of(most));
        // SAFETY: as above. Both return the second where one is not a number.
        Self(unsafe { x86::_mm512_min_ps(most.0, x86::_mm512_max_ps(least.0, self.0)) })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let bits = x86::_mm512_castps_si512(self.0);
            let exponent = x86::_mm512_add_epi32(bits, x86::_mm512_set1_epi32(EXPONENT));
            x86::_mm512_castsi512_ps(x86::_mm512_slli_epi32::<23>(exponent))
        })
    }

    #[inline(always)]
    fn above(self, limit: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let above = x86::_mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, limit.0);
            x86::_mm512_mask_mov_ps(no.0, above, yes.0)
        })
    }
}

#[allow(unsafe_code)]
impl Floats for Zmm {
    const LANES: usize = 16;

    by_intrinsics! {
        zip_low _mm512_unpacklo_ps
        zip_high _mm512_unpackhi_ps
    }

    #[inline(always)]
    fn of_quads([a, b, c, d]: [__m128; 4]) -> Self {
        // SAFETY: only code that is compiled for AVX-512 uses a `Zmm`.
        Self(unsafe {
            let ab = x86::_mm512_insertf32x4::<1>(x86::_mm512_castps128_ps512(a), b);
            x86::_mm512_insertf32x4::<3>(x86::_mm512_insertf32x4::<2>(ab, c), d)
        })
    }

    #[inline(always)]
    fn quads(self) -> [__m128; 4] {
        // SAFETY: as above.
        unsafe {
            [
                x86::_mm512_castps512_ps128(self.0),
                x86::_mm512_extractf32x4_ps::<1>(self.0),
                x86::_mm512_extractf32x4_ps::<2>(self.0),
                x86::_mm512_extractf32x4_ps::<3>(self.0),
            ]
        }
    }

    #[inline(always)]
    unsafe fn load(place: *const f32) -> Self {
        // SAFETY: as required of the caller.
        Self(unsafe { x86::_mm512_loadu_ps(place) })
    }

    #[inline(always)]
    unsafe fn load_first(place: *const f32, count: usize, rest: f32) -> Self {
        // SAFETY: as required of the caller; lanes without a bit are not read.
        Self(unsafe { x86::_mm512_mask_loadu_ps(Self::of(rest).0, first(count), place) })
    }

    #[inline(always)]
    unsafe fn store(self, place: *mut f32) {
        // SAFETY: as required of the caller.
        unsafe { x86::_mm512_storeu_ps(place, self.0) }
    }

    #[inline(always)]
    unsafe fn store_shifted<const SHIFT: u32>(self, place: *mut u64) {
        // SAFETY: as required of the caller.
        unsafe {
            let bits = x86::_mm512_castps_si512(self.0);
            let low = x86::_mm512_castsi512_si256(bits);
            let high = x86::_mm512_extracti64x4_epi64::<1>(bits);
            let low = x86::_mm512_slli_epi64::<SHIFT>(x86::_mm512_cvtepu32_epi64(low));
            let high = x86::_mm512_slli_epi64::<SHIFT>(x86::_mm512_cvtepu32_epi64(high));
            x86::_mm512_storeu_epi64(place.cast(), low);
            x86::_mm512_storeu_epi64(place.add(8).cast(), high);
        }
    }

    #[inline(always)]
    fn join_low(self, other: Self) -> Self {
        // SAFETY: only code that is compiled for AVX-512 uses a `Zmm`.
        Self(unsafe {
            let (low, high) = (
                x86::_mm512_castps_pd(self.0),
                x86::_mm512_castps_pd(other.0),
            );
            x86::_mm512_castpd_ps(x86::_mm512_unpacklo_pd(low, high))
        })
    }

    #[inline(always)]
    fn join_high(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let (low, high) = (
                x86::_mm512_castps_pd(self.0),
                x86::_mm512_castps_pd(other.0),
            );
            x86::_mm512_castpd_ps(x86::_mm512_unpackhi_pd(low, high))
        })
    }

    #[inline(always)]
    fn evens(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm512_shuffle_ps::<EVENS>(self.0, other.0) })
    }

    #[inline(always)]
    fn odds(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm512_shuffle_ps::<ODDS>(self.0, other.0) })
    }

    #[inline(always)]
    fn last_first(self, count: usize) -> Self {
        let last = !first(16 - count.min(16));
        // SAFETY: as above.
        Self(unsafe { x86::_mm512_maskz_compress_ps(last, self.0) })
    }

    #[inline(always)]
    fn with_first(self, count: usize, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm512_mask_mov_ps(self.0, first(count), other.0) })
    }

    #[inline(always)]
    fn total(self) -> f32 {
        let [low, high] = self.halves();
        (Ymm(low) + Ymm(high)).total()
    }

    type Mask = u16;

    #[inline(always)]
    fn mask(bits: u16) -> u16 {
        bits
    }

    #[inline(always)]
    fn either(some: u16, others: u16) -> u16 {
        some | others
    }

    #[inline(always)]
    fn any(mask: u16) -> bool {
        mask != 0
    }

    #[inline(always)]
    fn compare<const HOW: i32>(self, other: Self) -> u16 {
        // SAFETY: only code that is compiled for AVX-512 uses a `Zmm`.
        unsafe { x86::_mm512_cmp_ps_mask::<HOW>(self.0, other.0) }
    }

    #[inline(always)]
    fn select(mask: u16, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm512_mask_mov_ps(no.0, mask, yes.0) })
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        // SAFETY: as above. The second where one is not a number.
        Self(unsafe { x86::_mm512_min_ps(self.0, other.0) })
    }
}

#[allow(unsafe_code)]
impl Sixteen for Zmm {
    type Lanes = __m512i;

    #[inline(always)]
    fn lanes(list: &[u32; 16]) -> __m512i {
        // SAFETY: sixteen numbers; only code that is compiled for AVX-512 uses a `Zmm`.
        unsafe { x86::_mm512_loadu_epi32(list.as_ptr().cast()) }
    }

    #[inline(always)]
    fn permuted(self, lanes: __m512i) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm512_permutexvar_ps(lanes, self.0) })
    }

    #[inline(always)]
    unsafe fn chosen<const EARLY: bool>(
        self,
        _: *const f32,
        quad: usize,
        lanes: __m512i,
        mask: u16,
        no: Self,
    ) -> Self {
        const FIRST: [i32; 4] = [0, 4, 8, 12];
        // SAFETY: as above.
        Self(unsafe {
            let lanes = x86::_mm512_add_epi32(lanes, x86::_mm512_set1_epi32(FIRST[quad]));
            x86::_mm512_mask_permutexvar_ps(no.0, mask, lanes, self.0)
        })
    }

    #[inline(always)]
    fn with_before_last(self, number: f32) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm512_mask_mov_ps(self.0, 1 << 11, Self::of(number).0) })
    }

    #[inline(always)]
    fn with_last(self, other: Self, quad: usize) -> Self {
        const LAST: u16 = 0xf000;
        let (line, sums) = (self.0, other.0);
        // SAFETY: as above.
        Self(unsafe {
            match quad {
                0 => x86::_mm512_mask_shuffle_f32x4::<0x00>(line, LAST, sums, sums),
                1 => x86::_mm512_mask_shuffle_f32x4::<0x55>(line, LAST, sums, sums),
                2 => x86::_mm512_mask_shuffle_f32x4::<0xaa>(line, LAST, sums, sums),
                _ => x86::_mm512_mask_shuffle_f32x4::<0xff>(line, LAST, sums, sums),
            }
        })
    }
}
