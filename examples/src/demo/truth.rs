//! How close training came to the model that drew the likes.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use lr_core::Metrics;
use serde::Serialize;

use crate::cli::Failure;

/// Log loss over the last quarter of the events, beside the least and the most to expect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TruthReport {
    /// Events in the last quarter.
    pub events: u64,
    /// Of the best constant, in nats.
    pub constant: f64,
    /// Of training, before learning from each event.
    pub trained: f64,
    /// Of the true probabilities.
    pub truth: f64,
}

impl TruthReport {
    /// Compares the last quarter of progressive predictions with the truth file of a simulation.
    ///
    /// # Errors
    ///
    /// - A file cannot be read or is not what it should be.
    /// - The last quarter does not hold both labels.
    pub fn read(predictions: &Path, truth: &Path) -> Result<Self, Failure> {
        let mut truths = HashMap::new();
        for_each(truth, |(play_id, probability): (String, f64)| {
            truths.insert(play_id, probability);
            Ok(())
        })?;
        let mut events = Vec::new();
        for_each(
            predictions,
            |(event_id, label, trained): (String, u8, f64)| {
                let truth = truths
                    .get(&event_id)
                    .ok_or_else(|| format!("the truth does not know event {event_id:?}"))?;
                events.push((label == 1, trained, *truth));
                Ok(())
            },
        )?;
        let mut trained = Metrics::new();
        let mut ideal = Metrics::new();
        for &(label, probability, truth) in &events[events.len() / 4 * 3..] {
            for (metrics, probability) in [(&mut trained, probability), (&mut ideal, truth)] {
                metrics
                    .push(probability, label, 1.0)
                    .map_err(|source| Failure::file(predictions, source))?;
            }
        }
        let figures = (
            trained.log_loss(),
            ideal.log_loss(),
            trained.normalized_entropy(),
        );
        let (Some(loss), Some(truth), Some(entropy)) = figures else {
            return Err(Failure::file(
                predictions,
                "the last quarter does not hold both labels",
            ));
        };
        Ok(Self {
            events: trained.events(),
            constant: loss / entropy,
            trained: loss,
            truth,
        })
    }

    /// Share of the gap between the constant and the truth that training closed.
    #[must_use]
    pub fn closed(&self) -> f64 {
        (self.constant - self.trained) / (self.constant - self.truth)
    }
}

impl fmt::Display for TruthReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "log loss over the last quarter, {} events",
            self.events
        )?;
        writeln!(formatter, "  best constant      {:>12.5}", self.constant)?;
        writeln!(formatter, "  trained            {:>12.5}", self.trained)?;
        writeln!(formatter, "  true model         {:>12.5}", self.truth)?;
        writeln!(
            formatter,
            "  gap closed         {:>11.1} %",
            100.0 * self.closed()
        )
    }
}

fn for_each<R: serde::de::DeserializeOwned>(
    path: &Path,
    mut each: impl FnMut(R) -> Result<(), String>,
) -> Result<(), Failure> {
    let reader = csv::Reader::from_path(path).map_err(|source| Failure::file(path, source))?;
    for record in reader.into_deserialize() {
        let record = record.map_err(|source| Failure::file(path, source))?;
        each(record).map_err(|reason| Failure::file(path, reason))?;
    }
    Ok(())
}
