use lr_core::{
    Example, LearnError, Learner, LearnerConfig, OptimizerConfig, Quantity, RowError, StateError,
    sprs::CsVecViewI,
};

const NAMES: [&str; 5] = ["bank", "ftrl", "adagrad", "normalized", "sgd"];

type Rows = Vec<(Vec<u32>, Vec<f32>, bool)>;

/// A fixed stream: position 0 raises the odds, position 1 lowers them, 2 to 9 are noise.
fn stream(rows: usize) -> Rows {
    let mut seed = 12_345_u64;
    let mut draw = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    (0..rows)
        .map(|_| {
            let side = u32::try_from(draw() % 2).unwrap();
            let noise = 2 + u32::try_from(draw() % 8).unwrap();
            let likely = if side == 0 { 80 } else { 15 };
            (vec![side, noise], vec![1.0, 0.5], draw() % 100 < likely)
        })
        .collect()
}

fn learn(learner: &mut Learner, rows: &Rows) {
    for (positions, values, label) in rows {
        learner
            .learn(&Example::new(
                CsVecViewI::new(10, positions, values),
                *label,
            ))
            .unwrap();
    }
}

fn learner(name: &str) -> Learner {
    Learner::new(10, name.parse::<OptimizerConfig>().unwrap()).unwrap()
}

#[test]
fn every_optimizer_finds_the_odds() {
    for name in NAMES {
        let mut learner = learner(name);
        learn(&mut learner, &stream(4000));
        let at = |position: u32| {
            let (positions, values) = ([position, 5], [1.0, 0.5]);
            learner
                .predict(&CsVecViewI::new(10, &positions, &values))
                .unwrap()
                .probability
        };
        assert!((at(0) - 0.80).abs() < 0.12, "{name}: {}", at(0));
        assert!((at(1) - 0.15).abs() < 0.12, "{name}: {}", at(1));
    }
}

#[test]
fn dumped_model_predicts_as_the_learner() {
    for name in NAMES {
        let mut learner = learner(name);
        learn(&mut learner, &stream(1000));
        let model = learner.model().unwrap();
        let row = CsVecViewI::new(10, &[1_u32, 4][..], &[1.0_f32, -0.5][..]);
        let (a, b) = (
            model.margin(&row).unwrap(),
            learner.predict(&row).unwrap().margin,
        );
        assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
    }
}

#[test]
fn resumed_run_has_the_bytes_of_the_uninterrupted_one() {
    let rows = stream(600);
    let (first, second) = (rows[..250].to_vec(), rows[250..].to_vec());
    for name in NAMES {
        let mut whole = learner(name);
        learn(&mut whole, &rows);
        let mut part = learner(name);
        learn(&mut part, &first);
        let mut resumed = Learner::from_state(part.config().clone(), &part.state()).unwrap();
        learn(&mut resumed, &second);
        assert_eq!(whole.state(), resumed.state(), "{name}");
        assert_eq!(resumed.events(), 600);
    }
}

#[test]
fn state_of_other_settings_is_refused() {
    let state = learner("ftrl").state();
    let error = Learner::from_state("sgd".parse::<OptimizerConfig>().unwrap(), &state).unwrap_err();
    assert!(
        matches!(error, StateError::SettingsMismatch { .. }),
        "{error}"
    );
}

#[test]
fn rescaling_keeps_predictions() {
    for name in NAMES {
        let mut learner = learner(name);
        learn(&mut learner, &stream(500));
        let before = learner
            .predict(&CsVecViewI::new(10, &[0_u32, 4][..], &[1.0, 0.5][..]))
            .unwrap();
        let mut ratios = [1.0; 10];
        (ratios[0], ratios[4]) = (0.25, 3.0);
        learner.rescale(&ratios).unwrap();
        let after = learner
            .predict(&CsVecViewI::new(10, &[0_u32, 4][..], &[0.25, 1.5][..]))
            .unwrap();
        assert!(
            (before.margin - after.margin).abs() < 1e-5,
            "{name}: {before:?} {after:?}"
        );
    }
}

