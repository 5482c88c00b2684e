//! Figures of predictions, counted when there is time: they do not change what is learned.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lr_core::Metrics;

use super::LibsvmConfig;
use crate::cli::Failure;
use crate::predictions::PredictionWriter;
use crate::summary::{Quality, Summary};

/// Labels and probabilities of consecutive rows.
#[derive(Debug)]
pub(super) struct Scored {
    pub(super) labels: Vec<bool>,
    /// Each given before its row was learned from.
    pub(super) probabilities: Vec<f64>,
}

/// Predictions that wait to be counted, and those that were; any thread may count.
#[derive(Debug)]
pub(super) struct Tally {
    waiting: Mutex<VecDeque<Scored>>,
    scores: Mutex<Scores>,
}

/// Blocks that may wait while all threads have something better to do.
const MOST_WAITING: usize = 64;

impl Tally {
    pub(super) fn new(scores: Scores) -> Self {
        Self {
            waiting: Mutex::default(),
            scores: Mutex::new(scores),
        }
    }

    /// Takes the next block in.
    ///
    /// # Errors
    ///
    /// Predictions cannot be written.
    pub(super) fn add(&self, block: Scored) -> Result<(), Failure> {
        let waiting = {
            let mut waiting = self.waiting();
            waiting.push_back(block);
            waiting.len()
        };
        if waiting > MOST_WAITING {
            self.count_one()?;
        }
        Ok(())
    }

    /// Counts the block that has waited longest; returns whether there was one and nobody else was
    /// counting.
    ///
    /// # Errors
    ///
    /// Predictions cannot be written.
    pub(super) fn count_one(&self) -> Result<bool, Failure> {
        let Ok(mut scores) = self.scores.try_lock() else {
            return Ok(false);
        };
        // Taken out by whoever holds the scores, so that blocks are counted in order.
        let Some(block) = self.waiting().pop_front() else {
            return Ok(false);
        };
        scores.push(&block).map(|()| true)
    }

    /// Counts what still waits.
    ///
    /// # Errors
    ///
    /// Predictions cannot be written.
    pub(super) fn finish(self) -> Result<Scores, Failure> {
        while self.count_one()? {}
        Ok((self.scores.into_inner()).unwrap_or_else(PoisonError::into_inner))
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Scored>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is counted.
#[derive(Debug)]
pub(super) struct Scores {
    metrics: Metrics,
    evaluated: Option<(u64, Metrics)>,
    predictions: Option<PredictionWriter>,
}

impl Scores {
    pub(super) fn new(config: &LibsvmConfig) -> Result<Self, Failure> {
        Ok(Self {
            metrics: Metrics::new(),
            evaluated: config.evaluate_from.map(|row| (row, Metrics::new())),
            predictions: (config.predictions.as_deref())
                .map(|path| PredictionWriter::create(path, "row"))
                .transpose()?,
        })
    }

    /// Number of predictions counted.
    #[cfg(test)]
    pub(super) fn events(&self) -> u64 {
        self.metrics.events()
    }

    fn push(&mut self, block: &Scored) -> Result<(), Failure> {
        let before = self.metrics.events();
        let events = || {
            block
                .probabilities
                .iter()
                .copied()
                .zip(block.labels.iter().copied())
        };
        extend(&mut self.metrics, before, events())?;
        if let Some((from, metrics)) = &mut self.evaluated {
            let skipped = usize::try_from(from.saturating_sub(before)).unwrap_or(usize::MAX);
            extend(metrics, *from, events().skip(skipped))?;
        }
        if let Some(writer) = &mut self.predictions {
            for (row, (probability, label)) in (before..).zip(events()) {
                writer.write(&row.to_string(), label, probability)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, input: &Path, started: Instant) -> Result<Summary, Failure> {
        if self.metrics.events() == 0 {
            return Err(Failure::file(input, "holds no row"));
        }
        if let Some(writer) = self.predictions {
            writer.finish()?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let events = self.metrics.events();
        #[allow(clippy::cast_precision_loss)] // a rate for people
        Ok(Summary {
            events,
            positives: self.metrics.positives(),
            rejected: BTreeMap::new(),
            quality: Quality::of(&self.metrics),
            evaluated: self.evaluated.map(|(_, metrics)| Quality::of(&metrics)),
            restarts: None,
            files: None,
            withheld: Vec::new(),
            dumps: Vec::new(),
            seconds,
            events_per_second: events as f64 / seconds,
        })
    }
}

/// Adds events of importance 1 to the metrics of row `first` on.
fn extend(
    metrics: &mut Metrics,
    first: u64,
    events: impl Iterator<Item = (f64, bool)>,
) -> Result<(), Failure> {
    let pushed = metrics.extend(events.map(|(probability, label)| (probability, label, 1.0)));
    pushed.map_err(|source| Failure::at(format!("row {}", first + metrics.events()), source))
}
