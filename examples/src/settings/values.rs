//! Values that know their range, so that a flag and a key of a file are refused alike.

use std::fmt;
use std::str::FromStr;

use lr_core::OptimizerConfig;
use serde::{Deserialize, Serialize};

/// Defines a number with a range.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inside:expr, $range:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "f64")]
        pub struct $name(f64);

        impl $name {
            /// The number.
            #[must_use]
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = String;

            fn try_from(value: f64) -> Result<Self, String> {
                let inside: fn(f64) -> bool = $inside;
                if inside(value) {
                    Ok(Self(value))
                } else {
                    Err(format!("{value} is not {}", $range))
                }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
                Self::try_from(value)
            }
        }
    };
}

number!(
    /// A share from 0 to 1.
    Share,
    |value| (0.0..=1.0).contains(&value),
    "a share from 0 to 1"
);

number!(
    /// A probability that is not certain.
    Probability,
    |value| value > 0.0 && value < 1.0,
    "a probability between 0 and 1"
);

number!(
    /// A learning rate.
    Rate,
    |value| value > 0.0 && value.is_finite(),
    "a rate above 0"
);

/// The name of an optimizer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Optimizer(String);

impl Optimizer {
    /// The optimizer with its default settings.
    #[must_use]
    pub fn get(&self) -> OptimizerConfig {
        // The name was checked when it was read.
        self.0.parse().unwrap_or_default()
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self(OptimizerConfig::default().name().to_owned())
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Optimizer {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let parsed: Result<OptimizerConfig, _> = name.parse();
        parsed
            .map(|_| Self(name))
            .map_err(|error| error.to_string())
    }
}

impl FromStr for Optimizer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::try_from(name.to_owned())
    }
}
