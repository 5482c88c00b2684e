//! The one check that stands between outside rows and the kernels.

mod rows;

use sprs::{CsMatViewI, CsVecViewI};

pub use self::rows::{CheckedRows, RowsError};
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

/// A sparse row that was checked once, so that models and learners need not look at it again.
///
/// # Invariants
///
/// - `positions` and `values` are equally long;
/// - positions strictly increase;
/// - values are finite.
///
/// Whether the positions are below a model's dimension is asked by the model, of the last one
/// alone.
///
/// # Examples
///
/// ```
/// use lr_core::{CheckedRow, LinearModel, RowError};
///
/// let model = LinearModel::new(vec![0.5, 0.0, -1.0], 0.25)?;
/// let row = CheckedRow::new(&[0, 2], &[2.0, 1.0])?;
/// assert_eq!(model.margin_of(&row)?, 0.25);
///
/// let unsorted = CheckedRow::new(&[2, 0], &[1.0, 1.0]);
/// assert_eq!(unsorted.unwrap_err(), RowError::PositionOrder { position: 0, previous: 2 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CheckedRow<'a> {
    row: Ordered<'a>,
    largest: f32,
}

impl<'a> CheckedRow<'a> {
    /// Checks a row given by its positions and their values.
    ///
    /// # Errors
    ///
    /// - [`RowError::LengthMismatch`]: not one value a position;
    /// - [`RowError::PositionOrder`]: positions do not strictly increase;
    /// - [`RowError::ValueNotFinite`]: a value is NaN or infinite.
    ///
    /// # Complexity
    ///
    /// O(nnz), sixteen entries at a time.
    pub fn new(positions: &'a [u32], values: &'a [f32]) -> Result<Self, RowError> {
        // What is wrong is looked for only when something is.
        Self::if_sound(positions, values).ok_or_else(|| first_fault(positions, values, usize::MAX))
    }

    #[inline(always)]
    fn if_sound(positions: &'a [u32], values: &'a [f32]) -> Option<Self> {
        let (ordered, sizes) = kernel::row_summary(positions, values);
        let largest = f32::from_bits(sizes.largest);
        let ones = sizes.ones;
        let sound = positions.len() == values.len() && ordered && largest.is_finite();
        sound.then_some(Self {
            row: Ordered {
                positions,
                values,
                ones,
            },
            largest,
        })
    }

    /// Returns the positions, strictly increasing.
    #[must_use]
    pub fn positions(&self) -> &'a [u32] {
        self.row.positions
    }

    /// Returns the values, one a position, finite.
    #[must_use]
    pub fn values(&self) -> &'a [f32] {
        self.row.values
    }

    /// Returns 1 more than the largest position, 0 without any.
    #[must_use]
    pub fn dimension(&self) -> usize {
        let last = self.positions().last();
        last.map_or(0, |&last| last as usize + 1)
    }

    /// The row without what is known of its values.
    #[inline(always)]
    pub(crate) fn ordered(&self) -> &Ordered<'a> {
        &self.row
    }

    /// Checks a row of a model with `dimension` positions.
    #[inline(always)]
    pub(crate) fn of_model(
        features: &CsVecViewI<'a, f32, u32>,
        dimension: usize,
    ) -> Result<Self, RowError> {
        let (positions, values) = (*features).into_raw_storage();
        Self::if_sound(positions, values)
            .filter(|row| row.row.fits(dimension))
            .ok_or_else(|| first_fault(positions, values, dimension))
    }

    /// Checks that the row fits a model with `dimension` positions.
    #[inline(always)]
    pub(crate) fn check_fit(&self, dimension: usize) -> Result<(), RowError> {
        if self.row.fits(dimension) {
            return Ok(());
        }
        Err(first_fault(self.positions(), self.values(), dimension))
    }

    /// The largest absolute value; 0 of an empty row.
    pub(crate) fn largest(&self) -> f32 {
        self.largest
    }
}

