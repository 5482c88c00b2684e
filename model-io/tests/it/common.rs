//! Models that the tests share.

use std::sync::Arc;

use feature_spec::FeatureSpec;
use lr_core::LinearModel;
use model_io::{
    Blocking, EventSpan, Golden, Location, ModelInfo, Snapshot, SpecIdentity, Statistics, Version,
};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use zscore_stats::Scaler;

/// A description with every field set.
pub(crate) fn info(events: u64) -> ModelInfo {
    let version = Version::of_model(None, 1_651_658_400_123, events).unwrap();
    let mut info = ModelInfo::new(version, "HI");
    info.spec = SpecIdentity {
        name: "example".to_owned(),
        version: "3".to_owned(),
        fingerprint: "ab".repeat(32),
        scaling_fingerprint: "01".repeat(32),
    };
    info.events_learned = events;
    info.span = Some(EventSpan {
        first: 1_649_376_000_000,
        last: 1_651_658_400_123,
    });
    info.threshold = 0.25;
    info.sampling_rate = 0.5;
    info.optimizer = "bank".to_owned();
    info.settings.insert("alpha".to_owned(), "0.1".to_owned());
    info.metrics.insert("log_loss".to_owned(), 0.1 + 0.2);
    info.parent = Some(Version::new("2022-05-04T09-100").unwrap());
    info.tool = "test 1".to_owned();
    info.golden.push(Golden {
        event: r#"{"label":1}"#.to_owned(),
        probability: 0.125,
    });
    info
}

fn snapshot(weights: Vec<f32>) -> Snapshot {
    Snapshot {
        model: LinearModel::new(weights, -1.5).unwrap(),
        dense_bias: 0.1,
        statistics: Statistics {
            positions: vec![1, 4],
            mean: vec![2.5, -1.0],
            std_dev: vec![0.0, 3.0],
        },
        spec: "{\"name\":\"example\"}".to_owned(),
        info: info(171_670),
    }
}

/// More than half of the weights are stored: dense.
pub(crate) fn dense() -> Snapshot {
    snapshot(vec![0.5, -0.0, 3.25, f32::MIN_POSITIVE, -7.0e-42, 1.0e30])
}

/// Two of 40 weights are stored: sparse.
pub(crate) fn sparse() -> Snapshot {
    let mut weights = vec![0.0; 40];
    weights[3] = 1.5;
    weights[39] = -2.25;
    snapshot(weights)
}

/// Runs an asynchronous test.
pub(crate) fn test(body: impl Future<Output = ()>) {
    Blocking::new().unwrap().run(body);
}

/// The same where nothing but pauses takes time: they pass at once.
pub(crate) fn test_in_virtual_time(body: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(body);
}

/// Every kind of store that needs no server, and an S3 server where the environment names one,
/// with a fresh root in each.
pub(crate) fn stores() -> Vec<(Arc<dyn ObjectStore>, Path)> {
    let folder = tempfile::tempdir().unwrap().keep();
    let (local, root) = Location::parse(folder.to_str().unwrap())
        .unwrap()
        .into_parts();
    let wrapped = PrefixStore::new(InMemory::new(), "below");
    #[allow(unused_mut)]
    let mut stores: Vec<(Arc<dyn ObjectStore>, Path)> = vec![
        (Arc::new(InMemory::new()), Path::from("root")),
        (local, root),
        (Arc::new(wrapped), Path::from("root/deeper")),
    ];
    #[cfg(feature = "aws")]
    stores.extend(crate::s3::server());
    stores
}

/// Two hashtags by plays of the user, z-scored with M = 10, D = 5, and the user's location.
pub(crate) const SPEC: &str = r##"
format = 1
name = "serving"
version = "1"
language = "HI"
dimension = 5
layout = "shared"
counters = ["plays", "watched_10s"]
[vocabulary.hashtag]
values = ["#comedy", "#funny"]
[vocabulary.location]
values = ["delhi", "mumbai"]
[user.hashtag]
history = "user.hashtag"
metrics = ["watched_10s"]
vocabulary = "hashtag"
scale = "z_score"
start = 0
[user.location]
from = "user.location"
vocabulary = "location"
start = 2
"##;

/// 15 plays of #comedy, in delhi.
pub(crate) const EVENT: &str = r##"{"event_id": "1", "time": "2022-05-04T10:00:00Z",
    "user": {"attributes": {"location": "delhi"},
             "history": {"hashtag": {"#comedy": {"plays": 18, "watched_10s": 15}}}}}"##;

pub(crate) fn spec() -> FeatureSpec {
    FeatureSpec::from_toml(SPEC).unwrap()
}

pub(crate) fn scaler(spec: &FeatureSpec) -> Scaler {
    let mean_and_spread = |position| (position < 2).then_some((10.0, 5.0));
    Scaler::from_statistics(spec.policies(), mean_and_spread).unwrap()
}

/// A model of `spec` that can be served: weights 0.5, −0.25 for the hashtags, 1, 2 for locations.
pub(crate) fn servable(events: u64, bias: f64) -> Snapshot {
    let spec = spec();
    let mut weights = vec![0.0; spec.columns()];
    weights[..4].copy_from_slice(&[0.5, -0.25, 1.0, 2.0]);
    let model = LinearModel::new(weights, bias).unwrap();
    let mut info = info(events);
    info.golden.clear();
    Snapshot::new(model, &scaler(&spec), &spec, info).unwrap()
}

/// A small model of a version that its number of events tells from others.
pub(crate) fn numbered(events: u64) -> Snapshot {
    let mut snapshot = sparse();
    snapshot.info.events_learned = events;
    snapshot.info.version = Version::of_model(None, 1_651_658_400_123, events).unwrap();
    snapshot
}

/// The version of such a model.
pub(crate) fn version(events: u64) -> Version {
    numbered(events).info.version
}
