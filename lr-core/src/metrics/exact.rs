//! The exact AUC of stored scores.

use super::error::MetricsError;

/// Returns the area under the ROC curve of stored scores, exactly.
///
/// `events` holds score, label and importance; scores are margins or probabilities, whatever
/// orders. Equal scores count as half a win. `None` unless both labels have importance.
/// [`Metrics::auc`](crate::Metrics::auc) needs no stored scores, and a bound says how close it is.
///
/// # Errors
///
/// - [`MetricsError::MarginNotANumber`] — a score is NaN.
/// - [`MetricsError::ImportanceOutOfRange`] — an importance is NaN, negative or infinite.
///
/// # Precision
///
/// Sums are `f64`, exact while importances are whole numbers and pairs are below 2^52.
///
/// # Complexity
///
/// O(n log n).
///
/// # Examples
///
/// ```
/// let events = [(0.9, true, 1.0), (0.7, false, 1.0), (0.7, true, 1.0), (0.1, false, 2.0)];
/// // Of 2 · 3 pairs of importance, five are won and one is tied.
/// assert_eq!(lr_core::exact_auc(&events)?, Some(5.5 / 6.0));
/// # Ok::<(), lr_core::MetricsError>(())
/// ```
pub fn exact_auc(events: &[(f64, bool, f32)]) -> Result<Option<f64>, MetricsError> {
    for &(score, _, importance) in events {
        if score.is_nan() {
            return Err(MetricsError::MarginNotANumber);
        }
        if !(importance >= 0.0 && importance.is_finite()) {
            return Err(MetricsError::ImportanceOutOfRange {
                importance: importance.into(),
            });
        }
    }
    let mut sorted = events.to_vec();
    // Zeros of either sign are one score.
    sorted.sort_by(|left, right| (left.0 + 0.0).total_cmp(&(right.0 + 0.0)));
    // In increasing order, a score at least as large as the next one equals it.
    let (mut negative, mut positive, mut wins) = (0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|left, right| left.0 >= right.0) {
        let sum = |wanted: bool| -> f64 {
            let of = tied.iter().filter(|(_, label, _)| *label == wanted);
            of.map(|&(_, _, importance)| f64::from(importance)).sum()
        };
        let (tied_positive, tied_negative) = (sum(true), sum(false));
        wins += tied_positive * (negative + tied_negative / 2.0);
        positive += tied_positive;
        negative += tied_negative;
    }
    let pairs = positive * negative;
    Ok((pairs > 0.0).then(|| wins / pairs))
}
