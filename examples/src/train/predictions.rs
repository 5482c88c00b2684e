//! Progressive predictions as CSV.

use std::path::Path;

use crate::cli::Failure;
use crate::whole_file::WholeFile;

/// Writes `event_id,label,probability`; the file appears when it is finished.
#[derive(Debug)]
pub(super) struct PredictionWriter {
    writer: csv::Writer<WholeFile>,
}

impl PredictionWriter {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let mut writer = csv::Writer::from_writer(WholeFile::create(path)?);
        writer
            .write_record(["event_id", "label", "probability"])
            .map_err(|source| Failure::file(path, source))?;
        Ok(Self { writer })
    }

    pub(super) fn write(
        &mut self,
        event_id: &str,
        label: bool,
        probability: f64,
    ) -> Result<(), Failure> {
        let label = if label { "1" } else { "0" };
        self.writer
            .write_record([event_id, label, &probability.to_string()])
            .map_err(|source| Failure::at("predictions", source))
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        let file = self
            .writer
            .into_inner()
            .map_err(|error| Failure::at("predictions", error.into_error()))?;
        file.finish()
    }
}
