//! Updates and predictions from rows in memory, beside a plain dot product of the same rows.
//!
//! `cargo bench -p lr-core --bench learner`
//!
//! `LR_CORE_SVM=file` takes the rows of a libsvm file instead of synthetic one-hots;
//! `LR_CORE_DIMENSIONS=100000,100000000` sets the dimensions of the uniform rows (64 bytes a
//! position for the bank, and four learners with at most 16 beside it).
//! The unit is one feature, so the inverse of a throughput is nanoseconds a feature.
//! Rows are checked beforehand, as the dot product does not check them either; `unchecked` pays for
//! the check.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{env, fs, hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lr_core::{
    CheckedExample, CheckedRow, Example, Kernel, Learner, OptimizerConfig, Prediction,
    sprs::CsVecViewI,
};

struct Rows {
    dimension: usize,
    starts: Vec<usize>,
    positions: Vec<u32>,
    values: Vec<f32>,
    labels: Vec<bool>,
}

impl Rows {
    fn new(dimension: usize) -> Self {
        Self {
            dimension,
            starts: vec![0],
            positions: vec![],
            values: vec![],
            labels: vec![],
        }
    }

    fn push(&mut self, mut positions: Vec<u32>, label: bool) {
        positions.sort_unstable();
        positions.dedup();
        self.values.resize(self.values.len() + positions.len(), 1.0);
        self.positions.extend(positions);
        self.starts.push(self.positions.len());
        self.labels.push(label);
    }

    fn slices(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.positions[range.clone()], &self.values[range])
    }

    fn view(&self, row: usize) -> CsVecViewI<'_, f32, u32> {
        let (positions, values) = self.slices(row);
        CsVecViewI::new(self.dimension, positions, values)
    }

    fn uniform(rows: usize, dimension: u32) -> Self {
        let mut draw = generator();
        let mut all = Self::new(dimension as usize);
        for _ in 0..rows {
            let positions = (0..38).map(|_| u32::try_from(draw() % u64::from(dimension)).unwrap());
            let positions = positions.collect();
            let label = draw().is_multiple_of(50);
            all.push(positions, label);
        }
        all
    }

    /// 38 categorical columns of growing size, small values more likely.
    fn one_hot(rows: usize) -> Self {
        let mut draw = generator();
        let mut all = Self::new(38 * 38 * 32);
        for _ in 0..rows {
            let mut start = 0;
            let mut positions = Vec::with_capacity(38);
            for column in 1..=38_u64 {
                let size = 1 + column * column * 2;
                let value = (draw() % size).min(draw() % size).min(draw() % size);
                positions.push(u32::try_from(start + value).unwrap());
                start += size;
            }
            let label = draw().is_multiple_of(50);
            all.push(positions, label);
        }
        all
    }

    fn libsvm(path: &str) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut all = Self::new(0);
        for line in text.lines() {
            let mut fields = line.split_ascii_whitespace();
            let label = fields.next().unwrap().trim_start_matches('+') == "1";
            for field in fields {
                let (position, value) = field.split_once(':').unwrap();
                all.positions.push(position.parse::<u32>().unwrap() - 1);
                all.values.push(value.parse().unwrap());
            }
            all.starts.push(all.positions.len());
            all.labels.push(label);
        }
        all.dimension = all.positions.iter().max().map_or(0, |p| *p as usize + 1);
        all
    }
}

fn generator() -> impl FnMut() -> u64 {
    let mut seed = 7_u64;
    move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    }
}

const OPTIMIZERS: [&str; 5] = ["sgd", "adagrad", "normalized", "ftrl", "bank"];

/// Learns rows as a program does, as many at a time as keep the predictions in the cache.
fn learn(learner: &mut Learner, rows: &[CheckedExample<'_>], predictions: &mut Vec<Prediction>) {
    for rows in rows.chunks(256) {
        predictions.clear();
        learner.learn_rows(rows, predictions).unwrap();
        black_box(&*predictions);
    }
}

fn checked(rows: &Rows) -> Vec<CheckedExample<'_>> {
    (0..rows.labels.len())
        .map(|row| {
            let (positions, values) = rows.slices(row);
            let row_of = CheckedRow::new(positions, values).unwrap();
            CheckedExample::new(row_of, rows.labels[row])
        })
        .collect()
}

