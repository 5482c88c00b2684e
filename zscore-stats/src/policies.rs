//! The policies of all positions, and step one of scaling: the transform.

use std::sync::Arc;

use sprs::{CsMatViewMutI, CsVecViewMutI};

use crate::policy::{PolicyError, ScalePolicy, Transform};
use crate::value::{LIMIT, ValueError, check_lengths, check_shape};

/// Counts whose logarithm is looked up: 0 up to this, exclusive.
const TABLE_SIZE: u16 = 1024;

/// The [`ScalePolicy`] of every position: a table of distinct policies and an index into it.
///
/// Cheap to clone; two bytes a position.
///
/// # Invariants
///
/// - every policy is valid
/// - every position names a policy of the table
///
/// # Examples
///
/// ```
/// use zscore_stats::{ScalePolicies, ScalePolicy, Transform};
///
/// let sqrt = ScalePolicy::default().transform(Transform::Sqrt);
/// let policies = ScalePolicies::new(vec![ScalePolicy::default(), sqrt], vec![0, 1, 1])?;
/// let mut values = [9.0, 9.0];
/// policies.transform_in_place(&[0, 2], &mut values)?;
/// assert_eq!(values, [9.0, 3.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(into = "PoliciesData", try_from = "PoliciesData")
)]
pub struct ScalePolicies {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    policies: Vec<ScalePolicy>,
    index: Vec<u16>,
    steps: Vec<TransformStep>,
    /// Every step stores the raw value.
    identity: bool,
}

impl ScalePolicies {
    /// Builds the table from distinct policies and, for each position, the number of its policy.
    ///
    /// The dimension is the length of `index`.
    ///
    /// # Errors
    ///
    /// - that of [`ScalePolicy::validate`] for the first invalid policy
    /// - [`PolicyError::UnknownPolicy`] if a position names a policy that is not there
    /// - [`PolicyError::TooMany`] beyond 2³² − 1 positions or 2¹⁶ policies
    pub fn new(policies: Vec<ScalePolicy>, index: Vec<u16>) -> Result<Self, PolicyError> {
        check_count("positions", index.len(), u32::MAX as usize)?;
        check_count("policies", policies.len(), usize::from(u16::MAX) + 1)?;
        for policy in &policies {
            policy.validate()?;
        }
        for (position, &policy) in (0_u32..).zip(&index) {
            if usize::from(policy) >= policies.len() {
                return Err(PolicyError::UnknownPolicy {
                    position,
                    policy,
                    policies: policies.len(),
                });
            }
        }
        let steps: Vec<_> = policies.iter().map(TransformStep::new).collect();
        let identity = steps.iter().all(|step| step.identity);
        Ok(Self {
            inner: Arc::new(Inner {
                policies,
                index,
                steps,
                identity,
            }),
        })
    }

    /// Gives all of `dimension` positions the same policy.
    ///
    /// # Errors
    ///
    /// Those of [`ScalePolicies::new`].
    pub fn uniform(policy: ScalePolicy, dimension: usize) -> Result<Self, PolicyError> {
        check_count("positions", dimension, u32::MAX as usize)?;
        Self::new(vec![policy], vec![0; dimension])
    }

