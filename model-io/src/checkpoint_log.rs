//! Checkpoints in a store: a sequence of create-only objects, of which the highest is the state.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::checkpoint::Checkpoint;
use crate::registry::Registry;
use crate::registry::error::RegistryError;
use crate::registry::layout::{LanguageKeys, sequence_of};
use crate::registry::objects::{self, Created};

/// A trainer that was silent for longer reads the newest checkpoint again before it writes.
const SILENCE: i64 = 10 * 60 * 1000;

/// The checkpoints of one language.
#[derive(Clone)]
pub struct CheckpointLog {
    store: Arc<dyn ObjectStore>,
    keys: LanguageKeys,
    clock: fn() -> i64,
}

impl std::fmt::Debug for CheckpointLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folder = &self.keys.checkpoints;
        formatter
            .debug_struct("CheckpointLog")
            .field("folder", folder)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Returns the checkpoints of `language`.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Name`]: `language` cannot stand in a key.
    pub fn checkpoints(&self, language: &str) -> Result<CheckpointLog, RegistryError> {
        let keys = self.layout().language(language)?;
        Ok(CheckpointLog {
            store: self.store().clone(),
            keys,
            clock: self.clock,
        })
    }
}

impl CheckpointLog {
    /// Returns the newest checkpoint and its sequence number, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::Decode`]: the object is damaged; nothing older is taken in its place,
    ///   because that would learn events twice;
    /// - [`RegistryError::Store`]: the store failed.
    pub async fn latest(&self) -> Result<Option<(u64, Checkpoint)>, RegistryError> {
        // Retention may delete what a listing has just shown.
        for _ in 0..3 {
            let Some(sequence) = self.sequences().await?.pop() else {
                return Ok(None);
            };
            if let Some(checkpoint) = self.read(sequence).await? {
                return Ok(Some((sequence, checkpoint)));
            }
        }
        let key = self.keys.checkpoints.to_string();
        Err(RegistryError::NotFound {
            what: "the newest checkpoint".to_owned(),
            key,
        })
    }

    /// Returns checkpoint `sequence`, or `None` if it is not there.
    ///
    /// # Errors
    ///
    /// As [`CheckpointLog::latest`].
    pub async fn read(&self, sequence: u64) -> Result<Option<Checkpoint>, RegistryError> {
        let key = self.key(sequence);
        let Some(bytes) = objects::read(&self.store, &key).await? else {
            return Ok(None);
        };
        match Checkpoint::from_bytes(&bytes) {
            Ok(checkpoint) => Ok(Some(checkpoint)),
            Err(source) => Err(RegistryError::Decode {
                key: key.to_string(),
                source,
            }),
        }
    }

    /// Returns the sequence numbers that are there, ascending.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`]: the store failed.
    pub async fn sequences(&self) -> Result<Vec<u64>, RegistryError> {
        let objects = objects::list(&self.store, &self.keys.checkpoints, None).await?;
        let mut sequences: Vec<u64> = objects
            .iter()
            .filter_map(|object| sequence_of(&object.location, "safetensors"))
            .collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// Takes the run over: writes the newest state again under the next epoch, so that a trainer
    /// that still runs is refused at its next commit.
    ///
    /// Returns the writer and the state to continue; a new run's state is `None`, and its epoch 1.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::Fenced`]: another trainer took over at the same time;
    /// - those of [`CheckpointLog::latest`] and [`CheckpointWriter::commit`].
    pub async fn take_over(self) -> Result<(CheckpointWriter, Option<Checkpoint>), RegistryError> {
        let now = (self.clock)();
        let Some((sequence, mut state)) = self.latest().await? else {
            return Ok((
                CheckpointWriter {
                    log: self,
                    sequence: 0,
                    epoch: 1,
                    written: now,
                    attempted: None,
                },
                None,
            ));
        };
        let epoch = state.progress.epoch + 1;
        let mut writer = CheckpointWriter {
            log: self,
            sequence,
            epoch,
            written: now,
            attempted: None,
        };
        writer.commit(&mut state).await?;
        Ok((writer, Some(state)))
    }

    /// Deletes checkpoints that are neither among the newest `keep` nor younger than `min_age`
    /// seconds; returns the numbers deleted. The newest is never deleted.
    ///
    /// Keep a week at least: a trainer that was paused for longer could write an old number again.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`]: the store failed.
    pub async fn retain(&self, keep: usize, min_age: u64) -> Result<Vec<u64>, RegistryError> {
        let objects = objects::list(&self.store, &self.keys.checkpoints, None).await?;
        let youngest = (self.clock)().saturating_sub_unsigned(min_age.saturating_mul(1000));
        let mut found: Vec<(u64, i64)> = objects
            .iter()
            .filter_map(|object| {
                let sequence = sequence_of(&object.location, "safetensors")?;
                Some((sequence, object.last_modified.timestamp_millis()))
            })
            .collect();
        found.sort_unstable();
        found.truncate(found.len().saturating_sub(keep.max(1)));
        let mut deleted = Vec::new();
        for (sequence, _) in found
            .into_iter()
            .filter(|(_, written)| *written <= youngest)
        {
            objects::delete(&self.store, &self.key(sequence)).await?;
            deleted.push(sequence);
        }
        Ok(deleted)
    }

    fn key(&self, sequence: u64) -> object_store::path::Path {
        self.keys
            .checkpoints
            .clone()
            .join(format!("{sequence:020}.safetensors"))
    }
}

