//! What a scaler is made from and written as, and why it may be refused.

#[cfg(feature = "serde")]
use crate::policies::ScalePolicies;
#[cfg(feature = "serde")]
use crate::scaler::Scaler;

/// The statistics of a [`Scaler`], position by position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalerParts<'a> {
    /// Scaled positions that have statistics, strictly increasing.
    pub positions: &'a [u32],
    /// `M`, mean of the transformed value.
    pub mean: &'a [f64],
    /// `D`, population standard deviation of the transformed value, before any cap.
    pub std_dev: &'a [f64],
}

impl<'a> ScalerParts<'a> {
    /// Each position with its `M` and `D`, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, f64, f64)> + use<'a> {
        let Self {
            positions,
            mean,
            std_dev,
        } = *self;
        let statistics = mean.iter().zip(std_dev);
        (positions.iter().zip(statistics)).map(|(&position, (&m, &d))| (position, m, d))
    }
}

/// Why a [`Scaler`] cannot be made or used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScalerError {
    /// Something has another number of positions than the policies.
    #[error("{given} positions where the dimension is {dimension}")]
    Dimension {
        /// Positions of the policies.
        dimension: usize,
        /// Positions of what was given.
        given: usize,
    },
    /// The lists of statistics differ in length.
    #[error("{positions} positions, {means} means and {std_devs} standard deviations")]
    Lengths {
        /// Number of positions.
        positions: usize,
        /// Number of means.
        means: usize,
        /// Number of standard deviations.
        std_devs: usize,
    },
    /// Positions are not strictly increasing and below the dimension.
    #[error("position {position} is out of order or not below the dimension {dimension}")]
    Order {
        /// The position.
        position: u32,
        /// Positions of the policies.
        dimension: usize,
    },
    /// Statistics are given for a position that is not scaled.
    #[error("statistics for position {position}, which is not scaled")]
    NotScaled {
        /// The position.
        position: u32,
    },
    /// A mean or standard deviation is impossible.
    #[error(
        "mean {mean} and standard deviation {std_dev} at position {position}: both must be at most 2^25 in size, and the second not negative"
    )]
    Statistic {
        /// The position.
        position: u32,
        /// `M` as given.
        mean: f64,
        /// `D` as given.
        std_dev: f64,
    },
    /// Two scalers are for different policies.
    #[error("the two scalers do not have the same policies")]
    OtherPolicies,
}

/// What is written of a [`Scaler`]; read through [`Scaler::from_parts`].
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScalerData {
    policies: ScalePolicies,
    positions: Vec<u32>,
    mean: Vec<f64>,
    std_dev: Vec<f64>,
}

#[cfg(feature = "serde")]
impl From<Scaler> for ScalerData {
    fn from(scaler: Scaler) -> Self {
        let parts = scaler.parts();
        Self {
            policies: scaler.policies().clone(),
            positions: parts.positions.to_vec(),
            mean: parts.mean.to_vec(),
            std_dev: parts.std_dev.to_vec(),
        }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<ScalerData> for Scaler {
    type Error = ScalerError;

    fn try_from(data: ScalerData) -> Result<Self, ScalerError> {
        Self::from_parts(&data.policies, data.positions, data.mean, data.std_dev)
    }
}
