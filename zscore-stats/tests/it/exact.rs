//! Sums are exact: order, split, replacement and removal leave no trace.

use proptest::prelude::*;
use zscore_stats::sprs::CsMatI;
use zscore_stats::{Cohorts, Population, PopulationError};

const DIMENSION: u32 = 7;

type Row = (Vec<u32>, Vec<f32>);

/// Rows over a few positions: counts, ones, shares, and values with a large offset.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![
        Just(1.0_f32),
        (0_u16..500).prop_map(f32::from),
        -1.0_f32..1.0,
        1e6_f32..1.6e7,
        Just(0.0),
    ];
    let row = prop::collection::btree_map(0..DIMENSION, value, 0..DIMENSION as usize)
        .prop_map(|row| row.into_iter().unzip());
    let ones = prop::collection::btree_set(0..DIMENSION, 0..DIMENSION as usize).prop_map(|row| {
        let positions: Vec<_> = row.into_iter().collect();
        let values = vec![1.0; positions.len()];
        (positions, values)
    });
    prop::collection::vec(prop_oneof![row, ones], 0..40)
}

fn empty() -> Population {
    Population::new(Cohorts::single(DIMENSION as usize).unwrap())
}

fn of(rows: &[Row]) -> Population {
    let mut population = empty();
    for (positions, values) in rows {
        population.push(0, (&positions[..], &values[..])).unwrap();
    }
    population
}

proptest! {
    #[test]
    fn merge_at_any_split_equals_one_pass(rows in rows(), at in any::<prop::sample::Index>()) {
        let at = at.index(rows.len() + 1);
        let mut merged = of(&rows[at..]);
        merged.merge(&of(&rows[..at])).unwrap();
        prop_assert_eq!(&merged, &of(&rows));
        prop_assert_eq!(merged.to_bytes(), of(&rows).to_bytes());
        merged.check().unwrap();
        merged.subtract(&of(&rows[at..])).unwrap();
        prop_assert_eq!(merged, of(&rows[..at]));
    }

    #[test]
    fn replacing_and_removing_leaves_no_trace(rows in rows(), other in rows()) {
        let mut population = of(&rows);
        for (old, new) in rows.iter().zip(&other) {
            population
                .replace(0, (&old.0[..], &old.1[..]), (&new.0[..], &new.1[..]))
                .unwrap();
        }
        let common = rows.len().min(other.len());
        let mut expected = of(&other[..common]);
        expected.merge(&of(&rows[common..])).unwrap();
        prop_assert_eq!(&population, &expected);
        for row in other[..common].iter().chain(&rows[common..]) {
            population.remove(0, (&row.0[..], &row.1[..])).unwrap();
        }
        prop_assert_eq!(population, empty());
    }

    #[test]
    fn a_batch_counts_as_its_rows(rows in rows()) {
        let mut indptr = vec![0];
        let (mut positions, mut values) = (Vec::new(), Vec::new());
        for row in &rows {
            positions.extend_from_slice(&row.0);
            values.extend_from_slice(&row.1);
            indptr.push(positions.len());
        }
        let shape = (rows.len(), DIMENSION as usize);
        let batch = CsMatI::new(shape, indptr, positions, values);
        let mut population = empty();
        population.push_batch(0, batch.view()).unwrap();
        prop_assert_eq!(population, of(&rows));
    }

    #[test]
    fn whatever_is_removed_nothing_panics(rows in rows(), other in rows()) {
        let mut population = of(&rows);
        for row in &other {
            let before = population.clone();
            if population.remove(0, (&row.0[..], &row.1[..])).is_err() {
                prop_assert_eq!(&population, &before);
            }
            for position in 0..DIMENSION {
                let variance = population.population_variance(position);
                prop_assert!(variance.is_none_or(|variance| variance >= 0.0));
            }
        }
    }
}

/// A small generator, so that the thousand cases are the same everywhere.
fn next(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 40).unwrap()
}

