//! What has moved between two populations.

use approx::assert_relative_eq;
use zscore_stats::{
    Cohorts, Drift, Population, PopulationError, Scale, ScalePolicies, ScalePolicy, Scaler,
    population_stability_index,
};

/// Rows of one value at position 0, the shares of ones at position 1 as given.
fn population(values: &[f32], ones: usize) -> Population {
    let mut population = Population::new(Cohorts::single(4).unwrap());
    for (at, &value) in values.iter().enumerate() {
        let one = if at < ones { 1.0 } else { 0.0 };
        population
            .push(0, (&[0, 1, 2], &[value, one, 5.0]))
            .unwrap();
    }
    population
}

#[test]
fn differences_by_hand_and_in_order() {
    let before = population(&[1.0, 2.0, 3.0, 10.0], 1);
    let after = population(&[2.0, 2.0, 4.0, 4.0], 3);
    let drift = Drift::between(&before, &after).unwrap();
    let [first, second, constant] = drift.positions() else {
        panic!("three positions were seen")
    };
    // Shares 1/4 and 3/4, variances 3/16 both: (1/2) / √(3/16).
    assert_eq!(first.position, 1);
    let expected = 0.5 / 0.1875_f64.sqrt();
    assert_relative_eq!(
        first.standardized_mean_difference,
        expected,
        max_relative = 1e-15
    );
    assert_eq!(first.present, Some((0.25, 0.75)));
    // p = 1.5/5, q = 3.5/5: 2 · 0.4 · ln(7/3).
    let index = 0.8 * (7.0_f64 / 3.0).ln();
    assert_relative_eq!(first.stability_index.unwrap(), index, max_relative = 1e-14);
    // Means 4 and 3, variances 12.5 and 1.
    assert_eq!(second.position, 0);
    let expected = -1.0 / 6.75_f64.sqrt();
    assert_relative_eq!(
        second.standardized_mean_difference,
        expected,
        max_relative = 1e-15
    );
    assert_eq!(second.variance_ratio, Some(0.08));
    assert_eq!(constant.position, 2);
    assert_eq!((constant.mean, constant.variance_ratio), ((5.0, 5.0), None));
    assert!(constant.standardized_mean_difference.abs() < f64::MIN_POSITIVE);

    let summary = drift.summary(1, |position| format!("position {position}"));
    assert_eq!(
        summary,
        "3 positions compared: 2 with a mean moved by 0.1 standard deviations or more, 1 by 0.5 or more\n  \
         position 1: moved +1.155, mean 0.2500 -> 0.7500, std dev 0.4330 -> 0.4330, \
         present in 25.00 % -> 75.00 % (stability index 0.678)\n"
    );
}

#[test]
fn a_constant_that_changes_moves_without_bound() {
    let constant = |value| {
        let mut population = Population::new(Cohorts::single(1).unwrap());
        population.push(0, (&[0], &[value])).unwrap();
        population
    };
    let drift = Drift::between(&constant(2.0), &constant(1.0)).unwrap();
    assert_eq!(
        drift.positions()[0].standardized_mean_difference.to_bits(),
        f64::NEG_INFINITY.to_bits()
    );
    assert_eq!(
        Drift::between(&constant(1.0), &population(&[], 0)),
        Err(PopulationError::OtherCohorts)
    );
}

#[test]
fn live_values_are_held_against_the_models_statistics() {
    let policy = ScalePolicy::default()
        .scale(Scale::ZScore)
        .absent_value(7.0);
    let policies = ScalePolicies::new(vec![policy, ScalePolicy::default()], vec![0, 1, 1, 0]);
    let trained = population(&[1.0, 2.0, 3.0, 10.0], 1);
    let scaler = Scaler::new(&policies.unwrap(), &trained).unwrap();
    let same = Drift::from_scaler(&scaler, &trained).unwrap();
    assert_eq!(same.positions().len(), 1);
    let difference = same.positions()[0].standardized_mean_difference;
    assert!(difference.abs() < 1e-15, "{difference}");

    let mut live = population(&[2.0, 2.0, 4.0, 4.0], 3);
    live.push(0, (&[3], &[1.0])).unwrap();
    let drift = Drift::from_scaler(&scaler, &live).unwrap();
    // Position 0: means 4 and 12/5, variances 12.5 and 2.24. Position 3 was 0 for everybody.
    let found: Vec<_> = drift
        .positions()
        .iter()
        .map(|p| (p.position, p.mean.1))
        .collect();
    assert_eq!(found, [(3, 0.2), (0, 2.4)]);
    let expected = -1.6 / ((12.5_f64 + 2.24) / 2.0).sqrt();
    let moved = drift.positions()[1].standardized_mean_difference;
    assert_relative_eq!(moved, expected, max_relative = 1e-14);
    assert_eq!(drift.positions()[1].present, None);

    let narrow = Population::new(Cohorts::single(1).unwrap());
    assert!(matches!(
        Drift::from_scaler(&scaler, &narrow),
        Err(PopulationError::OtherDimension {
            dimension: 4,
            given: 1
        })
    ));
}

#[test]
fn stability_index_needs_two_histograms_of_the_same_buckets() {
    assert_eq!(population_stability_index(&[1, 2], &[1, 2, 3]), None);
    assert_eq!(population_stability_index(&[0, 0], &[1, 2]), None);
    assert_eq!(population_stability_index(&[], &[]), None);
    let there = population_stability_index(&[90, 10, 0], &[10, 80, 10]).unwrap();
    let back = population_stability_index(&[10, 80, 10], &[90, 10, 0]).unwrap();
    assert_relative_eq!(there, back, max_relative = 1e-14);
    assert!(there > 0.25 && there.is_finite());
}
