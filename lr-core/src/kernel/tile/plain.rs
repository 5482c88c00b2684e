//! The loops over tiles in plain Rust.

use super::{super::add_eight, SIDE, Tile, before};

#[inline(always)]
pub(super) fn subtract_products(target: &mut Tile, left: &[Tile], right: &[Tile]) {
    for (left, right) in left.iter().zip(right) {
        for (rows, factors) in left.0.iter().zip(&right.0) {
            for (column, factor) in target.0.iter_mut().zip(factors) {
                // Keeps the compiler from working on several columns at a time, with gathers.
                let column = std::hint::black_box(column);
                for (entry, row) in column.iter_mut().zip(rows) {
                    *entry -= row * factor;
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn divide(target: &mut Tile, pivots: &Tile) {
    for column in 0..SIDE {
        let mut entries = target.0[column];
        for (finished, pivots) in target.0.iter().zip(&pivots.0).take(column) {
            for (entry, finished) in entries.iter_mut().zip(finished) {
                *entry -= finished * pivots[column];
            }
        }
        let pivot = pivots.0[column][column];
        target.0[column] = entries.map(|entry| entry / pivot);
    }
}

#[inline(always)]
pub(super) fn sum_columns(row: &[Tile], x: &[[f64; SIDE]]) -> [f64; SIDE] {
    let mut chains = [[0.0; SIDE]; 4];
    for (tile, x) in row.iter().zip(x) {
        for (c, (column, x)) in tile.0.iter().zip(x).enumerate() {
            for (sum, entry) in chains[c % 4].iter_mut().zip(column) {
                *sum += entry * x;
            }
        }
    }
    let [a, b, c, d] = chains;
    std::array::from_fn(|r| (a[r] + b[r]) + (c[r] + d[r]))
}

#[inline(always)]
pub(super) fn sum_rows(tiles: &[Tile], j: usize, x: &[[f64; SIDE]]) -> [f64; SIDE] {
    let mut sums = [[0.0; SIDE]; SIDE];
    for (i, x) in (j + 1..).zip(x) {
        for (sums, column) in sums.iter_mut().zip(&tiles[before(i) + j].0) {
            for ((sum, entry), x) in sums.iter_mut().zip(column).zip(x) {
                *sum += entry * x;
            }
        }
    }
    sums.map(add_eight)
}
