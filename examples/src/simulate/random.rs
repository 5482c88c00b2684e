//! Random draws that are the same bytes on every platform.
//!
//! `ChaCha8` gives the bits, uniforms are exact dyadic fractions, and everything transcendental
//! comes from `libm`, so no result depends on the platform's maths library.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random draws.
#[derive(Debug, Clone)]
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// Stream number `stream` of `seed`; streams of one seed are independent of each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self(generator)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.0.next_u64())
    }

    /// Normal with mean 0 and standard deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let (first, second) = (self.unit(), self.unit());
        normal(first, second)
    }

    /// True with `probability`.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..count`; 0 when `count` is 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        index(self.unit() * count as f64).min(count.saturating_sub(1))
    }
}

/// A normal draw that belongs to three numbers, without state: the same every time.
pub(crate) fn normal_of(seed: u64, first: u64, second: u64) -> f64 {
    let key = mix(seed ^ mix(first ^ mix(second)));
    normal(unit(key), unit(mix(key)))
}

/// A choice among the numbers `0..n` with given weights, in O(log n).
#[derive(Debug, Clone)]
pub(crate) struct Weighted {
    /// Running sums of the weights.
    sums: Vec<f64>,
}

impl Weighted {
    pub(crate) fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut total = 0.0;
        let sums = weights.into_iter().map(|weight| {
            total += weight;
            total
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// Zipf's law: the weight of rank r, from 1, is r to the power −`exponent`.
    pub(crate) fn zipf(count: usize, exponent: f64) -> Self {
        Self::new((1..=count).map(|rank| libm::pow(rank as f64, -exponent)))
    }

    /// Draws a number; 0 when there is nothing to choose from.
    pub(crate) fn draw(&self, draws: &mut Draws) -> usize {
        let target = draws.unit() * self.sums.last().copied().unwrap_or(0.0);
        let place = self.sums.partition_point(|&sum| sum <= target);
        place.min(self.sums.len().saturating_sub(1))
    }
}

/// The whole part of a number that is not negative.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, which is meant
pub(crate) fn index(value: f64) -> usize {
    value as usize
}

fn normal(first: f64, second: f64) -> f64 {
    libm::sqrt(-2.0 * libm::log(1.0 - first)) * libm::cos(TAU * second)
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// The finalizer of `SplitMix64`.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
