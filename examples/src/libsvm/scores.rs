//! Figures of predictions, on a thread of their own: they do not change what is learned.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::Receiver;
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

    /// Counts until there is no more to come.
    ///
    /// # Errors
    ///
    /// Predictions cannot be written.
    pub(super) fn count(mut self, blocks: Receiver<Scored>) -> Result<Self, Failure> {
        for block in blocks {
            for (&label, &probability) in block.labels.iter().zip(&block.probabilities) {
                self.push(label, probability)?;
            }
        }
        Ok(self)
    }

    fn push(&mut self, label: bool, probability: f64) -> Result<(), Failure> {
        let row = self.metrics.events();
        let failure = |source| Failure::at(format!("row {row}"), source);
        self.metrics
            .push(probability, label, 1.0)
            .map_err(failure)?;
        if let Some((from, metrics)) = &mut self.evaluated
            && row >= *from
        {
            metrics.push(probability, label, 1.0).map_err(failure)?;
        }
        if let Some(writer) = &mut self.predictions {
            writer.write(&row.to_string(), label, probability)?;
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
