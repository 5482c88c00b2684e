//! A learner's whole memory as named arrays, for checkpoints.

/// The numbers of one array.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TensorData {
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
    /// Counters.
    U64(Vec<u64>),
}

impl TensorData {
    /// Returns how many numbers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::F32(data) => data.len(),
            Self::F64(data) => data.len(),
            Self::U64(data) => data.len(),
        }
    }
}

/// One named array.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Lower-case ASCII name, unique within a state.
    pub name: String,
    /// The numbers.
    pub data: TensorData,
}

/// Everything a learner knows: what a checkpoint must hold besides the settings.
///
/// Taking it out and putting it back (under the same settings) continues the run with the same
/// bytes as if it had not been interrupted. A state is only data until
/// [`Learner::from_state`](crate::Learner::from_state) has checked it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LearnerState {
    /// The arrays, in the order in which the learner writes them.
    pub tensors: Vec<Tensor>,
}

/// Why a state cannot be continued.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The settings are not those that the state was learned under.
    #[error(
        "the state was learned under other settings (number {index}: {saved} there, {given} here)"
    )]
    SettingsMismatch {
        /// Which number of the settings differs, counted from 0.
        index: usize,
        /// Its value in the state; NaN where the state has none.
        saved: f64,
        /// Its value in the given settings; NaN where they have none.
        given: f64,
    },
    /// An array is missing.
    #[error("the state has no {dtype} array {name:?}")]
    Missing {
        /// Its name.
        name: &'static str,
        /// Its number type.
        dtype: &'static str,
    },
    /// An array has the wrong number of numbers.
    #[error("array {name:?} holds {actual} numbers, not {expected}")]
    Count {
        /// Its name.
        name: &'static str,
        /// Numbers expected.
        expected: usize,
        /// Numbers found.
        actual: usize,
    },
    /// A number is NaN, infinite or out of its range.
    #[error("array {name:?} holds {value} at {index}")]
    Value {
        /// Name of the array.
        name: &'static str,
        /// Where it stands.
        index: usize,
        /// The number.
        value: f64,
    },
    /// The settings themselves are invalid.
    #[error("the settings are invalid")]
    Config {
        /// What is wrong with them.
        source: crate::ConfigError,
    },
}

impl LearnerState {
    pub(crate) fn push(&mut self, name: &str, data: TensorData) {
        self.tensors.push(Tensor {
            name: name.to_owned(),
            data,
        });
    }

    pub(crate) fn f32(&self, name: &'static str, expected: usize) -> Result<&[f32], StateError> {
        match self.find(name) {
            Some(TensorData::F32(data)) => {
                check(name, expected, data, |v| v.is_finite(), |&v| f64::from(v))
                    .map(|()| &data[..])
            }
            _ => Err(StateError::Missing { name, dtype: "f32" }),
        }
    }

    pub(crate) fn f64(&self, name: &'static str, expected: usize) -> Result<&[f64], StateError> {
        match self.find(name) {
            Some(TensorData::F64(data)) => {
                check(name, expected, data, |v| v.is_finite(), |&v| v).map(|()| &data[..])
            }
            _ => Err(StateError::Missing { name, dtype: "f64" }),
        }
    }

    pub(crate) fn u64(&self, name: &'static str, expected: usize) -> Result<&[u64], StateError> {
        match self.find(name) {
            Some(TensorData::U64(data)) => {
                check(name, expected, data, |_| true, |_| 0.0).map(|()| &data[..])
            }
            _ => Err(StateError::Missing { name, dtype: "u64" }),
        }
    }

    /// Checks that the state was learned under the settings `given`.
    pub(crate) fn match_settings(&self, given: &[f64]) -> Result<(), StateError> {
        let Some(TensorData::F64(saved)) = self.find("settings") else {
            return Err(StateError::Missing {
                name: "settings",
                dtype: "f64",
            });
        };
        for index in 0..saved.len().max(given.len()) {
            let at = |numbers: &[f64]| numbers.get(index).copied().unwrap_or(f64::NAN);
            let (saved, given) = (at(saved), at(given));
            if saved.to_bits() != given.to_bits() {
                return Err(StateError::SettingsMismatch {
                    index,
                    saved,
                    given,
                });
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&TensorData> {
        self.tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .map(|tensor| &tensor.data)
    }
}

fn check<T>(
    name: &'static str,
    expected: usize,
    data: &[T],
    valid: impl Fn(&T) -> bool,
    value: impl Fn(&T) -> f64,
) -> Result<(), StateError> {
    if data.len() != expected {
        return Err(StateError::Count {
            name,
            expected,
            actual: data.len(),
        });
    }
    match data.iter().position(|v| !valid(v)) {
        Some(index) => Err(StateError::Value {
            name,
            index,
            value: value(&data[index]),
        }),
        None => Ok(()),
    }
}
