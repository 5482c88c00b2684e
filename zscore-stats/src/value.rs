//! What may stand in a row: the checks and the errors that every operation on values shares.

use sprs::{CsMatViewI, CsVecViewI};

/// Largest absolute value that a transformed, shifted value may have.
pub(crate) const LIMIT: f64 = 16_777_216.0;

/// [`LIMIT`], as rows store values.
const ROW_LIMIT: f32 = 16_777_216.0;

/// The present positions of a sparse row and their values.
///
/// Made from an `sprs` view, from a pair of slices, or by a crate that has rows of its own.
/// Operations check what they need: positions strictly increasing and below the dimension, as many
/// values as positions, values finite and at most 2²⁴ in size.
#[derive(Debug, Clone, Copy)]
pub struct Entries<'a> {
    /// Present positions, strictly increasing.
    pub positions: &'a [u32],
    /// The value at each of them.
    pub values: &'a [f32],
}

impl<'a> From<(&'a [u32], &'a [f32])> for Entries<'a> {
    fn from((positions, values): (&'a [u32], &'a [f32])) -> Self {
        Self { positions, values }
    }
}

impl<'a> From<CsVecViewI<'a, f32, u32>> for Entries<'a> {
    fn from(row: CsVecViewI<'a, f32, u32>) -> Self {
        let (positions, values) = row.into_raw_storage();
        Self { positions, values }
    }
}

impl<'a, const N: usize> From<(&'a [u32; N], &'a [f32; N])> for Entries<'a> {
    fn from((positions, values): (&'a [u32; N], &'a [f32; N])) -> Self {
        Self { positions, values }
    }
}

/// Why a row or a batch cannot be transformed, scaled or counted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// There are not as many values as positions.
    #[error("{positions} positions and {values} values in one row")]
    Lengths {
        /// Number of positions.
        positions: usize,
        /// Number of values.
        values: usize,
    },
    /// A position is at or above the dimension.
    #[error("position {position} is not below the dimension {dimension}")]
    PositionOutOfRange {
        /// The position.
        position: u32,
        /// Number of positions.
        dimension: usize,
    },
    /// A batch has another number of columns than there are positions.
    #[error("a batch of {columns} columns where the dimension is {dimension}")]
    Columns {
        /// Columns of the batch.
        columns: usize,
        /// Number of positions.
        dimension: usize,
    },
    /// A batch is stored by column.
    #[error("a batch stored by column where one row per example is needed")]
    ByColumn,
    /// Positions of a row are not strictly increasing.
    #[error("position {position} does not follow position {previous} in increasing order")]
    NotIncreasing {
        /// The position out of order.
        position: u32,
        /// The position before it.
        previous: u32,
    },
    /// A value is infinite or not a number.
    #[error("value {value} at position {position} is not finite")]
    NotFinite {
        /// The position.
        position: u32,
        /// The value.
        value: f32,
    },
    /// A value is larger than statistics can hold.
    #[error("value {value} at position {position} is above 2^24 = 16777216 in size")]
    TooLarge {
        /// The position.
        position: u32,
        /// The value, transformed and less the transformed absent value.
        value: f32,
    },
    /// A raw value is outside the domain of the position's transform.
    #[error("value {value} at position {position} is outside the domain of {transform:?}")]
    OutOfDomain {
        /// The position.
        position: u32,
        /// The raw value.
        value: f32,
        /// The transform.
        transform: crate::Transform,
    },
}

/// Checks that there is one value per position.
pub(crate) fn check_lengths(positions: &[u32], values: &[f32]) -> Result<(), ValueError> {
    if positions.len() == values.len() {
        return Ok(());
    }
    Err(ValueError::Lengths {
        positions: positions.len(),
        values: values.len(),
    })
}

/// Checks a whole row: lengths, order, range, and values that statistics can hold.
pub(crate) fn check_entries(entries: Entries<'_>, dimension: usize) -> Result<(), ValueError> {
    let Entries { positions, values } = entries;
    check_lengths(positions, values)?;
    if let Some(pair) = positions.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(ValueError::NotIncreasing {
            position: pair[1],
            previous: pair[0],
        });
    }
    // The last position is the largest.
    if let Some(&position) = positions.last()
        && position as usize >= dimension
    {
        return Err(ValueError::PositionOutOfRange {
            position,
            dimension,
        });
    }
    check_values(positions, values)
}

/// Checks that every value is finite and at most 2²⁴ in size.
pub(crate) fn check_values(positions: &[u32], values: &[f32]) -> Result<(), ValueError> {
    // Without a branch per value, so that the compiler can do several at once; `&` and not `&&`.
    if values
        .iter()
        .fold(true, |good, value| good & (value.abs() <= ROW_LIMIT))
    {
        return Ok(());
    }
    positions
        .iter()
        .zip(values)
        .try_for_each(|(&position, &value)| check_value(position, value))
}

/// Checks that one value is finite and at most 2²⁴ in size.
pub(crate) fn check_value(position: u32, value: f32) -> Result<(), ValueError> {
    if value.abs() <= ROW_LIMIT {
        Ok(())
    } else if value.is_finite() {
        Err(ValueError::TooLarge { position, value })
    } else {
        Err(ValueError::NotFinite { position, value })
    }
}

/// Checks that a batch has one row per example and as many columns as there are positions.
pub(crate) fn check_batch(
    batch: CsMatViewI<'_, f32, u32, usize>,
    dimension: usize,
) -> Result<(), ValueError> {
    check_shape(batch.is_csr(), batch.cols(), dimension)
}

/// Checks the storage order and the number of columns of a batch.
pub(crate) fn check_shape(
    by_row: bool,
    columns: usize,
    dimension: usize,
) -> Result<(), ValueError> {
    if !by_row {
        return Err(ValueError::ByColumn);
    }
    if columns != dimension {
        return Err(ValueError::Columns { columns, dimension });
    }
    Ok(())
}
