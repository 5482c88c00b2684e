//! Writes event files at a steady rate, for a trainer that follows them: what a soak is made of.
//!
//! ```text
//! cargo run --release --example train
//! cargo run --release --example feed -- --events out/demo/events --output out/soak/events --time 1h
//! ```
//!
//! The last line says how far an event was written behind its time at most.

use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::feed::{self, FeedConfig};
use pipeline::progress::Progress;

/// Write event files at a steady rate, from the events of a folder.
#[derive(Debug, Parser)]
#[command(name = "feed", version)]
struct Args {
    #[command(flatten)]
    config: FeedConfig,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    print!("{}", feed::run(&args.config, &Progress::stderr())?);
    Ok(())
}
