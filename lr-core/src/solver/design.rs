//! The batch as the solver wants it: occurring columns only, the frequent ones first, in chunks.

mod columns;
mod head;

use std::ops::Range;

pub(super) use self::columns::Columns;
use super::batch::LabeledBatch;

/// Fewest entries of a chunk for each column, so that adding up chunks costs little.
const ENTRIES_PER_COLUMN: usize = 16;
/// Most chunks, which is also the most threads that can help.
const MAX_CHUNKS: usize = 32;

/// A design matrix with compact columns.
///
/// Rows are cut into chunks by their entries alone; each chunk sums into its own vector and the
/// vectors are added in a fixed tree, so the bytes do not depend on the number of threads.
#[derive(Debug)]
pub(super) struct Design {
    /// Column of the caller's matrix for each compact column.
    pub(super) positions: Vec<u32>,
    pub(super) labels: Vec<bool>,
    pub(super) importances: Vec<f64>,
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Values,
    chunks: Vec<Range<usize>>,
    threads: usize,
}

#[derive(Debug)]
enum Values {
    /// Every entry is 1: one-hot features.
    Ones,
    Stored(Vec<f32>),
}

impl Design {
    /// Copies a batch; rows without importance are left out.
    pub(super) fn new(batch: &LabeledBatch<'_>, threads: usize) -> Self {
        let mut counts = vec![0_u32; batch.dimension()];
        for row in batch.rows() {
            for &position in row.positions {
                counts[position as usize] = counts[position as usize].saturating_add(1);
            }
        }
        let (positions, compact) = frequent_first(&counts);
        let mut design = Self {
            positions,
            labels: Vec::new(),
            importances: Vec::new(),
            starts: vec![0],
            columns: Vec::new(),
            values: Values::Ones,
            chunks: Vec::new(),
            threads,
        };
        let (mut values, mut entries) = (Vec::new(), Vec::new());
        for row in batch.rows() {
            design.labels.push(row.label);
            design.importances.push(row.importance);
            entries.clear();
            entries.extend(
                row.positions
                    .iter()
                    .map(|&p| compact[p as usize])
                    .zip(row.values),
            );
            entries.sort_unstable_by_key(|&(column, _)| column);
            design
                .columns
                .extend(entries.iter().map(|&(column, _)| column));
            values.extend(entries.iter().map(|&(_, &value)| value));
            design.starts.push(design.columns.len());
        }
        if values
            .iter()
            .any(|value| value.to_bits() != 1.0_f32.to_bits())
        {
            design.values = Values::Stored(values);
        }
        design.chunks = chunks(&design.starts, design.positions.len());
        design
    }

    pub(super) fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Number of coefficients: one a column, then the bias.
    pub(super) fn coefficients(&self) -> usize {
        self.positions.len() + 1
    }

    /// Coefficients of the compact columns, the bias last.
    pub(super) fn compact(&self, weights: &[f32], bias: f64) -> Vec<f64> {
        let weights = self
            .positions
            .iter()
            .map(|&p| f64::from(weights[p as usize]));
        weights.chain([bias]).collect()
    }

    /// One entry a position of the caller's from one a compact column.
    pub(super) fn expand(&self, compact: &[f64], dimension: usize) -> Vec<f64> {
        let mut full = vec![0.0; dimension];
        for (&position, &entry) in self.positions.iter().zip(compact) {
            full[position as usize] = entry;
        }
        full
    }

    /// Number of entries of all rows.
    pub(super) fn entries_total(&self) -> usize {
        self.columns.len()
    }

    /// Margins of all rows; the last coefficient is the bias.
    pub(super) fn margins(&self, coefficients: &[f64]) -> Vec<f64> {
        let (weights, bias) = split_bias(coefficients);
        let mut margins = vec![0.0; self.rows()];
        let mut parts = self.cut(&mut margins);
        self.for_chunks(&mut parts, |rows, margins| match &self.values {
            Values::Ones => {
                for (row, margin) in rows.zip(margins.iter_mut()) {
                    *margin = bias + sum_at(weights, &self.columns[self.entries(row)]);
                }
            }
            Values::Stored(values) => {
                for (row, margin) in rows.zip(margins.iter_mut()) {
                    let entries = self.entries(row);
                    *margin =
                        bias + dot_at(weights, &self.columns[entries.clone()], &values[entries]);
                }
            }
        });
        margins
    }

