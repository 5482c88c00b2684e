//! Fixed-point numbers, so that sums of them are exact and merge in any order to the same bytes.

/// Bits after the point of an importance.
const IMPORTANCE_BITS: u64 = 24;
/// Bits after the point of a loss.
const LOSS_BITS: u64 = 50;
/// Bits after the point of a probability.
const PROBABILITY_BITS: u64 = 52;
/// Bits after the point of a squared sum.
const SQUARE_BITS: u64 = 32;

/// Largest loss of one event that is kept, in nats; larger ones count as this.
pub(super) const MAX_LOSS: f64 = 1024.0;
/// Largest importance of one event.
pub(super) const MAX_IMPORTANCE: f64 = 16_777_216.0; // 2^24
/// Largest total importance, in units of 2^-24; with the two bounds above no sum can overflow.
pub(super) const MAX_TOTAL_UNITS: u64 = 1 << 63;
/// Largest growth of any sum for each unit of importance, but for rounding.
pub(super) const MAX_UNITS_OF_SUM: u128 = 1 << 60;

/// Rounds an importance in `[0, MAX_IMPORTANCE]` to units of 2^-24.
pub(super) fn importance_units(importance: f64) -> u64 {
    round(importance, IMPORTANCE_BITS)
}

/// Returns the importance of a number of units.
pub(super) fn importance_of(units: u64) -> f64 {
    to_f64(u128::from(units), IMPORTANCE_BITS)
}

/// Returns loss × importance in units of 2^-74; below 2^123 in total.
pub(super) fn loss_units(loss: f64, importance: u64) -> u128 {
    u128::from(round(loss, LOSS_BITS)) * u128::from(importance)
}

/// Returns the value of a sum of [`loss_units`].
pub(super) fn loss_of(units: u128) -> f64 {
    to_f64(units, LOSS_BITS + IMPORTANCE_BITS)
}

/// Returns probability × importance in units of 2^-76; at most 2^115 in total.
pub(super) fn probability_units(probability: f64, importance: u64) -> u128 {
    u128::from(round(probability, PROBABILITY_BITS)) * u128::from(importance)
}

/// Returns the value of a sum of [`probability_units`].
pub(super) fn probability_of(units: u128) -> f64 {
    to_f64(units, PROBABILITY_BITS + IMPORTANCE_BITS)
}

/// Rounds a term of a sum of squares, below 2^68, to units of 2^-32.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller's bounds keep the value non-negative and far below 2^128"
)]
pub(super) fn square_units(value: f64) -> u128 {
    let rounded = to_whole(value * power_of_two(SQUARE_BITS));
    // Conversion to 64 bits is one instruction, to 128 a function.
    if rounded < power_of_two(63) {
        u128::from(rounded as u64)
    } else {
        rounded as u128
    }
}

/// Returns the value of a sum of [`square_units`].
pub(super) fn square_of(units: u128) -> f64 {
    to_f64(units, SQUARE_BITS)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "every caller's value is non-negative and at most 2^60 after scaling"
)]
fn round(value: f64, bits: u64) -> u64 {
    to_whole(value * power_of_two(bits)) as u64
}

fn to_f64(units: u128, bits: u64) -> f64 {
    units as f64 / power_of_two(bits)
}

/// Rounds a non-negative number to a whole one, ties to even: numbers from 2^52 on are whole, and
/// the sum with 2^52 keeps no fraction.
fn to_whole(value: f64) -> f64 {
    const WHOLE: f64 = power_of_two(52);
    if value < WHOLE {
        (value + WHOLE) - WHOLE
    } else {
        value
    }
}

/// Returns 2^`bits` exactly.
const fn power_of_two(bits: u64) -> f64 {
    f64::from_bits((1023 + bits) << 52)
}
