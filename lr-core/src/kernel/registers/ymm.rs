//! Eight `f32` in a register of AVX2.

use std::arch::x86_64::{self as x86, __m128, __m256, __m256i, _CMP_GT_OQ};

use super::{
    super::Number,
    floats::{EVENS, EXPONENT, Floats, ODDS},
};

/// Eight numbers, for code that is compiled for AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ymm(pub(super) __m256);

operators! {
    Ymm:
    Add add _mm256_add_ps
    Sub sub _mm256_sub_ps
    Mul mul _mm256_mul_ps
    Div div _mm256_div_ps
}

#[allow(unsafe_code)]
impl Number for Ymm {
    #[inline(always)]
    fn of(number: f32) -> Self {
        // SAFETY: only code that is compiled for AVX2 uses a `Ymm`.
        Self(unsafe { x86::_mm256_set1_ps(number) })
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn within(self, least: f32, most: f32) -> Self {
        let (least, most) = (Self::of(least), Self::of(most));
        // SAFETY: as above. Both return the second where one is not a number.
        Self(unsafe { x86::_mm256_min_ps(most.0, x86::_mm256_max_ps(least.0, self.0)) })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let bits = x86::_mm256_castps_si256(self.0);
            let exponent = x86::_mm256_add_epi32(bits, x86::_mm256_set1_epi32(EXPONENT));
            x86::_mm256_castsi256_ps(x86::_mm256_slli_epi32::<23>(exponent))
        })
    }

    #[inline(always)]
    fn above(self, limit: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let above = x86::_mm256_cmp_ps::<_CMP_GT_OQ>(self.0, limit.0);
            x86::_mm256_blendv_ps(no.0, yes.0, above)
        })
    }
}

/// Eight lanes of all bits, then eight of none; from a place before the end, a mask of the first lanes.
static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The numbers of lanes, twice; from a place after the start, by how much they are rotated.
static LANE: [i32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7];

impl Ymm {
    /// The lanes of a list from `start` on, which is at most 8.
    #[inline(always)]
    #[allow(unsafe_code)]
    fn lanes(list: &[i32; 16], start: usize) -> __m256i {
        // SAFETY: eight of sixteen numbers, from the ninth one at the latest; the code is compiled for
        // AVX2.
        unsafe { x86::_mm256_loadu_si256(list.as_ptr().add(start.min(8)).cast()) }
    }

    /// All bits set in the first `count` lanes.
    #[inline(always)]
    fn first(count: usize) -> __m256i {
        Self::lanes(&FIRST, 8 - count.min(8))
    }

    /// The lanes from `start` on, then those before it.
    #[inline(always)]
    pub(super) fn rotated(self, start: usize) -> Self {
        #[allow(unsafe_code)]
        // SAFETY: only code that is compiled for AVX2 uses a `Ymm`.
        Self(unsafe { x86::_mm256_permutevar8x32_ps(self.0, Self::lanes(&LANE, start)) })
    }
}

#[allow(unsafe_code)]
impl Floats for Ymm {
    const LANES: usize = 8;

    by_intrinsics! {
        zip_low _mm256_unpacklo_ps
        zip_high _mm256_unpackhi_ps
    }

    #[inline(always)]
    fn of_quads([a, b, ..]: [__m128; 4]) -> Self {
        // SAFETY: only code that is compiled for AVX2 uses a `Ymm`.
        Self(unsafe { x86::_mm256_insertf128_ps::<1>(x86::_mm256_castps128_ps256(a), b) })
    }

    #[inline(always)]
    fn quads(self) -> [__m128; 4] {
        // SAFETY: as above.
        unsafe {
            let (a, b) = (
                x86::_mm256_castps256_ps128(self.0),
                x86::_mm256_extractf128_ps::<1>(self.0),
            );
            [a, b, a, b]
        }
    }

    #[inline(always)]
    unsafe fn load(place: *const f32) -> Self {
        // SAFETY: as required of the caller.
        Self(unsafe { x86::_mm256_loadu_ps(place) })
    }

    #[inline(always)]
    unsafe fn load_first(place: *const f32, count: usize, rest: f32) -> Self {
        let mask = Self::first(count);
        // SAFETY: as required of the caller; lanes without a bit are not read.
        let numbers = Self(unsafe { x86::_mm256_maskload_ps(place, mask) });
        Self::of(rest).with_first(count, numbers)
    }

