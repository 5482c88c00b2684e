//! Checks of numbers from outside.

use crate::error::DecodeError;

/// A float of a model file.
pub(crate) trait Float: Copy + std::fmt::Display {
    fn finite(self) -> bool;
}

impl Float for f32 {
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Float for f64 {
    fn finite(self) -> bool {
        self.is_finite()
    }
}

pub(crate) fn check_finite<T: Float>(name: &'static str, data: &[T]) -> Result<(), DecodeError> {
    // Without an early exit within a block, the loop is vectorised.
    const BLOCK: usize = 4096;
    for (block, values) in data.chunks(BLOCK).enumerate() {
        if !values.iter().fold(true, |all, value| all & value.finite()) {
            let Some(at) = values.iter().position(|value| !value.finite()) else {
                continue;
            };
            let index = block * BLOCK + at;
            return Err(DecodeError::NotFinite {
                name,
                index,
                value: values[at].to_string(),
            });
        }
    }
    Ok(())
}

pub(crate) fn check_spread(name: &'static str, data: &[f64]) -> Result<(), DecodeError> {
    check_finite(name, data)?;
    match data.iter().find(|value| **value < 0.0) {
        Some(value) => Err(DecodeError::FieldOutOfRange {
            field: name,
            value: value.to_string(),
            allowed: "not negative",
        }),
        None => Ok(()),
    }
}

/// Checks that `positions` strictly increase and are below `columns`.
pub(crate) fn check_positions(
    name: &'static str,
    positions: &[u32],
    columns: u64,
) -> Result<(), DecodeError> {
    if let Some(index) = positions.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(DecodeError::PositionOrder {
            name,
            index: index + 1,
        });
    }
    match positions.last() {
        Some(&position) if u64::from(position) >= columns => Err(DecodeError::PositionOutOfRange {
            name,
            position,
            columns,
        }),
        _ => Ok(()),
    }
}
