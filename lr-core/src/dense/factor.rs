//! Cholesky factors.

use crate::kernel::{
    Checked,
    tile::{SIDE, Tile, before, divide, subtract_products, sum_columns, sum_rows},
};

/// The Cholesky factor of a symmetric matrix, in tiles.
///
/// ```text
/// Lᵢⱼ = (Aᵢⱼ − Σ Lᵢₖ Lⱼₖ) / Lⱼⱼ,   Lⱼⱼ = √(Aⱼⱼ − Σ Lⱼₖ²),   sums over k < j
/// ```
///
/// Tiles lie row by row, those of the lower triangle alone; rows and columns that are missing for
/// the last tiles are those of the identity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Factor {
    size: usize,
    tiles: Vec<Tile>,
}

impl Factor {
    /// Factors the matrix of a lower triangle, whose row `i` has `i + 1` entries; `None` if it is
    /// not positive definite.
    ///
    /// Products are subtracted in the order of k. O(size³).
    pub(crate) fn new(kernel: Checked, triangle: &[Vec<f64>]) -> Option<Self> {
        Self::from_rows(triangle).factored(kernel)
    }

    /// Factors `scale · A + ridge · I` as [`Factor::new`] does, in the memory of an earlier factor.
    pub(crate) fn of_scaled(
        kernel: Checked,
        triangle: &[Vec<f64>],
        scale: f64,
        ridge: f64,
        earlier: Option<Self>,
    ) -> Option<Self> {
        let memory = earlier.map_or_else(Vec::new, |earlier| earlier.tiles);
        let mut matrix = Self::filled(memory, triangle, |entry| entry * scale);
        for i in 0..matrix.size {
            *matrix.entry_mut(i, i) += ridge;
        }
        matrix.factored(kernel)
    }

    /// Takes a factor by its rows.
    pub(crate) fn from_rows(rows: &[Vec<f64>]) -> Self {
        Self::filled(Vec::new(), rows, |entry| entry)
    }

    fn filled(mut tiles: Vec<Tile>, rows: &[Vec<f64>], change: impl Fn(f64) -> f64) -> Self {
        let size = rows.len();
        let side = size.div_ceil(SIDE);
        tiles.clear();
        tiles.resize(before(side), Tile([[0.0; SIDE]; SIDE]));
        let mut factor = Self { size, tiles };
        for i in size..side * SIDE {
            *factor.entry_mut(i, i) = 1.0;
        }
        for (i, row) in rows.iter().enumerate() {
            let start = before(i / SIDE);
            for (tile, entries) in factor.tiles[start..].iter_mut().zip(row.chunks(SIDE)) {
                for (column, &entry) in tile.0.iter_mut().zip(entries) {
                    column[i % SIDE] = change(entry);
                }
            }
        }
        factor
    }

    fn factored(mut self, kernel: Checked) -> Option<Self> {
        self.replace(kernel).then_some(self)
    }

    /// Returns the number of rows.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns the entries, row by row.
    pub(crate) fn entries(&self) -> impl Iterator<Item = f64> {
        let row = move |i: usize| (0..=i).map(move |j| self.entry(i, j));
        (0..self.size).flat_map(row)
    }

    fn entry(&self, i: usize, j: usize) -> f64 {
        self.tiles[before(i / SIDE) + j / SIDE].0[j % SIDE][i % SIDE]
    }

    fn entry_mut(&mut self, i: usize, j: usize) -> &mut f64 {
        &mut self.tiles[before(i / SIDE) + j / SIDE].0[j % SIDE][i % SIDE]
    }

    /// Solves `L Lᵀ x = b` in place. O(size²).
    ///
    /// # Panics
    ///
    /// Panics if there is not one value a row.
    pub(crate) fn solve(&self, kernel: Checked, values: &mut [f64]) {
        assert_eq!(values.len(), self.size, "one value a row");
        let mut x = vec![[0.0; SIDE]; self.size.div_ceil(SIDE)];
        x.as_flattened_mut()[..self.size].copy_from_slice(values);
        for i in 0..x.len() {
            let row = &self.tiles[before(i)..];
            let sums = sum_columns(kernel, row, &x[..i]);
            let (value, pivots) = (&mut x[i], &row[i].0);
            for c in 0..SIDE {
                value[c] = (value[c] - sums[c]) / pivots[c][c];
                for r in c + 1..SIDE {
                    value[r] -= pivots[c][r] * value[c];
                }
            }
        }
        for j in (0..x.len()).rev() {
            let sums = sum_rows(kernel, &self.tiles, j, &x[j + 1..]);
            let (value, pivots) = (&mut x[j], &self.tiles[before(j) + j].0);
            for c in (0..SIDE).rev() {
                value[c] -= sums[c];
                for r in c + 1..SIDE {
                    value[c] -= pivots[c][r] * value[r];
                }
                value[c] /= pivots[c][c];
            }
        }
        values.copy_from_slice(&x.as_flattened()[..self.size]);
    }

