//! The linear model: an array of weights and a bias.

use sprs::{CsMatViewI, CsVecViewI};

use crate::{
    kernel,
    loss::sigmoid,
    row::{CheckedRow, Ordered, RowError, batch_rows, check_sources},
};

/// Why a model could not be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A weight is NaN or infinite.
    #[error("weight {weight} at position {position} is not finite")]
    WeightNotFinite {
        /// Where it stands.
        position: usize,
        /// The weight.
        weight: f32,
    },
    /// The bias is NaN or infinite.
    #[error("bias {bias} is not finite")]
    BiasNotFinite {
        /// The bias.
        bias: f64,
    },
    /// More positions than a `u32` can name.
    #[error("dimension {dimension} is above {}", u32::MAX)]
    DimensionTooLarge {
        /// The dimension.
        dimension: usize,
    },
}

/// A trained logistic regression: `P(y | x) = σ(w·x + b)`.
///
/// # Invariants
///
/// - the bias and every weight are finite;
/// - the dimension fits in a `u32`.
///
/// # Examples
///
/// ```
/// use lr_core::LinearModel;
/// use sprs::CsVecViewI;
///
/// let model = LinearModel::new(vec![0.5, 0.0, -1.0], 0.25)?;
/// let row = CsVecViewI::new(3, &[0_u32, 2][..], &[2.0_f32, 1.0][..]);
/// assert_eq!(model.margin(&row)?, 0.25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    weights: Vec<f32>,
    bias: f64,
}

impl LinearModel {
    /// Joins weights, one a position, and a bias in log-odds.
    ///
    /// # Errors
    ///
    /// - [`ModelError::WeightNotFinite`], [`ModelError::BiasNotFinite`]: NaN or infinity;
    /// - [`ModelError::DimensionTooLarge`]: more than `u32::MAX` weights.
    pub fn new(weights: Vec<f32>, bias: f64) -> Result<Self, ModelError> {
        if u32::try_from(weights.len()).is_err() {
            return Err(ModelError::DimensionTooLarge {
                dimension: weights.len(),
            });
        }
        if !bias.is_finite() {
            return Err(ModelError::BiasNotFinite { bias });
        }
        match weights.iter().position(|w| !w.is_finite()) {
            Some(position) => Err(ModelError::WeightNotFinite {
                position,
                weight: weights[position],
            }),
            None => Ok(Self { weights, bias }),
        }
    }

    /// Returns the number of positions.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.weights.len()
    }

    /// Returns the weights, one a position, in log-odds per unit of the value.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Returns the bias, in log-odds.
    #[must_use]
    pub fn bias(&self) -> f64 {
        self.bias
    }

    /// Takes the model apart into weights and bias.
    #[must_use]
    pub fn into_parts(self) -> (Vec<f32>, f64) {
        (self.weights, self.bias)
    }

    /// Returns `w·x + b` of one row, in log-odds.
    ///
    /// # Errors
    ///
    /// Any [`RowError`] about positions or values.
    ///
    /// # Precision
    ///
    /// Products are `f32`, and eight sums of them in `f32` are added in `f64`, in a fixed order: the
    /// same bits on every CPU.
    ///
    /// # Complexity
    ///
    /// O(nnz).
    pub fn margin(&self, features: &CsVecViewI<'_, f32, u32>) -> Result<f64, RowError> {
        self.sum(&Ordered::new(features, self.dimension())?)
    }

    /// Returns `w·x + b` of a row that was checked before, in log-odds: [`LinearModel::margin`]
    /// without the check, for rows that are scored more than once.
    ///
    /// # Errors
    ///
    /// - [`RowError::PositionOutOfRange`]: a position is not below the dimension.
    pub fn margin_of(&self, row: &CheckedRow<'_>) -> Result<f64, RowError> {
        match kernel::dot(&self.weights, |w| *w, row.ordered()) {
            Some(sum) => Ok(sum + self.bias),
            None => row.check_fit(self.dimension()).map(|()| self.bias),
        }
    }

    /// Returns the probability of one row: the sigmoid of [`LinearModel::margin`].
    ///
    /// # Errors
    ///
    /// As [`LinearModel::margin`].
    pub fn probability(&self, features: &CsVecViewI<'_, f32, u32>) -> Result<f64, RowError> {
        self.margin(features).map(sigmoid)
    }

    /// Returns the margins of a batch, one a row, in log-odds.
    ///
    /// # Errors
    ///
    /// - [`RowError::BatchNotByRow`]: the batch is not CSR;
    /// - any [`RowError`] about positions or values.
    pub fn margins(&self, batch: &CsMatViewI<'_, f32, u32, usize>) -> Result<Vec<f64>, RowError> {
        batch_rows(batch, self.dimension())?
            .map(|row| self.sum(&row?))
            .collect()
    }

    /// Returns the probabilities of a batch, one a row.
    ///
    /// # Errors
    ///
    /// As [`LinearModel::margins`].
    pub fn probabilities(
        &self,
        batch: &CsMatViewI<'_, f32, u32, usize>,
    ) -> Result<Vec<f64>, RowError> {
        let mut margins = self.margins(batch)?;
        for margin in &mut margins {
            *margin = sigmoid(*margin);
        }
        Ok(margins)
    }

    /// Returns what each present position adds to the margin, in log-odds, in the row's order.
    ///
    /// The contributions and the bias add up to the margin, up to rounding.
    ///
    /// # Errors
    ///
    /// As [`LinearModel::margin`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lr_core::LinearModel;
    /// use sprs::CsVecViewI;
    ///
    /// let model = LinearModel::new(vec![0.5, 0.0, -1.0], 0.25)?;
    /// let row = CsVecViewI::new(3, &[0_u32, 2][..], &[2.0_f32, 1.0][..]);
    /// assert_eq!(model.contributions(&row)?, [(0, 1.0), (2, -1.0)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contributions(
        &self,
        features: &CsVecViewI<'_, f32, u32>,
    ) -> Result<Vec<(u32, f64)>, RowError> {
        let row = CheckedRow::of_model(features, self.dimension())?;
        Ok(row
            .positions()
            .iter()
            .zip(row.values())
            .map(|(&position, &value)| {
                (
                    position,
                    f64::from(self.weights[position as usize]) * f64::from(value),
                )
            })
            .collect())
    }

    /// Moves weights to other positions: position `i` takes the weight of `sources[i]`, or 0 where
    /// that is `None`. The bias stays.
    ///
    /// # Errors
    ///
    /// - [`RowError::PositionOutOfRange`]: a source is not below the dimension.
    ///
    /// # Examples
    ///
    /// ```
    /// use lr_core::LinearModel;
    ///
    /// let model = LinearModel::new(vec![0.5, -1.0], 0.25)?;
    /// assert_eq!(model.remapped(&[Some(1), None])?.weights(), [-1.0, 0.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remapped(&self, sources: &[Option<u32>]) -> Result<Self, RowError> {
        check_sources(sources, self.dimension())?;
        let weights = sources
            .iter()
            .map(|source| source.map_or(0.0, |s| self.weights[s as usize]))
            .collect();
        Ok(Self {
            weights,
            bias: self.bias,
        })
    }

    /// The margin of a row whose values have not been looked at.
    #[inline(always)]
    fn sum(&self, row: &Ordered<'_>) -> Result<f64, RowError> {
        // A value that is not finite makes a sum that is not finite, whatever its weight.
        let margin = kernel::dot(&self.weights, |w| *w, row).unwrap_or(f64::NAN) + self.bias;
        if !margin.is_finite() {
            row.check_values()?;
        }
        Ok(margin)
    }
}
