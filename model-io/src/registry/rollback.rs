//! Going back to an older model, and sparing versions from retention.

use bytes::Bytes;

use crate::registry::layout::LanguageKeys;
use crate::registry::log::Step;
use crate::registry::objects;
use crate::registry::record::{Commit, CommitKind};
use crate::registry::{Registry, RegistryError};
use crate::version::Version;

impl Registry {
    /// Makes an old version live again and holds it: automatic publishes store their versions and
    /// do not commit them until [`Registry::release`].
    ///
    /// The version is verified first and pinned, so that retention spares it.
    /// Doing it again, such as after an unclear error, is no error and writes no second record.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NotFound`], [`RegistryError::Damaged`], [`RegistryError::Decode`]: the
    ///   version is not there as it was published;
    /// - [`RegistryError::Retiring`]: it is being deleted;
    /// - other [`RegistryError`]s from the store.
    pub async fn rollback(
        &self,
        language: &str,
        version: &Version,
        reason: Option<&str>,
    ) -> Result<Commit, RegistryError> {
        let keys = self.layout.language(language)?;
        // The pin comes before the look at the marker; a retention run writes the marker before it
        // looks for pins. So at least one of the two sees the other and yields.
        self.write_pin(&keys, version, "rollback").await?;
        if self.is_retiring(&keys, version).await? {
            return Err(RegistryError::Retiring {
                version: version.clone(),
            });
        }
        let (manifest, manifest_sha256) = self.manifest(&keys, version).await?;
        self.verified(&keys, &manifest).await?;
        let newest = self.head(&keys).await?;
        let decide = |newest: Option<&Commit>| {
            if let Some(newest) = newest.filter(|newest| newest.hold && newest.version == *version)
            {
                return Ok(Step::Done(Box::new(newest.clone())));
            }
            Ok(Step::Append(Box::new(Commit {
                n: 0,
                commit_id: String::new(),
                kind: CommitKind::Rollback,
                version: version.clone(),
                manifest_sha256: manifest_sha256.clone(),
                hold: true,
                epoch: newest.map_or(0, |newest| newest.epoch),
                spec_fingerprint: manifest.spec.fingerprint.clone(),
                committed_at: String::new(),
                reason: reason.map(str::to_owned),
            })))
        };
        Ok(self.append(&keys, newest, |_| false, decide).await?.0)
    }

    /// Ends a hold: the live version stays live until the next publish.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NotFound`]: nothing was ever committed;
    /// - other [`RegistryError`]s from the store.
    pub async fn release(
        &self,
        language: &str,
        reason: Option<&str>,
    ) -> Result<Commit, RegistryError> {
        let keys = self.layout.language(language)?;
        let newest = self.head(&keys).await?;
        let decide = |newest: Option<&Commit>| match newest {
            None => Err(RegistryError::NotFound {
                what: format!("a live model of {language}"),
                key: keys.commits().to_string(),
            }),
            Some(newest) if !newest.hold => Ok(Step::Done(Box::new(newest.clone()))),
            Some(newest) => Ok(Step::Append(Box::new(Commit {
                kind: CommitKind::Release,
                hold: false,
                reason: reason.map(str::to_owned),
                ..newest.clone()
            }))),
        };
        Ok(self.append(&keys, newest, |_| false, decide).await?.0)
    }

    /// Spares a version from retention.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NotFound`]: there is no such version;
    /// - [`RegistryError::Retiring`]: it is being deleted;
    /// - other [`RegistryError`]s from the store.
    pub async fn pin(&self, language: &str, version: &Version) -> Result<(), RegistryError> {
        let keys = self.layout.language(language)?;
        self.manifest(&keys, version).await?;
        self.write_pin(&keys, version, "pin").await?;
        if self.is_retiring(&keys, version).await? {
            return Err(RegistryError::Retiring {
                version: version.clone(),
            });
        }
        Ok(())
    }

    /// Lets retention delete a version again; one that is not pinned is no error.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`] from the store.
    pub async fn unpin(&self, language: &str, version: &Version) -> Result<(), RegistryError> {
        let keys = self.layout.language(language)?;
        objects::delete(&self.store, &keys.pin(version)).await
    }

    async fn write_pin(
        &self,
        keys: &LanguageKeys,
        version: &Version,
        by: &str,
    ) -> Result<(), RegistryError> {
        let text = format!("{{\"by\":\"{by}\",\"version\":\"{version}\"}}\n");
        objects::overwrite(&self.store, &keys.pin(version), Bytes::from(text)).await
    }
}
