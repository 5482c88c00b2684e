//! Where things are kept: a local folder or a URL.

use std::fmt;
use std::path::{Component, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;

/// Why a text names no usable place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// No store is known for the scheme.
    #[error("unknown scheme `{scheme}://`, known: s3, gs, az, file, memory, or a local path")]
    UnknownScheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// This program was built without the store.
    #[error("`{scheme}://` needs a build with `--features {feature}`")]
    FeatureMissing {
        /// What stands before `://`.
        scheme: String,
        /// Cargo feature that adds the store.
        feature: &'static str,
    },
    /// A URL must not carry credentials or a query: both end up in logs.
    #[error(
        "credentials and queries do not belong in a URL; set the store's environment variables"
    )]
    CredentialsInUrl,
    /// The text is not a path or URL that the store understands.
    #[error("invalid location: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// The store refused its configuration.
    #[error("store for {location}")]
    Store {
        /// The location, without credentials.
        location: String,
        /// What the store says.
        source: object_store::Error,
    },
}

/// A place in an object store or on a local disk.
///
/// Cloud stores take their credentials, region and endpoint from the environment, such as
/// `AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT`; neither [`fmt::Debug`] nor [`fmt::Display`] shows them.
/// On local disks every write is synced.
///
/// # Examples
///
/// ```
/// use model_io::Location;
///
/// let location = Location::parse("memory://registry")?;
/// assert_eq!(location.prefix().as_ref(), "registry");
/// # Ok::<(), model_io::LocationError>(())
/// ```
#[derive(Clone)]
pub struct Location {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    name: String,
    local: Option<PathBuf>,
}

