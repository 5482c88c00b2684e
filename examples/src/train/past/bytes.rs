//! The population so far as bytes, so that counting can go on in another run.
//!
//! Integers little-endian: `PAST`, format version 1 (u32); scaling fingerprint of the spec as 64
//! hexadecimal digits; length (u64) and bytes of the population; for each vector the number of
//! latest rows (u64) and, in order of their ids, each id's length (u32) and UTF-8 bytes, number of
//! entries (u32), positions (u32) and values (f32 bits); FNV-1a, 64 bits, of everything before.

use feature_spec::{FeatureSpec, PopulationKind};
use zscore_stats::{Population, PopulationDecodeError};

use super::{Part, PastPopulation};

const MAGIC: &[u8; 8] = b"PAST\x01\0\0\0";
const CHECKSUM: usize = 8;

impl PastPopulation {
    /// The state so far; equal populations give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(self.fingerprint.as_bytes());
        let population = self.population.to_bytes();
        out.extend_from_slice(&(population.len() as u64).to_le_bytes());
        out.extend_from_slice(&population);
        for vector in &self.vectors {
            out.extend_from_slice(&(vector.latest.len() as u64).to_le_bytes());
            let mut latest: Vec<_> = vector.latest.iter().collect();
            latest.sort_unstable_by_key(|(id, _)| *id);
            for (id, part) in latest {
                write_length(&mut out, id.len());
                out.extend_from_slice(id.as_bytes());
                write_length(&mut out, part.positions.len());
                out.extend(
                    part.positions
                        .iter()
                        .flat_map(|position| position.to_le_bytes()),
                );
                out.extend(part.values.iter().flat_map(|value| value.to_le_bytes()));
            }
        }
        let checksum = fnv1a(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Goes on from what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// The bytes are damaged, or were written under a spec that scales or places otherwise.
    pub fn from_bytes(spec: &FeatureSpec, bytes: &[u8]) -> Result<Self, PastDecodeError> {
        let mut past = Self::new(spec);
        let (body, digits) = bytes
            .split_last_chunk::<CHECKSUM>()
            .ok_or(PastDecodeError::NotAState)?;
        let mut rest = body.strip_prefix(MAGIC).ok_or(PastDecodeError::NotAState)?;
        if u64::from_le_bytes(*digits) != fnv1a(body) {
            return Err(PastDecodeError::Damaged);
        }
        let fingerprint = take(&mut rest, past.fingerprint.len())?;
        if fingerprint != past.fingerprint.as_bytes() {
            return Err(PastDecodeError::OtherSpec);
        }
        let length = take_count(&mut rest)?;
        past.population = Population::from_bytes(take(&mut rest, length)?, spec.columns())
            .map_err(|source| PastDecodeError::Population { source })?;
        if *past.population.cohorts() != spec.cohorts() {
            return Err(PastDecodeError::OtherSpec);
        }
        for cohort in 0..past.vectors.len() {
            let rows = take_count(&mut rest)?;
            for _ in 0..rows {
                past.read_row(cohort, &mut rest)?;
            }
            past.check_rows(cohort, rows)?;
        }
        if rest.is_empty() {
            Ok(past)
        } else {
            Err(PastDecodeError::Damaged)
        }
    }

    fn read_row(&mut self, cohort: usize, rest: &mut &[u8]) -> Result<(), PastDecodeError> {
        let length = take_length(rest)?;
        let id = str::from_utf8(take(rest, length)?).map_err(|_| PastDecodeError::Damaged)?;
        let id = Box::from(id);
        let entries = take_length(rest)?;
        let words = |bytes: &[u8]| bytes.as_chunks::<4>().0.to_vec();
        let size = entries.checked_mul(4).ok_or(PastDecodeError::Damaged)?;
        let part = Part {
            positions: words(take(rest, size)?)
                .into_iter()
                .map(u32::from_le_bytes)
                .collect(),
            values: words(take(rest, size)?)
                .into_iter()
                .map(f32::from_le_bytes)
                .collect(),
        };
        let owned = |&position: &u32| {
            self.cohort
                .get(position as usize)
                .is_some_and(|&owner| usize::from(owner) == cohort)
        };
        if !part.positions.iter().all(owned)
            || self.vectors[cohort].latest.insert(id, part).is_some()
        {
            return Err(PastDecodeError::Damaged);
        }
        Ok(())
    }

    /// Users and items are as many as their latest rows; events leave none.
    fn check_rows(&self, cohort: usize, rows: usize) -> Result<(), PastDecodeError> {
        let vector = &self.vectors[cohort];
        let is_latest = matches!(vector.kind, PopulationKind::Users | PopulationKind::Items);
        let counted = u16::try_from(cohort).map_or(0, |cohort| self.population.size(cohort));
        let expected = if is_latest && vector.scaled {
            counted
        } else {
            0
        };
        if rows as u64 == expected {
            Ok(())
        } else {
            Err(PastDecodeError::Damaged)
        }
    }
}

/// Why bytes are no [`PastPopulation`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PastDecodeError {
    /// The file is something else.
    #[error("not the state of a population, version 1")]
    NotAState,
    /// The bytes have changed, or contradict themselves.
    #[error("the state of the population is damaged")]
    Damaged,
    /// Another spec wrote it.
    #[error("the state of the population is of another spec")]
    OtherSpec,
    /// The population inside is damaged.
    #[error("the population in the state cannot be read")]
    Population {
        /// Why.
        source: PopulationDecodeError,
    },
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "ids and rows come from lines of bounded length"
)]
fn write_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&(length as u32).to_le_bytes());
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], PastDecodeError> {
    let (taken, tail) = rest
        .split_at_checked(count)
        .ok_or(PastDecodeError::Damaged)?;
    *rest = tail;
    Ok(taken)
}

fn take_length(rest: &mut &[u8]) -> Result<usize, PastDecodeError> {
    let digits = take(rest, 4)?
        .try_into()
        .map_err(|_| PastDecodeError::Damaged)?;
    usize::try_from(u32::from_le_bytes(digits)).map_err(|_| PastDecodeError::Damaged)
}

fn take_count(rest: &mut &[u8]) -> Result<usize, PastDecodeError> {
    let digits = take(rest, 8)?
        .try_into()
        .map_err(|_| PastDecodeError::Damaged)?;
    usize::try_from(u64::from_le_bytes(digits)).map_err(|_| PastDecodeError::Damaged)
}

/// Changes with every single byte: each step is a bijection of the state.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