    #[inline(always)]
    unsafe fn store(self, place: *mut f32) {
        // SAFETY: as required of the caller.
        unsafe { x86::_mm256_storeu_ps(place, self.0) }
    }

    #[inline(always)]
    unsafe fn store_shifted<const SHIFT: u32>(self, place: *mut u64) {
        // SAFETY: as required of the caller.
        unsafe {
            let bits = x86::_mm256_castps_si256(self.0);
            let low = x86::_mm256_castsi256_si128(bits);
            let high = x86::_mm256_extracti128_si256::<1>(bits);
            let shift = x86::_mm_cvtsi32_si128(SHIFT.cast_signed());
            let low = x86::_mm256_sll_epi64(x86::_mm256_cvtepu32_epi64(low), shift);
            let high = x86::_mm256_sll_epi64(x86::_mm256_cvtepu32_epi64(high), shift);
            x86::_mm256_storeu_si256(place.cast(), low);
            x86::_mm256_storeu_si256(place.add(4).cast(), high);
        }
    }

    #[inline(always)]
    fn join_low(self, other: Self) -> Self {
        // SAFETY: only code that is compiled for AVX2 uses a `Ymm`.
        Self(unsafe {
            let (low, high) = (
                x86::_mm256_castps_pd(self.0),
                x86::_mm256_castps_pd(other.0),
            );
            x86::_mm256_castpd_ps(x86::_mm256_unpacklo_pd(low, high))
        })
    }

    #[inline(always)]
    fn join_high(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let (low, high) = (
                x86::_mm256_castps_pd(self.0),
                x86::_mm256_castps_pd(other.0),
            );
            x86::_mm256_castpd_ps(x86::_mm256_unpackhi_pd(low, high))
        })
    }

    #[inline(always)]
    fn evens(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm256_shuffle_ps::<EVENS>(self.0, other.0) })
    }

    #[inline(always)]
    fn odds(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm256_shuffle_ps::<ODDS>(self.0, other.0) })
    }

    #[inline(always)]
    fn last_first(self, count: usize) -> Self {
        self.rotated(8 - count.min(8))
    }

    #[inline(always)]
    fn with_first(self, count: usize, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe {
            let mask = x86::_mm256_castsi256_ps(Self::first(count));
            x86::_mm256_blendv_ps(self.0, other.0, mask)
        })
    }

    #[inline(always)]
    fn total(self) -> f32 {
        let [low, high, ..] = self.quads();
        // SAFETY: the first instructions that every CPU of this kind has, and those of AVX2.
        unsafe {
            let four = x86::_mm_add_ps(low, high);
            let two = x86::_mm_add_ps(four, x86::_mm_movehl_ps(four, four));
            x86::_mm_cvtss_f32(x86::_mm_add_ss(two, x86::_mm_movehdup_ps(two)))
        }
    }

    type Mask = __m256;

    #[inline(always)]
    fn mask(bits: u16) -> __m256 {
        // SAFETY: only code that is compiled for AVX2 uses a `Ymm`.
        unsafe {
            let lanes = x86::_mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let bits = x86::_mm256_and_si256(x86::_mm256_set1_epi32(i32::from(bits)), lanes);
            x86::_mm256_castsi256_ps(x86::_mm256_cmpeq_epi32(bits, lanes))
        }
    }

    #[inline(always)]
    fn either(some: __m256, others: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe { x86::_mm256_or_ps(some, others) }
    }

    #[inline(always)]
    fn any(mask: __m256) -> bool {
        // SAFETY: as above.
        unsafe { x86::_mm256_movemask_ps(mask) != 0 }
    }

    #[inline(always)]
    fn compare<const HOW: i32>(self, other: Self) -> __m256 {
        // SAFETY: as above.
        unsafe { x86::_mm256_cmp_ps::<HOW>(self.0, other.0) }
    }

    #[inline(always)]
    fn select(mask: __m256, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { x86::_mm256_blendv_ps(no.0, yes.0, mask) })
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        // SAFETY: as above. The second where one is not a number.
        Self(unsafe { x86::_mm256_min_ps(self.0, other.0) })
    }
}
