//! Recalibration: known distortions are undone, and bad input changes nothing.

use approx::assert_relative_eq;
use lr_core::{
    Isotonic, IsotonicMap, LinearModel, Metrics, Platt, PlattConfig, RecalibrationError, sigmoid,
};
use proptest::prelude::*;

/// Calibrated margins and labels; a generator with 64 bits of state.
fn stream(seed: u64, events: usize) -> Vec<(f64, bool)> {
    let mut state = seed;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    let mut event = || {
        let margin = -1.5 + 3.0 * (uniform() + uniform() - 1.0);
        (margin, uniform() < sigmoid(margin))
    };
    (0..events).map(|_| event()).collect()
}

#[test]
fn platt_finds_the_slope_and_shift_that_undo_a_distortion() {
    let mut platt = Platt::new(&PlattConfig::default()).unwrap();
    for (margin, label) in stream(1, 40_000) {
        platt.push(2.5 * margin + 1.0, label, 1.0).unwrap();
    }
    // margin = 0.4 · score − 0.4; two standard errors are about 0.02 and 0.03.
    assert_relative_eq!(platt.slope(), 0.4, epsilon = 0.03);
    assert_relative_eq!(platt.shift(), -0.4, epsilon = 0.05);
}

#[test]
fn both_methods_bring_progressive_loss_near_that_of_the_truth() {
    let mut platt = Platt::new(&PlattConfig::default()).unwrap();
    let mut isotonic = Isotonic::new();
    let [mut truth, mut raw, mut scaled, mut pooled] = [(); 4].map(|()| Metrics::new());
    for (margin, label) in stream(2, 30_000) {
        let score = 3.0 * margin + 2.0;
        truth.push_margin(margin, label, 1.0).unwrap();
        raw.push_margin(score, label, 1.0).unwrap();
        scaled.push(platt.probability(score), label, 1.0).unwrap();
        pooled
            .push(isotonic.probability(score), label, 1.0)
            .unwrap();
        platt.push(score, label, 1.0).unwrap();
        isotonic.push(score, label, 1.0).unwrap();
    }
    let loss = |metrics: &Metrics| metrics.log_loss().unwrap();
    assert!(loss(&raw) > 1.2 * loss(&truth));
    assert!(
        loss(&scaled) < 1.005 * loss(&truth),
        "{} {}",
        loss(&scaled),
        loss(&truth)
    );
    assert!(
        loss(&pooled) < 1.02 * loss(&truth),
        "{} {}",
        loss(&pooled),
        loss(&truth)
    );
    assert!((scaled.calibration().unwrap() - 1.0).abs() < 0.02);
    assert!((pooled.calibration().unwrap() - 1.0).abs() < 0.03);
    assert!((raw.calibration().unwrap() - 1.0).abs() > 0.1);
}

#[test]
fn forgetting_follows_a_change() {
    let mut steady = Platt::new(&PlattConfig::default()).unwrap();
    let mut forgetful = Platt::new(&PlattConfig::default().forgetting(1e-3)).unwrap();
    for (i, (margin, label)) in stream(3, 40_000).into_iter().enumerate() {
        let score = margin + if i < 20_000 { 1.0 } else { -1.0 };
        steady.push(score, label, 1.0).unwrap();
        forgetful.push(score, label, 1.0).unwrap();
    }
    assert_relative_eq!(forgetful.shift(), 1.0, epsilon = 0.4);
    assert!(steady.shift() < 0.4);
}

#[test]
fn a_recalibrated_model_gives_the_recalibrated_probability() {
    let mut platt = Platt::new(&PlattConfig::default()).unwrap();
    for (margin, label) in stream(4, 2000) {
        platt.push(2.0 * margin, label, 1.0).unwrap();
    }
    let model = LinearModel::new(vec![0.5, -2.0], 0.25).unwrap();
    let applied = platt.apply(&model).unwrap();
    let margin = |model: &LinearModel| {
        f64::from(model.weights()[0]) - 3.0 * f64::from(model.weights()[1]) + model.bias()
    };
    let expected = platt.probability(margin(&model));
    assert_relative_eq!(sigmoid(margin(&applied)), expected, max_relative = 1e-6);
}

#[test]
fn a_saved_state_continues_as_if_never_saved() {
    let config = PlattConfig::default().forgetting(1e-4);
    let mut whole = Platt::new(&config).unwrap();
    let mut resumed = whole.clone();
    for (i, (margin, label)) in stream(5, 100).into_iter().enumerate() {
        whole.push(margin, label, 2.0).unwrap();
        resumed.push(margin, label, 2.0).unwrap();
        if i == 50 {
            resumed = Platt::from_state(&config, &resumed.state()).unwrap();
        }
    }
    assert_eq!(whole, resumed);
    for damaged in [[f64::NAN; 5], [1.0, 0.0, -1.0, 0.0, 1.0]] {
        assert!(Platt::from_state(&config, &damaged).is_err());
    }
}

#[test]
fn bad_settings_and_events_are_refused() {
    for value in [0.0, -1.0, 101.0, f64::NAN] {
        assert!(Platt::new(&PlattConfig::default().prior_variance(value)).is_err());
    }
    for value in [-0.1, 0.2, f64::NAN] {
        assert!(Platt::new(&PlattConfig::default().forgetting(value)).is_err());
    }
    let mut platt = Platt::new(&PlattConfig::default()).unwrap();
    let before = platt.clone();
    let refused = platt.push(f64::NAN, true, 1.0).unwrap_err();
    assert!(matches!(
        refused,
        RecalibrationError::MarginNotFinite { .. }
    ));
    for importance in [-1.0, f32::NAN, f32::INFINITY] {
        let refused = platt.push(0.0, true, importance).unwrap_err();
        assert!(matches!(
            refused,
            RecalibrationError::ImportanceOutOfRange { .. }
        ));
    }
    assert_eq!(platt, before);
    assert!(Isotonic::new().push(f64::NAN, true, 1.0).is_err());
    assert_eq!(IsotonicMap::fit(&Metrics::new()), None);
}

proptest! {
    #[test]
    fn an_isotonic_map_never_falls_and_stays_inside(
        events in prop::collection::vec((-40.0..40.0_f64, any::<bool>(), 0.1_f32..10.0), 1..80)
    ) {
        let mut metrics = Metrics::new();
        for (margin, label, importance) in events {
            metrics.push_margin(margin, label, importance).unwrap();
        }
        let map = IsotonicMap::fit(&metrics).unwrap();
        let values: Vec<f64> = (-450..450).map(|i| map.probability(f64::from(i) / 10.0)).collect();
        prop_assert!(values.iter().all(|&p| p > 0.0 && p < 1.0));
        prop_assert!(values.is_sorted());
    }

    #[test]
    fn platt_stays_finite(
        events in prop::collection::vec((-1e300..1e300_f64, any::<bool>(), 0.0_f32..1e30), 1..80)
    ) {
        let mut platt = Platt::new(&PlattConfig::default().forgetting(0.1)).unwrap();
        for (margin, label, importance) in events {
            platt.push(margin, label, importance).unwrap();
        }
        prop_assert!(platt.state().iter().all(|number| number.is_finite()), "{:?}", platt);
    }
}
