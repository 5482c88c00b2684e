//! Progressive predictions as CSV.

use std::path::Path;

use crate::cli::Failure;
use crate::whole_file::WholeFile;

/// Writes an id, `label` and `probability` for each event; the file appears when it is finished.
#[derive(Debug)]
pub(crate) struct PredictionWriter {
    writer: csv::Writer<WholeFile>,
}

impl PredictionWriter {
    pub(crate) fn create(path: &Path, id_column: &str) -> Result<Self, Failure> {
        let mut writer = csv::Writer::from_writer(WholeFile::create(path)?);
        writer
            .write_record([id_column, "label", "probability"])
            .map_err(|source| Failure::file(path, source))?;
        Ok(Self { writer })
    }

    pub(crate) fn write(&mut self, id: &str, label: bool, probability: f64) -> Result<(), Failure> {
        let label = if label { "1" } else { "0" };
        self.writer
            .write_record([id, label, &probability.to_string()])
            .map_err(|source| Failure::at("predictions", source))
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        let file = self
            .writer
            .into_inner()
            .map_err(|error| Failure::at("predictions", error.into_error()))?;
        file.finish()
    }
}
