//! The settings of `train`: flags of the command line over keys of a file over defaults.
//!
//! [`Settings`] is both: every flag `--max-reject-share` is a key `max_reject_share` of
//! `trainer.toml`, with the same meaning and the same checks. No environment variable counts but
//! the credentials of object stores. Paths are taken as on the command line, from the working
//! directory, wherever the file lies.
//!
//! ```
//! use pipeline::settings::{Job, Settings};
//!
//! let file = Settings::from_toml(
//!     "trainer.toml",
//!     r#"
//!     input_path = "events"
//!     spec = "spec.toml"
//!     output = "models"
//!     threshold = 0.1
//!     [learner]
//!     optimizer = "ftrl"
//!     learning_rate = 0.05
//!     "#,
//! )?;
//! let Job::Stream(config) = file.job()? else { panic!("there is an input") };
//! assert_eq!(config.threshold, 0.1);
//! // Unset keys keep their defaults.
//! assert_eq!(config.max_reject_share, 0.01);
//! # Ok::<(), pipeline::cli::Failure>(())
//! ```

mod gate;
mod layers;
mod print;
mod stream;
mod values;

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::Failure;
use crate::demo::DemoConfig;
use crate::logging::LogFormat;
use crate::optimizer;
#[cfg(feature = "http")]
use crate::telemetry::Endpoint;
use crate::telemetry::Telemetry;
use crate::train::TrainConfig;

pub use self::gate::GateSettings;
pub use self::stream::StreamSettings;
pub use self::values::{Moment, Optimizer, Period, Probability, Rate, Share};

const LANGUAGE: &str = "HI";
const DEMO_OUTPUT: &str = "out/demo";
const PLAYS: u64 = 200_000;
const LOG: &str = "info";

/// What can be set for `train`; everything may be left out.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// Folder of event files: INPUT/LANGUAGE/dt=YYYY-MM-DD/hour=HH/part-NNNNN.jsonl.zst
    #[arg(long, value_name = "URL|DIR")]
    pub input_path: Option<PathBuf>,
    /// What stands at which position
    #[arg(long, value_name = "FILE", conflicts_with = "config_version")]
    pub spec: Option<PathBuf>,
    /// Version of the config in the registry of the output, in place of a spec file
    #[arg(long, value_name = "V")]
    pub config_version: Option<String>,
    /// Folder of the vocabularies that the spec names, when they are not beside it
    #[arg(long, value_name = "DIR")]
    pub vocabularies: Option<PathBuf>,
    /// Language of the stream and of the model, or several: HI,BN
    #[arg(long)]
    pub language: Option<String>,
    /// Root of the models; the demo's default is out/demo
    #[arg(long, value_name = "URL|DIR")]
    pub output: Option<String>,
    /// Prefix of every dump's version
    #[arg(long, value_name = "V")]
    pub model_version: Option<String>,
    /// Population statistics to scale with, or latest for those of the registry; without them, each
    /// day uses those of the days before
    #[arg(long, value_name = "FILE|latest")]
    pub stats: Option<PathBuf>,
    /// Threads that read and encode; the model is the same for any number
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroU16>,
    /// Keep encoded events in DIR, and read them from there next time
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Write `event_id,label,probability`, each given before its event was learned from
    #[arg(long, value_name = "FILE")]
    pub predictions: Option<PathBuf>,
    /// Also report the figures of this event and all after it
    #[arg(long, value_name = "EVENT_ID")]
    pub evaluate_from: Option<String>,
    /// Write a page about the run, at its end and at its dumps; the demo's default is
    /// out/demo/report.html
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Names of one-hot features, such as event/tab, by whose values the page has figures
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    pub report_by: Option<Vec<String>>,
    /// Largest share of rejected lines in a dump interval
    #[arg(long)]
    pub max_reject_share: Option<Share>,
    /// Probability from which a video counts as liked; travels in the model
    #[arg(long)]
    pub threshold: Option<Probability>,
    /// Plays to simulate in the demo
    #[arg(long)]
    pub plays: Option<u64>,
    /// How to learn.
    #[command(flatten)]
    #[serde(default)]
    pub learner: LearnerSettings,
    /// How to follow a stream.
    #[command(flatten)]
    #[serde(default)]
    pub stream: StreamSettings,
    /// When a dump is kept back.
    #[command(flatten)]
    #[serde(default)]
    pub gate: GateSettings,
    /// How to watch the run.
    #[command(flatten)]
    #[serde(default)]
    pub eyes: EyesSettings,
}

