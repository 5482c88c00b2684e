//! Hot reload: what is taken, what is refused, and that no request is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use feature_spec::Event;
use model_io::{
    Golden, ModelWatcher, Polled, PublishOptions, Registry, Snapshot, Version, WatchError,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::common::{EVENT, servable, stores, test};

fn version(events: u64) -> Version {
    servable(events, 0.0).info.version
}

async fn publish(registry: &Registry, snapshot: &Snapshot) {
    registry
        .publish(snapshot, &PublishOptions::default())
        .await
        .unwrap();
}

fn event() -> Event<'static> {
    Event::from_json(EVENT.as_bytes()).unwrap()
}

#[test]
fn a_new_model_is_taken_and_a_rollback_followed() {
    test(async {
        for (store, root) in stores() {
            let registry = Registry::new(store, root);
            let error = ModelWatcher::start(registry.clone(), "HI")
                .await
                .unwrap_err();
            assert!(matches!(error, WatchError::Empty { .. }));
            publish(&registry, &servable(1, -2.0)).await;
            let watcher = ModelWatcher::start(registry.clone(), "HI").await.unwrap();
            let mut predictor = watcher.predictor();
            let first = predictor.predict(&event()).unwrap();
            assert_eq!(watcher.poll().await.unwrap(), Polled::Unchanged);

            publish(&registry, &servable(2, -1.0)).await;
            assert_eq!(watcher.poll().await.unwrap(), Polled::Swapped);
            assert!(predictor.predict(&event()).unwrap().probability > first.probability);
            assert_eq!(watcher.status().version, version(2));

            registry.rollback("HI", &version(1), None).await.unwrap();
            assert_eq!(watcher.poll().await.unwrap(), Polled::Swapped);
            assert_eq!(predictor.predict(&event()).unwrap(), first);
            let status = watcher.status();
            assert_eq!((status.commit, status.rolled_back), (3, true));
            assert_eq!(status.failure, None);

            registry.release("HI", None).await.unwrap();
            assert_eq!(watcher.poll().await.unwrap(), Polled::Swapped);
            assert!(!watcher.status().rolled_back);
        }
    });
}

#[test]
fn a_damaged_or_dishonest_model_is_not_taken() {
    test(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let registry = Registry::new(store.clone(), Path::from("r"));
        publish(&registry, &servable(1, -2.0)).await;
        let watcher = ModelWatcher::start(registry.clone(), "HI").await.unwrap();

        let mut dishonest = servable(2, -1.0);
        dishonest.info.golden.push(Golden {
            event: EVENT.to_owned(),
            probability: 0.9,
        });
        publish(&registry, &dishonest).await;
        for _ in 0..2 {
            let error = watcher.poll().await.unwrap_err();
            assert!(matches!(error, WatchError::Serving { .. }), "{error}");
        }
        let failure = watcher.status().failure.unwrap();
        assert!(
            failure.contains("2022-05-04T10-2: golden event 0 gets"),
            "{failure}"
        );
        assert_eq!(watcher.model().info().events_learned, 1);

        publish(&registry, &servable(3, -1.0)).await;
        let model = Path::from(format!("r/models/HI/{}/model.safetensors", version(3)));
        let sound = store.get(&model).await.unwrap().bytes().await.unwrap();
        store
            .put(&model, sound.slice(..sound.len() - 1).into())
            .await
            .unwrap();
        assert!(matches!(
            watcher.poll().await,
            Err(WatchError::Registry { .. })
        ));
        let manifest = Path::from(format!("r/models/HI/{}/manifest.json", version(3)));
        let original = store.get(&manifest).await.unwrap().bytes().await.unwrap();
        store
            .put(
                &manifest,
                Bytes::from([&original[..], b" "].concat()).into(),
            )
            .await
            .unwrap();
        let error = watcher.poll().await.unwrap_err();
        assert!(matches!(error, WatchError::Registry { .. }));
        assert!(watcher.status().failure.unwrap().contains("commit 3 says"));
        assert_eq!(watcher.status().version, version(1));

        // Repaired, it is taken at the next poll.
        store.put(&model, sound.into()).await.unwrap();
        store.put(&manifest, original.into()).await.unwrap();
        assert_eq!(watcher.poll().await.unwrap(), Polled::Swapped);
        assert_eq!(watcher.status().failure, None);
    });
}

#[test]
fn a_log_that_lost_records_and_a_false_hint_do_not_take_a_service_back() {
    test(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let registry = Registry::new(store.clone(), Path::from("r"));
        for events in 1..=3 {
            publish(&registry, &servable(events, -2.0)).await;
        }
        let watcher = ModelWatcher::start(registry.clone(), "HI").await.unwrap();
        let hint = Path::from("r/models/HI/LATEST");
        let key = |n| Path::from(format!("r/models/HI/_commits/{n:020}.json"));
        let first = store.get(&key(1)).await.unwrap().bytes().await.unwrap();
        store.put(&hint, first.into()).await.unwrap();
        assert_eq!(watcher.poll().await.unwrap(), Polled::Unchanged);
        store
            .put(&hint, Bytes::from_static(b"junk").into())
            .await
            .unwrap();
        assert_eq!(watcher.poll().await.unwrap(), Polled::Unchanged);
        store.delete(&key(3)).await.unwrap();
        let error = watcher.poll().await.unwrap_err();
        assert!(
            matches!(
                error,
                WatchError::WentBack {
                    newest: 2,
                    current: 3
                }
            ),
            "{error}"
        );
        assert_eq!(watcher.status().version, version(3));
    });
}

#[test]
fn a_new_commit_is_found_although_the_hint_never_changes() {
    test(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let registry = Registry::new(store.clone(), Path::from("r"));
        publish(&registry, &servable(1, -2.0)).await;
        let hint = Path::from("r/models/HI/LATEST");
        let stale = store.get(&hint).await.unwrap().bytes().await.unwrap();
        let watcher = ModelWatcher::start(registry.clone(), "HI").await.unwrap();
        publish(&registry, &servable(2, -2.0)).await;
        store.put(&hint, stale.into()).await.unwrap();
        for _ in 0..8 {
            watcher.poll().await.unwrap();
        }
        assert_eq!(watcher.status().version, version(2));
    });
}

#[test]
fn swaps_under_load_lose_no_request() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let registry = Registry::new(store, Path::from("r"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(publish(&registry, &servable(1, -2.0)));
    let watcher = runtime
        .block_on(ModelWatcher::start(registry.clone(), "HI"))
        .unwrap();
    let (stop, served) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut predictor, event) = (watcher.predictor(), event());
                let mut newest = 0;
                while !stop.load(Ordering::Relaxed) {
                    predictor.predict(&event).unwrap();
                    let events = predictor.model().info().events_learned;
                    assert!(events >= newest, "a service never goes back");
                    newest = events;
                    served.fetch_add(1, Ordering::Relaxed);
                }
                assert_eq!(newest, 50, "the last model arrived");
            });
        }
        for events in 2..=50 {
            runtime.block_on(publish(&registry, &servable(events, -2.0)));
            assert_eq!(runtime.block_on(watcher.poll()).unwrap(), Polled::Swapped);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        stop.store(true, Ordering::Relaxed);
    });
    assert!(served.load(Ordering::Relaxed) > 100);
}
