//! Finding versions: what is live, what was, what is there.

use std::collections::BTreeSet;

use bytes::Bytes;
use object_store::ObjectMeta;

use crate::container::sha256_hex;
use crate::model_file::View;
use crate::registry::layout::LanguageKeys;
use crate::registry::objects;
use crate::registry::record::{self, Commit, Manifest};
use crate::registry::{Registry, RegistryError};
use crate::snapshot::DEFAULT_MAX_COLUMNS;
use crate::version::{Version, utc_text};

/// Which model is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// The one that is live.
    Latest,
    /// This one, live or not.
    Version(Version),
    /// The one that was live at this time, in milliseconds since the Unix epoch.
    At(i64),
}

/// One version of a listing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Listed {
    /// The version.
    pub version: Version,
    /// Its manifest; `None` for a publish that did not get that far.
    pub manifest: Option<Manifest>,
    /// Numbers of the commits that made it live, ascending.
    pub commits: Vec<u64>,
    /// Whether it is the one that is live.
    pub live: bool,
    /// Whether retention spares it.
    pub pinned: bool,
}

impl Registry {
    /// Returns the newest commit of `language`, or `None` if nothing was ever committed.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`] from the store.
    pub async fn latest(&self, language: &str) -> Result<Option<Commit>, RegistryError> {
        self.head(&self.layout.language(language)?).await
    }

