//! Proximal Newton for L1: coordinate descent on a quadratic model, then conjugate gradients on
//! the coefficients that it left non-zero.
//!
//! Yuan, Ho & Lin (2012), *An improved GLMNET for l1-regularized logistic regression*, JMLR 13,
//! for the outer iteration and the coordinate steps. The second half is ours: once the non-zero
//! coefficients are known the problem is smooth in them, and coordinate descent is slow where
//! columns are correlated.

use super::cg::{Stop, System};
use super::config::{BiasTerm, SolverConfig};
use super::design::{Columns, Design};
use super::iterate::{Optimum, Step, iterate};
use super::objective::penalty_diagonal;
use super::point::{Point, least_subgradient};
use super::precondition::Preconditioner;
use crate::dense::{add_scaled, dot};

/// Sweeps over the coefficients that may move, in each outer step.
const SWEEPS: usize = 4;
/// Largest norm of what the conjugate gradients leave over, relative to what they were given.
const FORCING: f64 = 0.1;
/// Most products with the Hessian in one outer step.
const MAX_PRODUCTS: usize = 100;
/// Share of the curvature added to the diagonal at first: without it, columns that add up to the
/// same thing leave the model flat, and its minimum is far from where it holds.
const FIRST_DAMPING: f64 = 1e-2;
/// Smallest such share, reached by halving after each step that conjugate gradients could finish.
const LEAST_DAMPING: f64 = 1e-6;

/// Minimises an objective with L1 from a start.
pub(super) fn minimize(config: &SolverConfig, design: &Design, start: Vec<f64>) -> Optimum {
    let columns = design.by_column();
    let base = penalty_diagonal(config, design);
    let mut damping = FIRST_DAMPING;
    let mut earlier = None;
    iterate(config, design, start, |point, loss_gradient, _| {
        let diagonal = design.curvature_diagonal(&point.at.curvatures);
        let penalty: Vec<f64> = base
            .iter()
            .zip(&diagonal)
            .map(|(p, d)| p + damping * d.max(1e-12))
            .collect();
        let mut model = Model {
            config,
            design,
            columns: &columns,
            diagonal: &diagonal,
            penalty: &penalty,
            gradient: smooth_gradient(&base, &point.coefficients, loss_gradient),
            point,
            direction: vec![0.0; design.coefficients()],
            change: vec![0.0; design.rows()],
        };
        model.descend(&least_subgradient(
            config,
            &point.coefficients,
            loss_gradient,
        ));
        let (products, length) = model.accelerate(&mut earlier);
        let factor = if length >= 1.0 { 0.5 } else { 2.0 };
        damping = (damping * factor).clamp(LEAST_DAMPING, FIRST_DAMPING);
        Step {
            decrease: model.linear_decrease(),
            direction: model.direction,
            products,
        }
    })
}

/// The quadratic model of the smooth part around a point, plus L1, as a function of a direction d:
///
/// ```text
/// q(d) = gᵀd + ½ dᵀ (Xᵀ D X + P) d + l1 ‖w + d‖₁
/// ```
struct Model<'a> {
    config: &'a SolverConfig,
    design: &'a Design,
    columns: &'a Columns,
    /// Diagonal of `Xᵀ D X`.
    diagonal: &'a [f64],
    penalty: &'a [f64],
    gradient: Vec<f64>,
    point: &'a Point,
    direction: Vec<f64>,
    /// `X d`, bias included.
    change: Vec<f64>,
}

