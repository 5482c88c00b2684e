//! The stretch of the stream between two dumps: an hour of event time.

use crate::cli::Failure;
use crate::encode::Reject;

const HOUR_MS: i64 = 3_600_000;

/// Lines from which on the share of rejects is judged.
const JUDGED_FROM: u64 = 1_000;

/// What has been seen since the last dump.
///
/// The share of rejects is judged over at least [`JUDGED_FROM`] lines: an interval with fewer
/// passes its counts on to the next one.
#[derive(Debug)]
pub(super) struct Interval {
    max_reject_share: f64,
    hour: Option<i64>,
    lines: u64,
    rejects: u64,
    kept: Vec<Reject>,
}

impl Interval {
    pub(super) fn new(max_reject_share: f64) -> Self {
        Self {
            max_reject_share,
            hour: None,
            lines: 0,
            rejects: 0,
            kept: Vec::new(),
        }
    }

    /// Whether an event of this time belongs to a later hour.
    pub(super) fn ends_before(&self, time_ms: i64) -> bool {
        self.hour
            .is_some_and(|hour| time_ms.div_euclid(HOUR_MS) > hour)
    }

    /// Counts an event; a late one counts to the hour under way.
    pub(super) fn event(&mut self, time_ms: i64) {
        self.hour.get_or_insert(time_ms.div_euclid(HOUR_MS));
        self.lines += 1;
    }

    /// Counts and keeps a rejected line.
    ///
    /// # Errors
    ///
    /// Too many of the lines are rejected.
    pub(super) fn reject(&mut self, reject: &Reject) -> Result<(), Failure> {
        self.lines += 1;
        self.rejects += 1;
        self.kept.push(reject.clone());
        self.check_rejects()
    }

    /// Judges the share of rejects.
    ///
    /// # Errors
    ///
    /// Too many of the lines are rejected.
    #[allow(clippy::cast_precision_loss)] // counts of lines are far below 2^53
    pub(super) fn check_rejects(&self) -> Result<(), Failure> {
        let share = self.rejects as f64 / self.lines as f64;
        if self.lines < JUDGED_FROM || share <= self.max_reject_share {
            return Ok(());
        }
        let last = self.kept.last().map_or_else(String::new, |reject| {
            format!(
                "; the last one: {}: line {}: {}",
                reject.source, reject.line, reject.detail
            )
        });
        Err(Failure::data(format!(
            "{} of {} lines are rejected, more than --max-reject-share {} allows{last}",
            self.rejects, self.lines, self.max_reject_share
        )))
    }

    /// Hours since the Unix epoch; `None` before the first event.
    pub(super) fn hour(&self) -> Option<i64> {
        self.hour
    }

    /// The rejects since they were last taken.
    pub(super) fn take_rejects(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.kept)
    }

    /// Begins the next interval.
    pub(super) fn start_next(&mut self) {
        self.hour = None;
        if self.lines >= JUDGED_FROM {
            self.lines = 0;
            self.rejects = 0;
        }
    }
}
