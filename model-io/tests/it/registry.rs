//! Rollback, retention, listing, artefacts, verification, races.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use model_io::{
    ArtifactKind, CommitKind, Layout, PublishOptions, PublishOutcome, Registry, RegistryError,
    RetainPolicy, Selector, Version,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::common::{numbered, stores, test, version};

async fn with_models(store: &Arc<dyn ObjectStore>, root: &Path, count: u64) -> Registry {
    let registry = Registry::new(store.clone(), root.clone());
    for events in 1..=count {
        registry
            .publish(&numbered(events), &PublishOptions::default())
            .await
            .unwrap();
    }
    registry
}

#[test]
fn a_rollback_holds_until_it_is_released() {
    test(async {
        for (store, root) in stores() {
            let registry = with_models(&store, &root, 2).await;
            let rollback = registry
                .rollback("HI", &version(1), Some("worse"))
                .await
                .unwrap();
            assert_eq!((rollback.n, rollback.kind), (3, CommitKind::Rollback));
            assert_eq!(rollback.reason.as_deref(), Some("worse"));
            let mut options = PublishOptions::default();
            let held = registry.publish(&numbered(3), &options).await.unwrap();
            assert_eq!((held.outcome, held.commit.n), (PublishOutcome::Held, 3));
            let live = registry.resolve("HI", &Selector::Latest).await.unwrap();
            assert_eq!(live, version(1));

            let release = registry.release("HI", None).await.unwrap();
            assert_eq!(
                (release.n, &release.version, release.hold),
                (4, &version(1), false)
            );
            let published = registry.publish(&numbered(3), &options).await.unwrap();
            assert_eq!(
                (published.outcome, published.commit.n),
                (PublishOutcome::Committed, 5)
            );

            registry.rollback("HI", &version(2), None).await.unwrap();
            options.override_hold = true;
            let forced = registry.publish(&numbered(4), &options).await.unwrap();
            assert_eq!((forced.commit.n, forced.commit.hold), (7, false));
        }
    });
}

#[test]
fn a_rollback_to_what_is_not_there_or_damaged_changes_nothing() {
    test(async {
        for (store, root) in stores() {
            let registry = with_models(&store, &root, 2).await;
            let error = registry
                .rollback("HI", &version(9), None)
                .await
                .unwrap_err();
            assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
            let key = Path::from(format!("{root}/models/HI/{}/model.safetensors", version(1)));
            let mut bytes = numbered(1).to_bytes().unwrap();
            bytes[300] ^= 4;
            store.put(&key, bytes.into()).await.unwrap();
            let error = registry
                .rollback("HI", &version(1), None)
                .await
                .unwrap_err();
            assert!(matches!(error, RegistryError::Damaged { .. }), "{error}");
            assert!(
                error
                    .to_string()
                    .contains("model.safetensors` is damaged: SHA-256")
            );
            assert_eq!(registry.latest("HI").await.unwrap().unwrap().n, 2);
        }
    });
}

static CLOCK: AtomicI64 = AtomicI64::new(0);

#[test]
fn what_was_live_at_a_time_is_found_in_the_log() {
    test(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let registry = Registry::new(store, Path::from("r")).clock(|| CLOCK.load(Ordering::SeqCst));
        // The third writer's clock is behind: its commit is dated as the one before.
        for (events, time) in [(1, 1000), (2, 2000), (3, 1500), (4, 4000)] {
            CLOCK.store(time, Ordering::SeqCst);
            registry
                .publish(&numbered(events), &PublishOptions::default())
                .await
                .unwrap();
        }
        for (time, events) in [
            (1000, 1),
            (1999, 1),
            (2000, 3),
            (3999, 3),
            (4000, 4),
            (9999, 4),
        ] {
            let found = registry.resolve("HI", &Selector::At(time)).await.unwrap();
            assert_eq!(found, version(events), "at {time}");
        }
        let error = registry
            .resolve("HI", &Selector::At(999))
            .await
            .unwrap_err();
        assert!(matches!(error, RegistryError::NotFound { .. }));
        let named = Selector::Version(version(2));
        assert_eq!(registry.resolve("HI", &named).await.unwrap(), version(2));
    });
}

