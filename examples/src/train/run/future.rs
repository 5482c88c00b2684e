//! Events of the future within files that are read: a wrong clock somewhere, never a newest time.

use super::Run;
use crate::encode::{EncodedEvent, Reason, Reject};

const HOUR_MS: i64 = 3_600_000;

impl Run<'_> {
    /// First moment, in milliseconds since the Unix epoch, of which no event is taken from the file
    /// under way: `--max-future` hours after the latest time that the clock has shown, and not before
    /// the end of the file's own hour, which the source has judged. A clock that jumps back moves it
    /// nowhere. `None` without a clock to compare with: a batch is of any time.
    pub(super) fn horizon_ms(&mut self) -> Option<i64> {
        if !self.config.follow {
            return None;
        }
        self.clock_ms = self.clock_ms.max((self.config.clock)());
        let ahead = i64::from(self.config.max_future_hours) * HOUR_MS;
        let hour = self.under_way.as_ref().and_then(|(file, _)| file.hour);
        let end = hour.map_or(i64::MIN, |hour| {
            hour.saturating_add(1).saturating_mul(HOUR_MS)
        });
        Some(self.clock_ms.saturating_add(ahead).max(end))
    }

    /// An event beyond the horizon as a reject. Its line is no longer there: source, number (blank
    /// lines are not counted) and ids tell where to find it.
    pub(super) fn of_the_future(&self, event: &EncodedEvent<'_>) -> Reject {
        let (source, done) = self.under_way.as_ref().map_or_else(
            || (String::new(), 0),
            |(file, done)| (file.path.display().to_string(), *done),
        );
        let detail = format!(
            "event {:?} is of {}, more than --max-future {} h ahead of the clock ({})",
            event.event_id,
            moment(event.time_ms),
            self.config.max_future_hours,
            moment(self.clock_ms),
        );
        let text = serde_json::json!({
            "event_id": event.event_id,
            "time": moment(event.time_ms),
            "label": u8::from(event.label),
            "user": { "id": event.user_id },
            "item": { "id": event.item_id },
        });
        Reject {
            source: source.into(),
            line: done + 1,
            reason: Reason::Future,
            detail,
            text: text.to_string(),
        }
    }
}

/// A time for people, or its number where the calendar ends.
fn moment(time_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(time_ms)
        .map_or_else(|_| time_ms.to_string(), |time| time.to_string())
}
