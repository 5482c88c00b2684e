//! Rare positions have a huge 1/D, and a learner that takes it at face value is ruined.

use zscore_stats::{Cohorts, Population, Scale, ScalePolicies, ScalePolicy, Scaler};

const SLOTS: u32 = 20;
const VALUES: u32 = 1000;
const DIMENSION: usize = (SLOTS * VALUES) as usize;
const ROWS: usize = 12_000;

/// A generator of uniform numbers, the same everywhere.
struct Uniform(u64);

impl Iterator for Uniform {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 32)
            .ok()
            .map(|bits| f64::from(bits) / 4_294_967_296.0)
    }
}

/// One-hot rows, the value of each slot Zipf-distributed, and labels from a true model.
fn rows() -> Vec<(bool, Vec<u32>)> {
    let mut uniform = Uniform(20_220_504);
    let mut draw = || uniform.next().unwrap();
    let truth: Vec<_> = (0..DIMENSION).map(|_| draw() - 0.5).collect();
    let row = |_| {
        let positions: Vec<u32> = (0..SLOTS)
            .map(|slot| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "below 1000"
                )]
                let rank = libm::pow(f64::from(VALUES), draw()) as u32 - 1;
                slot * VALUES + rank
            })
            .collect();
        let margin: f64 = positions.iter().map(|&p| truth[p as usize]).sum::<f64>() - 2.0;
        (draw() < 1.0 / (1.0 + libm::exp(-margin)), positions)
    };
    (0..ROWS).map(row).collect()
}

/// Progressive log loss, in nats, of textbook AdaGrad (Duchi, Hazan & Singer 2011), rate 0.1.
fn plain_learner(rows: &[(bool, Vec<u32>)], policy: ScalePolicy) -> f64 {
    let ones = [1.0; SLOTS as usize];
    let mut population = Population::new(Cohorts::single(DIMENSION).unwrap());
    for (_, positions) in rows {
        population.push(0, (&positions[..], &ones[..])).unwrap();
    }
    let policies = ScalePolicies::uniform(policy, DIMENSION).unwrap();
    let scaler = Scaler::new(&policies, &population).unwrap();
    let (mut weights, mut squares) = (vec![0.0; DIMENSION + 1], vec![0.0; DIMENSION + 1]);
    let mut total = 0.0;
    for (label, positions) in rows {
        let mut values = ones;
        scaler.scale_in_place(positions, &mut values).unwrap();
        let entries = || {
            let row = positions
                .iter()
                .zip(values)
                .map(|(&p, x)| (p as usize, f64::from(x)));
            row.chain([(DIMENSION, 1.0)])
        };
        let margin: f64 = entries().map(|(p, x)| weights[p] * x).sum();
        let target = f64::from(u8::from(*label));
        let probability = 1.0 / (1.0 + libm::exp(-margin));
        total += libm::log1p(libm::exp(-margin.abs())) + margin.max(0.0) - target * margin;
        for (position, x) in entries() {
            let gradient = (probability - target) * x;
            squares[position] += gradient * gradient;
            if squares[position] > 0.0 {
                weights[position] -= 0.1 * gradient / f64::sqrt(squares[position]);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let count = rows.len() as f64;
    total / count
}

#[test]
fn plain_inverse_std_dev_ruins_a_plain_learner_and_the_default_does_not() {
    let rows = rows();
    let z_score = ScalePolicy::default().scale(Scale::ZScore);
    let unscaled = plain_learner(&rows, ScalePolicy::default());
    let plain = plain_learner(&rows, z_score.max_inverse_std_dev(16_777_216.0));
    let default = plain_learner(&rows, z_score);
    assert!(unscaled < 0.6, "the learner learns: {unscaled}");
    assert!(
        plain > 3.0 * unscaled,
        "1/D as it is: {plain}, unscaled {unscaled}"
    );
    assert!(
        default < 1.25 * unscaled,
        "with the default cap: {default}, unscaled {unscaled}"
    );
    println!("log loss: unscaled {unscaled:.3}, plain 1/D {plain:.3}, default cap {default:.3}");
}