#[test]
fn latest_is_a_hint_that_may_be_missing_stale_or_false() {
    test(async {
        for (store, root) in stores() {
            let registry = with_models(&store, &root, 3).await;
            let hint = Path::from(format!("{root}/models/HI/LATEST"));
            let first = Path::from(format!("{root}/models/HI/_commits/{:020}.json", 1));
            let first = store.get(&first).await.unwrap().bytes().await.unwrap();
            let mut invented: serde_json::Value = serde_json::from_slice(&first).unwrap();
            invented["n"] = 99.into();
            let invented = Bytes::from(invented.to_string());
            for wrong in [first, invented, Bytes::from_static(b"nonsense")] {
                store.put(&hint, wrong.into()).await.unwrap();
                assert_eq!(registry.latest("HI").await.unwrap().unwrap().n, 3);
            }
            store.delete(&hint).await.unwrap();
            assert_eq!(registry.latest("HI").await.unwrap().unwrap().n, 3);
        }
    });
}

#[test]
fn listing_and_retention_know_commits_pins_and_leftovers() {
    test(async {
        for (store, root) in stores() {
            let registry = with_models(&store, &root, 6).await;
            registry.pin("HI", &version(1)).await.unwrap();
            registry.rollback("HI", &version(2), None).await.unwrap();
            // A publish that died after its model file.
            let left = Path::from(format!(
                "{root}/models/HI/2022-01-01T00-5/model.safetensors"
            ));
            store
                .put(&left, Bytes::from_static(b"part").into())
                .await
                .unwrap();

            let listed = registry.list("HI").await.unwrap();
            assert_eq!(listed.len(), 7);
            assert_eq!(listed[0].manifest, None);
            let entry = listed
                .iter()
                .find(|entry| entry.version == version(2))
                .unwrap();
            assert_eq!((entry.commits.as_slice(), entry.live), (&[2, 7][..], true));
            assert_eq!(registry.languages().await.unwrap(), ["HI"]);

            let mut policy = RetainPolicy::default();
            let nothing = registry.retain("HI", &policy).await.unwrap();
            assert_eq!(
                nothing.deleted,
                [] as [Version; 0],
                "all is younger than a week"
            );
            (policy.keep, policy.recent_commits, policy.min_age) = (2, 1, 0);
            policy.dry_run = true;
            let dry = registry.retain("HI", &policy).await.unwrap();
            assert_eq!(dry.deleted, [version(3), version(4), version(5)]);
            assert_eq!(registry.list("HI").await.unwrap().len(), 7);
            policy.dry_run = false;
            assert_eq!(
                registry.retain("HI", &policy).await.unwrap().deleted,
                dry.deleted
            );
            let names: Vec<_> = registry
                .list("HI")
                .await
                .unwrap()
                .into_iter()
                .map(|one| one.version)
                .collect();
            let unfinished = Version::new("2022-01-01T00-5").unwrap();
            assert_eq!(
                names,
                [unfinished.clone(), version(1), version(2), version(6)]
            );
            policy.min_age_uncommitted = 0;
            assert_eq!(
                registry.retain("HI", &policy).await.unwrap().deleted,
                [unfinished]
            );
            assert!(registry.verify("HI").await.unwrap().problems.is_empty());
        }
    });
}

#[test]
fn a_version_that_is_being_deleted_does_not_become_live() {
    test(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let root = Path::from("r");
        let registry = with_models(&store, &root, 2).await;
        let marker = Path::from(format!("r/models/HI/_retiring/{}", version(1)));
        store
            .put(&marker, Bytes::from_static(b"{}").into())
            .await
            .unwrap();
        let error = registry
            .rollback("HI", &version(1), None)
            .await
            .unwrap_err();
        assert!(matches!(error, RegistryError::Retiring { .. }));
        let error = registry
            .publish(&numbered(1), &PublishOptions::default())
            .await
            .unwrap_err();
        assert!(matches!(error, RegistryError::Retiring { .. }));
        // A marker whose writer died hours ago binds nobody.
        let later = registry.clone().clock(|| i64::MAX / 4);
        assert_eq!(
            later
                .rollback("HI", &version(1), None)
                .await
                .unwrap()
                .version,
            version(1)
        );
    });
}

