//! The logistic loss, its derivative and the sigmoid, in forms that cannot overflow.

use crate::kernel::{exp_negative, sigmoid_by};

/// Returns the probability that belongs to a margin.
///
/// ```text
/// σ(m) = 1 / (1 + e^−m)
/// ```
///
/// `margin` is in log-odds; the result is in `[0, 1]`, NaN for a NaN margin.
/// Split by sign, because `e^−m` overflows for margins below −709.
///
/// # Precision
///
/// Within 2 units in the last place of the exact value; `sigmoid(m) + sigmoid(-m)` is 1 within one
/// rounding. The same bits on every platform: the exponential is a polynomial of IEEE operations,
/// within 1 unit in the last place of `libm`'s.
///
/// # Examples
///
/// ```
/// assert_eq!(lr_core::sigmoid(0.0), 0.5);
/// assert_eq!(lr_core::sigmoid(-1000.0), 0.0);
/// ```
#[must_use]
pub fn sigmoid(margin: f64) -> f64 {
    sigmoid_by(margin, exp_negative(-margin.abs()))
}

/// Returns the margin that belongs to a probability, in log-odds: the inverse of [`sigmoid`].
///
/// ```text
/// logit(p) = ln(p / (1 − p))
/// ```
///
/// −∞ at 0, +∞ at 1, NaN outside `[0, 1]`.
///
/// # Examples
///
/// ```
/// assert_eq!(lr_core::logit(0.5), 0.0);
/// assert!(lr_core::logit(1.5).is_nan());
/// ```
#[must_use]
pub fn logit(probability: f64) -> f64 {
    // ln(p / (1 − p)) would lose the low bits of a p near 0 in the division.
    libm::log(probability) - libm::log1p(-probability)
}

/// Returns the logistic loss of one example, in nats.
///
/// ```text
/// ℓ(m, y) = ln(1 + e^−m)  where y is true,  ln(1 + e^m)  where it is false
/// ```
///
/// `margin` is in log-odds. The result is non-negative; NaN for a NaN margin.
/// Computed as `max(−s, 0) + ln_1p(e^−|s|)` with `s = ±m`, because `ln(1 + e^−s)` overflows for
/// `s < −709` and is 0 for `s > 37`.
///
/// # Precision
///
/// Relative error below 4e-16 for every finite margin.
///
/// # Examples
///
/// ```
/// assert_eq!(lr_core::logistic_loss(0.0, true), std::f64::consts::LN_2);
/// assert_eq!(lr_core::logistic_loss(-1000.0, true), 1000.0);
/// ```
#[must_use]
pub fn logistic_loss(margin: f64, label: bool) -> f64 {
    let agreement = if label { margin } else { -margin };
    let tail = libm::log1p(libm::exp(-agreement.abs()));
    if agreement < 0.0 {
        tail - agreement
    } else {
        tail
    }
}

/// Returns the derivative of [`logistic_loss`] with respect to the margin.
///
/// ```text
/// ∂ℓ/∂m = σ(m) − y,   in [−1, 1]
/// ```
///
/// Computed as `−σ(−m)` where the label is true, because `σ(m) − 1` is 0 for `m > 37`.
///
/// # Examples
///
/// ```
/// assert_eq!(lr_core::logistic_gradient(0.0, true), -0.5);
/// assert!(lr_core::logistic_gradient(50.0, true) < 0.0);
/// ```
#[must_use]
pub fn logistic_gradient(margin: f64, label: bool) -> f64 {
    if label {
        -sigmoid(-margin)
    } else {
        sigmoid(margin)
    }
}

/// Returns the log loss of a stated probability, in nats: `−ln p` where the label is true,
/// `−ln(1 − p)` where it is false.
///
/// `probability` is taken as it is, without clipping: the loss of a certain and wrong prediction is
/// infinite. Prefer [`logistic_loss`] where the margin is at hand.
///
/// # Examples
///
/// ```
/// assert_eq!(lr_core::log_loss(0.5, false), std::f64::consts::LN_2);
/// assert_eq!(lr_core::log_loss(0.0, true), f64::INFINITY);
/// ```
#[must_use]
pub fn log_loss(probability: f64, label: bool) -> f64 {
    if label {
        -libm::log(probability)
    } else {
        -libm::log1p(-probability)
    }
}
