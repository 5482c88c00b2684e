//! The compact binary form of a [`Population`].
//!
//! Version 1, integers little-endian, `varint` = seven bits a byte, least significant first, the top
//! bit set on all but the last, in as few bytes as possible:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `ZPOP` |
//! | 4 | format version, 1 |
//! | varint | number of cohorts, then for each: 0 for every row or 1 + the cohort it is part of; its size |
//! | varint | number of runs of positions of one cohort, then for each: its length, above 0; its cohort, not the last run's |
//! | varint | number of positions with a non-zero, then for each, in order: its distance from the one after the last listed; twice its non-zeros, plus 1 if the sums are whole; zigzag of the sum; sum of squares |
//! | 8 | FNV-1a, 64 bits, of everything before |
//!
//! Sums are in units of 2⁻²⁴ and 2⁻⁴⁸, or of 1 where they are whole, which they must be marked as
//! if both are. So equal populations have equal bytes, and any other bytes are refused.

use crate::cohort::{CohortError, Cohorts, Membership};
use crate::moments::Moments;
use crate::population::Population;

const MAGIC: &[u8; 4] = b"ZPOP";
const VERSION: u32 = 1;
const HEADER: usize = 8;
const CHECKSUM: usize = 8;
/// Binary places of a sum in units of 2⁻²⁴; a sum of squares has twice as many.
const PLACES: u32 = 24;

