//! The stacker's matrix in registers: for AVX2 and AVX-512.

use super::{
    super::registers::{Doubles, Row, parts},
    Change, Stack, TERMS,
};

/// [`super::gain`]. The terms also lie in memory.
#[inline(always)]
fn gain<D: Doubles>(
    covariance: &[[f64; TERMS]; TERMS],
    terms: Row<D>,
    memory: &[f64; TERMS],
) -> Row<D> {
    let mut gain = terms;
    // Two registers of a row at a time: with four chains as many as AVX2 has.
    for (pair, gain) in gain.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        if 2 * pair >= parts::<D>() {
            break;
        }
        let mut chains = [[D::of(0.0); 2]; 4];
        for (i, row) in covariance.iter().enumerate() {
            let term = D::spread(terms, memory, i);
            let row = load::<D>(row);
            for (part, sum) in chains[i % 4].iter_mut().enumerate() {
                *sum = *sum + row[2 * pair + part] * term;
            }
        }
        let [a, b, c, d] = chains;
        *gain = [(a[0] + b[0]) + (c[0] + d[0]), (a[1] + b[1]) + (c[1] + d[1])];
    }
    gain
}

/// [`Stack::learn`], how an event changes the belief, with the gain of its terms. The terms also lie in
/// memory.
#[inline(always)]
pub(in crate::kernel) fn change<D: Doubles>(
    stack: &Stack,
    terms: Row<D>,
    memory: &[f64; TERMS],
    slope: f64,
    curvature: f64,
) -> (Row<D>, Change) {
    let gain = gain(&stack.covariance, terms, memory);
    let spreads = [dot(gain, terms), dot(gain, gain)];
    (gain, stack.change(spreads, slope, curvature))
}

/// [`Stack::learn`], the change itself.
#[inline(always)]
pub(in crate::kernel) fn apply<D: Doubles>(stack: &mut Stack, gain: Row<D>, change: Change) {
    let (pull, root, less) = (D::of(change.pull), D::of(change.root), D::of(-change.root));
    let mut mean = load::<D>(&stack.mean);
    let (mut narrow, mut negative) = (gain, gain);
    for part in 0..parts::<D>() {
        mean[part] = mean[part] - pull * gain[part];
        narrow[part] = gain[part] * root;
        negative[part] = gain[part] * less;
    }
    store(&mut stack.mean, mean);
    let mut memory = [0.0; TERMS];
    store(&mut memory, negative);
    // Added and not taken away, so that entries need no registers of their own.
    for (i, row) in stack.covariance.iter_mut().enumerate() {
        let n = D::spread(negative, &memory, i);
        let mut entries = load::<D>(row);
        for (part, entries) in entries.iter_mut().enumerate().take(parts::<D>()) {
            *entries = n * narrow[part] + *entries;
        }
        store(row, entries);
    }
    stack.age(change.narrowed);
}

/// [`super::dot`].
#[inline(always)]
pub(in crate::kernel) fn dot<D: Doubles>(left: Row<D>, right: Row<D>) -> f64 {
    let half = parts::<D>() / 2;
    let mut eight = left;
    for (part, sum) in eight.iter_mut().enumerate().take(half) {
        *sum = left[part] * right[part] + left[part + half] * right[part + half];
    }
    D::total(eight)
}

#[inline(always)]
pub(in crate::kernel) fn load<D: Doubles>(numbers: &[f64; TERMS]) -> Row<D> {
    let mut row = [D::of(0.0); 4];
    for (part, register) in row.iter_mut().enumerate().take(parts::<D>()) {
        #[allow(unsafe_code)]
        // SAFETY: a part of sixteen numbers.
        unsafe {
            *register = D::load(numbers.as_ptr().add(part * D::LANES));
        }
    }
    row
}

#[inline(always)]
pub(in crate::kernel) fn store<D: Doubles>(numbers: &mut [f64; TERMS], row: Row<D>) {
    for (part, register) in row.into_iter().enumerate().take(parts::<D>()) {
        #[allow(unsafe_code)]
        // SAFETY: a part of sixteen numbers.
        unsafe {
            register.store(numbers.as_mut_ptr().add(part * D::LANES));
        }
    }
}
