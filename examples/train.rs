//! Trains a like model event by event and dumps it for every hour of event time.
//!
//! Without arguments it runs the main job on a made-up short-video log: it simulates plays,
//! generates events, takes population statistics, trains, and reports.
//!
//! ```text
//! cargo run --release --example train
//! cargo run --release --example train -- --input-path EVENTS --spec SPEC.toml --language HI --output MODELS
//! ```
//!
//! The last line says how many models were written and where the newest lies.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::demo::{self, DemoConfig};
use pipeline::logging::{self, LogFormat};
use pipeline::optimizer;
use pipeline::summary;
use pipeline::telemetry::Telemetry;
use pipeline::train::{self, TrainConfig};

/// Train a like model from events and dump it for every hour of event time.
///
/// Without --input-path, simulate a short-video log and train on it.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Folder of event files: <input>/<language>/dt=YYYY-MM-DD/hour=HH/part-NNNNN.jsonl.zst
    #[arg(long, value_name = "URL|DIR", requires = "spec", requires = "output")]
    input_path: Option<PathBuf>,
    /// What stands at which position
    #[arg(long, value_name = "FILE", requires = "input_path")]
    spec: Option<PathBuf>,
    /// Folder of the vocabularies that the spec names, when they are not beside it
    #[arg(long, value_name = "DIR", requires = "input_path")]
    vocabularies: Option<PathBuf>,
    /// Language of the stream and of the model
    #[arg(long, default_value = "HI")]
    language: String,
    /// Root of the models; the demo's default is out/demo
    #[arg(long, value_name = "URL|DIR")]
    output: Option<String>,
    /// Prefix of every dump's version
    #[arg(long, value_name = "V")]
    model_version: Option<String>,
    /// Population statistics to scale with; without them, each day uses those of the days before
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Threads that read and encode; the model is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write `event_id,label,probability`, each given before its event was learned from
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Also report the figures of this event and all after it
    #[arg(long, value_name = "EVENT_ID")]
    evaluate_from: Option<String>,
    /// Largest share of rejected lines in a dump interval
    #[arg(long, default_value_t = 0.01)]
    max_reject_share: f64,
    /// Probability from which a video counts as liked; travels in the model
    #[arg(long, default_value_t = 0.5)]
    threshold: f64,
    /// Plays to simulate in the demo
    #[arg(long, default_value_t = 200_000, conflicts_with = "input_path")]
    plays: u64,
    #[command(flatten)]
    learner: optimizer::LearnerArgs,
    /// How the log on standard error looks
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or directives such as warn,pipeline=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: String,
    /// Serve /metrics, /healthz and /readyz on this address, such as 127.0.0.1:9090
    #[cfg(feature = "http")]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::SocketAddr>,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let telemetry = Telemetry::new(&args.language);
    let progress = logging::init(args.log_format, &args.log)?.telemetry(telemetry.clone());
    #[cfg(feature = "http")]
    let _endpoint = (args.listen.map(|address| telemetry.listen(address))).transpose()?;
    let result = match (&args.input_path, &args.spec, &args.output) {
        (Some(input), Some(spec), Some(output)) => {
            let mut config = TrainConfig::new(input, spec, &args.language, output);
            apply(args, &mut config)?;
            train::train(&config, progress)?
        }
        _ => {
            let output = args.output.as_deref().unwrap_or("out/demo");
            let mut config = DemoConfig::new(output, &args.language);
            config.simulate.plays = args.plays;
            apply(args, &mut config.train)?;
            let demo = demo::run(&config, progress)?;
            print!("{}", demo.truth);
            demo.summary
        }
    };
    if let Some(path) = &args.summary {
        summary::write_json(path, &result)?;
    }
    print!("{result}");
    Ok(())
}

fn apply(args: &Args, config: &mut TrainConfig) -> Result<(), Failure> {
    if !(0.0..=1.0).contains(&args.max_reject_share) {
        let message = format!(
            "--max-reject-share {} is not in 0 to 1",
            args.max_reject_share
        );
        return Err(Failure::usage(message));
    }
    if !(args.threshold > 0.0 && args.threshold < 1.0) {
        let message = format!("--threshold {} is not between 0 and 1", args.threshold);
        return Err(Failure::usage(message));
    }
    config.vocabularies.clone_from(&args.vocabularies);
    config.model_version.clone_from(&args.model_version);
    config.statistics.clone_from(&args.stats);
    if let Some(threads) = args.threads {
        config.threads = usize::from(threads);
    }
    config.predictions.clone_from(&args.predictions);
    config.evaluate_from.clone_from(&args.evaluate_from);
    config.max_reject_share = args.max_reject_share;
    config.threshold = args.threshold;
    config.learner = args.learner.config()?;
    Ok(())
}
