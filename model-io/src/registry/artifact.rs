//! Specifications, statistics and code: folders under versions of their own.

use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;

use crate::container::{FORMAT_VERSION, sha256_hex};
use crate::file;
use crate::registry::layout::{ArtifactKind, MANIFEST_FILE, checked};
use crate::registry::objects::{self, Created};
use crate::registry::record::{self, FileEntry, FolderManifest};
use crate::registry::resolve::check_entry;
use crate::registry::{Registry, RegistryError};
use crate::version::Version;

impl Registry {
    /// Publishes a folder of files, all create-only and the manifest last.
    ///
    /// `language` is not used for [`ArtifactKind::Code`]. The same content again is no error.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::Name`]: a file's name cannot stand in a key;
    /// - [`RegistryError::VersionTaken`]: other content stands under the version;
    /// - other [`RegistryError`]s from the store.
    pub async fn publish_artifact(
        &self,
        kind: ArtifactKind,
        language: &str,
        version: &Version,
        files: &[(String, Bytes)],
    ) -> Result<FolderManifest, RegistryError> {
        let folder = self
            .layout
            .artifact_versions(kind, language)?
            .join(version.as_str());
        let mut entries: Vec<FileEntry> = Vec::new();
        for (name, bytes) in files {
            let name = checked("file name", name)?.to_owned();
            let twice = entries.iter().any(|entry| entry.name == name) || name == MANIFEST_FILE;
            if twice {
                let key = folder.clone().join(name.as_str()).to_string();
                return Err(RegistryError::VersionTaken {
                    version: version.clone(),
                    key,
                });
            }
            entries.push(FileEntry {
                name,
                size: bytes.len() as u64,
                sha256: sha256_hex(bytes),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for (name, bytes) in files {
            self.create_same(folder.clone().join(name.as_str()), bytes.clone(), version)
                .await?;
        }
        let manifest = FolderManifest {
            format: FORMAT_VERSION,
            min_reader: 1,
            kind: kind.name().to_owned(),
            language: (kind != ArtifactKind::Code).then(|| language.to_owned()),
            version: version.clone(),
            files: entries,
        };
        let key = folder.join(MANIFEST_FILE);
        self.create_same(key.clone(), record::encode(&key, &manifest)?, version)
            .await?;
        Ok(manifest)
    }

    /// Returns the versions of `kind` that are complete, sorted by name.
    ///
    /// # Errors
    ///
    /// Any [`RegistryError`] from the store.
    pub async fn artifact_versions(
        &self,
        kind: ArtifactKind,
        language: &str,
    ) -> Result<Vec<Version>, RegistryError> {
        let folder = self.layout.artifact_versions(kind, language)?;
        let mut versions = Vec::new();
        for name in objects::folders(&self.store, &folder).await? {
            let manifest = folder.clone().join(name.as_str()).join(MANIFEST_FILE);
            if let Ok(version) = Version::new(name)
                && objects::head(&self.store, &manifest).await?.is_some()
            {
                versions.push(version);
            }
        }
        Ok(versions)
    }

    /// Returns the manifest and the files of a version, verified.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::NotFound`]: the version is not there or not complete;
    /// - [`RegistryError::Damaged`]: a file is not what was published;
    /// - other [`RegistryError`]s from the store.
    pub async fn artifact(
        &self,
        kind: ArtifactKind,
        language: &str,
        version: &Version,
    ) -> Result<(FolderManifest, Vec<(String, Bytes)>), RegistryError> {
        let folder = self
            .layout
            .artifact_versions(kind, language)?
            .join(version.as_str());
        let key = folder.clone().join(MANIFEST_FILE);
        let missing = |key: &object_store::path::Path| RegistryError::NotFound {
            what: format!("{} version {version}", kind.name()),
            key: key.to_string(),
        };
        let bytes = objects::read(&self.store, &key)
            .await?
            .ok_or_else(|| missing(&key))?;
        let manifest: FolderManifest = record::decode(&key, &bytes)?;
        record::check_reader(&key, manifest.min_reader)?;
        let mut files = Vec::new();
        for entry in &manifest.files {
            // The manifest is from outside: its names must not leave the folder.
            let key = folder.clone().join(checked("file name", &entry.name)?);
            let bytes = objects::read(&self.store, &key)
                .await?
                .ok_or_else(|| missing(&key))?;
            check_entry(&key, entry, &bytes)?;
            files.push((entry.name.clone(), bytes));
        }
        Ok((manifest, files))
    }

    /// Copies a version of a specification, of statistics or of code into `folder`, verified;
    /// returns the paths written. Files there are replaced whole.
    ///
    /// # Errors
    ///
    /// - those of [`Registry::artifact`];
    /// - [`RegistryError::File`]: a file could not be written.
    pub async fn fetch_artifact(
        &self,
        kind: ArtifactKind,
        language: &str,
        version: &Version,
        folder: &FilePath,
    ) -> Result<Vec<PathBuf>, RegistryError> {
        let (_, files) = self.artifact(kind, language, version).await?;
        let named = files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_ref()));
        write_files(folder, named)
    }

    /// Copies a model and its manifest into `folder`, verified; returns the paths written.
    ///
    /// # Errors
    ///
    /// - those of [`Registry::model`];
    /// - [`RegistryError::File`]: a file could not be written.
    pub async fn fetch_model(
        &self,
        language: &str,
        version: &Version,
        folder: &FilePath,
    ) -> Result<Vec<PathBuf>, RegistryError> {
        let (manifest, bytes) = self.model(language, version).await?;
        let key = self.layout.language(language)?.manifest(version);
        let record = record::encode(&key, &manifest)?;
        write_files(
            folder,
            [
                (manifest.file.name.as_str(), bytes.as_ref()),
                (MANIFEST_FILE, record.as_ref()),
            ],
        )
    }

    async fn create_same(
        &self,
        key: object_store::path::Path,
        bytes: Bytes,
        version: &Version,
    ) -> Result<(), RegistryError> {
        let same = |there: &[u8]| there == bytes;
        match objects::create(&self.store, &key, bytes.clone(), same).await? {
            Created::Ours | Created::Same => Ok(()),
            Created::Theirs(_) => Err(RegistryError::VersionTaken {
                version: version.clone(),
                key: key.to_string(),
            }),
        }
    }
}

fn write_files<'a>(
    folder: &FilePath,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Vec<PathBuf>, RegistryError> {
    use std::io::Write;
    file::create_folder(folder).map_err(|source| RegistryError::File { source })?;
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = folder.join(name);
        file::replace(&path, |out| out.write_all(bytes))
            .map_err(|source| RegistryError::File { source })?;
        written.push(path);
    }
    Ok(written)
}
