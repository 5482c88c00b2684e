//! What changed between two versions of a spec, and how weights move with it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, DefaultHasher};

use serde::Serialize;

use crate::spec::{FeatureSpec, Meaning};

/// No column.
const NONE: u32 = u32::MAX;

/// What changed from one spec to another, feature by feature.
///
/// Positions are matched by what they mean, not by name: a feature that was renamed, moved or laid
/// out in another order is carried over.
///
/// # Examples
///
/// ```
/// use feature_spec::{FeatureSpec, SpecDiff};
///
/// let head = "format = 1\nname = \"x\"\ndimension = 10\n";
/// let old = FeatureSpec::from_toml(&format!("{head}[user.age]\nnumber = \"user.age\"\nstart = 0\n"))?;
/// let new = FeatureSpec::from_toml(&format!("{head}[user.years]\nnumber = \"user.age\"\nstart = 4\n"))?;
/// let diff = SpecDiff::between(&old, &new);
/// assert_eq!(diff.to_string(), "user/years: was user/age; 1 moved");
/// let weights = diff.position_map().apply(&[0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.0)?;
/// assert_eq!(weights[4], 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpecDiff {
    changes: Vec<FeatureChange>,
    #[serde(skip)]
    map: PositionMap,
}

/// What became of one feature; counts are of positions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct FeatureChange {
    /// Name in the new spec, or in the old one when it is gone.
    pub feature: String,
    /// Name in the old spec, where it differs.
    pub was: Option<String>,
    /// Positions with the same meaning in both.
    pub carried: u32,
    /// Of those carried, how many have another column.
    pub moved: u32,
    /// Of those carried, how many are scaled in another way or over another population.
    pub rescaled: u32,
    /// Positions whose meaning is new.
    pub added: u32,
    /// Positions of the old feature whose meaning is gone.
    pub dropped: u32,
}

impl FeatureChange {
    fn is_change(&self) -> bool {
        self.was.is_some() || self.moved + self.rescaled + self.added + self.dropped > 0
    }
}

impl SpecDiff {
    /// Compares two specs.
    ///
    /// # Complexity
    ///
    /// O(positions used by either).
    #[must_use]
    pub fn between(old: &FeatureSpec, new: &FeatureSpec) -> Self {
        let map = PositionMap::between(old, new);
        let (before, after) = (old.compiled(), new.compiled());
        let name = |spec: &FeatureSpec, owner: u32| {
            spec.features().nth(owner as usize).unwrap_or_default()
        };
        let mut changes = Vec::new();
        let mut dropped: BTreeMap<u32, u32> = BTreeMap::new();
        let mut successor: BTreeMap<u32, usize> = BTreeMap::new();
        for column in &map.dropped {
            *dropped.entry(before.owners[*column as usize]).or_default() += 1;
        }
        for (index, feature) in after.features.iter().enumerate() {
            let mut change = FeatureChange {
                feature: format!(
                    "{}/{}",
                    feature.declaration.vector, feature.declaration.name
                ),
                ..FeatureChange::default()
            };
            let mut origins: BTreeMap<u32, u32> = BTreeMap::new();
            for slot in 0..feature.slots() {
                let column = feature.column(slot);
                let source = map.sources[column as usize];
                let Some(&owner) = before.owners.get(source as usize) else {
                    change.added += 1;
                    continue;
                };
                *origins.entry(owner).or_default() += 1;
                change.carried += 1;
                change.moved += u32::from(source != column);
                let vector = feature.declaration.vector;
                let scaled_before = (old.policies().policy(source), old.population(vector));
                let scaled_after = (new.policies().policy(column), new.population(vector));
                change.rescaled += u32::from(scaled_before != scaled_after);
            }
            // A feature follows the one most of its positions come from, else the one of its name.
            let origin = origins
                .iter()
                .max_by_key(|(_, n)| **n)
                .map(|(owner, _)| *owner)
                .or_else(|| {
                    let same = old.features().position(|f| f == change.feature)?;
                    u32::try_from(same).ok()
                });
            if let Some(owner) = origin.filter(|o| !successor.contains_key(o)) {
                successor.insert(owner, index);
                let was = name(old, owner);
                change.was = (was != change.feature).then_some(was);
                change.dropped = dropped.get(&owner).copied().unwrap_or(0);
            }
            changes.push(change);
        }
        for (index, _) in before.features.iter().enumerate() {
            let owner = u32::try_from(index).unwrap_or(NONE);
            if !successor.contains_key(&owner) {
                changes.push(FeatureChange {
                    feature: name(old, owner),
                    dropped: dropped.get(&owner).copied().unwrap_or(0),
                    ..FeatureChange::default()
                });
            }
        }
        changes.retain(FeatureChange::is_change);
        changes.sort_by(|a, b| a.feature.cmp(&b.feature));
        Self { changes, map }
    }

    /// Returns the features that changed, in order of name.
    #[must_use]
    pub fn changes(&self) -> &[FeatureChange] {
        &self.changes
    }

    /// Whether nothing changed that matters to weights or statistics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether a model can be used as it is: every position that the old spec used means the same.
    #[must_use]
    pub fn keeps_weights(&self) -> bool {
        self.map.old_columns() == self.map.new_columns()
            && self
                .changes
                .iter()
                .all(|c| c.moved + c.rescaled + c.dropped == 0)
    }

    /// Whether population statistics can be carried over: no carried position is scaled in another
    /// way. Transforms are part of the statistics, so a rescaled position starts afresh.
    #[must_use]
    pub fn keeps_statistics(&self) -> bool {
        self.changes.iter().all(|c| c.rescaled == 0)
    }

