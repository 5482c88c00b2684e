//! The inner loops.

use crate::row::Row;

/// Lanes of the fixed summation order.
const LANES: usize = 8;

/// Returns `Σ w[i]·x[i]` over the row.
///
/// Products are exact (`f32 × f32` in `f64`); entry `j` of the row is added to lane `j mod 8`, and
/// the lanes are added pairwise, so the order does not depend on the CPU.
pub(crate) fn dot(weights: &[f32], row: Row<'_>) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (position_chunks, value_chunks) =
        (row.positions().chunks(LANES), row.values().chunks(LANES));
    for (positions, values) in position_chunks.zip(value_chunks) {
        for ((sum, &position), &value) in sums.iter_mut().zip(positions).zip(values) {
            *sum += f64::from(weights[position as usize]) * f64::from(value);
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
