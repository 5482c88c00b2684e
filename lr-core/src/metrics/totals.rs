//! The counts and sums of all metrics.

use super::error::MetricsError;
use super::fixed;

/// Counts and fixed-point sums; see [`fixed`] for their units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) events: u64,
    pub(super) positives: u64,
    pub(super) positive_importance: u64,
    pub(super) negative_importance: u64,
    /// Σ w · loss
    pub(super) loss: u128,
    /// Σ w · p
    pub(super) predicted: u128,
    /// Σ w² · loss
    pub(super) square_loss: u128,
    /// Σ w² · loss²
    pub(super) square_loss_square: u128,
    /// Σ w² of positive events
    pub(super) positive_square: u128,
    /// Σ w² of negative events
    pub(super) negative_square: u128,
}

impl Totals {
    pub(super) fn from_parts(counts: [u64; 4], sums: [u128; 6]) -> Self {
        let [events, positives, positive_importance, negative_importance] = counts;
        let [
            loss,
            predicted,
            square_loss,
            square_loss_square,
            positive_square,
            negative_square,
        ] = sums;
        Self {
            events,
            positives,
            positive_importance,
            negative_importance,
            loss,
            predicted,
            square_loss,
            square_loss_square,
            positive_square,
            negative_square,
        }
    }

    pub(super) fn push(&mut self, probability: f64, loss: f64, label: bool, units: u64) {
        let importance = fixed::importance_of(units);
        let weighted_loss = importance * loss;
        let square = fixed::square_units(importance * importance);
        self.events = self.events.saturating_add(1);
        self.loss += fixed::loss_units(loss, units);
        self.predicted += fixed::probability_units(probability, units);
        self.square_loss += fixed::square_units(importance * weighted_loss);
        self.square_loss_square += fixed::square_units(weighted_loss * weighted_loss);
        if label {
            self.positives = self.positives.saturating_add(1);
            self.positive_importance += units;
            self.positive_square += square;
        } else {
            self.negative_importance += units;
            self.negative_square += square;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.events = self.events.saturating_add(other.events);
        self.positives = self.positives.saturating_add(other.positives);
        self.positive_importance += other.positive_importance;
        self.negative_importance += other.negative_importance;
        self.loss += other.loss;
        self.predicted += other.predicted;
        self.square_loss += other.square_loss;
        self.square_loss_square += other.square_loss_square;
        self.positive_square += other.positive_square;
        self.negative_square += other.negative_square;
    }

    pub(super) fn importance_units(&self) -> u64 {
        self.positive_importance + self.negative_importance
    }

    pub(super) fn sums(&self) -> [u128; 6] {
        [
            self.loss,
            self.predicted,
            self.square_loss,
            self.square_loss_square,
            self.positive_square,
            self.negative_square,
        ]
    }

    pub(super) fn check_room(&self, units: u64) -> Result<(), MetricsError> {
        let total = self.importance_units().checked_add(units);
        match total {
            Some(total) if total < fixed::MAX_TOTAL_UNITS => Ok(()),
            _ => Err(MetricsError::TooMuchImportance),
        }
    }
}