#[test]
fn a_thousand_orders_and_splits_give_the_same_bytes() {
    let mut state = 7;
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..60 {
        let position = u32::try_from(next(&mut state)).unwrap() % (DIMENSION - 1);
        let (small, large) = (next(&mut state) % 9, next(&mut state) % 1_600_000);
        #[expect(clippy::cast_precision_loss, reason = "small integers")]
        let values = vec![small as f32, large as f32 / 7.0];
        rows.push((vec![position, position + 1], values));
    }
    let expected = of(&rows).to_bytes();
    for _ in 0..1000 {
        for at in (1..rows.len()).rev() {
            rows.swap(at, next(&mut state) % (at + 1));
        }
        let mut parts: Vec<_> = (0..1 + next(&mut state) % 8).map(|_| empty()).collect();
        for (positions, values) in &rows {
            let part = next(&mut state) % parts.len();
            parts[part].push(0, (&positions[..], &values[..])).unwrap();
        }
        let mut whole = empty();
        for part in &parts {
            whole.merge(part).unwrap();
        }
        assert_eq!(whole.to_bytes(), expected);
    }
}

#[test]
fn sums_end_at_the_limit_with_an_error() {
    let largest = 16_777_216.0;
    let mut population = Population::new(Cohorts::single(2).unwrap());
    population.push(0, (&[1], &[largest])).unwrap();
    for _ in 0..31 {
        population.merge(&population.clone()).unwrap();
    }
    // 2³¹ rows of squares 2⁹⁶: twice that is 2¹²⁸, one too many.
    assert_eq!(population.size(0), 1 << 31);
    let before = population.clone();
    let full = Err(PopulationError::Overflow { position: 1 });
    assert_eq!(population.merge(&before), full);
    assert_eq!(population, before);

    // All but the last row fit.
    let mut rest = before.clone();
    rest.remove(0, (&[1], &[largest])).unwrap();
    population.merge(&rest).unwrap();
    assert_eq!(population.size(0), (1 << 32) - 1);
    assert_eq!(population.push(0, (&[1], &[largest])), full);
    assert_eq!(population.push(0, (&[1], &[1.0])), Ok(()));
    population.push(0, (&[], &[])).unwrap();
    assert_eq!(population.push(0, (&[0], &[largest])), Ok(()));
    assert_eq!(population.push(0, (&[0, 1], &[1.0, largest])), full);
    assert_eq!(population.moments(0).unwrap().nonzeros, 1);
}

#[test]
fn zeros_count_through_the_size_alone() {
    let mut population = empty();
    population.push(0, (&[2, 3], &[4.0, 0.0])).unwrap();
    population.push(0, (&[], &[])).unwrap();
    assert_eq!(population.mean(2), Some(2.0));
    assert_eq!(population.population_variance(2), Some(4.0));
    assert_eq!(population.population_std_dev(2), Some(2.0));
    assert_eq!(population.moments(3).unwrap().nonzeros, 0);
    assert_eq!(population.mean(6), Some(0.0));
    assert_eq!(population.mean(7), None);
    assert_eq!(empty().mean(0), None);
    assert_eq!(empty().population_variance(0), None);
}

#[test]
fn taking_out_what_was_never_counted_is_refused() {
    let mut population = of(&[(vec![0, 1], vec![3.0, 5.0]), (vec![0], vec![1.0])]);
    let before = population.clone();
    let missing = |position| Err(PopulationError::NotCounted { position });
    // No such position, more than the sum of squares, and a rest that no rows have.
    assert_eq!(population.remove(0, (&[2], &[1.0])), missing(2));
    assert_eq!(population.remove(0, (&[0], &[4.0])), missing(0));
    assert_eq!(population.remove(0, (&[1], &[4.0])), missing(1));
    assert_eq!(
        population.replace(0, (&[0, 1], &[3.0, 4.0]), (&[], &[])),
        missing(1)
    );
    assert_eq!(
        population.subtract(&of(&[(vec![5], vec![1.0])])),
        missing(5)
    );
    assert_eq!(population, before);
    assert_eq!(empty().remove(0, (&[], &[])), missing(0));

    // A row without positions was not there, and only `check` can tell.
    population.remove(0, (&[], &[])).unwrap();
    assert_eq!(population.check(), missing(0));
    assert_eq!(population.population_variance(0), None);
}
