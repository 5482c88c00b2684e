//! Predicts raw events with one model file: spec and statistics travel in it.
//!
//! ```text
//! cargo run --release --example predict -- --model model.safetensors --events events.jsonl.zst
//! ```
//!
//! Prints `event_id,probability,like` as CSV, one line an event, in the order of the events.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::predict::{self, PredictConfig};

/// Predict raw events with one model file.
#[derive(Debug, Parser)]
#[command(name = "predict", version)]
struct Args {
    /// Model file, as `train` writes it
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Events as JSON Lines, plain, gzip or zstd; `-` is standard input
    #[arg(long, value_name = "FILE|-")]
    events: PathBuf,
    /// Probability from which an event counts as liked; the model's own when absent
    #[arg(long)]
    threshold: Option<f64>,
    /// Threads that predict
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    if let Some(threshold) = args.threshold
        && !(0.0..=1.0).contains(&threshold)
    {
        return Err(Failure::usage(format!(
            "--threshold {threshold} is not in 0 to 1"
        )));
    }
    let mut config = PredictConfig::new(&args.model, &args.events);
    config.threshold = args.threshold;
    if let Some(threads) = args.threads {
        config.threads = usize::from(threads);
    }
    predict::predict(&config, std::io::stdout().lock())
}