    /// Returns the version that `selector` means.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NotFound`]: there is no such version, or nothing was live then;
    /// - other [`RegistryError`]s from the store.
    ///
    /// # Complexity
    ///
    /// One or two reads and a listing; by time O(log commits) reads.
    pub async fn resolve(
        &self,
        language: &str,
        selector: &Selector,
    ) -> Result<Version, RegistryError> {
        let keys = self.layout.language(language)?;
        if let Selector::Version(version) = selector {
            self.manifest(&keys, version).await?;
            return Ok(version.clone());
        }
        let nothing = |what: String| RegistryError::NotFound {
            what,
            key: keys.commits().to_string(),
        };
        let newest = self.head(&keys).await?;
        let newest = newest.ok_or_else(|| nothing(format!("a live model of {language}")))?;
        let Selector::At(time) = selector else {
            return Ok(newest.version);
        };
        let time = utc_text(*time);
        if newest.committed_at <= time {
            return Ok(newest.version);
        }
        // Times never decrease along the log, so the last record up to `time` is found by halves.
        let (mut low, mut high, mut found) = (0, newest.n, None);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let commit = self.commit(&keys, middle).await?;
            if commit.committed_at <= time {
                (low, found) = (middle, Some(commit.version));
            } else {
                high = middle;
            }
        }
        found.ok_or_else(|| nothing(format!("a model of {language} live at {time}")))
    }

    /// Returns every commit of `language`, oldest first.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NotFound`]: the log has a gap;
    /// - other [`RegistryError`]s from the store.
    ///
    /// # Complexity
    ///
    /// O(commits) reads.
    pub async fn commits(&self, language: &str) -> Result<Vec<Commit>, RegistryError> {
        let keys = self.layout.language(language)?;
        match self.head(&keys).await? {
            Some(_) => self.commits_from(&keys, 1).await,
            None => Ok(Vec::new()),
        }
    }

    /// Returns the languages that have models, sorted.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`]: the store failed.
    pub async fn languages(&self) -> Result<Vec<String>, RegistryError> {
        objects::folders(&self.store, self.layout.all_models()).await
    }

    /// Returns every version of `language`, sorted by name.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`] from the store.
    ///
    /// # Complexity
    ///
    /// O(versions + commits) reads.
    pub async fn list(&self, language: &str) -> Result<Vec<Listed>, RegistryError> {
        let keys = self.layout.language(language)?;
        let commits = self.commits(language).await?;
        let live = commits.last().map(|commit| commit.version.clone());
        let mut listed = Vec::new();
        for version in self.versions(&keys).await? {
            let key = keys.manifest(&version);
            let manifest = match objects::read(&self.store, &key).await? {
                Some(bytes) => Some(record::decode(&key, &bytes)?),
                None => None,
            };
            let naming = commits.iter().filter(|commit| commit.version == version);
            listed.push(Listed {
                manifest,
                commits: naming.map(|commit| commit.n).collect(),
                live: live.as_ref() == Some(&version),
                pinned: objects::head(&self.store, &keys.pin(&version))
                    .await?
                    .is_some(),
                version,
            });
        }
        Ok(listed)
    }

    /// Returns the manifest of a version.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NotFound`]: there is no such version;
    /// - other [`RegistryError`]s from the store.
    pub async fn show(&self, language: &str, version: &Version) -> Result<Manifest, RegistryError> {
        self.manifest(&self.layout.language(language)?, version)
            .await
            .map(|(manifest, _)| manifest)
    }

    /// Returns a model's manifest and bytes, verified against each other and decoded once.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NotFound`]: there is no such version;
    /// - [`RegistryError::Damaged`], [`RegistryError::Decode`]: what is there is not what was
    ///   published;
    /// - other [`RegistryError`]s from the store.
    pub async fn model(
        &self,
        language: &str,
        version: &Version,
    ) -> Result<(Manifest, Bytes), RegistryError> {
        let keys = self.layout.language(language)?;
        let (manifest, _) = self.manifest(&keys, version).await?;
        let bytes = self.verified(&keys, &manifest).await?;
        Ok((manifest, bytes))
    }

    /// The versions that have an object, sorted; a local disk may keep empty folders of others.
    pub(crate) async fn versions(
        &self,
        keys: &LanguageKeys,
    ) -> Result<BTreeSet<Version>, RegistryError> {
        let objects = objects::list(&self.store, &keys.models, None).await?;
        let folder = |object: &ObjectMeta| {
            let mut rest = object.location.prefix_match(&keys.models)?;
            let folder = rest.next()?.as_ref().to_owned();
            rest.next().and(Version::new(folder).ok())
        };
        Ok(objects.iter().filter_map(folder).collect())
    }

    /// The manifest of `version` and its digest.
    pub(crate) async fn manifest(
        &self,
        keys: &LanguageKeys,
        version: &Version,
    ) -> Result<(Manifest, String), RegistryError> {
        let key = keys.manifest(version);
        let bytes =
            objects::read(&self.store, &key)
                .await?
                .ok_or_else(|| RegistryError::NotFound {
                    what: format!("version {version}"),
                    key: key.to_string(),
                })?;
        let manifest: Manifest = record::decode(&key, &bytes)?;
        record::check_reader(&key, manifest.min_reader)?;
        if manifest.version != *version || manifest.file.name != crate::registry::layout::MODEL_FILE
        {
            let reason = format!(
                "it describes {} of {}",
                manifest.file.name, manifest.version
            );
            return Err(RegistryError::Damaged {
                key: key.to_string(),
                reason,
            });
        }
        Ok((manifest, sha256_hex(&bytes)))
    }

    /// The model file that `manifest` describes, with size, digest and content checked.
    pub(crate) async fn verified(
        &self,
        keys: &LanguageKeys,
        manifest: &Manifest,
    ) -> Result<Bytes, RegistryError> {
        let key = keys.model(&manifest.version);
        let bytes = objects::read(&self.store, &key).await?.ok_or_else(|| {
            let what = format!("the model of version {}", manifest.version);
            RegistryError::NotFound {
                what,
                key: key.to_string(),
            }
        })?;
        check_entry(&key, &manifest.file, &bytes)?;
        let view =
            View::parse(&bytes, DEFAULT_MAX_COLUMNS).map_err(|source| RegistryError::Decode {
                key: key.to_string(),
                source,
            })?;
        let info = &view.metadata.info;
        if info.version != manifest.version || info.language != manifest.language {
            let reason = format!("it is version {} of {}", info.version, info.language);
            return Err(RegistryError::Damaged {
                key: key.to_string(),
                reason,
            });
        }
        drop(view);
        Ok(bytes)
    }
}

/// Checks `bytes` against what the manifest says of them.
pub(crate) fn check_entry(
    key: &object_store::path::Path,
    entry: &record::FileEntry,
    bytes: &[u8],
) -> Result<(), RegistryError> {
    let damaged = |reason| {
        Err(RegistryError::Damaged {
            key: key.to_string(),
            reason,
        })
    };
    if bytes.len() as u64 != entry.size {
        return damaged(format!(
            "{} bytes, the manifest says {}",
            bytes.len(),
            entry.size
        ));
    }
    let sha256 = sha256_hex(bytes);
    if sha256 != entry.sha256 {
        return damaged(format!(
            "SHA-256 {sha256}, the manifest says {}",
            entry.sha256
        ));
    }
    Ok(())
}
