//! Rows that are checked once.

use lr_core::{
    CheckedRow, Example, Kernel, Learner, LearnerConfig, LinearModel, OptimizerConfig, RowError,
    sprs::CsVecViewI,
};
use proptest::prelude::*;

#[test]
fn faults_of_a_row_are_named() {
    let fault = |positions: &[u32], values: &[f32]| CheckedRow::new(positions, values).unwrap_err();
    assert_eq!(
        fault(&[4, 4], &[1.0, 1.0]),
        RowError::PositionOrder {
            position: 4,
            previous: 4
        }
    );
    assert_eq!(
        fault(&[1, 2], &[1.0, f32::INFINITY]),
        RowError::ValueNotFinite {
            position: 2,
            value: f32::INFINITY
        }
    );
    assert_eq!(
        fault(&[1, 2], &[1.0]),
        RowError::LengthMismatch {
            what: "positions against values",
            left: 2,
            right: 1
        }
    );
    assert!(CheckedRow::new(&[], &[]).is_ok());
}

#[test]
fn a_checked_row_must_fit_the_model() {
    let model = LinearModel::new(vec![1.0, 2.0], 0.5).unwrap();
    let outside = CheckedRow::new(&[1, 5, 6], &[1.0, 1.0, 1.0]).unwrap();
    assert_eq!(
        model.margin_of(&outside),
        Err(RowError::PositionOutOfRange {
            position: 5,
            dimension: 2
        })
    );
    let empty = CheckedRow::new(&[], &[]).unwrap();
    assert_eq!(model.margin_of(&empty), Ok(0.5));
}

#[test]
fn values_that_are_not_finite_are_found_under_any_weight() {
    let model = LinearModel::new(vec![0.0; 9], 0.0).unwrap();
    let positions: Vec<u32> = (0..9).collect();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in 0..9 {
            let mut values = [1.0_f32; 9];
            values[place] = value;
            let row = CsVecViewI::new(9, &positions[..], &values[..]);
            let refused = model.margin(&row);
            assert!(
                matches!(refused, Err(RowError::ValueNotFinite { position, .. })
                    if position as usize == place),
                "{value} at {place}: {refused:?}"
            );
        }
    }
    // An overflowing sum of finite values is no fault of the row.
    let model = LinearModel::new(vec![f32::MAX; 2], 0.0).unwrap();
    let row = CsVecViewI::new(2, &[0_u32, 1][..], &[2.0_f32, 2.0][..]);
    assert_eq!(model.margin(&row), Ok(f64::INFINITY));
}

proptest! {
    #[test]
    fn margin_is_the_sum_of_products(
        entries in proptest::collection::btree_map(0_u32..300, -4.0_f32..4.0, 0..60),
        seed in 1_u32..1000,
    ) {
        let weights: Vec<f32> = (0..300_u32)
            .map(|i| f32::from(u16::try_from(i.wrapping_mul(seed) % 512).unwrap()) / 256.0 - 1.0)
            .collect();
        let (positions, values): (Vec<u32>, Vec<f32>) = entries.into_iter().unzip();
        let expected: f64 = positions
            .iter()
            .zip(&values)
            .map(|(&p, &v)| f64::from(weights[p as usize]) * f64::from(v))
            .sum::<f64>() + 0.125;
        let model = LinearModel::new(weights, 0.125).unwrap();
        let row = CheckedRow::new(&positions, &values).unwrap();
        let margin = model.margin_of(&row).unwrap();
        prop_assert!((margin - expected).abs() <= 1e-4, "{} {}", margin, expected);
        let view = CsVecViewI::new(300, &positions[..], &values[..]);
        prop_assert_eq!(model.margin(&view).unwrap().to_bits(), margin.to_bits());
    }

    /// Rows of no entry to four blocks, values large enough to be shrunk, importances on both sides
    /// of what the fast paths take, and sums that age.
    #[test]
    fn every_kernel_learns_the_same_bits_from_checked_and_unchecked_rows(
        rows in proptest::collection::vec(
            (
                proptest::collection::btree_map(0_u32..150, -4.0_f32..4.0, 0..65),
                any::<bool>(),
                proptest::sample::select(vec![0.0_f32, 0.25, 1.0, 3.5]),
            ),
            1..40,
        ),
    ) {
        for name in ["sgd", "adagrad", "normalized", "ftrl", "bank"] {
            let config = LearnerConfig::from(name.parse::<OptimizerConfig>().unwrap())
                .half_life(100.0);
            let mut plain = Learner::new(150, config.clone()).unwrap();
            plain.set_kernel(Kernel::Plain);
            let mut others: Vec<Learner> = Kernel::available()
                .into_iter()
                .map(|kernel| {
                    let mut learner = Learner::new(150, config.clone()).unwrap();
                    learner.set_kernel(kernel);
                    learner
                })
                .collect();
            for (entries, label, importance) in &rows {
                let (positions, values): (Vec<u32>, Vec<f32>) = entries.clone().into_iter().unzip();
                let view = CsVecViewI::new(150, &positions[..], &values[..]);
                let row = CheckedRow::new(&positions, &values).unwrap();
                let example = Example::new(view, *label).importance(*importance);
                let expected = plain.learn(&example);
                for other in &mut others {
                    prop_assert_eq!(&other.learn_row(&row, *label, *importance), &expected);
                    prop_assert_eq!(other.predict_row(&row), plain.predict(&view));
                }
            }
            for other in &others {
                prop_assert_eq!(other.state(), plain.state(), "{}", name);
            }
        }
    }
}
