//! Trains a like model event by event and dumps it for every hour of event time.
//!
//! Without arguments it runs the main job on a made-up short-video log: it simulates plays,
//! generates events, takes population statistics, trains, and reports.
//!
//! ```text
//! cargo run --release --example train
//! cargo run --release --example train -- --input-path EVENTS --spec SPEC.toml --language HI --output MODELS
//! cargo run --release --example train -- --config trainer.toml
//! ```
//!
//! The last line says how many models were written and where the newest lies.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use pipeline::cli::{self, Failure};
use pipeline::progress::Progress;
use pipeline::settings::{Job, Settings};
use pipeline::telemetry::Telemetry;
use pipeline::{demo, logging, summary, train};

/// Train a like model from events and dump it for every hour of event time.
///
/// Without --input-path, simulate a short-video log and train on it.
#[derive(Debug, Parser)]
#[command(name = "train", version)]
struct Args {
    /// Take what no flag sets from this file; its keys are the names of the flags
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print all settings as such a file, with comments, and end
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    let command = Settings::describe_defaults(Args::command());
    let args = Args::from_arg_matches(&command.get_matches());
    match start(args.unwrap_or_else(|error| error.exit())) {
        Ok(Some((settings, progress))) => {
            logging::exit(settings.log_format(), run(&settings, progress))
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(failure) => cli::exit(Err(failure)),
    }
}

/// The settings, with logs under way; `None` when they were only to be printed.
fn start(args: Args) -> Result<Option<(Settings, Progress)>, Failure> {
    let settings = match &args.config {
        Some(path) => args.settings.over(&Settings::from_path(path)?)?,
        None => args.settings,
    };
    if args.print_config {
        print!("{}", settings.with_defaults()?.print()?);
        return Ok(None);
    }
    let progress = logging::init(settings.log_format(), settings.log())?;
    Ok(Some((settings, progress)))
}

fn run(settings: &Settings, progress: Progress) -> Result<(), Failure> {
    let job = settings.job()?;
    let first = settings.language().split(',').next().unwrap_or_default();
    let telemetry = Telemetry::new(first);
    let progress = progress.telemetry(telemetry.clone());
    let _endpoint = settings.listen(&telemetry)?;
    let mut results = match &job {
        Job::Stream(config) => {
            #[cfg(unix)]
            config.stop.on_signals()?;
            train::train_each(config, &progress)?
        }
        Job::Demo(config) => {
            let demo = demo::run(config, progress)?;
            print!("{}", demo.truth);
            BTreeMap::from([(settings.language().to_owned(), demo.summary)])
        }
    };
    if results.len() > 1 {
        if let Some(path) = &settings.summary {
            summary::write_json(path, &results)?;
        }
        for (language, result) in results {
            print!("{language}\n{result}");
        }
        return Ok(());
    }
    let Some((_, result)) = results.pop_first() else {
        return Ok(());
    };
    if let Some(path) = &settings.summary {
        summary::write_json(path, &result)?;
    }
    print!("{result}");
    Ok(())
}