    /// `Xᵀ r`, and Σ r as its last entry.
    pub(super) fn transposed(&self, residuals: &[f64]) -> Vec<f64> {
        self.summed(|rows, sums| {
            let (sums, bias) = split_bias_mut(sums);
            for row in rows {
                let residual = residuals[row];
                *bias += residual;
                self.scatter(row, residual, sums);
            }
        })
    }

    /// Diagonal of `Xᵀ diag(d) X`, the bias last.
    pub(super) fn curvature_diagonal(&self, curvatures: &[f64]) -> Vec<f64> {
        self.summed(|rows, sums| {
            let (sums, bias) = split_bias_mut(sums);
            for row in rows {
                let curvature = curvatures[row];
                *bias += curvature;
                match &self.values {
                    Values::Ones => self.scatter(row, curvature, sums),
                    Values::Stored(values) => {
                        let entries = self.entries(row);
                        let (columns, values) = (&self.columns[entries.clone()], &values[entries]);
                        for (&column, &value) in columns.iter().zip(values) {
                            let value = f64::from(value);
                            sums[column as usize] += curvature * value * value;
                        }
                    }
                }
            }
        })
    }

    /// `Xᵀ diag(d) X s` in one pass over the rows, the bias last.
    pub(super) fn curvature_product(&self, curvatures: &[f64], direction: &[f64]) -> Vec<f64> {
        let (weights, shift) = split_bias(direction);
        self.summed(|rows, sums| {
            let (sums, bias) = split_bias_mut(sums);
            for row in rows {
                let entries = self.entries(row);
                let columns = &self.columns[entries.clone()];
                let margin = match &self.values {
                    Values::Ones => sum_at(weights, columns),
                    Values::Stored(values) => dot_at(weights, columns, &values[entries]),
                };
                let residual = curvatures[row] * (margin + shift);
                *bias += residual;
                self.scatter(row, residual, sums);
            }
        })
    }

    /// Runs a function over chunks of rows on the threads and adds what they return in a tree.
    pub(super) fn reduce_rows<T: Send>(
        &self,
        map: impl Fn(Range<usize>) -> T + Sync,
        add: impl Fn(T, T) -> T,
    ) -> Option<T> {
        let mut parts: Vec<Option<T>> = self.chunks.iter().map(|_| None).collect();
        let mut slots: Vec<&mut Option<T>> = parts.iter_mut().collect();
        self.for_chunks(&mut slots, |rows, slot| **slot = Some(map(rows)));
        add_in_tree(parts.into_iter().flatten().collect(), add)
    }

    /// Cuts a slice with an entry a row into one piece a chunk.
    pub(super) fn cut<'a, T>(&self, mut rest: &'a mut [T]) -> Vec<&'a mut [T]> {
        let mut parts = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            let (part, tail) = rest.split_at_mut(chunk.len());
            parts.push(part);
            rest = tail;
        }
        parts
    }

    /// Calls a function for each chunk and its part, chunks spread over the threads.
    pub(super) fn for_chunks<P: Send>(
        &self,
        parts: &mut [P],
        work: impl Fn(Range<usize>, &mut P) + Sync,
    ) {
        let share = self.chunks.len().div_ceil(self.threads).max(1);
        if share >= self.chunks.len() {
            for (rows, part) in self.chunks.iter().zip(parts) {
                work(rows.clone(), part);
            }
            return;
        }
        let work = &work;
        std::thread::scope(|scope| {
            for (rows, parts) in self.chunks.chunks(share).zip(parts.chunks_mut(share)) {
                scope.spawn(move || {
                    for (rows, part) in rows.iter().zip(parts) {
                        work(rows.clone(), part);
                    }
                });
            }
        });
    }

    fn summed(&self, work: impl Fn(Range<usize>, &mut [f64]) + Sync) -> Vec<f64> {
        let mut parts = vec![vec![0.0; self.coefficients()]; self.chunks.len()];
        self.for_chunks(&mut parts, |rows, sums| work(rows, sums));
        let add = |mut left: Vec<f64>, right: Vec<f64>| {
            left.iter_mut()
                .zip(&right)
                .for_each(|(left, right)| *left += right);
            left
        };
        add_in_tree(parts, add).unwrap_or_else(|| vec![0.0; self.coefficients()])
    }

    fn scatter(&self, row: usize, residual: f64, sums: &mut [f64]) {
        let entries = self.entries(row);
        let columns = &self.columns[entries.clone()];
        match &self.values {
            Values::Ones => {
                for &column in columns {
                    sums[column as usize] += residual;
                }
            }
            Values::Stored(values) => {
                for (&column, &value) in columns.iter().zip(&values[entries]) {
                    sums[column as usize] += residual * f64::from(value);
                }
            }
        }
    }

    fn entries(&self, row: usize) -> Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }
}

