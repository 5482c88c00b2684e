//! Scores a stretch of events with published versions, and compares them.
//!
//! ```text
//! cargo run --release --example evaluate -- --input-path EVENTS --models MODELS --version latest
//! cargo run --release --example evaluate -- --input-path EVENTS --models MODELS --version .. --from 2022-05-01T00:00:00Z
//! cargo run --release --example evaluate -- --input-path EVENTS --models MODELS --version A --compare B
//! ```
//!
//! A range of versions, `A..B` or `..`, is a replay: each event gets the newest version that had
//! learned from events before it alone.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jiff::Timestamp;
use pipeline::cli::{self, Failure};
use pipeline::evaluate::{self, EvaluateConfig, Selection};
use pipeline::progress::Progress;
use pipeline::summary;

/// Score a stretch of events with published versions, and compare them.
#[derive(Debug, Parser)]
struct Args {
    /// Folder of event files: INPUT/LANGUAGE/dt=YYYY-MM-DD/hour=HH/part-NNNNN.jsonl.zst
    #[arg(long, value_name = "URL|DIR")]
    input_path: PathBuf,
    /// Language of the stream and of the models
    #[arg(long, default_value = "HI")]
    language: String,
    /// Registry of the models
    #[arg(long, value_name = "URL|DIR")]
    models: String,
    /// latest, at:TIME (live then), a version, or a range A..B (what would have been served)
    #[arg(long, value_name = "SELECTION", default_value = "latest")]
    version: Selection,
    /// Compare with this on the same events
    #[arg(long, value_name = "SELECTION")]
    compare: Option<Selection>,
    /// Events of this time and later, such as 2022-05-04T10:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Events before this time
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Threads that read and score; the figures are the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    cli::exit(run(Args::parse()))
}

fn run(args: Args) -> Result<(), Failure> {
    let mut config = EvaluateConfig::new(args.input_path, args.language, args.models);
    config.version = args.version;
    config.compare = args.compare;
    config.from_ms = args.from.map(|time| time.as_millisecond());
    config.to_ms = args.to.map(|time| time.as_millisecond());
    if let Some(threads) = args.threads {
        config.threads = usize::from(threads);
    }
    config.report = args.report;
    let evaluation = evaluate::evaluate(&config, &Progress::stderr())?;
    if let Some(path) = &args.json {
        summary::write_json(path, &evaluation)?;
    }
    print!("{evaluation}");
    Ok(())
}
