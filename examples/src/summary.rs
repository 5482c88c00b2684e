//! What a run reports: figures for programs as JSON, and for people as text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use lr_core::Metrics;
use serde::Serialize;

use crate::cli::Failure;
use crate::train::{FileCounts, Withheld};
use crate::whole_file::WholeFile;

/// Result of a training run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Events learned from.
    pub events: u64,
    /// Positive ones among them.
    pub positives: u64,
    /// Lines set aside, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Figures over all events.
    #[serde(flatten)]
    pub quality: Quality,
    /// Figures from the event of `--evaluate-from` on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<Quality>,
    /// How often the run was started again from a checkpoint, where it keeps checkpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u64>,
    /// What became of the event files, where the input is a stream of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FileCounts>,
    /// Dumps that the gate kept back, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
    /// Models written, in order.
    pub dumps: Vec<Dump>,
    /// Wall time of the run.
    pub seconds: f64,
    /// Events learned from in a second of wall time.
    pub events_per_second: f64,
}

/// Progressive figures: every prediction was made before its event was learned from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Mean log loss, in nats; `null` without events.
    pub log_loss: Option<f64>,
    /// Area under the ROC curve; `null` unless both labels are there.
    pub auc: Option<f64>,
    /// Log loss over that of the base rate; below 1 is better than a constant.
    pub normalized_entropy: Option<f64>,
    /// Predicted over observed positives; 1 is right on average.
    pub calibration: Option<f64>,
}

/// One published model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dump {
    /// Version under which services load it.
    pub version: String,
    /// Hour of event time that it ends, `YYYY-MM-DDTHH` in UTC.
    pub hour: String,
    /// Path or URL of the model file.
    pub path: String,
}

impl Quality {
    /// The figures of `metrics`.
    #[must_use]
    pub fn of(metrics: &Metrics) -> Self {
        Self {
            log_loss: metrics.log_loss(),
            auc: metrics.auc(),
            normalized_entropy: metrics.normalized_entropy(),
            calibration: metrics.calibration(),
        }
    }
}

/// Writes any summary as indented JSON, whole or not at all.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_json(path: &Path, summary: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(summary).map_err(|source| Failure::file(path, source))?;
    let mut file = WholeFile::create(path)?;
    std::io::Write::write_all(&mut file, &text).map_err(|source| Failure::file(path, source))?;
    file.finish()
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = percent(self.positives, self.events);
        writeln!(formatter, "events               {:>12}", self.events)?;
        writeln!(
            formatter,
            "positives            {:>12}  ({rate})",
            self.positives
        )?;
        let rejected: u64 = self.rejected.values().sum();
        writeln!(formatter, "rejected             {rejected:>12}")?;
        for (reason, count) in &self.rejected {
            writeln!(formatter, "  {reason:<18} {count:>12}")?;
        }
        write!(formatter, "{}", self.quality)?;
        if let Some(evaluated) = &self.evaluated {
            writeln!(formatter, "evaluated part")?;
            write!(formatter, "{evaluated}")?;
        }
        writeln!(
            formatter,
            "events per second    {:>12.0}  ({:.1} s)",
            self.events_per_second, self.seconds
        )?;
        if let Some(restarts) = self.restarts.filter(|restarts| *restarts > 0) {
            writeln!(formatter, "restarts             {restarts:>12}")?;
        }
        if let Some(files) = &self.files {
            for (name, count) in [
                ("late files", files.late),
                ("changed files", files.changed),
                ("files set aside", files.set_aside),
                ("vanished files", files.vanished),
            ] {
                if count > 0 {
                    writeln!(formatter, "{name:<20} {count:>12}  (see the log)")?;
                }
            }
        }
        for Withheld {
            version, reasons, ..
        } in &self.withheld
        {
            writeln!(
                formatter,
                "withheld             {version}: {}",
                reasons.join("; ")
            )?;
        }
        match (self.dumps.as_slice(), self.dumps.last()) {
            ([], _) | (_, None) => writeln!(formatter, "models               none"),
            (dumps, Some(last)) => {
                writeln!(
                    formatter,
                    "models               {:>12}  last: {}",
                    dumps.len(),
                    last.path
                )
            }
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value, digits, note) in [
            (
                "log loss",
                self.log_loss,
                5,
                "nats an event, before learning from it",
            ),
            ("AUC", self.auc, 4, "0.5 is a coin, 1 is perfect"),
            (
                "normalized entropy",
                self.normalized_entropy,
                4,
                "below 1 beats the base rate",
            ),
            (
                "calibration",
                self.calibration,
                4,
                "predicted over observed",
            ),
        ] {
            match value {
                Some(value) => {
                    writeln!(formatter, "{name:<20} {value:>12.digits$}  ({note})")?;
                }
                None => writeln!(formatter, "{name:<20} {:>12}  ({note})", "unknown")?,
            }
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss)] // for people
fn percent(part: u64, whole: u64) -> String {
    format!("{:.2} %", 100.0 * part as f64 / whole.max(1) as f64)
}
