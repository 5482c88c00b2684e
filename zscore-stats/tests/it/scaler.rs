//! Step two: sparse rows give the margins of literal, dense z-scores.
#![expect(clippy::float_cmp, reason = "values that are exact in binary")]

use approx::assert_relative_eq;
use proptest::prelude::*;
use zscore_stats::{
    Absent, Cohorts, Population, Scale, ScalePolicies, ScalePolicy, Scaler, Transform, normal_cdf,
};

fn z_score() -> ScalePolicy {
    ScalePolicy::default().scale(Scale::ZScore)
}

/// A scaler of one position with given `M` and `D`.
fn scaler(policy: ScalePolicy, mean: f64, std_dev: f64) -> Scaler {
    let policies = ScalePolicies::uniform(policy, 1).unwrap();
    Scaler::from_parts(&policies, vec![0], vec![mean], vec![std_dev]).unwrap()
}

fn stored(scaler: &Scaler, x: f32) -> f64 {
    let mut values = [x];
    scaler
        .policies()
        .transform_in_place(&[0], &mut values)
        .unwrap();
    scaler.scale_in_place(&[0], &mut values).unwrap();
    values[0].into()
}

#[test]
fn the_old_systems_example() {
    // Position 0: plays of #comedy over 10 s, of five users; M = 8, D² = (49 + 9 + 25 + 1 + 64) / 5.
    let policies = ScalePolicies::uniform(z_score(), 100_000).unwrap();
    let mut users = Population::new(Cohorts::single(100_000).unwrap());
    for plays in [15.0, 5.0, 3.0, 7.0] {
        users.push(0, (&[0], &[plays])).unwrap();
    }
    users.push(0, (&[0, 3], &[10.0, 0.4])).unwrap();
    assert_eq!(users.mean(0), Some(8.0));
    assert_relative_eq!(
        users.population_variance(0).unwrap(),
        17.6,
        max_relative = 1e-15
    );
    let scaler = Scaler::new(&policies, &users).unwrap();
    let z = (15.0 - 8.0) / 17.6_f64.sqrt();
    assert_relative_eq!(scaler.apply(0, 15.0).unwrap(), z, max_relative = 1e-15);
    // The row's entry and the absent constant give the literal z-score back.
    let dense = stored(&scaler, 15.0) + scaler.absent_constant(&[1.0; 100_000]).unwrap()
        - scaler.apply(3, 0.0).unwrap();
    assert_relative_eq!(dense, z, max_relative = 1e-6);
    assert_relative_eq!(
        scaler.invert(0, stored(&scaler, 15.0)).unwrap(),
        15.0,
        max_relative = 1e-6
    );
}

#[test]
fn each_scale_by_hand() {
    let half = scaler(z_score(), 6.0, 2.0);
    assert_eq!(stored(&half, 15.0), 7.5);
    assert_eq!(half.apply(0, 15.0), Some(4.5));
    assert_eq!(half.absent_constant(&[2.0]).unwrap(), -6.0);

    let clipped = scaler(z_score().clip(-1.0, 2.0), 6.0, 2.0);
    assert_eq!(clipped.apply(0, 15.0), Some(2.0));
    assert_eq!(stored(&clipped, 15.0), 3.0);
    assert_eq!(clipped.absent_constant(&[1.0]).unwrap(), -1.0);

    let unit = scaler(ScalePolicy::default().scale(Scale::Unit), 6.0, 2.0);
    assert_eq!(unit.apply(0, 8.0), Some(normal_cdf(1.0)));
    let difference = normal_cdf(1.0) - normal_cdf(-3.0);
    assert_relative_eq!(stored(&unit, 8.0), difference, max_relative = 1e-7);

    let skip = scaler(z_score().absent(Absent::Skip), 6.0, 2.0);
    assert_eq!(stored(&skip, 15.0), 4.5);
    assert_eq!(skip.absent_constant(&[1.0]).unwrap(), 0.0);

    let shifted = scaler(z_score().absent_value(5.0), 6.0, 2.0);
    assert_eq!(stored(&shifted, 15.0), 5.0);
    assert_eq!(shifted.apply(0, 15.0), Some(4.5));
    assert_eq!(shifted.absent_constant(&[1.0]).unwrap(), -0.5);

    let none = ScalePolicy::default()
        .transform(Transform::Sqrt)
        .absent_value(4.0);
    let policies = ScalePolicies::uniform(none, 1).unwrap();
    let none = Scaler::identity(&policies);
    assert_eq!(stored(&none, 9.0), 1.0);
    assert_eq!(none.apply(0, 9.0), Some(3.0));
    assert_eq!(none.absent_constant(&[1.0]).unwrap(), 2.0);
    let policies = ScalePolicies::uniform(none.policies().policies()[0].absent(Absent::Skip), 1);
    assert_eq!(stored(&Scaler::identity(&policies.unwrap()), 9.0), 3.0);
}

