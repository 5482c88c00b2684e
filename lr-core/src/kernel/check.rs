//! The check of a row, eight or sixteen entries at a time.

#[cfg(target_arch = "x86_64")]
use super::Kernel;
use super::{Checked, dispatch};

/// Returns whether positions strictly increase.
pub(crate) fn is_increasing(positions: &[u32]) -> bool {
    let kernel = Checked::best();
    #[cfg(target_arch = "x86_64")]
    if kernel.get() == Kernel::Avx512 {
        #[allow(unsafe_code)]
        // SAFETY: a `Checked` kernel was found to be available on this CPU.
        return unsafe { avx512::is_increasing(positions) };
    }
    is_increasing_without_masks(kernel, positions)
}

// Apart, so that what calls it on every row saves no registers for it.
#[inline(never)]
fn is_increasing_without_masks(kernel: Checked, positions: &[u32]) -> bool {
    dispatch!(kernel, increasing_body, (positions: &[u32]) -> bool)
}

/// What the values of a row are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Bits of the largest absolute value; 0 where there is none. The bits of |v| order as |v| does,
    /// and NaN and infinity come out above every finite number.
    pub(crate) largest: u32,
    /// Whether every value is 1.
    pub(crate) ones: bool,
}

const ONE: u32 = 1.0_f32.to_bits();

/// Returns whether positions strictly increase, and what the values are like.
pub(crate) fn summary(positions: &[u32], values: &[f32]) -> (bool, Sizes) {
    (is_increasing(positions), sizes(values))
}

fn sizes(values: &[f32]) -> Sizes {
    let kernel = Checked::best();
    #[cfg(target_arch = "x86_64")]
    if kernel.get() == Kernel::Avx512 {
        #[allow(unsafe_code)]
        // SAFETY: a `Checked` kernel was found to be available on this CPU.
        return unsafe { avx512::sizes(values) };
    }
    sizes_without_masks(kernel, values)
}

#[inline(never)]
fn sizes_without_masks(kernel: Checked, values: &[f32]) -> Sizes {
    dispatch!(kernel, sizes_body, (values: &[f32]) -> Sizes)
}

/// Lanes of the loops without masks. The entries after the last whole block come with entries before
/// them, as many as fill one.
const LANES: usize = 8;

#[inline(always)]
fn increasing_body(positions: &[u32]) -> bool {
    let next = positions.get(1..).unwrap_or_default();
    let before = &positions[..next.len()];
    let mut disorder = [0_u32; LANES];
    let mut take = |a: &[u32; LANES], b: &[u32; LANES]| {
        for lane in 0..LANES {
            disorder[lane] |= u32::from(a[lane] >= b[lane]);
        }
    };
    for (a, b) in before.as_chunks().0.iter().zip(next.as_chunks().0) {
        take(a, b);
    }
    if let (Some(a), Some(b)) = (before.last_chunk(), next.last_chunk()) {
        take(a, b);
    } else {
        for (a, b) in before.iter().zip(next) {
            disorder[0] |= u32::from(a >= b);
        }
    }
    disorder.iter().fold(0, |any, lane| any | lane) == 0
}

#[inline(always)]
fn sizes_body(values: &[f32]) -> Sizes {
    let (mut largest, mut other) = ([0_u32; LANES], [0_u32; LANES]);
    let mut take = |block: &[f32; LANES]| {
        for lane in 0..LANES {
            largest[lane] = largest[lane].max(magnitude(block[lane]));
            other[lane] |= block[lane].to_bits() ^ ONE;
        }
    };
    for block in values.as_chunks().0 {
        take(block);
    }
    if let Some(block) = values.last_chunk() {
        take(block);
    } else {
        for value in values {
            largest[0] = largest[0].max(magnitude(*value));
            other[0] |= value.to_bits() ^ ONE;
        }
    }
    Sizes {
        largest: largest.iter().fold(0, |most, lane| most.max(*lane)),
        ones: other.iter().fold(0, |any, lane| any | lane) == 0,
    }
}

