//! What a cap on `1/D` does to plain learners: `cargo bench -p zscore-stats --bench cap -- FILE.svm`.
//!
//! Divides every position by its standard deviation over the whole file, under several caps, and
//! prints the log loss of the last fifth of the rows, in nats, each predicted before it is learned.
//! The learners are textbook AdaGrad and FTRL-Proximal, neither of which knows about scale. This is
//! what `ScalePolicy::MAX_INVERSE_STD_DEV` was chosen on.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use zscore_stats::{Cohorts, Population, Scale, ScalePolicies, ScalePolicy, Scaler};

type Row = (bool, Vec<u32>, Vec<f32>);

fn main() {
    let Some(path) = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
    else {
        println!("cap: no libsvm file given, nothing measured");
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Row> = text.lines().map(parse).collect();
    let dimension = rows.iter().filter_map(|row| row.1.last()).max().unwrap() + 1;
    let mut population = Population::new(Cohorts::single(dimension as usize).unwrap());
    for (_, positions, values) in &rows {
        population.push(0, (&positions[..], &values[..])).unwrap();
    }
    println!(
        "{} rows, {dimension} positions; log loss of the last fifth",
        rows.len()
    );
    println!(
        "{:>10} {:>12} {:>12} {:>12}",
        "cap", "AdaGrad .1", "AdaGrad .5", "FTRL .1"
    );
    let unscaled = ScalePolicy::default();
    let mut policies = vec![("unscaled".to_owned(), unscaled)];
    for cap in [
        1.0,
        2.0,
        3.0,
        5.0,
        10.0,
        20.0,
        50.0,
        100.0,
        1000.0,
        16_777_216.0,
    ] {
        let policy = unscaled.scale(Scale::ZScore).max_inverse_std_dev(cap);
        policies.push((cap.to_string(), policy));
    }
    for (name, policy) in policies {
        let table = ScalePolicies::uniform(policy, dimension as usize).unwrap();
        let scaler = Scaler::new(&table, &population).unwrap();
        let mut scaled = rows.clone();
        for (_, positions, values) in &mut scaled {
            scaler.scale_in_place(positions, values).unwrap();
        }
        let loss = |learner| last_fifth(&scaled, dimension as usize, learner);
        let (slow, fast, ftrl) = (
            loss(Learner::AdaGrad(0.1)),
            loss(Learner::AdaGrad(0.5)),
            loss(Learner::Ftrl(0.1)),
        );
        println!("{name:>10} {slow:>12.5} {fast:>12.5} {ftrl:>12.5}");
    }
}

fn parse(line: &str) -> Row {
    let mut words = line.split(' ');
    let label = words.next().unwrap() == "1";
    let entries = words.map(|word| word.split_once(':').unwrap());
    let (positions, values) = entries
        .map(|(position, value)| {
            (
                position.parse::<u32>().unwrap() - 1,
                value.parse::<f32>().unwrap(),
            )
        })
        .unzip();
    (label, positions, values)
}

#[derive(Clone, Copy)]
enum Learner {
    /// Duchi, Hazan & Singer (2011), with this learning rate.
    AdaGrad(f64),
    /// McMahan et al. (2013), algorithm 1, with this α, β = 1 and no penalty.
    Ftrl(f64),
}

/// Mean progressive log loss of the last fifth, probabilities kept within 1e-15 of 0 and 1.
#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
fn last_fifth(rows: &[Row], dimension: usize, learner: Learner) -> f64 {
    // The last weight is the bias.
    let mut state = vec![(0.0_f64, 0.0_f64); dimension + 1];
    let start = rows.len() * 4 / 5;
    let mut total = 0.0;
    for (at, (label, positions, values)) in rows.iter().enumerate() {
        let entries = || {
            let row = positions
                .iter()
                .zip(values)
                .map(|(&p, &x)| (p as usize, f64::from(x)));
            row.chain([(dimension, 1.0)])
        };
        let weight = |(z, n): (f64, f64)| match learner {
            Learner::AdaGrad(_) => z,
            Learner::Ftrl(alpha) => -z * alpha / (1.0 + n.sqrt()),
        };
        let margin: f64 = entries().map(|(p, x)| weight(state[p]) * x).sum();
        let probability = 1.0 / (1.0 + libm::exp(-margin));
        let error = probability - f64::from(u8::from(*label));
        if at >= start {
            let likelihood = if *label {
                probability
            } else {
                1.0 - probability
            };
            total -= libm::log(likelihood.clamp(1e-15, 1.0));
        }
        for (position, x) in entries() {
            let gradient = error * x;
            let w = weight(state[position]);
            let (z, n) = &mut state[position];
            let before = n.sqrt();
            *n += gradient * gradient;
            match learner {
                Learner::AdaGrad(rate) if *n > 0.0 => *z -= rate * gradient / n.sqrt(),
                Learner::AdaGrad(_) => {}
                Learner::Ftrl(alpha) => *z += gradient - (n.sqrt() - before) / alpha * w,
            }
        }
    }
    total / (rows.len() - start) as f64
}
