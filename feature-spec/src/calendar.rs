//! Hours, weekdays and festivals in the spec's time zone.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::event::{Time, civil_from_days, days_from_civil};

/// Where midnight is.
#[derive(Debug, Clone)]
pub(crate) enum Zone {
    /// A constant offset east of UTC, in minutes.
    Offset(i32),
    /// A zone of the IANA database that is compiled in, the same on every platform.
    Named(String, TimeZone),
}

impl Zone {
    /// Reads `UTC`, `+05:30` or an IANA name such as `Asia/Kolkata`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "UTC" {
            return Some(Self::Offset(0));
        }
        if let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = text.as_bytes() {
            let digit = |b: &u8| b.is_ascii_digit().then(|| i32::from(b - b'0'));
            let (h, m) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
            let minutes = h * 60 + m;
            return (h <= 14 && m < 60).then_some(Self::Offset(if *sign == b'-' {
                -minutes
            } else {
                minutes
            }));
        }
        let zone = TimeZoneDatabase::bundled().get(text).ok()?;
        Some(Self::Named(zone.iana_name()?.to_owned(), zone))
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Offset(0) => "UTC".to_owned(),
            Self::Offset(m) => {
                let sign = if *m < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", m.abs() / 60, m.abs() % 60)
            }
            Self::Named(name, _) => name.clone(),
        }
    }

    /// Hour of the day and days since 1970-01-01, both local.
    pub(crate) fn local(&self, time: Time) -> Local {
        let ms = time.milliseconds();
        let offset = match self {
            Self::Offset(minutes) => i64::from(*minutes) * 60_000,
            Self::Named(_, zone) => jiff::Timestamp::from_millisecond(ms)
                .map_or(0, |t| i64::from(zone.to_offset(t).seconds()) * 1_000),
        };
        let local = Time::from_milliseconds(ms.saturating_add(offset));
        Local {
            hour: local.hour(),
            day: local.milliseconds().div_euclid(86_400_000),
        }
    }
}

/// A local hour and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) hour: u32,
    pub(crate) day: i64,
}

impl Local {
    /// Day of the week, 0 for Monday.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 6
    pub(crate) const fn weekday(self) -> u32 {
        (self.day + 3).rem_euclid(7) as u32
    }
}

/// Dated names: which festivals a day has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Calendar {
    /// Names, in order of their bytes.
    pub(crate) names: Vec<String>,
    /// (first day, last day, name), in order.
    pub(crate) spans: Vec<(i64, i64, u32)>,
}

impl Calendar {
    /// Builds a calendar from spans and their names.
    pub(crate) fn new(entries: Vec<(i64, i64, String)>) -> Self {
        let mut names: Vec<_> = entries.iter().map(|e| e.2.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let mut spans: Vec<_> = entries
            .into_iter()
            .filter_map(|(a, b, name)| {
                let index = names.binary_search(&name).ok()?;
                Some((a, b, u32::try_from(index).ok()?))
            })
            .collect();
        spans.sort_unstable();
        spans.dedup();
        Self { names, spans }
    }

    /// The names of a day, each once.
    pub(crate) fn on(&self, day: i64) -> impl Iterator<Item = u32> + '_ {
        self.spans
            .iter()
            .take_while(move |s| s.0 <= day)
            .filter(move |s| day <= s.1)
            .map(|s| s.2)
    }

    /// The entries as lines, as [`parse_line`] reads them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.spans.iter().map(|&(a, b, name)| {
            let name = self.names.get(name as usize).map_or("", String::as_str);
            if a == b {
                format!("{} {name}", date(a))
            } else {
                format!("{}..{} {name}", date(a), date(b))
            }
        })
    }
}

fn date(day: i64) -> String {
    let (y, m, d) = civil_from_days(day);
    format!("{y:04}-{m:02}-{d:02}")
}

/// Longest span of a calendar entry, in days.
const MAX_SPAN: i64 = 366;

/// Reads `2022-10-24 diwali` or `2022-10-22..2022-10-26 diwali`.
pub(crate) fn parse_line(line: &str) -> Result<(i64, i64, String), String> {
    let (dates, name) = line
        .split_once([' ', '\t'])
        .ok_or_else(|| format!("{line:?} is not a date and a name"))?;
    let (first, last) = dates.split_once("..").unwrap_or((dates, dates));
    let day = |text: &str| {
        parse_date(text).ok_or_else(|| format!("{text:?} is not a date such as 2022-10-24"))
    };
    let (first, last, name) = (day(first)?, day(last)?, name.trim());
    if last < first || last - first > MAX_SPAN {
        return Err(format!(
            "{dates:?} must run forwards, over at most {MAX_SPAN} days"
        ));
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err("the name is empty or has a control character".to_owned());
    }
    Ok((first, last, name.to_owned()))
}

fn parse_date(text: &str) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_i64, |n, b| {
            b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
        })
    };
    let (y, m, d) = (
        number(&[*y1, *y2, *y3, *y4])?,
        number(&[*m1, *m2])?,
        number(&[*d1, *d2])?,
    );
    let day = days_from_civil(y, m, d);
    ((1..=12).contains(&m) && date(day) == text).then_some(day)
}
