//! Joint Newton steps: what they gain, and that they keep every promise of a learner.

use lr_core::{
    BankConfig, ConfigError, Example, Kernel, Learner, LearnerConfig, Member, OptimizerConfig,
    RateDecay, StateError, TensorData, logistic_loss, sigmoid, sprs::CsVecViewI,
};

const DIMENSION: usize = 60;

type Event = (Vec<u32>, Vec<f32>, bool);

/// Five groups of one-hots that add up to the same thing, nested in one another.
fn stream(events: usize) -> Vec<Event> {
    let mut seed = 5_u64;
    let mut draw = move |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((seed >> 33) % below).unwrap()
    };
    let effect = |position: u32| f64::from((position * 7 + 3) % 11) / 8.0 - 0.6;
    (0..events)
        .map(|_| {
            let leaf = draw(30);
            let positions = vec![0, 1 + leaf / 10, 4 + leaf / 5, 10 + leaf / 2, 25 + leaf];
            let margin: f64 = positions.iter().map(|&p| effect(p)).sum();
            let label = f64::from(draw(1 << 20)) / f64::from(1 << 20) < sigmoid(margin - 0.5);
            (positions, vec![1.0; 5], label)
        })
        .collect()
}

fn learn(learner: &mut Learner, events: &[Event]) -> f64 {
    let mut loss = 0.0;
    for (positions, values, label) in events {
        let row = CsVecViewI::new(DIMENSION, positions, values);
        let margin = learner.learn(&Example::new(row, *label)).unwrap().margin;
        loss += logistic_loss(margin, *label);
    }
    loss
}

fn config(joint: bool) -> LearnerConfig {
    let member = Member::new(0.3, RateDecay::Curvature);
    let member = if joint {
        member.with_joint_steps()
    } else {
        member
    };
    let members = vec![member, Member::new(0.1, RateDecay::Root)];
    OptimizerConfig::Bank(BankConfig::default().members(members)).into()
}

#[test]
fn nearly_dependent_positions_are_told_apart_sooner() {
    // Two positions that are always there; all that matters is their difference, ±0.2.
    let margin = |above: bool| if above { 1.0 } else { -1.0 };
    let events: Vec<Event> = stream(16_000)
        .iter()
        .enumerate()
        .map(|(i, (leaves, ..))| {
            let above = leaves[4] % 2 == 0;
            let draw = (i * 7_919 % 1_000) as f64 / 1_000.0;
            let second = if above { 1.2 } else { 0.8 };
            (vec![0, 1], vec![1.0, second], draw < sigmoid(margin(above)))
        })
        .collect();
    let newer = &events[8_000..];
    let losses = [false, true].map(|joint| {
        let member = Member::new(10.0, RateDecay::Curvature);
        let member = if joint {
            member.with_joint_steps()
        } else {
            member
        };
        let bank = BankConfig::default().members(vec![member]);
        let mut learner = Learner::new(DIMENSION, OptimizerConfig::Bank(bank)).unwrap();
        learn(&mut learner, &events[..8_000]);
        learn(&mut learner, newer) / 8_000.0
    });
    let truth = |(_, values, label): &Event| logistic_loss(margin(values[1] > 1.0), *label);
    let truth = newer.iter().map(truth).sum::<f64>() / 8_000.0;
    let [apart, together] = losses.map(|loss| loss - truth);
    assert!(apart > 0.0 && together < 0.5 * apart, "{apart} {together}");
}

#[test]
fn a_run_resumes_to_the_same_bytes_at_any_event_on_any_kernel() {
    let events = stream(1_700);
    let mut whole = Learner::new(DIMENSION, config(true)).unwrap();
    whole.set_kernel(Kernel::Plain);
    learn(&mut whole, &events);
    for kernel in Kernel::available() {
        let mut part = Learner::new(DIMENSION, config(true)).unwrap();
        // Before positions are chosen, when they are, within a batch, and after a factor.
        for piece in [
            &events[..500],
            &events[500..512],
            &events[512..1_000],
            &events[1_000..],
        ] {
            part.set_kernel(kernel);
            learn(&mut part, piece);
            part = Learner::from_state(config(true), &part.state()).unwrap();
        }
        assert_eq!(part.state(), whole.state(), "{kernel:?}");
    }
}

#[test]
fn a_change_of_scale_or_units_within_a_batch_changes_no_course() {
    let events = stream(3_000);
    let aging = config(true).half_life(1e9);
    let mut plain = Learner::new(DIMENSION, config(true)).unwrap();
    let mut scaled = Learner::new(DIMENSION, aging).unwrap();
    learn(&mut plain, &events[..2_100]);
    learn(&mut scaled, &events[..2_100]);
    // Values half as large from now on: a prior of η on the weight becomes one of η/4 on what it
    // does, which hardly matters after 2,000 events.
    let ratios: Vec<f32> = (0..DIMENSION)
        .map(|p| if p < 4 { 0.5 } else { 1.0 })
        .collect();
    scaled.rescale(&ratios).unwrap();
    for (positions, values, label) in &events[2_100..] {
        let halved: Vec<f32> = positions.iter().map(|&p| ratios[p as usize]).collect();
        let row = CsVecViewI::new(DIMENSION, positions, &halved);
        let a = scaled.learn(&Example::new(row, *label)).unwrap().margin;
        let row = CsVecViewI::new(DIMENSION, positions, values);
        let b = plain.learn(&Example::new(row, *label)).unwrap().margin;
        assert!((a - b).abs() < 0.15, "{a} {b}");
    }
}

