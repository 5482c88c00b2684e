//! Newton systems by preconditioned conjugate gradients.

use super::design::Design;
use super::precondition::Preconditioner;
use crate::dense::{add_scaled, dot};

/// Products after which the dense block is factored anew.
const PATIENCE: usize = 16;

/// When the inner solver may stop.
pub(super) struct Stop {
    /// Norm of the residual relative to the slope's, both measured by the preconditioner.
    pub(super) relative: f64,
    /// Plain square of the residual: below it the gap would be small enough.
    pub(super) square: f64,
    /// Most products with the Hessian.
    pub(super) products: usize,
}

/// The Newton system `(Xᵀ D X + P) d = −slope` on the coefficients that may move.
pub(super) struct System<'a> {
    pub(super) design: &'a Design,
    pub(super) curvatures: &'a [f64],
    /// Diagonal P of the penalty.
    pub(super) penalty: &'a [f64],
}

impl System<'_> {
    /// Solves by preconditioned conjugate gradients; returns the direction and the products used.
    ///
    /// If the diagonal, or the block of an earlier system, does not do in a few products, the
    /// block of this one is factored.
    pub(super) fn solve(
        &self,
        slope: &[f64],
        preconditioner: &mut Preconditioner,
        stop: &Stop,
    ) -> (Vec<f64>, usize) {
        let mut direction = vec![0.0; slope.len()];
        let mut residual: Vec<f64> = slope.iter().map(|slope| -slope).collect();
        let mut scaled = vec![0.0; slope.len()];
        preconditioner.apply(&residual, &mut scaled);
        let mut first = dot(&residual, &scaled);
        let mut square = first;
        let mut search = scaled.clone();
        let limit = stop.products.min(10 * slope.len().max(10));
        for used in 0..limit {
            let small_enough = square <= stop.relative * stop.relative * first
                || self.plain_square(&residual, preconditioner) <= stop.square;
            if small_enough {
                return (direction, used);
            }
            if used == PATIENCE {
                preconditioner.factor_head(self.design, self.curvatures, self.penalty);
                preconditioner.apply(slope, &mut scaled);
                first = dot(slope, &scaled);
                preconditioner.apply(&residual, &mut scaled);
                square = dot(&residual, &scaled);
                search.copy_from_slice(&scaled);
            }
            let product = self.product(&search);
            let curvature = dot(&search, &product);
            if curvature.is_nan() || curvature <= 0.0 {
                return (direction, used + 1);
            }
            let length = square / curvature;
            add_scaled(&mut direction, length, &search);
            add_scaled(&mut residual, -length, &product);
            preconditioner.apply(&residual, &mut scaled);
            let next = dot(&residual, &scaled);
            let keep = next / square;
            for (search, scaled) in search.iter_mut().zip(&scaled) {
                *search = scaled + keep * *search;
            }
            square = next;
        }
        (direction, limit)
    }

    fn product(&self, search: &[f64]) -> Vec<f64> {
        let mut product = self.design.curvature_product(self.curvatures, search);
        for ((product, search), penalty) in product.iter_mut().zip(search).zip(self.penalty) {
            *product += penalty * search;
        }
        product
    }

    fn plain_square(&self, residual: &[f64], preconditioner: &Preconditioner) -> f64 {
        let square = |(j, r): (usize, &f64)| if preconditioner.moves(j) { r * r } else { 0.0 };
        residual.iter().enumerate().map(square).sum()
    }
}
