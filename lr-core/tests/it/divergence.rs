//! A run that diverges: a typed error, and the bits of the last good state.

use lr_core::{
    AdaGradConfig, BankConfig, CheckedRow, FtrlConfig, LearnError, Learner, LearnerConfig,
    LearnerState, NormalizedConfig, OptimizerConfig, Quantity, SgdConfig, TensorData,
};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

const DIMENSION: usize = 16;

/// Every number of a state, as bits.
fn bits(state: &LearnerState) -> Vec<u64> {
    let mut bits = Vec::new();
    for tensor in &state.tensors {
        match &tensor.data {
            TensorData::F32(numbers) => bits.extend(numbers.iter().map(|n| u64::from(n.to_bits()))),
            TensorData::F64(numbers) => bits.extend(numbers.iter().map(|n| n.to_bits())),
            TensorData::U64(numbers) => bits.extend(numbers),
            other => panic!("{other:?}"),
        }
    }
    bits
}

/// Whether every learned number is finite; a half-life among the settings may be infinite.
pub(crate) fn is_finite(state: &LearnerState) -> bool {
    let mut learned = state.tensors.iter().filter(|t| t.name != "settings");
    learned.all(|tensor| match &tensor.data {
        TensorData::F32(numbers) => numbers.iter().all(|n| n.is_finite()),
        TensorData::F64(numbers) => numbers.iter().all(|n| n.is_finite()),
        _ => true,
    })
}

/// Each optimiser at its most and least cautious.
fn any_optimizer() -> impl Strategy<Value = OptimizerConfig> {
    let rate = || prop::sample::select(vec![1e-9, 0.1, 50.0, 1e5, 1e9]);
    prop_oneof![
        (any::<bool>(), any::<bool>()).prop_map(|(l1, wide)| {
            let bank = BankConfig::default().l1(if l1 { 0.5 } else { 0.0 });
            OptimizerConfig::Bank(if wide {
                bank.prior_variance(1e3).bias_variance(1e3).forgetting(0.5)
            } else {
                bank
            })
        }),
        (rate(), any::<bool>(), any::<bool>()).prop_map(|(alpha, damped, sparse)| {
            OptimizerConfig::Ftrl(
                FtrlConfig::default()
                    .alpha(alpha)
                    .beta(if damped { 1.0 } else { 0.0 })
                    .l1(if sparse { 1.0 } else { 0.0 }),
            )
        }),
        (rate(), prop::sample::select(vec![1e-20, 1e-6, 1.0])).prop_map(|(r, beta)| {
            OptimizerConfig::AdaGrad(AdaGradConfig::default().learning_rate(r).beta(beta))
        }),
        rate().prop_map(|r| {
            OptimizerConfig::Normalized(NormalizedConfig::default().learning_rate(r))
        }),
        (rate(), prop::sample::select(vec![0.0, 1e-3, 1e30])).prop_map(|(r, l2)| {
            OptimizerConfig::Sgd(SgdConfig::default().learning_rate(r).l2(l2))
        }),
    ]
}

/// Magnitudes from the least subnormal to the largest finite number, either sign.
fn any_value() -> impl Strategy<Value = f32> {
    prop_oneof![
        -3.0_f32..3.0,
        (-45.0_f32..38.5, any::<bool>()).prop_map(|(power, negative)| {
            let size = 10_f32.powf(power).min(f32::MAX);
            if negative { -size } else { size }
        }),
    ]
}

fn any_importance() -> impl Strategy<Value = f32> {
    prop_oneof![0.0_f32..20.0, any_value().prop_map(f32::abs)]
}

fn any_event() -> impl Strategy<Value = (Vec<u32>, Vec<f32>, bool, f32)> {
    let row = prop::collection::btree_map(0..16_u32, any_value(), 0..6);
    (row, any::<bool>(), any_importance()).prop_map(|(row, label, importance)| {
        let (positions, values) = row.into_iter().unzip();
        (positions, values, label, importance)
    })
}

