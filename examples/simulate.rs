//! Writes the plays, users and videos of a made-up short-video app with a known true model.
//!
//! ```text
//! cargo run --release --example simulate -- --output log
//! ```
//!
//! The last line is the log loss of the true model, which no trained model can beat but by luck.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::progress::Progress;
use pipeline::simulate::{self, SimulateConfig};

/// Writes users.csv, videos.csv, plays.csv and truth.csv of a made-up short-video app
#[derive(Debug, Parser)]
#[command(name = "simulate", version)]
struct Arguments {
    /// Folder for the files
    #[arg(long)]
    output: PathBuf,
    #[command(flatten)]
    config: SimulateConfig,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let done = simulate::run(&arguments.config, &arguments.output, Progress::stderr())?;
    let plays = arguments.config.plays;
    println!("plays  {plays} in {}", done.plays.display());
    println!(
        "users  {} in {}",
        arguments.config.users,
        done.users.display()
    );
    println!(
        "videos {} in {}",
        arguments.config.videos,
        done.videos.display()
    );
    println!(
        "likes  {} ({:.2} %)",
        done.likes,
        100.0 * done.likes as f64 / plays as f64
    );
    println!(
        "truth  log loss {:.5} in {}",
        done.true_log_loss,
        done.truth.display()
    );
    Ok(())
}
