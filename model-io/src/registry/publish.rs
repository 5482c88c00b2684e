//! Publishing a model: model file, manifest, commit.

use bytes::Bytes;

use crate::container::{FORMAT_VERSION, sha256_hex};
use crate::error::DecodeError;
use crate::info::ModelInfo;
use crate::model_file::View;
use crate::registry::layout::{LanguageKeys, MODEL_FILE};
use crate::registry::log::Step;
use crate::registry::objects::{self, Created};
use crate::registry::record::{self, Commit, CommitKind, FileEntry, Manifest};
use crate::registry::{Registry, RegistryError};
use crate::snapshot::{DEFAULT_MAX_COLUMNS, Snapshot};
use crate::version::Version;

/// How to publish.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PublishOptions {
    /// Epoch of the trainer, 0 for a person; must not be below that of the newest commit.
    pub epoch: u64,
    /// Sequence number of the checkpoint with the same state.
    pub checkpoint: Option<u64>,
    /// Version of the statistics given to the run.
    pub statistics_version: Option<Version>,
    /// Publishes although the live model has another specification.
    pub allow_spec_change: bool,
    /// Publishes although a rollback holds, and ends the hold.
    pub override_hold: bool,
}

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishOutcome {
    /// The version is live.
    Committed,
    /// The version had been committed before, by this or another writer; nothing was done.
    AlreadyCommitted,
    /// A rollback holds: the version is stored, and not live.
    Held,
}

/// The result of a publish.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Published {
    /// The version.
    pub version: Version,
    /// What became of it.
    pub outcome: PublishOutcome,
    /// The commit that made it live, or that holds.
    pub commit: Commit,
}

/// A version whose model file and manifest are there.
struct Stored {
    manifest_sha256: String,
    /// Newest commit when the manifest was written.
    base: u64,
    /// Whether the version was there before and a lease protects it from retention.
    leased: bool,
}

impl Registry {
    /// Publishes a snapshot under its own language and version.
    ///
    /// The order is model file, manifest, commit; the commit is the moment at which the version
    /// becomes live. All three are create-only, so doing it again after a crash or a lost response
    /// ends in the same state, and commits once.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::Encode`]: the snapshot breaks an invariant;
    /// - [`RegistryError::VersionTaken`]: other content stands under the version;
    /// - [`RegistryError::Fenced`]: the newest commit has a later epoch;
    /// - [`RegistryError::SpecChanged`]: the live model has another specification;
    /// - [`RegistryError::OutcomeUnknown`]: the store failed at a write and then could not be read;
    /// - other [`RegistryError`]s from the store.
    pub async fn publish(
        &self,
        snapshot: &Snapshot,
        options: &PublishOptions,
    ) -> Result<Published, RegistryError> {
        let bytes = snapshot
            .to_bytes()
            .map_err(|source| RegistryError::Encode { source })?;
        self.publish_checked(&snapshot.info, bytes.into(), options)
            .await
    }

    /// Publishes the bytes of a model file, after verifying them.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::Decode`]: the bytes are not a valid model;
    /// - those of [`Registry::publish`].
    pub async fn publish_bytes(
        &self,
        bytes: Bytes,
        options: &PublishOptions,
    ) -> Result<Published, RegistryError> {
        let invalid = |source: DecodeError| RegistryError::Decode {
            key: MODEL_FILE.into(),
            source,
        };
        let info = View::parse(&bytes, DEFAULT_MAX_COLUMNS)
            .map_err(invalid)?
            .metadata
            .info;
        self.publish_checked(&info, bytes, options).await
    }

    async fn publish_checked(
        &self,
        info: &ModelInfo,
        bytes: Bytes,
        options: &PublishOptions,
    ) -> Result<Published, RegistryError> {
        let keys = self.layout.language(&info.language)?;
        let newest = self.head(&keys).await?;
        check_epoch(&keys, newest.as_ref(), options)?;
        check_spec(newest.as_ref(), info, options)?;
        let Stored {
            manifest_sha256,
            base,
            leased,
        } = self
            .store_version(&keys, info, bytes, newest.as_ref(), options)
            .await?;

        // Whoever wrote the manifest saw `base` as the newest commit, so the version was committed
        // after it or not at all.
        if newest.as_ref().is_some_and(|newest| newest.n > base) {
            for commit in self.commits_from(&keys, base + 1).await? {
                if publishes(&commit, &info.version) {
                    return Ok(published(info, PublishOutcome::AlreadyCommitted, commit));
                }
            }
        }
        let published_it = |commit: &Commit| publishes(commit, &info.version);
        let decide = |newest: Option<&Commit>| {
            check_epoch(&keys, newest, options)?;
            check_spec(newest, info, options)?;
            match newest {
                Some(newest) if publishes(newest, &info.version) || held(newest, options) => {
                    Ok(Step::Done(Box::new(newest.clone())))
                }
                _ => Ok(Step::Append(Box::new(Commit {
                    n: 0,
                    commit_id: String::new(),
                    kind: CommitKind::Publish,
                    version: info.version.clone(),
                    manifest_sha256: manifest_sha256.clone(),
                    hold: false,
                    epoch: options.epoch.max(newest.map_or(0, |newest| newest.epoch)),
                    spec_fingerprint: info.spec.fingerprint.clone(),
                    committed_at: String::new(),
                    reason: None,
                }))),
            }
        };
        let (commit, appended) = self.append(&keys, newest, published_it, decide).await?;
        if leased {
            // A lease that stays behind ends by itself.
            let _ = objects::delete(&self.store, &keys.lease(&info.version)).await;
        }
        let outcome = match (appended, publishes(&commit, &info.version)) {
            (true, _) => PublishOutcome::Committed,
            (false, true) => PublishOutcome::AlreadyCommitted,
            (false, false) => PublishOutcome::Held,
        };
        Ok(published(info, outcome, commit))
    }

