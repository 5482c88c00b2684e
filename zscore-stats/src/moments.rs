//! Exact sums of one position: whole multiples of 2⁻²⁴ and of 2⁻⁴⁸.

use crate::wide::{Wide, rounded_ratio};

/// Binary places that a value is rounded to.
const PLACES: i32 = 24;

/// Exact sums over the rows of a population at one position.
///
/// A value is rounded once, to the nearest multiple of 2⁻²⁴ with ties to even, when it is pushed;
/// from there on everything is whole numbers. Counts are not changed by the rounding, and any
/// other value by at most 2⁻²⁵ ≈ 2.98e-8.
///
/// # Invariants
///
/// - `nonzeros` = 0 exactly if `sum_of_squares` = 0, and then `sum` = 0
/// - `nonzeros · sum_of_squares ≥ sum²`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moments {
    /// Rows whose rounded value is not 0.
    pub nonzeros: u64,
    /// Sum of the values, in units of 2⁻²⁴.
    pub sum: i128,
    /// Sum of the squared values, in units of 2⁻⁴⁸.
    pub sum_of_squares: u128,
}

impl Moments {
    /// Mean over `size` rows, those without the position at 0: `sum / size`, rounded once.
    ///
    /// `None` for a population of nobody.
    #[must_use]
    pub fn mean(&self, size: u64) -> Option<f64> {
        if size == 0 {
            return None;
        }
        let size_of_mean = rounded_ratio(self.sum.unsigned_abs().into(), size.into(), -PLACES);
        Some(if self.sum < 0 {
            -size_of_mean
        } else {
            size_of_mean
        })
    }

    /// Population variance over `size` rows, those without the position at 0, rounded once:
    ///
    /// ```text
    /// (size · Σx² − (Σx)²) / size²
    /// ```
    ///
    /// `None` for a population of nobody, or one smaller than its values allow.
    #[must_use]
    pub fn population_variance(&self, size: u64) -> Option<f64> {
        if size == 0 || self.nonzeros > size {
            return None;
        }
        let numerator = self.scaled_variance(size)?;
        let size = u128::from(size);
        Some(rounded_ratio(numerator, size * size, -2 * PLACES))
    }

    /// Square root of [`population_variance`](Self::population_variance), rounded once more.
    #[must_use]
    pub fn population_std_dev(&self, size: u64) -> Option<f64> {
        self.population_variance(size).map(f64::sqrt)
    }

    /// Whether some list of values could have these sums.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (self.nonzeros == 0) == (self.sum_of_squares == 0)
            && (self.nonzeros != 0 || self.sum == 0)
            && self.scaled_variance(self.nonzeros).is_some()
    }

    /// `n · Σx² − (Σx)²`, or `None` if it is negative.
    fn scaled_variance(&self, n: u64) -> Option<Wide> {
        let sum = self.sum.unsigned_abs();
        Wide::product(n.into(), self.sum_of_squares).checked_sub(Wide::product(sum, sum))
    }

    /// The sums of both, or `None` on overflow.
    pub(crate) fn checked_add(&self, other: &Self) -> Option<Self> {
        Some(Self {
            nonzeros: self.nonzeros.checked_add(other.nonzeros)?,
            sum: self.sum.checked_add(other.sum)?,
            sum_of_squares: self.sum_of_squares.checked_add(other.sum_of_squares)?,
        })
    }

    /// The sums of `self` without `other`, or `None` if `other` is not a part of it.
    pub(crate) fn checked_sub(&self, other: &Self) -> Option<Self> {
        let rest = Self {
            nonzeros: self.nonzeros.checked_sub(other.nonzeros)?,
            sum: self.sum.checked_sub(other.sum)?,
            sum_of_squares: self.sum_of_squares.checked_sub(other.sum_of_squares)?,
        };
        rest.is_valid().then_some(rest)
    }

    /// The sums of one value.
    pub(crate) fn of(value: f32) -> Self {
        let fixed = to_fixed(value);
        let size = fixed.unsigned_abs();
        Self {
            nonzeros: u64::from(fixed != 0),
            sum: fixed.into(),
            sum_of_squares: u128::from(size) * u128::from(size),
        }
    }

    /// The sums of `count` ones.
    pub(crate) fn ones(count: u32) -> Self {
        Self {
            nonzeros: count.into(),
            sum: i128::from(count) << PLACES,
            sum_of_squares: u128::from(count) << (2 * PLACES),
        }
    }
}

/// Rounds a value, at most 2²⁴ in size, to the nearest multiple of 2⁻²⁴, ties to even.
///
/// Adding 1.5 · 2⁵² leaves the rounded integer in the low bits of the sum: the default rounding of
/// IEEE addition does the work, the same on every platform and without a call.
#[inline]
pub(crate) fn to_fixed(value: f32) -> i64 {
    const SHIFTER: f64 = 6_755_399_441_055_744.0;
    const ONE: f64 = (1_u32 << PLACES as u32) as f64;
    let shifted = f64::from(value) * ONE + SHIFTER;
    shifted.to_bits().cast_signed() - SHIFTER.to_bits().cast_signed()
}

/// [`Moments`] in 40 bytes: `u128` would be aligned to 16 and take 48.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PackedMoments {
    nonzeros: u64,
    sum: [u64; 2],
    sum_of_squares: [u64; 2],
}

impl PackedMoments {
    #[inline]
    pub(crate) fn unpack(&self) -> Moments {
        Moments {
            nonzeros: self.nonzeros,
            sum: join(self.sum).cast_signed(),
            sum_of_squares: join(self.sum_of_squares),
        }
    }

    /// Adds one value; the caller has ruled out overflow.
    #[inline]
    pub(crate) fn push(&mut self, value: f32) {
        let fixed = to_fixed(value);
        let size = u128::from(fixed.unsigned_abs());
        self.nonzeros = self.nonzeros.wrapping_add(u64::from(fixed != 0));
        self.sum = split(join(self.sum).wrapping_add(i128::from(fixed).cast_unsigned()));
        self.sum_of_squares = split(join(self.sum_of_squares).wrapping_add(size * size));
    }
}

impl From<Moments> for PackedMoments {
    #[inline]
    fn from(moments: Moments) -> Self {
        Self {
            nonzeros: moments.nonzeros,
            sum: split(moments.sum.cast_unsigned()),
            sum_of_squares: split(moments.sum_of_squares),
        }
    }
}

#[inline]
fn join([low, high]: [u64; 2]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half")]
fn split(x: u128) -> [u64; 2] {
    [x as u64, (x >> 64) as u64]
}
