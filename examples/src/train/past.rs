//! Statistics from the past alone: what a run uses when no statistics are given.

mod bytes;

use std::collections::HashMap;

use feature_spec::{FeatureSpec, PopulationKind, Vector};
use zscore_stats::{Population, PopulationError, Scale};

use crate::encode::EncodedEvent;

pub use self::bytes::PastDecodeError;

/// The population of everything seen so far: every user's and every item's latest row, and all
/// events, as the spec's `population` keys say.
#[derive(Debug)]
pub struct PastPopulation {
    population: Population,
    /// Of positions and scales.
    fingerprint: String,
    /// Cohort of each position that is scaled, [`UNSCALED`] for the others.
    cohort: Vec<u8>,
    vectors: [VectorRows; 3],
}

const UNSCALED: u8 = u8::MAX;

/// Rows of one of the three vectors.
#[derive(Debug)]
struct VectorRows {
    kind: PopulationKind,
    scaled: bool,
    latest: HashMap<Box<str>, Part>,
    part: Part,
}

/// The scaled entries of one vector of one row.
#[derive(Debug, Default, Clone)]
struct Part {
    positions: Vec<u32>,
    values: Vec<f32>,
}

impl PastPopulation {
    /// Starts with nobody.
    #[must_use]
    pub fn new(spec: &FeatureSpec) -> Self {
        let policies = spec.policies();
        let mut scaled = [false; 3];
        let mut cohort = vec![UNSCALED; policies.dimension()];
        for (position, cohort) in (0..).zip(&mut cohort) {
            let is_scaled = policies
                .policy(position)
                .is_some_and(|policy| policy.scale != Scale::None);
            if let (true, Some(vector)) = (is_scaled, spec.vector_of(position)) {
                *cohort = vector as u8;
                scaled[vector as usize] = true;
            }
        }
        let vectors = [Vector::User, Vector::Item, Vector::Event].map(|vector| VectorRows {
            kind: spec.population(vector),
            scaled: scaled[vector as usize],
            latest: HashMap::new(),
            part: Part::default(),
        });
        Self {
            population: Population::new(spec.cohorts()),
            fingerprint: spec.scaling_fingerprint().to_string(),
            cohort,
            vectors,
        }
    }

    /// Whether any position needs statistics.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.vectors.iter().any(|vector| vector.scaled)
    }

    /// The statistics so far.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Counts an event, whose values are transformed and not yet scaled.
    ///
    /// A user or an item counts with its latest row, in place of the one before; one without an id
    /// does not count.
    ///
    /// # Errors
    ///
    /// Those of [`Population::push`] and [`Population::replace`].
    pub fn push(&mut self, event: &EncodedEvent<'_>) -> Result<(), PopulationError> {
        for vector in &mut self.vectors {
            vector.part.positions.clear();
            vector.part.values.clear();
        }
        for (&position, &value) in event.positions.iter().zip(&*event.values) {
            let cohort = self.cohort[position as usize];
            if cohort != UNSCALED {
                let part = &mut self.vectors[usize::from(cohort)].part;
                part.positions.push(position);
                part.values.push(value);
            }
        }
        for (cohort, vector) in (0..).zip(&mut self.vectors) {
            if !vector.scaled {
                continue;
            }
            let new = (
                vector.part.positions.as_slice(),
                vector.part.values.as_slice(),
            );
            let key = match vector.kind {
                PopulationKind::Users => event.user_id,
                PopulationKind::Items => event.item_id,
                _ => {
                    self.population.push(cohort, new)?;
                    continue;
                }
            };
            if key.is_empty() {
                continue;
            }
            if let Some(old) = vector.latest.get_mut(key) {
                let before = (old.positions.as_slice(), old.values.as_slice());
                self.population.replace(cohort, before, new)?;
                old.clone_from(&vector.part);
            } else {
                self.population.push(cohort, new)?;
                vector.latest.insert(Box::from(key), vector.part.clone());
            }
        }
        Ok(())
    }
}
