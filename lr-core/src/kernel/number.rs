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
