//! Counting, scaling and merging, in nanoseconds: `cargo bench -p zscore-stats`.
//!
//! Without arguments on synthetic rows of 40 entries over 100,000 positions. With a directory, on
//! the batch that `compare.py` wrote there (`indptr.u64`, `indices.u32`, `data.f32`, little-endian).
//! Prints one JSON line: best and median of each figure over the rounds.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use zscore_stats::sprs::CsMatI;
use zscore_stats::{Cohorts, Population, Scale, ScalePolicies, ScalePolicy, Scaler, Transform};

const ROUNDS: usize = 15;

fn main() {
    let directory = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let batch = match &directory {
        Some(directory) => read(Path::new(directory)),
        None => synthetic(),
    };
    let (dimension, entries) = (batch.cols(), batch.nnz());
    let mut figures = vec![format!(
        r#""rows": {}, "dimension": {dimension}, "entries": {entries}"#,
        batch.rows()
    )];
    let cohorts = || Cohorts::single(dimension).unwrap();

    let mut population = Population::new(cohorts());
    population.push_batch(0, batch.view()).unwrap(); // warms the pages up
    figures.push(figure("push_ns_an_entry", entries, || {
        population.push_batch(0, batch.view()).unwrap();
    }));

    // The general path: no value is one.
    let mut counts = batch.clone();
    for (at, value) in counts.data_mut().iter_mut().enumerate() {
        *value = [2.0, 30.0, 0.7, 1.5][at % 4];
    }
    figures.push(figure("push_any_ns_an_entry", entries, || {
        population.push_batch(0, counts.view()).unwrap();
    }));

    let policy = ScalePolicy::default().scale(Scale::ZScore);
    for (name, policy) in [
        ("z_score_ns_an_entry", policy),
        ("z_score_clipped_ns_an_entry", policy.clip(-3.0, 3.0)),
        ("unit_ns_an_entry", policy.scale(Scale::Unit)),
    ] {
        let policies = ScalePolicies::uniform(policy, dimension).unwrap();
        let scaler = Scaler::new(&policies, &population).unwrap();
        let mut values = counts.data().to_vec();
        figures.push(figure(name, entries, || {
            values.copy_from_slice(counts.data());
            let bounds = counts.indptr();
            for row in bounds.iter_outer() {
                scaler
                    .scale_in_place(&counts.indices()[row.clone()], &mut values[row])
                    .unwrap();
            }
            black_box(&values);
        }));
    }
    let log1p = ScalePolicies::uniform(policy.transform(Transform::Log1p), dimension).unwrap();
    let mut whole = counts.clone();
    figures.push(figure("log1p_of_counts_ns_an_entry", entries, || {
        for (at, value) in whole.data_mut().iter_mut().enumerate() {
            *value = [2.0, 30.0, 1.0, 900.0][at % 4];
        }
        log1p.transform_batch(whole.view_mut()).unwrap();
    }));

    let mut hundred_thousand = Population::new(Cohorts::single(100_000).unwrap());
    let rows = synthetic();
    hundred_thousand.push_batch(0, rows.view()).unwrap();
    let other = hundred_thousand.clone();
    figures.push(figure("merge_100k_positions_ns", 1, || {
        hundred_thousand.merge(&other).unwrap();
    }));
    let z_score = ScalePolicies::uniform(policy, 100_000).unwrap();
    figures.push(figure("scaler_of_100k_positions_ns", 1, || {
        black_box(Scaler::new(&z_score, &other).unwrap());
    }));
    println!("{{{}}}", figures.join(", "));
}

/// Times `work` and divides by `count`: best and median over the rounds.
#[expect(clippy::cast_precision_loss, reason = "a time to three digits")]
fn figure(name: &str, count: usize, mut work: impl FnMut()) -> String {
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() as f64 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    format!(r#""{name}": [{:.3}, {:.3}]"#, times[0], times[ROUNDS / 2])
}

fn read(directory: &Path) -> CsMatI<f32, u32, usize> {
    let bytes = |name: &str| std::fs::read(directory.join(name)).unwrap();
    let words = |name: &str| -> Vec<[u8; 4]> { bytes(name).as_chunks::<4>().0.to_vec() };
    let indptr = bytes("indptr.u64")
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| usize::try_from(u64::from_le_bytes(*word)).unwrap())
        .collect::<Vec<_>>();
    let indices: Vec<_> = words("indices.u32")
        .into_iter()
        .map(u32::from_le_bytes)
        .collect();
    let data: Vec<_> = words("data.f32")
        .into_iter()
        .map(f32::from_le_bytes)
        .collect();
    let columns = indices.iter().max().map_or(0, |&last| last as usize + 1);
    CsMatI::new((indptr.len() - 1, columns), indptr, indices, data)
}

/// 50,000 rows of 40 entries, positions about as skewed as words are.
fn synthetic() -> CsMatI<f32, u32, usize> {
    let mut state = 1_u64;
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    for _ in 0..50_000 {
        let mut row: Vec<u32> = (0..40_u32)
            .map(|slot| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let uniform = f64::from(u32::try_from(state >> 32).unwrap()) / 4_294_967_296.0;
                // 2,500 positions a slot; log-uniform is Zipf with exponent 1.
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "below 2,500"
                )]
                let rank = libm::pow(2500.0, uniform) as u32 - 1;
                slot * 2500 + rank
            })
            .collect();
        row.sort_unstable();
        data.resize(data.len() + row.len(), 1.0);
        indices.append(&mut row);
        indptr.push(indices.len());
    }
    CsMatI::new((50_000, 100_000), indptr, indices, data)
}
