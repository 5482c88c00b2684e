//! The exact solver beside the online learner: the past alone, and the same figures on any threads.

use std::path::Path;

use pipeline::demo::{self, DemoConfig};
use pipeline::exact::{self, ExactConfig};
use pipeline::libsvm::{self, LibsvmConfig};
use pipeline::progress::Progress;
use pipeline::summary::Summary;

/// The demo on 8,000 plays, and the settings for 500-event stretches of its events.
fn demo(folder: &Path) -> (Summary, ExactConfig) {
    let output = folder.join("demo");
    let mut config = DemoConfig::new(&output, "HI");
    config.simulate.plays = 8_000;
    config.simulate.users = 400;
    config.simulate.videos = 300;
    let summary = demo::run(&config, Progress::silent()).unwrap().summary;
    let mut exact = ExactConfig::new(&config.train.input, &config.train.spec, "HI");
    exact.vocabularies = Some(output.join("vocabularies"));
    exact.from = 5_000;
    exact.every = 1_000;
    exact.l2 = vec![1.0, 1000.0];
    (summary, exact)
}

#[test]
fn solutions_learn_from_the_past_alone_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, mut config) = demo(folder.path());
    let rows = folder.path().join("rows.svm");
    config.libsvm = Some(rows.clone());
    config.threads = 1;
    let one = exact::run(&config, Progress::silent()).unwrap();
    config.threads = 3;
    config.libsvm = None;
    assert_eq!(exact::run(&config, Progress::silent()).unwrap(), one);

    // The stretch from 5,000 on chooses λ₂; a thousand times too much of it is not chosen.
    let bounds: Vec<_> = one.stretches.iter().map(|s| (s.from, s.to, s.l2)).collect();
    assert_eq!(bounds, [(6_000, 7_000, 1.0), (7_000, 8_000, 1.0)]);
    for stretch in &one.stretches {
        // A solution knows something, and nothing of the labels that it is scored on.
        assert!((0.1..0.5).contains(&stretch.exact), "{one}");
        assert!(
            (0.8..1.3).contains(&(stretch.online / stretch.exact)),
            "{one}"
        );
        assert!(
            (0.8..1.3).contains(&(stretch.frozen / stretch.exact)),
            "{one}"
        );
    }
    let by_hand = one.stretches[0].online + one.stretches[1].online;
    let by_hand = by_hand / (one.stretches[0].exact + one.stretches[1].exact) - 1.0;
    assert!((one.online_excess() - by_hand).abs() < 1e-12);

    // The rows as text are those that the job learned from, but for statistics of a later day.
    let text = libsvm::run(&LibsvmConfig::new(&rows), Progress::silent()).unwrap();
    assert_eq!(
        (text.events, text.positives),
        (summary.events, summary.positives)
    );
    let (a, b) = (
        text.quality.log_loss.unwrap(),
        summary.quality.log_loss.unwrap(),
    );
    assert!((a / b - 1.0).abs() < 0.02, "{a} {b}");
}

#[test]
fn settings_that_leave_nothing_to_compare_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut config) = demo(folder.path());
    config.from = 7_500;
    let failure = exact::run(&config, Progress::silent()).unwrap_err();
    assert_eq!(
        (failure.exit_code(), failure.render()),
        (
            1,
            "error: 8000 events are not two stretches of 1000 after the first 7500".to_owned()
        )
    );
    config.every = 0;
    assert_eq!(
        exact::run(&config, Progress::silent())
            .unwrap_err()
            .exit_code(),
        2
    );
    config.every = 1_000;
    config.l2 = vec![f64::NAN];
    let failure = exact::run(&config, Progress::silent()).unwrap_err();
    assert_eq!(
        failure.render(),
        "error: l2: l2 = NaN is not a finite number of at least 0"
    );
}
