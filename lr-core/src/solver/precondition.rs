//! The preconditioner of the Newton system: a dense block for frequent columns, the diagonal for
//! the rest.
//!
//! Correlated frequent columns (groups of one-hot features that add up to the same thing) are what
//! makes conjugate gradients slow here. Factoring their block of the Hessian exactly took the
//! products with the Hessian for one Newton system from 662 to 80 on flights and from 279 to 37 on
//! KuaiRand (head of 1,024 columns, residual 1e-6).

use super::design::Design;
use crate::dense::Factor;
use crate::kernel::Checked;

/// Entries of the batch that pay for one operation of the factorisation.
const OPERATIONS_PER_ENTRY: usize = 60;
/// Most columns of the dense block: its factor takes 4 MiB.
const MAX_HEAD: usize = 1024;

/// An approximate inverse of the Hessian.
#[derive(Debug)]
pub(super) struct Preconditioner {
    /// One over the diagonal; 0 for coefficients that do not move.
    inverse: Vec<f64>,
    head: Option<Head>,
}

/// Factor of the Hessian's block of the first columns and the bias.
#[derive(Debug)]
struct Head {
    /// Coefficient of each row of the factor.
    coefficients: Vec<usize>,
    /// Whether each moved when the block was factored; the others have the row of the identity.
    moved: Vec<bool>,
    factor: Factor,
}

impl Preconditioner {
    /// The diagonal alone, of the curvature and the penalty, for the coefficients that move.
    pub(super) fn diagonal(
        curvature: &[f64],
        penalty: &[f64],
        moves: impl Fn(usize) -> bool,
    ) -> Self {
        let entry = |(j, (curvature, penalty)): (usize, (&f64, &f64))| {
            let diagonal = curvature + penalty;
            if moves(j) && diagonal > 0.0 {
                1.0 / diagonal
            } else {
                0.0
            }
        };
        let inverse = curvature
            .iter()
            .zip(penalty)
            .enumerate()
            .map(entry)
            .collect();
        Self {
            inverse,
            head: None,
        }
    }

    /// Takes over the block of an earlier, similar system, if there is one.
    pub(super) fn reuse_head(&mut self, earlier: Option<Self>) {
        self.head = earlier.and_then(|earlier| earlier.head);
    }

    /// Factors the block of the frequent columns; keeps the diagonal if it is not definite.
    pub(super) fn factor_head(&mut self, design: &Design, curvatures: &[f64], penalty: &[f64]) {
        let columns = head_columns(design);
        let mut block = design.head_block(curvatures, columns);
        let mut coefficients: Vec<usize> = (0..columns).collect();
        coefficients.push(design.positions.len());
        for (i, &coefficient) in coefficients.iter().enumerate() {
            block[i][i] += penalty[coefficient];
        }
        // What does not move gets the row and column of the identity.
        let moved: Vec<bool> = coefficients.iter().map(|&j| self.moves(j)).collect();
        for (i, &moved) in moved.iter().enumerate() {
            if !moved {
                block[i].fill(0.0);
                block[i][i] = 1.0;
                block[i + 1..].iter_mut().for_each(|row| row[i] = 0.0);
            }
        }
        self.head = Factor::new(Checked::best(), &block).map(|factor| Head {
            coefficients,
            moved,
            factor,
        });
    }

    /// Whether a coefficient may move.
    pub(super) fn moves(&self, coefficient: usize) -> bool {
        self.inverse[coefficient] > 0.0
    }

    /// Writes the preconditioned `residual`.
    pub(super) fn apply(&self, residual: &[f64], result: &mut [f64]) {
        for ((result, residual), inverse) in result.iter_mut().zip(residual).zip(&self.inverse) {
            *result = residual * inverse;
        }
        let Some(head) = &self.head else { return };
        // A block of an earlier system: what has begun to move since keeps its diagonal.
        let within = || head.coefficients.iter().zip(&head.moved);
        let mut solution: Vec<f64> = within()
            .map(|(&j, &moved)| {
                if moved && self.moves(j) {
                    residual[j]
                } else {
                    0.0
                }
            })
            .collect();
        head.factor.solve(Checked::best(), &mut solution);
        for ((&j, &moved), solution) in within().zip(solution) {
            if moved && self.moves(j) {
                result[j] = solution;
            }
        }
    }
}

/// Columns of the block: about as much work as a few dozen products with the Hessian.
fn head_columns(design: &Design) -> usize {
    let budget = OPERATIONS_PER_ENTRY.saturating_mul(design.entries_total());
    (16..=MAX_HEAD)
        .rev()
        .find(|size| size * size * size <= budget)
        .unwrap_or(16)
        .min(design.positions.len())
}
