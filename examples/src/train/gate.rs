//! The gate before the registry: a dump that looks wrong is kept back, and training goes on.

use lr_core::Metrics;
use serde::Serialize;

use crate::summary::Quality;

/// When a dump is kept back.
///
/// The figures are those of events before they were learned from, since the last judgement; there is
/// one at every dump as soon as there are enough events, so a few noisy ones hold back nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Gate {
    /// Whether there is a gate. Weights that are not finite are kept back without one.
    pub is_on: bool,
    /// Events from which on figures are judged.
    pub min_events: u64,
    /// Positive events from which on they are judged.
    pub min_positives: u64,
    /// Largest log loss over that of the whole run, less one: 0.5 allows one and a half times it.
    pub max_loss_increase: f64,
    /// Smallest predicted over observed positives.
    pub min_calibration: f64,
    /// Largest predicted over observed positives.
    pub max_calibration: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            is_on: true,
            min_events: 10_000,
            min_positives: 100,
            max_loss_increase: 0.5,
            min_calibration: 0.5,
            max_calibration: 2.0,
        }
    }
}

/// A dump that was kept back.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Withheld {
    /// Version that it would have had.
    pub version: String,
    /// What is wrong with it.
    pub reasons: Vec<String>,
    /// Events judged.
    pub events: u64,
    /// Their figures.
    pub judged: Quality,
    /// Figures of the whole run.
    pub running: Quality,
}

impl Gate {
    /// Whether there is enough to judge.
    pub(super) fn may_judge(&self, recent: &Metrics) -> bool {
        self.is_on && recent.events() >= self.min_events && recent.positives() >= self.min_positives
    }

    /// What is wrong with the figures of recent events, beside those of the whole run.
    pub(super) fn reasons(&self, recent: &Metrics, running: &Metrics) -> Vec<String> {
        let mut reasons = Vec::new();
        if let (Some(loss), Some(usual)) = (recent.log_loss(), running.log_loss()) {
            let limit = usual * (1.0 + self.max_loss_increase);
            if loss > limit {
                reasons.push(format!(
                    "log loss {loss:.5} is above {limit:.5}, which the gate allows over {usual:.5}"
                ));
            }
        }
        let range = self.min_calibration..=self.max_calibration;
        match recent.calibration() {
            Some(calibration) if !range.contains(&calibration) => reasons.push(format!(
                "calibration {calibration:.4} is not in {} to {}",
                self.min_calibration, self.max_calibration
            )),
            _ => {}
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(probability: f64, positives: u32, negatives: u32) -> Metrics {
        let mut metrics = Metrics::with_resolution(10).unwrap();
        for index in 0..positives + negatives {
            metrics.push(probability, index < positives, 1.0).unwrap();
        }
        metrics
    }

    #[test]
    fn figures_within_the_bounds_pass_and_others_are_named() {
        let gate = Gate::default();
        let usual = metrics(0.1, 1_000, 9_000);
        assert!(gate.may_judge(&usual));
        assert_eq!(gate.reasons(&usual, &usual), Vec::<String>::new());
        // Predicted 0.3 where 0.1 is observed: calibration 3, and 0.4414 nats instead of 0.3251.
        let high = metrics(0.3, 1_000, 9_000);
        assert_eq!(
            gate.reasons(&high, &usual),
            ["calibration 3.0000 is not in 0.5 to 2"]
        );
        // −(0.4 ln 0.1 + 0.6 ln 0.9) = 0.98425, calibration 0.25
        let low = metrics(0.1, 4_000, 6_000);
        assert_eq!(
            gate.reasons(&low, &usual),
            [
                "log loss 0.98425 is above 0.48762, which the gate allows over 0.32508",
                "calibration 0.2500 is not in 0.5 to 2"
            ]
        );
    }

    #[test]
    fn few_events_are_not_judged() {
        let gate = Gate::default();
        assert!(!gate.may_judge(&metrics(0.1, 1_000, 8_999)));
        assert!(!gate.may_judge(&metrics(0.1, 99, 20_000)));
        let off = Gate {
            is_on: false,
            ..gate
        };
        assert!(!off.may_judge(&metrics(0.1, 1_000, 9_000)));
    }
}