/// Rows that fit the cache: every kernel, from a fresh learner.
fn measure(criterion: &mut Criterion, name: &str, rows: &Rows) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(rows.positions.len() as u64));
    let count = rows.labels.len();
    let all = checked(rows);
    let views: Vec<_> = (0..count).map(|row| rows.view(row)).collect();
    let weights = vec![0.01_f32; rows.dimension];
    let mut predictions = Vec::new();
    group.bench_function("dot", |b| b.iter(|| dot(&weights, rows)));
    for optimizer in OPTIMIZERS {
        let config: OptimizerConfig = optimizer.parse().unwrap();
        let fresh = Learner::new(rows.dimension, config).unwrap();
        for kernel in Kernel::available() {
            let mut learner = fresh.clone();
            learner.set_kernel(kernel);
            group.bench_function(format!("learn/{optimizer}/{kernel:?}"), |b| {
                b.iter_batched_ref(
                    || learner.clone(),
                    |learner| learn(learner, &all, &mut predictions),
                    BatchSize::LargeInput,
                );
            });
        }
        group.bench_function(format!("learn/{optimizer}/row by row"), |b| {
            b.iter_batched_ref(
                || fresh.clone(),
                |learner| {
                    for example in &all {
                        let CheckedExample { row, label, .. } = example;
                        black_box(learner.learn_row(row, *label, 1.0).unwrap());
                    }
                },
                BatchSize::LargeInput,
            );
        });
        group.bench_function(format!("learn/{optimizer}/unchecked"), |b| {
            b.iter_batched_ref(
                || fresh.clone(),
                |learner| {
                    for (view, &label) in views.iter().zip(&rows.labels) {
                        black_box(learner.learn(&Example::new(*view, label)).unwrap());
                    }
                },
                BatchSize::LargeInput,
            );
        });
    }
    let mut learner = Learner::new(rows.dimension, OptimizerConfig::default()).unwrap();
    learn(&mut learner, &all, &mut predictions);
    let model = learner.model().unwrap();
    group.bench_function("predict/model", |b| {
        b.iter(|| {
            let margins = all.iter().map(|e| model.margin_of(&e.row).unwrap());
            black_box(margins.sum::<f64>())
        });
    });
    group.bench_function("predict/model/unchecked", |b| {
        b.iter(|| {
            let margins = views.iter().map(|view| model.margin(view).unwrap());
            black_box(margins.sum::<f64>())
        });
    });
    group.finish();
}

/// Uniform positions: where the weights do not fit the cache, every access misses it. One learner
/// learns on, because copying it would take longer than learning.
fn miss(criterion: &mut Criterion, dimension: u32) {
    let rows = Rows::uniform(20_000, dimension);
    let all = checked(&rows);
    let mut predictions = Vec::new();
    let mut group = criterion.benchmark_group(format!("uniform/{dimension}"));
    group.throughput(Throughput::Elements(rows.positions.len() as u64));
    {
        let weights = vec![0.01_f32; rows.dimension];
        group.bench_function("dot", |b| b.iter(|| dot(&weights, &rows)));
    }
    for optimizer in OPTIMIZERS {
        let config: OptimizerConfig = optimizer.parse().unwrap();
        let mut learner = Learner::new(rows.dimension, config).unwrap();
        group.bench_function(format!("learn/{optimizer}"), |b| {
            b.iter(|| learn(&mut learner, &all, &mut predictions));
        });
    }
    group.finish();
}

fn dot(weights: &[f32], rows: &Rows) -> f32 {
    let mut total = 0.0;
    for row in 0..rows.labels.len() {
        let (positions, values) = rows.slices(row);
        let mut sum = 0.0;
        for (&position, &value) in positions.iter().zip(values) {
            sum += weights[position as usize] * value;
        }
        total += sum;
    }
    black_box(total)
}

fn learner(criterion: &mut Criterion) {
    let one_hot = match env::var("LR_CORE_SVM") {
        Ok(path) => Rows::libsvm(&path),
        Err(_) => Rows::one_hot(20_000),
    };
    measure(criterion, "one_hot", &one_hot);
    let dimensions = env::var("LR_CORE_DIMENSIONS").unwrap_or_else(|_| (1 << 20).to_string());
    for dimension in dimensions.split(',') {
        miss(criterion, dimension.parse().unwrap());
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = learner
}
criterion_main!(benches);
