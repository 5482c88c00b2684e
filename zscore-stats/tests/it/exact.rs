//! Sums are exact: order, split, replacement and removal leave no trace.

use proptest::prelude::*;
use zscore_stats::{Cohorts, Population};

const DIMENSION: usize = 7;

/// Rows over a few positions: counts, ones, shares, and values with a large offset.
fn rows() -> impl Strategy<Value = Vec<(Vec<u32>, Vec<f32>)>> {
    let value = prop_oneof![
        Just(1.0_f32),
        (0_u16..500).prop_map(f32::from),
        -1.0_f32..1.0,
        1e6_f32..1.6e7,
        Just(0.0),
    ];
    let row = prop::collection::btree_map(0..DIMENSION as u32, value, 0..DIMENSION)
        .prop_map(|row| row.into_iter().unzip());
    prop::collection::vec(row, 0..40)
}

fn empty() -> Population {
    Population::new(Cohorts::single(DIMENSION).unwrap())
}

fn of(rows: &[(Vec<u32>, Vec<f32>)]) -> Population {
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
}
