//! The exponential, by polynomials of IEEE products and sums alone.
//!
//! `libm`'s does not vectorise, branches on its argument, and took 23 ns of an event. These run on
//! any number of lanes, and every CPU gives the same bits.
//! Their terms are added in pairs, not one after the other, because every event waits for them.

use super::number::{Number, ROUND};

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; products of the first with integers up to 2⁸ are exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// Returns `1 / (1 + e^margin)`: the size of the logistic gradient at an agreement of `margin`.
///
/// `margin` is clamped to ±80, where the result is 1.8e-35 from its limit.
///
/// # Precision
///
/// Relative error below 4e-7 (3 units in the last place) over the whole range, measured against
/// `libm`.
#[inline(always)]
pub(crate) fn complement_sigmoid<F: Number>(margin: F) -> F {
    F::of(1.0) / one_plus_exp(margin)
}

/// Returns `1 + e^margin`, of a margin that is clamped to ±80.
#[inline(always)]
pub(crate) fn one_plus_exp<F: Number>(margin: F) -> F {
    let c = F::of;
    let x = margin.within(-80.0, 80.0);
    let shifted = x * c(LOG2_E) + c(ROUND);
    let n = shifted - c(ROUND);
    let r = (x - n * c(LN_2_HIGH)) - n * c(LN_2_LOW);
    // Minimax polynomial of (e^r − 1 − r) / r² on ±ln(2)/2, from Cephes' expf.
    let rr = r * r;
    let high = c(1.987_569_1e-4) * r + c(1.398_199_9e-3);
    let middle = c(8.333_452e-3) * r + c(4.166_579_6e-2);
    let low = c(1.666_666_5e-1) * r + c(0.5);
    let p = (high * rr + middle) * rr + low;
    let e = p * rr + (r + c(1.0));
    // 2ⁿ by its bits: −116 ≤ n ≤ 116 is far from the ends of the exponent.
    c(1.0) + e * shifted.power_of_two()
}

/// Returns `e^x` for `x ≤ 0`.
///
/// # Precision
///
/// Within 1 unit in the last place, measured against `libm`, whose own error is below 1.
#[inline(always)]
pub(crate) fn exp_negative(x: f64) -> f64 {
    if x < LEAST_NORMAL {
        return libm::exp(x);
    }
    exp_normal(x)
}

/// Below this the result may not be a normal number.
const LEAST_NORMAL: f64 = -700.0;

/// [`exp_negative`] of arguments from [`LEAST_NORMAL`] on.
#[inline(always)]
fn exp_normal(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// ln 2 in two parts; products of the first with integers up to 2¹¹ are exact.
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let n = (x * std::f64::consts::LOG2_E + ROUND) - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    // Taylor's series: on ±ln(2)/2 the first term left out, r¹⁴ / 14!, is 4e-18.
    let rr = r * r;
    let c = |k: usize| 1.0 / FACTORIALS[k];
    let pair = |k: usize| c(k) + c(k + 1) * r;
    let r4 = rr * rr;
    let r8 = r4 * r4;
    let middle = (pair(2) + pair(4) * rr) + (pair(6) + pair(8) * rr) * r4;
    let high = pair(10) + pair(12) * rr;
    let e = ((middle + high * r8) * rr + r) + 1.0;
    // 2ⁿ by its bits; −1010 ≤ n ≤ 0 is far from the ends of the exponent.
    let integer = (n + ROUND).to_bits().wrapping_sub(ROUND.to_bits());
    e * f64::from_bits(integer.wrapping_add(1023) << 52)
}

/// Returns the [`sigmoid`](crate::sigmoid) of a margin `m`, given `e^−|m|`.
#[inline(always)]
pub(crate) fn sigmoid_by(margin: f64, e: f64) -> f64 {
    // Selected and not branched on: signs of margins are hard to foretell.
    let numerator = if margin >= 0.0 { 1.0 } else { e };
    numerator / (1.0 + e)
}

/// Returns the [`sigmoid`](crate::sigmoid) of eight margins, to the same bits.
#[inline(always)]
pub(super) fn eight_sigmoids(margins: &[f64; 8]) -> [f64; 8] {
    if margins.iter().any(|margin| -margin.abs() < LEAST_NORMAL) {
        return margins.map(crate::sigmoid);
    }
    let mut probabilities = [0.0; 8];
    for (probability, &margin) in probabilities.iter_mut().zip(margins) {
        *probability = sigmoid_by(margin, exp_normal(-margin.abs()));
    }
    probabilities
}

/// 0! to 13!, exact.
const FACTORIALS: [f64; 14] = {
    let mut factorials = [1.0; 14];
    let mut k = 1;
    while k < factorials.len() {
        factorials[k] = factorials[k - 1] * (k as f64);
        k += 1;
    }
    factorials
};

#[cfg(test)]
mod tests {
    use super::{complement_sigmoid, exp_negative};

    #[test]
    fn matches_libm_over_the_whole_range() {
        let mut worst = 0.0_f64;
        let mut margin = -90.0_f32;
        while margin < 90.0 {
            let clamped = f64::from(margin.clamp(-80.0, 80.0));
            let expected = 1.0 / (1.0 + libm::exp(clamped));
            let actual = f64::from(complement_sigmoid(margin));
            let error = ((actual - expected) / expected).abs();
            assert!(error < 4e-7, "{margin}: {actual} {expected}");
            worst = worst.max(error);
            margin += 0.000_37;
        }
        assert!(worst > 1e-8);
    }

    #[test]
    fn is_exact_at_zero() {
        assert_eq!(complement_sigmoid(0.0).to_bits(), 0.5_f32.to_bits());
    }

    #[test]
    fn exponential_is_libms_within_a_unit_in_the_last_place() {
        let (mut x, mut different, mut all) = (0.0_f64, 0, 0);
        while x > -760.0 {
            let (ours, theirs) = (exp_negative(x), libm::exp(x));
            let distance = ours.to_bits().abs_diff(theirs.to_bits());
            assert!(distance <= 1, "{x}: {ours:e} {theirs:e}");
            different += distance;
            all += 1;
            x -= 0.000_731;
        }
        assert!(different * 5 < all, "{different} of {all}");
        assert_eq!(exp_negative(0.0).to_bits(), 1.0_f64.to_bits());
        assert_eq!(exp_negative(-800.0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(exp_negative(f64::NEG_INFINITY).to_bits(), 0.0_f64.to_bits());
        assert!(exp_negative(f64::NAN).is_nan());
    }
}
