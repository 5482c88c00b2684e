//! Looking inside a version: what it says, what changed, other forms of it.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use clap::ValueEnum;
use model_io::ServingModel;
use model_io::export::{self, Input};

use super::Session;
use crate::cli::Failure;

/// A form for consumers that are not Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Export {
    /// NumPy array of the weights.
    Npy,
    /// Names, weights and both biases, a line each.
    Csv,
    /// The same as one object.
    Json,
    /// A graph for onnxruntime.
    Onnx,
}

impl Session {
    /// Manifest, settings and metrics of a version.
    ///
    /// # Errors
    ///
    /// There is no such version; see [`Session::list`].
    pub fn show(&self, language: &str, version: &str) -> Result<String, Failure> {
        let (manifest, snapshot) = self.model(language, version)?;
        let mut value = serde_json::json!({ "manifest": manifest, "model": snapshot.info });
        let weights = snapshot.model.weights();
        value["weights"] = serde_json::json!({
            "columns": weights.len(),
            "not_zero": weights.iter().filter(|weight| **weight != 0.0).count(),
            "bias_for_sparse_rows": Input::Sparse.bias(&snapshot),
            "bias_for_dense_arrays": Input::Dense.bias(&snapshot),
        });
        let text = serde_json::to_string_pretty(&value);
        text.map(|text| text + "\n")
            .map_err(|error| Failure::at("printing", error))
    }

    /// The weights that changed most.
    ///
    /// # Errors
    ///
    /// A version is not there or cannot be served; see [`Session::list`].
    pub fn diff(
        &self,
        language: &str,
        old: &str,
        new: &str,
        limit: usize,
    ) -> Result<String, Failure> {
        let (old, new) = (self.serving(language, old)?, self.serving(language, new)?);
        let mut text = String::new();
        let shown =
            |weight: Option<f32>| weight.map_or("-".to_owned(), |weight| weight.to_string());
        for change in model_io::weight_changes(&old, &new, limit) {
            let (before, after) = (shown(change.old), shown(change.new));
            let _ = writeln!(
                text,
                "{:+.6} {before} {after} {}",
                change.amount(),
                change.feature
            );
        }
        let biases = (old.model().bias(), new.model().bias());
        let _ = writeln!(
            text,
            "{:+.6} {} {} bias",
            biases.1 - biases.0,
            biases.0,
            biases.1
        );
        Ok(text)
    }

    /// Writes a version in another form.
    ///
    /// # Errors
    ///
    /// The version is not there, or the output cannot be written; see [`Session::list`].
    pub fn export(
        &self,
        language: &str,
        version: &str,
        format: Export,
        dense: bool,
        output: &Path,
    ) -> Result<String, Failure> {
        let (_, snapshot) = self.model(language, version)?;
        let spec = feature_spec::FeatureSpec::from_canonical(&snapshot.spec)
            .map_err(|error| Failure::at("the model's specification", error))?;
        let name = |position| spec.describe(position);
        let failed = |error: io::Error| Failure::file(output, error);
        let mut out = BufWriter::new(fs::File::create(output).map_err(failed)?);
        let input = if dense { Input::Dense } else { Input::Sparse };
        match format {
            Export::Npy => export::write_npy(&snapshot, &mut out),
            Export::Csv => export::write_csv(&snapshot, name, &mut out),
            Export::Json => export::write_json(&snapshot, name, &mut out),
            Export::Onnx => export::write_onnx(&snapshot, input, &mut out),
        }
        .and_then(|()| out.flush())
        .map_err(failed)?;
        Ok(format!(
            "{}; bias for sparse rows {}, for literal arrays {}\n",
            output.display(),
            Input::Sparse.bias(&snapshot),
            Input::Dense.bias(&snapshot)
        ))
    }

    fn serving(&self, language: &str, version: &str) -> Result<ServingModel, Failure> {
        let (manifest, snapshot) = self.model(language, version)?;
        ServingModel::from_snapshot(snapshot).map_err(|error| Failure::at(&manifest.version, error))
    }
}