#[test]
fn constants_strangers_and_rare_positions_do_not_explode() {
    assert_eq!(scaler(z_score(), 6.0, 0.0).apply(0, 7.5), Some(1.5));
    assert_eq!(
        scaler(z_score(), 6.0, 1e-300).apply(0, 7.5),
        Some(1.5 * ScalePolicy::MAX_INVERSE_STD_DEV)
    );
    assert_eq!(
        scaler(z_score().max_inverse_std_dev(100.0), 0.0, 0.001).apply(0, 1.0),
        Some(100.0)
    );
    let nobody = Scaler::identity(&ScalePolicies::uniform(z_score().absent_value(3.0), 1).unwrap());
    assert_eq!(nobody.apply(0, 5.0), Some(2.0));
    assert_eq!(stored(&nobody, 5.0), 2.0);

    // Seen by nobody in a population of many is the same as no population.
    let mut users = Population::new(Cohorts::single(1).unwrap());
    users.push(0, (&[], &[])).unwrap();
    let policies = ScalePolicies::uniform(z_score(), 1).unwrap();
    assert_eq!(
        Scaler::new(&policies, &users).unwrap(),
        Scaler::identity(&policies)
    );
    // What is not scaled has no statistics.
    users.push(0, (&[0], &[1.0])).unwrap();
    let unscaled = ScalePolicies::uniform(ScalePolicy::default(), 1).unwrap();
    assert!(
        Scaler::new(&unscaled, &users)
            .unwrap()
            .parts()
            .positions
            .is_empty()
    );
}

#[test]
fn inverse_knows_where_there_is_none() {
    let clipped = scaler(z_score().clip(-1.0, 2.0), 6.0, 2.0);
    assert_eq!(clipped.invert(0, 3.0), None);
    assert_eq!(clipped.invert(0, 2.0), Some(8.0));
    assert_eq!(clipped.invert(1, 2.0), None);
    let unit = scaler(ScalePolicy::default().scale(Scale::Unit), 6.0, 2.0);
    assert_eq!(unit.invert(0, 1.0), None);
    let sqrt = scaler(z_score().transform(Transform::Sqrt), 2.0, 1.0);
    assert_eq!(sqrt.invert(0, -1.0), None);
    assert_eq!(sqrt.invert(0, 3.0), Some(9.0));
}

const DIMENSION: usize = 12;

fn policy() -> impl Strategy<Value = ScalePolicy> {
    let transform = prop_oneof![
        Just(Transform::None),
        Just(Transform::Log1p),
        Just(Transform::Sqrt)
    ];
    let scale = prop_oneof![Just(Scale::None), Just(Scale::ZScore), Just(Scale::Unit)];
    let clip = prop::option::of(Just((-1.5, 2.5)));
    (transform, scale, clip, 0.0..3.0_f64).prop_map(|(transform, scale, clip, absent_value)| {
        let policy = ScalePolicy::default().transform(transform).scale(scale);
        let policy = policy.absent_value(absent_value);
        clip.map_or(policy, |(low, high)| policy.clip(low, high))
    })
}

#[derive(Debug)]
struct Case {
    scaler: Scaler,
    weights: Vec<f32>,
    /// Raw values at present positions.
    row: Vec<(u32, f32)>,
}

