//! Newton steps by preconditioned conjugate gradients, with a line search.

use super::cg::{Stop, System};
use super::config::{BiasTerm, SolverConfig};
use super::design::Design;
use super::objective::{duality_gap, penalty_diagonal};
use super::point::{Point, least_subgradient};
use super::precondition::Preconditioner;
use crate::dense::dot;

/// Largest norm of what the inner solver leaves over, relative to the gradient's.
const FORCING: f64 = 0.1;

/// Where the iteration stopped.
#[derive(Debug)]
pub(super) struct Optimum {
    pub(super) coefficients: Vec<f64>,
    pub(super) objective: f64,
    pub(super) gap: f64,
    pub(super) newton_steps: usize,
    pub(super) products: usize,
}

/// Minimises an objective without L1 from a start.
pub(super) fn minimize(config: &SolverConfig, design: &Design, start: Vec<f64>) -> Optimum {
    let mut point = Point::new(config, design, start);
    let mut products = 0;
    let mut first_norm = None;
    let mut earlier: Option<Preconditioner> = None;
    let penalty = penalty_diagonal(config, design);
    let mut newton_steps = 0;
    loop {
        let loss_gradient = design.transposed(&point.at.residuals);
        let gap = duality_gap(
            config,
            design,
            &point.coefficients,
            &point.at,
            &loss_gradient,
        );
        let target = config.tolerance * point.objective;
        let slope = least_subgradient(config, &point.coefficients, &loss_gradient);
        let done = gap <= target || newton_steps == config.max_iterations;
        let next = if done {
            None
        } else {
            let moving = |j| j < design.positions.len() || config.bias != BiasTerm::Absent;
            let diagonal = design.curvature_diagonal(&point.at.curvatures);
            let mut preconditioner = Preconditioner::diagonal(&diagonal, &penalty, moving);
            if let Some(earlier) = earlier.take() {
                preconditioner.reuse_head(earlier);
            }
            let norm = dot(&slope, &slope).sqrt();
            let forcing = FORCING.min((norm / *first_norm.get_or_insert(norm)).sqrt());
            let stop = Stop {
                relative: forcing,
                square: config.l2 * target / 2.0,
                products: usize::MAX,
            };
            let system = System {
                design,
                curvatures: &point.at.curvatures,
                penalty: &penalty,
            };
            let (direction, used) = system.solve(&slope, &mut preconditioner, &stop);
            earlier = Some(preconditioner);
            products += used;
            point.step(config, design, &direction, dot(&slope, &direction))
        };
        newton_steps += usize::from(next.is_some());
        match next {
            Some(next) => point = next,
            None => {
                let Point {
                    coefficients,
                    objective,
                    ..
                } = point;
                return Optimum {
                    coefficients,
                    objective,
                    gap,
                    newton_steps,
                    products,
                };
            }
        }
    }
}
