//! The settings of a run that follows its input.

use serde::{Deserialize, Serialize};

use super::values::{Moment, Period};
use crate::train::{DumpClock, TrainConfig};

/// How to follow a stream, when to dump, and what to keep for a restart.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StreamSettings {
    /// Go on when everything is read, and learn from files as they appear
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub follow: Option<bool>,
    /// Learn from what is there and end: --follow=false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", conflicts_with = "follow")]
    pub once: Option<bool>,
    /// Time between two listings of the input
    #[arg(long, value_name = "TIME")]
    pub poll: Option<Period>,
    /// Hours before the newest one in which files may still appear
    #[arg(long, value_name = "HOURS")]
    pub lateness: Option<u32>,
    /// Read no file of this hour or later, and end there, such as 2022-05-04T10:00:00Z
    #[arg(long, value_name = "MOMENT")]
    pub until: Option<Moment>,
    /// Hours before its time that a file is read when following; later ones wait, and later events
    /// within a file are set aside
    #[arg(long, value_name = "HOURS")]
    pub max_future: Option<u32>,
    /// How long to wait, when following, for a store that fails or a file that cannot be read
    #[arg(long, value_name = "TIME")]
    pub store_patience: Option<Period>,
    /// Keep checkpoints beside the models and go on from the newest; on when following
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub checkpoint: Option<bool>,
    /// Time between two checkpoints; there is one with every dump as well
    #[arg(long, value_name = "TIME")]
    pub checkpoint_every: Option<Period>,
    /// Publish the statistics of each day under a version of their own; on when following
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub publish_stats: Option<bool>,
    /// Length of a dump interval, such as 15m, 1h or 1d
    #[arg(long, value_name = "TIME")]
    pub dump_every: Option<Period>,
    /// Which time dumps are made by
    #[arg(long, value_name = "CLOCK")]
    pub dump_clock: Option<DumpClock>,
}

impl StreamSettings {
    /// What unset settings stand for.
    pub(super) fn defaults(config: &TrainConfig) -> Self {
        Self {
            follow: None,
            once: None,
            poll: Some(config.poll.into()),
            lateness: Some(config.lateness_hours),
            until: None,
            max_future: Some(config.max_future_hours),
            store_patience: Some(config.patience.into()),
            checkpoint: None,
            publish_stats: None,
            checkpoint_every: Some(config.checkpoint_every.into()),
            dump_every: Some(config.dump_every.into()),
            dump_clock: Some(config.dump_clock),
        }
    }

    /// Sets what is given.
    pub(super) fn apply(&self, config: &mut TrainConfig) {
        config.follow = self.follow.unwrap_or(false) && !self.once.unwrap_or(false);
        config.publish_statistics = self.publish_stats.unwrap_or(config.follow);
        config.checkpoint = self.checkpoint.unwrap_or(config.follow);
        for (given, place) in [
            (self.poll, &mut config.poll),
            (self.store_patience, &mut config.patience),
            (self.checkpoint_every, &mut config.checkpoint_every),
            (self.dump_every, &mut config.dump_every),
        ] {
            if let Some(period) = given {
                *place = period.get();
            }
        }
        if let Some(hours) = self.lateness {
            config.lateness_hours = hours;
        }
        if let Some(hours) = self.max_future {
            config.max_future_hours = hours;
        }
        config.until_hour = self.until.map(Moment::hour);
        if let Some(clock) = self.dump_clock {
            config.dump_clock = clock;
        }
    }
}
