//! The streaming metrics against naive formulas over stored events.

use approx::assert_relative_eq;
use lr_core::{Metrics, MetricsError, MetricsState};
use proptest::prelude::*;

/// One scored event: probability, label, importance.
type Scored = (f64, bool, f32);

fn scored() -> impl Strategy<Value = Scored> {
    // Multiples of 1/64 are importances that the fixed-point sums hold exactly.
    (0.0..=1.0_f64, any::<bool>(), 0_u16..512)
        .prop_map(|(p, label, w)| (p, label, f32::from(w) / 64.0))
}

fn metrics_of(events: &[Scored]) -> Metrics {
    let mut metrics = Metrics::new();
    for &(probability, label, importance) in events {
        metrics.push(probability, label, importance).unwrap();
    }
    metrics
}

/// The definition: every pair of a positive and a negative event, half a win for a tie.
fn naive_auc(events: &[Scored]) -> Option<f64> {
    let (mut wins, mut pairs) = (0.0, 0.0);
    for &(p, _, w) in events.iter().filter(|event| event.1) {
        for &(q, _, v) in events.iter().filter(|event| !event.1) {
            let pair = f64::from(w) * f64::from(v);
            pairs += pair;
            wins += match p.partial_cmp(&q).unwrap() {
                std::cmp::Ordering::Greater => pair,
                std::cmp::Ordering::Equal => pair / 2.0,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    (pairs > 0.0).then(|| wins / pairs)
}

#[test]
fn empty_metrics_have_no_figures() {
    let metrics = Metrics::new();
    assert_eq!(metrics.events(), 0);
    assert_eq!(metrics.log_loss(), None);
    assert_eq!(metrics.auc(), None);
    assert_eq!(metrics.auc_error_bound(), None);
    assert_eq!(metrics.normalized_entropy(), None);
    assert_eq!(metrics.calibration(), None);
    assert_eq!(metrics.base_rate(), None);
}

#[test]
fn figures_of_a_small_asymmetric_example() {
    // By hand: loss = −(ln 0.9 + 3 ln 0.7 + ln 0.1) / 5, rate = 2/5.
    let metrics = metrics_of(&[(0.9, true, 1.0), (0.3, false, 3.0), (0.1, true, 1.0)]);
    let loss = -(0.9_f64.ln() + 3.0 * 0.7_f64.ln() + 0.1_f64.ln()) / 5.0;
    let entropy = -(0.4 * 0.4_f64.ln() + 0.6 * 0.6_f64.ln());
    assert_relative_eq!(metrics.log_loss().unwrap(), loss, max_relative = 1e-14);
    assert_relative_eq!(
        metrics.normalized_entropy().unwrap(),
        loss / entropy,
        max_relative = 1e-14
    );
    assert_relative_eq!(
        metrics.calibration().unwrap(),
        (0.9 + 0.9 + 0.1) / 2.0,
        max_relative = 1e-14
    );
    assert_relative_eq!(metrics.auc().unwrap(), 0.5, max_relative = 1e-14);
    assert_relative_eq!(metrics.base_rate().unwrap(), 0.4, max_relative = 1e-14);
    assert_eq!((metrics.events(), metrics.positives()), (3, 2));
}

#[test]
fn events_that_are_refused_leave_the_metrics_unchanged() {
    let mut metrics = metrics_of(&[(0.25, true, 1.0)]);
    let before = metrics.clone();
    for probability in [f64::NAN, -1e-300, 1.000_000_1, f64::INFINITY] {
        let error = metrics.push(probability, true, 1.0).unwrap_err();
        assert!(
            matches!(error, MetricsError::ProbabilityOutOfRange { .. }),
            "{error}"
        );
    }
    for importance in [f32::NAN, -1.0, f32::INFINITY, 16_777_218.0] {
        let error = metrics.push(0.5, true, importance).unwrap_err();
        assert!(
            matches!(error, MetricsError::ImportanceOutOfRange { .. }),
            "{error}"
        );
    }
    assert_eq!(metrics, before);
}

#[test]
fn total_importance_is_bounded() {
    let mut metrics = metrics_of(&[(0.0, true, 16_777_216.0)]);
    for _ in 0..14 {
        let copy = metrics.clone();
        metrics.merge(&copy).unwrap();
    }
    let full = metrics.clone();
    assert_eq!(metrics.merge(&full), Err(MetricsError::TooMuchImportance));
    assert_eq!(metrics, full);
    // The loss of a positive event predicted at 0 is −ln 1e-15.
    assert_relative_eq!(
        metrics.log_loss().unwrap(),
        15.0 * 10.0_f64.ln(),
        max_relative = 1e-12
    );
}

#[test]
fn certain_predictions_have_a_finite_loss() {
    let metrics = metrics_of(&[(0.0, true, 1.0), (1.0, false, 1.0), (1.0, true, 1.0)]);
    assert_relative_eq!(
        metrics.log_loss().unwrap(),
        2.0 * 15.0 * 10_f64.ln() / 3.0,
        max_relative = 1e-2
    );
}

#[test]
fn merging_other_resolutions_is_an_error() {
    let mut metrics = Metrics::new();
    let coarse = Metrics::with_resolution(8).unwrap();
    let mismatch = MetricsError::ResolutionMismatch { left: 14, right: 8 };
    assert_eq!(metrics.merge(&coarse), Err(mismatch));
    for resolution in [0, 1, 17, u32::MAX] {
        let refused = MetricsError::ResolutionOutOfRange { resolution };
        assert_eq!(Metrics::with_resolution(resolution), Err(refused));
    }
}

#[test]
fn states_that_contradict_themselves_are_refused() {
    let state = metrics_of(&[(0.2, true, 1.0), (0.7, false, 2.0)]).state();
    let broken: [fn(&mut MetricsState); 9] = [
        |s| s.resolution = 40,
        |s| s.totals.truncate(3),
        |s| s.totals.push(0),
        |s| s.totals[1] = s.totals[0] + 1,
        |s| s.totals[2] = u64::MAX,
        |s| s.totals[5] = u64::MAX,
        |s| s.bins.reverse(),
        |s| s.bins[1] = u64::MAX,
        |s| s.positive[0] += 1,
    ];
    for (case, damage) in broken.into_iter().enumerate() {
        let mut damaged = state.clone();
        damage(&mut damaged);
        assert!(
            Metrics::from_state(&damaged).is_err(),
            "case {case} was accepted"
        );
    }
}

proptest! {
    #[test]
    fn log_loss_and_calibration_are_the_naive_sums(
        events in prop::collection::vec(scored(), 1..60)
    ) {
        let metrics = metrics_of(&events);
        let (mut loss, mut total, mut predicted, mut positive) = (0.0, 0.0, 0.0, 0.0);
        for &(p, label, w) in &events {
            let w = f64::from(w);
            loss -= w * if label { p.max(1e-15).ln() } else { (-p.min(1.0 - 1e-15)).ln_1p() };
            total += w;
            predicted += w * p;
            positive += if label { w } else { 0.0 };
        }
        if total > 0.0 {
            assert_relative_eq!(metrics.log_loss().unwrap(), loss / total, max_relative = 1e-12);
        }
        if positive > 0.0 {
            assert_relative_eq!(metrics.calibration().unwrap(), predicted / positive, max_relative = 1e-12);
        }
    }

    #[test]
    fn auc_is_within_its_bound_of_all_pairs(
        events in prop::collection::vec(scored(), 1..60), resolution in 2_u32..=16
    ) {
        let mut metrics = Metrics::with_resolution(resolution).unwrap();
        for &(p, label, w) in &events {
            metrics.push(p, label, w).unwrap();
        }
        let naive = naive_auc(&events);
        prop_assert_eq!(metrics.auc().is_some(), naive.is_some());
        if let (Some(auc), Some(naive)) = (metrics.auc(), naive) {
            let bound = metrics.auc_error_bound().unwrap();
            prop_assert!((auc - naive).abs() <= bound + 1e-12, "{auc} {naive} {bound}");
        }
    }

    #[test]
    fn merge_at_any_split_gives_the_state_of_one_pass(
        events in prop::collection::vec(scored(), 0..60), split in any::<prop::sample::Index>()
    ) {
        let at = split.index(events.len() + 1);
        let (left, right) = (metrics_of(&events[..at]), metrics_of(&events[at..]));
        let (mut forwards, mut backwards) = (left.clone(), right.clone());
        forwards.merge(&right).unwrap();
        backwards.merge(&left).unwrap();
        let whole = metrics_of(&events).state();
        prop_assert_eq!(&forwards.state(), &whole);
        prop_assert_eq!(&backwards.state(), &whole);
    }

    #[test]
    fn many_at_once_are_each_pushed(
        events in prop::collection::vec(scored(), 0..100),
        wrong in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut events = events;
        let mut sound = events.len();
        if let Some(wrong) = wrong.filter(|_| !events.is_empty()) {
            sound = wrong.index(events.len());
            events[sound].0 = f64::NAN;
        }
        let mut metrics = metrics_of(&[(0.25, true, 1.0)]);
        let outcome = metrics.extend(events.iter().copied());
        prop_assert_eq!(outcome.is_err(), sound < events.len());
        let mut expected = metrics_of(&[(0.25, true, 1.0)]);
        for &(p, label, w) in &events[..sound] {
            expected.push(p, label, w).unwrap();
        }
        prop_assert_eq!(metrics, expected);
    }

    #[test]
    fn a_saved_state_continues_as_if_never_saved(
        events in prop::collection::vec(scored(), 0..60), split in any::<prop::sample::Index>()
    ) {
        let at = split.index(events.len() + 1);
        let mut resumed = Metrics::from_state(&metrics_of(&events[..at]).state()).unwrap();
        for &(p, label, w) in &events[at..] {
            resumed.push(p, label, w).unwrap();
        }
        prop_assert_eq!(resumed, metrics_of(&events));
    }

    #[test]
    fn no_state_panics(
        resolution in 0_u32..20,
        totals in prop::collection::vec(any::<u64>(), 14..18),
        bins in prop::collection::vec(any::<(u64, u64, u64)>(), 0..5),
    ) {
        let mut state = Metrics::new().state();
        state.resolution = resolution;
        state.totals = totals;
        for (bin, positive, negative) in bins {
            state.bins.push(bin);
            state.positive.push(positive);
            state.negative.push(negative);
        }
        let _ = Metrics::from_state(&state);
    }
}