impl Location {
    /// Parses `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`,
    /// `file:///folder`, `memory://prefix` (a new empty store each time) or a local path, which
    /// need not exist.
    ///
    /// # Errors
    ///
    /// Any [`LocationError`].
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::local(PathBuf::from(text), text);
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') || rest.contains('?') {
            return Err(LocationError::CredentialsInUrl);
        }
        match scheme {
            "file" if rest.starts_with('/') => Self::local(PathBuf::from(rest), text),
            "file" => Err(LocationError::Invalid {
                reason: "a file URL begins with `file:///`".to_owned(),
            }),
            "memory" => Ok(Self {
                store: Arc::new(InMemory::new()),
                prefix: key_prefix(rest)?,
                name: text.to_owned(),
                local: None,
            }),
            "s3" | "s3a" => cloud::s3(&format!("s3://{rest}"), rest),
            "gs" => cloud::gcs(text, rest),
            "az" | "azure" | "abfs" | "abfss" => cloud::azure(text, rest),
            _ => Err(LocationError::UnknownScheme {
                scheme: scheme.to_owned(),
            }),
        }
    }

    /// Wraps a store that the caller has built.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        let name = format!("{store}/{prefix}");
        Self {
            store,
            prefix,
            name,
            local: None,
        }
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Returns the key under which everything of this location is kept.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Returns the folder, if the location is on a local disk.
    #[must_use]
    pub fn local_path(&self) -> Option<&std::path::Path> {
        self.local.as_deref()
    }

    /// Takes the location apart into store and prefix.
    #[must_use]
    pub fn into_parts(self) -> (Arc<dyn ObjectStore>, Path) {
        (self.store, self.prefix)
    }

    fn local(path: PathBuf, text: &str) -> Result<Self, LocationError> {
        let folder = absolute(path)?;
        let prefix = Path::from_absolute_path(&folder).map_err(|error| LocationError::Invalid {
            reason: error.to_string(),
        })?;
        let store = Arc::new(LocalFileSystem::new().with_fsync(true));
        Ok(Self {
            store,
            prefix,
            name: text.to_owned(),
            local: Some(folder),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl fmt::Debug for Location {
    /// Names the place and never shows the store, whose own output may hold its configuration.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Location").field(&self.name).finish()
    }
}

/// The path with its existing part resolved; `..` may occur in that part only.
fn absolute(path: PathBuf) -> Result<PathBuf, LocationError> {
    let invalid = |reason: String| LocationError::Invalid { reason };
    let path = std::path::absolute(&path).map_err(|error| invalid(error.to_string()))?;
    for ancestor in path.ancestors() {
        let Ok(existing) = ancestor.canonicalize() else {
            continue;
        };
        let rest = path
            .strip_prefix(ancestor)
            .map_err(|error| invalid(error.to_string()))?;
        if rest
            .components()
            .any(|part| !matches!(part, Component::Normal(_)))
        {
            return Err(invalid(format!(
                "`..` after a folder that does not exist: {}",
                path.display()
            )));
        }
        return Ok(existing.join(rest));
    }
    Err(invalid(format!("no part of {} exists", path.display())))
}

/// The key prefix of what follows `scheme://`, or follows the bucket in it.
fn key_prefix(path: &str) -> Result<Path, LocationError> {
    Path::parse(path.trim_matches('/')).map_err(|error| LocationError::Invalid {
        reason: error.to_string(),
    })
}

/// Stores behind cargo features; each has a twin that says which feature is missing.
mod cloud {
    use super::{Location, LocationError};
    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    use {super::key_prefix, object_store::ClientOptions, std::sync::Arc, std::time::Duration};

    /// One request may carry a whole checkpoint, which the default of 30 seconds can cut off.
    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    fn client_options() -> ClientOptions {
        ClientOptions::new().with_timeout(Duration::from_secs(300))
    }

    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    fn location<S: object_store::ObjectStore>(
        name: &str,
        rest: &str,
        store: object_store::Result<S>,
    ) -> Result<Location, LocationError> {
        let name = name.to_owned();
        let prefix = key_prefix(rest.split_once('/').map_or("", |(_, path)| path))?;
        let store = store.map_err(|source| LocationError::Store {
            location: name.clone(),
            source,
        })?;
        Ok(Location {
            store: Arc::new(store),
            prefix,
            name,
            local: None,
        })
    }

    #[cfg(feature = "aws")]
    pub(super) fn s3(name: &str, rest: &str) -> Result<Location, LocationError> {
        // Plain HTTP only where the environment names such an endpoint: a test server.
        let endpoint = std::env::var("AWS_ENDPOINT").or_else(|_| std::env::var("AWS_ENDPOINT_URL"));
        let plain = endpoint.is_ok_and(|endpoint| endpoint.starts_with("http://"));
        let builder = object_store::aws::AmazonS3Builder::from_env()
            .with_url(name)
            .with_client_options(client_options().with_allow_http(plain));
        location(name, rest, builder.build())
    }

    #[cfg(feature = "gcp")]
    pub(super) fn gcs(name: &str, rest: &str) -> Result<Location, LocationError> {
        let builder = object_store::gcp::GoogleCloudStorageBuilder::from_env()
            .with_url(name)
            .with_client_options(client_options());
        location(name, rest, builder.build())
    }

    #[cfg(feature = "azure")]
    pub(super) fn azure(name: &str, rest: &str) -> Result<Location, LocationError> {
        let builder = object_store::azure::MicrosoftAzureBuilder::from_env()
            .with_url(name)
            .with_client_options(client_options());
        location(name, rest, builder.build())
    }

    #[cfg(not(feature = "aws"))]
    pub(super) fn s3(_: &str, _: &str) -> Result<Location, LocationError> {
        Err(LocationError::FeatureMissing {
            scheme: "s3".to_owned(),
            feature: "aws",
        })
    }

    #[cfg(not(feature = "gcp"))]
    pub(super) fn gcs(_: &str, _: &str) -> Result<Location, LocationError> {
        Err(LocationError::FeatureMissing {
            scheme: "gs".to_owned(),
            feature: "gcp",
        })
    }

    #[cfg(not(feature = "azure"))]
    pub(super) fn azure(_: &str, _: &str) -> Result<Location, LocationError> {
        Err(LocationError::FeatureMissing {
            scheme: "az".to_owned(),
            feature: "azure",
        })
    }
}
