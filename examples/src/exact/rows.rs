//! Encoded rows in memory, and as libsvm text.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use lr_core::sprs::CsMatI;
use lr_core::{LinearModel, logistic_loss};
use zscore_stats::Scaler;

use crate::cli::Failure;
use crate::encode::EncodedEvent;

/// All rows of a stream, transformed and not yet scaled, with what the online learner said of them.
pub(super) struct Rows {
    columns: usize,
    starts: Vec<usize>,
    positions: Vec<u32>,
    values: Vec<f32>,
    pub(super) labels: Vec<bool>,
    pub(super) importances: Vec<f32>,
    /// The online learner's margin of each row, before it learned from it.
    pub(super) margins: Vec<f64>,
}

impl Rows {
    pub(super) fn new(columns: usize) -> Self {
        Self {
            columns,
            starts: vec![0],
            positions: Vec::new(),
            values: Vec::new(),
            labels: Vec::new(),
            importances: Vec::new(),
            margins: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn push(&mut self, event: &EncodedEvent<'_>) {
        self.positions.extend_from_slice(event.positions);
        self.values.extend_from_slice(event.values);
        self.starts.push(self.positions.len());
        self.labels.push(event.label);
        self.importances.push(event.importance);
    }

    /// Scales the first `rows` rows, all with the same statistics.
    pub(super) fn scaled(
        &self,
        rows: usize,
        scaler: &Scaler,
    ) -> Result<CsMatI<f32, u32, usize>, Failure> {
        let place = |row: usize| format!("event {row}");
        let entries = self.starts[rows];
        let mut values = self.values[..entries].to_vec();
        for (row, bounds) in self.starts[..=rows].windows(2).enumerate() {
            let range = bounds[0]..bounds[1];
            scaler
                .scale_in_place(&self.positions[range.clone()], &mut values[range])
                .map_err(|source| Failure::at(place(row), source))?;
        }
        let starts = self.starts[..=rows].to_vec();
        let positions = self.positions[..entries].to_vec();
        CsMatI::try_new((rows, self.columns), starts, positions, values)
            .map_err(|(_, _, _, source)| Failure::at("encoded rows", source.to_string()))
    }

    /// Mean log loss of a model over the rows of `scaled` from `from` on, in nats.
    pub(super) fn loss_of(
        &self,
        model: &LinearModel,
        scaled: &CsMatI<f32, u32, usize>,
        from: usize,
    ) -> Result<f64, Failure> {
        let margins = model
            .margins(&scaled.slice_outer(from..scaled.rows()))
            .map_err(|source| Failure::at(format!("events from {from} on"), source))?;
        Ok(self.mean_loss(from, &margins))
    }

    /// Mean log loss of the margins of rows `from`, `from + 1`, …, by importance, in nats.
    pub(super) fn mean_loss(&self, from: usize, margins: &[f64]) -> f64 {
        let (mut total, mut importances) = (0.0, 0.0);
        for (row, &margin) in (from..).zip(margins) {
            let importance = f64::from(self.importances[row]);
            total += importance * logistic_loss(margin, self.labels[row]);
            importances += importance;
        }
        total / importances
    }
}

/// Writes rows as libsvm text, positions from 1.
pub(super) struct LibsvmWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl LibsvmWriter {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|source| Failure::file(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        })
    }

    pub(super) fn write(
        &mut self,
        label: bool,
        positions: &[u32],
        values: &[f32],
    ) -> Result<(), Failure> {
        let mut line = if label { "1" } else { "0" }.to_owned();
        for (position, value) in positions.iter().zip(values) {
            line.push_str(&format!(" {}:{value}", u64::from(*position) + 1));
        }
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| Failure::file(&self.path, source))
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.file
            .flush()
            .map_err(|source| Failure::file(&self.path, source))
    }
}
