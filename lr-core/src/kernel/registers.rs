//! Numbers in vector registers, so that what is done in registers is written once for AVX2 and AVX-512.
//!
//! Numbers are moved within quads (groups of four), or quads are moved whole: both kinds of
//! instructions do that well, and it gives the same result whatever the size of a register.
//!
//! Only code that is compiled for the instructions may use the types of this module.

/// Implements operators of a register by intrinsics.
macro_rules! operators {
    ($register:ident: $($operator:ident $method:ident $intrinsic:ident)*) => {$(
        impl std::ops::$operator for $register {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                #[allow(unsafe_code)]
                // SAFETY: only code that is compiled for the instructions uses the register.
                Self(unsafe { x86::$intrinsic(self.0, other.0) })
            }
        }
    )*};
}

/// Implements methods that take two registers by intrinsics.
macro_rules! by_intrinsics {
    ($($method:ident $intrinsic:ident)*) => {$(
        #[inline(always)]
        fn $method(self, other: Self) -> Self {
            // SAFETY: only code that is compiled for the instructions uses the register.
            Self(unsafe { x86::$intrinsic(self.0, other.0) })
        }
    )*};
}

mod doubles;
mod floats;
mod places;
mod ymm;
mod ymms;
mod zmm;

use std::arch::x86_64::{__m128, _mm_blend_ps, _mm_permute_ps, _mm_set1_ps};

pub(crate) use self::{
    doubles::{Doubles, Row, parts},
    floats::{Floats, Sixteen, turn},
    places::{Padded, Places, fours},
};
use self::{
    doubles::{YmmDoubles, ZmmDoubles},
    ymm::Ymm,
    ymms::Ymms,
    zmm::Zmm,
};

/// The registers that a kernel uses.
pub(crate) trait Registers {
    type Eight: Floats;
    type Sixteen: Sixteen;
    type Doubles: Doubles;

    /// The first half is that of eight numbers, the rest means nothing.
    fn widen(eight: Self::Eight) -> Self::Sixteen;

    /// The same numbers as `f64`.
    fn doubles(numbers: Self::Sixteen) -> Row<Self::Doubles>;

    /// The first eleven of sixteen numbers, four others, and 1.
    fn joined(eleven: Self::Sixteen, four: __m128) -> Row<Self::Doubles>;
}

/// Those of AVX2, two in the place of one of sixteen numbers.
#[derive(Debug)]
pub(crate) enum Avx2 {}

impl Registers for Avx2 {
    type Eight = Ymm;
    type Sixteen = Ymms;
    type Doubles = YmmDoubles;

    #[inline(always)]
    fn widen(eight: Ymm) -> Ymms {
        Ymms::widened(eight)
    }

    #[inline(always)]
    fn doubles(numbers: Ymms) -> Row<YmmDoubles> {
        YmmDoubles::widened(numbers.quads())
    }

    #[inline(always)]
    fn joined(eleven: Ymms, four: __m128) -> Row<YmmDoubles> {
        let [a, b, c, _] = eleven.quads();
        #[allow(unsafe_code)]
        // SAFETY: only code that is compiled for AVX2 uses the registers.
        let (c, d) = unsafe {
            let turned = _mm_permute_ps::<0b00_11_10_01>(four);
            (
                _mm_blend_ps::<0b1000>(c, _mm_permute_ps::<0b00_00_00_00>(four)),
                _mm_blend_ps::<0b1000>(turned, _mm_set1_ps(1.0)),
            )
        };
        YmmDoubles::widened([a, b, c, d])
    }
}

/// Those of AVX-512.
#[derive(Debug)]
pub(crate) enum Avx512 {}

impl Registers for Avx512 {
    type Eight = Ymm;
    type Sixteen = Zmm;
    type Doubles = ZmmDoubles;

    #[inline(always)]
    fn widen(eight: Ymm) -> Zmm {
        Zmm::widened(eight)
    }

    #[inline(always)]
    fn doubles(numbers: Zmm) -> Row<ZmmDoubles> {
        ZmmDoubles::widened(numbers.halves())
    }

    #[inline(always)]
    fn joined(eleven: Zmm, four: __m128) -> Row<ZmmDoubles> {
        Self::doubles(eleven.joined(four))
    }
}

#[cfg(test)]
mod tests;