#[test]
fn folders_of_files_have_versions_of_their_own() {
    test(async {
        for (store, root) in stores() {
            let registry = Registry::new(store.clone(), root.clone());
            let files = [
                (
                    "spec.toml".to_owned(),
                    Bytes::from_static(b"name = \"x\"\n"),
                ),
                ("hashtags.txt".to_owned(), Bytes::from_static(b"#comedy\n")),
            ];
            let first = Version::new("v1").unwrap();
            for kind in [
                ArtifactKind::Spec,
                ArtifactKind::Statistics,
                ArtifactKind::Code,
            ] {
                for _ in 0..2 {
                    registry
                        .publish_artifact(kind, "HI", &first, &files)
                        .await
                        .unwrap();
                }
                let changed = [("spec.toml".to_owned(), Bytes::from_static(b"other"))];
                let error = registry
                    .publish_artifact(kind, "HI", &first, &changed)
                    .await;
                assert!(matches!(error, Err(RegistryError::VersionTaken { .. })));
                assert_eq!(
                    registry.artifact_versions(kind, "HI").await.unwrap(),
                    std::slice::from_ref(&first)
                );
            }
            let key = format!("{root}/ctr_predict/metadata/SPARK/HI/v1/spec.toml");
            assert_eq!(
                store
                    .get(&Path::from(key))
                    .await
                    .unwrap()
                    .bytes()
                    .await
                    .unwrap(),
                files[0].1
            );
            assert!(
                store
                    .head(&Path::from(format!("{root}/ctr_predict/code/v1/spec.toml")))
                    .await
                    .is_ok()
            );

            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("a/b");
            let written = registry
                .fetch_artifact(ArtifactKind::Spec, "HI", &first, &target)
                .await
                .unwrap();
            assert_eq!(written.len(), 2);
            assert_eq!(
                std::fs::read(target.join("hashtags.txt")).unwrap(),
                b"#comedy\n"
            );

            let key = format!("{root}/ctr_predict/stats/HI/v1/hashtags.txt");
            store
                .put(&Path::from(key), Bytes::from_static(b"#comedX\n").into())
                .await
                .unwrap();
            let statistics = registry
                .fetch_artifact(ArtifactKind::Statistics, "HI", &first, &target)
                .await
                .unwrap_err();
            assert!(
                matches!(statistics, RegistryError::Damaged { .. }),
                "{statistics}"
            );
        }
    });
}

#[test]
fn names_in_a_foreign_manifest_do_not_leave_the_folder() {
    test(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let registry = Registry::new(store.clone(), Path::from("r"));
        let escape = [("../../evil".to_owned(), Bytes::from_static(b"x"))];
        let v1 = Version::new("v1").unwrap();
        let error = registry
            .publish_artifact(ArtifactKind::Code, "", &v1, &escape)
            .await;
        assert!(matches!(error, Err(RegistryError::Name { .. })));
        let manifest = r#"{"format":1,"min_reader":1,"kind":"code","language":null,"version":"v1",
            "files":[{"name":"../../evil","size":1,"sha256":"00"}]}"#;
        let key = Path::from("r/ctr_predict/code/v1/manifest.json");
        store.put(&key, Bytes::from(manifest).into()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let error = registry
            .fetch_artifact(ArtifactKind::Code, "", &v1, folder.path())
            .await
            .unwrap_err();
        assert!(matches!(error, RegistryError::Name { .. }), "{error}");
    });
}

#[test]
fn a_fetched_model_opens_and_verification_finds_every_kind_of_damage() {
    test(async {
        for (store, root) in stores() {
            let registry = with_models(&store, &root, 3).await;
            let folder = tempfile::tempdir().unwrap();
            let written = registry
                .fetch_model("HI", &version(2), folder.path())
                .await
                .unwrap();
            let file = model_io::ModelFile::open(&written[0]).unwrap();
            assert_eq!(file.info().events_learned, 2);

            let report = registry.verify("HI").await.unwrap();
            assert_eq!((report.commits, report.models), (3, 3));
            assert!(report.problems.is_empty());
            let put = async |key: &str, bytes: &'static [u8]| {
                let key = Path::from(format!("{root}/models/HI/{key}"));
                store
                    .put(&key, Bytes::from_static(bytes).into())
                    .await
                    .unwrap();
            };
            put(&format!("{}/model.safetensors", version(1)), b"short").await;
            put(&format!("{}/manifest.json", version(3)), b"{}").await;
            let gap = Path::from(format!("{root}/models/HI/_commits/{:020}.json", 2));
            store.delete(&gap).await.unwrap();
            let report = registry.verify("HI").await.unwrap();
            let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
            assert_eq!(problems.len(), 3, "{problems:?}");
            assert!(
                problems[0].contains("commit 2 is not there"),
                "{problems:?}"
            );
            assert!(
                problems[1].contains("5 bytes, the manifest says"),
                "{problems:?}"
            );
            assert!(
                problems[2].contains("manifest.json` is damaged"),
                "{problems:?}"
            );
        }
    });
}

