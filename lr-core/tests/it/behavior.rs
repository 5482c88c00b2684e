//! What learners promise beyond their update rules.

use lr_core::{
    BankConfig, ConfigError, Example, FtrlConfig, Kernel, LearnError, Learner, LearnerConfig,
    LearnerState, Member, OptimizerConfig, RateDecay, RescaleError, RowError, SgdConfig,
    StateError, TensorData, sigmoid, sprs::CsVecViewI,
};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

const NAMES: [&str; 5] = ["bank", "ftrl", "adagrad", "normalized", "sgd"];

fn optimizer(name: &str) -> OptimizerConfig {
    name.parse().unwrap()
}

fn learn(learner: &mut Learner, positions: &[u32], values: &[f32], label: bool, importance: f32) {
    let row = CsVecViewI::new(learner.dimension(), positions, values);
    learner
        .learn(&Example::new(row, label).importance(importance))
        .unwrap();
}

fn margin(learner: &Learner, positions: &[u32], values: &[f32]) -> f64 {
    let row = CsVecViewI::new(learner.dimension(), positions, values);
    learner.predict(&row).unwrap().margin
}

#[test]
fn one_important_example_equals_its_parts_under_sgd() {
    let config = OptimizerConfig::Sgd(SgdConfig::default().learning_rate(0.3));
    let mut once = Learner::new(2, config.clone()).unwrap();
    learn(&mut once, &[0, 1], &[1.0, -2.0], true, 20.0);
    let mut twice = Learner::new(2, config.clone()).unwrap();
    learn(&mut twice, &[0, 1], &[1.0, -2.0], true, 10.0);
    learn(&mut twice, &[0, 1], &[1.0, -2.0], true, 10.0);
    let (a, b) = (
        margin(&once, &[0, 1], &[1.0, -2.0]),
        margin(&twice, &[0, 1], &[1.0, -2.0]),
    );
    // The flow over 20 is the flow over 10, twice; the steps are f32.
    assert!((a - b).abs() < 1e-5 * a.abs(), "{a} {b}");
    // And it solves m + e^m − 1 = 20 η ‖x‖², bias included: the closed form of the paper.
    assert!((a + a.exp() - 1.0 - 20.0 * 0.3 * 6.0).abs() < 1e-3, "{a}");
}

#[test]
fn important_examples_never_overshoot() {
    for name in ["bank", "adagrad", "normalized", "sgd"] {
        let mut learner = Learner::new(2, optimizer(name)).unwrap();
        learn(&mut learner, &[0, 1], &[3.0, 4.0], true, 1e6);
        let after = margin(&learner, &[0, 1], &[3.0, 4.0]);
        // The flow reaches ln(rate · importance · ‖x‖²) < ln(3e7), not 5e5.
        assert!(after > 0.5 && after < 40.0, "{name}: {after}");
    }
}

#[test]
fn ten_small_importances_are_near_one_of_ten() {
    for name in ["bank", "adagrad", "sgd"] {
        let mut once = Learner::new(1, optimizer(name)).unwrap();
        learn(&mut once, &[0], &[0.5], true, 10.0);
        let mut parts = Learner::new(1, optimizer(name)).unwrap();
        for _ in 0..10 {
            learn(&mut parts, &[0], &[0.5], true, 1.0);
        }
        let (a, b) = (margin(&once, &[0], &[0.5]), margin(&parts, &[0], &[0.5]));
        // Rates of adaptive optimisers see ten gradients that shrink, or one that does not.
        assert!(a > 0.0 && a < 2.0 * b && b < 3.0 * a, "{name}: {a} {b}");
    }
}

#[test]
fn importance_zero_counts_an_event_and_learns_nothing() {
    for name in NAMES {
        let mut learner = Learner::new(1, optimizer(name)).unwrap();
        learn(&mut learner, &[0], &[1.0], true, 0.0);
        assert_eq!(learner.events(), 1);
        assert_eq!(
            margin(&learner, &[0], &[1.0]).to_bits(),
            0.0_f64.to_bits(),
            "{name}"
        );
    }
}

#[test]
fn class_weights_multiply_importances() {
    let weighted = LearnerConfig::default().positive_importance(3.0);
    let mut a = Learner::new(1, weighted).unwrap();
    learn(&mut a, &[0], &[1.0], true, 2.0);
    let mut b = Learner::new(1, LearnerConfig::default()).unwrap();
    learn(&mut b, &[0], &[1.0], true, 6.0);
    assert_eq!(
        margin(&a, &[0], &[1.0]).to_bits(),
        margin(&b, &[0], &[1.0]).to_bits()
    );
}

