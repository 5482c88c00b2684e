//! Numbers and times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What stands where there is no figure.
pub(super) const NONE: &str = "–";

/// A count with thin groups of three digits: `1 234 567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number with a fixed number of digits after the point.
pub(super) fn fixed(number: Option<f64>, digits: usize) -> String {
    match number {
        Some(number) if number.is_finite() => format!("{number:.digits$}").replace('-', "\u{2212}"),
        _ => NONE.to_owned(),
    }
}

/// A share in percent.
pub(super) fn percent(share: Option<f64>, digits: usize) -> String {
    match share {
        Some(share) if share.is_finite() => {
            let text = fixed(Some(100.0 * share), digits);
            format!("{text}\u{202f}%")
        }
        _ => NONE.to_owned(),
    }
}

/// A part of a whole; `None` without a whole.
#[allow(clippy::cast_precision_loss)] // for people
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A time to the minute.
pub(super) fn minute(time_ms: i64, zone: &TimeZone) -> String {
    time(time_ms, zone, "%Y-%m-%d %H:%M")
}

/// A time on an axis: the date, and the hour when an axis spans few days.
pub(super) fn tick(time_ms: i64, zone: &TimeZone, span_ms: i64) -> String {
    let few_days = span_ms < 3 * 86_400_000;
    time(
        time_ms,
        zone,
        if few_days { "%b %-d, %H:%M" } else { "%b %-d" },
    )
}

fn time(time_ms: i64, zone: &TimeZone, pattern: &str) -> String {
    Timestamp::from_millisecond(time_ms).map_or_else(
        |_| NONE.to_owned(),
        |time| time.to_zoned(zone.clone()).strftime(pattern).to_string(),
    )
}

/// A length of time: `45 s`, `12 min`, `36 h`, `2 d`.
pub(super) fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    let (number, unit) = match seconds {
        _ if seconds >= 86_400 && seconds % 86_400 == 0 => (seconds / 86_400, "d"),
        _ if seconds >= 3_600 => (seconds / 3_600, "h"),
        _ if seconds >= 120 => (seconds / 60, "min"),
        _ => (seconds, "s"),
    };
    format!("{number}\u{202f}{unit}")
}
