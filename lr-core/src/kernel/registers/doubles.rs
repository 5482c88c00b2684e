//! Four or eight `f64`.

use std::{
    arch::x86_64::{self as x86, __m128, __m256, __m256d, __m512d},
    ops::{Add, Div, Mul, Sub},
};

/// Numbers in a register, [`Self::LANES`] of them.
pub(crate) trait Doubles:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// 4 or 8.
    const LANES: usize;

    /// The same number in every lane.
    fn of(number: f64) -> Self;

    /// Loads as many numbers as there are lanes.
    ///
    /// # Safety
    ///
    /// There are that many.
    #[allow(unsafe_code)]
    unsafe fn load(place: *const f64) -> Self;

    /// Stores all numbers.
    ///
    /// # Safety
    ///
    /// There is room for them.
    #[allow(unsafe_code)]
    unsafe fn store(self, place: *mut f64);

    /// A number of a row in all lanes. The row also lies in memory.
    fn spread(row: Row<Self>, memory: &[f64; 16], lane: usize) -> Self;

    /// The sum of the first eight numbers of a row, in pairs: the first half to the second, and so on.
    fn total(eight: Row<Self>) -> f64;
}

/// Sixteen numbers, in the first registers of four; those beyond mean nothing.
pub(crate) type Row<D> = [D; 4];

/// Registers of a row.
pub(crate) const fn parts<D: Doubles>() -> usize {
    16 / D::LANES
}

/// Four numbers, for code that is compiled for AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct YmmDoubles(__m256d);

/// Eight numbers, for code that is compiled for AVX-512.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ZmmDoubles(__m512d);

operators! {
    YmmDoubles:
    Add add _mm256_add_pd Sub sub _mm256_sub_pd Mul mul _mm256_mul_pd Div div _mm256_div_pd
}
operators! {
    ZmmDoubles: Add add _mm512_add_pd Sub sub _mm512_sub_pd Mul mul _mm512_mul_pd Div div _mm512_div_pd
}

#[allow(unsafe_code)]
impl YmmDoubles {
    /// The numbers of quads as `f64`.
    #[inline(always)]
    pub(super) fn widened([a, b, c, d]: [__m128; 4]) -> Row<Self> {
        // SAFETY: only code that is compiled for AVX2 uses the register.
        unsafe {
            [
                Self(x86::_mm256_cvtps_pd(a)),
                Self(x86::_mm256_cvtps_pd(b)),
                Self(x86::_mm256_cvtps_pd(c)),
                Self(x86::_mm256_cvtps_pd(d)),
            ]
        }
    }
}

#[allow(unsafe_code)]
impl ZmmDoubles {
    /// The numbers of two halves as `f64`.
    #[inline(always)]
    pub(super) fn widened([low, high]: [__m256; 2]) -> Row<Self> {
        // SAFETY: only code that is compiled for AVX-512 uses the register.
        let (low, high) = unsafe {
            (
                Self(x86::_mm512_cvtps_pd(low)),
                Self(x86::_mm512_cvtps_pd(high)),
            )
        };
        [low, high, low, high]
    }
}

#[allow(unsafe_code)]
impl Doubles for YmmDoubles {
    const LANES: usize = 4;

    #[inline(always)]
    fn of(number: f64) -> Self {
        // SAFETY: only code that is compiled for AVX2 uses the register.
        Self(unsafe { x86::_mm256_set1_pd(number) })
    }

    #[inline(always)]
    unsafe fn load(place: *const f64) -> Self {
        // SAFETY: as required of the caller.
        Self(unsafe { x86::_mm256_loadu_pd(place) })
    }

    #[inline(always)]
    unsafe fn store(self, place: *mut f64) {
        // SAFETY: as required of the caller.
        unsafe { x86::_mm256_storeu_pd(place, self.0) }
    }

    #[inline(always)]
    fn spread(_: Row<Self>, memory: &[f64; 16], lane: usize) -> Self {
        Self::of(memory[lane])
    }

    #[inline(always)]
    fn total([low, high, ..]: Row<Self>) -> f64 {
        // SAFETY: as above.
        unsafe {
            let four = (low + high).0;
            let low = x86::_mm256_castpd256_pd128(four);
            let two = x86::_mm_add_pd(low, x86::_mm256_extractf128_pd::<1>(four));
            x86::_mm_cvtsd_f64(x86::_mm_add_sd(two, x86::_mm_unpackhi_pd(two, two)))
        }
    }
}

#[allow(unsafe_code)]
impl Doubles for ZmmDoubles {
    const LANES: usize = 8;

    #[inline(always)]
    fn of(number: f64) -> Self {
        // SAFETY: only code that is compiled for AVX-512 uses the register.
        Self(unsafe { x86::_mm512_set1_pd(number) })
    }

    #[inline(always)]
    unsafe fn load(place: *const f64) -> Self {
        // SAFETY: as required of the caller.
        Self(unsafe { x86::_mm512_loadu_pd(place) })
    }

    #[inline(always)]
    unsafe fn store(self, place: *mut f64) {
        // SAFETY: as required of the caller.
        unsafe { x86::_mm512_storeu_pd(place, self.0) }
    }

    #[inline(always)]
    fn spread([low, high, ..]: Row<Self>, _: &[f64; 16], lane: usize) -> Self {
        // By a permutation, since a number that is read back just after its vector was stored waits for
        // the store.
        let half = if lane < 8 { low } else { high };
        // SAFETY: as above.
        Self(unsafe {
            x86::_mm512_permutexvar_pd(x86::_mm512_set1_epi64((lane % 8) as i64), half.0)
        })
    }

    #[inline(always)]
    fn total([eight, ..]: Row<Self>) -> f64 {
        // SAFETY: as above.
        unsafe {
            let low = YmmDoubles(x86::_mm512_castpd512_pd256(eight.0));
            let high = YmmDoubles(x86::_mm512_extractf64x4_pd::<1>(eight.0));
            let four = [low, high, low, high];
            YmmDoubles::total(four)
        }
    }
}
