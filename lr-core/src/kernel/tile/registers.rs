//! The loops over tiles with AVX-512, one register a column.

use std::{
    arch::x86_64::{
        __m512d, _mm512_add_pd, _mm512_div_pd, _mm512_load_pd, _mm512_loadu_pd, _mm512_mul_pd,
        _mm512_set1_pd, _mm512_setzero_pd, _mm512_store_pd, _mm512_storeu_pd, _mm512_sub_pd,
    },
    sync::atomic::{Ordering, compiler_fence},
};

use super::{super::add_eight, SIDE, Tile, before};

/// A tile in registers.
type Columns = [__m512d; SIDE];

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn load(tile: &Tile) -> Columns {
    #[allow(unsafe_code)]
    // SAFETY: a column of a tile fills a register and is aligned.
    tile.0
        .each_ref()
        .map(|column| unsafe { _mm512_load_pd(column.as_ptr()) })
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn store(tile: &mut Tile, columns: Columns) {
    for (column, numbers) in tile.0.iter_mut().zip(columns) {
        #[allow(unsafe_code)]
        // SAFETY: as above.
        unsafe {
            _mm512_store_pd(column.as_mut_ptr(), numbers);
        }
    }
}

/// The product of a column and one number.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn times(column: __m512d, number: &f64) -> __m512d {
    let product = _mm512_mul_pd(column, _mm512_set1_pd(*number));
    // Or the compiler loads neighbors as one vector, to take it apart again.
    compiler_fence(Ordering::AcqRel);
    product
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(super) fn subtract_products(target: &mut Tile, left: &[Tile], right: &[Tile]) {
    let mut columns = load(target);
    for (left, right) in left.iter().zip(right) {
        for (rows, factors) in load(left).into_iter().zip(&right.0) {
            for (column, factor) in columns.iter_mut().zip(factors) {
                *column = _mm512_sub_pd(*column, times(rows, factor));
            }
        }
    }
    store(target, columns);
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(super) fn divide(target: &mut Tile, pivots: &Tile) {
    let mut columns = load(target);
    for c in 0..SIDE {
        for k in 0..c {
            columns[c] = _mm512_sub_pd(columns[c], times(columns[k], &pivots.0[k][c]));
        }
        columns[c] = _mm512_div_pd(columns[c], _mm512_set1_pd(pivots.0[c][c]));
    }
    store(target, columns);
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(super) fn sum_columns(row: &[Tile], x: &[[f64; SIDE]]) -> [f64; SIDE] {
    let mut chains = [_mm512_setzero_pd(); 4];
    for (tile, x) in row.iter().zip(x) {
        for (c, (column, x)) in load(tile).into_iter().zip(x).enumerate() {
            chains[c % 4] = _mm512_add_pd(chains[c % 4], times(column, x));
        }
    }
    let [a, b, c, d] = chains;
    numbers(_mm512_add_pd(_mm512_add_pd(a, b), _mm512_add_pd(c, d)))
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(super) fn sum_rows(tiles: &[Tile], j: usize, x: &[[f64; SIDE]]) -> [f64; SIDE] {
    let mut sums = [_mm512_setzero_pd(); SIDE];
    for (i, x) in (j + 1..).zip(x) {
        #[allow(unsafe_code)]
        // SAFETY: eight numbers.
        let x = unsafe { _mm512_loadu_pd(x.as_ptr()) };
        for (sum, column) in sums.iter_mut().zip(load(&tiles[before(i) + j])) {
            *sum = _mm512_add_pd(*sum, _mm512_mul_pd(column, x));
        }
    }
    sums.map(|sum| add_eight(numbers(sum)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn numbers(register: __m512d) -> [f64; SIDE] {
    let mut numbers = [0.0; SIDE];
    #[allow(unsafe_code)]
    // SAFETY: eight numbers.
    unsafe {
        _mm512_storeu_pd(numbers.as_mut_ptr(), register);
    }
    numbers
}
