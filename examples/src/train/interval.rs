//! The stretch of the stream between two dumps: an hour of event time unless set otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::Failure;
use crate::encode::{Reason, Reject};

/// Lines from which on the share of rejects is judged.
const JUDGED_FROM: u64 = 1_000;

/// Bytes of rejects that wait to be written.
const KEPT_BYTES: usize = 4 << 20;

/// What has been seen since the last dump.
///
/// The share of rejects is judged over at least [`JUDGED_FROM`] lines: an interval with fewer
/// passes its counts on to the next one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Interval {
    /// Number of the period under way, counted from the Unix epoch; never goes back.
    period: Option<i64>,
    /// Latest event time since the last dump, in milliseconds since the Unix epoch.
    latest_ms: Option<i64>,
    lines: u64,
    rejects: u64,
    #[serde(default)]
    reasons: BTreeMap<Reason, u64>,
    /// It was said that too many lines are rejected; said again after a restart.
    #[serde(skip)]
    alarmed: bool,
    #[serde(skip)]
    kept: Vec<Reject>,
    #[serde(skip)]
    kept_bytes: usize,
}

impl Interval {
    /// Whether an event of this time belongs to a later period, of which there are events before.
    pub(super) fn ends_before(&self, time_ms: i64, every: Duration) -> bool {
        self.latest_ms.is_some()
            && self
                .period
                .is_some_and(|period| number(time_ms, every) > period)
    }

    /// Counts an event; a late one counts to the period under way.
    pub(super) fn event(&mut self, time_ms: i64, every: Duration) {
        self.period = self.period.max(Some(number(time_ms, every)));
        self.latest_ms = self.latest_ms.max(Some(time_ms));
        self.lines += 1;
    }

    /// Counts and keeps a rejected line.
    pub(super) fn reject(&mut self, reject: &Reject) {
        self.lines += 1;
        self.rejects += 1;
        *self.reasons.entry(reject.reason).or_default() += 1;
        self.kept_bytes += reject.text.len() + reject.detail.len();
        self.kept.push(reject.clone());
    }

    /// Judges the share of rejects.
    ///
    /// # Errors
    ///
    /// Too many of the lines are rejected.
    pub(super) fn check_rejects(&self, max_share: f64) -> Result<(), Failure> {
        if !self.is_above(max_share) {
            return Ok(());
        }
        let last = self.kept.last().map_or_else(String::new, |reject| {
            format!(
                "; the last one: {}: line {}: {}",
                reject.source, reject.line, reject.detail
            )
        });
        Err(Failure::data(format!(
            "{} of {} lines are rejected, more than --max-reject-share {max_share} allows{last}",
            self.rejects, self.lines
        )))
    }

    /// Warns that too many of the lines are rejected, and for what: once in the lines that are judged
    /// together, at the first look that finds it.
    pub(super) fn warn_of_rejects(&mut self, max_share: f64) {
        if self.alarmed || !self.is_above(max_share) {
            return;
        }
        self.alarmed = true;
        let reasons: Vec<String> = (self.reasons.iter())
            .map(|(reason, count)| format!("{} {count}", reason.name()))
            .collect();
        tracing::warn!(
            rejects = self.rejects,
            lines = self.lines,
            max_share,
            reasons = reasons.join(", "),
            "many lines are rejected: the dump will be withheld unless better ones follow"
        );
    }

    #[allow(clippy::cast_precision_loss)] // counts of lines are far below 2^53
    fn is_above(&self, max_share: f64) -> bool {
        self.lines >= JUDGED_FROM && self.rejects as f64 / self.lines as f64 > max_share
    }

    /// What a dump of this moment is named for, in milliseconds since the Unix epoch: the latest
    /// event time since the last dump, or the begin of the period when only late events came;
    /// `None` without an event.
    pub(super) fn dump_time_ms(&self, every: Duration) -> Option<i64> {
        let begin = self.period?.checked_mul(millis(every))?;
        self.latest_ms.map(|latest| latest.max(begin))
    }

    /// Milliseconds of event time until the period under way ends, as of the latest event.
    pub(super) fn to_its_end(&self, every: Duration) -> Option<Duration> {
        let end = self.period?.checked_add(1)?.checked_mul(millis(every))?;
        let rest = end.checked_sub(self.latest_ms?)?;
        Some(Duration::from_millis(u64::try_from(rest).unwrap_or(0)))
    }

    /// Whether so many rejects wait that they must be written.
    pub(super) fn is_full(&self) -> bool {
        self.kept_bytes >= KEPT_BYTES
    }

    /// The rejects since they were last taken.
    pub(super) fn take_rejects(&mut self) -> Vec<Reject> {
        self.kept_bytes = 0;
        std::mem::take(&mut self.kept)
    }

    /// Begins the next interval.
    pub(super) fn start_next(&mut self) {
        self.latest_ms = None;
        if self.lines >= JUDGED_FROM {
            self.lines = 0;
            self.rejects = 0;
            self.reasons.clear();
            self.alarmed = false;
        }
    }
}

fn millis(every: Duration) -> i64 {
    i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// Number of the period of an event time.
fn number(time_ms: i64, every: Duration) -> i64 {
    time_ms.div_euclid(millis(every))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn late_events_belong_to_the_period_under_way() {
        let mut interval = Interval::default();
        let at = |hour: i64| hour * 3_600_000;
        interval.event(at(10), HOUR);
        assert!(!interval.ends_before(at(11) - 1, HOUR) && interval.ends_before(at(11), HOUR));
        assert_eq!(interval.to_its_end(HOUR), Some(HOUR));
        interval.start_next();
        interval.event(at(11), HOUR);
        interval.event(at(9), HOUR);
        assert!(!interval.ends_before(at(11) + 5, HOUR));
        interval.start_next();
        assert_eq!(interval.dump_time_ms(HOUR), None);
        interval.event(at(9), HOUR);
        assert_eq!(interval.dump_time_ms(HOUR), Some(at(11)));
        assert!(
            !interval.ends_before(at(11), HOUR),
            "the period does not go back"
        );
        assert!(interval.ends_before(at(12), HOUR));
    }
}