#[test]
fn moved_positions_stay_joint() {
    let events = stream(2_000);
    let mut learner = Learner::new(DIMENSION, config(true)).unwrap();
    learn(&mut learner, &events[..1_000]);
    let reversed: Vec<Option<u32>> = (0..DIMENSION)
        .rev()
        .map(|p| u32::try_from(p).ok())
        .collect();
    let mut unmoved = learner.clone();
    learner.remap(&reversed).unwrap();
    let moved: Vec<Event> = events[1_000..]
        .iter()
        .map(|(positions, values, label)| {
            let last = u32::try_from(DIMENSION).unwrap() - 1;
            let positions = positions.iter().rev().map(|p| last - p).collect();
            (positions, values.clone(), *label)
        })
        .collect();
    let stays = learn(&mut unmoved, &events[1_000..]) / 1_000.0;
    let loss = learn(&mut learner, &moved) / 1_000.0;
    assert!((loss - stays).abs() < 1e-3, "{loss} {stays}");
    let state = learner.state();
    assert!(
        state
            .tensors
            .iter()
            .any(|tensor| tensor.name == "joint_factor")
    );
    assert_eq!(
        Learner::from_state(config(true), &state).unwrap().state(),
        state
    );
}

#[test]
fn damaged_joint_states_are_refused() {
    let mut learner = Learner::new(DIMENSION, config(true)).unwrap();
    learn(&mut learner, &stream(700));
    let good = learner.state();
    let joint: Vec<usize> = (0..good.tensors.len())
        .filter(|&i| good.tensors[i].name.starts_with("joint"))
        .collect();
    assert_eq!(joint.len(), 7);
    for index in joint {
        let mut damaged = vec![good.clone(), good.clone()];
        damaged[0].tensors.remove(index);
        match &mut damaged[1].tensors[index].data {
            TensorData::F32(data) => data[0] = f32::NAN,
            TensorData::F64(data) => data[0] = f64::NAN,
            TensorData::U64(data) => data[0] = u64::MAX,
            _ => {}
        }
        for state in damaged {
            let error = Learner::from_state(config(true), &state).unwrap_err();
            let typed = matches!(error, StateError::Missing { .. } | StateError::Value { .. });
            assert!(typed, "{error}");
        }
    }
    // A factor without a positive diagonal, a sum below 0, positions out of order, rows of a factor that
    // is half.
    for (name, at) in [
        ("joint_factor", 0),
        ("joint_curvatures", 1),
        ("joint_positions", 1),
        ("joint_counts", 1),
    ] {
        let mut damaged = good.clone();
        let tensor = damaged
            .tensors
            .iter_mut()
            .find(|tensor| tensor.name == name);
        match &mut tensor.unwrap().data {
            TensorData::F64(data) => data[at] = -data[at],
            TensorData::U64(data) => data[at] = data[at - 1],
            _ => {}
        }
        if name == "joint_counts" {
            let TensorData::U64(data) = &mut damaged.tensors[joint_counts(&good)].data else {
                panic!("counts are whole numbers")
            };
            data[1] = 3;
        }
        let error = Learner::from_state(config(true), &damaged).unwrap_err();
        assert!(
            matches!(error, StateError::Value { name: found, .. } if found == name),
            "{error}"
        );
    }
}

fn joint_counts(state: &lr_core::LearnerState) -> usize {
    let named = |tensor: &lr_core::Tensor| tensor.name == "joint_counts";
    state.tensors.iter().position(named).unwrap()
}

#[test]
fn settings_of_joint_steps_are_checked() {
    let curved = Member::new(0.1, RateDecay::Curvature).with_joint_steps();
    let rooted = Member::new(0.1, RateDecay::Root).with_joint_steps();
    for members in [vec![curved, curved], vec![rooted]] {
        let bank = BankConfig::default().members(members);
        let error = Learner::new(1, OptimizerConfig::Bank(bank)).unwrap_err();
        assert_eq!(error, ConfigError::JointMember);
    }
    for positions in [0, 1025, usize::MAX] {
        let bank = BankConfig::default().joint_positions(positions);
        let error = Learner::new(1, OptimizerConfig::Bank(bank)).unwrap_err();
        assert!(
            matches!(
                error,
                ConfigError::OutOfRange {
                    setting: "joint_positions",
                    ..
                }
            ),
            "{error}"
        );
    }
}
