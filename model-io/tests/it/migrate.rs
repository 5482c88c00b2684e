//! A model under another version of its specification.

use feature_spec::{Event, FeatureSpec, PositionMap};
use lr_core::{Example, Learner, LearnerConfig};
use model_io::ServingModel;
use zscore_stats::Population;

use crate::common::{self, EVENT};

/// The specification of the tests with the hashtags moved, a location gone and one new.
fn moved() -> FeatureSpec {
    let text = common::SPEC
        .replace("dimension = 5", "dimension = 9")
        .replace(r#"["delhi", "mumbai"]"#, r#"["patna", "delhi"]"#)
        .replace("start = 2", "start = 1")
        .replace("start = 0", "start = 7");
    FeatureSpec::from_toml(&text).unwrap()
}

#[test]
fn events_of_carried_features_keep_their_probability_to_the_bit() {
    let old = common::servable(100, -0.3);
    let migrated = old.migrated(&moved()).unwrap();
    assert_eq!(migrated.dropped, ["user/location=mumbai"]);

    let event = Event::from_json(EVENT.as_bytes()).unwrap();
    let before = ServingModel::from_snapshot(old)
        .unwrap()
        .predict(&event)
        .unwrap();
    let after = ServingModel::from_snapshot(migrated.snapshot).unwrap();
    let after = after.predict(&event).unwrap();
    assert_eq!(after.probability.to_bits(), before.probability.to_bits());
}

#[test]
fn a_migrated_model_is_a_model_file_again() {
    let migrated = common::servable(100, -0.3)
        .migrated(&moved())
        .unwrap()
        .snapshot;
    let bytes = migrated.to_bytes().unwrap();
    let read = model_io::Snapshot::from_bytes(&bytes).unwrap();
    assert_eq!(read, migrated);
    assert_eq!(
        read.info.spec.fingerprint,
        moved().fingerprint().to_string()
    );
    assert_eq!(read.model.dimension(), 9);
}

#[test]
fn a_position_that_is_scaled_in_another_way_starts_afresh() {
    let text = common::SPEC.replace(r#"scale = "z_score""#, r#"scale = "unit""#);
    let migrated = common::servable(100, -0.3)
        .migrated(&FeatureSpec::from_toml(&text).unwrap())
        .unwrap();
    assert_eq!(migrated.snapshot.model.weights()[..2], [0.0, 0.0]);
    assert!(migrated.snapshot.statistics.positions.is_empty());
    let hashtags = [
        "user/hashtag=#comedy/watched_10s",
        "user/hashtag=#funny/watched_10s",
    ];
    assert_eq!(migrated.dropped, hashtags);
}

#[test]
fn learner_and_population_move_with_the_same_map_and_come_back() {
    let (old, new) = (common::spec(), moved());
    let map = PositionMap::between(&old, &new);
    let forth: Vec<_> = map.sources().collect();
    let back: Vec<_> = map.inverse().sources().collect();

    let mut learner = Learner::new(old.columns(), LearnerConfig::default()).unwrap();
    let mut population = Population::new(old.cohorts());
    // Position 3, the location that is gone, is not touched.
    for round in 0..60_u8 {
        let (positions, values) = ([0_u32, 1, 2], [f32::from(round % 7), 1.5, 1.0]);
        population.push(0, (&positions[..], &values[..])).unwrap();
        let row = sprs::CsVecViewI::new(5, &positions[..], &values[..]);
        learner.learn(&Example::new(row, round % 3 == 0)).unwrap();
    }

    let moved_population = population.remapped(new.cohorts(), &forth).unwrap();
    assert_eq!(moved_population.moments(7), population.moments(0));
    assert_eq!(moved_population.moments(8), population.moments(1));
    assert_eq!(moved_population.size(0), 60);
    let returned = moved_population.remapped(old.cohorts(), &back).unwrap();
    assert_eq!(returned.to_bytes(), population.to_bytes());

    let mut moved_learner = learner.clone();
    moved_learner.remap(&forth).unwrap();
    let before = sprs::CsVecViewI::new(5, &[0_u32, 2][..], &[3.0_f32, 1.0][..]);
    let after = sprs::CsVecViewI::new(9, &[2_u32, 7][..], &[1.0_f32, 3.0][..]);
    let (before, after) = (
        learner.predict(&before).unwrap(),
        moved_learner.predict(&after).unwrap(),
    );
    assert!(
        (before.margin - after.margin).abs() < 1e-6,
        "{before:?} {after:?}"
    );
    moved_learner.remap(&back).unwrap();
    assert_eq!(moved_learner.state(), learner.state());
}

#[test]
fn a_population_refuses_a_map_into_another_cohort() {
    let population = Population::new(common::spec().cohorts());
    assert!(
        population
            .remapped(common::spec().cohorts(), &[Some(9), None, None, None, None])
            .is_err()
    );
    assert!(
        population
            .remapped(common::spec().cohorts(), &[None])
            .is_err()
    );
}