/// Positions and values, equally long, the positions strictly increasing; of the values nothing is
/// known but whether all of them are 1, and that not always. The unsafe loads of the kernels rest on
/// this and on [`Ordered::fits`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ordered<'a> {
    positions: &'a [u32],
    values: &'a [f32],
    ones: bool,
}

impl<'a> Ordered<'a> {
    /// Returns the row if its positions strictly increase and are below `dimension`.
    #[inline(always)]
    pub(crate) fn new(
        features: &CsVecViewI<'a, f32, u32>,
        dimension: usize,
    ) -> Result<Self, RowError> {
        let (positions, values) = (*features).into_raw_storage();
        Self::from_slices(positions, values, dimension)
    }

    /// Like [`Ordered::new`], for bare slices.
    #[inline(always)]
    pub(crate) fn from_slices(
        positions: &'a [u32],
        values: &'a [f32],
        dimension: usize,
    ) -> Result<Self, RowError> {
        let row = Self {
            positions,
            values,
            ones: false,
        };
        let sound = positions.len() == values.len() && kernel::is_increasing(positions);
        if sound && row.fits(dimension) {
            return Ok(row);
        }
        Err(first_fault(positions, values, dimension))
    }

    pub(crate) fn positions(&self) -> &'a [u32] {
        self.positions
    }

    pub(crate) fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Whether every value is known to be 1.
    #[inline(always)]
    pub(crate) fn ones(&self) -> bool {
        self.ones
    }

    /// Returns whether every position is below `dimension`; the last one is the greatest.
    #[inline(always)]
    pub(crate) fn fits(&self, dimension: usize) -> bool {
        self.positions
            .last()
            .is_none_or(|&last| (last as usize) < dimension)
    }

    /// Names the first value that is not finite.
    pub(crate) fn check_values(&self) -> Result<(), RowError> {
        match self.values.iter().position(|v| !v.is_finite()) {
            Some(entry) => Err(RowError::ValueNotFinite {
                position: self.positions[entry],
                value: self.values[entry],
            }),
            None => Ok(()),
        }
    }
}

/// Names what is wrong with a row that is known to be wrong.
#[cold]
fn first_fault(positions: &[u32], values: &[f32], dimension: usize) -> RowError {
    if positions.len() != values.len() {
        return length_mismatch(positions, values);
    }
    let mut previous = None;
    for (&position, &value) in positions.iter().zip(values) {
        if let Some(previous) = previous.filter(|&p| position <= p) {
            return RowError::PositionOrder { position, previous };
        }
        if position as usize >= dimension {
            return RowError::PositionOutOfRange {
                position,
                dimension,
            };
        }
        if !value.is_finite() {
            return RowError::ValueNotFinite { position, value };
        }
        previous = Some(position);
    }
    // Not reached: the callers found a fault.
    length_mismatch(positions, values)
}

fn length_mismatch(positions: &[u32], values: &[f32]) -> RowError {
    RowError::LengthMismatch {
        what: "positions against values",
        left: positions.len(),
        right: values.len(),
    }
}

/// Checks an importance.
pub(crate) fn check_importance(importance: f32) -> Result<(), RowError> {
    if (0.0..=f32::MAX).contains(&importance) {
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

/// Iterates the rows of a batch, each checked as it is reached, but for the values.
pub(crate) fn batch_rows<'a>(
    batch: &'a CsMatViewI<'_, f32, u32, usize>,
    dimension: usize,
) -> Result<impl ExactSizeIterator<Item = Result<Ordered<'a>, RowError>>, RowError> {
    if !batch.is_csr() {
        return Err(RowError::BatchNotByRow);
    }
    let (indices, data) = (batch.indices(), batch.data());
    Ok((0..batch.rows()).map(move |row| {
        let range = batch.indptr().outer_inds_sz(row);
        Ordered::from_slices(&indices[range.clone()], &data[range], dimension)
    }))
}
