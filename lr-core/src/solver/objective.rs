//! The objective at a point, its derivatives and a bound on its distance from the optimum.

use super::config::{BiasTerm, SolverConfig};
use super::design::Design;

/// Loss and its derivatives with respect to the margins, at some margins.
#[derive(Debug)]
pub(super) struct LossAt {
    /// Σ c ℓ, in nats.
    pub(super) loss: f64,
    /// c (σ(m) − y) of each row.
    pub(super) residuals: Vec<f64>,
    /// c σ(m) (1 − σ(m)) of each row.
    pub(super) curvatures: Vec<f64>,
}

impl LossAt {
    pub(super) fn new(design: &Design, margins: &[f64]) -> Self {
        let mut residuals = vec![0.0; design.rows()];
        let mut curvatures = vec![0.0; design.rows()];
        let mut losses = vec![0.0; design.rows()];
        let mut parts: Vec<_> = design
            .cut(&mut residuals)
            .into_iter()
            .zip(design.cut(&mut curvatures))
            .zip(design.cut(&mut losses))
            .collect();
        design.for_chunks(&mut parts, |rows, ((residuals, curvatures), losses)| {
            for (slot, row) in rows.enumerate() {
                let (label, importance) = (design.labels[row], design.importances[row]);
                let agreement = if label { margins[row] } else { -margins[row] };
                // One exponential, of a number that is not positive, serves all three.
                let e = libm::exp(-agreement.abs());
                let tail = 1.0 / (1.0 + e);
                let doubt = if agreement < 0.0 { tail } else { e * tail };
                losses[slot] = importance * (libm::log1p(e) + (-agreement).max(0.0));
                residuals[slot] = importance * if label { -doubt } else { doubt };
                curvatures[slot] = importance * e * tail * tail;
            }
        });
        drop(parts);
        let sum = |rows: std::ops::Range<usize>| losses[rows].iter().sum::<f64>();
        let loss = design
            .reduce_rows(sum, |left, right| left + right)
            .unwrap_or(0.0);
        Self {
            loss,
            residuals,
            curvatures,
        }
    }
}

/// Penalty of coefficients whose last one is the bias.
pub(super) fn penalty(config: &SolverConfig, coefficients: &[f64]) -> f64 {
    let Some((&bias, weights)) = coefficients.split_last() else {
        return 0.0;
    };
    let absolute: f64 = weights.iter().map(|weight| weight.abs()).sum();
    let square: f64 = weights.iter().map(|weight| weight * weight).sum();
    config.l1 * absolute + config.l2 / 2.0 * square + bias_l2(config) / 2.0 * bias * bias
}

/// Weight of half the square of the bias in the objective.
pub(super) fn bias_l2(config: &SolverConfig) -> f64 {
    if config.bias == BiasTerm::Penalized {
        config.l2
    } else {
        0.0
    }
}

/// Second derivative of the penalty by each coefficient, where it has one.
pub(super) fn penalty_diagonal(config: &SolverConfig, design: &Design) -> Vec<f64> {
    let mut penalty = vec![config.l2; design.positions.len()];
    penalty.push(bias_l2(config));
    penalty
}

/// Bounds `F(w, b) − min F` from above by the gap to a feasible point of the dual.
///
/// ```text
/// D(α) = −Σᵢ [αᵢ ln(αᵢ/cᵢ) + (cᵢ − αᵢ) ln(1 − αᵢ/cᵢ)] − Σⱼ (|vⱼ| − l1)₊² / (2 l2),
/// v = Σᵢ ±αᵢ xᵢ,   0 ≤ αᵢ ≤ cᵢ,   Σᵢ ±αᵢ = 0 with a free bias,   |vⱼ| ≤ l1 where l2 = 0
/// ```
///
/// with + for positive labels. The α of the margins, c |σ(m) − y|, is made feasible by shrinking
/// that of the heavier label, then of all rows.
///
/// `loss_gradient` is `Xᵀ r` at the point, its last entry that of the bias.
pub(super) fn duality_gap(
    config: &SolverConfig,
    design: &Design,
    coefficients: &[f64],
    at: &LossAt,
    loss_gradient: &[f64],
) -> f64 {
    if config.bias != BiasTerm::Free && config.l2 > 0.0 {
        return coordinate_gap(config, coefficients, loss_gradient);
    }
    let mut scales = [1.0, 1.0];
    let mut dual_gradient = None;
    if config.bias == BiasTerm::Free {
        scales = balanced(design, &at.residuals);
        let scaled: Vec<f64> = at
            .residuals
            .iter()
            .zip(&design.labels)
            .map(|(residual, &label)| residual * scales[usize::from(label)])
            .collect();
        dual_gradient = Some(design.transposed(&scaled));
    }
    let dual_gradient = dual_gradient.as_deref().unwrap_or(loss_gradient);
    let weights = &dual_gradient[..design.positions.len()];
    let mut conjugate = 0.0;
    if config.l2 > 0.0 {
        for v in weights {
            let excess = (v.abs() - config.l1).max(0.0);
            conjugate += excess * excess / (2.0 * config.l2);
        }
    } else {
        let largest = weights
            .iter()
            .fold(0.0_f64, |largest, v| largest.max(v.abs()));
        let shrink = if largest > config.l1 {
            config.l1 / largest
        } else {
            1.0
        };
        scales = scales.map(|scale| scale * shrink);
    }
    let entropy = design
        .reduce_rows(
            |rows| {
                rows.map(|row| {
                    let importance = design.importances[row];
                    let share = at.residuals[row].abs() / importance;
                    importance * entropy(share * scales[usize::from(design.labels[row])])
                })
                .sum::<f64>()
            },
            |left, right| left + right,
        )
        .unwrap_or(0.0);
    (at.loss + penalty(config, coefficients) - (entropy - conjugate)).max(0.0)
}

/// The gap coordinate by coordinate, without cancellation, where no scaling is needed.
fn coordinate_gap(config: &SolverConfig, coefficients: &[f64], loss_gradient: &[f64]) -> f64 {
    let (l2, bias) = (config.l2, design_bias(coefficients, loss_gradient));
    let mut gap = 0.0;
    let weights = coefficients.len() - 1;
    for (w, g) in coefficients[..weights]
        .iter()
        .zip(&loss_gradient[..weights])
    {
        // With v = −g: l1 |w| + l2 w²/2 + (|v| − l1)₊² / (2 l2) − w v.
        let excess = (g.abs() - config.l1).max(0.0);
        let target = -excess.copysign(*g) / l2;
        let residual = w - target;
        gap += l2 / 2.0 * residual * residual + config.l1 * w.abs() + w * (g - excess.copysign(*g));
    }
    if config.bias == BiasTerm::Penalized {
        let residual = bias.0 + bias.1 / l2;
        gap += l2 / 2.0 * residual * residual;
    }
    gap.max(0.0)
}

fn design_bias(coefficients: &[f64], gradient: &[f64]) -> (f64, f64) {
    let last = coefficients.len() - 1;
    (coefficients[last], gradient[last])
}

/// Factors for the α of negative and positive labels that make their sums equal.
fn balanced(design: &Design, residuals: &[f64]) -> [f64; 2] {
    let mut sums = [0.0, 0.0];
    for (residual, &label) in residuals.iter().zip(&design.labels) {
        sums[usize::from(label)] += residual.abs();
    }
    let smaller = sums[0].min(sums[1]);
    sums.map(|sum| if sum > 0.0 { smaller / sum } else { 1.0 })
}

fn entropy(share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    -(share * libm::log(share) + (1.0 - share) * libm::log1p(-share))
}