prop_compose! {
    fn case()(
        policies in prop::collection::vec(policy(), DIMENSION),
        statistics in prop::collection::vec((-2.0..9.0_f64, 0.02..9.0_f64), DIMENSION),
        weights in prop::collection::vec(-2.0..2.0_f32, DIMENSION),
        row in prop::collection::btree_map(0..12_u32, 0.0..60.0_f32, 0..DIMENSION),
    ) -> Case {
        let is_scaled: Vec<_> = policies.iter().map(|p| p.scale != Scale::None).collect();
        let policies = ScalePolicies::new(policies, (0..12).collect()).unwrap();
        let scaled = || (0..12_u32).zip(&statistics).filter(|(p, _)| is_scaled[*p as usize]);
        let positions = scaled().map(|(p, _)| p).collect();
        let mean = scaled().map(|(_, s)| s.0).collect();
        let std_dev = scaled().map(|(_, s)| s.1).collect();
        let scaler = Scaler::from_parts(&policies, positions, mean, std_dev).unwrap();
        Case { scaler, weights, row: row.into_iter().collect() }
    }
}

impl Case {
    /// `Σ wᵢ f(xᵢ)` over all positions as written, and `Σ |wᵢ f(xᵢ)|`.
    fn dense(&self) -> (f64, f64) {
        let mut x: Vec<f64> = self
            .scaler
            .policies()
            .index()
            .iter()
            .map(|&p| self.scaler.policies().policies()[usize::from(p)].absent_value)
            .collect();
        for &(position, value) in &self.row {
            x[position as usize] = value.into();
        }
        let (mut sum, mut size) = (0.0, 0.0_f64);
        for (position, x) in (0_u32..).zip(x) {
            let f = self.scaler.apply(position, x).unwrap();
            let term = f64::from(self.weights[position as usize]) * f;
            sum += term;
            size += term.abs();
        }
        (sum, size)
    }
}

