//! The check of a row, in whole blocks.

use super::{Checked, dispatch};

const BLOCK: usize = 16;

/// Returns whether positions strictly increase, and the bits of the largest absolute value.
///
/// The bits of |v| order as |v| does, and NaN and infinity come out above every finite number.
/// The slices are equally long.
pub(crate) fn summary(positions: &[u32], values: &[f32]) -> (bool, u32) {
    let kernel = Checked::best();
    dispatch!(kernel, summary_body, (positions: &[u32], values: &[f32]) -> (bool, u32))
}

#[inline(always)]
fn summary_body(positions: &[u32], values: &[f32]) -> (bool, u32) {
    let (mut disorder, mut largest) = ([0_u32; BLOCK], [0_u32; BLOCK]);
    let next = positions.get(1..).unwrap_or_default();
    if values.len() <= BLOCK {
        for (a, b) in positions.iter().zip(next) {
            disorder[0] |= u32::from(a >= b);
        }
        for value in values {
            largest[0] = largest[0].max(magnitude(*value));
        }
        return (disorder[0] == 0, largest[0]);
    }
    // The last block overlaps the one before it instead of leaving a rest: looking twice is free.
    let order = positions.windows(BLOCK).zip(next.windows(BLOCK));
    let last = next.len() - BLOCK;
    for (a, b) in order.clone().step_by(BLOCK).chain(order.skip(last)) {
        for lane in 0..BLOCK {
            disorder[lane] |= u32::from(a[lane] >= b[lane]);
        }
    }
    let last = values.len() - BLOCK;
    for block in values
        .windows(BLOCK)
        .step_by(BLOCK)
        .chain(values.windows(BLOCK).skip(last))
    {
        for lane in 0..BLOCK {
            largest[lane] = largest[lane].max(magnitude(block[lane]));
        }
    }
    let (mut any, mut most) = (0, 0);
    for lane in 0..BLOCK {
        any |= disorder[lane];
        most = most.max(largest[lane]);
    }
    (any == 0, most)
}

#[inline(always)]
fn magnitude(value: f32) -> u32 {
    value.to_bits() & 0x7fff_ffff
}
