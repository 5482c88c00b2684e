//! Why a prediction came out as it did, by the names of features.

use feature_spec::Event;

use super::{PredictError, Scratch, ServingModel};

/// What one position added to the margin.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Contribution {
    /// The position.
    pub position: u32,
    /// What stands there.
    pub feature: String,
    /// The stored value: transformed and scaled, less that of an absent one.
    pub value: f32,
    /// The position's weight, in log-odds per unit of `value`.
    pub weight: f32,
    /// `weight · value`, in log-odds.
    pub contribution: f64,
}

/// The parts of a prediction; `bias` and the contributions add up to `margin`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// What absent features give together, the correction for sampling included, in log-odds.
    pub bias: f64,
    /// What each present position adds, the largest amount first.
    pub contributions: Vec<Contribution>,
    /// The sum, in log-odds.
    pub margin: f64,
    /// Its sigmoid.
    pub probability: f64,
    /// Whether the probability reaches the threshold.
    pub like: bool,
}

impl ServingModel {
    /// Returns a prediction with its parts, by feature name.
    ///
    /// # Errors
    ///
    /// Any [`PredictError`].
    pub fn explain(&self, event: &Event<'_>) -> Result<Explanation, PredictError> {
        let mut scratch = Scratch::new(&self.spec);
        let served = self.predict_with(event, &mut scratch)?;
        let row = scratch.row.view();
        let refused = |error: lr_core::RowError| PredictError::Score {
            reason: error.to_string(),
        };
        let mut contributions: Vec<Contribution> = self
            .model
            .contributions(&row)
            .map_err(refused)?
            .into_iter()
            .zip(row.data())
            .map(|((position, contribution), &value)| Contribution {
                position,
                feature: self.spec.describe(position),
                value,
                weight: self.model.weights()[position as usize],
                contribution,
            })
            .collect();
        contributions.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
        Ok(Explanation {
            bias: self.model.bias() + self.correction,
            contributions,
            margin: self.model.margin(&row).map_err(refused)? + self.correction,
            probability: served.probability,
            like: served.like,
        })
    }
}
