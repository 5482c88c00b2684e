//! What a learner knows of a row beside its prediction.

use sprs::CsVecViewI;

use super::{Kind, Learner, on_single};
use crate::row::{CheckedRow, RowError};

impl Learner {
    /// Returns what each present position adds to the margin, in log-odds, in the row's order. With
    /// the bias of [`Learner::model`] they add up to the margin, up to rounding.
    ///
    /// # Errors
    ///
    /// Any [`RowError`] about positions or values.
    pub fn contributions(
        &self,
        features: &CsVecViewI<'_, f32, u32>,
    ) -> Result<Vec<(u32, f64)>, RowError> {
        let row = CheckedRow::of_model(features, self.dimension)?;
        Ok(on_single!(&self.kind, bank => bank.contributions(&row), s => s.contributions(&row)))
    }

    /// Returns the standard error of the margin, in log-odds, where the optimiser keeps a
    /// curvature (all but SGD).
    ///
    /// ```text
    /// s² = Σ xᵢ² / (1/v + hᵢ)   (+ φᵀ P φ of the stacker, for the bank)
    /// ```
    ///
    /// with `hᵢ` the curvature seen at the position (the bank) or the sum of squared gradients,
    /// whose expectation it is, and `v` the prior variance: the largest among the bank's curvature
    /// members, 1 elsewhere. Correlations between positions are ignored, so it is a score of how
    /// little is known of a row, good for exploration (show what is uncertain), and not a
    /// calibrated interval. It is largest for positions never seen.
    ///
    /// # Errors
    ///
    /// Any [`RowError`] about positions or values.
    ///
    /// # References
    ///
    /// H. B. McMahan et al. (2013), section 5.1 (uncertainty score); Chapelle & Li (2011), "An
    /// empirical evaluation of Thompson sampling", algorithm 3 (diagonal Laplace approximation).
    pub fn standard_error(
        &self,
        features: &CsVecViewI<'_, f32, u32>,
    ) -> Result<Option<f64>, RowError> {
        let row = CheckedRow::of_model(features, self.dimension)?;
        let evidence = 1.0 / self.course.progress.gain;
        let variance = match &self.kind {
            Kind::Bank(bank) => Some(bank.variance(&row, evidence)),
            kind => on_single!(kind, _bank => None, s => s.variance(&row, evidence)),
        };
        Ok(variance.map(f64::sqrt))
    }
}
