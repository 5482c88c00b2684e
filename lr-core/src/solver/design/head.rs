//! The dense block of the frequent columns.

use super::{Design, MAX_CHUNKS, Values};

impl Design {
    /// Lower triangle of `Xᵀ diag(d) X` for the first columns and, as its last row, the bias.
    ///
    /// Threads share out the rows of the triangle and each adds in the order of the batch.
    pub(in crate::solver) fn head_block(
        &self,
        curvatures: &[f64],
        columns: usize,
    ) -> Vec<Vec<f64>> {
        let mut block: Vec<Vec<f64>> = (1..=columns).map(|length| vec![0.0; length]).collect();
        let threads = self.threads.min(MAX_CHUNKS);
        let mut shares: Vec<Vec<&mut Vec<f64>>> = (0..threads).map(|_| Vec::new()).collect();
        for (row, sums) in block.iter_mut().enumerate() {
            shares[row % threads].push(sums);
        }
        if threads == 1 {
            shares
                .iter_mut()
                .for_each(|share| self.add_head(curvatures, columns, (0, 1), share));
        } else {
            std::thread::scope(|scope| {
                for (first, share) in shares.iter_mut().enumerate() {
                    let part = (first, threads);
                    scope.spawn(move || self.add_head(curvatures, columns, part, share));
                }
            });
        }
        let with_bias = self.transposed(curvatures);
        let mut last = with_bias[..columns].to_vec();
        last.extend(with_bias.last());
        block.push(last);
        block
    }

    /// Adds to the rows `first`, `first + step`, … of the triangle.
    fn add_head(
        &self,
        curvatures: &[f64],
        columns: usize,
        (first, step): (usize, usize),
        sums: &mut [&mut Vec<f64>],
    ) {
        for (row, &curvature) in curvatures.iter().enumerate() {
            let entries = self.entries(row);
            let all = &self.columns[entries.clone()];
            let head = &all[..all.partition_point(|&column| (column as usize) < columns)];
            let values = match &self.values {
                Values::Ones => None,
                Values::Stored(values) => Some(&values[entries]),
            };
            for (i, &column) in head.iter().enumerate() {
                let column = column as usize;
                if column % step != first {
                    continue;
                }
                let sums = &mut sums[column / step];
                match values {
                    None => {
                        for &other in &head[..=i] {
                            sums[other as usize] += curvature;
                        }
                    }
                    Some(values) => {
                        let scaled = curvature * f64::from(values[i]);
                        for (&other, &value) in head[..=i].iter().zip(values) {
                            sums[other as usize] += scaled * f64::from(value);
                        }
                    }
                }
            }
        }
    }
}
