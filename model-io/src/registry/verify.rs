//! Reading everything again, and probing a store before anything is entrusted to it.

use bytes::Bytes;

use crate::registry::layout::{ArtifactKind, MANIFEST_FILE, sequence_of};
use crate::registry::objects::{self, Created};
use crate::registry::record::Commit;
use crate::registry::{Registry, RegistryError};
use crate::version::Version;

/// What a verification found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// Commits that are there and name a version that is.
    pub commits: u64,
    /// Versions of models whose every byte is as published.
    pub models: u64,
    /// Versions of specifications, statistics and code whose every byte is as published.
    pub artifacts: u64,
    /// Checkpoints whose every byte is as written.
    pub checkpoints: u64,
    /// Versions without a manifest: publishes that did not finish, or are under way.
    pub unfinished: Vec<Version>,
    /// What is wrong; empty for a sound registry.
    pub problems: Vec<RegistryError>,
}

impl Registry {
    /// Reads every commit, model, checkpoint and artefact of `language` again and reports.
    ///
    /// A version that was deleted by retention is no problem, unless it is live.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`]: a listing failed. Damage is reported, not returned.
    ///
    /// # Complexity
    ///
    /// Reads every byte of the language.
    pub async fn verify(&self, language: &str) -> Result<Verification, RegistryError> {
        let keys = self.layout.language(language)?;
        let mut report = Verification::default();
        let listed = objects::list(&self.store, &keys.commits(), None).await?;
        let newest = listed
            .iter()
            .filter_map(|object| sequence_of(&object.location, "json"))
            .max();
        let mut live: Option<Commit> = None;
        for n in 1..=newest.unwrap_or(0) {
            match self.commit(&keys, n).await {
                Ok(commit) => {
                    report.commits += 1;
                    live = Some(commit);
                }
                Err(problem) => report.problems.push(problem),
            }
        }
        for version in self.versions(&keys).await? {
            let is_live = live.as_ref().is_some_and(|live| live.version == version);
            match self.manifest(&keys, &version).await {
                Ok((manifest, sha256)) => match self.verified(&keys, &manifest).await {
                    Ok(_) => {
                        report.models += 1;
                        report
                            .problems
                            .extend(live_differs(live.as_ref(), is_live, &sha256));
                    }
                    Err(problem) => report.problems.push(problem),
                },
                Err(RegistryError::NotFound { .. }) if !is_live => report.unfinished.push(version),
                Err(problem) => report.problems.push(problem),
            }
        }
        if let Some(live) = live
            && let Err(problem) = self.manifest(&keys, &live.version).await
            && !report
                .problems
                .iter()
                .any(|other| other.to_string() == problem.to_string())
        {
            report.problems.push(problem);
        }
        self.verify_checkpoints(language, &mut report).await?;
        for kind in [
            ArtifactKind::Spec,
            ArtifactKind::Statistics,
            ArtifactKind::Code,
        ] {
            self.verify_artifacts(kind, language, &mut report).await?;
        }
        Ok(report)
    }

    async fn verify_checkpoints(
        &self,
        language: &str,
        report: &mut Verification,
    ) -> Result<(), RegistryError> {
        let log = self.checkpoints(language)?;
        for sequence in log.sequences().await? {
            match log.read(sequence).await {
                Ok(Some(_)) => report.checkpoints += 1,
                Ok(None) => {} // deleted by retention since the listing
                Err(problem) => report.problems.push(problem),
            }
        }
        Ok(())
    }

    async fn verify_artifacts(
        &self,
        kind: ArtifactKind,
        language: &str,
        report: &mut Verification,
    ) -> Result<(), RegistryError> {
        let folder = self.layout.artifact_versions(kind, language)?;
        for name in objects::folders(&self.store, &folder).await? {
            let Ok(version) = Version::new(name) else {
                continue;
            };
            match self.artifact(kind, language, &version).await {
                Ok(_) => report.artifacts += 1,
                Err(RegistryError::NotFound { key, .. }) if key.ends_with(MANIFEST_FILE) => {
                    report.unfinished.push(version);
                }
                Err(problem) => report.problems.push(problem),
            }
        }
        Ok(())
    }

    /// Checks that the store refuses to create what exists, and forgets nothing it confirmed:
    /// writes, reads and deletes one small object below `_probe`. For the start of a trainer.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::UnfitStore`]: the store ignores the condition or loses writes;
    /// - other [`RegistryError`]s from the store.
    pub async fn probe(&self) -> Result<(), RegistryError> {
        let id = objects::unique_id();
        let key = self.layout.root().clone().join("_probe").join(id.as_str());
        let first = Bytes::from(format!("{id} first"));
        let outcome = self.probe_key(&key, first).await;
        // What the probe saw matters more than whether it could tidy up.
        let _ = objects::delete(&self.store, &key).await;
        outcome
    }

    async fn probe_key(
        &self,
        key: &object_store::path::Path,
        first: Bytes,
    ) -> Result<(), RegistryError> {
        let unfit = |reason: &str| {
            Err(RegistryError::UnfitStore {
                reason: reason.to_owned(),
            })
        };
        objects::create(&self.store, key, first.clone(), |there| there == first).await?;
        let second = Bytes::from_static(b"second");
        match objects::create(&self.store, key, second.clone(), |there| there == second).await? {
            Created::Theirs(there) if there == first => {}
            Created::Theirs(_) => return unfit("it holds other bytes than were written"),
            _ => return unfit("it overwrites objects although told to create only"),
        }
        match objects::read(&self.store, key).await? {
            Some(there) if there == first => Ok(()),
            Some(_) => unfit("a refused write was applied"),
            None => unfit("a confirmed write is not there"),
        }
    }
}

fn live_differs(live: Option<&Commit>, is_live: bool, sha256: &str) -> Option<RegistryError> {
    let live = live.filter(|live| is_live && live.manifest_sha256 != sha256)?;
    Some(RegistryError::Damaged {
        key: format!("{}/{MANIFEST_FILE}", live.version),
        reason: format!(
            "SHA-256 {sha256}, commit {} says {}",
            live.n, live.manifest_sha256
        ),
    })
}