proptest! {
    #[test]
    fn sparse_rows_have_the_margin_of_dense_ones(case in case()) {
        let (dense, mut size) = case.dense();
        let scaler = &case.scaler;
        let mut margin = scaler.absent_constant(&case.weights).unwrap();
        let positions: Vec<_> = case.row.iter().map(|&(position, _)| position).collect();
        let mut values: Vec<_> = case.row.iter().map(|&(_, value)| value).collect();
        scaler.policies().transform_in_place(&positions, &mut values).unwrap();
        scaler.scale_in_place(&positions, &mut values).unwrap();
        for (&position, &value) in positions.iter().zip(&values) {
            let weight = f64::from(case.weights[position as usize]);
            margin += weight * f64::from(value);
            let absent = scaler.policies().policy(position).unwrap().absent_value;
            size += (weight * scaler.apply(position, absent).unwrap()).abs();
        }
        // A transformed value is rounded to f32 before its scale: 2⁻²⁵ of it, times 1/D.
        let steps: f64 = case.row.iter().map(|&(position, value)| {
            let policy = scaler.policies().policy(position).unwrap();
            let t = policy.transform.apply(value.into()).unwrap().abs() + policy.absent_value;
            let z = scaler.apply(position, value.into()).unwrap().abs();
            f64::from(case.weights[position as usize]).abs() * (t * slope(scaler, position) + z) * 6e-8
        }).sum();
        prop_assert!((margin - dense).abs() <= 1e-6 * size + steps, "{margin} {dense} {size}");
    }

    #[test]
    fn centering_is_exact_in_double_precision(case in case()) {
        let (dense, mut size) = case.dense();
        let scaler = &case.scaler;
        let mut margin = scaler.absent_constant(&case.weights).unwrap();
        for &(position, value) in &case.row {
            let weight = f64::from(case.weights[position as usize]);
            let absent = scaler.policies().policy(position).unwrap().absent_value;
            let f = scaler.apply(position, value.into()).unwrap();
            let f0 = scaler.apply(position, absent).unwrap();
            margin += weight * (f - f0);
            size += (weight * f0).abs();
        }
        prop_assert!((margin - dense).abs() <= 1e-12 * size, "{margin} {dense} {size}");
    }

    #[test]
    fn parts_rebuild_the_scaler_to_the_bit(case in case()) {
        let parts = case.scaler.parts();
        let rebuilt = Scaler::from_parts(
            case.scaler.policies(),
            parts.positions.to_vec(),
            parts.mean.to_vec(),
            parts.std_dev.to_vec(),
        ).unwrap();
        for &(position, value) in &case.row {
            let bits = |scaler: &Scaler| scaler.apply(position, value.into()).map(f64::to_bits);
            prop_assert_eq!(bits(&case.scaler), bits(&rebuilt));
        }
        prop_assert_eq!(rebuilt, case.scaler);
    }

    #[test]
    fn stored_values_are_explained_in_their_own_unit(case in case()) {
        let scaler = &case.scaler;
        for &(position, x) in &case.row {
            let policy = scaler.policies().policy(position).unwrap();
            let (x, f0) = (f64::from(x), scaler.apply(position, policy.absent_value).unwrap());
            let f = scaler.apply(position, x).unwrap();
            let z_is_moderate = policy.scale != Scale::Unit || (0.01..0.99).contains(&f);
            if z_is_moderate && policy.clip.is_none_or(|clip| f > clip.low && f < clip.high) {
                let back = scaler.invert(position, f - f0).unwrap();
                approx::assert_relative_eq!(back, x, epsilon = 1e-10, max_relative = 1e-10);
            }
        }
    }

    /// New statistics, carried weights: the margin stays.
    #[test]
    fn weights_are_carried_from_one_population_to_the_next(
        x in prop::collection::vec(0.0..60.0_f64, 5),
        weights in prop::collection::vec(-2.0..2.0_f64, 5),
        before in prop::collection::vec((0.0..9.0_f64, 0.001..9.0_f64), 5),
        after in prop::collection::vec((0.0..9.0_f64, 0.001..9.0_f64), 5),
    ) {
        let policies = ScalePolicies::uniform(z_score(), 5).unwrap();
        let of = |statistics: &[(f64, f64)]| {
            let (mean, std_dev) = statistics.iter().copied().unzip();
            Scaler::from_parts(&policies, (0..5).collect(), mean, std_dev).unwrap()
        };
        let (before, after) = (of(&before), of(&after));
        let margin = |scaler: &Scaler, weights: &[f64]| -> f64 {
            (0..5_u32).map(|p| {
                let entry = scaler.apply(p, x[p as usize]).unwrap() - scaler.apply(p, 0.0).unwrap();
                weights[p as usize] * entry
            }).sum()
        };
        let factors: Vec<_> = before.rescale_factors(&after).unwrap().collect();
        let carried: Vec<_> = weights.iter().zip(&factors).map(|(w, &f)| w / f64::from(f)).collect();
        let size: f64 = weights.iter().zip(&x).zip(0..).map(|((w, x), p)| (w * x).abs() * slope(&before, p)).sum();
        let (old, new) = (margin(&before, &weights), margin(&after, &carried));
        prop_assert!((old - new).abs() <= 1e-7 * size, "{old} {new}");
    }
}

/// `1/D` after the cap.
fn slope(scaler: &Scaler, position: u32) -> f64 {
    let parts = scaler.parts();
    let policy = scaler.policies().policy(position).unwrap();
    match parts.positions.binary_search(&position) {
        Ok(at) if parts.std_dev[at] > 0.0 => {
            (1.0 / parts.std_dev[at]).min(policy.max_inverse_std_dev)
        }
        _ => 1.0,
    }
}

#[test]
fn a_smaller_spread_makes_stored_values_larger() {
    let before = scaler(z_score(), 6.0, 2.0);
    let after = scaler(z_score(), 9.0, 0.5);
    let factors: Vec<_> = before.rescale_factors(&after).unwrap().collect();
    assert_eq!(factors, [4.0]);
    assert_eq!(stored(&after, 15.0), 4.0 * stored(&before, 15.0));
}
