//! Every step of every protocol under every fault a store can show, on one process.
//!
//! What a client sees is from measurements of real servers: a write whose response was lost comes
//! back as "already exists" or as an error, and the bytes are there; a spurious conflict comes back
//! as "already exists", and nothing is there.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use model_io::{PublishOptions, Registry, RetainPolicy};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::common::{numbered, test_in_virtual_time as test, version};

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Applied, and the client is told that the object exists (its own retry met its write).
    AppliedExists,
    /// Applied, and the client sees a reset or a time-out.
    AppliedError,
    /// Not applied: 503 until the client gave up.
    Unavailable,
    /// Not applied, and the client is told that the object exists (a server's 409).
    SpuriousExists,
    /// The server is gone from this request on.
    Down,
}

const FAULTS: [Fault; 5] = [
    Fault::AppliedExists,
    Fault::AppliedError,
    Fault::Unavailable,
    Fault::SpuriousExists,
    Fault::Down,
];

/// A store in memory that fails request number `at` in one way.
#[derive(Debug)]
struct Faulty {
    inner: Arc<InMemory>,
    fault: Option<(usize, Fault)>,
    requests: AtomicUsize,
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Faulty")
    }
}

fn generic() -> Error {
    Error::Generic {
        store: "faulty",
        source: "connection reset".into(),
    }
}

fn exists(path: &Path) -> Error {
    Error::AlreadyExists {
        path: path.to_string(),
        source: "409".into(),
    }
}

