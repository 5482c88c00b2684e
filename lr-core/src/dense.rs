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
/// ```text
/// Lᵢⱼ = (Aᵢⱼ − Σ Lᵢₖ Lⱼₖ) / Lⱼⱼ,   Lⱼⱼ = √(Aⱼⱼ − Σ Lⱼₖ²),   sums over k < j
/// ```
///
/// Products are subtracted in the order of k, whatever the order of the entries: eight columns are
/// finished at a time and then taken out of all rows below, so that a row is loaded and stored once
/// for eight of them.
/// O(n³).
pub(crate) fn cholesky(kernel: Checked, block: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    dispatch!(kernel, cholesky_body, (block: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>>)
}

#[inline(always)]
fn cholesky_body(mut block: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let size = block.len();
    // Eight finished columns, in groups of eight rows.
    let mut columns = vec![[[0.0; LANES]; LANES]; size.div_ceil(LANES)];
    for start in (0..size).step_by(LANES) {
        let groups = &mut columns[start / LANES..];
        for column in 0..LANES.min(size - start) {
            finish_column(&mut block[start..], groups, start, column)?;
        }
        let end = start + LANES;
        for (i, row) in block.iter_mut().enumerate().skip(end) {
            let factors = groups[(i - start) / LANES].map(|column| column[i % LANES]);
            // Frequent positions of one group never meet: many entries are 0.
            if factors.iter().any(|factor| *factor != 0.0) {
                subtract_columns(&mut row[end..=i], factors, &groups[1..]);
            }
        }
    }
    Some(block)
}

/// Finishes column `start + column` of a triangle, from whose rows below `start` everything before
/// column `start` has been taken out; `groups` holds the columns from `start` on.
#[inline(always)]
fn finish_column(
    rows: &mut [Vec<f64>],
    groups: &mut [[[f64; LANES]; LANES]],
    start: usize,
    column: usize,
) -> Option<()> {
    let above = groups[0].map(|finished| finished[column]);
    // Entries above the diagonal are computed with the others and not kept.
    let mut root = 0.0;
    for (g, (group, rows)) in groups.iter_mut().zip(rows.chunks_mut(LANES)).enumerate() {
        let mut entries = [0.0; LANES];
        for (entry, row) in entries.iter_mut().zip(&*rows) {
            *entry = row.get(start + column).copied().unwrap_or_default();
        }
        for (finished, factor) in group.iter().zip(above).take(column) {
            for (entry, finished) in entries.iter_mut().zip(finished) {
                *entry -= factor * finished;
            }
        }
        if g == 0 {
            let pivot = entries[column];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return None;
            }
            root = pivot.sqrt();
        }
        entries.iter_mut().for_each(|entry| *entry /= root);
        if g == 0 {
            // By its definition, and not as the quotient.
            entries[column] = root;
        }
        for (entry, row) in entries.iter().zip(rows) {
            if let Some(place) = row.get_mut(start + column) {
                *place = *entry;
            }
        }
        group[column] = entries;
    }
    Some(())
}

/// `target −= factor · column`, column by column.
#[inline(always)]
fn subtract_columns(target: &mut [f64], factors: [f64; LANES], groups: &[[[f64; LANES]; LANES]]) {
    let (whole, rest) = target.as_chunks_mut::<LANES>();
    let (before, last) = groups.split_at(whole.len());
    for (target, columns) in whole.iter_mut().zip(before) {
        let mut sums = *target;
        for (factor, column) in factors.iter().zip(columns) {
            for (sum, entry) in sums.iter_mut().zip(column) {
                *sum -= factor * entry;
            }
        }
        *target = sums;
    }
    for (lane, target) in rest.iter_mut().enumerate() {
        for (factor, column) in factors.iter().zip(&last[0]) {
            *target -= factor * column[lane];
        }
    }
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

#[cfg(test)]
mod tests {
    use super::{cholesky, solve_factored};
    use crate::kernel::{Checked, Kernel};

    /// A diagonally dominant triangle of irregular entries, a quarter of them 0.
    fn triangle(size: usize) -> Vec<Vec<f64>> {
        let mut state = 5_u64;
        let mut entry = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005) + 1;
            let entry = f64::from(state.to_be_bytes()[0]) / 100.0 - 1.0;
            if state & 0x3000 == 0 { 0.0 } else { entry }
        };
        let mut rows: Vec<Vec<f64>> = (0..size)
            .map(|i| (0..=i).map(|_| entry()).collect())
            .collect();
        for (i, row) in rows.iter_mut().enumerate() {
            row[i] = 3.0 * f64::from(u8::try_from(size).unwrap_or_default()) + entry();
        }
        rows
    }

    /// The definition, entry by entry.
    fn textbook(block: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut factor = block.to_vec();
        for i in 0..block.len() {
            for j in 0..=i {
                let mut entry = block[i][j];
                for (a, b) in factor[i].iter().zip(&factor[j]).take(j) {
                    entry -= a * b;
                }
                factor[i][j] = if i == j {
                    entry.sqrt()
                } else {
                    entry / factor[j][j]
                };
            }
        }
        factor
    }

    #[test]
    fn the_factor_is_the_textbook_one_to_the_bit_for_every_size() {
        for size in 0..44 {
            let block = triangle(size);
            let expected = textbook(&block);
            for kernel in Kernel::available() {
                let factor = cholesky(Checked::new(kernel), block.clone());
                assert_eq!(factor.as_ref(), Some(&expected), "{size} {kernel:?}");
            }
            let known: Vec<f64> = (0_u8..).map(f64::from).take(size).collect();
            let at = |i: usize, j: usize| block[i.max(j)][i.min(j)];
            let product = |i| known.iter().enumerate().map(|(j, x)| at(i, j) * x).sum();
            let mut values: Vec<f64> = (0..size).map(product).collect();
            solve_factored(Checked::best(), &expected, &mut values);
            for (value, known) in values.iter().zip(known) {
                assert!((value - known).abs() < 1e-10, "{size}: {value} {known}");
            }
        }
    }

    #[test]
    fn an_indefinite_matrix_has_no_factor() {
        for at in 0..20 {
            for pivot in [-1.0, f64::NAN, f64::INFINITY] {
                let mut block = triangle(20);
                block[at][at] = pivot;
                assert_eq!(cholesky(Checked::best(), block), None, "{at} {pivot}");
            }
        }
    }
}
