//! What stands in a message: the value, the limit and the place.

use zscore_stats::{
    CohortError, Cohorts, PolicyError, Population, PopulationDecodeError, PopulationError, Scale,
    ScalePolicies, ScalePolicy, Scaler, ScalerError, Transform, ValueError,
};

fn is_shareable<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn errors_cross_threads() {
    is_shareable::<CohortError>();
    is_shareable::<PolicyError>();
    is_shareable::<PopulationDecodeError>();
    is_shareable::<PopulationError>();
    is_shareable::<ScalerError>();
    is_shareable::<ValueError>();
}

fn rendered(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", rendered(source)),
        None => error.to_string(),
    }
}

#[test]
fn a_row_that_cannot_be_counted_says_why() {
    let push = |positions: &[u32], values: &[f32]| {
        let mut population = Population::new(Cohorts::single(4).unwrap());
        rendered(&population.push(0, (positions, values)).unwrap_err())
    };
    let row = "row cannot be counted: ";
    assert_eq!(
        push(&[1], &[]),
        format!("{row}1 positions and 0 values in one row")
    );
    assert_eq!(
        push(&[4], &[1.0]),
        format!("{row}position 4 is not below the dimension 4")
    );
    assert_eq!(
        push(&[2, 2], &[1.0, 1.0]),
        format!("{row}position 2 does not follow position 2 in increasing order")
    );
    assert_eq!(
        push(&[0, 3], &[1.0, f32::NAN]),
        format!("{row}value NaN at position 3 is not finite")
    );
    assert_eq!(
        push(&[3], &[f32::NEG_INFINITY]),
        format!("{row}value -inf at position 3 is not finite")
    );
    assert_eq!(
        push(&[3], &[-16_777_218.0]),
        format!("{row}value -16777218 at position 3 is above 2^24 = 16777216 in size")
    );
    assert_eq!(
        rendered(
            &Population::new(Cohorts::single(4).unwrap())
                .push(2, (&[], &[]))
                .unwrap_err()
        ),
        "cohort 2 is not one of the 1 cohorts"
    );
}

#[test]
fn a_value_outside_a_transform_says_which() {
    let policy = ScalePolicy::default().transform(Transform::Log1p);
    let policies = ScalePolicies::uniform(policy, 3).unwrap();
    let transform = |positions: &[u32], values: &mut [f32]| {
        rendered(&policies.transform_in_place(positions, values).unwrap_err())
    };
    assert_eq!(
        transform(&[0, 2], &mut [1.0, -1.0]),
        "value -1 at position 2 is outside the domain of Log1p"
    );
    assert_eq!(
        transform(&[2], &mut [f32::NAN]),
        "value NaN at position 2 is not finite"
    );
    assert_eq!(
        transform(&[3], &mut [1.0]),
        "position 3 is not below the dimension 3"
    );
}

#[test]
fn a_policy_that_cannot_be_applied_says_why() {
    let refused = |policy: ScalePolicy| rendered(&policy.validate().unwrap_err());
    let base = ScalePolicy::default();
    assert_eq!(
        refused(base.transform(Transform::Log)),
        "absent value 0 has no transform Log that is finite and at most 2^24 in size"
    );
    assert_eq!(
        refused(base.absent_value(f64::NAN)),
        "absent value NaN has no transform None that is finite and at most 2^24 in size"
    );
    assert_eq!(
        refused(base.clip(3.0, 3.0)),
        "clip bounds 3 and 3 must be finite, the first below the second"
    );
    assert_eq!(
        refused(base.max_inverse_std_dev(0.0)),
        "cap 0 on 1/D must be between 2^-24 and 2^24"
    );
    assert!(base.max_inverse_std_dev(f64::INFINITY).validate().is_err());
    assert!(base.max_inverse_std_dev(f64::NAN).validate().is_err());
    assert!(base.clip(f64::NAN, 1.0).validate().is_err());
    assert_eq!(
        rendered(&ScalePolicies::new(vec![base], vec![0, 1]).unwrap_err()),
        "position 1 names policy 1, and there are 1"
    );
}

#[test]
fn statistics_that_cannot_be_say_so() {
    let z_score = ScalePolicy::default().scale(Scale::ZScore);
    let policies =
        ScalePolicies::new(vec![z_score, ScalePolicy::default()], vec![0, 0, 1]).unwrap();
    let refused = |positions: &[u32], mean: &[f64], std_dev: &[f64]| {
        let parts = (positions.to_vec(), mean.to_vec(), std_dev.to_vec());
        rendered(&Scaler::from_parts(&policies, parts.0, parts.1, parts.2).unwrap_err())
    };
    assert_eq!(
        refused(&[0], &[1.0], &[]),
        "1 positions, 1 means and 0 standard deviations"
    );
    let order =
        |position| format!("position {position} is out of order or not below the dimension 3");
    assert_eq!(refused(&[1, 0], &[1.0; 2], &[1.0; 2]), order(0));
    assert_eq!(refused(&[1, 1], &[1.0; 2], &[1.0; 2]), order(1));
    assert_eq!(refused(&[3], &[1.0], &[1.0]), order(3));
    assert_eq!(
        refused(&[2], &[1.0], &[1.0]),
        "statistics for position 2, which is not scaled"
    );
    assert_eq!(
        refused(&[1], &[0.5], &[-1.0]),
        "mean 0.5 and standard deviation -1 at position 1: both must be at most 2^25 in size, and the second not negative"
    );
    assert!(refused(&[1], &[f64::NAN], &[1.0]).starts_with("mean NaN"));
    let scaler = Scaler::identity(&policies);
    assert_eq!(
        rendered(&scaler.absent_constant(&[1.0]).unwrap_err()),
        "1 positions where the dimension is 3"
    );
    let other = ScalePolicies::uniform(z_score, 3).unwrap();
    assert_eq!(
        scaler.rescale_factors(&Scaler::identity(&other)).err(),
        Some(ScalerError::OtherPolicies)
    );
}
