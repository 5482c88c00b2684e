//! Dense vectors and triangles in a fixed order of summation.

use crate::kernel::{Checked, dispatch};

const LANES: usize = 8;

/// Dot product, in eight interleaved sums.
#[inline(always)]
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let (left_lanes, left_rest) = left.as_chunks::<LANES>();
    let (right_lanes, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (left, right) in left_lanes.iter().zip(right_lanes) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    let tail: f64 = left_rest
        .iter()
        .zip(right_rest)
        .map(|(left, right)| left * right)
        .sum();
    ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])) + tail
}

/// `target += factor · direction`.
#[inline(always)]
pub(crate) fn add_scaled(target: &mut [f64], factor: f64, direction: &[f64]) {
    for (target, direction) in target.iter_mut().zip(direction) {
        *target += factor * direction;
    }
}

/// Replaces a lower triangle by its Cholesky factor; `None` if it is not positive definite.
///
/// Column by column: each is divided by the root of its pivot and then taken out of the rows below,
/// entry by entry, so that no sum waits for the one before.
pub(crate) fn cholesky(kernel: Checked, block: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    dispatch!(kernel, cholesky_body, (block: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>>)
}

#[inline(always)]
fn cholesky_body(mut block: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let mut column = vec![0.0; block.len()];
    for j in 0..block.len() {
        let pivot = block[j][j];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        let root = pivot.sqrt();
        block[j][j] = root;
        for (row, entry) in block.iter_mut().zip(&mut column).skip(j + 1) {
            row[j] /= root;
            *entry = row[j];
        }
        for (i, row) in block.iter_mut().enumerate().skip(j + 1) {
            let factor = column[i];
            // Frequent positions of one group never meet: many factors are 0.
            if factor != 0.0 {
                add_scaled(&mut row[j + 1..=i], -factor, &column[j + 1..=i]);
            }
        }
    }
    Some(block)
}

/// Solves `L Lᵀ x = b` in place.
pub(crate) fn solve_factored(kernel: Checked, factor: &[Vec<f64>], values: &mut [f64]) {
    dispatch!(kernel, solve_body, (factor: &[Vec<f64>], values: &mut [f64]));
}

#[inline(always)]
fn solve_body(factor: &[Vec<f64>], values: &mut [f64]) {
    for (i, row) in factor.iter().enumerate() {
        values[i] = (values[i] - dot(&row[..i], &values[..i])) / row[i];
    }
    for (i, row) in factor.iter().enumerate().rev() {
        let value = values[i] / row[i];
        values[i] = value;
        for (value_above, entry) in values[..i].iter_mut().zip(row) {
            *value_above -= entry * value;
        }
    }
}
