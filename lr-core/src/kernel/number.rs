//! One number, or one a lane: what the update rules are written in.

use std::ops::{Add, Div, Mul, Sub};

/// 1.5·2²³: adding and taking it away rounds to the nearest integer.
pub(super) const ROUND: f32 = 12_582_912.0;

/// IEEE arithmetic that is the same for one number and for a register of them, so that a rule is
/// written once and gives the same bits either way.
pub(crate) trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// The same number in every lane.
    fn of(number: f32) -> Self;

    fn root(self) -> Self;

    /// The nearest number from `least` to `most`.
    fn within(self, least: f32, most: f32) -> Self;

    /// Two to the power of an integer `n` from −126 to 127, of which this is `n + 1.5·2²³`.
    fn power_of_two(self) -> Self;

    /// Selects `yes` where `self > limit`, `no` elsewhere and where either is not a number.
    fn above(self, limit: Self, yes: Self, no: Self) -> Self;
}

impl Number for f32 {
    #[inline(always)]
    fn of(number: f32) -> Self {
        number
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn within(self, least: f32, most: f32) -> Self {
        self.clamp(least, most)
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // The integer is read off the mantissa, and becomes the exponent.
        let integer = self.to_bits().wrapping_sub(ROUND.to_bits());
        Self::from_bits(integer.wrapping_add(127) << 23)
    }

    #[inline(always)]
    fn above(self, limit: Self, yes: Self, no: Self) -> Self {
        if self > limit { yes } else { no }
    }
}

/// Sixteen numbers in a register. Only functions compiled for AVX-512 may use one.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wide(pub(crate) std::arch::x86_64::__m512);

/// Implements operators by intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! by_intrinsics {
    ($($operator:ident, $method:ident, $intrinsic:ident;)*) => {$(
        impl $operator for Wide {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                #[allow(unsafe_code)]
                // SAFETY: a `Wide` exists only where AVX-512 was found.
                Self(unsafe { std::arch::x86_64::$intrinsic(self.0, other.0) })
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
by_intrinsics! {
    Add, add, _mm512_add_ps;
    Sub, sub, _mm512_sub_ps;
    Mul, mul, _mm512_mul_ps;
    Div, div, _mm512_div_ps;
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
impl Number for Wide {
    #[inline(always)]
    fn of(number: f32) -> Self {
        // SAFETY: only functions compiled for AVX-512 use a `Wide`.
        Self(unsafe { std::arch::x86_64::_mm512_set1_ps(number) })
    }

    #[inline(always)]
    fn root(self) -> Self {
        // SAFETY: a `Wide` exists only where AVX-512 was found.
        Self(unsafe { std::arch::x86_64::_mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn within(self, least: f32, most: f32) -> Self {
        use std::arch::x86_64::{_mm512_max_ps, _mm512_min_ps};
        let (least, most) = (Self::of(least), Self::of(most));
        // SAFETY: as above. Both return the second where one is not a number.
        Self(unsafe { _mm512_min_ps(most.0, _mm512_max_ps(least.0, self.0)) })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        use std::arch::x86_64::{
            _mm512_add_epi32, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_set1_epi32,
            _mm512_slli_epi32,
        };
        let offset = 127_u32.wrapping_sub(ROUND.to_bits()).cast_signed();
        // SAFETY: as above.
        Self(unsafe {
            let bits = _mm512_castps_si512(self.0);
            let exponent = _mm512_add_epi32(bits, _mm512_set1_epi32(offset));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        })
    }

    #[inline(always)]
    fn above(self, limit: Self, yes: Self, no: Self) -> Self {
        use std::arch::x86_64::{_CMP_GT_OQ, _mm512_cmp_ps_mask, _mm512_mask_mov_ps};
        // SAFETY: as above.
        Self(unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, limit.0);
            _mm512_mask_mov_ps(no.0, above, yes.0)
        })
    }
}
