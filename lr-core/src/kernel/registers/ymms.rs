//! Sixteen `f32` in two registers of AVX2.

use std::{
    arch::x86_64::{self as x86, __m128, __m256, __m256i},
    ops::{Add, Div, Mul, Sub},
};

use super::{
    super::Number,
    floats::{Floats, Sixteen},
    ymm::Ymm,
};

/// Twice eight numbers, for code that is compiled for AVX2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ymms(Ymm, Ymm);

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

/// Implements an operator by halves.
macro_rules! operators_by_halves {
    ($($operator:ident $method:ident)*) => {$(
        impl $operator for Ymms {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(self.0.$method(other.0), self.1.$method(other.1))
            }
        }
    )*};
}

operators_by_halves!(Add add Sub sub Mul mul Div div);

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

/// Implements a method that takes two registers of halves.
macro_rules! by_halves {
    ($($method:ident)*) => {$(
        #[inline(always)]
        fn $method(self, other: Self) -> Self {
            Self(self.0.$method(other.0), self.1.$method(other.1))
        }
    )*};
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
    fn with_before_last(self, number: f32) -> Self {
        // SAFETY: only code that is compiled for AVX2 uses a `Ymm`.
        let high = unsafe { x86::_mm256_blend_ps::<0b1000>(self.1.0, Ymm::of(number).0) };
        Self(self.0, Ymm(high))
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
