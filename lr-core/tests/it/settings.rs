//! Every setting of every type at NaN, infinities, zeros, subnormal, ordinary and huge numbers: it is
//! refused by name, or a learner with it stays sound.

use crate::divergence::is_finite;
use lr_core::{
    AdaGradConfig, BankConfig, ConfigError, ExactSolver, Example, FtrlConfig, LearnError, Learner,
    LearnerConfig, LearningCurve, Member, Metrics, MetricsError, NormalizedConfig, OptimizerConfig,
    Platt, PlattConfig, RateDecay, RecentMetrics, Schedule, SgdConfig, SlicedMetrics, SolverConfig,
    SolverConfigError, sprs::CsVecViewI,
};

const NUMBERS: [f64; 26] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MIN,
    -1.0,
    -1e-45,
    -0.0,
    0.0,
    5e-324,
    1e-45,
    1e-30,
    1e-12,
    1e-3,
    0.1,
    0.5,
    0.999_999,
    1.0,
    1.000_001,
    50.0,
    100.0,
    100.1,
    1e4,
    1e9,
    3e38,
    1e300,
    f64::MAX,
];

/// A setting of a learner: its name, how a message states its range, the range, and a learner's
/// settings with it.
struct Setting {
    name: &'static str,
    range: &'static str,
    accepts: fn(f64) -> bool,
    config: fn(f64) -> LearnerConfig,
}

const ABOVE_ZERO: &str = "finite and above 0";
const NOT_NEGATIVE: &str = "finite and at least 0";