impl Population {
    /// Writes the population in its compact binary form: about 6 bytes for a position of counts.
    ///
    /// Equal populations give equal bytes, however they came about.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let members = self.cohorts().members();
        write_varint(&mut out, members.len() as u128);
        for (members, size) in members.iter().zip(&self.sizes) {
            let code = match members {
                Membership::Every => 0,
                Membership::Present { of } => u128::from(*of) + 1,
            };
            write_varint(&mut out, code);
            write_varint(&mut out, u128::from(*size));
        }
        let runs = || self.cohorts().index().chunk_by(|a, b| a == b);
        write_varint(&mut out, runs().count() as u128);
        for run in runs() {
            write_varint(&mut out, run.len() as u128);
            write_varint(&mut out, u128::from(run[0]));
        }
        let seen = || {
            self.positions()
                .filter_map(|position| Some((position, self.moments(position)?)))
                .filter(|(_, moments)| moments.nonzeros > 0)
        };
        write_varint(&mut out, seen().count() as u128);
        let mut next = 0;
        for (position, moments) in seen() {
            write_varint(&mut out, u128::from(position - next));
            write_moments(&mut out, &moments);
            next = position + 1;
        }
        let checksum = fnv1a(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// `max_dimension`: greatest number of positions to make room for; each takes 46 bytes.
    ///
    /// # Errors
    ///
    /// Every [`PopulationDecodeError`] variant, named for what is wrong. No bytes can panic, or
    /// allocate more than `max_dimension` allows.
    pub fn from_bytes(bytes: &[u8], max_dimension: usize) -> Result<Self, PopulationDecodeError> {
        let body = open(bytes)?;
        let mut reader = Reader { body, at: HEADER };
        let (members, sizes) = reader.members()?;
        let index = reader.index(max_dimension)?;
        let cohorts = Cohorts::new(index, members)
            .map_err(|source| PopulationDecodeError::Cohorts { source })?;
        let mut population = Self::new(cohorts);
        population.sizes = sizes;
        reader.moments(&mut population)?;
        if reader.at != body.len() {
            return Err(PopulationDecodeError::TrailingBytes {
                count: body.len() - reader.at,
            });
        }
        Ok(population)
    }

    /// Sets the sums of a position, if they are sums that its cohort can have.
    pub(crate) fn restore(&mut self, position: u32, moments: Moments) -> bool {
        let possible = moments.is_valid() && moments.nonzeros <= self.size_at(position);
        match self.moments.get_mut(position as usize) {
            Some(slot) if possible => {
                *slot = moments.into();
                true
            }
            _ => false,
        }
    }
}

/// Checks what surrounds the body, and returns header and body without the checksum.
fn open(bytes: &[u8]) -> Result<&[u8], PopulationDecodeError> {
    let truncated = PopulationDecodeError::Truncated { at: bytes.len() };
    if bytes.get(..4).is_some_and(|magic| magic != MAGIC) {
        return Err(PopulationDecodeError::NotAPopulation);
    }
    let version = bytes.get(4..8).and_then(|version| version.try_into().ok());
    let version = version.map(u32::from_le_bytes).ok_or(truncated.clone())?;
    if version != VERSION {
        return Err(PopulationDecodeError::Version {
            found: version,
            supported: VERSION,
        });
    }
    let (body, digits) = bytes
        .split_last_chunk::<CHECKSUM>()
        .ok_or(truncated.clone())?;
    if body.len() < HEADER {
        return Err(truncated);
    }
    let (stored, computed) = (u64::from_le_bytes(*digits), fnv1a(body));
    if stored != computed {
        return Err(PopulationDecodeError::Checksum { stored, computed });
    }
    Ok(body)
}

/// Changes with every single byte: each step is a bijection of the state.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn write_moments(out: &mut Vec<u8>, moments: &Moments) {
    let whole = moments.sum.trailing_zeros() >= PLACES
        && moments.sum_of_squares.trailing_zeros() >= 2 * PLACES;
    let (sum, squares) = if whole {
        (
            moments.sum >> PLACES,
            moments.sum_of_squares >> (2 * PLACES),
        )
    } else {
        (moments.sum, moments.sum_of_squares)
    };
    write_varint(out, u128::from(moments.nonzeros) << 1 | u128::from(whole));
    write_varint(out, ((sum << 1) ^ (sum >> 127)).cast_unsigned());
    write_varint(out, squares);
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn write_varint(out: &mut Vec<u8>, mut x: u128) {
    while x >= 0x80 {
        out.push(x as u8 | 0x80);
        x >>= 7;
    }
    out.push(x as u8);
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn members(&mut self) -> Result<(Vec<Membership>, Vec<u64>), PopulationDecodeError> {
        let count = self.count("number of cohorts", 1 << 16)?;
        let (mut members, mut sizes) = (Vec::new(), Vec::new());
        for _ in 0..count {
            members.push(match self.count("cohort", 1 << 16)? {
                0 => Membership::Every,
                outer => Membership::Present {
                    of: u16::try_from(outer - 1).unwrap_or(u16::MAX),
                },
            });
            sizes.push(self.number("cohort size")?);
        }
        Ok((members, sizes))
    }

    fn index(&mut self, max_dimension: usize) -> Result<Vec<u16>, PopulationDecodeError> {
        let runs = self.count("number of runs", max_dimension)?;
        let mut index = Vec::new();
        for _ in 0..runs {
            let at = self.at;
            let length = self.count("run length", max_dimension - index.len())?;
            let cohort: u16 = self.number("cohort of a run")?;
            if length == 0 || index.last() == Some(&cohort) {
                return Err(PopulationDecodeError::Value {
                    what: "run of positions",
                    at,
                });
            }
            index.resize(index.len() + length, cohort);
        }
        Ok(index)
    }

    fn moments(&mut self, population: &mut Population) -> Result<(), PopulationDecodeError> {
        let dimension = population.dimension();
        let count = self.count("number of positions", dimension)?;
        let mut next = 0;
        for _ in 0..count {
            let at = self.at;
            let room = (dimension - next).saturating_sub(1);
            let position = next + self.count("position", room)?;
            let moments = self.moments_at()?;
            // Below the dimension, which fits.
            let label = u32::try_from(position).unwrap_or(u32::MAX);
            if moments.nonzeros == 0 || !population.restore(label, moments) {
                return Err(PopulationDecodeError::Moments {
                    position: label,
                    at,
                });
            }
            next = (position + 1).min(dimension);
        }
        Ok(())
    }

    fn moments_at(&mut self) -> Result<Moments, PopulationDecodeError> {
        let at = self.at;
        let wrong = |what| PopulationDecodeError::Value { what, at };
        let nonzeros = self.varint("non-zeros")?;
        let whole = nonzeros & 1 == 1;
        let nonzeros = u64::try_from(nonzeros >> 1).map_err(|_| wrong("non-zeros"))?;
        let zigzag = self.varint("sum")?;
        let mut sum = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        let mut sum_of_squares = self.varint("sum of squares")?;
        let places = if whole { PLACES } else { 0 };
        if !whole && sum.trailing_zeros() >= PLACES && sum_of_squares.trailing_zeros() >= 2 * PLACES
        {
            return Err(wrong("mark of whole sums"));
        }
        if sum.unsigned_abs().leading_zeros() < places + 1 {
            return Err(wrong("sum"));
        }
        if sum_of_squares.leading_zeros() < 2 * places {
            return Err(wrong("sum of squares"));
        }
        sum <<= places;
        sum_of_squares <<= 2 * places;
        Ok(Moments {
            nonzeros,
            sum,
            sum_of_squares,
        })
    }

    /// Reads a number of things, at most `max`.
    fn count(&mut self, what: &'static str, max: usize) -> Result<usize, PopulationDecodeError> {
        let found = self.varint(what)?;
        let too_many = PopulationDecodeError::TooMany { what, found, max };
        usize::try_from(found)
            .ok()
            .filter(|&n| n <= max)
            .ok_or(too_many)
    }

    fn number<T: TryFrom<u128>>(&mut self, what: &'static str) -> Result<T, PopulationDecodeError> {
        let at = self.at;
        let found = self.varint(what)?;
        T::try_from(found).map_err(|_| PopulationDecodeError::Value { what, at })
    }

    fn varint(&mut self, what: &'static str) -> Result<u128, PopulationDecodeError> {
        let start = self.at;
        let wrong = PopulationDecodeError::Value { what, at: start };
        let mut x = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = *(self.body.get(self.at))
                .ok_or(PopulationDecodeError::Truncated { at: self.at })?;
            self.at += 1;
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(wrong);
            }
            x |= bits << shift;
            if byte & 0x80 == 0 {
                // The last byte may only be 0 if it is the only one.
                let shortest = byte != 0 || shift == 0;
                return if shortest { Ok(x) } else { Err(wrong) };
            }
        }
        Err(wrong)
    }
}

