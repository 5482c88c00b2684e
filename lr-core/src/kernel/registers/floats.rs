//! Eight or sixteen `f32`.

use std::{
    arch::x86_64::{self as x86, __m128, __m256, __m256i, __m512, __m512i, _CMP_GT_OQ},
    ops::{Add, Div, Mul, Sub},
};

use super::super::{Number, first, number::ROUND};

/// Numbers in registers, [`Self::LANES`] of them.
pub(crate) trait Floats: Number {
    /// 8 or 16.
    const LANES: usize;

    /// The quads in order; those beyond the register are left out.
    fn of_quads(quads: [__m128; 4]) -> Self;

    /// The quads in order; those beyond the register mean nothing.
    fn quads(self) -> [__m128; 4];

    /// The first number of a quad.
    #[inline(always)]
    fn first_of(self, quad: usize) -> f32 {
        #[allow(unsafe_code)]
        // SAFETY: one of the first instructions of this kind of CPU.
        unsafe {
            x86::_mm_cvtss_f32(self.quads()[quad])
        }
    }

    /// Loads as many numbers as there are lanes.
    ///
    /// # Safety
    ///
    /// There are that many.
    #[allow(unsafe_code)]
    unsafe fn load(place: *const f32) -> Self;

    /// Loads `count` numbers into the first lanes, at most as many as there are; the others are `rest`.
    ///
    /// # Safety
    ///
    /// There are that many.
    #[allow(unsafe_code)]
    unsafe fn load_first(place: *const f32, count: usize, rest: f32) -> Self;

    /// Stores all numbers.
    ///
    /// # Safety
    ///
    /// There is room for them.
    #[allow(unsafe_code)]
    unsafe fn store(self, place: *mut f32);

    /// Takes the bits as whole numbers and stores 2^`SHIFT` times each.
    ///
    /// # Safety
    ///
    /// There is room for as many as there are lanes.
    #[allow(unsafe_code)]
    unsafe fn store_shifted<const SHIFT: u32>(self, place: *mut u64);

    /// Of every quad, the first half of the one and of the other, in turns.
    fn zip_low(self, other: Self) -> Self;

    /// Of every quad, the second half of the one and of the other, in turns.
    fn zip_high(self, other: Self) -> Self;

    /// Of every quad, the first half of the one, then of the other.
    fn join_low(self, other: Self) -> Self;

    /// Of every quad, the second half of the one, then of the other.
    fn join_high(self, other: Self) -> Self;

    /// Of every quad, the first and the third number of the one, then of the other.
    fn evens(self, other: Self) -> Self;

    /// Of every quad, the second and the fourth number of the one, then of the other.
    fn odds(self, other: Self) -> Self;

    /// The last `count` lanes in the first ones, at least one; what the others hold means nothing.
    fn last_first(self, count: usize) -> Self;

    /// The first `count` lanes of another, the others of this one.
    fn with_first(self, count: usize, other: Self) -> Self;

    /// The sum of all lanes, in pairs: the first half to the second, and so on.
    fn total(self) -> f32;

    /// Some of the lanes.
    type Mask: Copy;

    /// The lanes whose bit is set.
    fn mask(bits: u16) -> Self::Mask;

    /// The lanes of either.
    fn either(some: Self::Mask, others: Self::Mask) -> Self::Mask;

    /// Whether there is any lane.
    fn any(mask: Self::Mask) -> bool;

    /// The lanes in which a comparison holds, one of those that instructions have.
    fn compare<const HOW: i32>(self, other: Self) -> Self::Mask;

    /// `yes` in some lanes, `no` in the others.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The smaller of the two; the other where either is not a number.
    fn least(self, other: Self) -> Self;
}

/// What is done with sixteen numbers only.
pub(crate) trait Sixteen: Floats {
    /// Which lanes to take numbers from.
    type Lanes: Copy;

    /// Those of a list.
    fn lanes(list: &[u32; 16]) -> Self::Lanes;

    /// Each lane takes the number of the lane that is listed for it.
    fn permuted(self, lanes: Self::Lanes) -> Self;

    /// Each lane of a mask takes the number of quad `quad` whose number from 0 to 3 is listed for it,
    /// each other lane that of `no`. The registers also lie in memory at `place`. With `EARLY` only the
    /// first eight lanes are in the mask.
    ///
    /// # Safety
    ///
    /// There are sixteen numbers at `place`.
    #[allow(unsafe_code)]
    unsafe fn chosen<const EARLY: bool>(
        self,
        place: *const f32,
        quad: usize,
        lanes: Self::Lanes,
        mask: Self::Mask,
        no: Self,
    ) -> Self;

    /// The last quad becomes quad `quad` of another.
    fn with_last(self, other: Self, quad: usize) -> Self;
}

/// Turns four registers, quad by quad: number `4 l + k` of register `m` becomes number `4 l + m` of
/// register `k`. Turning twice changes nothing.
#[inline(always)]
pub(crate) fn turn<F: Floats>([a, b, c, d]: [F; 4]) -> [F; 4] {
    let (ab_low, ab_high) = (a.zip_low(b), a.zip_high(b));
    let (cd_low, cd_high) = (c.zip_low(d), c.zip_high(d));
    [
        ab_low.join_low(cd_low),
        ab_low.join_high(cd_low),
        ab_high.join_low(cd_high),
        ab_high.join_high(cd_high),
    ]
}

