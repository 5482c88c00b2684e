//! The outer iteration that both methods share: from point to point until the gap is small.

use super::config::SolverConfig;
use super::design::Design;
use super::objective::duality_gap;
use super::point::Point;

/// Where the iteration stopped.
#[derive(Debug)]
pub(super) struct Optimum {
    pub(super) coefficients: Vec<f64>,
    pub(super) objective: f64,
    pub(super) gap: f64,
    pub(super) newton_steps: usize,
    pub(super) products: usize,
}

/// Where a method wants to go from a point.
pub(super) struct Step {
    pub(super) direction: Vec<f64>,
    /// What the whole step promises, a negative number of nats.
    pub(super) decrease: f64,
    /// Products with the Hessian that it took.
    pub(super) products: usize,
}

/// Takes the steps of a method, each halved until the objective falls enough, until the duality gap
/// is within the tolerance, the steps are used up, or none falls.
///
/// `method` is given the point, the gradient of the loss there, and the gap that will do, in nats.
pub(super) fn iterate(
    config: &SolverConfig,
    design: &Design,
    start: Vec<f64>,
    mut method: impl FnMut(&Point, &[f64], f64) -> Step,
) -> Optimum {
    let mut point = Point::new(config, design, start);
    let (mut newton_steps, mut products) = (0, 0);
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
        let next = if gap <= target || newton_steps == config.max_iterations {
            None
        } else {
            let step = method(&point, &loss_gradient, target);
            products += step.products;
            point.step(config, design, &step.direction, step.decrease)
        };
        let Some(next) = next else {
            return Optimum {
                coefficients: point.coefficients,
                objective: point.objective,
                gap,
                newton_steps,
                products,
            };
        };
        point = next;
        newton_steps += 1;
    }
}
