//! The stacker: second-order online logistic regression over the members' margins.

use super::{Checked, dispatch};

/// Terms of the stacker: 11 members, 4 newcomer parts and a constant.
pub(crate) const TERMS: usize = 16;

/// A Gaussian belief over the mixing coefficients, updated event by event.
///
/// ```text
/// v = P φ,  h = i p (1 − p),  s = φ·v
/// P ← (P − v vᵀ h / (1 + h s)) / (1 − f)
/// a ← a − v i (p − y) / (1 + h s)
/// ```
///
/// with `φ` the terms, `p = σ(a·φ)`, importance `i` and forgetting `f`.
/// The matrix stays symmetric to the bit: entry (i, j) is computed as entry (j, i) is.
/// O(16²) an event.
///
/// # References
///
/// Spiegelhalter & Lauritzen (1990), "Sequential updating of conditional probabilities on directed
/// graphical structures", Networks 20, section on logistic regression; the recursion is that of
/// recursive least squares with exponential forgetting at the curvature of the logistic loss.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(crate) struct Stack {
    pub(crate) covariance: [[f64; TERMS]; TERMS],
    pub(crate) mean: [f64; TERMS],
    /// [`TERMS`], as a number that the compiler does not know: it would unroll the loops over the
    /// rows and then turn them into columns, with gathers.
    terms: usize,
    /// Sum of the diagonal, kept up to date by the updates.
    pub(crate) total: f64,
    forgetting: f64,
    /// Forgetting stops while the total variance is above this, so that directions that no
    /// event excites cannot grow for ever.
    most_variance: f64,
}

/// How far forgetting may widen the belief, as a multiple of the prior variances.
const MOST_GROWTH: f64 = 1000.0;

impl Stack {
    /// Starts at `mean` with independent variances.
    pub(crate) fn new(mean: [f64; TERMS], variances: [f64; TERMS], forgetting: f64) -> Self {
        let mut covariance = [[0.0; TERMS]; TERMS];
        let mut total = 0.0;
        for (k, &variance) in variances.iter().enumerate() {
            covariance[k][k] = variance;
            total += variance;
        }
        let most_variance = MOST_GROWTH * total;
        Self {
            covariance,
            mean,
            terms: std::hint::black_box(TERMS),
            total,
            forgetting,
            most_variance,
        }
    }

    /// Returns the stacked margin, in log-odds.
    pub(crate) fn margin(&self, terms: &[f64; TERMS]) -> f64 {
        let mut lanes = [0.0_f64; 8];
        for (k, lane) in lanes.iter_mut().enumerate() {
            *lane = self.mean[k] * terms[k] + self.mean[k + 8] * terms[k + 8];
        }
        add_up(lanes)
    }

    /// Returns the variance of the stacked margin that comes from the mixing coefficients.
    pub(crate) fn variance(&self, terms: &[f64; TERMS]) -> f64 {
        let mut sum = 0.0;
        for (row, t) in self.covariance.iter().zip(terms) {
            let mut inner = 0.0;
            for (c, u) in row.iter().zip(terms) {
                inner += c * u;
            }
            sum += inner * t;
        }
        sum
    }

    /// Learns an event whose stacked probability `p` is known.
    pub(crate) fn learn(
        &mut self,
        kernel: Checked,
        terms: &[f64; TERMS],
        p: f64,
        label: bool,
        importance: f64,
    ) {
        let slope = importance * (p - f64::from(u8::from(label)));
        let curvature = importance * (p * (1.0 - p));
        let stack = self;
        dispatch!(
            kernel,
            update,
            (stack: &mut Stack, terms: &[f64; TERMS], slope: f64, curvature: f64)
        );
    }
}

#[inline(always)]
fn update(stack: &mut Stack, terms: &[f64; TERMS], slope: f64, curvature: f64) {
    // Two chains of sums, over the even and the odd rows.
    let mut gain = [0.0_f64; TERMS];
    let mut odd = [0.0_f64; TERMS];
    let (row_pairs, _) = stack.covariance[..stack.terms].as_chunks::<2>();
    let (term_pairs, _) = terms.as_chunks::<2>();
    for ([even_row, odd_row], [t, u]) in row_pairs.iter().zip(term_pairs) {
        for k in 0..TERMS {
            gain[k] += even_row[k] * t;
            odd[k] += odd_row[k] * u;
        }
    }
    for (even, odd) in gain.iter_mut().zip(&odd) {
        *even += odd;
    }
    let (mut spreads, mut squares) = ([0.0_f64; 8], [0.0_f64; 8]);
    for k in 0..8 {
        spreads[k] = gain[k] * terms[k] + gain[k + 8] * terms[k + 8];
        squares[k] = gain[k] * gain[k] + gain[k + 8] * gain[k + 8];
    }
    let (spread, square) = (add_up(spreads), add_up(squares));
    let damping = 1.0 / (1.0 + curvature * spread);
    let pull = slope * damping;
    for (a, g) in stack.mean.iter_mut().zip(&gain) {
        *a -= pull * g;
    }
    let shrink = curvature * damping;
    let grow = if stack.total < stack.most_variance {
        1.0 / (1.0 - stack.forgetting)
    } else {
        1.0
    };
    stack.total = (stack.total - square * shrink) * grow;
    for (row, g) in stack.covariance[..stack.terms].iter_mut().zip(gain) {
        // Keeps the compiler from working on eight rows at a time, with gathers.
        let row = std::hint::black_box(row);
        for k in 0..TERMS {
            row[k] = (row[k] - (g * gain[k]) * shrink) * grow;
        }
    }
}

#[inline(always)]
fn add_up([a, b, c, d, e, f, g, h]: [f64; 8]) -> f64 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
