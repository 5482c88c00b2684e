//! From a raw event to a probability, by hand.

use std::sync::Arc;

use feature_spec::{Event, FeatureSpec};
use model_io::{DecodeError, Golden, ModelFile, Predictor, ServingError, ServingModel, Snapshot};

use crate::common::{EVENT, servable};

/// The sparse bias is b; #comedy adds 0.5 · (z(15) − z(0)) = 0.5 · 15/5; delhi adds 1; and half of
/// the negatives were kept in training.
fn expected_margin(bias: f64) -> f64 {
    bias + 0.5 * 3.0 + 1.0 + 0.5_f64.ln()
}

fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

#[test]
fn an_event_gets_the_probability_computed_by_hand() {
    let model = ServingModel::from_snapshot(servable(1, -2.0)).unwrap();
    let event = Event::from_json(EVENT.as_bytes()).unwrap();
    let served = model.predict(&event).unwrap();
    let expected = sigmoid(expected_margin(-2.0)); // 0.4519…
    assert!(
        (served.probability - expected).abs() < 1e-7,
        "{} {expected}",
        served.probability
    );
    assert!(served.like, "the threshold is 0.25");
    let model = ServingModel::from_snapshot(servable(1, -5.0)).unwrap();
    assert!(!model.predict(&event).unwrap().like);
}

#[test]
fn dense_and_sparse_biases_give_the_same_margin() {
    let snapshot = servable(1, -2.0);
    // Literal z-scores: #comedy (15 − 10)/5 = 1, #funny (0 − 10)/5 = −2.
    let dense = snapshot.dense_bias + 0.5 * 1.0 + -0.25 * -2.0 + 1.0;
    let sparse = snapshot.model.bias() + 0.5 * 3.0 + 1.0;
    assert!((dense - sparse).abs() < 1e-12, "{dense} {sparse}");
}

#[test]
fn an_explanation_adds_up_and_names_features() {
    let model = ServingModel::from_snapshot(servable(1, -2.0)).unwrap();
    let event = Event::from_json(EVENT.as_bytes()).unwrap();
    let explanation = model.explain(&event).unwrap();
    let parts: f64 = explanation
        .contributions
        .iter()
        .map(|part| part.contribution)
        .sum();
    assert!((explanation.bias + parts - explanation.margin).abs() < 1e-12);
    assert!((explanation.margin - expected_margin(-2.0)).abs() < 1e-6);
    let names: Vec<_> = explanation
        .contributions
        .iter()
        .map(|part| &part.feature[..])
        .collect();
    assert_eq!(
        names,
        ["user/hashtag=#comedy/watched_10s", "user/location=delhi"]
    );
    assert_eq!(explanation.contributions[0].value, 3.0);
    assert_eq!(
        explanation.probability,
        model.predict(&event).unwrap().probability
    );
}

