//! Statistics that change while a trainer runs.

use std::io;
use std::time::Duration;

use feature_spec::FeatureSpec;
use lr_core::{LearnerConfig, LinearModel};
use model_io::{ArtifactKind, Blocking, Location, Registry};
use pipeline::blocks::Blocks;
use pipeline::encode::{BlockEncoder, Encoded, EncodedEvent};
use pipeline::train::{PastPopulation, Trainer};
use zscore_stats::Scaler;

use crate::following::Input;
use crate::train::{SPEC, stream};

#[test]
fn the_statistics_of_each_day_are_published_and_others_take_them_over() {
    let mut input = Input::new();
    input.config.publish_statistics = true;
    input.appear(0..20);
    input.follow(20.0);
    let registry = Registry::open(Location::parse(&input.config.output).unwrap());
    let runtime = Blocking::new().unwrap();
    let kind = ArtifactKind::Statistics;
    let versions = runtime.run(registry.artifact_versions(kind, "HI")).unwrap();
    // The first day has 14 hours, 520 events before midnight.
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].as_str(), "2022-05-04-520");
    assert_eq!(
        newest_statistics(&runtime, &registry),
        Some(versions[0].to_string())
    );

    // Another trainer scales with them from its first event on, and with newer ones when they come.
    let (_, files) = runtime
        .run(registry.artifact(kind, "HI", &versions[0]))
        .unwrap();
    let mut other = Input::new();
    other.config.statistics = Some("latest".into());
    let failure = other.start().end().unwrap_err();
    assert!(
        failure.render().contains("holds no statistics of HI"),
        "{}",
        failure.render()
    );
    let registry = Registry::open(Location::parse(&other.config.output).unwrap());
    let publish = |version: &str| {
        let version = version.parse().unwrap();
        runtime
            .run(registry.publish_artifact(kind, "HI", &version, &files))
            .unwrap();
    };
    publish("2022-05-04-520");
    other.appear(0..2);
    let running = other.start();
    let dumps = r#"dumps_total{language="HI",outcome="published"}"#;
    running.wait(dumps, 1.0);
    publish("2022-05-05-1000");
    let mut hour = 2;
    let used = loop {
        other.appear([hour]);
        running.wait(dumps, hour as f64);
        hour += 1;
        let used = newest_statistics(&runtime, &registry).unwrap();
        if used != "2022-05-04-520" || hour == 20 {
            break used;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(used, "2022-05-05-1000");
    running.stop();
}

/// Version of the statistics of the live model.
fn newest_statistics(runtime: &Blocking, registry: &Registry) -> Option<String> {
    let live = runtime.run(registry.latest("HI")).unwrap()?;
    let manifest = runtime.run(registry.show("HI", &live.version)).unwrap();
    manifest
        .statistics_version
        .map(|version| version.to_string())
}

/// Every event of a text, encoded.
fn encode(spec: &FeatureSpec, lines: &str, mut each: impl FnMut(EncodedEvent<'_>)) {
    let input = io::Cursor::new(lines.to_owned().into_bytes());
    let mut blocks = Blocks::new("memory", Box::new(input));
    let mut encoder = BlockEncoder::new(spec, "HI");
    while let Some(block) = blocks.read().unwrap() {
        let taken = encoder.encode(&block).for_each(|encoded| match encoded {
            Encoded::Event(event) => {
                each(event);
                Ok(())
            }
            Encoded::Reject(reject) => Err(reject.detail.clone()),
        });
        taken.unwrap();
    }
}

#[test]
fn predictions_do_not_jump_when_statistics_take_over() {
    let spec = FeatureSpec::from_toml(SPEC).unwrap();
    let lines: String = (stream(500).into_iter())
        .map(|(_, line)| line + "\n")
        .collect();
    let mut first = PastPopulation::new(&spec);
    let mut second = PastPopulation::new(&spec);
    let mut count = 0;
    encode(&spec, &lines, |event| {
        count += 1;
        if count < 100 {
            first.push(&event).unwrap();
        }
        // Other means and deviations: larger values, and half as many rows.
        if count % 2 == 0 {
            event
                .values
                .iter_mut()
                .for_each(|value| *value = 3.0 * *value + 0.5);
            second.push(&event).unwrap();
        }
    });
    let mut trainer =
        Trainer::new(&spec, Some(first.population()), LearnerConfig::default()).unwrap();
    encode(&spec, &lines, |mut event| {
        trainer.learn(&mut event).unwrap();
    });
    let before = trainer.dump().unwrap().unwrap();
    let version = "2022-05-04-250".parse().unwrap();
    trainer
        .use_statistics(version, second.population())
        .unwrap();
    let after = trainer.dump().unwrap().unwrap();
    assert_eq!(after.statistics.unwrap().as_str(), "2022-05-04-250");
    let margin = |model: &LinearModel, scaler: &Scaler, event: &EncodedEvent<'_>| {
        let mut values = event.values.to_vec();
        scaler.scale_in_place(event.positions, &mut values).unwrap();
        let products = event.positions.iter().zip(&values);
        let products =
            products.map(|(&at, &x)| f64::from(model.weights()[at as usize]) * f64::from(x));
        model.bias() + products.sum::<f64>()
    };
    let mut moved: f64 = 0.0;
    encode(&spec, &lines, |event| {
        let old = margin(&before.model, &before.scaler, &event);
        let new = margin(&after.model, &after.scaler, &event);
        assert!(
            (old - new).abs() < 1e-5 * (1.0 + old.abs()),
            "{old} and {new}"
        );
        // The same weights under the new scale are another model: the test can fail.
        moved = moved.max((old - margin(&before.model, &after.scaler, &event)).abs());
    });
    assert!(moved > 0.1, "{moved}");
}
