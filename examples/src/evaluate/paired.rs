//! The difference of two models on the same events.

use std::collections::BTreeMap;

use lr_core::{logistic_loss, logit};
use serde::Serialize;

/// Half the width of a 95 % interval, in standard errors: Φ⁻¹(0.975).
const Z: f64 = 1.959_963_984_540_054;

/// Probabilities closer to 0 or 1 are moved to this distance before their loss is taken.
const FLOOR: f64 = 1e-15;

/// Log loss of one model minus that of another on the same events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Mean difference, in nats; below 0 the first model is better.
    pub log_loss: f64,
    /// Lower end of its 95 % interval; `None` with fewer than two users.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Users whose events are taken together; events without a user count for themselves.
    pub users: u64,
    /// What the interval says.
    pub verdict: Verdict,
}

/// Whether one model is better than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The first model has the lower log loss.
    FirstIsBetter,
    /// The second model has the lower log loss.
    SecondIsBetter,
    /// The interval holds 0.
    Undecided,
}

/// Sums over events, by user.
#[derive(Debug, Default)]
pub(super) struct Paired {
    /// Σ w d and Σ w of each user's events.
    users: BTreeMap<u64, (f64, f64)>,
    /// The same of each event without a user.
    strangers: Vec<(f64, f64)>,
}

impl Paired {
    pub(super) fn push(
        &mut self,
        user: Option<u64>,
        first: f64,
        second: f64,
        label: bool,
        importance: f64,
    ) {
        let difference = importance * (loss(first, label) - loss(second, label));
        match user {
            Some(user) => {
                let (sum, weight) = self.users.entry(user).or_default();
                *sum += difference;
                *weight += importance;
            }
            None => self.strangers.push((difference, importance)),
        }
    }

    /// The mean difference with the interval of a ratio of sums over users:
    ///
    /// ```text
    /// mean = Σ Dᵤ / Σ Wᵤ,   variance = n / (n − 1) · Σ (Dᵤ − mean · Wᵤ)² / (Σ Wᵤ)²
    /// ```
    ///
    /// Cochran (1977), *Sampling Techniques*, 3rd ed., eq. 6.9, with users as the units.
    #[allow(clippy::cast_precision_loss)] // counts of users are far below 2^53
    pub(super) fn difference(&self) -> Option<Difference> {
        let groups = || self.users.values().chain(&self.strangers);
        let (sum, weight) = groups().fold((0.0, 0.0), |(sum, weight), group| {
            (sum + group.0, weight + group.1)
        });
        if weight <= 0.0 {
            return None;
        }
        let mean = sum / weight;
        let users = groups().count();
        let squares: f64 = groups().map(|(d, w)| (d - mean * w).powi(2)).sum();
        let half = (users > 1).then(|| {
            let n = users as f64;
            Z * (n / (n - 1.0) * squares).sqrt() / weight
        });
        let (low, high) = (half.map(|half| mean - half), half.map(|half| mean + half));
        Some(Difference {
            log_loss: mean,
            low,
            high,
            users: users as u64,
            verdict: match (low, high) {
                (_, Some(high)) if high < 0.0 => Verdict::FirstIsBetter,
                (Some(low), _) if low > 0.0 => Verdict::SecondIsBetter,
                _ => Verdict::Undecided,
            },
        })
    }
}

fn loss(probability: f64, label: bool) -> f64 {
    logistic_loss(logit(probability.clamp(FLOOR, 1.0 - FLOOR)), label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-12
    }

    #[test]
    fn the_mean_is_weighted_and_the_interval_is_that_of_users() {
        let mut paired = Paired::default();
        // ln 2 − ln 4 = −ln 2, twice by one user and with importance 2 by another; then 0.
        paired.push(Some(1), 0.5, 0.25, true, 1.0);
        paired.push(Some(1), 0.5, 0.25, true, 1.0);
        paired.push(Some(2), 0.5, 0.25, true, 2.0);
        paired.push(Some(3), 0.5, 0.5, true, 2.0);
        let found = paired.difference().unwrap();
        let ln2 = std::f64::consts::LN_2;
        let mean = -4.0 * ln2 / 6.0;
        assert!(close(found.log_loss, mean));
        assert_eq!(found.users, 3);
        // Sums −2 ln 2, −2 ln 2 and 0 over weights of 2: deviations −2/3, −2/3 and 4/3 ln 2.
        let squares = (4.0 / 9.0 + 4.0 / 9.0 + 16.0 / 9.0) * ln2 * ln2;
        let half = Z * (1.5 * squares).sqrt() / 6.0;
        assert!(close(found.low.unwrap(), mean - half));
        assert!(close(found.high.unwrap(), mean + half));
        assert_eq!(found.verdict, Verdict::FirstIsBetter);
    }

    #[test]
    fn the_sides_are_those_of_the_losses() {
        let of = |first, second| {
            let mut paired = Paired::default();
            for user in 0..40_u32 {
                let off = 0.01 * f64::from(user % 5);
                paired.push(Some(u64::from(user)), first + off, second, true, 1.0);
            }
            paired.difference().unwrap().verdict
        };
        assert_eq!(of(0.8, 0.4), Verdict::FirstIsBetter);
        assert_eq!(of(0.3, 0.7), Verdict::SecondIsBetter);
        assert_eq!(of(0.48, 0.5), Verdict::Undecided);
    }

    #[test]
    fn events_without_a_user_count_for_themselves() {
        let mut paired = Paired::default();
        paired.push(None, 0.5, 0.25, true, 1.0);
        assert_eq!(paired.difference().unwrap().low, None);
        paired.push(None, 0.25, 0.5, true, 1.0);
        let found = paired.difference().unwrap();
        assert_eq!(found.users, 2);
        assert!(close(found.log_loss, 0.0));
        assert!(Paired::default().difference().is_none());
    }
}
