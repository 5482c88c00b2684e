//! What a run must keep to go on to the same bytes: a checkpoint's parts.

use std::collections::BTreeMap;

use feature_spec::FeatureSpec;
use lr_core::{Metrics, MetricsState};
use model_io::{Checkpoint, SpecIdentity, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::TrainConfig;
use super::golden::Samples;
use super::interval::Interval;
use super::ledger::Ledger;
use crate::cli::Failure;
use crate::encode::Reason;
use crate::event_files::EventFile;

/// The part of [`RunState`].
const RUN: &str = "run";

/// Everything of a run but the trainer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RunState {
    pub(super) ledger: Ledger,
    /// The file that is read, and how many of its lines were learned from or set aside.
    pub(super) under_way: Option<(EventFile, u64)>,
    pub(super) interval: Interval,
    pub(super) rejected: BTreeMap<Reason, u64>,
    pub(super) rejects_written: u64,
    /// Raw events for the next dump.
    pub(super) samples: Samples,
    /// Version of the newest dump.
    pub(super) parent: Option<Version>,
    pub(super) files: FileCounts,
}

/// What became of the files of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FileCounts {
    /// Read to the end.
    pub consumed: u64,
    /// Appeared in an hour that was closed; not read.
    pub late: u64,
    /// Had another content after they were read; not read again.
    pub changed: u64,
    /// Could not be read for longer than the patience allows; not tried again.
    pub set_aside: u64,
    /// Were listed and gone before they could be read.
    pub vanished: u64,
}

impl RunState {
    pub(super) fn save(&self, checkpoint: &mut Checkpoint) -> Result<(), Failure> {
        put_json(checkpoint, RUN, self)?;
        checkpoint.progress.consumed = self.ledger.consumed();
        checkpoint.progress.published.clone_from(&self.parent);
        Ok(())
    }

    pub(super) fn load(checkpoint: &Checkpoint) -> Result<Self, Failure> {
        json_of(checkpoint, RUN)
    }
}

/// Writes a part as JSON.
pub(super) fn put_json(
    checkpoint: &mut Checkpoint,
    name: &str,
    value: &impl Serialize,
) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value).map_err(|source| part(name, source))?;
    checkpoint.parts.insert(name.to_owned(), bytes);
    Ok(())
}

/// Reads a part that [`put_json`] wrote.
pub(super) fn json_of<T: DeserializeOwned>(
    checkpoint: &Checkpoint,
    name: &str,
) -> Result<T, Failure> {
    serde_json::from_slice(bytes_of(checkpoint, name)?).map_err(|source| part(name, source))
}

/// The bytes of a part.
pub(super) fn bytes_of<'a>(checkpoint: &'a Checkpoint, name: &str) -> Result<&'a [u8], Failure> {
    let bytes = checkpoint.parts.get(name);
    bytes
        .map(Vec::as_slice)
        .ok_or_else(|| part(name, "is not there: another program wrote it"))
}

/// A failure of a part.
pub(super) fn part(
    name: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Failure {
    Failure::at(format!("part {name:?} of the checkpoint"), source)
}

/// Writes metrics as a part: 64-bit little-endian numbers, the four lists each after its length.
pub(super) fn put_metrics(checkpoint: &mut Checkpoint, name: &str, metrics: &Metrics) {
    let state = metrics.state();
    let mut bytes = u64::from(state.resolution).to_le_bytes().to_vec();
    for list in [&state.totals, &state.bins, &state.positive, &state.negative] {
        bytes.extend((list.len() as u64).to_le_bytes());
        bytes.extend(list.iter().flat_map(|number| number.to_le_bytes()));
    }
    checkpoint.parts.insert(name.to_owned(), bytes);
}

/// Reads what [`put_metrics`] wrote.
pub(super) fn metrics_of(checkpoint: &Checkpoint, name: &str) -> Result<Metrics, Failure> {
    let cut = || part(name, "is cut");
    let (numbers, rest) = bytes_of(checkpoint, name)?.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let resolution = numbers.next().and_then(|number| u32::try_from(number).ok());
    let mut lists = [const { Vec::new() }; 4];
    for list in &mut lists {
        let length = numbers.next().ok_or_else(cut)?;
        let length = usize::try_from(length).map_err(|source| part(name, source))?;
        *list = numbers.by_ref().take(length).collect();
        if list.len() != length {
            return Err(cut());
        }
    }
    let [totals, bins, positive, negative] = lists;
    let state = MetricsState::new(
        resolution.ok_or_else(cut)?,
        totals,
        bins,
        positive,
        negative,
    );
    if !rest.is_empty() || numbers.next().is_some() {
        return Err(cut());
    }
    Metrics::from_state(&state).map_err(|source| part(name, source))
}

/// A checkpoint of this run without its state.
pub(super) fn begin(config: &TrainConfig, spec: &FeatureSpec) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    checkpoint.progress.language.clone_from(&config.language);
    checkpoint.progress.spec = SpecIdentity::of(spec);
    spec.canonical().clone_into(&mut checkpoint.spec);
    checkpoint.columns = spec.columns() as u64;
    checkpoint.settings = settings_of(config);
    checkpoint
}

/// Checks that this run would go on to the bytes that the checkpoint's run would have written.
pub(super) fn check(
    config: &TrainConfig,
    spec: &FeatureSpec,
    checkpoint: &Checkpoint,
) -> Result<(), Failure> {
    let saved = &checkpoint.progress.spec;
    let given = SpecIdentity::of(spec);
    if checkpoint.spec != spec.canonical() {
        return Err(Failure::usage(format!(
            "the checkpoint is of spec {} {} ({}), this run has {} {} ({})",
            saved.name,
            saved.version,
            short(&saved.fingerprint),
            given.name,
            given.version,
            short(&given.fingerprint),
        )));
    }
    checkpoint
        .check_settings(&settings_of(config))
        .map_err(|source| Failure::usage(source.to_string()))
}

/// The settings that shape what is learned and published; those of the learner's optimizer are
/// numbers within its own state.
fn settings_of(config: &TrainConfig) -> BTreeMap<String, String> {
    let learner = &config.learner;
    [
        ("optimizer", learner.optimizer.name().to_owned()),
        ("threshold", config.threshold.to_string()),
        (
            "model-version",
            config.model_version.clone().unwrap_or_default(),
        ),
        ("dump-every", format!("{} s", config.dump_every.as_secs())),
        ("dump-clock", config.dump_clock.name().to_owned()),
        (
            "stats",
            match &config.statistics {
                Some(path) => path.display().to_string(),
                None => "of the days before".to_owned(),
            },
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_survive_a_checkpoint_to_the_bit() {
        let mut metrics = Metrics::new();
        for (index, probability) in [0.01, 0.2, 0.5, 0.999, 0.0].into_iter().enumerate() {
            metrics.push(probability, index % 2 == 0, 1.5).unwrap();
        }
        let mut checkpoint = Checkpoint::default();
        put_metrics(&mut checkpoint, "metrics", &metrics);
        assert_eq!(metrics_of(&checkpoint, "metrics").unwrap(), metrics);
        let whole = checkpoint.parts["metrics"].clone();
        for length in 0..whole.len() {
            checkpoint
                .parts
                .insert("metrics".to_owned(), whole[..length].to_vec());
            assert!(
                metrics_of(&checkpoint, "metrics").is_err(),
                "{length} bytes"
            );
        }
    }
}
