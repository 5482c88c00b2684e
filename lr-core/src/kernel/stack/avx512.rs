//! The stacker's matrix in AVX-512 registers, two a row.

use std::arch::x86_64::{
    __m512d, _mm_add_pd, _mm_add_sd, _mm_cvtsd_f64, _mm_unpackhi_pd, _mm256_add_pd,
    _mm256_castpd256_pd128, _mm256_extractf128_pd, _mm512_add_pd, _mm512_castpd512_pd256,
    _mm512_extractf64x4_pd, _mm512_loadu_pd, _mm512_mul_pd, _mm512_permutexvar_pd,
    _mm512_set1_epi64, _mm512_set1_pd, _mm512_setzero_pd, _mm512_storeu_pd, _mm512_sub_pd,
};

use super::{Change, Stack, TERMS};

/// Sixteen numbers.
pub(in crate::kernel) type Pair = [__m512d; 2];

/// [`super::gain`].
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(in crate::kernel) fn gain(covariance: &[[f64; TERMS]; TERMS], terms: Pair) -> Pair {
    let mut chains = [[_mm512_setzero_pd(); 2]; 4];
    let (row_chunks, _) = covariance.as_chunks::<4>();
    let terms = spread(terms);
    let (term_chunks, _) = terms.as_chunks::<4>();
    for (rows, terms) in row_chunks.iter().zip(term_chunks) {
        for ((chain, row), &t) in chains.iter_mut().zip(rows).zip(terms) {
            let row = load(row);
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

/// [`Stack::learn`], how an event changes the belief, with the gain of its terms.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(in crate::kernel) fn change(
    stack: &Stack,
    terms: Pair,
    slope: f64,
    curvature: f64,
) -> (Pair, Change) {
    let gain = gain(&stack.covariance, terms);
    let spreads = [dot(gain, terms), dot(gain, gain)];
    (gain, stack.change(spreads, slope, curvature))
}

/// [`Stack::learn`], the change itself.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
pub(in crate::kernel) fn apply(stack: &mut Stack, gain: Pair, change: Change) {
    let mean = load(&stack.mean);
    store(&mut stack.mean, minus(mean, change.pull, gain));
    let root = _mm512_set1_pd(change.root);
    let narrow = [_mm512_mul_pd(gain[0], root), _mm512_mul_pd(gain[1], root)];
    for (row, n) in stack.covariance.iter_mut().zip(spread(narrow)) {
        let old = load(row);
        store(
            row,
            [
                _mm512_sub_pd(old[0], _mm512_mul_pd(n, narrow[0])),
                _mm512_sub_pd(old[1], _mm512_mul_pd(n, narrow[1])),
            ],
        );
    }
    stack.age(change.narrowed);
}

/// Returns each number in all lanes of a register of its own: by permutations, since a number that is
/// read back just after its vector was stored waits for the store.
#[inline(always)]
fn spread(pair: Pair) -> [__m512d; TERMS] {
    let mut all = [pair[0]; TERMS];
    for (lane, number) in (0_i64..).zip(&mut all) {
        #[allow(unsafe_code)]
        // SAFETY: only functions compiled for AVX-512 have a pair.
        unsafe {
            let half = if lane < 8 { pair[0] } else { pair[1] };
            *number = _mm512_permutexvar_pd(_mm512_set1_epi64(lane % 8), half);
        }
    }
    all
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
