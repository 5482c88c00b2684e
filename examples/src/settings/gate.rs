//! When a dump is kept back.

use serde::{Deserialize, Serialize};

use super::values::Rate;
use crate::train::Gate;

/// When a dump is kept back.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GateSettings {
    /// Keep a dump back whose figures are out of bounds
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub gate: Option<bool>,
    /// Events from which on figures are judged
    #[arg(long, value_name = "N")]
    pub gate_min_events: Option<u64>,
    /// Positive events from which on figures are judged
    #[arg(long, value_name = "N")]
    pub gate_min_positives: Option<u64>,
    /// Largest log loss over that of the whole run, less one
    #[arg(long, value_name = "SHARE")]
    pub gate_max_loss_increase: Option<Rate>,
    /// Smallest predicted over observed positives
    #[arg(long, value_name = "RATIO")]
    pub gate_min_calibration: Option<Rate>,
    /// Largest predicted over observed positives
    #[arg(long, value_name = "RATIO")]
    pub gate_max_calibration: Option<Rate>,
    /// Largest distance of a scaled position's mean from that of the statistics, in their standard
    /// deviations
    #[arg(long, value_name = "DEVIATIONS")]
    pub gate_max_drift: Option<Rate>,
}

impl GateSettings {
    /// What unset settings stand for.
    pub(super) fn defaults() -> Self {
        let gate = Gate::default();
        Self {
            gate: Some(gate.is_on),
            gate_min_events: Some(gate.min_events),
            gate_min_positives: Some(gate.min_positives),
            gate_max_loss_increase: Rate::try_from(gate.max_loss_increase).ok(),
            gate_min_calibration: Rate::try_from(gate.min_calibration).ok(),
            gate_max_calibration: Rate::try_from(gate.max_calibration).ok(),
            gate_max_drift: Rate::try_from(gate.max_drift).ok(),
        }
    }

    /// Sets what is given.
    pub(super) fn apply(&self, gate: &mut Gate) {
        gate.is_on = self.gate.unwrap_or(gate.is_on);
        gate.min_events = self.gate_min_events.unwrap_or(gate.min_events);
        gate.min_positives = self.gate_min_positives.unwrap_or(gate.min_positives);
        for (given, place) in [
            (self.gate_max_loss_increase, &mut gate.max_loss_increase),
            (self.gate_min_calibration, &mut gate.min_calibration),
            (self.gate_max_calibration, &mut gate.max_calibration),
            (self.gate_max_drift, &mut gate.max_drift),
        ] {
            if let Some(given) = given {
                *place = given.get();
            }
        }
    }
}
