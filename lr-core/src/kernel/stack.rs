//! The stacker: second-order online logistic regression over the members' margins.

#[cfg(target_arch = "x86_64")]
pub(super) mod registers;

use super::add_eight;

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
/// The division by `1 − f` is kept aside, `P = growth · covariance`, so that it costs one product
/// an event and not one an entry.
/// The matrix stays symmetric to the bit: entry (i, j) is computed as entry (j, i) is.
/// O(16²) an event.
///
/// # References
///
/// Spiegelhalter & Lauritzen (1990), "Sequential updating of conditional probabilities on directed
/// graphical structures", Networks 20, section on logistic regression; the recursion is that of
/// recursive least squares with exponential forgetting at the curvature of the logistic loss.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(crate) struct Stack {
    /// P / growth.
    pub(crate) covariance: [[f64; TERMS]; TERMS],
    pub(crate) mean: [f64; TERMS],
    /// From 1 up to 2, where the covariance is doubled, which rounds nothing.
    pub(crate) growth: f64,
    /// Sum of the diagonal of P, kept up to date by the updates.
    pub(crate) total: f64,
    /// 1 / (1 − f).
    grow: f64,
    /// Forgetting stops while the total variance is above this, so that directions that no
    /// event excites cannot grow for ever.
    most_variance: f64,
}

/// How an event changes the belief, by what its gain is to be multiplied with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// Times the gain: what is taken from the mean.
    pull: f64,
    /// Times the gain: the vector whose outer product is taken from the covariance.
    root: f64,
    /// By how much the trace of the covariance falls.
    narrowed: f64,
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
        Self {
            covariance,
            mean,
            growth: 1.0,
            total,
            grow: 1.0 / (1.0 - forgetting),
            most_variance: MOST_GROWTH * total,
        }
    }

    /// Returns the stacked margin, in log-odds.
    #[inline(always)]
    pub(crate) fn margin(&self, terms: &[f64; TERMS]) -> f64 {
        dot(&self.mean, terms)
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
        sum * self.growth
    }

    /// Learns an event that counts so many `times`, with importance times gradient `slope` and
    /// importance times curvature.
    #[inline(always)]
    pub(crate) fn learn(&mut self, terms: &[f64; TERMS], times: f64, slope: f64, curvature: f64) {
        if times <= 0.0 {
            self.age(0.0);
            return;
        }
        let gain = gain(&self.covariance, terms);
        let spread = [dot(&gain, terms), dot(&gain, &gain)];
        let change = self.change(spread, times * slope, times * curvature);
        for (a, g) in self.mean.iter_mut().zip(&gain) {
            *a -= change.pull * g;
        }
        let narrow = gain.map(|g| g * change.root);
        for (row, n) in self.covariance.iter_mut().zip(&narrow) {
            // Keeps the compiler from working on several rows at a time, with gathers.
            let row = std::hint::black_box(row);
            for k in 0..TERMS {
                row[k] -= n * narrow[k];
            }
        }
        self.age(change.narrowed);
    }

    /// Works out an event's change from `[gain · terms, gain · gain]`.
    #[inline(always)]
    pub(super) fn change(&self, [along, size]: [f64; 2], slope: f64, curvature: f64) -> Change {
        // Of P, where `gain` is of the covariance.
        let spread = along * self.growth;
        let damping = (1.0 / (1.0 + curvature * spread)) * self.growth;
        let shrink = curvature * damping;
        Change {
            pull: slope * damping,
            // So that an entry takes one product and stays that of its mirror image.
            root: shrink.sqrt(),
            narrowed: size * shrink,
        }
    }

    /// Takes note that the trace of the covariance fell by `narrowed`, and forgets.
    #[inline(always)]
    pub(super) fn age(&mut self, narrowed: f64) {
        let grow = if self.total < self.most_variance {
            self.grow
        } else {
            1.0
        };
        self.total = (self.total - narrowed * self.growth) * grow;
        self.growth *= grow;
        while self.growth >= 2.0 {
            self.growth *= 0.5;
            let entries = self.covariance.as_flattened_mut();
            entries.iter_mut().for_each(|entry| *entry *= 2.0);
        }
    }
}

/// Returns the covariance times the terms. Row `i` is added to chain `i mod 4`.
#[inline(always)]
fn gain(covariance: &[[f64; TERMS]; TERMS], terms: &[f64; TERMS]) -> [f64; TERMS] {
    let mut chains = [[0.0_f64; TERMS]; 4];
    let (row_chunks, _) = covariance.as_chunks::<4>();
    let (term_chunks, _) = terms.as_chunks::<4>();
    for (rows, terms) in row_chunks.iter().zip(term_chunks) {
        // As above.
        let rows = std::hint::black_box(rows);
        for ((chain, row), t) in chains.iter_mut().zip(rows).zip(terms) {
            for k in 0..TERMS {
                chain[k] += row[k] * t;
            }
        }
    }
    let [a, b, c, d] = chains;
    let mut gain = [0.0; TERMS];
    for k in 0..TERMS {
        gain[k] = (a[k] + b[k]) + (c[k] + d[k]);
    }
    gain
}

/// Sums in eight lanes, which are added pairwise.
#[inline(always)]
fn dot(left: &[f64; TERMS], right: &[f64; TERMS]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for (k, lane) in lanes.iter_mut().enumerate() {
        *lane = left[k] * right[k] + left[k + 8] * right[k + 8];
    }
    add_eight(lanes)
}
