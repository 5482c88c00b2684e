//! Which object lives under which key.

use object_store::path::Path;

use crate::registry::RegistryError;
use crate::version::{Version, check_name};

/// File name of a model within its version.
pub(crate) const MODEL_FILE: &str = "model.safetensors";
/// File name of a manifest within its version; written last.
pub(crate) const MANIFEST_FILE: &str = "manifest.json";

/// What is released under versions of its own besides models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ArtifactKind {
    /// Feature specification and vocabularies, per language.
    Spec,
    /// Population statistics, per language.
    Statistics,
    /// The worker and other programs, for all languages.
    Code,
}

impl ArtifactKind {
    /// Returns the word for commands and manifests: `spec`, `stats` or `code`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Statistics => "stats",
            Self::Code => "code",
        }
    }
}

/// Where in a store the parts of a registry are.
///
/// ```text
/// {root}/ctr_predict/metadata/SPARK/<language>/<version>/   specification, vocabularies
/// {root}/ctr_predict/stats/<language>/<version>/            statistics
/// {root}/ctr_predict/code/<version>/                        programs
/// {root}/models/<language>/<version>/                       model.safetensors, manifest.json
/// {root}/models/<language>/_commits/<n, 20 digits>.json     the log of what is live
/// {root}/models/<language>/_pins/<version>.json             versions that retention spares
/// {root}/models/<language>/_leases/<version>                a publish again, under way
/// {root}/models/<language>/_retiring/<version>              a deletion under way
/// {root}/models/<language>/LATEST                           hint: a copy of the newest commit
/// {root}/ckpt/<language>/<seq, 20 digits>.safetensors       checkpoints
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: Path,
    metadata: Path,
    statistics: Path,
    code: Path,
    models: Path,
    checkpoints: Path,
}

impl Layout {
    /// Returns the layout above under `root`.
    #[must_use]
    pub fn new(root: Path) -> Self {
        let below = |path: &str| {
            let parts = Path::from(path);
            root.parts().chain(parts.parts()).collect()
        };
        Self {
            metadata: below("ctr_predict/metadata/SPARK"),
            statistics: below("ctr_predict/stats"),
            code: below("ctr_predict/code"),
            models: below("models"),
            checkpoints: below("ckpt"),
            root,
        }
    }

    /// Sets the folder of specifications, such as another platform's.
    #[must_use]
    pub fn metadata(mut self, path: Path) -> Self {
        self.metadata = path;
        self
    }

    /// Sets the folder of statistics.
    #[must_use]
    pub fn statistics(mut self, path: Path) -> Self {
        self.statistics = path;
        self
    }

    /// Sets the folder of programs.
    #[must_use]
    pub fn code(mut self, path: Path) -> Self {
        self.code = path;
        self
    }

    /// Sets the folder of models, their commits and pins.
    #[must_use]
    pub fn models(mut self, path: Path) -> Self {
        self.models = path;
        self
    }

    /// Sets the folder of checkpoints.
    #[must_use]
    pub fn checkpoints(mut self, path: Path) -> Self {
        self.checkpoints = path;
        self
    }

    /// Folder of all languages of `kind`.
    pub(crate) fn artifacts(&self, kind: ArtifactKind) -> &Path {
        match kind {
            ArtifactKind::Spec => &self.metadata,
            ArtifactKind::Statistics => &self.statistics,
            ArtifactKind::Code => &self.code,
        }
    }

    /// Folder of the versions of `kind` for `language`, which code does not have.
    pub(crate) fn artifact_versions(
        &self,
        kind: ArtifactKind,
        language: &str,
    ) -> Result<Path, RegistryError> {
        match kind {
            ArtifactKind::Code => Ok(self.code.clone()),
            _ => Ok(self
                .artifacts(kind)
                .clone()
                .join(checked("language", language)?)),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn all_models(&self) -> &Path {
        &self.models
    }

    /// Keys of one language's models.
    pub(crate) fn language(&self, language: &str) -> Result<LanguageKeys, RegistryError> {
        let language = checked("language", language)?;
        Ok(LanguageKeys {
            models: self.models.clone().join(language),
            checkpoints: self.checkpoints.clone().join(language),
        })
    }
}

/// Keys of one language's models and checkpoints.
#[derive(Debug, Clone)]
pub(crate) struct LanguageKeys {
    pub(crate) models: Path,
    pub(crate) checkpoints: Path,
}

impl LanguageKeys {
    pub(crate) fn version(&self, version: &Version) -> Path {
        self.models.clone().join(version.as_str())
    }

    pub(crate) fn model(&self, version: &Version) -> Path {
        self.version(version).join(MODEL_FILE)
    }

    pub(crate) fn manifest(&self, version: &Version) -> Path {
        self.version(version).join(MANIFEST_FILE)
    }

    pub(crate) fn commits(&self) -> Path {
        self.models.clone().join("_commits")
    }

    pub(crate) fn commit(&self, n: u64) -> Path {
        self.commits().join(format!("{n:020}.json"))
    }

    pub(crate) fn latest(&self) -> Path {
        self.models.clone().join("LATEST")
    }

    pub(crate) fn pins(&self) -> Path {
        self.models.clone().join("_pins")
    }

    pub(crate) fn pin(&self, version: &Version) -> Path {
        self.pins().join(format!("{version}.json"))
    }

    /// Written by a publish of a version that was there already, until it is committed.
    pub(crate) fn lease(&self, version: &Version) -> Path {
        self.models.clone().join("_leases").join(version.as_str())
    }

    /// Written by retention while it deletes a version.
    pub(crate) fn retiring(&self, version: &Version) -> Path {
        self.models.clone().join("_retiring").join(version.as_str())
    }
}

/// `text` if it can stand as one segment of a key.
pub(crate) fn checked<'a>(kind: &'static str, text: &'a str) -> Result<&'a str, RegistryError> {
    check_name(kind, text).map_err(|source| RegistryError::Name { source })?;
    Ok(text)
}

/// The number in `…/<20 digits>.<ending>`.
pub(crate) fn sequence_of(key: &Path, ending: &str) -> Option<u64> {
    let digits = key.filename()?.strip_suffix(ending)?.strip_suffix('.')?;
    if digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}