fn above_zero(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

fn not_negative(value: f64) -> bool {
    value >= 0.0 && value.is_finite()
}

#[expect(clippy::cast_possible_truncation, reason = "settings are f32")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// The range of an `f32` setting, asked of what an `f64` rounds to.
fn narrow_above_zero(value: f64) -> bool {
    above_zero(f64::from(narrow(value)))
}

fn narrow_not_negative(value: f64) -> bool {
    not_negative(f64::from(narrow(value)))
}

fn bank(config: BankConfig) -> LearnerConfig {
    OptimizerConfig::Bank(config).into()
}

fn member(rate: f64, decay: RateDecay) -> LearnerConfig {
    bank(BankConfig::default().members(vec![Member::new(narrow(rate), decay)]))
}

fn ftrl(set: fn(FtrlConfig, f64) -> FtrlConfig, value: f64) -> LearnerConfig {
    OptimizerConfig::Ftrl(set(FtrlConfig::default(), value)).into()
}

fn sgd(set: fn(SgdConfig, f64) -> SgdConfig, value: f64) -> LearnerConfig {
    OptimizerConfig::Sgd(set(SgdConfig::default(), value)).into()
}

/// Shorthand for a row of the table.
macro_rules! setting {
    ($name:literal, $range:expr, $accepts:expr, $config:expr) => {
        Setting {
            name: $name,
            range: $range,
            accepts: $accepts,
            config: $config,
        }
    };
}

const MEMBER: &str = "in (0, 100]";
const RATE: &str = "in [1e-9, 1e9]";
const DAMPING: &str = "finite and at least 1e-20";
const VARIANCE: &str = "in (0, 1000]";

fn member_rate(value: f64) -> bool {
    let value = narrow(value);
    value > 0.0 && value <= 100.0
}

fn rate(value: f64) -> bool {
    (1e-9..=1e9).contains(&value)
}

fn damping(value: f64) -> bool {
    value >= 1e-20 && value.is_finite()
}

fn variance(value: f64) -> bool {
    value > 0.0 && value <= 1e3
}

const SETTINGS: &[Setting] = &[
    setting!("learning_rate", MEMBER, member_rate, |v| member(
        v,
        RateDecay::None
    )),
    setting!("learning_rate", MEMBER, member_rate, |v| member(
        v,
        RateDecay::Root
    )),
    setting!("learning_rate", MEMBER, member_rate, |v| member(
        v,
        RateDecay::Curvature
    )),
    setting!("newness", ABOVE_ZERO, narrow_above_zero, |v| bank(
        BankConfig::default().newness(narrow(v))
    )),
    setting!("prior_variance", VARIANCE, variance, |v| bank(
        BankConfig::default().prior_variance(v)
    )),
    setting!("bias_variance", VARIANCE, variance, |v| bank(
        BankConfig::default().bias_variance(v)
    )),
    setting!(
        "forgetting",
        "in [0, 0.5]",
        |v| (0.0..=0.5).contains(&v),
        |v| bank(BankConfig::default().forgetting(v))
    ),
    setting!("l1", NOT_NEGATIVE, narrow_not_negative, |v| bank(
        BankConfig::default().l1(narrow(v))
    )),
    setting!("l2", NOT_NEGATIVE, narrow_not_negative, |v| bank(
        BankConfig::default().l2(narrow(v))
    )),
    setting!("alpha", RATE, rate, |v| ftrl(FtrlConfig::alpha, v)),
    setting!("beta", NOT_NEGATIVE, not_negative, |v| ftrl(
        FtrlConfig::beta,
        v
    )),
    setting!("l1", NOT_NEGATIVE, not_negative, |v| ftrl(
        FtrlConfig::l1,
        v
    )),
    setting!("l2", NOT_NEGATIVE, not_negative, |v| ftrl(
        FtrlConfig::l2,
        v
    )),
    setting!("learning_rate", RATE, rate, |v| {
        OptimizerConfig::AdaGrad(AdaGradConfig::default().learning_rate(v)).into()
    }),
    setting!("beta", DAMPING, damping, |v| {
        OptimizerConfig::AdaGrad(AdaGradConfig::default().beta(v)).into()
    }),
    setting!("learning_rate", RATE, rate, |v| {
        OptimizerConfig::Normalized(NormalizedConfig::default().learning_rate(v)).into()
    }),
    setting!("learning_rate", RATE, rate, |v| sgd(
        SgdConfig::learning_rate,
        v
    )),
    setting!("l2", NOT_NEGATIVE, not_negative, |v| sgd(SgdConfig::l2, v)),
    setting!("exponent", "in [0, 1]", |v| (0.0..=1.0).contains(&v), |v| {
        sgd(|c, v| c.schedule(Schedule::Power { exponent: v }), v)
    }),
    setting!("positive_importance", ABOVE_ZERO, narrow_above_zero, |v| {
        LearnerConfig::default().positive_importance(narrow(v))
    }),
    setting!("negative_importance", ABOVE_ZERO, narrow_above_zero, |v| {
        LearnerConfig::default().negative_importance(narrow(v))
    }),
    setting!("sampling_rate", "in (0, 1]", |v| v > 0.0 && v <= 1.0, |v| {
        LearnerConfig::default().sampling_rate(v)
    }),
    setting!("half_life", "at least 100", |v| v >= 100.0, |v| {
        LearnerConfig::default().half_life(v)
    }),
    setting!("max_margin", ABOVE_ZERO, above_zero, |v| {
        LearnerConfig::default().max_margin(v)
    }),
    setting!("max_mean_loss", ABOVE_ZERO, above_zero, |v| {
        LearnerConfig::default().max_mean_loss(v)
    }),
];

/// Learns some events, of ordinary and of large values; the state must stay finite throughout and
/// be the one before wherever an event is refused.
fn stays_sound(mut learner: Learner, what: &str) {
    for event in 0..300_u32 {
        let large = if event % 50 == 49 { 1e6 } else { 1.0 };
        let (positions, values) = ([event % 3, 3 + event % 5], [1.0, large]);
        let row = CsVecViewI::new(8, &positions[..], &values[..]);
        let before = learner.state();
        match learner.learn(&Example::new(row, event % 3 == 0)) {
            Ok(prediction) => {
                assert!(
                    (0.0..=1.0).contains(&prediction.probability),
                    "{what}: {prediction:?}"
                );
                assert!(is_finite(&learner.state()), "{what}, event {event}");
            }
            Err(LearnError::Diverged { .. }) => assert_eq!(learner.state(), before, "{what}"),
            Err(other) => panic!("{what}: {other}"),
        }
    }
    if let Ok(model) = learner.model() {
        assert!(model.weights().iter().all(|w| w.is_finite()), "{what}");
    }
}

#[test]
fn every_setting_of_a_learner_is_refused_by_name_or_leaves_it_sound() {
    for setting in SETTINGS {
        for value in NUMBERS {
            let config = (setting.config)(value);
            let optimizer = config.optimizer.name();
            let what = format!("{optimizer} {} = {value:e}", setting.name);
            match Learner::new(8, config) {
                Ok(learner) => {
                    assert!((setting.accepts)(value), "{what} is accepted");
                    stays_sound(learner, &what);
                }
                Err(error) => {
                    assert!(!(setting.accepts)(value), "{what}: {error}");
                    let ConfigError::OutOfRange { value: given, .. } = error else {
                        panic!("{what}: {error}");
                    };
                    // What was given, but for the rounding of settings that are f32.
                    let same = given.to_bits() == value.to_bits();
                    let rounded = given.to_bits() == f64::from(narrow(value)).to_bits();
                    assert!(
                        same || rounded || value.is_nan() && given.is_nan(),
                        "{what}"
                    );
                    let rendered = format!("{} is {given}, not {}", setting.name, setting.range);
                    assert_eq!(error.to_string(), rendered);
                }
            }
        }
    }
}

/// Asserts that a number is accepted, or refused with exactly this message.
fn judge<T, E: std::fmt::Display>(result: Result<T, E>, accepts: bool, message: &str) {
    match result {
        Ok(_) => assert!(accepts, "accepted, without {message:?}"),
        Err(error) => {
            assert!(!accepts, "{error}");
            assert_eq!(error.to_string(), message);
        }
    }
}

#[test]
fn every_setting_of_the_solver_is_refused_by_name_or_accepted() {
    let default = SolverConfig::default();
    for v in NUMBERS {
        let penalty = |name| format!("{name} = {v} is not a finite number of at least 0");
        // `l2` is 1, so that an `l1` of 0 is fine.
        judge(
            ExactSolver::new(default.clone().l1(v)),
            not_negative(v),
            &penalty("l1"),
        );
        judge(
            ExactSolver::new(default.clone().l1(1.0).l2(v)),
            not_negative(v),
            &penalty("l2"),
        );
        judge(
            ExactSolver::new(default.clone().tolerance(v)),
            (1e-12..1.0).contains(&v),
            &format!("tolerance {v} is not in [1e-12, 1)"),
        );
        if v <= 0.0 && not_negative(v) {
            let error = ExactSolver::new(default.clone().l1(v).l2(v)).unwrap_err();
            assert_eq!(error, SolverConfigError::NoPenalty);
        }
    }
    for count in [0, 1, 3, usize::MAX] {
        judge(
            ExactSolver::new(default.clone().threads(count)),
            count > 0,
            "threads is 0",
        );
        judge(
            ExactSolver::new(default.clone().max_iterations(count)),
            count > 0,
            "max_iterations is 0",
        );
    }
}

#[test]
fn every_setting_of_recalibration_is_refused_by_name_or_leaves_it_sound() {
    for v in NUMBERS {
        for (name, range, accepts, config) in [
            (
                "prior_variance",
                "in (0, 100]",
                v > 0.0 && v <= 100.0,
                PlattConfig::default().prior_variance(v),
            ),
            (
                "forgetting",
                "in [0, 0.1]",
                (0.0..=0.1).contains(&v),
                PlattConfig::default().forgetting(v),
            ),
        ] {
            let platt = Platt::new(&config);
            if let Ok(mut platt) = platt.clone() {
                for event in 0..200 {
                    let margin = if event % 2 == 0 { 1e308 } else { -3.0 };
                    platt.push(margin, event % 3 == 0, 1e30).unwrap();
                }
                let state = platt.state();
                assert!(
                    state.iter().all(|n| n.is_finite()),
                    "{name} = {v}: {state:?}"
                );
            }
            judge(platt, accepts, &format!("{name} = {v} is not {range}"));
        }
    }
}

#[test]
fn every_setting_of_the_metrics_is_refused_by_name_or_leaves_them_sound() {
    for resolution in [0, 1, 2, 8, 16, 17, u32::MAX] {
        let accepts = (2..=16).contains(&resolution);
        let message = format!("resolution {resolution} is not in 2 to 16 bits");
        judge(Metrics::with_resolution(resolution), accepts, &message);
        for size in [0, 1, 2, 3, usize::MAX - 1, usize::MAX] {
            let events = u64::try_from(size).unwrap();
            let slices = SlicedMetrics::new(size, resolution).map(|mut slices| {
                for event in 0..20_u8 {
                    let name = char::from(b'a' + event % 5).to_string();
                    slices.push(&name, 0.3, event % 3 == 0, 1.0).unwrap();
                }
            });
            judge(slices, accepts, &message);
            let curve = LearningCurve::new(events, size, resolution).map(|mut curve| {
                for event in 0..20_u8 {
                    curve.push(0.3, event % 3 == 0, 1.0).unwrap();
                }
            });
            judge(curve, accepts, &message);
            let recent = RecentMetrics::new(events, size, resolution).map(|mut recent| {
                for event in 0..20_u8 {
                    recent.push(0.3, event % 3 == 0, 1.0).unwrap();
                }
                assert!(recent.metrics().unwrap().events() > 0);
            });
            judge(recent, accepts, &message);
        }
    }
    let mut metrics = Metrics::new();
    for (probability, label) in [(0.2, true), (0.4, false), (0.3, true), (0.1, false)] {
        metrics.push(probability, label, 1.0).unwrap();
    }
    for v in NUMBERS {
        let accepts = v > 0.0 && v < 1.0;
        let message = format!("confidence level {v} is not in (0, 1)");
        judge(metrics.log_loss_interval(v), accepts, &message);
        judge(metrics.auc_interval(v), accepts, &message);
        let message = format!("probability {v} is not in [0, 1]");
        let inside = (0.0..=1.0).contains(&v);
        judge(metrics.clone().push(v, true, 1.0), inside, &message);
        judge(metrics.confusion(v), inside, &message);
        let importance = narrow(v);
        judge(
            metrics.clone().push(0.5, true, importance),
            (0.0..=16_777_216.0).contains(&importance),
            &format!(
                "importance {} is not in [0, 16777216]",
                f64::from(importance)
            ),
        );
        let margin = metrics.clone().push_margin(v, true, 1.0);
        judge(
            margin,
            !v.is_nan(),
            &MetricsError::MarginNotANumber.to_string(),
        );
    }
}
