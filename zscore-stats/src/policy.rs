//! How one position's raw value becomes the stored one: transform, scale, clip, absent value.

use crate::value::LIMIT;

/// What happens to a raw value before it is scaled.
///
/// The transform `t` must be finite at the policy's absent value, which rules out
/// [`Log`](Self::Log) with an absent value of 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Transform {
    /// `t(x) = x`.
    #[default]
    None,
    /// `t(x) = ln(1 + x)`, for `x > −1`. The usual one for counts.
    Log1p,
    /// `t(x) = √x`, for `x ≥ 0`.
    Sqrt,
    /// `t(x) = ln x`, for `x > 0`.
    Log,
}

/// What a transformed value is measured in.
///
/// With mean `M` and population standard deviation `D` of the transformed value:
///
/// | scale | `f(x)` | range |
/// |---|---|---|
/// | `none` | `t(x)` | that of `t` |
/// | `z_score` | `z = (t(x) − M) / D` | unbounded; mean 0 and variance 1 over the population |
/// | `unit` | `Φ(z)`, the normal distribution function of it | 0 to 1, in the order of `z` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Scale {
    /// The transformed value itself.
    #[default]
    None,
    /// Standard deviations from the mean.
    ZScore,
    /// The share of a normal population that lies below.
    Unit,
}

/// What a row that does not mention a position says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Absent {
    /// The value there is the policy's absent value, 0 for a count.
    ///
    /// A present position stores `f(x) − f(x₀)` and the constant `Σ wᵢ f(x₀ᵢ)` moves into the
    /// bias, so rows stay sparse and predictions are those of the literal, dense form.
    #[default]
    Zero,
    /// There is no value, and the position takes no part: a present position stores `f(x)`, an
    /// absent one 0.
    Skip,
}

/// Bounds of a scaled value, in the unit of the scale.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Clip {
    /// Least value of `f(x)`.
    pub low: f64,
    /// Greatest value of `f(x)`.
    pub high: f64,
}

/// How the raw value at a position becomes the stored one.
///
/// Defaults to storing the raw value: no transform, no scale, no clip, absent is 0.
///
/// # Examples
///
/// ```
/// use zscore_stats::{Scale, ScalePolicy, Transform};
///
/// let policy = ScalePolicy::default().transform(Transform::Log1p).scale(Scale::ZScore);
/// policy.validate()?;
/// # Ok::<(), zscore_stats::PolicyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct ScalePolicy {
    /// `t`, applied to the raw value.
    pub transform: Transform,
    /// `f`, applied to the transformed value.
    pub scale: Scale,
    /// Bounds of the scaled value `f(x)`, before `f(x₀)` is taken off.
    pub clip: Option<Clip>,
    /// What an absent position means.
    pub absent: Absent,
    /// `x₀`, the raw value that an absent position stands for; in the feature's own unit.
    pub absent_value: f64,
    /// Greatest `1/D` that a value is multiplied by.
    ///
    /// A position that one row in a million has at 1 has `1/D = 1000`, and a learner that is not
    /// robust to scale diverges on it. See [`ScalePolicy::MAX_INVERSE_STD_DEV`].
    pub max_inverse_std_dev: f64,
}

impl ScalePolicy {
    /// Default cap on `1/D`, in the inverse of the transformed value's unit.
    ///
    /// Measured with learners that know nothing of scale (textbook AdaGrad and FTRL-Proximal, rate
    /// 0.1), progressive log loss of the last fifth of the rows, every position divided by its `D`
    /// (`cargo bench -p zscore-stats --bench cap -- FILE.svm`):
    ///
    /// | cap | Zipf one-hots, AdaGrad | FTRL | KuaiRand one-hot, AdaGrad | FTRL |
    /// |---|---|---|---|---|
    /// | unscaled | 0.2756 | 0.2739 | 0.0788 | 0.0775 |
    /// | 1 | 0.2714 | 0.2698 | 0.0788 | 0.0775 |
    /// | 2 | 0.2801 | 0.2690 | 0.0810 | 0.0757 |
    /// | 3 | 0.2948 | 0.2751 | 0.0841 | 0.0753 |
    /// | 5 | 0.3339 | 0.2956 | 0.0915 | 0.0761 |
    /// | 10 | 0.4628 | 0.3682 | 0.1111 | 0.0823 |
    /// | none | 3.0395 | 2.4271 | 0.3938 | 0.3141 |
    ///
    /// 3 is the largest with no blow-up. A lower cap is gentler on such learners and further from
    /// the literal z-score: values whose `D` is below a third, shares for instance, are stored
    /// smaller than `z`. With a learner that is robust to scale, or a feature that most rows have,
    /// raise it.
    pub const MAX_INVERSE_STD_DEV: f64 = 3.0;

    /// Sets the transform; see [`transform`](Self#structfield.transform).
    #[must_use]
    pub fn transform(mut self, transform: Transform) -> Self {
        self.transform = transform;
        self
    }

    /// Sets the scale; see [`scale`](Self#structfield.scale).
    #[must_use]
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// Sets the bounds of the scaled value; see [`clip`](Self#structfield.clip).
    #[must_use]
    pub fn clip(mut self, low: f64, high: f64) -> Self {
        self.clip = Some(Clip { low, high });
        self
    }

