//! The stacker's matrix in AVX-512 registers, two a row.

use std::arch::x86_64::{
    __m512d, _mm_add_pd, _mm_add_sd, _mm_cvtsd_f64, _mm_unpackhi_pd, _mm256_add_pd,
    _mm256_castpd256_pd128, _mm256_extractf128_pd, _mm512_add_pd, _mm512_castpd512_pd256,
    _mm512_extractf64x4_pd, _mm512_loadu_pd, _mm512_mul_pd, _mm512_set1_pd, _mm512_setzero_pd,
    _mm512_storeu_pd, _mm512_sub_pd,
};

use super::{Stack, TERMS};

/// Sixteen numbers.
pub(in crate::kernel) type Pair = [__m512d; 2];

/// [`super::gain`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(in crate::kernel) fn gain(covariance: &[[f64; TERMS]; TERMS], terms: &[f64; TERMS]) -> Pair {
    let mut chains = [[_mm512_setzero_pd(); 2]; 4];
    let (row_chunks, _) = covariance.as_chunks::<4>();
    let (term_chunks, _) = terms.as_chunks::<4>();
    for (rows, terms) in row_chunks.iter().zip(term_chunks) {
        for ((chain, row), &t) in chains.iter_mut().zip(rows).zip(terms) {
            let (t, row) = (_mm512_set1_pd(t), load(row));
            chain[0] = _mm512_add_pd(chain[0], _mm512_mul_pd(row[0], t));
            chain[1] = _mm512_add_pd(chain[1], _mm512_mul_pd(row[1], t));
        }
    }
    let [a, b, c, d] = chains;
    [
        _mm512_add_pd(_mm512_add_pd(a[0], b[0]), _mm512_add_pd(c[0], d[0])),
        _mm512_add_pd(_mm512_add_pd(a[1], b[1]), _mm512_add_pd(c[1], d[1])),
    ]
}

/// [`Stack::learn`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(in crate::kernel) fn learn(
    stack: &mut Stack,
    terms: &[f64; TERMS],
    gains: &[f64; TERMS],
    slope: f64,
    curvature: f64,
) {
    let gain = load(gains);
    let spread = dot(gain, load(terms)) * stack.growth;
    let damping = 1.0 / (1.0 + curvature * spread);
    let pull = slope * damping * stack.growth;
    let mean = load(&stack.mean);
    store(&mut stack.mean, minus(mean, pull, gain));
    let narrowing = curvature * damping * stack.growth;
    let shrink = _mm512_set1_pd(narrowing);
    for (row, &g) in stack.covariance.iter_mut().zip(gains) {
        let (g, old) = (_mm512_set1_pd(g), load(row));
        let low = _mm512_mul_pd(_mm512_mul_pd(g, gain[0]), shrink);
        let high = _mm512_mul_pd(_mm512_mul_pd(g, gain[1]), shrink);
        store(
            row,
            [_mm512_sub_pd(old[0], low), _mm512_sub_pd(old[1], high)],
        );
    }
    stack.age(dot(gain, gain) * narrowing);
}

/// [`super::dot`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(in crate::kernel) fn dot(left: Pair, right: Pair) -> f64 {
    let low = _mm512_mul_pd(left[0], right[0]);
    let eight = _mm512_add_pd(low, _mm512_mul_pd(left[1], right[1]));
    let (low, high) = (
        _mm512_castpd512_pd256(eight),
        _mm512_extractf64x4_pd::<1>(eight),
    );
    let four = _mm256_add_pd(low, high);
    let (low, high) = (
        _mm256_castpd256_pd128(four),
        _mm256_extractf128_pd::<1>(four),
    );
    let two = _mm_add_pd(low, high);
    _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
}

/// Returns `left − scale · right`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
fn minus(left: Pair, scale: f64, right: Pair) -> Pair {
    let scale = _mm512_set1_pd(scale);
    [
        _mm512_sub_pd(left[0], _mm512_mul_pd(scale, right[0])),
        _mm512_sub_pd(left[1], _mm512_mul_pd(scale, right[1])),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(in crate::kernel) fn load(numbers: &[f64; TERMS]) -> Pair {
    #[allow(unsafe_code)]
    // SAFETY: the two halves of an array of sixteen.
    unsafe {
        [
            _mm512_loadu_pd(numbers.as_ptr()),
            _mm512_loadu_pd(numbers.as_ptr().add(TERMS / 2)),
        ]
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(in crate::kernel) fn store(numbers: &mut [f64; TERMS], pair: Pair) {
    #[allow(unsafe_code)]
    // SAFETY: the two halves of an array of sixteen.
    unsafe {
        _mm512_storeu_pd(numbers.as_mut_ptr(), pair[0]);
        _mm512_storeu_pd(numbers.as_mut_ptr().add(TERMS / 2), pair[1]);
    }
}