#[test]
fn bad_rows_are_refused_and_change_nothing() {
    for name in NAMES {
        let mut learner = learner(name);
        learn(&mut learner, &stream(50));
        let state = learner.state();
        let row = CsVecViewI::new(20, &[3_u32, 10][..], &[1.0_f32, 1.0][..]);
        let source = RowError::PositionOutOfRange {
            position: 10,
            dimension: 10,
        };
        assert_eq!(
            learner.learn(&Example::new(row, true)),
            Err(LearnError::Row { source })
        );
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let values = [1.0, value];
            let row = CsVecViewI::new(10, &[3_u32, 9][..], &values[..]);
            assert!(matches!(
                learner.learn(&Example::new(row, true)),
                Err(LearnError::Row {
                    source: RowError::ValueNotFinite { position: 9, .. }
                })
            ));
        }
        let row = CsVecViewI::new(10, &[3_u32][..], &[1.0_f32][..]);
        for importance in [-1.0, f32::NAN, f32::INFINITY, -f32::MIN_POSITIVE] {
            assert!(matches!(
                learner.learn(&Example::new(row, true).importance(importance)),
                Err(LearnError::Row {
                    source: RowError::ImportanceOutOfRange { .. }
                })
            ));
        }
        assert_eq!(learner.state(), state, "{name}");
    }
}

#[test]
fn divergence_is_an_error_and_changes_nothing() {
    let config = LearnerConfig::from("sgd".parse::<OptimizerConfig>().unwrap()).max_margin(5.0);
    let mut learner = Learner::new(10, config).unwrap();
    let row = CsVecViewI::new(10, &[0_u32][..], &[100.0_f32][..]);
    let mut state = learner.state();
    let error = loop {
        match learner.learn(&Example::new(row, true)) {
            Ok(_) => state = learner.state(),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            LearnError::Diverged {
                quantity: Quantity::Margin,
                limit: 5.0,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(learner.state(), state);
}

#[test]
fn down_sampling_is_undone_in_every_probability() {
    let config = LearnerConfig::default().sampling_rate(0.25);
    let learner = Learner::new(10, config).unwrap();
    let row = CsVecViewI::new(10, &[0_u32][..], &[1.0_f32][..]);
    // Even odds among a quarter of the negatives are odds of 1 to 4.
    let probability = learner.predict(&row).unwrap().probability;
    assert!((probability - 0.2).abs() < 1e-15);
    assert!((learner.model().unwrap().probability(&row).unwrap() - 0.2).abs() < 1e-15);
}

#[test]
fn growing_changes_no_prediction_and_makes_room() {
    for name in NAMES {
        let mut grown = learner(name);
        let rows = stream(500);
        learn(&mut grown, &rows);
        let row = |dimension| CsVecViewI::new(dimension, &[0_u32, 5][..], &[1.0_f32, 0.5][..]);
        let before = grown.predict(&row(10)).unwrap();
        grown.grow(20).unwrap();
        assert_eq!(grown.dimension(), 20);
        assert_eq!(grown.predict(&row(20)).unwrap(), before);
        grown.grow(5).unwrap();
        assert_eq!(grown.dimension(), 20);
        grown.reserve(1_000);
        assert_eq!(grown.dimension(), 20);
        assert_eq!(grown.predict(&row(20)).unwrap(), before);
    }
}

#[test]
fn every_kernel_gives_the_same_bits() {
    // Past the events of which each is learned by the stacker, and labels that are foreseen.
    let mut rows = stream(6_000);
    for (event, (_, _, label)) in rows.iter_mut().enumerate() {
        *label &= event < 400 || event % 40 == 0;
    }
    let mut plain = learner("bank");
    plain.set_kernel(lr_core::Kernel::Plain);
    learn(&mut plain, &rows);
    for kernel in lr_core::Kernel::available() {
        let mut other = learner("bank");
        other.set_kernel(kernel);
        learn(&mut other, &rows);
        assert_eq!(other.state(), plain.state(), "{kernel:?}");
    }
}
