//! Evaluation: a version's figures are those of its own predictions, a range is what would have
//! been served, and two versions are told apart on the same events.

use std::collections::BTreeMap;

use feature_spec::Event;
use lr_core::Metrics;
use model_io::ServingModel;
use pipeline::evaluate::{EvaluateConfig, Evaluation, Verdict, evaluate};
use pipeline::progress::Progress;

use crate::train::{Job, START_MS, stream};

const HOUR_MS: i64 = 3_600_000;

/// Trained on twelve hours of events, and the events.
struct Trained {
    job: Job,
    lines: Vec<(i64, String)>,
    versions: Vec<(String, std::path::PathBuf)>,
}

fn trained() -> Trained {
    let lines = stream(450);
    let job = Job::new(&lines);
    let summary = job.run();
    let versions = summary
        .dumps
        .into_iter()
        .map(|dump| (dump.version, dump.path.into()));
    Trained {
        job,
        versions: versions.collect(),
        lines,
    }
}

impl Trained {
    fn config(&self, version: &str) -> EvaluateConfig {
        let models = self.job.path("models").to_str().unwrap().to_owned();
        let mut config = EvaluateConfig::new(self.job.path("events"), "HI", models);
        config.version = version.parse().unwrap();
        config
    }

    fn model(&self, index: usize) -> ServingModel {
        ServingModel::open(&self.versions[index].1).unwrap()
    }
}

fn run(config: &EvaluateConfig) -> Evaluation {
    evaluate(config, &Progress::silent()).unwrap()
}

fn push(metrics: &mut Metrics, model: &ServingModel, line: &str) {
    let event = Event::from_json(line.as_bytes()).unwrap();
    let probability = model.predict(&event).unwrap().probability;
    let label = event.label.unwrap();
    metrics.push(probability, label, event.importance).unwrap();
}

#[test]
fn a_version_is_measured_by_its_own_predictions_on_the_stretch_alone() {
    let trained = trained();
    let (from, to) = (START_MS + 2 * HOUR_MS + 1, START_MS + 9 * HOUR_MS + 50_000);
    let mut expected = Metrics::new();
    let model = trained.model(3);
    for (time, line) in &trained.lines {
        if (from..to).contains(time) {
            push(&mut expected, &model, line);
        }
    }
    let mut config = trained.config(&trained.versions[3].0);
    (config.from_ms, config.to_ms) = (Some(from), Some(to));
    let found = run(&config);
    assert_eq!(found.events, expected.events());
    assert_eq!(found.unserved, 0);
    assert_eq!(found.model.quality.log_loss, expected.log_loss());
    assert_eq!(found.model.quality.auc, expected.auc());
    let interval = expected.log_loss_interval(0.95).unwrap().unwrap();
    assert_eq!(
        found.model.log_loss_interval,
        Some([interval.low, interval.high])
    );

    for threads in [1, 5] {
        config.threads = threads;
        assert_eq!(run(&config), found, "{threads} threads");
    }
}

#[test]
fn a_range_is_what_would_have_been_served_at_the_time() {
    let trained = trained();
    let models: Vec<ServingModel> = (0..trained.versions.len())
        .map(|i| trained.model(i))
        .collect();
    let mut expected: BTreeMap<&str, Metrics> = BTreeMap::new();
    let mut unserved = 0;
    for (time, line) in &trained.lines {
        let learned_before = |model: &&ServingModel| model.info().span.unwrap().last < *time;
        match models.iter().rev().find(learned_before) {
            Some(model) => {
                let version = model.info().version.as_str();
                push(expected.entry(version).or_default(), model, line);
            }
            None => unserved += 1,
        }
    }
    let found = run(&trained.config(".."));
    assert_eq!(found.unserved, unserved);
    assert!(unserved > 0 && expected.len() > 8);
    let found: Vec<_> = (found.model.versions.iter())
        .map(|one| (one.version.as_str(), one.events, one.quality.log_loss))
        .collect();
    let expected: Vec<_> = (expected.iter())
        .map(|(version, metrics)| (*version, metrics.events(), metrics.log_loss()))
        .collect();
    assert_eq!(found, expected);

    // A part of the range: nothing newer than its end serves, nothing serves before its beginning.
    let (first, last) = (&trained.versions[2].0, &trained.versions[4].0);
    let part = run(&trained.config(&format!("{first}..{last}")));
    let names: Vec<&str> = part
        .model
        .versions
        .iter()
        .map(|one| one.version.as_str())
        .collect();
    let expected: Vec<&str> = trained.versions[2..=4]
        .iter()
        .map(|one| one.0.as_str())
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn two_versions_are_compared_on_the_same_events() {
    let trained = trained();
    let (old, new) = (&trained.versions[0].0, &trained.versions.last().unwrap().0);
    let mut config = trained.config(new);
    config.compare = Some(old.parse().unwrap());
    let found = run(&config);
    let (first, second) = (
        &found.model.quality,
        &found.compared.as_ref().unwrap().quality,
    );
    let difference = found.difference.unwrap();
    let losses = first.log_loss.unwrap() - second.log_loss.unwrap();
    assert!(
        (difference.log_loss - losses).abs() < 1e-9,
        "{difference:?} {losses}"
    );
    // The events have 17 users; the newest version has seen all of these events.
    assert_eq!(difference.users, 17);
    assert_eq!(difference.verdict, Verdict::FirstIsBetter);
    let text = found.to_string();
    assert!(text.contains(&format!("{new} is better")), "{text}");

    config.compare = Some(new.parse().unwrap());
    let same = run(&config).difference.unwrap();
    assert!(same.log_loss.abs() < 1e-15);
    assert_eq!(same.verdict, Verdict::Undecided);
}

#[test]
fn wrong_selections_and_empty_stretches_say_so() {
    let trained = trained();
    let failure = |config: &EvaluateConfig| {
        let failure = evaluate(config, &Progress::silent()).unwrap_err();
        let folder = trained.job.path("").to_str().unwrap().to_owned();
        (
            failure.exit_code(),
            failure.render().replace(&folder, "DIR/"),
        )
    };
    let (code, message) = failure(&trained.config("2030-01-01T00-1"));
    assert_eq!(code, 1);
    assert!(message.contains("2030-01-01T00-1"), "{message}");
    let (code, message) = failure(&trained.config("2030-01-01T00-1.."));
    assert_eq!(code, 2);
    assert_eq!(
        message,
        "error: DIR/models: no version of HI is in 2030-01-01T00-1.."
    );
    let mut config = trained.config("latest");
    config.from_ms = Some(START_MS + 1_000 * HOUR_MS);
    let (code, message) = failure(&config);
    assert_eq!(code, 1);
    assert_eq!(
        message,
        "error: DIR/events/HI: holds no event files of this stretch"
    );
    let mut config = trained.config("..");
    config.to_ms = Some(START_MS + 60_000);
    let (code, message) = failure(&config);
    assert_eq!(code, 1);
    assert!(
        message.contains("1 are older than the versions, 0 lines were rejected"),
        "{message}"
    );
}

#[test]
fn a_page_is_written() {
    let trained = trained();
    let mut config = trained.config("..");
    config.report = Some(trained.job.path("evaluation.html"));
    let found = run(&config);
    let page = std::fs::read_to_string(trained.job.path("evaluation.html")).unwrap();
    assert!(page.contains("<title>Evaluation · HI · test</title>"));
    let log_loss = format!("{:.4}", found.model.quality.log_loss.unwrap());
    assert!(
        page.contains(&format!("<strong>{log_loss}</strong>")),
        "{log_loss}"
    );
}