#[test]
fn a_file_serves_what_its_snapshot_serves_on_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    servable(1, -2.0).save(&path).unwrap();
    let model = Arc::new(ServingModel::open(&path).unwrap());
    let event = Event::from_json(EVENT.as_bytes()).unwrap();
    let expected = model.predict(&event).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut predictor = Predictor::new(model.clone());
                for _ in 0..100 {
                    assert_eq!(predictor.predict(&event).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn a_warm_predictor_allocates_nothing() {
    let model = Arc::new(ServingModel::from_snapshot(servable(1, -2.0)).unwrap());
    let event = Event::from_json(EVENT.as_bytes()).unwrap();
    let mut predictor = Predictor::new(model);
    predictor.predict(&event).unwrap();
    let allocated = allocation_counter::measure(|| {
        for _ in 0..100 {
            predictor.predict(&event).unwrap();
        }
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn golden_events_are_computed_again_on_loading() {
    let mut snapshot = servable(1, -2.0);
    let model = ServingModel::from_snapshot(snapshot.clone()).unwrap();
    let event = Event::from_json(EVENT.as_bytes()).unwrap();
    let probability = model.predict(&event).unwrap().probability;
    snapshot.info.golden = vec![Golden {
        event: EVENT.to_owned(),
        probability,
    }];
    assert!(ServingModel::from_bytes(&snapshot.to_bytes().unwrap()).is_ok());

    snapshot.info.golden[0].probability += 1e-7;
    assert!(ServingModel::from_snapshot(snapshot.clone()).is_ok());
    snapshot.info.golden[0].probability += 1e-4;
    let error = ServingModel::from_snapshot(snapshot.clone()).unwrap_err();
    assert!(
        matches!(error, ServingError::GoldenMismatch { index: 0, .. }),
        "{error}"
    );
    snapshot.info.golden[0].event = "{".to_owned();
    let error = ServingModel::from_snapshot(snapshot).unwrap_err();
    assert!(
        matches!(error, ServingError::Golden { index: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_snapshot_gives_its_golden_events_what_a_service_gives_them() {
    let mut snapshot = servable(1, -2.0);
    let spec = FeatureSpec::from_canonical(&snapshot.spec).unwrap();
    snapshot.set_golden(&spec, [EVENT, EVENT]).unwrap();
    assert_eq!(snapshot.info.golden.len(), 2);
    for golden in &snapshot.info.golden {
        assert_eq!(golden.event, EVENT);
        let difference = golden.probability - sigmoid(expected_margin(-2.0));
        assert!(difference.abs() < 1e-7, "{golden:?}");
    }
    assert!(ServingModel::from_bytes(&snapshot.to_bytes().unwrap()).is_ok());

    // Of two events the second is refused, and the golden events stay as they were.
    let before = snapshot.clone();
    let error = snapshot.set_golden(&spec, [EVENT, "{"]).unwrap_err();
    assert!(
        matches!(error, ServingError::Golden { index: 1, .. }),
        "{error}"
    );
    assert_eq!(snapshot, before);

    let other = FeatureSpec::from_toml(
        "format = 1\nname = \"other\"\ndimension = 4\ncounters = [\"plays\"]\n\
         [user.plays]\nhistory = \"user.all\"\nmetrics = [\"plays\"]\n",
    )
    .unwrap();
    let error = snapshot.set_golden(&other, [EVENT]).unwrap_err();
    assert!(
        matches!(
            error,
            ServingError::Decode {
                source: DecodeError::FingerprintMismatch { .. }
            }
        ),
        "{error}"
    );
}

#[test]
fn swapped_statistics_are_found_by_a_golden_event() {
    let mut snapshot = servable(1, -2.0);
    let model = ServingModel::from_snapshot(snapshot.clone()).unwrap();
    let event = Event::from_json(EVENT.as_bytes()).unwrap();
    let probability = model.predict(&event).unwrap().probability;
    snapshot.info.golden = vec![Golden {
        event: EVENT.to_owned(),
        probability,
    }];
    let statistics = &mut snapshot.statistics;
    std::mem::swap(&mut statistics.mean, &mut statistics.std_dev);
    let error = ServingModel::from_snapshot(snapshot).unwrap_err();
    assert!(
        matches!(error, ServingError::GoldenMismatch { .. }),
        "{error}"
    );
}

#[test]
fn a_model_and_a_specification_that_do_not_belong_together_are_refused() {
    let refusal = |change: fn(&mut Snapshot)| {
        let mut snapshot = servable(1, -2.0);
        change(&mut snapshot);
        match ServingModel::from_snapshot(snapshot).unwrap_err() {
            ServingError::Decode { source } => source,
            other => panic!("{other}"),
        }
    };
    let error = refusal(|snapshot| snapshot.info.spec.fingerprint = "00".repeat(32));
    assert!(
        matches!(error, DecodeError::FingerprintMismatch { .. }),
        "{error}"
    );
    let error = refusal(|snapshot| {
        snapshot.spec = snapshot.spec.replace("z_score", "unit");
    });
    assert!(
        matches!(error, DecodeError::FingerprintMismatch { .. }),
        "{error}"
    );
    let error = refusal(|snapshot| snapshot.spec = "nonsense".to_owned());
    assert!(matches!(error, DecodeError::Spec { .. }), "{error}");
    let error = refusal(|snapshot| {
        snapshot.model = lr_core::LinearModel::new(vec![0.0; 3], 0.0).unwrap();
    });
    assert!(
        matches!(
            error,
            DecodeError::Part {
                part: "specification",
                ..
            }
        ),
        "{error}"
    );
    let error = refusal(|snapshot| snapshot.statistics.positions = vec![0, 3]);
    assert!(
        matches!(
            error,
            DecodeError::Part {
                part: "statistics",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_saved_model_names_its_spec() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    servable(1, -2.0).save(&path).unwrap();
    let file = ModelFile::open(&path).unwrap();
    assert_eq!(file.spec(), crate::common::spec().canonical());
    assert_eq!(file.info().spec.name, "serving");
}