/// Eight numbers, for code that is compiled for AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ymm(__m256);

/// Twice eight numbers, for code that is compiled for AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ymms(Ymm, Ymm);

/// Sixteen numbers, for code that is compiled for AVX-512.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zmm(pub(crate) __m512);

impl Zmm {
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

impl Ymms {
    /// The first half is that of eight numbers, the rest means nothing.
    #[inline(always)]
    pub(crate) fn widened(eight: Ymm) -> Self {
        Self(eight, eight)
    }

    /// Each of eight lanes takes the number of the lane that is listed for it.
    #[inline(always)]
    fn half_permuted(self, lanes: __m256i) -> Ymm {
        #[allow(unsafe_code)]
        // SAFETY: only code that is compiled for AVX2 uses a `Ymm`.
        Ymm(unsafe {
            let low = x86::_mm256_permutevar8x32_ps(self.0.0, lanes);
            let high = x86::_mm256_permutevar8x32_ps(self.1.0, lanes);
            // Bit 3 of a lane, the half that it is in, becomes the highest.
            let half = x86::_mm256_castsi256_ps(x86::_mm256_slli_epi32::<28>(lanes));
            x86::_mm256_blendv_ps(low, high, half)
        })
    }
}

/// Implements operators.
macro_rules! operators {
    ($($operator:ident, $method:ident, $ymm:ident, $zmm:ident;)*) => {$(
        impl $operator for Ymm {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                #[allow(unsafe_code)]
                // SAFETY: only code that is compiled for AVX2 uses a `Ymm`.
                Self(unsafe { x86::$ymm(self.0, other.0) })
            }
        }

        impl $operator for Ymms {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(self.0.$method(other.0), self.1.$method(other.1))
            }
        }

        impl $operator for Zmm {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                #[allow(unsafe_code)]
                // SAFETY: only code that is compiled for AVX-512 uses a `Zmm`.
                Self(unsafe { x86::$zmm(self.0, other.0) })
            }
        }
    )*};
}

operators! {
    Add, add, _mm256_add_ps, _mm512_add_ps;
    Sub, sub, _mm256_sub_ps, _mm512_sub_ps;
    Mul, mul, _mm256_mul_ps, _mm512_mul_ps;
    Div, div, _mm256_div_ps, _mm512_div_ps;
}

/// Implements a method that takes two registers.
macro_rules! by_intrinsics {
    ($($method:ident $intrinsic:ident)*) => {$(
        #[inline(always)]
        fn $method(self, other: Self) -> Self {
            // SAFETY: only code that is compiled for the instructions uses the register.
            Self(unsafe { x86::$intrinsic(self.0, other.0) })
        }
    )*};
}

/// Implements a method that takes two registers of halves.
macro_rules! by_halves {
    ($($method:ident)*) => {$(
        #[inline(always)]
        fn $method(self, other: Self) -> Self {
            Self(self.0.$method(other.0), self.1.$method(other.1))
        }
    )*};
}

/// What makes the bits of a number the bits of its exponent, for [`Number::power_of_two`].
const EXPONENT: i32 = 127_u32.wrapping_sub(ROUND.to_bits()).cast_signed();

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

impl Number for Ymms {
    #[inline(always)]
    fn of(number: f32) -> Self {
        Self(Ymm::of(number), Ymm::of(number))
    }

    #[inline(always)]
    fn root(self) -> Self {
        Self(self.0.root(), self.1.root())
    }

    #[inline(always)]
    fn within(self, least: f32, most: f32) -> Self {
        Self(self.0.within(least, most), self.1.within(least, most))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(self.0.power_of_two(), self.1.power_of_two())
    }

