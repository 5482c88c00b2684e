//! The main job on a made-up log: simulate, vocabulary, `event_gen` and train, one after the other.

mod truth;

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::event_gen::{self, EventGenConfig};
use crate::progress::Progress;
use crate::simulate::{self, SimulateConfig};
use crate::summary::Summary;
use crate::train::{self, TrainConfig};
use crate::vocabulary::{self, VocabularyConfig};

pub use self::truth::TruthReport;

/// The configuration of the demo, inside the program so that it runs from anywhere.
const CONFIG: [(&str, &str); 3] = [
    ("mapping.toml", include_str!("../config/demo/mapping.toml")),
    ("spec.toml", include_str!("../config/demo/spec.toml")),
    (
        "festivals.txt",
        include_str!("../config/demo/festivals.txt"),
    ),
];

/// A file by which the demo knows a folder as its own.
const MARKER: &str = ".demo";

/// What to simulate and how to train on it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DemoConfig {
    /// Folder of everything that the demo writes; emptied when it is a demo's.
    pub output: PathBuf,
    /// The made-up app.
    pub simulate: SimulateConfig,
    /// The job; its input and output are the demo's.
    pub train: TrainConfig,
}

impl DemoConfig {
    /// 200,000 plays of an app of 20,000 users.
    #[must_use]
    pub fn new(output: impl Into<PathBuf>, language: &str) -> Self {
        let output = output.into();
        let mut train = TrainConfig::new(
            output.join("events"),
            output.join("config/spec.toml"),
            language,
            output.to_string_lossy(),
        );
        train.report = Some(output.join("report.html"));
        Self {
            output,
            simulate: SimulateConfig::default(),
            train,
        }
    }
}

/// What the demo found.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The figures of the job.
    pub summary: Summary,
    /// How close it came to the true model.
    pub truth: TruthReport,
}

/// Runs the demo from nothing to models.
///
/// # Errors
///
/// - The output folder holds something that is not a demo's.
/// - A step fails.
pub fn run(config: &DemoConfig, progress: Progress) -> Result<Demo, Failure> {
    let output = &config.output;
    prepare(output)?;
    let settings = output.join("config");
    let simulated = simulate::run(&config.simulate, &output.join("log"), progress.clone())?;

    let mapping = settings.join("mapping.toml");
    let vocabularies = output.join("vocabularies");
    let mut vocabulary = VocabularyConfig::new(&mapping, &simulated.plays, &vocabularies);
    vocabulary.users = Some(simulated.users.clone());
    vocabulary.videos = Some(simulated.videos.clone());
    vocabulary::run(&vocabulary, progress.clone())?;

    let mut events = EventGenConfig::new(&mapping, &simulated.plays, &config.train.input);
    events.users = Some(simulated.users);
    events.videos = Some(simulated.videos);
    events.language.clone_from(&config.train.language);
    event_gen::run(&events, progress.clone())?;

    let mut job = config.train.clone();
    job.vocabularies = Some(vocabularies);
    let predictions = job
        .predictions
        .get_or_insert_with(|| output.join("predictions.csv"))
        .clone();
    let summary = train::train(&job, progress)?;
    let truth = TruthReport::read(&predictions, &simulated.truth)?;
    Ok(Demo { summary, truth })
}

/// Makes an empty folder with the configuration in it, in place of an older demo's.
fn prepare(output: &Path) -> Result<(), Failure> {
    let failure = |source| Failure::file(output, source);
    let marker = output.join(MARKER);
    if marker.exists() {
        fs::remove_dir_all(output).map_err(failure)?;
    } else if output
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(Failure::usage(format!(
            "--output {}: the folder is not empty and not a demo's; name another",
            output.display()
        )));
    }
    fs::create_dir_all(output.join("config")).map_err(failure)?;
    fs::write(
        &marker,
        "This folder is emptied by the next demo that writes here.\n",
    )
    .map_err(failure)?;
    for (name, text) in CONFIG {
        fs::write(output.join("config").join(name), text).map_err(failure)?;
    }
    Ok(())
}
