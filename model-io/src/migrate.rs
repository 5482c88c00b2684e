//! A model under another version of its specification.

use feature_spec::{FeatureSpec, SpecDiff};

use crate::error::DecodeError;
use crate::snapshot::{Snapshot, Statistics};

/// What became of a model under another specification.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Migrated {
    /// The model; its version is the old one's, and it has no golden events.
    pub snapshot: Snapshot,
    /// Names, in the old specification, of the positions with a weight that were not carried: their
    /// meaning is gone, or their values are scaled in another way.
    pub dropped: Vec<String>,
}

impl Snapshot {
    /// Moves weights and statistics to the positions of another specification.
    ///
    /// Positions are matched by what they mean. Where an event touches carried positions alone, its
    /// probability does not change. A position whose values are scaled in another way starts
    /// afresh, since its weight has another unit.
    ///
    /// # Errors
    ///
    /// - [`DecodeError::Spec`]: the specification in the snapshot cannot be compiled;
    /// - [`DecodeError::Part`]: model or statistics do not fit it.
    ///
    /// # Complexity
    ///
    /// O(columns of both), and the compilation of the snapshot's specification.
    pub fn migrated(&self, to: &FeatureSpec) -> Result<Migrated, DecodeError> {
        let from = FeatureSpec::from_canonical(&self.spec).map_err(|error| DecodeError::Spec {
            reason: error.to_string(),
        })?;
        let diff = SpecDiff::between(&from, to);
        let map = diff.position_map();
        let same_scale = |old, new| from.policies().policy(old) == to.policies().policy(new);
        let sources: Vec<Option<u32>> = (0_u32..)
            .zip(map.sources())
            .map(|(new, old)| old.filter(|&old| same_scale(old, new)))
            .collect();
        let part = |part, reason: String| DecodeError::Part { part, reason };
        let model = self
            .model
            .remapped(&sources)
            .map_err(|error| part("model", error.to_string()))?;

        let mut statistics = Statistics::default();
        for (new, old) in (0_u32..).zip(&sources) {
            let at = old.and_then(|old| self.statistics.positions.binary_search(&old).ok());
            if let Some(at) = at {
                statistics.positions.push(new);
                statistics.mean.push(self.statistics.mean[at]);
                statistics.std_dev.push(self.statistics.std_dev[at]);
            }
        }
        let scaler = statistics.scaler(to.policies())?;
        let mut carried = vec![false; self.model.dimension()];
        for old in sources.into_iter().flatten() {
            carried[old as usize] = true;
        }
        let dropped = (0_u32..)
            .zip(self.model.weights().iter().zip(carried))
            .filter(|(_, (weight, carried))| **weight != 0.0 && !carried)
            .map(|(position, _)| from.describe(position))
            .collect();

        let mut info = self.info.clone();
        info.golden.clear();
        let snapshot = Self::new(model, &scaler, to, info)
            .map_err(|error| part("model", error.to_string()))?;
        Ok(Migrated { snapshot, dropped })
    }
}