/// Adds neighbours, then neighbours of the sums, and so on: an order that depends on the number of
/// items alone.
pub(super) fn add_in_tree<T>(mut items: Vec<T>, add: impl Fn(T, T) -> T) -> Option<T> {
    while items.len() > 1 {
        let mut sums = Vec::with_capacity(items.len().div_ceil(2));
        let mut rest = items.into_iter();
        while let Some(left) = rest.next() {
            sums.push(match rest.next() {
                Some(right) => add(left, right),
                None => left,
            });
        }
        items = sums;
    }
    items.pop()
}

/// Returns the occurring positions by falling count, and the compact column of each position.
fn frequent_first(counts: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut positions: Vec<u32> = (0_u32..)
        .zip(counts)
        .filter(|&(_, &count)| count > 0)
        .map(|(position, _)| position)
        .collect();
    positions.sort_by_key(|&position| std::cmp::Reverse(counts[position as usize]));
    let mut compact = vec![0; counts.len()];
    for (column, &position) in (0..).zip(&positions) {
        compact[position as usize] = column;
    }
    (positions, compact)
}

/// Cuts rows into chunks of about equally many entries; depends on nothing but the matrix.
fn chunks(starts: &[usize], columns: usize) -> Vec<Range<usize>> {
    let rows = starts.len() - 1;
    let entries = starts[rows];
    let count = (entries / (ENTRIES_PER_COLUMN * columns.max(1))).clamp(1, MAX_CHUNKS);
    let bounds: Vec<usize> = (0..=count)
        .map(|chunk| match chunk {
            0 => 0,
            chunk if chunk == count => rows,
            chunk => starts
                .partition_point(|&start| start < entries / count * chunk)
                .min(rows),
        })
        .collect();
    bounds
        .windows(2)
        .map(|bounds| bounds[0]..bounds[1])
        .collect()
}

/// Sum of the weights at some columns, in four interleaved sums.
fn sum_at(weights: &[f64], columns: &[u32]) -> f64 {
    let (fours, rest) = columns.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for four in fours {
        for (sum, &column) in sums.iter_mut().zip(four) {
            *sum += weights[column as usize];
        }
    }
    let tail: f64 = rest.iter().map(|&column| weights[column as usize]).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + tail
}

/// Dot product of the weights at some columns with their values, in four interleaved sums.
fn dot_at(weights: &[f64], columns: &[u32], values: &[f32]) -> f64 {
    let (fours, rest) = columns.as_chunks::<4>();
    let (four_values, rest_values) = values.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (four, values) in fours.iter().zip(four_values) {
        for ((sum, &column), &value) in sums.iter_mut().zip(four).zip(values) {
            *sum += weights[column as usize] * f64::from(value);
        }
    }
    let tail: f64 = rest
        .iter()
        .zip(rest_values)
        .map(|(&column, &value)| weights[column as usize] * f64::from(value))
        .sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + tail
}

fn split_bias(coefficients: &[f64]) -> (&[f64], f64) {
    match coefficients.split_last() {
        Some((&bias, weights)) => (weights, bias),
        None => (&[], 0.0),
    }
}

fn split_bias_mut(coefficients: &mut [f64]) -> (&mut [f64], &mut f64) {
    let (bias, weights) = coefficients
        .split_last_mut()
        .expect("a coefficient for the bias");
    (weights, bias)
}
