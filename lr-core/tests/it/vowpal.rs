//! Vowpal Wabbit's progressive predictions, where it runs the same algorithm.
//!
//! Expected figures are those of `vowpalwabbit` 9.11.9 with `--loss_function logistic` and
//! the arguments named in each test, on the events below as `±1 IMPORTANCE |f POSITION:VALUE …`.

use approx::assert_relative_eq;
use lr_core::{
    AdaGradConfig, Example, FtrlConfig, Learner, OptimizerConfig, SgdConfig, logistic_loss,
    sigmoid, sprs::CsVecViewI,
};

const DIMENSION: usize = 8;

type Event = (Vec<u32>, Vec<f32>, bool);

/// 600 events of up to 8 positions, values from −1 to 1 in eighths.
fn events() -> Vec<Event> {
    let mut state = 2023_u64;
    let mut draw = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u16::try_from((state >> 33) % below).unwrap()
    };
    let mut event = || {
        let (mut positions, mut values) = (vec![], vec![]);
        let mut margin = -0.5;
        for position in 0..DIMENSION {
            if draw(2) != 0 {
                continue;
            }
            let value = (f32::from(draw(17)) - 8.0) / 8.0;
            if value != 0.0 {
                positions.push(u32::try_from(position).unwrap());
                values.push(value);
                margin += f64::from(value) * if position % 2 == 0 { 1.5 } else { -1.0 };
            }
        }
        let label = f64::from(draw(10_000)) / 10_000.0 < sigmoid(margin);
        (positions, values, label)
    };
    (0..600).map(|_| event()).collect()
}

/// Compares the mean progressive log loss, and the margins of events 199, 399 and 599.
fn assert_as_vowpal(
    config: OptimizerConfig,
    importance: f32,
    loss: f64,
    margins: [f64; 3],
    to: f64,
) {
    let events = events();
    let positives = events.iter().filter(|event| event.2).count();
    let entries: usize = events.iter().map(|event| event.0.len()).sum();
    assert_eq!(
        (positives, entries),
        (247, 2245),
        "the events that it was given"
    );
    let mut learner = Learner::new(DIMENSION, config).unwrap();
    let mut ours = Vec::new();
    let mut total = 0.0;
    for (positions, values, label) in &events {
        let row = CsVecViewI::new(DIMENSION, positions, values);
        let example = Example::new(row, *label).importance(importance);
        let margin = learner.learn(&example).unwrap().margin;
        total += logistic_loss(margin, *label);
        ours.push(margin);
    }
    assert_relative_eq!(total / 600.0, loss, max_relative = to);
    for (event, margin) in [199, 399, 599].into_iter().zip(margins) {
        assert!(
            (ours[event] - margin).abs() < 10.0 * to,
            "event {event}: {} {margin}",
            ours[event]
        );
    }
}

fn sgd() -> OptimizerConfig {
    OptimizerConfig::Sgd(SgdConfig::default().learning_rate(0.25))
}

fn adagrad() -> OptimizerConfig {
    OptimizerConfig::AdaGrad(AdaGradConfig::default().learning_rate(0.25))
}

fn ftrl(l1: f64, l2: f64) -> OptimizerConfig {
    OptimizerConfig::Ftrl(FtrlConfig::default().alpha(0.3).beta(0.5).l1(l1).l2(l2))
}

/// `--sgd -l 0.25 --power_t 0`
#[test]
fn sgd_predicts_as_vowpal_wabbit() {
    assert_as_vowpal(sgd(), 1.0, 0.526_072, [0.01496, -0.18974, -3.02447], 1e-5);
}

/// `--invariant -l 0.25 --power_t 0`, every event with an importance of 2 and of 20. Vowpal Wabbit
/// solves the flow by an approximation.
#[test]
fn importance_invariant_sgd_predicts_as_vowpal_wabbit() {
    let margins = [-0.05463, -0.10099, -3.14275];
    assert_as_vowpal(sgd(), 2.0, 0.536_743, margins, 1e-4);
    let margins = [0.42285, 1.18713, -2.42852];
    assert_as_vowpal(sgd(), 20.0, 0.830_970, margins, 1e-4);
}

/// `--adaptive -l 0.25`, and with `--invariant` and an importance of 2. Vowpal Wabbit takes roots
/// by an approximate instruction.
#[test]
fn adagrad_predicts_as_vowpal_wabbit() {
    let margins = [0.08991, -0.17604, -2.55952];
    assert_as_vowpal(adagrad(), 1.0, 0.528_863, margins, 5e-4);
    let margins = [0.12530, -0.14482, -2.82773];
    assert_as_vowpal(adagrad(), 2.0, 0.522_065, margins, 5e-4);
}

/// `--ftrl --ftrl_alpha 0.3 --ftrl_beta 0.5 --l1 1 --l2 0.5`, and without penalties.
#[test]
fn ftrl_predicts_as_vowpal_wabbit() {
    assert_as_vowpal(
        ftrl(0.0, 0.0),
        1.0,
        0.529_405,
        [0.07615, -0.17769, -2.50826],
        1e-5,
    );
    assert_as_vowpal(
        ftrl(1.0, 0.5),
        1.0,
        0.543_517,
        [0.06235, -0.17003, -2.33037],
        1e-5,
    );
}