#[test]
fn aged_evidence_lets_rates_rise_again() {
    for name in ["bank", "ftrl", "adagrad", "normalized"] {
        let follow = |config: LearnerConfig| {
            let mut learner = Learner::new(2, config).unwrap();
            for i in 0..6000 {
                learn(&mut learner, &[0], &[1.0], i % 10 == 0, 1.0);
            }
            for i in 0..300 {
                learn(&mut learner, &[0], &[1.0], i % 10 != 0, 1.0);
            }
            sigmoid(margin(&learner, &[0], &[1.0]))
        };
        let config = LearnerConfig::from(optimizer(name));
        let (kept, aged) = (follow(config.clone()), follow(config.half_life(150.0)));
        // From 10 % to 90 %: nearer to the new rate where old evidence is forgotten.
        assert!(aged > kept && aged > 0.6, "{name}: {kept} {aged}");
    }
}

#[test]
fn an_aging_run_resumes_to_the_same_bytes_across_a_change_of_units() {
    for name in NAMES {
        let config = LearnerConfig::from(optimizer(name)).half_life(100.0);
        let mut whole = Learner::new(3, config.clone()).unwrap();
        let mut part = Learner::new(3, config.clone()).unwrap();
        // 2,000 events are 20 half-lives, after which sums change units.
        for i in 0..2300_u32 {
            let (positions, values) = ([i % 2, 2], [1.0, 0.5]);
            learn(&mut whole, &positions, &values, i % 3 == 0, 1.0);
            learn(&mut part, &positions, &values, i % 3 == 0, 1.0);
            if i % 777 == 0 {
                part = Learner::from_state(config.clone(), &part.state()).unwrap();
            }
        }
        assert_eq!(whole.state(), part.state(), "{name}");
    }
}

#[test]
fn every_optimizer_gives_the_same_bits_on_every_kernel() {
    for name in NAMES {
        let mut states: Vec<LearnerState> = Vec::new();
        for kernel in Kernel::available() {
            let mut learner = Learner::new(300, optimizer(name)).unwrap();
            learner.set_kernel(kernel);
            for i in 0..200_u32 {
                // Rows of 0 to 40 entries: whole blocks, rests, and none.
                let positions: Vec<u32> = (0..i % 41).map(|k| k * 7 + i % 5).collect();
                let values: Vec<f32> = positions
                    .iter()
                    .map(|p| 0.1 * f32::from(u16::try_from(p % 50).unwrap()))
                    .collect();
                learn(
                    &mut learner,
                    &positions,
                    &values,
                    i % 3 == 0,
                    1.0 + f32::from(u8::try_from(i % 2).unwrap()),
                );
            }
            states.push(learner.state());
        }
        for state in &states {
            assert_eq!(state, &states[0], "{name}");
        }
    }
}

#[test]
fn l1_makes_exact_zeros_in_the_dump() {
    let noise = |learner: &mut Learner| {
        for i in 0..2000_u32 {
            let positions = [i % 2, 2 + i % 40];
            learn(
                learner,
                &positions,
                &[1.0, 1.0],
                (i % 2 == 0) ^ (i % 7 == 0),
                1.0,
            );
        }
        let zeros = |w: &&f32| w.to_bits() << 1 == 0;
        learner
            .model()
            .unwrap()
            .weights()
            .iter()
            .filter(zeros)
            .count()
    };
    let bank = |l1| OptimizerConfig::Bank(BankConfig::default().l1(l1));
    assert_eq!(noise(&mut Learner::new(42, bank(0.0)).unwrap()), 0);
    assert!(noise(&mut Learner::new(42, bank(0.5)).unwrap()) > 20);
    let ftrl = OptimizerConfig::Ftrl(FtrlConfig::default().l1(12.0));
    assert!(noise(&mut Learner::new(42, ftrl).unwrap()) > 20);
}

#[test]
fn contributions_and_bias_add_up_to_the_margin() {
    for name in NAMES {
        let mut learner = Learner::new(3, optimizer(name)).unwrap();
        for i in 0..500_u32 {
            learn(&mut learner, &[i % 2, 2], &[1.0, 0.5], i % 2 == 0, 1.0);
        }
        let row = CsVecViewI::new(3, &[0_u32, 2][..], &[1.0_f32, 0.5][..]);
        let parts = learner.contributions(&row).unwrap();
        assert_eq!(parts.len(), 2);
        assert!(parts[0].1 > 0.1, "{name}: position 0 raises the odds");
        let sum: f64 = parts.iter().map(|(_, c)| c).sum();
        let total = sum + learner.model().unwrap().bias();
        assert!(
            (total - learner.predict(&row).unwrap().margin).abs() < 1e-5,
            "{name}"
        );
    }
}