    /// Number of positions.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.inner.index.len()
    }

    /// The distinct policies, in the order given.
    #[must_use]
    pub fn policies(&self) -> &[ScalePolicy] {
        &self.inner.policies
    }

    /// The number of each position's policy, in order of position.
    #[must_use]
    pub fn index(&self) -> &[u16] {
        &self.inner.index
    }

    /// The policy of a position, or `None` at or above the dimension.
    #[must_use]
    pub fn policy(&self, position: u32) -> Option<&ScalePolicy> {
        let policy = *self.inner.index.get(position as usize)?;
        self.inner.policies.get(usize::from(policy))
    }

    /// Transforms a row's raw values in place: `x` becomes `t(x) − t(x₀)`.
    ///
    /// This is what a [`Population`](crate::Population) is pushed, so that a row that lacks a
    /// position counts as an exact 0 there. Needs no statistics.
    ///
    /// `positions`: the present positions; `values`: their raw values, as many. On error, values
    /// may be partly transformed and must not be used.
    ///
    /// # Errors
    ///
    /// - [`ValueError::Lengths`] if the slices differ in length
    /// - [`ValueError::PositionOutOfRange`] at or above the dimension
    /// - [`ValueError::NotFinite`] for a raw value that is infinite or not a number
    /// - [`ValueError::OutOfDomain`] for a raw value that the transform does not take
    /// - [`ValueError::TooLarge`] if the result is above 2²⁴ in size
    ///
    /// # Complexity
    ///
    /// O(nnz), no allocation. The logarithm of a count below 1024 is looked up; the entries of
    /// that table are what `libm` returns, bit for bit.
    pub fn transform_in_place(
        &self,
        positions: &[u32],
        values: &mut [f32],
    ) -> Result<(), ValueError> {
        check_lengths(positions, values)?;
        let inner = &*self.inner;
        for (&position, value) in positions.iter().zip(values) {
            let Some(&policy) = inner.index.get(position as usize) else {
                return Err(ValueError::PositionOutOfRange {
                    position,
                    dimension: inner.index.len(),
                });
            };
            if inner.identity {
                crate::value::check_value(position, *value)?;
            } else {
                let step = &inner.steps[usize::from(policy)];
                *value = step.apply(position, *value)?;
            }
        }
        Ok(())
    }

    /// Transforms an `sprs` row in place; see [`transform_in_place`](Self::transform_in_place).
    ///
    /// # Errors
    ///
    /// Those of [`transform_in_place`](Self::transform_in_place).
    pub fn transform_row(&self, row: CsVecViewMutI<'_, f32, u32>) -> Result<(), ValueError> {
        let (positions, values) = row.into_raw_storage();
        self.transform_in_place(positions, values)
    }

    /// Transforms every row of a CSR batch in place; see
    /// [`transform_in_place`](Self::transform_in_place).
    ///
    /// # Errors
    ///
    /// - [`ValueError::ByColumn`] and [`ValueError::Columns`] for a batch of another shape
    /// - those of [`transform_in_place`](Self::transform_in_place)
    pub fn transform_batch(
        &self,
        batch: CsMatViewMutI<'_, f32, u32, usize>,
    ) -> Result<(), ValueError> {
        check_shape(batch.is_csr(), batch.cols(), self.dimension())?;
        let (_, positions, values) = batch.into_raw_storage();
        self.transform_in_place(positions, values)
    }

    /// `t(x₀)` of a policy, by its number.
    pub(crate) fn absent_transformed(&self, policy: u16) -> f64 {
        self.inner.steps[usize::from(policy)].absent
    }
}

impl PartialEq for ScalePolicies {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
            || (self.inner.index == other.inner.index
                && self.inner.policies == other.inner.policies)
    }
}

/// What is written of [`ScalePolicies`]; read through [`ScalePolicies::new`].
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PoliciesData {
    policies: Vec<ScalePolicy>,
    index: Vec<u16>,
}

#[cfg(feature = "serde")]
impl From<ScalePolicies> for PoliciesData {
    fn from(policies: ScalePolicies) -> Self {
        Self {
            policies: policies.policies().to_vec(),
            index: policies.index().to_vec(),
        }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<PoliciesData> for ScalePolicies {
    type Error = PolicyError;

    fn try_from(data: PoliciesData) -> Result<Self, PolicyError> {
        Self::new(data.policies, data.index)
    }
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), PolicyError> {
    if count <= max {
        return Ok(());
    }
    Err(PolicyError::TooMany { what, count, max })
}

/// A policy's transform, ready to apply.
#[derive(Debug)]
struct TransformStep {
    transform: Transform,
    /// `t(x₀)`.
    absent: f64,
    identity: bool,
    /// `t(k) − t(x₀)` rounded to `f32` for small counts `k`; empty where computing is as quick.
    /// Outside the domain it holds a NaN, which is never returned.
    table: Vec<f32>,
}

impl TransformStep {
    fn new(policy: &ScalePolicy) -> Self {
        let absent = policy.absent_transformed();
        let transform = policy.transform;
        let table = match transform {
            Transform::Log1p | Transform::Log => (0..TABLE_SIZE)
                .map(|count| {
                    transform
                        .apply(f64::from(count))
                        .map_or(f32::NAN, |value| shift(value, absent))
                })
                .collect(),
            Transform::None | Transform::Sqrt => Vec::new(),
        };
        Self {
            transform,
            absent,
            identity: transform == Transform::None && absent == 0.0,
            table,
        }
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::float_cmp,
        reason = "the cast saturates, and a value that it changes is not looked up"
    )]
    fn apply(&self, position: u32, value: f32) -> Result<f32, ValueError> {
        let count = value as usize;
        if let Some(&found) = self.table.get(count)
            && count as f32 == value
            && !found.is_nan()
        {
            return Ok(found);
        }
        let Some(transformed) = self.transform.apply(f64::from(value)) else {
            return Err(if value.is_finite() {
                ValueError::OutOfDomain {
                    position,
                    value,
                    transform: self.transform,
                }
            } else {
                ValueError::NotFinite { position, value }
            });
        };
        let shifted = shift(transformed, self.absent);
        if f64::from(shifted.abs()) <= LIMIT {
            Ok(shifted)
        } else {
            Err(ValueError::TooLarge {
                position,
                value: shifted,
            })
        }
    }
}

/// `t(x) − t(x₀)`, computed in `f64` and rounded to what a row stores.
#[expect(clippy::cast_possible_truncation, reason = "rounds to nearest")]
fn shift(transformed: f64, absent: f64) -> f32 {
    (transformed - absent) as f32
}
