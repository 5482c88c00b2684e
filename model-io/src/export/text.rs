//! JSON and CSV with the names of features.

use std::io::{self, Write};

use serde_json::json;

use crate::export::Input;
use crate::json;
use crate::snapshot::Snapshot;

/// Writes one line per weight that is not zero, `position,feature,weight`, after a header line and
/// two lines for the biases, whose position is empty.
///
/// `name` gives what stands at a position, such as `FeatureSpec::describe`.
///
/// # Errors
///
/// [`io::Error`]: `out` failed.
pub fn write_csv(
    snapshot: &Snapshot,
    name: impl Fn(u32) -> String,
    mut out: impl Write,
) -> io::Result<()> {
    writeln!(out, "position,feature,weight")?;
    writeln!(
        out,
        ",bias for sparse rows,{}",
        Input::Sparse.bias(snapshot)
    )?;
    writeln!(
        out,
        ",bias for dense arrays,{}",
        Input::Dense.bias(snapshot)
    )?;
    for (position, weight) in stored(snapshot) {
        writeln!(out, "{position},{},{weight}", quoted(&name(position)))?;
    }
    Ok(())
}

/// Writes one JSON object: both biases, threshold, and the weights that are not zero with their
/// names.
///
/// # Errors
///
/// [`io::Error`]: `out` failed.
pub fn write_json(
    snapshot: &Snapshot,
    name: impl Fn(u32) -> String,
    mut out: impl Write,
) -> io::Result<()> {
    let info = &snapshot.info;
    let head = json!({
        "version": info.version,
        "language": info.language,
        "spec_fingerprint": info.spec.fingerprint,
        "columns": snapshot.model.dimension(),
        "bias_for_sparse_rows": Input::Sparse.bias(snapshot),
        "bias_for_dense_arrays": Input::Dense.bias(snapshot),
        "threshold": info.threshold,
    });
    let head = json::to_canonical(&head)?;
    // One weight a line, so that the file can be read and compared by hand.
    write!(out, "{},\"weights\":[", head.trim_end_matches('}'))?;
    for (index, (position, weight)) in stored(snapshot).enumerate() {
        let separator = if index == 0 { "\n" } else { ",\n" };
        let weight = json!({ "position": position, "feature": name(position), "weight": weight });
        write!(out, "{separator}{}", json::to_canonical(&weight)?)?;
    }
    writeln!(out, "\n]}}")
}

fn stored(snapshot: &Snapshot) -> impl Iterator<Item = (u32, f32)> {
    let weights = snapshot.model.weights().iter().copied();
    (0_u32..).zip(weights).filter(|(_, weight)| *weight != 0.0)
}

/// A field of RFC 4180.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
