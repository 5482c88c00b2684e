//! Against independent computations: see `tests/data/reference.py`.

use approx::assert_relative_eq;
use proptest::prelude::*;
use serde_json::Value;
use statrs::distribution::{ContinuousCDF, Normal};
use zscore_stats::{Cohorts, Population, Transform, normal_cdf, normal_quantile};

fn reference() -> Value {
    serde_json::from_str(include_str!("../data/reference.json")).unwrap()
}

/// A float written as text, so that it is read exactly.
fn float(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

fn pairs(list: &Value) -> impl Iterator<Item = (f64, f64)> + '_ {
    let pair = |pair: &Value| (float(&pair[0]), float(&pair[1]));
    list.as_array().unwrap().iter().map(pair)
}

#[test]
fn moments_are_those_of_rational_arithmetic_to_the_bit() {
    let reference = reference();
    let cases = reference["populations"].as_array().unwrap();
    assert!(cases.len() >= 15);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let mut population = Population::new(Cohorts::single(3).unwrap());
        let size = case["size"].as_u64().unwrap();
        let mut values = case["values"].as_array().unwrap().iter();
        for _ in 0..size {
            #[expect(clippy::cast_possible_truncation, reason = "written as an f32")]
            match values.next().map(|value| float(value) as f32) {
                Some(value) => population.push(0, (&[1], &[value])).unwrap(),
                None => population.push(0, (&[], &[])).unwrap(),
            }
        }
        for _ in 0..case["doublings"].as_u64().unwrap() {
            population.merge(&population.clone()).unwrap();
        }
        let moments = population.moments(1).unwrap();
        assert_eq!(Some(moments.nonzeros), case["nonzeros"].as_u64(), "{name}");
        assert_eq!(
            moments.sum.to_string(),
            case["sum"].as_str().unwrap(),
            "{name}"
        );
        let squares = case["sum_of_squares"].as_str().unwrap();
        assert_eq!(moments.sum_of_squares.to_string(), squares, "{name}");

        let bits = |key: &str| float(&case[key]).to_bits();
        let mean = population.mean(1).unwrap();
        assert_eq!(mean.to_bits(), bits("mean"), "mean of {name}");
        let variance = population.population_variance(1).unwrap();
        assert_eq!(
            variance.to_bits(),
            bits("population_variance"),
            "variance of {name}"
        );
        // A rounded root of a rounded variance: half a unit in the last place each.
        let std_dev = population.population_std_dev(1).unwrap();
        assert_relative_eq!(
            std_dev,
            float(&case["std_dev"]),
            epsilon = 0.0,
            max_relative = f64::EPSILON
        );
    }
}

#[test]
fn normal_cdf_is_that_of_mpmath() {
    let reference = reference();
    for (z, expected) in pairs(&reference["normal_cdf"]) {
        // The argument's rounding grows with z² in the tail: 37² · 2⁻⁵³ = 1.5e-13.
        let tolerance = 4e-16 * (1.0 + z * z);
        assert_relative_eq!(
            normal_cdf(z),
            expected,
            epsilon = 0.0,
            max_relative = tolerance
        );
    }
}

#[test]
fn log1p_is_that_of_mpmath() {
    let reference = reference();
    for (x, expected) in pairs(&reference["log1p"]) {
        let found = Transform::Log1p.apply(x).unwrap();
        assert_relative_eq!(found, expected, epsilon = 0.0, max_relative = 2.3e-16);
    }
}

proptest! {
    #[test]
    fn normal_cdf_is_that_of_statrs(z in -30.0..8.0) {
        let reference = Normal::new(0.0, 1.0).unwrap().cdf(z);
        // statrs is off by up to 1.1e-10 near z = −0.713, by mpmath; mpmath itself is the strict test.
        assert_relative_eq!(normal_cdf(z), reference, epsilon = 1e-300, max_relative = 1e-9);
    }

    #[test]
    fn quantile_inverts_the_cdf(z in -30.0..0.0) {
        let found = normal_quantile(normal_cdf(z)).unwrap();
        assert_relative_eq!(found, z, epsilon = 1e-12, max_relative = 1e-12);
        assert_relative_eq!(normal_quantile(1.0 - 0.25).unwrap(), 0.674_489_750_196_081_7, max_relative = 1e-14);
    }

    /// One pass of Welford's algorithm, the reference for values of any size.
    #[test]
    fn moments_are_near_those_of_welford(
        values in prop::collection::vec(-1.6e7_f32..1.6e7, 1..200),
        offset in -1.0e6_f32..1.0e6,
        spread in prop_oneof![Just(1.0_f32), Just(1e-3), Just(1e-6)],
    ) {
        let mut population = Population::new(Cohorts::single(1).unwrap());
        let (mut count, mut mean, mut m2) = (0.0, 0.0, 0.0);
        for value in values {
            let value = offset * (1.0 - spread) + value * spread;
            population.push(0, (&[0], &[value])).unwrap();
            let x = f64::from(value);
            count += 1.0;
            let delta = x - mean;
            mean += delta / count;
            m2 += delta * (x - mean);
        }
        // Rounding to 2⁻²⁴ moves a value by at most 2⁻²⁵ and Welford loses a few units in the last
        // place a step.
        let half_step = 2.0_f64.powi(-25);
        let std_dev = (m2 / count).sqrt();
        let found = population.mean(0).unwrap();
        prop_assert!((found - mean).abs() <= half_step + 1e-13 * (mean.abs() + std_dev), "{found} {mean}");
        // By the triangle inequality the rounding moves the standard deviation as little.
        let found = population.population_std_dev(0).unwrap();
        let tolerance = half_step + 1e-9 * std_dev;
        prop_assert!((found - std_dev).abs() <= tolerance, "{found} {std_dev}");
    }
}