    #[inline(always)]
    fn above(self, limit: Self, yes: Self, no: Self) -> Self {
        Self(
            self.0.above(limit.0, yes.0, no.0),
            self.1.above(limit.1, yes.1, no.1),
        )
    }
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
    fn rotated(self, start: usize) -> Self {
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

#[allow(unsafe_code)]
impl Floats for Ymms {
    const LANES: usize = 16;

    by_halves!(zip_low zip_high join_low join_high evens odds);

    #[inline(always)]
    fn of_quads([a, b, c, d]: [__m128; 4]) -> Self {
        Self(Ymm::of_quads([a, b, a, b]), Ymm::of_quads([c, d, c, d]))
    }

    #[inline(always)]
    fn quads(self) -> [__m128; 4] {
        let ([a, b, ..], [c, d, ..]) = (self.0.quads(), self.1.quads());
        [a, b, c, d]
    }

    #[inline(always)]
    unsafe fn load(place: *const f32) -> Self {
        // SAFETY: as required of the caller.
        unsafe { Self(Ymm::load(place), Ymm::load(place.add(8))) }
    }

    #[inline(always)]
    unsafe fn load_first(place: *const f32, count: usize, rest: f32) -> Self {
        let second = place.wrapping_add(8);
        // SAFETY: as required of the caller; nothing is read where the count of the second half is 0.
        unsafe {
            Self(
                Ymm::load_first(place, count, rest),
                Ymm::load_first(second, count.saturating_sub(8), rest),
            )
        }
    }

    #[inline(always)]
    unsafe fn store(self, place: *mut f32) {
        // SAFETY: as required of the caller.
        unsafe {
            self.0.store(place);
            self.1.store(place.add(8));
        }
    }

    #[inline(always)]
    unsafe fn store_shifted<const SHIFT: u32>(self, place: *mut u64) {
        // SAFETY: as required of the caller.
        unsafe {
            self.0.store_shifted::<SHIFT>(place);
            self.1.store_shifted::<SHIFT>(place.add(8));
        }
    }

    #[inline(always)]
    fn last_first(self, count: usize) -> Self {
        if count <= 8 {
            return Self::widened(self.1.last_first(count));
        }
        let start = 16 - count.min(16);
        let (low, high) = (self.0.rotated(start), self.1.rotated(start));
        Self(high.with_first(8 - start, low), high)
    }

    #[inline(always)]
    fn with_first(self, count: usize, other: Self) -> Self {
        Self(
            self.0.with_first(count, other.0),
            self.1.with_first(count.saturating_sub(8), other.1),
        )
    }

    #[inline(always)]
    fn total(self) -> f32 {
        (self.0 + self.1).total()
    }

    type Mask = [__m256; 2];

    #[inline(always)]
    fn mask(bits: u16) -> [__m256; 2] {
        [Ymm::mask(bits), Ymm::mask(bits >> 8)]
    }

    #[inline(always)]
    fn either(some: [__m256; 2], others: [__m256; 2]) -> [__m256; 2] {
        [
            Ymm::either(some[0], others[0]),
            Ymm::either(some[1], others[1]),
        ]
    }

    #[inline(always)]
    fn any([low, high]: [__m256; 2]) -> bool {
        Ymm::any(Ymm::either(low, high))
    }

    #[inline(always)]
    fn compare<const HOW: i32>(self, other: Self) -> [__m256; 2] {
        [
            self.0.compare::<HOW>(other.0),
            self.1.compare::<HOW>(other.1),
        ]
    }

    #[inline(always)]
    fn select([low, high]: [__m256; 2], yes: Self, no: Self) -> Self {
        Self(
            Ymm::select(low, yes.0, no.0),
            Ymm::select(high, yes.1, no.1),
        )
    }

    #[inline(always)]
    fn least(self, other: Self) -> Self {
        Self(self.0.least(other.0), self.1.least(other.1))
    }
}

#[allow(unsafe_code)]
impl Sixteen for Ymms {
    type Lanes = [__m256i; 2];

    #[inline(always)]
    fn lanes(list: &[u32; 16]) -> [__m256i; 2] {
        // SAFETY: the two halves of sixteen numbers; only code that is compiled for AVX2 uses a `Ymm`.
        unsafe {
            let half = list.as_ptr().cast::<__m256i>();
            [
                x86::_mm256_loadu_si256(half),
                x86::_mm256_loadu_si256(half.add(1)),
            ]
        }
    }

    #[inline(always)]
    fn permuted(self, lanes: [__m256i; 2]) -> Self {
        Self(self.half_permuted(lanes[0]), self.half_permuted(lanes[1]))
    }

    #[inline(always)]
    unsafe fn chosen<const EARLY: bool>(
        self,
        place: *const f32,
        quad: usize,
        lanes: [__m256i; 2],
        mask: [__m256; 2],
        no: Self,
    ) -> Self {
        // SAFETY: as required of the caller; the four numbers of a quad.
        unsafe {
            let quad = x86::_mm256_broadcast_ps(&*place.add(4 * quad).cast::<__m128>());
            let low = Ymm(x86::_mm256_permutevar_ps(quad, lanes[0]));
            let low = Ymm::select(mask[0], low, no.0);
            if EARLY {
                return Self(low, no.1);
            }
            let high = Ymm(x86::_mm256_permutevar_ps(quad, lanes[1]));
            Self(low, Ymm::select(mask[1], high, no.1))
        }
    }

    #[inline(always)]
    fn with_last(self, other: Self, quad: usize) -> Self {
        let last = other.quads()[quad];
        // SAFETY: as above.
        Self(
            self.0,
            Ymm(unsafe { x86::_mm256_insertf128_ps::<1>(self.1.0, last) }),
        )
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
        // SAFETY: as above.
        unsafe {
            let low = Ymm(x86::_mm512_castps512_ps256(self.0));
            let high = Ymm(x86::_mm512_extractf32x8_ps::<1>(self.0));
            (low + high).total()
        }
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

/// Control of a shuffle: the first and third number of each.
const EVENS: i32 = 0b10_00_10_00;
/// Control of a shuffle: the second and fourth number of each.
const ODDS: i32 = 0b11_01_11_01;
