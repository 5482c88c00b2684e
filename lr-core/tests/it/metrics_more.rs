//! Intervals, thresholds, buckets, slices and windows.

use approx::assert_relative_eq;
use lr_core::{
    LearningCurve, Measure, Metrics, MetricsError, RecentMetrics, SlicedMetrics, exact_auc, logit,
    sigmoid,
};
use proptest::prelude::*;

type Scored = (f64, bool, f32);

fn metrics_of(events: &[Scored]) -> Metrics {
    let mut metrics = Metrics::new();
    for &(probability, label, importance) in events {
        metrics.push(probability, label, importance).unwrap();
    }
    metrics
}

/// A fixed stream of calibrated scores: a generator with 64 bits of state, no dependence on time.
fn stream(seed: u64, events: usize, shift: f64) -> Vec<Scored> {
    let mut state = seed;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    (0..events)
        .map(|_| {
            let margin = -2.0 + 3.0 * (uniform() + uniform() + uniform() - 1.5);
            (sigmoid(margin + shift), uniform() < sigmoid(margin), 1.0)
        })
        .collect()
}

#[test]
fn exact_auc_is_the_definition_and_metrics_are_close() {
    let events = stream(7, 4000, 0.0);
    let exact = exact_auc(&events).unwrap().unwrap();
    let (mut wins, mut pairs) = (0.0, 0.0);
    for &(p, _, _) in events.iter().filter(|event| event.1) {
        for &(q, _, _) in events.iter().filter(|event| !event.1) {
            wins += if p > q { 1.0 } else { 0.0 };
            pairs += 1.0;
        }
    }
    assert_relative_eq!(exact, wins / pairs, max_relative = 1e-14);
    let metrics = metrics_of(&events);
    let bound = metrics.auc_error_bound().unwrap();
    assert!((metrics.auc().unwrap() - exact).abs() < bound, "{bound}");
    assert!(bound < 1e-5, "{bound}");
    let refused = exact_auc(&[(f64::NAN, true, 1.0)]).unwrap_err();
    assert_eq!(refused, MetricsError::MarginNotANumber);
    assert_eq!(
        exact_auc(&[(-0.0, true, 1.0), (0.0, false, 1.0)]).unwrap(),
        Some(0.5)
    );
}

#[test]
fn margins_and_probabilities_give_the_same_figures() {
    let (mut by_margin, mut by_probability) = (Metrics::new(), Metrics::new());
    for (p, label, _) in stream(3, 500, 0.0) {
        by_probability.push(p, label, 0.5).unwrap();
        by_margin.push_margin(logit(p), label, 0.5).unwrap();
    }
    let (a, b) = (
        by_margin.log_loss().unwrap(),
        by_probability.log_loss().unwrap(),
    );
    assert_relative_eq!(a, b, max_relative = 1e-12);
    assert_relative_eq!(
        by_margin.auc().unwrap(),
        by_probability.auc().unwrap(),
        epsilon = 1e-4
    );
    let mut certain = Metrics::new();
    certain.push_margin(-500.0, true, 1.0).unwrap();
    assert_relative_eq!(certain.log_loss().unwrap(), 500.0);
    certain.push_margin(f64::NEG_INFINITY, true, 1.0).unwrap();
    assert_relative_eq!(certain.log_loss().unwrap(), (500.0 + 1024.0) / 2.0);
    assert_eq!(
        certain.push_margin(f64::NAN, true, 1.0),
        Err(MetricsError::MarginNotANumber)
    );
}

#[test]
fn delong_variance_of_a_small_example_by_hand() {
    // Positives 0.9, 0.6, 0.4; negatives 0.5, 0.3.
    // Shares of negatives below the positives: 1, 1, 1/2; of positives above the negatives:
    // 2/3, 1. AUC = 5/6. Sample variances: 1/12 and 1/18.
    // Variance = 1/12 / 3 + 1/18 / 2 = 1/18.
    let events = [
        (0.9, true, 1.0),
        (0.6, true, 1.0),
        (0.4, true, 1.0),
        (0.5, false, 1.0),
        (0.3, false, 1.0),
    ];
    let interval = metrics_of(&events).auc_interval(0.95).unwrap().unwrap();
    let (auc, deviation) = (5.0 / 6.0, (1.0_f64 / 18.0).sqrt());
    let half = 1.959_963_984_540_054 * deviation / (auc * (1.0 - auc));
    assert_relative_eq!(interval.estimate, auc, max_relative = 1e-12);
    assert_relative_eq!(
        interval.low,
        sigmoid(logit(auc) - half),
        max_relative = 1e-9
    );
    assert_relative_eq!(
        interval.high,
        sigmoid(logit(auc) + half),
        max_relative = 1e-9
    );
}

