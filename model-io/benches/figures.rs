//! The figures of the readme: `cargo bench -p model-io`.
//!
//! Plain loops and a clock: what is reported are percentiles of single operations under load, which
//! a statistics harness would average away.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use feature_spec::{Encoder, Event, FeatureSpec, Row};
use lr_core::LinearModel;
use model_io::{
    Location, ModelFile, ModelInfo, ModelWatcher, Predictor, PublishOptions, Registry,
    ServingModel, Snapshot, Version,
};
use zscore_stats::Scaler;

fn main() {
    open_and_verify();
    let (spec, event) = forty_features();
    predict(&spec, &event);
    swap_under_load(&spec, &event);
}

fn best(times: usize, mut run: impl FnMut()) -> Duration {
    (0..times).map(|_| timed(&mut run)).min().unwrap()
}

fn timed(run: &mut impl FnMut()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

fn snapshot(columns: usize) -> Snapshot {
    let weights = (0..columns)
        .map(|i| (i % 1000) as f32 * 1e-3 - 0.4999)
        .collect();
    Snapshot {
        model: LinearModel::new(weights, 0.0).unwrap(),
        dense_bias: 0.0,
        statistics: Default::default(),
        spec: String::new(),
        info: ModelInfo::new(Version::new("v").unwrap(), "HI"),
    }
}

fn open_and_verify() {
    let folder = tempfile::tempdir().unwrap();
    for (columns, times) in [(100_000, 200), (100_000_000, 5)] {
        let path = folder.path().join(format!("{columns}.safetensors"));
        snapshot(columns).save(&path).unwrap();
        let time = best(times, || {
            black_box(ModelFile::open(&path).unwrap());
        });
        println!("open and verify, {columns} dense weights: {time:.3?} (best of {times})");
    }
}

/// 40 counters of hashtags, all present, in a specification of 100,000 positions.
fn forty_features() -> (FeatureSpec, String) {
    let names: Vec<String> = (0..16_000).map(|i| format!("\"#tag{i}\"")).collect();
    let spec = format!(
        "format = 1\nname = \"bench\"\ndimension = 100_000\n\
         counters = [\"plays\", \"liked\", \"shared\", \"watched_10s\"]\n\
         [vocabulary.hashtag]\nvalues = [{}]\n\
         [user.hashtag]\nhistory = \"user.hashtag\"\n\
         metrics = [\"plays\", \"liked\", \"shared\", \"watched_10s\"]\n\
         vocabulary = \"hashtag\"\ntransform = \"log1p\"\nscale = \"z_score\"\n",
        names.join(", ")
    );
    let tags: Vec<String> = (0..10)
        .map(|i| {
            format!(
                "\"#tag{}\": {{\"plays\": {}, \"liked\": 3, \"shared\": 2, \"watched_10s\": 7}}",
                i * 1571 % 16_000,
                i + 9
            )
        })
        .collect();
    let event = format!(
        "{{\"event_id\": \"1\", \"time\": \"2022-05-04T10:00:00Z\", \
         \"user\": {{\"history\": {{\"hashtag\": {{{}}}}}}}}}",
        tags.join(", ")
    );
    (FeatureSpec::from_toml(&spec).unwrap(), event)
}

fn model(spec: &FeatureSpec, events: u64) -> Snapshot {
    let weights = (0..spec.columns())
        .map(|i| (i % 100) as f32 * 1e-3 - 0.05)
        .collect();
    let scaler = Scaler::from_statistics(spec.policies(), |_| Some((1.0, 2.0))).unwrap();
    let version = Version::of_model(None, 0, events).unwrap();
    let mut info = ModelInfo::new(version, "HI");
    info.events_learned = events;
    Snapshot::new(
        LinearModel::new(weights, -1.0).unwrap(),
        &scaler,
        spec,
        info,
    )
    .unwrap()
}

fn percentiles(mut nanoseconds: Vec<u64>) -> String {
    nanoseconds.sort_unstable();
    let at = |part: f64| nanoseconds[(part * (nanoseconds.len() - 1) as f64) as usize];
    format!(
        "p50 {} ns, p99 {} ns, p99.9 {} ns",
        at(0.5),
        at(0.99),
        at(0.999)
    )
}

fn predict(spec: &FeatureSpec, text: &str) {
    let model = Arc::new(ServingModel::from_snapshot(model(spec, 1)).unwrap());
    let event = Event::from_json(text.as_bytes()).unwrap();
    let mut predictor = Predictor::new(model.clone());
    let mut times = Vec::new();
    for _ in 0..200_000 {
        let started = Instant::now();
        black_box(predictor.predict(black_box(&event)).unwrap());
        times.push(started.elapsed().as_nanos() as u64);
    }
    println!(
        "predict a parsed event of 40 features: {}",
        percentiles(times)
    );

    let mut row = Row::default();
    Encoder::new(spec).encode(&event, &mut row).unwrap();
    assert_eq!(row.nnz(), 40);
    let view = row.view();
    let loops = 100_000;
    let time = best(20, || {
        for _ in 0..loops {
            black_box(model.predict_row(black_box(&view)).unwrap());
        }
    });
    println!(
        "predict an encoded row of 40 features: {} ns",
        time.as_nanos() / loops
    );
}

fn swap_under_load(spec: &FeatureSpec, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::parse(folder.path().to_str().unwrap()).unwrap();
    let registry = Registry::open(location);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let publish = |events| {
        let snapshot = model(spec, events);
        runtime
            .block_on(registry.publish(&snapshot, &PublishOptions::default()))
            .unwrap();
    };
    publish(1);
    let watcher = runtime
        .block_on(ModelWatcher::start(registry.clone(), "HI"))
        .unwrap();
    let mut events = 1;
    for (label, swaps) in [("without swaps", 0), ("with a swap every second", 8)].repeat(2) {
        let stop = AtomicBool::new(false);
        let times = std::thread::scope(|scope| {
            let serve = || {
                let event = Event::from_json(text.as_bytes()).unwrap();
                let (mut predictor, mut times) = (watcher.predictor(), Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    black_box(predictor.predict(&event).unwrap());
                    times.push(started.elapsed().as_nanos() as u64);
                }
                times
            };
            let threads = [scope.spawn(serve), scope.spawn(serve)];
            for _ in 0..8 {
                if swaps > 0 {
                    events += 1;
                    publish(events);
                    runtime.block_on(watcher.poll()).unwrap();
                }
                std::thread::sleep(Duration::from_secs(1));
            }
            stop.store(true, Ordering::Relaxed);
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        println!(
            "two serving threads {label}: {} requests, {}",
            times.len(),
            percentiles(times)
        );
    }
}