    /// Sets what an absent position means; see [`absent`](Self#structfield.absent).
    #[must_use]
    pub fn absent(mut self, absent: Absent) -> Self {
        self.absent = absent;
        self
    }

    /// Sets `x₀`; see [`absent_value`](Self#structfield.absent_value).
    #[must_use]
    pub fn absent_value(mut self, absent_value: f64) -> Self {
        self.absent_value = absent_value;
        self
    }

    /// Sets the cap on `1/D`; see [`max_inverse_std_dev`](Self#structfield.max_inverse_std_dev).
    #[must_use]
    pub fn max_inverse_std_dev(mut self, cap: f64) -> Self {
        self.max_inverse_std_dev = cap;
        self
    }

    /// Checks that the policy can be applied.
    ///
    /// # Errors
    ///
    /// - [`PolicyError::AbsentValue`] if `t(x₀)` is not finite or beyond 2²⁴ in size
    /// - [`PolicyError::Clip`] if the bounds are not finite with `low < high`
    /// - [`PolicyError::MaxInverseStdDev`] unless the cap is between 2⁻²⁴ and 2²⁴
    pub fn validate(&self) -> Result<(), PolicyError> {
        let transformed = self.transform.apply(self.absent_value);
        if !transformed.is_some_and(|value| value.abs() <= LIMIT) {
            return Err(PolicyError::AbsentValue {
                absent_value: self.absent_value,
                transform: self.transform,
            });
        }
        if let Some(Clip { low, high }) = self.clip
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return Err(PolicyError::Clip { low, high });
        }
        if !(1.0 / LIMIT..=LIMIT).contains(&self.max_inverse_std_dev) {
            return Err(PolicyError::MaxInverseStdDev {
                cap: self.max_inverse_std_dev,
            });
        }
        Ok(())
    }

    /// `t(x₀)`; finite in a validated policy.
    pub(crate) fn absent_transformed(&self) -> f64 {
        self.transform.apply(self.absent_value).unwrap_or(0.0)
    }
}

impl Default for ScalePolicy {
    fn default() -> Self {
        Self {
            transform: Transform::None,
            scale: Scale::None,
            clip: None,
            absent: Absent::Zero,
            absent_value: 0.0,
            max_inverse_std_dev: Self::MAX_INVERSE_STD_DEV,
        }
    }
}

impl Transform {
    /// Returns `t(x)`, or `None` outside the transform's domain and for a value that is not finite.
    ///
    /// `ln` and `ln(1 + x)` are those of `libm`, so they give the same bits on every platform; the
    /// square root is correctly rounded everywhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use zscore_stats::Transform;
    ///
    /// assert_eq!(Transform::Sqrt.apply(9.0), Some(3.0));
    /// assert_eq!(Transform::Log.apply(0.0), None);
    /// ```
    #[must_use]
    pub fn apply(self, x: f64) -> Option<f64> {
        if !x.is_finite() {
            return None;
        }
        match self {
            Self::None => Some(x),
            Self::Log1p => (x > -1.0).then(|| libm::log1p(x)),
            Self::Sqrt => (x >= 0.0).then(|| x.sqrt()),
            Self::Log => (x > 0.0).then(|| libm::log(x)),
        }
    }

    /// Returns the `x` with `t(x) = y`, or `None` if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use zscore_stats::Transform;
    ///
    /// assert_eq!(Transform::Sqrt.invert(3.0), Some(9.0));
    /// assert_eq!(Transform::Sqrt.invert(-3.0), None);
    /// ```
    #[must_use]
    pub fn invert(self, y: f64) -> Option<f64> {
        let x = match self {
            Self::None => y,
            Self::Log1p => libm::expm1(y),
            Self::Sqrt if y < 0.0 => return None,
            Self::Sqrt => y * y,
            Self::Log => libm::exp(y),
        };
        x.is_finite().then_some(x)
    }
}

/// Why a [`ScalePolicy`] or a table of them cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The absent value has no finite transform.
    #[error(
        "absent value {absent_value} has no transform {transform:?} that is finite and at most 2^24 in size"
    )]
    AbsentValue {
        /// The raw value an absent position stands for.
        absent_value: f64,
        /// The transform it has to go through.
        transform: Transform,
    },
    /// The bounds of a clip are not an interval.
    #[error("clip bounds {low} and {high} must be finite, the first below the second")]
    Clip {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// The cap on `1/D` is out of range.
    #[error("cap {cap} on 1/D must be between 2^-24 and 2^24")]
    MaxInverseStdDev {
        /// The cap.
        cap: f64,
    },
    /// A position names a policy that the table does not have.
    #[error("position {position} names policy {policy}, and there are {policies}")]
    UnknownPolicy {
        /// The position.
        position: u32,
        /// The policy it names, counted from 0.
        policy: u16,
        /// Number of policies given.
        policies: usize,
    },
    /// More positions or policies than can be numbered.
    #[error("{count} {what}, and at most {max} can be numbered")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}