#[test]
fn log_loss_interval_is_that_of_a_weighted_mean() {
    let events = [(0.8, true, 1.0), (0.3, true, 2.0), (0.1, false, 0.5)];
    let losses = [-(0.8_f64.ln()), -(0.3_f64.ln()), -(0.9_f64.ln())];
    let weights = [1.0, 2.0, 0.5];
    let mean: f64 = losses.iter().zip(weights).map(|(l, w)| l * w).sum::<f64>() / 3.5;
    let squares: f64 = losses
        .iter()
        .zip(weights)
        .map(|(l, w)| (w * (l - mean)).powi(2))
        .sum();
    let half = 1.644_853_626_951_472 * squares.sqrt() / 3.5;
    let interval = metrics_of(&events).log_loss_interval(0.9).unwrap().unwrap();
    assert_relative_eq!(interval.high - interval.estimate, half, max_relative = 1e-7);
    assert_relative_eq!(interval.estimate - interval.low, half, max_relative = 1e-7);
}

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    let truth = metrics_of(&stream(1, 400_000, 0.4));
    let (loss, auc) = (truth.log_loss().unwrap(), truth.auc().unwrap());
    let (mut loss_covered, mut auc_covered) = (0, 0);
    for seed in 0..400 {
        let metrics = metrics_of(&stream(1000 + 7919 * seed, 500, 0.4));
        let interval = metrics.log_loss_interval(0.9).unwrap().unwrap();
        loss_covered += u32::from(interval.low <= loss && loss <= interval.high);
        let interval = metrics.auc_interval(0.9).unwrap().unwrap();
        auc_covered += u32::from(interval.low <= auc && auc <= interval.high);
    }
    // 360 expected with a standard deviation of 6.
    assert!((340..=380).contains(&loss_covered), "{loss_covered}");
    assert!((340..=380).contains(&auc_covered), "{auc_covered}");
}

#[test]
fn intervals_need_a_level_and_two_events() {
    let metrics = metrics_of(&[(0.5, true, 3.0)]);
    assert_eq!(metrics.log_loss_interval(0.9).unwrap(), None);
    assert_eq!(metrics.auc_interval(0.9).unwrap(), None);
    for level in [0.0, 1.0, -1.0, f64::NAN] {
        let refused = metrics.auc_interval(level).unwrap_err();
        assert!(matches!(refused, MetricsError::LevelOutOfRange { .. }));
    }
}

#[test]
fn confusion_of_a_small_example_by_hand() {
    let events = [
        (0.9, true, 1.0),
        (0.7, false, 2.0),
        (0.6, true, 3.0),
        (0.2, true, 1.0),
        (0.1, false, 5.0),
    ];
    let metrics = metrics_of(&events);
    let at = metrics.confusion(0.5).unwrap();
    assert_relative_eq!(at.threshold, 0.5, epsilon = 1e-4);
    assert_relative_eq!(at.precision().unwrap(), 4.0 / 6.0, max_relative = 1e-12);
    assert_relative_eq!(at.recall().unwrap(), 4.0 / 5.0, max_relative = 1e-12);
    assert_relative_eq!(at.f1().unwrap(), 8.0 / 11.0, max_relative = 1e-12);
    assert_relative_eq!(at.accuracy().unwrap(), 9.0 / 12.0, max_relative = 1e-12);
    assert_relative_eq!(
        at.measure(Measure::Youden).unwrap(),
        4.0 / 5.0 - 2.0 / 7.0,
        max_relative = 1e-12
    );
    // (4·5 − 2·1) / √(6·5·7·6)
    let matthews = 18.0 / 1260.0_f64.sqrt();
    assert_relative_eq!(
        at.measure(Measure::Matthews).unwrap(),
        matthews,
        max_relative = 1e-12
    );
    assert_eq!(metrics.confusion(1.0).unwrap().precision(), None);
    assert_relative_eq!(metrics.confusion(0.0).unwrap().recall().unwrap(), 1.0);
    assert!(metrics.confusion(f64::NAN).is_err());
}

#[test]
fn the_best_threshold_beats_every_event_as_a_threshold() {
    let events = stream(5, 600, 0.0);
    let metrics = metrics_of(&events);
    for measure in [
        Measure::F1,
        Measure::Accuracy,
        Measure::Youden,
        Measure::Matthews,
    ] {
        let best = metrics.best_threshold(measure).unwrap();
        let value = best.measure(measure).unwrap();
        let again = metrics.confusion(best.threshold + 1e-9).unwrap();
        assert_relative_eq!(again.measure(measure).unwrap(), value, max_relative = 1e-12);
        for &(p, _, _) in &events {
            let other = metrics.confusion(p).unwrap().measure(measure);
            assert!(
                other.is_none_or(|other| other <= value),
                "{measure:?} {other:?} {value}"
            );
        }
    }
    assert_eq!(Metrics::new().best_threshold(Measure::F1), None);
}

