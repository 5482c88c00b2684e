//! Rows that are checked once.

use std::collections::BTreeMap;

use lr_core::{
    CheckedExample, CheckedRow, Example, Kernel, LearnError, Learner, LearnerConfig, LinearModel,
    OptimizerConfig, RowError, TensorData, sprs::CsVecViewI,
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

/// Entries, whether their values are all to be 1, label and importance.
type Drawn = (BTreeMap<u32, f32>, bool, bool, f32);

fn filled(rows: &[Drawn]) -> Vec<(Vec<u32>, Vec<f32>)> {
    let fill = |(entries, ones, ..): &Drawn| {
        let (positions, mut values): (Vec<u32>, Vec<f32>) = entries.clone().into_iter().unzip();
        if *ones {
            values.fill(1.0);
        }
        (positions, values)
    };
    rows.iter().map(fill).collect()
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

    /// Rows of no entry to four blocks, of ones and of values large enough to be shrunk, importances
    /// on both sides of what the fast paths take, and sums that age and that do not.
    #[test]
    fn every_kernel_learns_the_same_bits_from_checked_and_unchecked_rows(
        rows in proptest::collection::vec(
            (
                proptest::collection::btree_map(0_u32..150, -4.0_f32..4.0, 0..65),
                any::<bool>(),
                any::<bool>(),
                proptest::sample::select(vec![0.0_f32, 0.25, 1.0, 3.5]),
            ),
            1..100,
        ),
        half_life in proptest::sample::select(vec![100.0, f64::INFINITY]),
    ) {
        for name in ["sgd", "adagrad", "normalized", "ftrl", "bank"] {
            let config = LearnerConfig::from(name.parse::<OptimizerConfig>().unwrap())
                .half_life(half_life);
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
            let mut at_once = others.clone();
            let mut expected_of_all = Vec::new();
            // A value may be so much larger than those before it that a learner refuses its margin.
            let mut refused = Ok(());
            let entries = filled(&rows);
            for ((positions, values), (_, _, label, importance)) in entries.iter().zip(&rows) {
                let view = CsVecViewI::new(150, &positions[..], &values[..]);
                let row = CheckedRow::new(positions, values).unwrap();
                let example = Example::new(view, *label).importance(*importance);
                let expected = plain.learn(&example);
                for other in &mut others {
                    let learned = other.learn_row(&row, *label, *importance);
                    prop_assert_eq!(&learned, &expected);
                    prop_assert_eq!(other.predict_row(&row), plain.predict(&view));
                }
                match expected {
                    Ok(prediction) => expected_of_all.push(prediction),
                    Err(error) => {
                        refused = Err(error);
                        break;
                    }
                }
            }
            let examples: Vec<_> = entries.iter().zip(&rows).map(|((positions, values), row)| {
                let checked = CheckedRow::new(positions, values).unwrap();
                CheckedExample::new(checked, row.2).importance(row.3)
            }).collect();
            for other in &mut at_once {
                let mut predictions = Vec::new();
                prop_assert_eq!(&other.learn_rows(&examples, &mut predictions), &refused);
                prop_assert_eq!(&predictions, &expected_of_all);
            }
            for other in others.iter().chain(&at_once) {
                prop_assert_eq!(other.state(), plain.state(), "{}", name);
            }
        }
    }
}

/// Sums are clamped, and counts halved, at the same event by every kernel, in rows of ones as well.
#[test]
fn every_kernel_keeps_sums_within_their_limits() {
    const LIMIT: f32 = 1e9;
    const MOST_COUNT: f32 = 8_388_608.0;
    // Of one position in four: n, h, and both count and squares, just below a limit and at it.
    let near = [
        (12, LIMIT / 2.0 - 32.0),
        (12, LIMIT),
        (13, LIMIT / 2.0 - 32.0),
        (13, LIMIT),
        (15, MOST_COUNT - 1.0),
        (15, MOST_COUNT),
    ];
    let positions: Vec<u32> = (0..40).collect();
    // What an event adds doubles in a hundred, so that it soon counts beside so large a sum.
    let config = LearnerConfig::default().half_life(100.0);
    for (number, value) in near {
        let mut state = Learner::new(40, config.clone()).unwrap().state();
        let lines = state.tensors.iter_mut().find(|t| t.name == "bank_lines");
        let TensorData::F32(lines) = &mut lines.unwrap().data else {
            unreachable!("lines are f32")
        };
        for line in lines.chunks_mut(16).step_by(4) {
            line[number] = value;
        }
        let learned = Kernel::available().into_iter().map(|kernel| {
            let mut learner = Learner::from_state(config.clone(), &state).unwrap();
            learner.set_kernel(kernel);
            let starts = [0, 7, 24, 30].into_iter().cycle();
            for (event, from) in starts.take(1_200).enumerate() {
                let row = &positions[from..];
                let values = vec![1.0; row.len()];
                let row = CheckedRow::new(row, &values).unwrap();
                learner.learn_row(&row, event % 3 == 0, 1.0).unwrap();
            }
            learner.state()
        });
        let states: Vec<_> = learned.collect();
        assert!(
            states.windows(2).all(|pair| pair[0] == pair[1]),
            "{number} {value}"
        );
        let TensorData::F32(lines) = &states[0]
            .tensors
            .iter()
            .find(|t| t.name == "bank_lines")
            .unwrap()
            .data
        else {
            unreachable!("lines are f32")
        };
        // The last position of the four: in every row.
        let line = &lines[36 * 16..37 * 16];
        assert!(line[12] <= LIMIT && line[13] <= LIMIT, "{line:?}");
        assert!(line[15] <= MOST_COUNT && line[15] >= 4.0, "{line:?}");
    }
}

/// A row that is refused, wherever it stands: the rows before it are learned and nothing else is.
#[test]
fn rows_before_a_refused_one_are_learned() {
    let (positions, values) = ([0, 1, 2, 3], [1.0_f32; 4]);
    let row = CheckedRow::new(&positions[..3], &values[..3]).unwrap();
    let beyond = CheckedRow::new(&positions, &values).unwrap();
    let large = [1e10];
    let large = CheckedRow::new(&positions[..1], &large).unwrap();
    let good = CheckedExample::new(row, true);
    for (bad, message) in [
        (
            CheckedExample::new(beyond, true),
            "position 3 is not below the dimension 3",
        ),
        (
            good.importance(-1.0),
            "importance -1 is not a finite number of at least 0",
        ),
        (CheckedExample::new(large, true), "diverged at event 130: "),
    ] {
        for name in ["sgd", "adagrad", "normalized", "ftrl", "bank"] {
            for at in [0, 1, 63, 64, 65, 130] {
                let config: OptimizerConfig = name.parse().unwrap();
                let mut expected = Learner::new(3, config.clone()).unwrap();
                let mut learner = Learner::new(3, config).unwrap();
                let mut examples = vec![good; 140];
                examples[at] = bad;
                let predictions_of_others: Vec<_> = (0..at)
                    .map(|_| expected.learn_row(&row, true, 1.0).unwrap())
                    .collect();
                let mut predictions = Vec::new();
                let error = learner.learn_rows(&examples, &mut predictions).unwrap_err();
                assert_eq!(predictions, predictions_of_others, "{name} {at}");
                assert_eq!(learner.state(), expected.state(), "{name} {at}");
                let alone = expected.learn_row(&bad.row, true, bad.importance);
                assert_eq!(Err(error.clone()), alone);
                assert_eq!(expected.state(), learner.state(), "{name} {at}");
                if at == 130 {
                    let said = match &error {
                        LearnError::Row { source } => source.to_string(),
                        other => other.to_string(),
                    };
                    assert!(said.starts_with(message), "{said}");
                }
            }
        }
    }
}

/// With a half-life of 100 examples, the units of decayed sums change after about 2,000.
#[test]
fn new_units_in_the_middle_of_rows_change_nothing() {
    let positions: Vec<u32> = (0..40).collect();
    let values = [1.0; 40];
    for name in ["adagrad", "normalized", "ftrl", "bank"] {
        let config = LearnerConfig::from(name.parse::<OptimizerConfig>().unwrap()).half_life(100.0);
        let mut one_by_one = Learner::new(40, config.clone()).unwrap();
        let mut at_once = one_by_one.clone();
        let row = |event: usize| {
            let from = [0, 7, 24, 30][event % 4];
            CheckedRow::new(&positions[from..], &values[from..]).unwrap()
        };
        let examples: Vec<_> = (0..5_000)
            .map(|event| CheckedExample::new(row(event), event % 3 == 0))
            .collect();
        let expected: Vec<_> = examples
            .iter()
            .map(|e| one_by_one.learn_row(&e.row, e.label, 1.0).unwrap())
            .collect();
        let mut predictions = Vec::new();
        at_once.learn_rows(&examples, &mut predictions).unwrap();
        assert_eq!(predictions, expected, "{name}");
        assert_eq!(at_once.state(), one_by_one.state(), "{name}");
        let state = at_once.state();
        let gain = state.tensors.iter().find(|t| t.name == "gain").unwrap();
        let TensorData::F64(gain) = &gain.data else {
            unreachable!("gain is f64")
        };
        assert!(gain[0] < 1_048_576.0, "{gain:?}");
    }
}
