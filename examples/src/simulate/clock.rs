//! When plays happen: the rhythm of the day, and festivals.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

use super::random::{Draws, index};

const HOUR_MS: f64 = 3_600_000.0;

/// India's clock, which people live by: UTC+5:30, all year.
const INDIA_SECONDS: i32 = 19_800;

/// Plays in an hour of India's day over those of the average hour, from midnight on.
const RHYTHM: [f64; 24] = [
    0.65, 0.40, 0.25, 0.18, 0.18, 0.25, 0.45, 0.70, 0.90, 0.95, 1.00, 1.05, 1.20, 1.30, 1.20, 1.05,
    1.05, 1.15, 1.35, 1.60, 1.85, 1.95, 1.75, 1.20,
];

/// The festivals of the simulated years, as days in India.
pub const FESTIVALS: [(&str, &str); 12] = [
    ("2022-10-22", "dhanteras"),
    ("2022-10-24", "diwali"),
    ("2023-03-08", "holi"),
    ("2023-11-10", "dhanteras"),
    ("2023-11-12", "diwali"),
    ("2024-03-25", "holi"),
    ("2024-10-29", "dhanteras"),
    ("2024-10-31", "diwali"),
    ("2025-03-14", "holi"),
    ("2025-10-18", "dhanteras"),
    ("2025-10-20", "diwali"),
    ("2026-03-04", "holi"),
];

/// An hour of event time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hour {
    /// Milliseconds since the Unix epoch.
    pub(crate) start_ms: i64,
    /// Hour of India's day, 0 to 23.
    pub(crate) of_day: u8,
    /// Whether the day is a festival.
    pub(crate) festival: bool,
}

/// Gives every play its time, in order.
#[derive(Debug)]
pub(crate) struct Clock {
    hours: Vec<Hour>,
    /// Share of the plays before each hour, and 1 at the end.
    before: Vec<f64>,
    plays: u64,
    drawn: u64,
    hour: usize,
}

impl Clock {
    /// `plays` plays over `hours` hours from `start`, which is the beginning of an hour.
    ///
    /// Returns `None` when the span leaves the calendar.
    pub(crate) fn new(start: Timestamp, hours: u32, plays: u64) -> Option<Self> {
        let india = TimeZone::fixed(Offset::from_seconds(INDIA_SECONDS).ok()?);
        let mut span = Vec::with_capacity(hours as usize);
        let mut before = vec![0.0];
        let mut total = 0.0;
        for number in 0..i64::from(hours) {
            let start_ms = start.as_millisecond() + number * 3_600_000;
            let local = Timestamp::from_millisecond(start_ms)
                .ok()?
                .to_zoned(india.clone());
            let of_day = u8::try_from(local.hour()).ok()?;
            span.push(Hour {
                start_ms,
                of_day,
                festival: festival_on(local.date()).is_some(),
            });
            total += RHYTHM[usize::from(of_day)];
            before.push(total);
        }
        before.iter_mut().for_each(|share| *share /= total);
        Some(Self {
            hours: span,
            before,
            plays,
            drawn: 0,
            hour: 0,
        })
    }

    /// The next play's time in milliseconds since the Unix epoch, never before the last one's, and
    /// its hour.
    ///
    /// Play i of n falls at a random point of the i-th of n parts of equal expected traffic, so
    /// that exactly n plays are drawn in order without keeping any.
    pub(crate) fn next(&mut self, draws: &mut Draws) -> (i64, Hour) {
        let share = (self.drawn as f64 + draws.unit()) / self.plays as f64;
        self.drawn += 1;
        while self.hour + 1 < self.hours.len() && share >= self.before[self.hour + 1] {
            self.hour += 1;
        }
        let (from, to) = (self.before[self.hour], self.before[self.hour + 1]);
        let within = ((share - from) / (to - from)).clamp(0.0, 1.0);
        let hour = self.hours[self.hour];
        let within_ms = index(within * HOUR_MS).min(3_599_999);
        (hour.start_ms + i64::try_from(within_ms).unwrap_or(0), hour)
    }
}

/// The festival on a day, if there is one.
pub(crate) fn festival_on(day: Date) -> Option<&'static str> {
    let of = |text: &str| text.parse::<Date>().ok();
    let found = FESTIVALS.iter().find(|(text, _)| of(text) == Some(day));
    found.map(|(_, name)| *name)
}