#[test]
fn calibration_buckets_are_the_naive_sums() {
    let events = stream(11, 2000, 0.3);
    let metrics = metrics_of(&events);
    let buckets = metrics.calibration_at(&[0.05, 0.2, 0.5]);
    assert_eq!(buckets.len(), 4);
    let total: f64 = buckets.iter().map(|bucket| bucket.importance).sum();
    assert_relative_eq!(total, 2000.0);
    for bucket in &buckets {
        let inside = events
            .iter()
            .filter(|(p, _, _)| (bucket.low..bucket.high).contains(p));
        let (mut count, mut observed, mut predicted) = (0.0, 0.0, 0.0);
        for &(p, label, _) in inside {
            count += 1.0;
            observed += f64::from(u8::from(label));
            predicted += p;
        }
        assert_relative_eq!(bucket.importance, count);
        assert_relative_eq!(bucket.observed, observed);
        assert_relative_eq!(
            bucket.predicted,
            predicted,
            max_relative = 2.0_f64.powi(-15)
        );
        assert!(
            bucket.calibration().unwrap() > 1.0,
            "scores are shifted up by 0.3"
        );
    }
    let quantiles = metrics.calibration_quantiles(10);
    assert_eq!(quantiles.len(), 10);
    assert!(
        quantiles
            .iter()
            .all(|bucket| (190.0..=210.0).contains(&bucket.importance))
    );
    let shifted = metrics.calibration_error(10).unwrap();
    let straight = metrics_of(&stream(11, 2000, 0.0))
        .calibration_error(10)
        .unwrap();
    assert!(shifted > 0.02 && straight < shifted, "{shifted} {straight}");
}

#[test]
fn slices_add_up_and_keep_to_their_limit() {
    let mut sliced = SlicedMetrics::new(2, 8).unwrap();
    let mut whole = Metrics::with_resolution(8).unwrap();
    for (i, (p, label, w)) in stream(2, 300, 0.0).into_iter().enumerate() {
        sliced
            .push(["b", "a", "c", "d"][i % 4], p, label, w)
            .unwrap();
        whole.push(p, label, w).unwrap();
    }
    let names: Vec<&str> = sliced.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(sliced.others().events(), 150);
    let mut sum = sliced.others().clone();
    for (_, metrics) in sliced.iter() {
        sum.merge(metrics).unwrap();
    }
    assert_eq!(sum, whole);
    let (slices, others) = sliced.state();
    assert_eq!(
        SlicedMetrics::from_state(2, &slices, &others).unwrap(),
        sliced
    );
    assert!(SlicedMetrics::from_state(1, &slices, &others).is_err());
    let mut doubled = sliced.clone();
    doubled.merge(&sliced).unwrap();
    assert_eq!(doubled.slice("a").unwrap().events(), 150);
    assert!(sliced.push("new", f64::NAN, true, 1.0).is_err());
}

#[test]
fn a_learning_curve_covers_the_stream_in_bounded_memory() {
    let events = stream(4, 1003, 0.0);
    let mut curve = LearningCurve::new(10, 8, 6).unwrap();
    let mut whole = Metrics::with_resolution(6).unwrap();
    for &(p, label, w) in &events {
        curve.push(p, label, w).unwrap();
        whole.push(p, label, w).unwrap();
        assert!(curve.windows().count() <= 9);
    }
    let mut sum = Metrics::with_resolution(6).unwrap();
    for window in curve.windows() {
        sum.merge(window).unwrap();
    }
    assert_eq!(sum, whole);
    assert_eq!(curve.window(), 160);
    let events: Vec<u64> = curve.windows().map(Metrics::events).collect();
    assert_eq!(events, [160, 160, 160, 160, 160, 160, 43]);
}

#[test]
fn recent_metrics_are_those_of_the_newest_events() {
    let events = stream(6, 137, 0.0);
    let mut recent = RecentMetrics::new(10, 4, 6).unwrap();
    for &(p, label, w) in &events {
        recent.push(p, label, w).unwrap();
    }
    let mut newest = Metrics::with_resolution(6).unwrap();
    for &(p, label, w) in &events[100..] {
        newest.push(p, label, w).unwrap();
    }
    assert_eq!(recent.metrics().unwrap(), newest);
}

proptest! {
    #[test]
    fn bounded_auc_is_near_the_exact_one(seed in any::<u64>(), events in 2_usize..400) {
        let events = stream(seed, events, 0.0);
        let metrics = metrics_of(&events);
        let exact = exact_auc(&events).unwrap();
        prop_assert_eq!(metrics.auc().is_some(), exact.is_some());
        if let (Some(auc), Some(exact)) = (metrics.auc(), exact) {
            prop_assert!((auc - exact).abs() <= metrics.auc_error_bound().unwrap() + 1e-12);
        }
    }
}
