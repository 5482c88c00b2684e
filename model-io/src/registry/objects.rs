//! Single objects: bounded retries, and the outcome rule of create-only writes.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode};

use crate::registry::RegistryError;

/// Attempts before an operation gives up; the stores of the cloud retry below this as well.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Who wrote the object that now stands under a key.
#[derive(Debug, PartialEq)]
pub(crate) enum Created {
    /// This call, and the store said so.
    Ours,
    /// Bytes that `ours` accepts are there; whether this call wrote them is not known.
    Same,
    /// Other bytes are there.
    Theirs(Bytes),
}

/// Creates `key` unless it exists.
///
/// The outcome rule: after **any** error the key is read. Bytes that `ours` accepts: done. Other
/// bytes: lost. Nothing there: the same write again, a bounded number of times. Unreadable:
/// unknown, and nothing is deleted. A lost response, a retried request and a spurious conflict all
/// end in the truth this way.
pub(crate) async fn create(
    store: &Arc<dyn ObjectStore>,
    key: &Path,
    bytes: Bytes,
    ours: impl Fn(&[u8]) -> bool,
) -> Result<Created, RegistryError> {
    let mut attempt = 0;
    loop {
        let written = store
            .put_opts(key, bytes.clone().into(), PutMode::Create.into())
            .await;
        let Err(error) = written else {
            return Ok(Created::Ours);
        };
        if matches!(error, object_store::Error::NotImplemented { .. }) {
            return Err(RegistryError::UnfitStore {
                reason: error.to_string(),
            });
        }
        match read(store, key).await {
            Ok(Some(there)) if ours(&there) => return Ok(Created::Same),
            Ok(Some(there)) => return Ok(Created::Theirs(there)),
            Ok(None) if attempt + 1 < ATTEMPTS => pause(attempt).await,
            Ok(None) | Err(_) => {
                return Err(RegistryError::OutcomeUnknown {
                    key: key.to_string(),
                    source: error,
                });
            }
        }
        attempt += 1;
    }
}

/// Reads `key` whole; `None` if it is not there.
pub(crate) async fn read(
    store: &Arc<dyn ObjectStore>,
    key: &Path,
) -> Result<Option<Bytes>, RegistryError> {
    let got = retry(|| async { store.get(key).await?.bytes().await }).await;
    present(got).map_err(|source| failed("reading", key, source))
}

/// Size and time of `key`; `None` if it is not there.
pub(crate) async fn head(
    store: &Arc<dyn ObjectStore>,
    key: &Path,
) -> Result<Option<ObjectMeta>, RegistryError> {
    let got = retry(|| async { store.head(key).await }).await;
    present(got).map_err(|source| failed("reading", key, source))
}

/// Overwrites `key`.
pub(crate) async fn overwrite(
    store: &Arc<dyn ObjectStore>,
    key: &Path,
    bytes: Bytes,
) -> Result<(), RegistryError> {
    let put = retry(|| async { store.put(key, bytes.clone().into()).await }).await;
    put.map(|_| ())
        .map_err(|source| failed("writing", key, source))
}

/// Deletes `key`; one that is not there is no error.
pub(crate) async fn delete(store: &Arc<dyn ObjectStore>, key: &Path) -> Result<(), RegistryError> {
    let deleted = retry(|| async { store.delete(key).await }).await;
    present(deleted)
        .map(|_| ())
        .map_err(|source| failed("deleting", key, source))
}

/// Objects below `folder` whose keys sort after `offset`, sorted by key.
pub(crate) async fn list(
    store: &Arc<dyn ObjectStore>,
    folder: &Path,
    offset: Option<&Path>,
) -> Result<Vec<ObjectMeta>, RegistryError> {
    let listed = retry(|| async {
        match offset {
            Some(offset) => {
                store
                    .list_with_offset(Some(folder), offset)
                    .try_collect()
                    .await
            }
            None => store.list(Some(folder)).try_collect::<Vec<_>>().await,
        }
    });
    let mut objects = present(listed.await)
        .map_err(|source| failed("listing", folder, source))?
        .unwrap_or_default();
    // No store promises an order; a local one has none.
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(objects)
}

/// Names of the folders directly below `folder`, sorted.
pub(crate) async fn folders(
    store: &Arc<dyn ObjectStore>,
    folder: &Path,
) -> Result<Vec<String>, RegistryError> {
    let listed = retry(|| async { store.list_with_delimiter(Some(folder)).await }).await;
    let listed = present(listed).map_err(|source| failed("listing", folder, source))?;
    let prefixes = listed
        .map(|result| result.common_prefixes)
        .unwrap_or_default();
    let mut names: Vec<String> = prefixes
        .iter()
        .filter_map(|path| path.filename().map(str::to_owned))
        .collect();
    names.sort_unstable();
    Ok(names)
}

async fn retry<T, F>(operation: impl Fn() -> F) -> object_store::Result<T>
where
    F: Future<Output = object_store::Result<T>>,
{
    let mut attempt = 0;
    loop {
        match operation().await {
            Err(error) if attempt + 1 < ATTEMPTS && may_pass(&error) => pause(attempt).await,
            outcome => return outcome,
        }
        attempt += 1;
    }
}

/// Errors that the same request will meet again are not worth repeating.
fn may_pass(error: &object_store::Error) -> bool {
    use object_store::Error;
    !matches!(
        error,
        Error::NotFound { .. }
            | Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::NotModified { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
    )
}

fn present<T>(outcome: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn failed(action: &'static str, key: &Path, source: object_store::Error) -> RegistryError {
    RegistryError::Store {
        action,
        key: key.to_string(),
        source,
    }
}

/// Waits 20 ms, doubling with each attempt, times a random half to one.
pub(crate) async fn pause(attempt: u32) {
    let full = FIRST_PAUSE * 2_u32.saturating_pow(attempt.min(6));
    tokio::time::sleep(full.mul_f64(0.5 + 0.5 * random_unit())).await;
}

/// A number within 0 to 1 that differs from call to call and process to process.
pub(crate) fn random_unit() -> f64 {
    f64::from(u32::try_from(random() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// 64 bits seeded by the operating system, as the standard library's hash maps are.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// An identifier that no other attempt has.
pub(crate) fn unique_id() -> String {
    format!("{:016x}{:016x}", random(), random())
}
