//! Joint steps as named arrays.

use super::{Counters, Curvatures, Joint};
use crate::{
    config::BankConfig,
    dense::Factor,
    state::{LearnerState, StateError, TensorData},
};

/// Numbers of positions and of the factor's rows, then the counters.
const COUNTS: usize = 6;

impl Joint {
    pub(in crate::bank) fn save(&self, state: &mut LearnerState) {
        let Counters {
            events,
            next_step,
            next_factor,
            next_choice,
        } = &self.counters;
        let factored = self.factor.as_ref().map_or(0, Factor::size);
        let mut counts = vec![self.positions.len() as u64, factored as u64];
        counts.extend([*events, *next_step, *next_factor, *next_choice]);
        state.push("joint_counts", TensorData::U64(counts));
        let Curvatures {
            all,
            waiting,
            period,
        } = self.curvatures;
        let curvatures = vec![all, waiting, period];
        state.push("joint_curvatures", TensorData::F64(curvatures));
        if !self.positions.is_empty() {
            let positions = self.positions.iter().map(|&p| u64::from(p)).collect();
            state.push("joint_positions", TensorData::U64(positions));
            state.push("joint_curvature", TensorData::F64(self.curvature.concat()));
            state.push("joint_start", TensorData::F32(self.start.clone()));
            let curvatures = self.start_curvature.clone();
            state.push("joint_start_curvature", TensorData::F32(curvatures));
        }
        if let Some(factor) = &self.factor {
            state.push("joint_factor", TensorData::F64(factor.entries().collect()));
        }
    }

    pub(in crate::bank) fn load(
        config: &BankConfig,
        dimension: usize,
        state: &LearnerState,
    ) -> Result<Option<Self>, StateError> {
        let Some(mut joint) = Self::new(config, dimension) else {
            return Ok(None);
        };
        let counts = state.u64("joint_counts", COUNTS)?;
        let chosen = bounded(counts, 0, joint.size)?;
        let factored = bounded(counts, 1, chosen)?;
        if factored != 0 && factored != chosen {
            return Err(refused("joint_counts", 1, counts[1]));
        }
        joint.counters = Counters {
            events: counts[2],
            next_step: counts[3],
            next_factor: counts[4],
            next_choice: counts[5],
        };
        let sums = state.f64("joint_curvatures", 3)?;
        if let Some(index) = sums.iter().position(|&sum| sum < 0.0) {
            return Err(StateError::Value {
                name: "joint_curvatures",
                index,
                value: sums[index],
            });
        }
        joint.curvatures = Curvatures {
            all: sums[0],
            waiting: sums[1],
            period: sums[2],
        };
        if chosen > 0 {
            let mut least = 0;
            for (index, &saved) in state.u64("joint_positions", chosen)?.iter().enumerate() {
                let position = u32::try_from(saved).ok();
                let Some(position) =
                    position.filter(|&p| saved >= least && (p as usize) < dimension)
                else {
                    return Err(refused("joint_positions", index, saved));
                };
                least = saved + 1;
                joint.positions.push(position);
            }
            joint.index();
            joint.curvature = triangle(state.f64("joint_curvature", entries(chosen))?, chosen);
            joint.start = state.f32("joint_start", chosen)?.to_vec();
            joint.start_curvature = state.f32("joint_start_curvature", chosen)?.to_vec();
        }
        if factored > 0 {
            let rows = triangle(state.f64("joint_factor", entries(factored))?, factored);
            for (slot, row) in rows.iter().enumerate() {
                if row[slot] <= 0.0 {
                    return Err(StateError::Value {
                        name: "joint_factor",
                        index: entries(slot) + slot,
                        value: row[slot],
                    });
                }
            }
            joint.factor = Some(Factor::from_rows(&rows));
        }
        Ok(Some(joint))
    }
}

/// Entries of a triangle.
fn entries(rows: usize) -> usize {
    rows * (rows + 1) / 2
}

fn triangle(numbers: &[f64], rows: usize) -> Vec<Vec<f64>> {
    (0..rows)
        .map(|row| numbers[entries(row)..entries(row + 1)].to_vec())
        .collect()
}

fn bounded(counts: &[u64], index: usize, most: usize) -> Result<usize, StateError> {
    usize::try_from(counts[index])
        .ok()
        .filter(|&count| count <= most)
        .ok_or_else(|| refused("joint_counts", index, counts[index]))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn refused(name: &'static str, index: usize, value: u64) -> StateError {
    StateError::Value {
        name,
        index,
        value: value as f64,
    }
}