/// How to learn; the default needs nothing.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LearnerSettings {
    /// How to learn: bank (nothing to tune), ftrl, adagrad, normalized or sgd
    #[arg(long, value_name = "NAME")]
    pub optimizer: Option<Optimizer>,
    /// Step size of every optimizer but the bank (alpha of ftrl)
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<Rate>,
}

/// How to watch the run.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EyesSettings {
    /// How the log on standard error looks
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug, trace, or directives such as warn,pipeline=debug
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// Serve /metrics, /healthz and /readyz on this address, such as 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// What `train` is to do.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a program does one or the other")]
pub enum Job {
    /// The whole job on a made-up log.
    Demo(Box<DemoConfig>),
    /// The job on a stream of events.
    Stream(Box<TrainConfig>),
}

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or as [`from_toml`](Self::from_toml).
    pub fn from_path(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Failure::usage(format!("--config {}: {source}", path.display())))?;
        Self::from_toml(&path.display().to_string(), &text)
    }

    /// Reads settings from the text of a file called `name`.
    ///
    /// # Errors
    ///
    /// The text is not TOML, or a key is unknown, is given twice or has a value outside of its
    /// range; the message shows the line.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, Failure> {
        toml::from_str(text)
            .map_err(|error| Failure::usage(format!("{name}: {}", error.to_string().trim_end())))
    }

    /// These settings, and those of `below` where these say nothing.
    ///
    /// # Errors
    ///
    /// A value cannot be written as TOML (a path that is not UTF-8).
    pub fn over(&self, below: &Self) -> Result<Self, Failure> {
        layers::overlay(self, below)
    }

    /// What unset settings stand for, as far as that is one value.
    #[must_use]
    pub fn defaults() -> Self {
        let config = TrainConfig::new("", "", LANGUAGE, "");
        Self {
            stream: StreamSettings::defaults(&config),
            gate: GateSettings::defaults(),
            language: Some(config.language),
            max_reject_share: Share::try_from(config.max_reject_share).ok(),
            threshold: Probability::try_from(config.threshold).ok(),
            plays: Some(PLAYS),
            learner: LearnerSettings {
                optimizer: Some(Optimizer::default()),
                learning_rate: None,
            },
            eyes: EyesSettings {
                log_format: Some(LogFormat::default()),
                log: Some(LOG.to_owned()),
                listen: None,
            },
            ..Self::default()
        }
    }

    /// These settings with the defaults of all others.
    ///
    /// # Errors
    ///
    /// As [`over`](Self::over).
    pub fn with_defaults(&self) -> Result<Self, Failure> {
        let mut settings = self.over(&Self::defaults())?;
        if settings.input_path.is_some() {
            settings.plays = self.plays;
        }
        Ok(settings)
    }

    /// A complete settings file with a comment on every key, which gives these settings back.
    ///
    /// # Errors
    ///
    /// As [`over`](Self::over).
    pub fn print(&self) -> Result<String, Failure> {
        print::file(self)
    }

    /// The arguments of a command line, with the defaults in their help.
    #[must_use]
    pub fn describe_defaults(command: clap::Command) -> clap::Command {
        print::describe_defaults(command)
    }

    /// Language of the stream.
    #[must_use]
    pub fn language(&self) -> &str {
        self.language.as_deref().unwrap_or(LANGUAGE)
    }

    /// How the log looks.
    #[must_use]
    pub fn log_format(&self) -> LogFormat {
        self.eyes.log_format.unwrap_or_default()
    }

    /// What is logged.
    #[must_use]
    pub fn log(&self) -> &str {
        self.eyes.log.as_deref().unwrap_or(LOG)
    }

    /// Serves metrics if that is asked for.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or this build has no HTTP.
    #[cfg(feature = "http")]
    pub fn listen(&self, telemetry: &Telemetry) -> Result<Option<Endpoint>, Failure> {
        let address = self.eyes.listen;
        address.map(|address| telemetry.listen(address)).transpose()
    }

    /// Serves metrics if that is asked for.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or this build has no HTTP.
    #[cfg(not(feature = "http"))]
    pub fn listen(&self, _: &Telemetry) -> Result<(), Failure> {
        match self.eyes.listen {
            None => Ok(()),
            Some(address) => Err(Failure::usage(format!(
                "--listen {address}: this build has no HTTP; build with --features http"
            ))),
        }
    }

    /// What is to be done.
    ///
    /// # Errors
    ///
    /// Settings that belong together are not there, or exclude each other.
    pub fn job(&self) -> Result<Job, Failure> {
        let Some(input) = &self.input_path else {
            for (flag, given) in [
                ("--spec", self.spec.is_some()),
                ("--config-version", self.config_version.is_some()),
                ("--vocabularies", self.vocabularies.is_some()),
            ] {
                if given {
                    return Err(needs(flag, "--input-path"));
                }
            }
            let output = self.output.as_deref().unwrap_or(DEMO_OUTPUT);
            let mut config = DemoConfig::new(output, self.language());
            config.simulate.plays = self.plays.unwrap_or(PLAYS);
            self.apply(&mut config.train)?;
            return Ok(Job::Demo(Box::new(config)));
        };
        if self.plays.is_some() {
            return Err(Failure::usage(
                "--plays is for the demo and does not go with --input-path",
            ));
        }
        if self.spec.is_some() == self.config_version.is_some() {
            return Err(needs("--input-path", "one of --spec and --config-version"));
        }
        let Some(output) = &self.output else {
            return Err(needs("--input-path", "--output"));
        };
        let spec = self.spec.clone().unwrap_or_default();
        let mut config = TrainConfig::new(input, spec, self.language(), output);
        self.apply(&mut config)?;
        Ok(Job::Stream(Box::new(config)))
    }

    /// Everything but where the input and the output are.
    fn apply(&self, config: &mut TrainConfig) -> Result<(), Failure> {
        config.config_version.clone_from(&self.config_version);
        config.vocabularies.clone_from(&self.vocabularies);
        config.model_version.clone_from(&self.model_version);
        config.statistics.clone_from(&self.stats);
        if let Some(threads) = self.threads {
            config.threads = usize::from(threads.get());
        }
        config.cache.clone_from(&self.cache);
        config.predictions.clone_from(&self.predictions);
        config.evaluate_from.clone_from(&self.evaluate_from);
        if self.report.is_some() {
            config.report.clone_from(&self.report);
        }
        config.report_by = self.report_by.clone().unwrap_or_default();
        if let Some(share) = self.max_reject_share {
            config.max_reject_share = share.get();
        }
        if let Some(threshold) = self.threshold {
            config.threshold = threshold.get();
        }
        self.stream.apply(config);
        self.gate.apply(&mut config.gate);
        let learner = &self.learner;
        let optimizer = learner.optimizer.clone().unwrap_or_default();
        config.learner = optimizer::learner(optimizer.get(), learner.learning_rate.map(Rate::get))?;
        Ok(())
    }
}

fn needs(what: &str, needed: &str) -> Failure {
    Failure::usage(format!(
        "{what} needs {needed}, as a flag or as a key of the --config file"
    ))
}