    /// Replaces a matrix by its factor; false, and anything for a factor, if it has none.
    fn replace(&mut self, kernel: Checked) -> bool {
        for i in 0..self.size.div_ceil(SIDE) {
            let (above, row) = self.tiles.split_at_mut(before(i));
            for j in 0..i {
                let (left, rest) = row.split_at_mut(j);
                let (finished, pivots) = above[before(j)..=before(j) + j].split_at(j);
                subtract_products(kernel, &mut rest[0], left, finished);
                divide(kernel, &mut rest[0], &pivots[0]);
            }
            let (left, rest) = row.split_at_mut(i);
            subtract_products(kernel, &mut rest[0], left, left);
            if !factor_tile(&mut rest[0]) {
                return false;
            }
        }
        true
    }
}

/// Replaces a lower triangle by its factor; what is above the diagonal becomes anything finite.
fn factor_tile(tile: &mut Tile) -> bool {
    for column in 0..SIDE {
        let mut entries = tile.0[column];
        for finished in &tile.0[..column] {
            for (entry, row) in entries.iter_mut().zip(finished) {
                *entry -= row * finished[column];
            }
        }
        let pivot = entries[column];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        let root = pivot.sqrt();
        tile.0[column] = entries.map(|entry| entry / root);
        // By its definition, and not as the quotient.
        tile.0[column][column] = root;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::Factor;
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
                let factor = Factor::new(Checked::new(kernel), &block).unwrap();
                assert!(factor.entries().eq(expected.concat()), "{size} {kernel:?}");
                let taken = Factor::from_rows(&expected);
                assert_eq!(taken.entries().collect::<Vec<_>>(), expected.concat());
            }
            let known: Vec<f64> = (0_u8..).map(f64::from).take(size).collect();
            let at = |i: usize, j: usize| block[i.max(j)][i.min(j)];
            let product = |i| known.iter().enumerate().map(|(j, x)| at(i, j) * x).sum();
            let right: Vec<f64> = (0..size).map(product).collect();
            let solutions = Kernel::available().into_iter().map(|kernel| {
                let kernel = Checked::new(kernel);
                let mut values = right.clone();
                Factor::new(kernel, &block)
                    .unwrap()
                    .solve(kernel, &mut values);
                values
            });
            let solutions: Vec<_> = solutions.collect();
            assert!(
                solutions.windows(2).all(|pair| pair[0] == pair[1]),
                "{size}"
            );
            for (value, known) in solutions[0].iter().zip(known) {
                assert!((value - known).abs() < 1e-10, "{size}: {value} {known}");
            }
        }
    }

    #[test]
    fn memory_of_an_earlier_factor_leaves_no_trace() {
        let kernel = Checked::best();
        for (size, earlier) in [(5, 21), (21, 5), (16, 16)] {
            let mut expected = triangle(size);
            for (i, row) in expected.iter_mut().enumerate() {
                row.iter_mut().for_each(|entry| *entry *= 0.5);
                row[i] += 2.0;
            }
            let earlier = Factor::new(kernel, &triangle(earlier));
            let factor = Factor::of_scaled(kernel, &triangle(size), 0.5, 2.0, earlier);
            assert_eq!(factor, Factor::new(kernel, &expected), "{size}");
            assert!(factor.is_some());
        }
    }

    #[test]
    fn an_indefinite_matrix_has_no_factor() {
        for at in 0..20 {
            for pivot in [-1.0, f64::NAN, f64::INFINITY] {
                let mut block = triangle(20);
                block[at][at] = pivot;
                assert_eq!(Factor::new(Checked::best(), &block), None, "{at} {pivot}");
            }
        }
    }
}
