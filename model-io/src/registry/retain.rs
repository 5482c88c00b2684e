//! Deleting old versions, and never one that is live, pinned or may become live.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::registry::layout::LanguageKeys;
use crate::registry::objects;
use crate::registry::{Registry, RegistryError};
use crate::version::Version;

/// A mark that is older was left by a process that died: one hour, in milliseconds.
const MARK_LIFE: i64 = 3_600_000;

/// Which versions of models to keep; all of the conditions count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetainPolicy {
    /// Versions that were committed last, counted without repeats; at least 1 is kept.
    pub keep: usize,
    /// Versions named by this many newest commits, for rollbacks among them; at least 1.
    pub recent_commits: u64,
    /// Seconds since a version was stored; younger ones are kept.
    pub min_age: u64,
    /// Seconds since an uncommitted version was stored; younger ones are kept. Its publisher may
    /// be about to commit it, so this should not be below a day.
    pub min_age_uncommitted: u64,
    /// Only reports what would be deleted.
    pub dry_run: bool,
}

impl Default for RetainPolicy {
    /// A week of hourly models, and a day for what was never committed.
    fn default() -> Self {
        Self {
            keep: 168,
            recent_commits: 168,
            min_age: 7 * 86_400,
            min_age_uncommitted: 86_400,
            dry_run: false,
        }
    }
}

/// What a retention run did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Retained {
    /// Versions kept, sorted.
    pub kept: Vec<Version>,
    /// Versions deleted, or that would be, sorted.
    pub deleted: Vec<Version>,
}

impl Registry {
    /// Deletes versions of `language` that `policy` does not keep.
    ///
    /// The live version, pinned versions and the commit log are never deleted. A manifest goes
    /// before its model file, so what is left of an interrupted run is not a version any more.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`] from the store; what was not reached is kept.
    pub async fn retain(
        &self,
        language: &str,
        policy: &RetainPolicy,
    ) -> Result<Retained, RegistryError> {
        let keys = self.layout.language(language)?;
        let commits = self.commits(language).await?;
        let newest = commits.last().map_or(0, |commit| commit.n);
        let committed: BTreeSet<&Version> = commits.iter().map(|commit| &commit.version).collect();
        let mut spared: BTreeSet<&Version> = BTreeSet::new();
        for commit in commits.iter().rev() {
            let recent = newest - commit.n < policy.recent_commits.max(1);
            if recent || spared.len() < policy.keep.max(1) {
                spared.insert(&commit.version);
            }
        }
        let mut report = Retained::default();
        for version in self.versions(&keys).await? {
            let min_age = if committed.contains(&version) {
                policy.min_age
            } else {
                policy.min_age_uncommitted.max(policy.min_age)
            };
            let delete = !spared.contains(&version)
                && self.older_than(&keys, &version, min_age).await?
                && !self.is_marked(&keys, &version).await?
                && (policy.dry_run || self.delete_version(&keys, &version).await?);
            if delete {
                &mut report.deleted
            } else {
                &mut report.kept
            }
            .push(version);
        }
        Ok(report)
    }

    /// Whether someone spares `version`, or is about to make it live.
    async fn is_marked(
        &self,
        keys: &LanguageKeys,
        version: &Version,
    ) -> Result<bool, RegistryError> {
        Ok(objects::head(&self.store, &keys.pin(version))
            .await?
            .is_some()
            || self.is_fresh(&keys.lease(version)).await?)
    }

    /// Whether `version` is being deleted.
    pub(crate) async fn is_retiring(
        &self,
        keys: &LanguageKeys,
        version: &Version,
    ) -> Result<bool, RegistryError> {
        self.is_fresh(&keys.retiring(version)).await
    }

    /// Whether the mark at `key` is there and its writer may still be at work.
    async fn is_fresh(&self, key: &object_store::path::Path) -> Result<bool, RegistryError> {
        let youngest = self.now().saturating_sub(MARK_LIFE);
        let mark = objects::head(&self.store, key).await?;
        Ok(mark.is_some_and(|mark| mark.last_modified.timestamp_millis() >= youngest))
    }

    async fn older_than(
        &self,
        keys: &LanguageKeys,
        version: &Version,
        seconds: u64,
    ) -> Result<bool, RegistryError> {
        let youngest = self
            .now()
            .saturating_sub_unsigned(seconds.saturating_mul(1000));
        let objects = objects::list(&self.store, &keys.version(version), None).await?;
        Ok(objects
            .iter()
            .all(|object| object.last_modified.timestamp_millis() <= youngest))
    }

    /// Deletes `version` unless it has become live or pinned meanwhile; says whether it did.
    async fn delete_version(
        &self,
        keys: &LanguageKeys,
        version: &Version,
    ) -> Result<bool, RegistryError> {
        // Whoever makes a version live pins it and then looks for this marker; here the marker is
        // written and then pins and the log are read. One of the two sees the other.
        let marker = keys.retiring(version);
        objects::overwrite(&self.store, &marker, Bytes::from_static(b"{}\n")).await?;
        let live = self
            .head(keys)
            .await?
            .is_some_and(|newest| newest.version == *version);
        let delete = !live && !self.is_marked(keys, version).await?;
        if delete {
            objects::delete(&self.store, &keys.manifest(version)).await?;
            for object in objects::list(&self.store, &keys.version(version), None).await? {
                objects::delete(&self.store, &object.location).await?;
            }
        }
        objects::delete(&self.store, &marker).await?;
        Ok(delete)
    }
}