#[test]
fn standard_error_falls_with_evidence() {
    for name in ["bank", "ftrl", "adagrad", "normalized"] {
        let mut learner = Learner::new(2, optimizer(name)).unwrap();
        let seen = CsVecViewI::new(2, &[0_u32][..], &[1.0_f32][..]);
        let unseen = CsVecViewI::new(2, &[1_u32][..], &[1.0_f32][..]);
        let at = |learner: &Learner, row| learner.standard_error(row).unwrap().unwrap();
        let before = at(&learner, &seen);
        for i in 0..400 {
            learn(&mut learner, &[0], &[1.0], i % 2 == 0, 1.0);
        }
        let after = at(&learner, &seen);
        // 400 events of curvature 1/4 leave a variance near 1/100, from 1.
        assert!(
            after < 0.3 * before && after > 0.05,
            "{name}: {before} {after}"
        );
        assert!(at(&learner, &unseen) > 2.0 * after, "{name}");
    }
    let sgd = Learner::new(1, optimizer("sgd")).unwrap();
    let row = CsVecViewI::new(1, &[0_u32][..], &[1.0_f32][..]);
    assert_eq!(sgd.standard_error(&row).unwrap(), None);
}

#[test]
fn migrated_learner_and_model_predict_at_the_new_positions() {
    for name in NAMES {
        let mut learner = Learner::new(3, optimizer(name)).unwrap();
        for i in 0..300_u32 {
            learn(&mut learner, &[i % 2, 2], &[1.0, 0.5], i % 2 == 0, 1.0);
        }
        let before = margin(&learner, &[1, 2], &[1.0, 0.5]);
        let moved = learner
            .model()
            .unwrap()
            .remapped(&[Some(2), None, None, Some(1)])
            .unwrap();
        learner.remap(&[Some(2), None, None, Some(1)]).unwrap();
        assert_eq!(learner.dimension(), 4);
        assert_eq!(
            margin(&learner, &[0, 3], &[0.5, 1.0]).to_bits(),
            before.to_bits(),
            "{name}"
        );
        let row = CsVecViewI::new(4, &[0_u32, 3][..], &[0.5_f32, 1.0][..]);
        assert!((moved.margin(&row).unwrap() - before).abs() < 1e-5);
        let error = learner.remap(&[Some(4)]).unwrap_err();
        assert_eq!(
            error,
            RowError::PositionOutOfRange {
                position: 4,
                dimension: 4
            }
        );
    }
}

#[test]
fn the_bank_does_not_care_about_a_position_of_wild_scale() {
    let mut plain = Learner::new(2, OptimizerConfig::default()).unwrap();
    let mut wild = Learner::new(2, OptimizerConfig::default()).unwrap();
    for i in 0..500_u32 {
        learn(&mut plain, &[0, 1], &[1.0, 1.0], i % 4 == 0, 1.0);
        learn(&mut wild, &[0, 1], &[700.0, 1.0], i % 4 == 0, 1.0);
    }
    let (a, b) = (
        margin(&plain, &[0, 1], &[1.0, 1.0]),
        margin(&wild, &[0, 1], &[700.0, 1.0]),
    );
    assert!((a - b).abs() < 1e-3, "{a} {b}");
}

#[test]
fn settings_outside_their_range_are_refused() {
    let out_of_range = |config: LearnerConfig, setting: &str| match Learner::new(1, config) {
        Err(ConfigError::OutOfRange { setting: found, .. }) => assert_eq!(found, setting),
        other => panic!("{setting}: {other:?}"),
    };
    let default = LearnerConfig::default;
    for bad in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
        out_of_range(default().max_margin(bad), "max_margin");
        out_of_range(
            OptimizerConfig::Ftrl(FtrlConfig::default().alpha(bad)).into(),
            "alpha",
        );
        out_of_range(
            OptimizerConfig::Bank(BankConfig::default().prior_variance(bad)).into(),
            "prior_variance",
        );
    }
    for bad in [f64::NAN, 0.0, 1.000_000_1, -0.5] {
        out_of_range(default().sampling_rate(bad), "sampling_rate");
    }
    for bad in [f64::NAN, 99.9, -1.0] {
        out_of_range(default().half_life(bad), "half_life");
    }
    for bad in [f32::NAN, 0.0, -1.0, f32::INFINITY] {
        out_of_range(default().positive_importance(bad), "positive_importance");
        let member = vec![Member::new(bad, RateDecay::Root)];
        let bank = BankConfig::default().members(member);
        out_of_range(OptimizerConfig::Bank(bank).into(), "learning_rate");
    }
    let bank = |members| {
        Learner::new(
            1,
            OptimizerConfig::Bank(BankConfig::default().members(members)),
        )
    };
    assert_eq!(
        bank(vec![]).unwrap_err(),
        ConfigError::MemberCount {
            members: 0,
            most: 11
        }
    );
    let curved: Vec<_> = [0.1, 0.2, 0.3, 0.4]
        .map(|r| Member::new(r, RateDecay::Curvature))
        .into();
    assert_eq!(
        bank(curved).unwrap_err().to_string(),
        "a bank has at most 3 different curvature rates, not 4"
    );
    assert!("adam".parse::<OptimizerConfig>().is_err());
}

