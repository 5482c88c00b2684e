//! Newton steps by preconditioned conjugate gradients.

use super::cg::{Stop, System};
use super::config::{BiasTerm, SolverConfig};
use super::design::Design;
use super::iterate::{Optimum, Step, iterate};
use super::objective::penalty_diagonal;
use super::point::least_subgradient;
use super::precondition::Preconditioner;
use crate::dense::dot;

/// Largest norm of what the inner solver leaves over, relative to the gradient's.
const FORCING: f64 = 0.1;

/// Minimises an objective without L1 from a start.
pub(super) fn minimize(config: &SolverConfig, design: &Design, start: Vec<f64>) -> Optimum {
    let penalty = penalty_diagonal(config, design);
    let moving = |j| j < design.positions.len() || config.bias != BiasTerm::Absent;
    let mut first_norm = None;
    let mut earlier: Option<Preconditioner> = None;
    iterate(config, design, start, |point, loss_gradient, target| {
        let slope = least_subgradient(config, &point.coefficients, loss_gradient);
        let diagonal = design.curvature_diagonal(&point.at.curvatures);
        let mut preconditioner = Preconditioner::diagonal(&diagonal, &penalty, moving);
        preconditioner.reuse_head(earlier.take());
        let norm = dot(&slope, &slope).sqrt();
        let stop = Stop {
            relative: FORCING.min((norm / *first_norm.get_or_insert(norm)).sqrt()),
            square: config.l2 * target / 2.0,
            products: usize::MAX,
        };
        let system = System {
            design,
            curvatures: &point.at.curvatures,
            penalty: &penalty,
        };
        let (direction, products) = system.solve(&slope, &mut preconditioner, &stop);
        earlier = Some(preconditioner);
        Step {
            decrease: dot(&slope, &direction),
            direction,
            products,
        }
    })
}