    /// Returns where each position went.
    #[must_use]
    pub const fn position_map(&self) -> &PositionMap {
        &self.map
    }
}

impl fmt::Display for SpecDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return f.write_str("no position changed");
        }
        for (i, change) in self.changes.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: ", change.feature)?;
            let mut parts = Vec::new();
            if let Some(was) = &change.was {
                parts.push(format!("was {was}"));
            }
            for (count, what) in [
                (change.moved, "moved"),
                (change.rescaled, "rescaled"),
                (change.added, "added"),
                (change.dropped, "dropped"),
            ] {
                if count > 0 {
                    parts.push(format!("{count} {what}"));
                }
            }
            f.write_str(&parts.join("; "))?;
        }
        Ok(())
    }
}

/// Old column → new column, for weights, optimiser state and statistics.
///
/// Invariant: no two old columns go to one new column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionMap {
    /// New column of each old one.
    targets: Vec<u32>,
    /// Old column of each new one.
    sources: Vec<u32>,
    /// Old columns that a feature used and that have no new one.
    dropped: Vec<u32>,
}

impl PositionMap {
    /// Matches the columns of two specs by what they mean.
    #[must_use]
    pub fn between(old: &FeatureSpec, new: &FeatureSpec) -> Self {
        type Meanings = HashMap<([u8; 16], String, u32), u32, BuildHasherDefault<DefaultHasher>>;
        let meanings = |spec: &FeatureSpec| {
            let compiled = spec.compiled();
            let meanings: Vec<_> = compiled
                .features
                .iter()
                .map(|f| Meaning::new(&compiled.declaration, f))
                .collect();
            // Positions of one meaning (a feature declared twice, places kept for values) are told
            // apart by their order.
            let mut seen: HashMap<([u8; 16], String), u32, BuildHasherDefault<DefaultHasher>> =
                HashMap::default();
            let mut list = Vec::new();
            for (column, owner) in (0_u32..).zip(&compiled.owners) {
                let Some(meaning) = meanings.get(*owner as usize) else {
                    continue;
                };
                let Some(slot) = meaning.feature.slot_of(column) else {
                    continue;
                };
                let text = meaning.of(slot);
                let nth = seen.entry((meaning.common, text.clone())).or_default();
                list.push(((meaning.common, text, *nth), column));
                *nth += 1;
            }
            list
        };
        let mut targets = vec![NONE; old.columns()];
        let mut sources = vec![NONE; new.columns()];
        let known: Meanings = meanings(new).into_iter().collect();
        let mut dropped = Vec::new();
        for (meaning, column) in meanings(old) {
            match known.get(&meaning) {
                Some(&target) => {
                    targets[column as usize] = target;
                    sources[target as usize] = column;
                }
                // A place kept for a value never had one.
                None if meaning.1.starts_with("kept\0") => {}
                None => dropped.push(column),
            }
        }
        Self {
            targets,
            sources,
            dropped,
        }
    }

    /// Columns of the old spec.
    #[must_use]
    pub fn old_columns(&self) -> usize {
        self.targets.len()
    }

    /// Columns of the new spec.
    #[must_use]
    pub fn new_columns(&self) -> usize {
        self.sources.len()
    }

    /// Returns the new column of an old one; `None` when it was dropped or never used.
    #[must_use]
    pub fn target(&self, old: u32) -> Option<u32> {
        self.targets
            .get(old as usize)
            .copied()
            .filter(|t| *t != NONE)
    }

    /// Returns the old column of a new one; `None` when it is new or not used.
    #[must_use]
    pub fn source(&self, new: u32) -> Option<u32> {
        self.sources
            .get(new as usize)
            .copied()
            .filter(|s| *s != NONE)
    }

    /// Returns the old column of every new one, in order: what `Learner::remap`,
    /// `LinearModel::remapped` and `Population::remapped` take.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Option<u32>> + '_ {
        self.sources
            .iter()
            .map(|source| (*source != NONE).then_some(*source))
    }

    /// Iterates over (old column, new column), in order of the old.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0_u32..)
            .zip(&self.targets)
            .filter(|(_, t)| **t != NONE)
            .map(|(o, t)| (o, *t))
    }

    /// Returns the columns of the old spec that a feature used and that were dropped.
    #[must_use]
    pub fn dropped(&self) -> &[u32] {
        &self.dropped
    }

    /// Returns the map from new to old; what either side dropped stays dropped.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let lost = (0_u32..)
            .zip(&self.sources)
            .filter(|(_, s)| **s == NONE)
            .map(|(n, _)| n);
        Self {
            targets: self.sources.clone(),
            sources: self.targets.clone(),
            dropped: lost.collect(),
        }
    }

    /// Moves values to their new columns; columns that are new hold `fill`.
    ///
    /// # Errors
    ///
    /// [`MigrateError`]: there is not one value for each old column.
    pub fn apply<T: Copy>(&self, values: &[T], fill: T) -> Result<Vec<T>, MigrateError> {
        if values.len() != self.targets.len() {
            return Err(MigrateError {
                expected: self.targets.len(),
                actual: values.len(),
            });
        }
        Ok(self
            .sources
            .iter()
            .map(|s| values.get(*s as usize).copied().unwrap_or(fill))
            .collect())
    }
}

/// There is not one value for each old column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{actual} values for a spec of {expected} columns")]
#[non_exhaustive]
pub struct MigrateError {
    /// Columns of the old spec.
    pub expected: usize,
    /// Values given.
    pub actual: usize,
}
