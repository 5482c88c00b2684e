//! The one check that stands between outside rows and the kernels.

use sprs::{CsMatViewI, CsVecViewI};

use crate::kernel;

/// Why a row or an importance was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A position is not below the dimension of the model.
    #[error("position {position} is not below the dimension {dimension}")]
    PositionOutOfRange {
        /// The first such position.
        position: u32,
        /// Positions that the model has.
        dimension: usize,
    },
    /// A position is not greater than the one before it.
    #[error("position {position} follows {previous}: positions must strictly increase")]
    PositionOrder {
        /// The offending position.
        position: u32,
        /// The position before it.
        previous: u32,
    },
    /// A value is NaN or infinite.
    #[error("value {value} at position {position} is not finite")]
    ValueNotFinite {
        /// Where it stands.
        position: u32,
        /// The value.
        value: f32,
    },
    /// An importance is NaN, infinite or negative.
    #[error("importance {importance} is not a finite number of at least 0")]
    ImportanceOutOfRange {
        /// The importance.
        importance: f32,
    },
    /// A batch is stored by column; its rows cannot be visited one by one.
    #[error("the batch is stored by column (CSC), not by row (CSR)")]
    BatchNotByRow,
    /// Slices that must be equally long are not.
    #[error("{left} {what} against {right}")]
    LengthMismatch {
        /// What was counted, for example "labels against rows".
        what: &'static str,
        /// The one length.
        left: usize,
        /// The other length.
        right: usize,
    },
}

/// A checked row.
///
/// # Invariants
///
/// - `positions` and `values` are equally long;
/// - positions strictly increase and are below the dimension that the row was checked against;
/// - values are finite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    positions: &'a [u32],
    values: &'a [f32],
    largest: f32,
}

impl<'a> Row<'a> {
    /// Checks a row once, so that kernels may rely on the invariants.
    pub(crate) fn check(
        features: &CsVecViewI<'a, f32, u32>,
        dimension: usize,
    ) -> Result<Self, RowError> {
        let (positions, values) = (*features).into_raw_storage();
        Self::check_slices(positions, values, dimension)
    }

    /// Like [`Row::check`], for bare slices.
    pub(crate) fn check_slices(
        positions: &'a [u32],
        values: &'a [f32],
        dimension: usize,
    ) -> Result<Self, RowError> {
        if positions.len() != values.len() {
            return Err(RowError::LengthMismatch {
                what: "positions against values",
                left: positions.len(),
                right: values.len(),
            });
        }
        // What is wrong is looked for only when something is.
        let (ordered, largest) = kernel::row_summary(positions, values);
        let largest = f32::from_bits(largest);
        let inside = positions
            .last()
            .is_none_or(|&last| (last as usize) < dimension);
        if ordered && largest.is_finite() && inside {
            return Ok(Self {
                positions,
                values,
                largest,
            });
        }
        first_fault(positions, values, dimension)?;
        Ok(Self {
            positions,
            values,
            largest,
        })
    }

    pub(crate) fn positions(&self) -> &'a [u32] {
        self.positions
    }

    /// The largest absolute value; 0 of an empty row.
    pub(crate) fn largest(&self) -> f32 {
        self.largest
    }

    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
    }
}

#[cold]
fn first_fault(positions: &[u32], values: &[f32], dimension: usize) -> Result<(), RowError> {
    let mut previous = None;
    for (&position, &value) in positions.iter().zip(values) {
        if let Some(previous) = previous.filter(|&p| position <= p) {
            return Err(RowError::PositionOrder { position, previous });
        }
        if position as usize >= dimension {
            return Err(RowError::PositionOutOfRange {
                position,
                dimension,
            });
        }
        if !value.is_finite() {
            return Err(RowError::ValueNotFinite { position, value });
        }
        previous = Some(position);
    }
    Ok(())
}

/// Checks an importance.
pub(crate) fn check_importance(importance: f32) -> Result<(), RowError> {
    if importance >= 0.0 && importance.is_finite() {
        Ok(())
    } else {
        Err(RowError::ImportanceOutOfRange { importance })
    }
}

/// Checks the sources of a migration of positions.
pub(crate) fn check_sources(sources: &[Option<u32>], dimension: usize) -> Result<(), RowError> {
    match sources
        .iter()
        .flatten()
        .find(|&&source| source as usize >= dimension)
    {
        Some(&position) => Err(RowError::PositionOutOfRange {
            position,
            dimension,
        }),
        None => Ok(()),
    }
}

/// Iterates the rows of a batch, each checked as it is reached.
pub(crate) fn batch_rows<'a>(
    batch: &'a CsMatViewI<'_, f32, u32, usize>,
    dimension: usize,
) -> Result<impl ExactSizeIterator<Item = Result<Row<'a>, RowError>>, RowError> {
    if !batch.is_csr() {
        return Err(RowError::BatchNotByRow);
    }
    let (indices, data) = (batch.indices(), batch.data());
    Ok((0..batch.rows()).map(move |row| {
        let range = batch.indptr().outer_inds_sz(row);
        Row::check_slices(&indices[range.clone()], &data[range], dimension)
    }))
}