proptest! {
    #[test]
    fn no_event_leaves_a_state_that_is_not_finite_and_a_refused_one_leaves_every_bit(
        optimizer in any_optimizer(),
        half_life in prop::sample::select(vec![100.0, f64::INFINITY]),
        max_margin in prop::sample::select(vec![1.0, 1e4, 1e300]),
        max_mean_loss in prop::sample::select(vec![1e-3, 2.0, 1e300]),
        events in prop::collection::vec(any_event(), 1..60),
    ) {
        let config = LearnerConfig::from(optimizer)
            .half_life(half_life)
            .max_margin(max_margin)
            .max_mean_loss(max_mean_loss);
        let mut learner = Learner::new(DIMENSION, config.clone()).unwrap();
        for (positions, values, label, importance) in &events {
            let row = CheckedRow::new(positions, values).unwrap();
            let before = bits(&learner.state());
            match learner.learn_row(&row, *label, *importance) {
                Ok(prediction) => {
                    prop_assert!(prediction.margin.abs() <= max_margin);
                    prop_assert!(is_finite(&learner.state()), "{:?}", learner.state());
                }
                Err(LearnError::Diverged { quantity, value, limit, event }) => {
                    prop_assert!(value.is_nan() || value > limit, "{} {}", value, limit);
                    prop_assert_eq!(event, learner.events());
                    prop_assert!(matches!(
                        quantity,
                        Quantity::Margin | Quantity::MeanLoss | Quantity::Step
                    ));
                    prop_assert_eq!(bits(&learner.state()), before);
                }
                Err(other) => panic!("{other}"),
            }
        }
        // What is left can be taken up again, bit for bit.
        let state = learner.state();
        let again = Learner::from_state(config, &state).unwrap();
        prop_assert_eq!(bits(&again.state()), bits(&state));
    }
}

#[test]
fn each_quantity_that_diverges_is_named_with_its_value_and_limit() {
    let sgd = |rate| OptimizerConfig::Sgd(SgdConfig::default().learning_rate(rate));
    let row = CheckedRow::new(&[0], &[2.0]).unwrap();
    let message = |config: LearnerConfig, label: &dyn Fn(u64) -> bool, importance: f32| {
        let mut learner = Learner::new(1, config).unwrap();
        loop {
            let label = label(learner.events());
            if let Err(error) = learner.learn_row(&row, label, importance) {
                return error.to_string();
            }
        }
    };
    // A gradient of −1/2 with an importance of 1/2 adds 5 to the weight and 2.5 to the bias.
    let config = LearnerConfig::from(sgd(10.0));
    assert_eq!(
        message(config.clone().max_margin(12.0), &|_| true, 0.5),
        "diverged at event 1: margin 12.5 is beyond 12"
    );
    assert_eq!(
        message(
            config.clone().max_mean_loss(1e-3),
            &|event| event % 2 == 0,
            1.0
        ),
        "diverged at event 1: mean loss 0.0025 is beyond 0.001"
    );
    assert_eq!(
        message(config, &|_| true, 1e9),
        "diverged at event 0: step 2000000000 is beyond 1000000000"
    );
}

#[test]
fn an_important_example_far_on_the_wrong_side_is_followed_to_where_its_gradient_ends() {
    let config = OptimizerConfig::Sgd(SgdConfig::default().learning_rate(1e4));
    let mut learner = Learner::new(1, config).unwrap();
    let row = CheckedRow::new(&[], &[]).unwrap();
    // One step of 1e4 / 2 down, then the flow over 1e4 · 50 up from an agreement t of -5,000:
    // δ + e^(t + δ) = 5e5, so that t + δ = ln(5e5 - 5,013.1).
    learner.learn_row(&row, false, 1.0).unwrap();
    let down = learner.learn_row(&row, true, 50.0).unwrap().margin;
    assert!((down + 5000.0).abs() < 1e-3, "{down}");
    let up = learner.predict_row(&row).unwrap().margin;
    assert!((up - 494_986.9_f64.ln()).abs() < 1e-3, "{up}");
}
