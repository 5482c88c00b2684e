//! The learner on libsvm files: from text and from a cache, the same figures.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use lr_core::{FtrlConfig, OptimizerConfig};
use pipeline::libsvm::{self, LibsvmConfig};
use pipeline::progress::Progress;
use pipeline::summary::Summary;

struct Job {
    folder: tempfile::TempDir,
    config: LibsvmConfig,
}

impl Job {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("rows.svm");
        std::fs::write(&input, text).unwrap();
        let mut config = LibsvmConfig::new(input);
        config.predictions = Some(folder.path().join("predictions.csv"));
        Self { folder, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The figures without the time they took, and the predictions.
    fn run(&self) -> (Summary, String) {
        let mut summary = libsvm::run(&self.config, Progress::silent()).unwrap();
        (summary.seconds, summary.events_per_second) = (0.0, 0.0);
        let predictions = std::fs::read_to_string(self.path("predictions.csv")).unwrap();
        (summary, predictions)
    }

    fn failure(&self) -> String {
        let failure = libsvm::run(&self.config, Progress::silent()).unwrap_err();
        let folder = self.folder.path().to_str().unwrap();
        failure.render().replace(folder, "DIR")
    }
}

/// Rows of several blocks of text, in which feature 1 is liked and feature 2 is not.
fn text(rows: usize) -> String {
    (0..rows)
        .map(|row| {
            let draw = (row * 7_919 + row / 13) % 10;
            let (feature, liked) = if row % 2 == 0 {
                (1, draw < 7)
            } else {
                (2, draw < 2)
            };
            let label = if liked { "+1" } else { "-1" };
            format!(
                "{label} {feature}:1 {}:{}.25 {}:0.5\n",
                3 + row % 500,
                row % 4,
                600 + row
            )
        })
        .collect()
}

#[test]
fn rows_from_the_cache_give_the_figures_and_predictions_of_the_text() {
    let mut job = Job::new(&text(30_000));
    job.config.evaluate_from = Some(20_000);
    let plain = job.run();
    assert_eq!(plain.0.events, 30_000);
    assert!(plain.0.quality.auc.unwrap() > 0.7, "{}", plain.0);

    job.config.cache = Some(job.path("rows.arrow"));
    assert_eq!(job.run(), plain, "writes the cache");
    let written = std::fs::read(job.path("rows.arrow")).unwrap();
    assert_eq!(job.run(), plain, "uses it");
    job.config.learner.optimizer = OptimizerConfig::Ftrl(FtrlConfig::default());
    let cached = job.run();
    job.config.cache = None;
    assert_eq!(job.run(), cached, "another learner, the same rows");
    assert_ne!(cached.1, plain.1);
    assert_eq!(std::fs::read(job.path("rows.arrow")).unwrap(), written);
}

#[test]
fn several_passes_learn_from_the_cache_as_from_the_text() {
    let mut job = Job::new(&text(2_000));
    job.config.passes = 3;
    let plain = job.run();
    job.config.cache = Some(job.path("rows.arrow"));
    assert_eq!(job.run(), plain);
    assert_eq!(job.run(), plain);
}

#[test]
fn a_cache_of_another_file_or_of_nothing_is_written_anew() {
    let mut job = Job::new(&text(1_000));
    job.config.cache = Some(job.path("rows.arrow"));
    job.run();
    let first = std::fs::read(job.path("rows.arrow")).unwrap();

    // As long as before, and later.
    std::fs::write(job.path("rows.svm"), text(1_000).replace("+1", "-1")).unwrap();
    let later = SystemTime::now() + Duration::from_secs(5);
    let file = std::fs::File::options()
        .write(true)
        .open(job.path("rows.svm"))
        .unwrap();
    file.set_modified(later).unwrap();
    assert_eq!(job.run().0.positives, 0);
    let second = std::fs::read(job.path("rows.arrow")).unwrap();
    assert_ne!(second, first);

    for damaged in [&b""[..], b"rubbish", &second[..second.len() / 2]] {
        std::fs::write(job.path("rows.arrow"), damaged).unwrap();
        assert_eq!(job.run().0.positives, 0);
        assert_eq!(std::fs::read(job.path("rows.arrow")).unwrap(), second);
    }
    // Another limit of positions may refuse rows that were kept.
    job.config.max_dimension = 1_000;
    assert_eq!(
        job.failure(),
        "error: DIR/rows.svm: line 401: position 1000 is beyond the limit of 1000 positions"
    );
    assert_eq!(std::fs::read(job.path("rows.arrow")).unwrap(), second);
}

#[test]
fn a_row_of_the_cache_that_changed_is_an_error_that_says_what_to_do() {
    let mut job = Job::new(&text(1_000));
    job.config.cache = Some(job.path("rows.arrow"));
    job.run();
    let mut bytes = std::fs::read(job.path("rows.arrow")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(job.path("rows.arrow"), bytes).unwrap();
    let message = job.failure();
    let expected = "error: DIR/rows.arrow: remove it and run again: checksum mismatch in batch 0";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn bad_input_ends_with_one_clear_message_and_no_cache() {
    let mut job = Job::new("1 1:1\n-1 2:x\n");
    job.config.cache = Some(job.path("rows.arrow"));
    assert_eq!(
        job.failure(),
        "error: DIR/rows.svm: line 2: value \"x\" of position 2 is not a finite number"
    );
    assert!(!job.path("rows.arrow").exists());
    assert_eq!(
        Job::new("# nothing\n").failure(),
        "error: DIR/rows.svm: holds no row"
    );

    job.config.cache = Some(job.path("no-such-folder/rows.arrow"));
    assert!(
        job.failure()
            .starts_with("error: --cache: writing DIR/no-such-folder/rows.arrow")
    );
    job.config.input = PathBuf::from("-");
    job.config.cache = Some(job.path("rows.arrow"));
    assert!(job.failure().contains("error: -: "), "{}", job.failure());
}

/// The flags of the learner alone.
#[derive(Debug, clap::Parser)]
struct Flags {
    #[command(flatten)]
    learner: pipeline::optimizer::LearnerArgs,
}

#[test]
fn a_half_life_ages_the_evidence_and_is_checked() {
    let config = |flags: &[&str]| {
        let flags = [&["libsvm"], flags].concat();
        <Flags as clap::Parser>::parse_from(flags).learner.config()
    };
    let mut job = Job::new(&text(4_000));
    job.config.learner = config(&["--optimizer=ftrl"]).unwrap();
    assert!(job.config.learner.half_life.is_infinite());
    let kept = job.run();
    job.config.learner = config(&["--optimizer=ftrl", "--half-life=500"]).unwrap();
    assert_eq!(job.config.learner.half_life.to_bits(), 500.0_f64.to_bits());
    assert_ne!(job.run().1, kept.1);
    job.config.learner = config(&["--half-life=99"]).unwrap();
    assert!(
        job.failure().contains("half_life is 99, not at least 100"),
        "{}",
        job.failure()
    );
}