impl Model<'_> {
    /// Sweeps of coordinate descent over what may move.
    fn descend(&mut self, subgradient: &[f64]) {
        let weights = self.design.positions.len();
        let coefficients = &self.point.coefficients;
        let mut active: Vec<usize> = (0..weights)
            .filter(|&j| coefficients[j] != 0.0 || subgradient[j] != 0.0)
            .collect();
        for _ in 0..SWEEPS {
            if self.config.bias != BiasTerm::Absent {
                self.move_bias();
            }
            for &j in &active {
                self.move_weight(j);
            }
            active.retain(|&j| self.point.coefficients[j] + self.direction[j] != 0.0);
        }
    }

    fn move_weight(&mut self, j: usize) {
        let curvatures = &self.point.at.curvatures;
        let along: f64 = self
            .columns
            .entries(j)
            .map(|(row, value)| curvatures[row] * self.change[row] * value)
            .sum();
        let slope = self.gradient[j] + along + self.penalty[j] * self.direction[j];
        let curvature = self.diagonal[j] + self.penalty[j];
        if curvature.is_nan() || curvature <= 0.0 {
            return;
        }
        let weight = self.point.coefficients[j] + self.direction[j];
        let free = weight - slope / curvature;
        let target = (free.abs() - self.config.l1 / curvature)
            .max(0.0)
            .copysign(free);
        let by = target - weight;
        if by == 0.0 {
            return;
        }
        // The exact opposite of a weight, so that their sum is 0 and not almost 0.
        let moved = if target == 0.0 {
            -self.point.coefficients[j]
        } else {
            self.direction[j] + by
        };
        let by = moved - self.direction[j];
        self.direction[j] = moved;
        for (row, value) in self.columns.entries(j) {
            self.change[row] += by * value;
        }
    }

    fn move_bias(&mut self) {
        let bias = self.design.positions.len();
        let along = dot(&self.point.at.curvatures, &self.change);
        let slope = self.gradient[bias] + along + self.penalty[bias] * self.direction[bias];
        let curvature = self.diagonal[bias] + self.penalty[bias];
        if curvature > 0.0 {
            let by = -slope / curvature;
            self.direction[bias] += by;
            self.change.iter_mut().for_each(|change| *change += by);
        }
    }

    /// Newton on the coefficients that are not 0, beginning with the preconditioner of the step
    /// before, whose coefficients were nearly the same; returns the products used and the share of the
    /// step that was taken.
    ///
    /// Coefficients that would change their sign stop at 0; the step is halved until the model
    /// falls, or left out.
    fn accelerate(&mut self, earlier: &mut Option<Preconditioner>) -> (usize, f64) {
        let weights = self.design.positions.len();
        let base: Vec<f64> = self
            .point
            .coefficients
            .iter()
            .zip(&self.direction)
            .map(|(w, d)| w + d)
            .collect();
        let residuals: Vec<f64> = self
            .point
            .at
            .curvatures
            .iter()
            .zip(&self.change)
            .map(|(d, m)| d * m)
            .collect();
        let mut slope = self.design.transposed(&residuals);
        for j in 0..slope.len() {
            slope[j] += self.gradient[j] + self.penalty[j] * self.direction[j];
            if j < weights {
                slope[j] += self.config.l1 * sign(base[j]);
            }
        }
        let moving = |j: usize| {
            if j < weights {
                base[j] != 0.0
            } else {
                self.config.bias != BiasTerm::Absent
            }
        };
        for (j, slope) in slope.iter_mut().enumerate() {
            if !moving(j) {
                *slope = 0.0;
            }
        }
        let mut preconditioner = Preconditioner::diagonal(self.diagonal, self.penalty, moving);
        preconditioner.reuse_head(earlier.take());
        let system = System {
            design: self.design,
            curvatures: &self.point.at.curvatures,
            penalty: self.penalty,
        };
        let stop = Stop {
            relative: FORCING,
            square: 0.0,
            products: MAX_PRODUCTS,
        };
        let (newton, used) = system.solve(&slope, &mut preconditioner, &stop);
        *earlier = Some(preconditioner);
        let before = self.value(&self.direction, &self.change);
        let mut length = 1.0;
        for _ in 0..4 {
            let mut direction = self.direction.clone();
            add_scaled(&mut direction, length, &newton);
            for j in 0..weights {
                if (self.point.coefficients[j] + direction[j]) * base[j] < 0.0 {
                    direction[j] = -self.point.coefficients[j];
                }
            }
            let change = self.design.margins(&direction);
            if self.value(&direction, &change) < before {
                self.direction = direction;
                self.change = change;
                return (used, length);
            }
            length /= 2.0;
        }
        (used, 0.0)
    }

    /// q at a direction, with `change` = X d.
    fn value(&self, direction: &[f64], change: &[f64]) -> f64 {
        let weights = self.design.positions.len();
        let rows: f64 = self
            .point
            .at
            .curvatures
            .iter()
            .zip(change)
            .map(|(curvature, change)| curvature * change * change)
            .sum();
        let penalty: f64 = self
            .penalty
            .iter()
            .zip(direction)
            .map(|(p, d)| p * d * d)
            .sum();
        dot(&self.gradient, direction)
            + (rows + penalty) / 2.0
            + self.config.l1 * self.absolute(direction, weights)
    }

    /// What the first-order model promises for the direction: `gᵀd + l1 (‖w + d‖₁ − ‖w‖₁)`.
    fn linear_decrease(&self) -> f64 {
        let weights = self.design.positions.len();
        let none = vec![0.0; self.direction.len()];
        let absolute = self.absolute(&self.direction, weights) - self.absolute(&none, weights);
        dot(&self.gradient, &self.direction) + self.config.l1 * absolute
    }

    fn absolute(&self, direction: &[f64], weights: usize) -> f64 {
        self.point.coefficients[..weights]
            .iter()
            .zip(direction)
            .map(|(w, d)| (w + d).abs())
            .sum()
    }
}

fn smooth_gradient(penalty: &[f64], coefficients: &[f64], loss_gradient: &[f64]) -> Vec<f64> {
    loss_gradient
        .iter()
        .zip(coefficients.iter().zip(penalty))
        .map(|(gradient, (coefficient, penalty))| gradient + penalty * coefficient)
        .collect()
}

fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
