//! Publishing: what is stored, what is live, what is refused.

use model_io::{
    CommitKind, Location, Manifest, PublishOptions, PublishOutcome, Registry, RegistryError,
    Version,
};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::common::{dense, numbered, sparse, stores, test};

#[test]
fn a_published_model_stands_under_the_keys_of_the_layout() {
    test(async {
        for (store, root) in stores() {
            let registry = Registry::new(store.clone(), root.clone());
            let published = registry
                .publish(&numbered(7), &PublishOptions::default())
                .await
                .unwrap();
            assert_eq!(published.outcome, PublishOutcome::Committed);
            assert_eq!(
                (published.commit.n, published.commit.kind),
                (1, CommitKind::Publish)
            );
            let read = async |key: &str| {
                let key = Path::from(format!("{root}/{key}"));
                store.get(&key).await.unwrap().bytes().await.unwrap()
            };
            let model = read("models/HI/2022-05-04T10-7/model.safetensors").await;
            assert_eq!(model, numbered(7).to_bytes().unwrap());
            let manifest = read("models/HI/2022-05-04T10-7/manifest.json").await;
            let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
            assert_eq!(
                (manifest.file.size, manifest.base_commit),
                (model.len() as u64, 0)
            );
            let commit = read("models/HI/_commits/00000000000000000001.json").await;
            assert_eq!(read("models/HI/LATEST").await, commit);
        }
    });
}

#[test]
fn publishing_again_commits_once() {
    test(async {
        for (store, root) in stores() {
            let registry = Registry::new(store.clone(), root.clone());
            let options = PublishOptions::default();
            for events in [1, 2] {
                registry.publish(&numbered(events), &options).await.unwrap();
            }
            for events in [1, 2] {
                // A fresh process knows nothing of the earlier ones.
                let registry = Registry::new(store.clone(), root.clone());
                let again = registry.publish(&numbered(events), &options).await.unwrap();
                assert_eq!(again.outcome, PublishOutcome::AlreadyCommitted);
                assert_eq!(again.commit.n, events);
            }
        }
    });
}

#[test]
fn other_content_under_the_same_version_is_refused() {
    test(async {
        let registry = Registry::open(Location::parse("memory://r").unwrap());
        let options = PublishOptions::default();
        registry.publish(&sparse(), &options).await.unwrap();
        let error = registry.publish(&dense(), &options).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::VersionTaken { .. }),
            "{error}"
        );
        let latest = registry.publish(&sparse(), &options).await.unwrap();
        assert_eq!(latest.outcome, PublishOutcome::AlreadyCommitted);
    });
}

#[test]
fn another_specification_needs_a_permission() {
    test(async {
        let registry = Registry::open(Location::parse("memory://r").unwrap());
        let mut options = PublishOptions::default();
        registry.publish(&numbered(1), &options).await.unwrap();
        let mut changed = numbered(2);
        changed.info.spec.fingerprint = "cd".repeat(32);
        let error = registry.publish(&changed, &options).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::SpecChanged { .. }),
            "{error}"
        );
        options.allow_spec_change = true;
        assert_eq!(
            registry.publish(&changed, &options).await.unwrap().commit.n,
            2
        );
    });
}

#[test]
fn an_earlier_epoch_is_fenced_and_a_person_is_not() {
    test(async {
        let registry = Registry::open(Location::parse("memory://r").unwrap());
        let mut options = PublishOptions::default();
        options.epoch = 2;
        registry.publish(&numbered(1), &options).await.unwrap();
        options.epoch = 1;
        let error = registry.publish(&numbered(2), &options).await.unwrap_err();
        assert!(
            matches!(
                error,
                RegistryError::Fenced {
                    epoch: 1,
                    current: 2,
                    ..
                }
            ),
            "{error}"
        );
        options.epoch = 0;
        assert_eq!(
            registry
                .publish(&numbered(2), &options)
                .await
                .unwrap()
                .commit
                .epoch,
            2
        );
    });
}

#[test]
fn invalid_bytes_are_not_published() {
    test(async {
        let registry = Registry::open(Location::parse("memory://r").unwrap());
        let mut bytes = sparse().to_bytes().unwrap();
        bytes[200] ^= 1;
        let error = registry
            .publish_bytes(bytes.into(), &PublishOptions::default())
            .await;
        assert!(matches!(error, Err(RegistryError::Decode { .. })));
    });
}

#[test]
fn languages_that_leave_their_folder_are_refused() {
    test(async {
        let registry = Registry::open(Location::parse("memory://r").unwrap());
        for language in ["", "..", "a/b", "_commits", ".", "a\\b", "a\0", "é", "HI "] {
            assert!(matches!(
                registry.checkpoints(language),
                Err(RegistryError::Name { .. })
            ));
            let mut snapshot = sparse();
            snapshot.info.language = language.to_owned();
            let error = registry
                .publish(&snapshot, &PublishOptions::default())
                .await;
            assert!(
                matches!(error, Err(RegistryError::Encode { .. })),
                "{language:?}"
            );
        }
        for version in [
            "",
            "..",
            "a/b",
            "_pins",
            "LATEST/..",
            "a..b",
            ".hidden",
            "-x",
        ] {
            assert!(Version::new(version).is_err(), "{version:?}");
        }
    });
}
