//! Who is counted where.

use zscore_stats::{CohortError, Cohorts, Membership, Population, PopulationError};

#[test]
fn every_vector_has_a_size_of_its_own() {
    let mut population = Population::new(Cohorts::ranges(&[3, 2]).unwrap());
    population.push(0, (&[0, 2], &[1.0, 6.0])).unwrap();
    population.push(0, (&[2], &[2.0])).unwrap();
    population.push(1, (&[4], &[9.0])).unwrap();
    assert_eq!(
        (population.size(0), population.size(1), population.size(2)),
        (2, 1, 0)
    );
    assert_eq!(population.mean(2), Some(4.0));
    assert_eq!(population.mean(4), Some(9.0));
    let foreign = PopulationError::ForeignPosition {
        position: 3,
        cohort: 0,
        owner: 1,
    };
    assert_eq!(population.push(0, (&[2, 3], &[1.0, 1.0])), Err(foreign));
}

#[test]
fn present_cohorts_count_only_rows_that_have_the_feature() {
    let members = vec![Membership::Every, Membership::Present { of: 0 }];
    // Positions 1 and 3 are a feature that most users lack.
    let cohorts = Cohorts::new(vec![0, 1, 0, 1], members).unwrap();
    let mut users = Population::new(cohorts);
    users.push(0, (&[0, 1, 3], &[2.0, 4.0, 5.0])).unwrap();
    users.push(0, (&[1], &[2.0])).unwrap();
    users.push(0, (&[0], &[1.0])).unwrap();
    users.push(0, (&[], &[])).unwrap();
    assert_eq!((users.size(0), users.size(1)), (4, 2));
    assert_eq!(users.mean(0), Some(0.75));
    assert_eq!(users.mean(1), Some(3.0));
    assert_eq!(users.mean(3), Some(2.5));

    users.replace(0, (&[1], &[2.0]), (&[2], &[7.0])).unwrap();
    assert_eq!((users.size(0), users.size(1)), (4, 1));
    assert_eq!(users.mean(1), Some(4.0));
    let derived = PopulationError::DerivedCohort { cohort: 1, of: 0 };
    assert_eq!(users.push(1, (&[1], &[1.0])), Err(derived));
}

#[test]
fn cohorts_that_contradict_each_other_are_refused() {
    let unknown = CohortError::UnknownCohort {
        cohort: 1,
        cohorts: 1,
    };
    assert_eq!(
        Cohorts::new(vec![0, 1], vec![Membership::Every]),
        Err(unknown.clone())
    );
    let part_of = |of| Membership::Present { of };
    assert_eq!(Cohorts::new(vec![], vec![part_of(1)]), Err(unknown));
    let nested = Cohorts::new(vec![], vec![Membership::Every, part_of(0), part_of(1)]);
    assert_eq!(nested, Err(CohortError::Nested { of: 1 }));
    assert!(matches!(
        Cohorts::single(usize::MAX),
        Err(CohortError::TooMany { .. })
    ));
    assert!(matches!(
        Cohorts::ranges(&[0; 70_000]),
        Err(CohortError::TooMany { .. })
    ));
}

#[test]
fn populations_of_other_cohorts_do_not_merge() {
    let mut population = Population::new(Cohorts::ranges(&[2, 1]).unwrap());
    let other = Population::new(Cohorts::single(3).unwrap());
    assert_eq!(population.merge(&other), Err(PopulationError::OtherCohorts));
    assert_eq!(
        population.subtract(&other),
        Err(PopulationError::OtherCohorts)
    );
}