#[inline(always)]
fn magnitude(value: f32) -> u32 {
    value.to_bits() & 0x7fff_ffff
}

/// The same with masked loads, so that the rest of a row takes one step and not up to fifteen.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        _mm512_and_si512, _mm512_mask_cmpge_epu32_mask, _mm512_mask_cmpneq_epi32_mask,
        _mm512_maskz_loadu_epi32, _mm512_max_epu32, _mm512_reduce_max_epu32, _mm512_set1_epi32,
        _mm512_setzero_si512,
    };

    use super::{super::first, ONE, Sizes};

    const BLOCK: usize = 16;

    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
    pub(super) fn is_increasing(positions: &[u32]) -> bool {
        let mut disorder = 0;
        let mut rest = positions;
        // The last entry of a block is the first of the next, so that every neighbor is compared.
        while rest.len() > 1 {
            let pairs = first(rest.len() - 1);
            #[allow(unsafe_code)]
            // SAFETY: `pairs` has as many bits, up to sixteen, as there are entries after the
            // first; lanes without a bit are not read.
            let (a, b) = unsafe {
                let start = rest.as_ptr().cast();
                (
                    _mm512_maskz_loadu_epi32(pairs, start),
                    _mm512_maskz_loadu_epi32(pairs, start.add(1)),
                )
            };
            disorder |= _mm512_mask_cmpge_epu32_mask(pairs, a, b);
            rest = rest.get(BLOCK..).unwrap_or_default();
        }
        disorder == 0
    }

    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
    pub(super) fn sizes(values: &[f32]) -> Sizes {
        let mut most = _mm512_setzero_si512();
        let mut other = 0;
        for block in values.chunks(BLOCK) {
            let all = first(block.len());
            #[allow(unsafe_code)]
            // SAFETY: the mask has as many bits as the block has values.
            let bits = unsafe { _mm512_maskz_loadu_epi32(all, block.as_ptr().cast()) };
            let magnitudes = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fff_ffff));
            most = _mm512_max_epu32(most, magnitudes);
            let one = _mm512_set1_epi32(ONE.cast_signed());
            other |= _mm512_mask_cmpneq_epi32_mask(all, bits, one);
        }
        Sizes {
            largest: _mm512_reduce_max_epu32(most),
            ones: other == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ONE, Sizes, increasing_body, is_increasing, sizes, sizes_body};

    /// Rows of every length up to three blocks, wrong at one place or nowhere.
    #[test]
    fn every_kernel_sees_what_the_plain_one_sees() {
        for length in 0..50_usize {
            let positions: Vec<u32> = (0..50).take(length).map(|i| 3 * i + 1).collect();
            assert!(increasing_body(&positions) && is_increasing(&positions));
            for fault in 1..length {
                let mut wrong = positions.clone();
                wrong[fault] = wrong[fault - 1];
                assert!(
                    !increasing_body(&wrong) && !is_increasing(&wrong),
                    "{fault}"
                );
                wrong[fault] = 0;
                assert!(
                    !increasing_body(&wrong) && !is_increasing(&wrong),
                    "{fault}"
                );
            }
            for usual in [-0.25_f32, 1.0] {
                let values = vec![usual; length];
                for place in 0..=length {
                    for value in [-7.5_f32, 1.0, -1.0, f32::NAN, f32::NEG_INFINITY, 1e-40] {
                        let mut values = values.clone();
                        if let Some(at) = values.get_mut(place) {
                            *at = value;
                        }
                        let magnitudes = values.iter().map(|v| v.abs().to_bits());
                        let expected = Sizes {
                            largest: magnitudes.max().unwrap_or_default(),
                            ones: values.iter().all(|v| v.to_bits() == ONE),
                        };
                        assert_eq!(sizes(&values), expected, "{value} at {place}");
                        assert_eq!(sizes_body(&values), expected, "{value} at {place}");
                    }
                }
            }
        }
    }
}
