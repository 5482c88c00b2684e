//! The report of a training run: when it is written, and how it survives a restart.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use feature_spec::FeatureSpec;
use model_io::Checkpoint;

use super::page::{self, Facts};
use super::{DumpFact, Recorder};
use crate::cli::Failure;
use crate::encode::EncodedEvent;
use crate::train::TrainConfig;

/// The part of a checkpoint.
const PART: &str = "report";

/// Time between two pages, however fast dumps follow each other.
const PAUSE: Duration = Duration::from_secs(10);

/// Records a run and writes its page.
#[derive(Debug)]
pub struct Reporter {
    path: PathBuf,
    recorder: Recorder,
    written: Instant,
}

impl Reporter {
    /// What a run needs when a report is asked for; it goes on from a checkpoint if that has one.
    ///
    /// # Errors
    ///
    /// A category is no feature of the spec, or the checkpoint's part is damaged.
    pub fn open(
        config: &TrainConfig,
        spec: &FeatureSpec,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Option<Self>, Failure> {
        let Some(path) = config.report.clone() else {
            return Ok(None);
        };
        let (language, by) = (&config.language, &config.report_by);
        let recorder = match checkpoint.and_then(|checkpoint| checkpoint.parts.get(PART)) {
            Some(bytes) => Recorder::from_bytes(spec, language, by, bytes)?,
            None => Recorder::new(spec, language, by)?,
        };
        Ok(Some(Self {
            path,
            recorder,
            written: Instant::now(),
        }))
    }

    /// Counts an event that was learned from, with the probability given to it before.
    ///
    /// # Errors
    ///
    /// As [`Recorder::event`].
    pub fn event(&mut self, event: &EncodedEvent<'_>, probability: f64) -> Result<(), Failure> {
        self.recorder.event(event, probability)
    }

    /// Notes a dump.
    pub fn dump(&mut self, dump: DumpFact) {
        self.recorder.dump(dump);
    }

    /// Whether it is time for a page again.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.written.elapsed() >= PAUSE
    }

    /// Writes the page.
    ///
    /// # Errors
    ///
    /// As [`page::write`].
    pub fn write(&mut self, facts: &Facts<'_>) -> Result<(), Failure> {
        self.written = Instant::now();
        page::write(&self.path, &self.recorder, facts)
    }

    /// Puts everything into a checkpoint.
    ///
    /// # Errors
    ///
    /// As [`Recorder::to_bytes`].
    pub fn save(&self, checkpoint: &mut Checkpoint) -> Result<(), Failure> {
        let bytes = self.recorder.to_bytes()?;
        checkpoint.parts.insert(PART.to_owned(), bytes);
        Ok(())
    }
}
