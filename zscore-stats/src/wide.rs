//! Integers wider than 128 bits, as far as the variance needs them: product, difference, and a
//! quotient rounded once.

/// A 256-bit unsigned integer, `high · 2¹²⁸ + low`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    /// The whole product of two 128-bit integers.
    pub(crate) fn product(a: u128, b: u128) -> Self {
        let (a1, a0) = halves(a);
        let (b1, b0) = halves(b);
        // Schoolbook, digits of 64 bits. The middle sum has three terms below 2⁶⁴ and fits.
        let ((c1, c0), (d1, d0)) = (halves(a1 * b0), halves(a0 * b1));
        let (low1, low0) = halves(a0 * b0);
        let middle = low1 + c0 + d0;
        Self {
            high: a1 * b1 + c1 + d1 + (middle >> 64),
            low: (middle << 64) | low0,
        }
    }

    /// `self − other`, or `None` below zero.
    pub(crate) fn checked_sub(self, other: Self) -> Option<Self> {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self.high.checked_sub(other.high)?;
        Some(Self {
            high: high.checked_sub(u128::from(borrow))?,
            low,
        })
    }

    fn bits(self) -> u32 {
        if self.high == 0 {
            128 - self.low.leading_zeros()
        } else {
            256 - self.high.leading_zeros()
        }
    }

    /// `self >> count`, for `count` below 256.
    fn shifted_right(self, count: u32) -> Self {
        match count {
            0 => self,
            1..128 => Self {
                high: self.high >> count,
                low: (self.low >> count) | (self.high << (128 - count)),
            },
            _ => Self {
                high: 0,
                low: self.high >> (count - 128),
            },
        }
    }

    fn bit(self, index: u32) -> bool {
        self.shifted_right(index).low & 1 == 1
    }

    fn trailing_zeros(self) -> u32 {
        if self.low == 0 {
            128 + self.high.trailing_zeros()
        } else {
            self.low.trailing_zeros()
        }
    }
}

impl From<u128> for Wide {
    fn from(low: u128) -> Self {
        Self { high: 0, low }
    }
}

const DIGIT: u128 = u64::MAX as u128;

fn halves(x: u128) -> (u128, u128) {
    (x >> 64, x & DIGIT)
}

/// Returns `numerator / denominator · 2^exponent`, rounded once to the nearest `f64`, ties to even.
///
/// `denominator` is not 0. The result must be a normal number or 0, which every mean and variance
/// here is: the least is 2⁻¹⁷⁶ and the greatest 2⁴⁸.
///
/// # Complexity
///
/// Two conversions and a division where both fit in 53 bits once the powers of two are out, as
/// they do for counts; otherwise a long division of about 64 steps.
#[expect(clippy::cast_precision_loss, reason = "rounding is the purpose")]
pub(crate) fn rounded_ratio(numerator: Wide, denominator: u128, exponent: i32) -> f64 {
    debug_assert_ne!(denominator, 0);
    if numerator == Wide::from(0) {
        return 0.0;
    }
    // Powers of two do not take part in the rounding.
    let (n_zeros, d_zeros) = (numerator.trailing_zeros(), denominator.trailing_zeros());
    let numerator = numerator.shifted_right(n_zeros);
    let denominator = denominator >> d_zeros;
    let exponent = exponent + n_zeros.cast_signed() - d_zeros.cast_signed();
    if numerator.bits() <= 53 && denominator < 1 << 53 {
        return libm::scalbn(numerator.low as f64 / denominator as f64, exponent);
    }
    let (quotient, sticky, places) = long_division(numerator, denominator);
    // The quotient has at least 64 bits, so its last bit is far below the 53 that are kept and can
    // stand for everything that was cut off.
    libm::scalbn((quotient | u128::from(sticky)) as f64, exponent + places)
}

/// Divides bit by bit until the quotient has 64 bits.
///
/// Returns the quotient, whether anything is left over, and the power of two that the quotient's
/// last bit stands for.
fn long_division(numerator: Wide, denominator: u128) -> (u128, bool, i32) {
    let bits = numerator.bits();
    // The top bits of the numerator, one fewer than the denominator has, are below it: no quotient
    // bit yet.
    let start = bits.min(127 - denominator.leading_zeros());
    let mut next = (bits - start).cast_signed();
    let mut remainder = if start == 0 {
        0
    } else {
        numerator.shifted_right(bits - start).low
    };
    let mut quotient = 0_u128;
    while quotient >> 63 == 0 {
        next -= 1;
        let digit = u32::try_from(next).is_ok_and(|index| numerator.bit(index));
        let carry = remainder >> 127 == 1;
        remainder = (remainder << 1) | u128::from(digit);
        let fits = carry || remainder >= denominator;
        if fits {
            remainder = remainder.wrapping_sub(denominator);
        }
        quotient = (quotient << 1) | u128::from(fits);
    }
    let rest = u32::try_from(next).is_ok_and(|index| numerator.trailing_zeros() < index);
    (quotient, rest || remainder != 0, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_of_the_largest_is_whole() {
        let product = Wide::product(u128::MAX, u128::MAX);
        assert_eq!(
            product,
            Wide {
                high: u128::MAX - 1,
                low: 1
            }
        );
        assert_eq!(product.bits(), 256);
    }

    #[test]
    fn difference_borrows_and_stops_at_zero() {
        let one = Wide { high: 1, low: 0 };
        assert_eq!(
            one.checked_sub(1.into()),
            Some(Wide {
                high: 0,
                low: u128::MAX
            })
        );
        assert_eq!(Wide::from(1).checked_sub(one), None);
        assert_eq!(
            Wide { high: 1, low: 0 }.checked_sub(Wide { high: 1, low: 1 }),
            None
        );
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the rounding is exact or the test fails")]
    fn quotient_is_rounded_to_nearest_even() {
        let ratio = |n: u128, d: u128| rounded_ratio(n.into(), d, 0);
        assert_eq!(ratio(1, 3), 1.0 / 3.0);
        assert_eq!(ratio(2, 3), 2.0 / 3.0);
        // 2^53 + 1 is half way: to even, down. A third more is above it: up.
        let half_way = (1 << 53) + 1;
        assert_eq!(ratio(half_way, 1), 9_007_199_254_740_992.0);
        assert_eq!(ratio(3 * half_way + 1, 3), 9_007_199_254_740_994.0);
        assert_eq!(ratio((1 << 53) + 3, 1), 9_007_199_254_740_996.0);
        // Large by large, and a divisor with its top bit set.
        assert_eq!(ratio(u128::MAX, u128::MAX - 1), 1.0);
        assert_eq!(
            rounded_ratio(Wide::product(u128::MAX, 7), u128::MAX, -3),
            0.875
        );
        assert_eq!(ratio(1, u128::MAX), 2.0_f64.powi(-128));
    }
}