impl Faulty {
    /// The fault of this request, if it is the one; counts it.
    fn fault(&self) -> Option<Fault> {
        let request = self.requests.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Some((at, Fault::Down)) if request >= at => Some(Fault::Down),
            Some((at, fault)) if request == at => Some(fault),
            _ => None,
        }
    }

    fn read_fault(&self) -> Result<()> {
        match self.fault() {
            // To a read every fault is an error; a truncated body ends as one as well.
            Some(_) => Err(generic()),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, data: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create = opts.mode == object_store::PutMode::Create;
        match self.fault() {
            None => self.inner.put_opts(path, data, opts).await,
            Some(Fault::AppliedExists) if create => {
                self.inner.put_opts(path, data, opts).await?;
                Err(exists(path))
            }
            Some(Fault::AppliedError | Fault::AppliedExists) => {
                self.inner.put_opts(path, data, opts).await?;
                Err(generic())
            }
            Some(Fault::SpuriousExists) if create => Err(exists(path)),
            Some(_) => Err(generic()),
        }
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(generic())
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.read_fault()?;
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read_fault()?;
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.fault() {
            None => self.inner.delete_stream(paths),
            Some(Fault::AppliedExists | Fault::AppliedError) => self
                .inner
                .delete_stream(paths)
                .map(|_| Err(generic()))
                .boxed(),
            Some(_) => stream::iter([Err(generic())]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.read_fault() {
            Ok(()) => self.inner.list(prefix),
            // A listing may break after its first entries.
            Err(error) => self
                .inner
                .list(prefix)
                .take(1)
                .chain(stream::iter([Err(error)]))
                .boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.read_fault()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.read_fault()?;
        self.inner.copy_opts(from, to, options).await
    }
}

fn faulty(inner: &Arc<InMemory>, fault: Option<(usize, Fault)>) -> (Registry, Arc<Faulty>) {
    let requests = AtomicUsize::new(0);
    let store = Arc::new(Faulty {
        inner: inner.clone(),
        fault,
        requests,
    });
    (Registry::new(store.clone(), Path::from("r")), store)
}

/// Runs `step` with each of its requests failing in each way, `again` without faults afterwards,
/// and `check` on what is then there. Returns the number of cases.
async fn under_every_fault(
    prepare: impl AsyncFn(&Registry),
    step: impl AsyncFn(&Registry) -> bool,
    check: impl AsyncFn(&Registry, Fault, usize),
) -> usize {
    let mut cases = 0;
    for fault in FAULTS {
        for at in 0.. {
            let inner = Arc::new(InMemory::new());
            let (sound, _) = faulty(&inner, None);
            prepare(&sound).await;
            let (broken, store) = faulty(&inner, Some((at, fault)));
            let done = step(&broken).await;
            let reached = store.requests.load(Ordering::SeqCst) > at;
            if !reached {
                assert!(done, "without a fault the step succeeds");
                break;
            }
            assert!(
                step(&sound).await,
                "{fault:?} at request {at}: doing it again succeeds"
            );
            check(&sound, fault, at).await;
            let report = sound.verify("HI").await.unwrap();
            assert!(
                report.problems.is_empty(),
                "{fault:?} at {at}: {:?}",
                report.problems
            );
            cases += 1;
        }
    }
    cases
}

#[test]
fn a_publish_is_never_lost_and_never_doubled() {
    test(async {
        let options = PublishOptions::default();
        let cases = under_every_fault(
            async |registry| {
                for events in [1, 2] {
                    registry.publish(&numbered(events), &options).await.unwrap();
                }
            },
            async |registry| registry.publish(&numbered(3), &options).await.is_ok(),
            async |registry, fault, at| {
                let commits = registry.commits("HI").await.unwrap();
                let versions: Vec<_> = commits.into_iter().map(|commit| commit.version).collect();
                assert_eq!(
                    versions,
                    [version(1), version(2), version(3)],
                    "{fault:?} at {at}"
                );
            },
        )
        .await;
        assert!(cases > 30, "{cases} cases");
    });
}

#[test]
fn a_single_lost_response_is_no_error_at_all() {
    test(async {
        for fault in [
            Fault::AppliedExists,
            Fault::AppliedError,
            Fault::SpuriousExists,
        ] {
            for at in 0..12 {
                let inner = Arc::new(InMemory::new());
                let (registry, _) = faulty(&inner, Some((at, fault)));
                let published = registry
                    .publish(&numbered(1), &PublishOptions::default())
                    .await;
                assert_eq!(published.unwrap().commit.n, 1, "{fault:?} at request {at}");
            }
        }
    });
}

#[test]
fn a_rollback_is_never_lost_and_never_doubled() {
    test(async {
        let options = PublishOptions::default();
        under_every_fault(
            async |registry| {
                for events in [1, 2] {
                    registry.publish(&numbered(events), &options).await.unwrap();
                }
            },
            async |registry| {
                registry
                    .rollback("HI", &version(1), Some("bad"))
                    .await
                    .is_ok()
            },
            async |registry, fault, at| {
                let commits = registry.commits("HI").await.unwrap();
                assert_eq!(commits.len(), 3, "{fault:?} at {at}");
                assert_eq!((&commits[2].version, commits[2].hold), (&version(1), true));
            },
        )
        .await;
    });
}

#[test]
fn retention_never_deletes_what_is_live_pinned_or_needed() {
    test(async {
        let options = PublishOptions::default();
        let mut policy = RetainPolicy::default();
        (policy.keep, policy.recent_commits) = (2, 1);
        (policy.min_age, policy.min_age_uncommitted) = (0, 0);
        under_every_fault(
            async |registry| {
                for events in 1..=5 {
                    registry.publish(&numbered(events), &options).await.unwrap();
                }
                registry.pin("HI", &version(2)).await.unwrap();
            },
            async |registry| registry.retain("HI", &policy).await.is_ok(),
            async |registry, fault, at| {
                let listed = registry.list("HI").await.unwrap();
                let kept: Vec<_> = listed.iter().map(|entry| entry.version.clone()).collect();
                assert_eq!(
                    kept,
                    [version(2), version(4), version(5)],
                    "{fault:?} at {at}"
                );
                assert!(registry.model("HI", &version(5)).await.is_ok());
                assert_eq!(
                    registry.commits("HI").await.unwrap().len(),
                    5,
                    "commits stay"
                );
            },
        )
        .await;
    });
}

#[test]
fn a_checkpoint_is_never_lost_and_never_doubled() {
    test(async {
        for fault in FAULTS {
            for at in 0..8 {
                let inner = Arc::new(InMemory::new());
                let (sound, _) = faulty(&inner, None);
                let (mut writer, _) = sound.checkpoints("HI").unwrap().take_over().await.unwrap();
                let mut state = model_io::Checkpoint::default();
                state.progress.events_learned = 10;
                writer.commit(&mut state).await.unwrap();

                let (broken, _) = faulty(&inner, Some((at, fault)));
                if let Ok((mut writer, state)) = broken.checkpoints("HI").unwrap().take_over().await
                {
                    let mut state = state.unwrap();
                    assert_eq!(state.progress.events_learned, 10);
                    state.progress.events_learned = 20;
                    let _ = writer.commit(&mut state).await;
                }
                // Whatever it was told, the next trainer continues at 10 or at 20, and can write.
                let log = sound.checkpoints("HI").unwrap();
                let (mut writer, state) = log.take_over().await.unwrap();
                let mut state = state.unwrap();
                assert!(
                    [10, 20].contains(&state.progress.events_learned),
                    "{fault:?} at {at}"
                );
                writer.commit(&mut state).await.unwrap();
            }
        }
    });
}
