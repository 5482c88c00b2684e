//! The loops over tiles in registers: for AVX2 and AVX-512.
//!
//! A column of a tile fills one register of AVX-512 and two of AVX2, which has half as many; so with
//! AVX2 a tile is worked on by halves.

use std::sync::atomic::{Ordering, compiler_fence};

use super::{
    super::{add_eight, registers::Doubles},
    SIDE, Tile, before,
};

/// As many rows of a tile as a register has lanes.
type Rows<D> = [D; SIDE];

/// Loads rows from `row` on.
#[inline(always)]
fn load<D: Doubles>(tile: &Tile, row: usize) -> Rows<D> {
    let mut rows = [D::of(0.0); SIDE];
    for (rows, column) in rows.iter_mut().zip(&tile.0) {
        *rows = part(column, row);
    }
    rows
}

#[inline(always)]
fn store<D: Doubles>(tile: &mut Tile, row: usize, rows: Rows<D>) {
    for (column, rows) in tile.0.iter_mut().zip(rows) {
        store_part(column, row, rows);
    }
}

/// Loads numbers of a column from `row` on.
#[inline(always)]
fn part<D: Doubles>(column: &[f64; SIDE], row: usize) -> D {
    let numbers = &column[row..row + D::LANES];
    #[allow(unsafe_code)]
    // SAFETY: there are as many numbers.
    unsafe {
        D::load(numbers.as_ptr())
    }
}

#[inline(always)]
fn store_part<D: Doubles>(column: &mut [f64; SIDE], row: usize, rows: D) {
    let numbers = &mut column[row..row + D::LANES];
    #[allow(unsafe_code)]
    // SAFETY: there is room for as many numbers.
    unsafe {
        rows.store(numbers.as_mut_ptr());
    }
}

/// The product of a column and one number.
#[inline(always)]
fn times<D: Doubles>(column: D, number: &f64) -> D {
    let product = column * D::of(*number);
    // Or the compiler loads neighbors as one vector, to take it apart again.
    compiler_fence(Ordering::AcqRel);
    product
}

#[inline(always)]
pub(super) fn subtract_products<D: Doubles>(target: &mut Tile, left: &[Tile], right: &[Tile]) {
    let parts = SIDE / D::LANES;
    // With AVX2 half of the columns at a time, so that a factor is spread once for all of their rows.
    for (half, targets) in target.0.chunks_exact_mut(D::LANES).enumerate() {
        let mut columns = [[D::of(0.0); 2]; SIDE];
        for (column, target) in columns.iter_mut().zip(&*targets) {
            for (k, entries) in column.iter_mut().enumerate().take(parts) {
                *entries = part(target, k * D::LANES);
            }
        }
        for (left, right) in left.iter().zip(right) {
            for (left, factors) in left.0.iter().zip(&right.0) {
                let factors = &factors[half * D::LANES..(half + 1) * D::LANES];
                for (column, factor) in columns.iter_mut().zip(factors) {
                    for (k, entries) in column.iter_mut().enumerate().take(parts) {
                        *entries = *entries - times(part(left, k * D::LANES), factor);
                    }
                }
            }
        }
        for (column, target) in columns.iter().zip(targets) {
            for (k, &entries) in column.iter().enumerate().take(parts) {
                store_part(target, k * D::LANES, entries);
            }
        }
    }
}

#[inline(always)]
pub(super) fn divide<D: Doubles>(target: &mut Tile, pivots: &Tile) {
    for row in (0..SIDE).step_by(D::LANES) {
        let mut columns: Rows<D> = load(target, row);
        for c in 0..SIDE {
            for k in 0..c {
                columns[c] = columns[c] - times(columns[k], &pivots.0[k][c]);
            }
            columns[c] = columns[c] / D::of(pivots.0[c][c]);
        }
        store(target, row, columns);
    }
}

#[inline(always)]
pub(super) fn sum_columns<D: Doubles>(row: &[Tile], x: &[[f64; SIDE]]) -> [f64; SIDE] {
    let mut sums = [0.0; SIDE];
    let mut chains = [[D::of(0.0); 2]; 4];
    let parts = SIDE / D::LANES;
    for (tile, x) in row.iter().zip(x) {
        for (c, (column, x)) in tile.0.iter().zip(x).enumerate() {
            for (k, sum) in chains[c % 4].iter_mut().enumerate().take(parts) {
                *sum = *sum + times(part(column, k * D::LANES), x);
            }
        }
    }
    let [a, b, c, d] = chains;
    for k in 0..parts {
        store_part(&mut sums, k * D::LANES, (a[k] + b[k]) + (c[k] + d[k]));
    }
    sums
}

#[inline(always)]
pub(super) fn sum_rows<D: Doubles>(tiles: &[Tile], j: usize, x: &[[f64; SIDE]]) -> [f64; SIDE] {
    let mut lanes = [[0.0; SIDE]; SIDE];
    for row in (0..SIDE).step_by(D::LANES) {
        let mut sums = [D::of(0.0); SIDE];
        for (i, x) in (j + 1..).zip(x) {
            let x = part(x, row);
            for (sum, column) in sums.iter_mut().zip(&tiles[before(i) + j].0) {
                *sum = *sum + part::<D>(column, row) * x;
            }
        }
        for (lanes, sum) in lanes.iter_mut().zip(sums) {
            store_part(lanes, row, sum);
        }
    }
    lanes.map(add_eight)
}
