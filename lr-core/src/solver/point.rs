//! A point of the iteration: coefficients, what is known there, and the step to the next.

use super::config::{BiasTerm, SolverConfig};
use super::design::Design;
use super::objective::{LossAt, bias_l2, penalty};
use crate::dense::add_scaled;

/// Share of the promised decrease that a step must bring.
const SUFFICIENT_DECREASE: f64 = 1e-4;
/// Most halvings of a step.
const MAX_HALVINGS: usize = 40;

/// Coefficients with what is known there.
pub(super) struct Point {
    pub(super) coefficients: Vec<f64>,
    margins: Vec<f64>,
    pub(super) at: LossAt,
    pub(super) objective: f64,
}

impl Point {
    pub(super) fn new(config: &SolverConfig, design: &Design, coefficients: Vec<f64>) -> Self {
        let margins = design.margins(&coefficients);
        Self::with_margins(config, design, coefficients, margins)
    }

    fn with_margins(
        config: &SolverConfig,
        design: &Design,
        coefficients: Vec<f64>,
        margins: Vec<f64>,
    ) -> Self {
        let at = LossAt::new(design, &margins);
        let objective = at.loss + penalty(config, &coefficients);
        Self {
            coefficients,
            margins,
            at,
            objective,
        }
    }

    /// Halves a step until the objective falls enough; `None` if it never does.
    ///
    /// `decrease` is what the whole step promises, a negative number of nats.
    pub(super) fn step(
        &self,
        config: &SolverConfig,
        design: &Design,
        direction: &[f64],
        decrease: f64,
    ) -> Option<Self> {
        let change = design.margins(direction);
        let mut length = 1.0;
        for _ in 0..MAX_HALVINGS {
            let mut coefficients = self.coefficients.clone();
            add_scaled(&mut coefficients, length, direction);
            let mut margins = self.margins.clone();
            add_scaled(&mut margins, length, &change);
            let next = Self::with_margins(config, design, coefficients, margins);
            if next.objective <= self.objective + SUFFICIENT_DECREASE * length * decrease {
                return Some(next);
            }
            length /= 2.0;
        }
        None
    }
}

/// The gradient of the objective, or with L1 the subgradient of least norm.
pub(super) fn least_subgradient(
    config: &SolverConfig,
    coefficients: &[f64],
    loss_gradient: &[f64],
) -> Vec<f64> {
    let last = coefficients.len() - 1;
    let mut slope: Vec<f64> = coefficients[..last]
        .iter()
        .zip(loss_gradient)
        .map(|(&weight, &gradient)| {
            let smooth = gradient + config.l2 * weight;
            if weight > 0.0 {
                smooth + config.l1
            } else if weight < 0.0 {
                smooth - config.l1
            } else {
                (smooth.abs() - config.l1).max(0.0).copysign(smooth)
            }
        })
        .collect();
    slope.push(match config.bias {
        BiasTerm::Absent => 0.0,
        BiasTerm::Free | BiasTerm::Penalized => {
            loss_gradient[last] + bias_l2(config) * coefficients[last]
        }
    });
    slope
}
