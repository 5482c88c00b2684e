//! Learns from a libsvm or svmlight file in one pass and reports progressive figures, so that the
//! learner can be set beside another trainer in a minute.
//!
//! ```text
//! cargo run --release --example libsvm -- FILE.libsvm.gz --evaluate-from 261876
//! ```
//!
//! The last line is the speed, `events per second …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::libsvm::{self, LibsvmConfig};
use pipeline::optimizer;
use pipeline::progress::Progress;
use pipeline::summary;

/// Learn from a libsvm or svmlight file and report progressive figures.
#[derive(Debug, Parser)]
#[command(name = "libsvm", version)]
struct Args {
    /// libsvm or svmlight text, plain, gzip or zstd; `-` is standard input
    file: PathBuf,
    /// Keep the parsed rows in FILE, and read them from there next time
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// Write `row,label,probability`, each given before its row was learned from
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    #[command(flatten)]
    learner: optimizer::LearnerArgs,
    /// Times to learn from the file; figures are those of the first pass
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    passes: u32,
    /// Also report the figures of this 0-based row and all after it
    #[arg(long, value_name = "ROW")]
    evaluate_from: Option<u64>,
    /// A position at or above this is an error
    #[arg(long, default_value_t = libsvm::DEFAULT_MAX_DIMENSION)]
    max_dimension: u32,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let mut config = LibsvmConfig::new(&args.file);
    config.learner = args.learner.config()?;
    config.cache.clone_from(&args.cache);
    config.passes = args.passes;
    config.evaluate_from = args.evaluate_from;
    config.predictions.clone_from(&args.predictions);
    config.max_dimension = args.max_dimension;
    let result = libsvm::run(&config, Progress::stderr())?;
    if let Some(path) = &args.summary {
        summary::write_json(path, &result)?;
    }
    print!("{result}");
    Ok(())
}
