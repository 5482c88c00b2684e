//! The gate before the registry: a dump that looks wrong is kept back, and training goes on.

use lr_core::Metrics;
use serde::Serialize;
use zscore_stats::{Drift, PositionDrift};

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
    /// Largest distance between the mean of a scaled position and the mean in the statistics, in
    /// standard deviations of the statistics; one event in eight is looked at.
    ///
    /// Only positions are judged that many rows have: those whose mean times this is at least their
    /// standard deviation, which a position that is 1 or absent is from 10 % of rows on at the
    /// default. Such a one cannot move that far by becoming usual: a word in the news is no fault.
    pub max_drift: f64,
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
            max_drift: 3.0,
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

    /// What is wrong with the values of recent rows, beside the statistics that they were scaled
    /// with; `name` is that of a position.
    pub(super) fn drift_reason<N: std::fmt::Display>(
        &self,
        drift: &Drift,
        name: impl Fn(u32) -> N,
    ) -> Option<String> {
        let distance = |p: &PositionDrift| (p.mean.1 - p.mean.0).abs() / p.std_dev.0;
        // One that is 1 in a share `p` of rows has the mean p and the deviation √(p(1 − p)): it is
        // at most their ratio, √((1 − p) / p), away from being in all rows.
        let is_dense = |p: &&PositionDrift| {
            p.std_dev.0 > 0.0 && p.mean.0.abs() * self.max_drift >= p.std_dev.0
        };
        let farthest = (drift.positions().iter().filter(is_dense))
            .max_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let moved = distance(farthest);
        let position = farthest.position;
        tracing::debug!(position, moved, "farthest from the statistics");
        (moved > self.max_drift).then(|| {
            format!(
                "the mean of position {} ({}) is {moved:.2} standard deviations from that of the \
                 statistics, more than {}: {:.4} was {:.4}",
                position,
                name(position),
                self.max_drift,
                farthest.mean.1,
                farthest.mean.0,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use zscore_stats::{Cohorts, Population};

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
    fn a_dense_position_far_from_its_statistics_is_named_and_news_is_not() {
        let mut before = Population::new(Cohorts::single(2).unwrap());
        let mut after = before.clone();
        for row in 0..999_u16 {
            // 2, 4, 6 at position 0: mean 4, variance 8/3; one row in 999 at position 1.
            let value = f32::from(2 + 2 * (row % 3));
            before.push(0, (&[0], &[value])).unwrap();
            after.push(0, (&[0, 1], &[value + 4.0, 1.0])).unwrap();
        }
        before.push(0, (&[0, 1], &[4.0, 1.0])).unwrap();
        let drift = Drift::between(&before, &after).unwrap();
        // 4 / √(8/3) = 2.449; the thousandth row is at the mean.
        let gate = |max_drift| Gate {
            max_drift,
            ..Gate::default()
        };
        let name = |position| format!("f{position}");
        assert_eq!(gate(2.46).drift_reason(&drift, name), None);
        assert_eq!(
            gate(2.44).drift_reason(&drift, name).unwrap(),
            "the mean of position 0 (f0) is 2.45 standard deviations from that of the statistics, \
             more than 2.44: 8.0000 was 4.0000"
        );
    }

    #[test]
    fn a_word_in_the_news_is_no_fault_and_one_that_is_gone_from_all_rows_is() {
        // Present in 95 of 100 rows: √(0.95 / 0.05) = 4.36 deviations from 0. In 5 of 100: as far
        // from 1, and too rare to be judged. In 20 of 100: √(0.8 / 0.2) = 2 from 1.
        let rows = |counts: [u32; 3]| {
            let mut population = Population::new(Cohorts::single(3).unwrap());
            for row in 0..100 {
                let present: Vec<u32> = (0..3)
                    .filter(|&position| row < counts[position as usize])
                    .collect();
                let ones = vec![1.0_f32; present.len()];
                population
                    .push(0, (present.as_slice(), ones.as_slice()))
                    .unwrap();
            }
            population
        };
        let reason = |after| {
            let drift = Drift::between(&rows([95, 5, 20]), &rows(after)).unwrap();
            Gate::default().drift_reason(&drift, |position| position)
        };
        assert_eq!(reason([100, 100, 100]), None);
        let gone = reason([0, 100, 100]).unwrap();
        assert!(
            gone.starts_with("the mean of position 0 (0) is 4.36 "),
            "{gone}"
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