#[test]
fn a_store_that_overwrites_is_found_out() {
    test(async {
        for (store, root) in stores() {
            Registry::new(store, root).probe().await.unwrap();
        }
        let registry = Registry::new(Arc::new(crate::unfit::Overwriting::new()), Path::from("r"));
        let error = registry.probe().await.unwrap_err();
        assert!(matches!(error, RegistryError::UnfitStore { .. }), "{error}");
    });
}

#[test]
fn a_layout_can_be_elsewhere() {
    test(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let layout = Layout::new(Path::from("r")).models(Path::from("elsewhere/m"));
        let registry = Registry::with_layout(store.clone(), layout);
        registry
            .publish(&numbered(1), &PublishOptions::default())
            .await
            .unwrap();
        assert!(
            store
                .head(&Path::from("elsewhere/m/HI/LATEST"))
                .await
                .is_ok()
        );
    });
}

/// Without waiting for the disk, which `stores` does; and a server that is made for many writers on
/// one key, where `CTR_TEST_S3_RACES` says that the one of `CTR_TEST_S3_ENDPOINT` is.
fn fast_stores(count: u64) -> Vec<(Arc<dyn ObjectStore>, Path, u64)> {
    let folder = tempfile::tempdir().unwrap().keep();
    let local = object_store::local::LocalFileSystem::new_with_prefix(folder).unwrap();
    #[allow(unused_mut)]
    let mut stores: Vec<(Arc<dyn ObjectStore>, Path, u64)> = vec![
        (Arc::new(InMemory::new()), Path::from("r"), count),
        (Arc::new(local), Path::from("r"), count / 5),
    ];
    #[cfg(feature = "aws")]
    if std::env::var_os("CTR_TEST_S3_RACES").is_some() {
        stores.extend(crate::s3::server().map(|(store, root)| (store, root, count)));
    }
    stores
}

#[test]
fn a_thousand_publishes_by_eight_writers_make_one_log() {
    const WRITERS: u64 = 8;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for (store, root, count) in fast_stores(1000) {
            let mut writers = tokio::task::JoinSet::new();
            for writer in 0..WRITERS {
                let registry = Registry::new(store.clone(), root.clone());
                writers.spawn(async move {
                    for events in (1..=count).filter(|events| events % WRITERS == writer) {
                        let snapshot = numbered(events);
                        let published = registry
                            .publish(&snapshot, &PublishOptions::default())
                            .await
                            .unwrap();
                        assert_eq!(published.outcome, PublishOutcome::Committed);
                    }
                });
            }
            while let Some(done) = writers.join_next().await {
                done.unwrap();
            }
            let commits = Registry::new(store, root).commits("HI").await.unwrap();
            let numbers: Vec<u64> = commits.iter().map(|commit| commit.n).collect();
            assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "no gap");
            let versions: BTreeSet<_> = commits.iter().map(|commit| &commit.version).collect();
            assert_eq!(versions.len() as u64, count, "no double");
        }
    });
}

/// Eight writers publish the same versions: each is committed once.
#[test]
fn racing_publishes_of_one_version_commit_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for (store, root, _) in fast_stores(0) {
            for events in 1..=10 {
                let mut writers = tokio::task::JoinSet::new();
                for _ in 0..8 {
                    let registry = Registry::new(store.clone(), root.clone());
                    writers.spawn(async move {
                        let snapshot = numbered(events);
                        registry
                            .publish(&snapshot, &PublishOptions::default())
                            .await
                            .unwrap()
                    });
                }
                let mut committed = 0;
                while let Some(done) = writers.join_next().await {
                    committed += usize::from(done.unwrap().outcome == PublishOutcome::Committed);
                }
                assert_eq!(committed, 1);
            }
            let commits = Registry::new(store, root).commits("HI").await.unwrap();
            assert_eq!(commits.len(), 10);
        }
    });
}
