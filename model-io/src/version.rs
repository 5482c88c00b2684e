//! Names of versions and languages, safe to stand in an object key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const LONGEST: usize = 128;
const MILLISECONDS_PER_HOUR: i64 = 3_600_000;

/// A text is not a version or a language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid {kind} {text:?}: 1 to 128 ASCII letters, digits, `.`, `_` or `-`, \
     the first a letter or digit, no `..`"
)]
pub struct NameError {
    /// What it was to be: `version`, `language`, `file name`, …
    pub kind: &'static str,
    /// The text.
    pub text: String,
}

/// Checks that `text` can stand as one segment of an object key and as a file name anywhere.
pub(crate) fn check_name(kind: &'static str, text: &str) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let valid = text.len() <= LONGEST
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(allowed)
        && !text.contains("..");
    if valid {
        Ok(())
    } else {
        Err(NameError {
            kind,
            text: text.to_owned(),
        })
    }
}

/// The version of a model, a configuration, statistics or code.
///
/// A model's version is a function of what it learned:
/// `[prefix-]YYYY-MM-DDTHH-<events learned>`, the event hour in UTC.
///
/// # Invariants
///
/// - 1 to 128 ASCII letters, digits, `.`, `_`, `-`; the first is a letter or digit; no `..`.
///
/// # Examples
///
/// ```
/// use model_io::Version;
///
/// let version = Version::of_model(None, 1_651_658_400_123, 171_670)?;
/// assert_eq!(version.as_str(), "2022-05-04T10-171670");
/// assert!("../LATEST".parse::<Version>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

impl Version {
    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// [`NameError`]: `text` is not within the invariants.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        check_name("version", &text)?;
        Ok(Self(text))
    }

    /// Returns the version of a model that has learned `events_learned` events up to `time`, in
    /// milliseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// [`NameError`]: `prefix` has a character that a version must not have.
    pub fn of_model(
        prefix: Option<&str>,
        time: i64,
        events_learned: u64,
    ) -> Result<Self, NameError> {
        let hour = event_hour(time);
        Self::new(match prefix {
            Some(prefix) => format!("{prefix}-{hour}-{events_learned}"),
            None => format!("{hour}-{events_learned}"),
        })
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Version {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Version {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl AsRef<str> for Version {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// `YYYY-MM-DDTHH` of milliseconds since the Unix epoch, in UTC.
fn event_hour(milliseconds: i64) -> String {
    let hours = milliseconds.div_euclid(MILLISECONDS_PER_HOUR);
    let (year, month, day) = civil_from_days(hours.div_euclid(24));
    format!("{year:04}-{month:02}-{day:02}T{:02}", hours.rem_euclid(24))
}

#[cfg(any(feature = "registry", test))]
/// `YYYY-MM-DDTHH:MM:SS.mmmZ` of milliseconds since the Unix epoch.
pub(crate) fn utc_text(milliseconds: i64) -> String {
    let rest = milliseconds.rem_euclid(MILLISECONDS_PER_HOUR);
    let (minute, second, milli) = (rest / 60_000, rest / 1000 % 60, rest % 1000);
    format!(
        "{}:{minute:02}:{second:02}.{milli:03}Z",
        event_hour(milliseconds)
    )
}

/// Year, month, day of a day number since 1970-01-01, in the proleptic Gregorian calendar.
///
/// # References
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_utc_before_and_after_the_epoch_and_on_leap_days() {
        // `date -u -d @SECONDS +%FT%H`
        for (seconds, hour) in [
            (0, "1970-01-01T00"),
            (-1, "1969-12-31T23"),
            (951_782_400, "2000-02-29T00"),
            (1_709_251_199, "2024-02-29T23"),
            (4_107_542_400, "2100-03-01T00"),
        ] {
            assert_eq!(event_hour(seconds * 1000), hour);
        }
        assert_eq!(utc_text(1_651_658_400_123), "2022-05-04T10:00:00.123Z");
        assert_eq!(utc_text(1_651_661_999_999), "2022-05-04T10:59:59.999Z");
    }
}