    /// Stores model file and manifest, or finds them.
    async fn store_version(
        &self,
        keys: &LanguageKeys,
        info: &ModelInfo,
        bytes: Bytes,
        newest: Option<&Commit>,
        options: &PublishOptions,
    ) -> Result<Stored, RegistryError> {
        let version = &info.version;
        let file = FileEntry {
            name: MODEL_FILE.to_owned(),
            size: bytes.len() as u64,
            sha256: sha256_hex(&bytes),
        };
        let taken = |key: &object_store::path::Path| RegistryError::VersionTaken {
            version: version.clone(),
            key: key.to_string(),
        };
        let key = keys.model(version);
        let same = |there: &[u8]| there == bytes;
        let created = objects::create(&self.store, &key, bytes.clone(), same).await?;
        let leased = match created {
            Created::Ours => false,
            Created::Same => true,
            Created::Theirs(_) => return Err(taken(&key)),
        };
        if leased {
            // What was there already may be old enough for retention to delete it right now. The
            // lease comes before the look at the marker, and the other way round over there.
            let lease = Bytes::from_static(b"{}\n");
            objects::overwrite(&self.store, &keys.lease(version), lease).await?;
            if self.is_retiring(keys, version).await? {
                return Err(RegistryError::Retiring {
                    version: version.clone(),
                });
            }
            objects::create(&self.store, &key, bytes.clone(), same).await?;
        }
        let manifest = Manifest {
            format: FORMAT_VERSION,
            min_reader: 1,
            language: info.language.clone(),
            version: version.clone(),
            file,
            base_commit: newest.map_or(0, |newest| newest.n),
            parent: newest.map(|newest| newest.version.clone()),
            epoch: options.epoch,
            checkpoint: options.checkpoint,
            statistics_version: options.statistics_version.clone(),
            spec: info.spec.clone(),
            events_learned: info.events_learned,
            golden: info.golden.clone(),
        };
        let key = keys.manifest(version);
        let encoded = record::encode(&key, &manifest)?;
        let same = |there: &[u8]| there == encoded;
        match objects::create(&self.store, &key, encoded.clone(), same).await? {
            Created::Ours | Created::Same => {
                let manifest_sha256 = sha256_hex(&encoded);
                Ok(Stored {
                    manifest_sha256,
                    base: manifest.base_commit,
                    leased,
                })
            }
            Created::Theirs(there) => {
                let found: Manifest = record::decode(&key, &there)?;
                if found.file != manifest.file {
                    return Err(taken(&key));
                }
                Ok(Stored {
                    manifest_sha256: sha256_hex(&there),
                    base: found.base_commit,
                    leased,
                })
            }
        }
    }
}

fn published(info: &ModelInfo, outcome: PublishOutcome, commit: Commit) -> Published {
    Published {
        version: info.version.clone(),
        outcome,
        commit,
    }
}

fn publishes(commit: &Commit, version: &Version) -> bool {
    commit.kind == CommitKind::Publish && commit.version == *version
}

fn held(newest: &Commit, options: &PublishOptions) -> bool {
    newest.hold && !options.override_hold
}

fn check_epoch(
    keys: &LanguageKeys,
    newest: Option<&Commit>,
    options: &PublishOptions,
) -> Result<(), RegistryError> {
    match newest {
        // A person's publish has no epoch of its own and takes over the newest.
        Some(newest) if options.epoch != 0 && newest.epoch > options.epoch => {
            Err(RegistryError::Fenced {
                epoch: options.epoch,
                current: newest.epoch,
                key: keys.commit(newest.n).to_string(),
            })
        }
        _ => Ok(()),
    }
}

fn check_spec(
    newest: Option<&Commit>,
    info: &ModelInfo,
    options: &PublishOptions,
) -> Result<(), RegistryError> {
    match newest {
        Some(newest)
            if newest.spec_fingerprint != info.spec.fingerprint && !options.allow_spec_change =>
        {
            Err(RegistryError::SpecChanged {
                live: newest.version.clone(),
                live_fingerprint: newest.spec_fingerprint.clone(),
                fingerprint: info.spec.fingerprint.clone(),
            })
        }
        _ => Ok(()),
    }
}
