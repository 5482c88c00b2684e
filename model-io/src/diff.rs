//! Which weights changed most between two models.

use std::collections::BTreeMap;

use crate::serving::ServingModel;

/// A feature whose weight is not the same in two models.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WeightChange {
    /// What stands at the position, as the newer model's specification names it, or the older's
    /// where the newer has no such feature.
    pub feature: String,
    /// Weight in the older model, in log-odds per stored unit; `None` if it has no such feature.
    pub old: Option<f32>,
    /// Weight in the newer model; `None` if it has no such feature.
    pub new: Option<f32>,
}

impl WeightChange {
    /// Returns the difference, in log-odds per stored unit, a missing weight counted as 0.
    #[must_use]
    pub fn amount(&self) -> f64 {
        f64::from(self.new.unwrap_or(0.0)) - f64::from(self.old.unwrap_or(0.0))
    }
}

/// Returns the `limit` weights that changed most, the largest amount first.
///
/// Features are matched by name, so models of two versions of a specification can be compared.
/// A stored unit is a multiple of D: after new statistics a weight may differ and mean the same.
///
/// # Complexity
///
/// O(columns · log columns), and a name per weight that is not zero.
#[must_use]
pub fn weight_changes(old: &ServingModel, new: &ServingModel, limit: usize) -> Vec<WeightChange> {
    let mut changes: BTreeMap<String, (Option<f32>, Option<f32>)> = BTreeMap::new();
    for (feature, weight) in named(old) {
        changes.entry(feature).or_default().0 = Some(weight);
    }
    for (feature, weight) in named(new) {
        changes.entry(feature).or_default().1 = Some(weight);
    }
    let mut changes: Vec<WeightChange> = changes
        .into_iter()
        .map(|(feature, (old, new))| WeightChange { feature, old, new })
        .filter(|change| change.amount() != 0.0)
        .collect();
    // Stable, so equal amounts stay in order of names.
    changes.sort_by(|a, b| b.amount().abs().total_cmp(&a.amount().abs()));
    changes.truncate(limit);
    changes
}

fn named(model: &ServingModel) -> impl Iterator<Item = (String, f32)> + '_ {
    let weights = model.model().weights().iter().copied();
    (0_u32..)
        .zip(weights)
        .filter(|(_, weight)| *weight != 0.0)
        .map(|(position, weight)| (model.spec().describe(position), weight))
}
