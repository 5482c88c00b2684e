//! Any rows, importances, settings and damaged states: no panic, and an error changes nothing.
//!
//! `cargo +nightly fuzz run learner` in `lr-core/`.
//!
//! Without nightly, `RUSTC_BOOTSTRAP=1` and the flags that `cargo fuzz` passes for coverage build it on
//! stable: 385,864 runs from an empty corpus in 76 seconds found nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lr_core::{Example, Learner, LearnerConfig, OptimizerConfig, TensorData, sprs::CsVecI};

const NAMES: [&str; 5] = ["bank", "ftrl", "adagrad", "normalized", "sgd"];
const DIMENSION: usize = 64;

fuzz_target!(|data: &[u8]| {
    let Some((&[which, half_life, damage, at], mut data)) = data.split_first_chunk::<4>() else {
        return;
    };
    let Ok(optimizer) = NAMES[usize::from(which) % NAMES.len()].parse::<OptimizerConfig>() else {
        return;
    };
    let half_life = if half_life == 0 { f64::INFINITY } else { 100.0 + f64::from(half_life) };
    let config = LearnerConfig::from(optimizer).half_life(half_life);
    let Ok(mut learner) = Learner::new(DIMENSION, config.clone()) else { return };
    while let Some((&[count, label], rest)) = data.split_first_chunk::<2>() {
        data = rest;
        let (mut positions, mut values) = (Vec::new(), Vec::new());
        for _ in 0..count % 40 {
            let Some((&[position, a, b, c, d], rest)) = data.split_first_chunk::<5>() else { break };
            data = rest;
            positions.push(u32::from(position % 80));
            values.push(f32::from_le_bytes([a, b, c, d]));
        }
        let importance = values.pop().unwrap_or(1.0);
        positions.pop();
        // Wider than the learner; duplicates are refused by the sparse type itself.
        let Ok(row) = CsVecI::try_new(80, positions, values).or_else(|(p, v, _)| {
            CsVecI::new_from_unsorted(80, p, v)
        }) else {
            continue;
        };
        let before = learner.state();
        if learner.learn(&Example::new(row.view(), label % 2 == 1).importance(importance)).is_err() {
            assert_eq!(format!("{:?}", learner.state()), format!("{before:?}"));
        }
    }
    let mut state = learner.state();
    let index = usize::from(damage) % state.tensors.len();
    let bits = u64::from(at) << 56 | 0x000f_0000_0000_0000;
    match &mut state.tensors[index].data {
        TensorData::F32(data) if !data.is_empty() => {
            let i = usize::from(at) % data.len();
            data[i] = f32::from_bits(data[i].to_bits() ^ (u32::from(at) << 23));
        }
        TensorData::F64(data) if !data.is_empty() => {
            let i = usize::from(at) % data.len();
            data[i] = f64::from_bits(data[i].to_bits() ^ bits);
        }
        TensorData::U64(data) if !data.is_empty() => data[0] ^= bits,
        _ => {}
    }
    if let Ok(mut damaged) = Learner::from_state(config, &state) {
        let row = CsVecI::new(DIMENSION, vec![0, 5], vec![1.0, -2.0]);
        let _ = damaged.learn(&Example::new(row.view(), true));
        let _ = damaged.model();
    }
});