/// The one trainer that may write checkpoints, until another takes over.
#[derive(Debug)]
pub struct CheckpointWriter {
    log: CheckpointLog,
    sequence: u64,
    epoch: u64,
    written: i64,
    /// Commit id of an attempt whose outcome is not known.
    attempted: Option<String>,
}

impl CheckpointWriter {
    /// Returns this trainer's epoch, which its publishes must carry.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the number of the checkpoint written last, 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Writes `checkpoint` under the next number and returns the number; sets its epoch and
    /// commit id.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::Fenced`]: another trainer has written that number; this one must stop,
    ///   for its state cannot be merged;
    /// - [`RegistryError::Encode`]: the checkpoint breaks an invariant;
    /// - [`RegistryError::OutcomeUnknown`]: the store failed at the write and could not be read; the
    ///   same checkpoint, committed again, finds out and finishes.
    pub async fn commit(&mut self, checkpoint: &mut Checkpoint) -> Result<u64, RegistryError> {
        let next = self.sequence + 1;
        let now = (self.log.clock)();
        if now - self.written > SILENCE
            && let Some(newest) = self
                .log
                .sequences()
                .await?
                .pop()
                .filter(|newest| *newest >= next)
        {
            return Err(self.fenced(newest).await);
        }
        checkpoint.progress.epoch = self.epoch;
        // The same attempt again, after an unknown outcome, has to be the same bytes.
        if self.attempted.as_ref() != Some(&checkpoint.progress.commit_id) {
            checkpoint.progress.commit_id = objects::unique_id();
            self.attempted = Some(checkpoint.progress.commit_id.clone());
        }
        let bytes = checkpoint
            .to_bytes()
            .map_err(|source| RegistryError::Encode { source })?;
        let bytes = bytes::Bytes::from(bytes);
        let ours = |there: &[u8]| there == bytes;
        match objects::create(&self.log.store, &self.log.key(next), bytes.clone(), ours).await? {
            Created::Ours | Created::Same => {
                self.sequence = next;
                self.written = now;
                self.attempted = None;
                Ok(next)
            }
            Created::Theirs(_) => Err(self.fenced(next).await),
        }
    }

    async fn fenced(&self, sequence: u64) -> RegistryError {
        let there = self.log.read(sequence).await.ok().flatten();
        RegistryError::Fenced {
            epoch: self.epoch,
            current: there.map_or(self.epoch, |checkpoint| checkpoint.progress.epoch),
            key: self.log.key(sequence).to_string(),
        }
    }
}
