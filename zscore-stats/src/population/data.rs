//! What Serde writes of a [`Population`], and the checks on the way in.

use serde::{Deserialize, Serialize};

use crate::cohort::Cohorts;
use crate::moments::Moments;
use crate::population::Population;

const VERSION: u32 = 1;

/// The serialized form: positions without a non-zero are left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PopulationData {
    version: u32,
    cohorts: Cohorts,
    sizes: Vec<u64>,
    positions: Vec<PositionData>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PositionData {
    position: u32,
    nonzeros: u64,
    /// In units of 2⁻²⁴.
    sum: i128,
    /// In units of 2⁻⁴⁸.
    sum_of_squares: u128,
}

impl From<Population> for PopulationData {
    fn from(population: Population) -> Self {
        let seen = |position| {
            let moments = population.moments(position)?;
            (moments.nonzeros > 0).then_some(PositionData {
                position,
                nonzeros: moments.nonzeros,
                sum: moments.sum,
                sum_of_squares: moments.sum_of_squares,
            })
        };
        Self {
            version: VERSION,
            positions: population.positions().filter_map(seen).collect(),
            cohorts: population.cohorts,
            sizes: population.sizes,
        }
    }
}

impl TryFrom<PopulationData> for Population {
    type Error = DataError;

    fn try_from(data: PopulationData) -> Result<Self, DataError> {
        if data.version != VERSION {
            return Err(DataError::Version {
                found: data.version,
            });
        }
        let cohorts = data.cohorts.count();
        if data.sizes.len() != cohorts {
            return Err(DataError::Sizes {
                sizes: data.sizes.len(),
                cohorts,
            });
        }
        let mut population = Self::new(data.cohorts);
        population.sizes = data.sizes;
        let mut least = 0;
        for entry in data.positions {
            let position = entry.position;
            let moments = Moments {
                nonzeros: entry.nonzeros,
                sum: entry.sum,
                sum_of_squares: entry.sum_of_squares,
            };
            let in_order = position >= least && moments.nonzeros > 0;
            if !in_order || !population.restore(position, moments) {
                return Err(DataError::Moments { position });
            }
            // Below the dimension, which is below 2³².
            least = position + 1;
        }
        Ok(population)
    }
}

/// Why the serialized form is refused; a reader sees it as text.
#[derive(Debug, thiserror::Error)]
pub(super) enum DataError {
    #[error("population format version {found}, and this reader knows {VERSION}")]
    Version { found: u32 },
    #[error("{sizes} sizes for {cohorts} cohorts")]
    Sizes { sizes: usize, cohorts: usize },
    #[error("sums of position {position} are out of order or not those of any rows")]
    Moments { position: u32 },
}
