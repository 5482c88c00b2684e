//! Values that know their range, so that a flag and a key of a file are refused alike.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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

/// A stretch of time, written as seconds or with units: `0.5`, `30s`, `15m`, `1h`; days, of 24
/// hours, stand alone: `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(Duration);

impl Period {
    /// The time.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Period {
    fn from(time: Duration) -> Self {
        Self(time)
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        let text = format!(
            "{:#}",
            jiff::SignedDuration::try_from(period.0).unwrap_or_default()
        );
        text.replace(' ', "")
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a time such as 30s, 15m or 1h");
        let seconds = match text.strip_suffix('d') {
            Some(days) => days.parse().map(|days: f64| days * 86_400.0),
            None => text.parse(),
        };
        let time = match seconds {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?,
            Err(_) => {
                let time: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
                Duration::try_from(time).map_err(|_| wrong())?
            }
        };
        Ok(Self(time))
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A moment, such as `2022-05-04T10:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(jiff::Timestamp);

impl Moment {
    /// Hours since the Unix epoch.
    #[must_use]
    pub fn hour(self) -> i64 {
        self.0.as_millisecond().div_euclid(3_600_000)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.0.to_string()
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = text.parse().map_err(|source| format!("{text:?}: {source}"));
        time.map(Self)
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_seconds_and_units_and_written_as_they_are_read() {
        let seconds = |text: &str| text.parse::<Period>().map(|time| time.get().as_secs_f64());
        for (text, expected) in [
            ("0.5", 0.5),
            ("30s", 30.0),
            ("15m", 900.0),
            ("1h30m", 5_400.0),
            ("1d", 86_400.0),
            ("0.5d", 43_200.0),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
            let time = text.parse::<Period>().unwrap();
            assert_eq!(String::from(time).parse(), Ok(time), "{text}");
        }
        for text in ["", "d", "-1d", "infd", "1d2h", "1e300d", "soon"] {
            let message = format!("{text:?} is not a time such as 30s, 15m or 1h");
            assert_eq!(seconds(text), Err(message));
        }
    }
}
