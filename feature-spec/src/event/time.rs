//! Points in time, in milliseconds, as RFC 3339 text.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::EventError;

/// Milliseconds in a day.
const DAY: i64 = 86_400_000;
/// 0000-01-01T00:00:00.000Z.
const FIRST: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z.
const LAST: i64 = 253_402_300_799_999;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// As text it is RFC 3339 with three decimals, `2022-05-04T10:00:00.123Z`. Read are `Z` and numeric
/// offsets, and up to nine decimals, of which those beyond the third are cut off.
///
/// # Examples
///
/// ```
/// use feature_spec::Time;
///
/// let time: Time = "2022-05-04T15:30:00.123+05:30".parse()?;
/// assert_eq!(time.to_string(), "2022-05-04T10:00:00.123Z");
/// assert_eq!(time.milliseconds(), 1_651_658_400_123);
/// # Ok::<(), feature_spec::EventError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// Creates a time from milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// Returns milliseconds since the Unix epoch.
    #[must_use]
    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// Returns year, month (1 to 12) and day (1 to 31) in UTC.
    #[must_use]
    pub const fn date(self) -> (i64, u32, u32) {
        civil_from_days(self.0.div_euclid(DAY))
    }

    /// Returns the hour of the day in UTC, 0 to 23.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 23
    pub const fn hour(self) -> u32 {
        (self.0.rem_euclid(DAY) / 3_600_000) as u32
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let ms = self.0.rem_euclid(DAY);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        )
    }
}

impl FromStr for Time {
    type Err = EventError;

    fn from_str(text: &str) -> Result<Self, EventError> {
        parse(text.as_bytes())
            .map(Self)
            .ok_or_else(|| EventError::Time {
                text: shorten(text),
            })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 2022-05-04T10:00:00.123Z")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Time, E> {
        value.parse().map_err(E::custom)
    }
}

/// At most 64 characters of an outside text, for a message.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn parse(text: &[u8]) -> Option<i64> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| date_time[at] != byte)
        || !matches!(date_time[10], b'T' | b't' | b' ')
    {
        return None;
    }
    let (year, month, day) = (
        digits(&date_time[..4])?,
        digits(&date_time[5..7])?,
        digits(&date_time[8..10])?,
    );
    let (hour, minute, second) = (
        digits(&date_time[11..13])?,
        digits(&date_time[14..16])?,
        digits(&date_time[17..])?,
    );
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if day == 0
        || civil_from_days(days) != (year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)
    {
        return None;
    }
    let (fraction, zone) = match rest {
        [b'.', tail @ ..] => {
            let n = tail.iter().take_while(|b| b.is_ascii_digit()).count();
            if n == 0 || n > 9 {
                return None;
            }
            let ms = (0..3).fold(0, |ms, i| {
                ms * 10 + if i < n { i64::from(tail[i] - b'0') } else { 0 }
            });
            (ms, &tail[n..])
        }
        _ => (0, rest),
    };
    let offset = match zone {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (h, m) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if h > 23 || m > 59 {
                return None;
            }
            if *sign == b'+' {
                h * 60 + m
            } else {
                -(h * 60 + m)
            }
        }
        _ => return None,
    };
    let ms = days * DAY + hour * 3_600_000 + (minute - offset) * 60_000 + second * 1_000 + fraction;
    // An offset may lead out of the years that the text form has.
    (FIRST..=LAST).contains(&ms).then_some(ms)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0_i64, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
    })
}

/// Days since 1970-01-01 of a proleptic Gregorian date: `days_from_civil` of Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms" (2014).
pub(crate) const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // month 1 to 12, day 1 to 31
pub(crate) const fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month as u32, day as u32)
}