/// Why bytes are not a [`Population`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PopulationDecodeError {
    /// The first four bytes are not those of a population.
    #[error("not a population: the first four bytes are not \"ZPOP\"")]
    NotAPopulation,
    /// The format is of another version.
    #[error("population format version {found}, and this reader knows {supported}")]
    Version {
        /// Version of the bytes.
        found: u32,
        /// The version this reader knows.
        supported: u32,
    },
    /// The bytes end too early.
    #[error("population ends at byte {at}, before it is complete")]
    Truncated {
        /// Where the next byte was wanted.
        at: usize,
    },
    /// Bytes have changed since they were written.
    #[error("population checksum is {computed:016x}, and {stored:016x} is stored")]
    Checksum {
        /// Checksum in the bytes.
        stored: u64,
        /// Checksum of the bytes.
        computed: u64,
    },
    /// There is more of something than allowed.
    #[error("{found} as {what}, and at most {max} is allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: u128,
        /// How much there may be.
        max: usize,
    },
    /// A number is out of range or not in its shortest form.
    #[error("{what} at byte {at} is out of range or not in its one form")]
    Value {
        /// What the number is.
        what: &'static str,
        /// Where it starts.
        at: usize,
    },
    /// The cohorts contradict each other.
    #[error("cohorts of the population are wrong")]
    Cohorts {
        /// What is wrong with them.
        source: CohortError,
    },
    /// No rows can have these sums.
    #[error("sums of position {position} at byte {at} are not those of any rows")]
    Moments {
        /// The position.
        position: u32,
        /// Where its entry starts.
        at: usize,
    },
    /// Bytes are left over.
    #[error("{count} bytes left over after the population")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}