#[test]
fn bad_ratios_are_refused() {
    let mut learner = Learner::new(2, OptimizerConfig::default()).unwrap();
    assert_eq!(
        learner.rescale(&[1.0]),
        Err(RescaleError::Count {
            actual: 1,
            dimension: 2
        })
    );
    for bad in [f32::NAN, 0.0, -1.0, 1e10, f32::INFINITY] {
        assert!(matches!(
            learner.rescale(&[1.0, bad]),
            Err(RescaleError::Ratio { position: 1, .. })
        ));
    }
}

#[test]
fn damaged_states_are_refused() {
    for name in NAMES {
        let config = LearnerConfig::from(optimizer(name));
        let mut learner = Learner::new(2, config.clone()).unwrap();
        learn(&mut learner, &[0, 1], &[1.0, 1.0], true, 1.0);
        let good = learner.state();
        for index in 0..good.tensors.len() {
            let mut missing = good.clone();
            missing.tensors.remove(index);
            assert!(
                Learner::from_state(config.clone(), &missing).is_err(),
                "{name} {index}"
            );
            let mut short = good.clone();
            match &mut short.tensors[index].data {
                TensorData::F32(data) => drop(data.pop()),
                TensorData::F64(data) => drop(data.pop()),
                TensorData::U64(data) => drop(data.pop()),
                _ => {}
            }
            assert!(
                Learner::from_state(config.clone(), &short).is_err(),
                "{name} {index}"
            );
            let mut poisoned = good.clone();
            match &mut poisoned.tensors[index].data {
                TensorData::F32(data) => data[0] = f32::NAN,
                TensorData::F64(data) => data[0] = f64::INFINITY,
                TensorData::U64(data) => data[0] = u64::MAX,
                _ => {}
            }
            let error = Learner::from_state(config.clone(), &poisoned).unwrap_err();
            assert!(
                matches!(
                    error,
                    StateError::Value { .. }
                        | StateError::SettingsMismatch { .. }
                        | StateError::Count { .. }
                ),
                "{name} {index}: {error}"
            );
        }
    }
}

fn any_row() -> impl Strategy<Value = (Vec<u32>, Vec<f32>)> {
    prop::collection::btree_map(0..64_u32, any::<f32>(), 0..40)
        .prop_map(|entries| entries.into_iter().unzip())
}

proptest! {
    #[test]
    fn no_row_panics_and_an_error_changes_nothing(
        rows in prop::collection::vec((any_row(), any::<bool>(), any::<f32>()), 1..12),
        which in 0..5_usize,
    ) {
        let mut learner = Learner::new(50, optimizer(NAMES[which])).unwrap();
        for ((positions, values), label, importance) in rows {
            let before = learner.state();
            let row = CsVecViewI::new(64, &positions, &values);
            match learner.learn(&Example::new(row, label).importance(importance)) {
                Ok(prediction) => prop_assert!((0.0..=1.0).contains(&prediction.probability)),
                Err(LearnError::Row { .. } | LearnError::Diverged { .. }) => {
                    prop_assert_eq!(learner.state(), before);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn dumped_bank_predicts_as_the_bank(
        rows in prop::collection::vec((any::<u64>(), any::<bool>()), 1..300),
    ) {
        let mut learner = Learner::new(64, OptimizerConfig::default()).unwrap();
        for (bits, label) in rows {
            let positions: Vec<u32> = (0..64).filter(|p| bits >> p & 1 == 1).collect();
            let values = vec![1.5_f32; positions.len()];
            let row = CsVecViewI::new(64, &positions, &values);
            let model = learner.model().unwrap();
            let learned = learner.learn(&Example::new(row, label)).unwrap();
            prop_assert!((model.margin(&row).unwrap() - learned.margin).abs() < 1e-4 * (1.0 + learned.margin.abs()));
        }
    }
}
