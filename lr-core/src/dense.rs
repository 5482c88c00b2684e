//! Dense vectors and triangles in a fixed order of summation.

mod factor;

pub(crate) use self::factor::Factor;

const LANES: usize = 8;

/// Dot product, in eight interleaved sums.
#[inline(always)]
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let (left_lanes, left_rest) = left.as_chunks::<LANES>();
    let (right_lanes, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (left, right) in left_lanes.iter().zip(right_lanes) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    let tail: f64 = left_rest
        .iter()
        .zip(right_rest)
        .map(|(left, right)| left * right)
        .sum();
    ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])) + tail
}

/// `target += factor · direction`.
#[inline(always)]
pub(crate) fn add_scaled(target: &mut [f64], factor: f64, direction: &[f64]) {
    for (target, direction) in target.iter_mut().zip(direction) {
        *target += factor * direction;
    }
}
