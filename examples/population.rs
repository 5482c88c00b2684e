//! Counts the population of a stream of events: mean and standard deviation of every position.
//!
//! ```text
//! cargo run --release --example population -- --input events --spec examples/config/demo/spec.toml \
//!     --output stats.zpop --list stats.csv
//! ```
//!
//! The file goes into `train --stats`. `--from` and `--until` count some days, `--daily` leaves a
//! file after each day, `--state` continues where the last run ended, `--compare` tells what has
//! drifted since another file. The last line is the number of bytes, or the last position that has
//! drifted.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use jiff::civil::Date;
use pipeline::cli::{self, Failure};
use pipeline::population::{self, PopulationConfig};
use pipeline::progress::Progress;
use pipeline::summary;

/// Counts the population of a stream of events
#[derive(Debug, Parser)]
#[command(name = "population", version)]
struct Args {
    /// Folder of event files, as `event_gen` writes them
    #[arg(long)]
    input: PathBuf,
    /// The spec
    #[arg(long)]
    spec: PathBuf,
    /// Folder of the vocabularies that the spec names; beside the spec by default
    #[arg(long)]
    vocabularies: Option<PathBuf>,
    /// Language of the stream
    #[arg(long, default_value = "HI")]
    language: String,
    /// Statistics file to write
    #[arg(long)]
    output: PathBuf,
    /// First day to count, UTC
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
    /// Day before which to stop, UTC
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<Date>,
    /// Folder for the statistics after each day, `dt=YYYY-MM-DD.zpop`
    #[arg(long, value_name = "FOLDER")]
    daily: Option<PathBuf>,
    /// State of the run before, to continue from if it is there; the new state takes its place
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// List every position that has been seen; CSV, or Parquet by name
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Tell what has drifted since this statistics file
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Positions to tell of
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Threads; the statistics are the same for any number
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Largest share of lines that may be rejected
    #[arg(long, default_value_t = 0.01)]
    max_reject_share: f64,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let mut config = PopulationConfig::new(&args.input, &args.spec, &args.language, &args.output);
    config.vocabularies.clone_from(&args.vocabularies);
    config.daily.clone_from(&args.daily);
    config.state.clone_from(&args.state);
    config.days = day(args.from, i64::MIN)?..day(args.until, i64::MAX)?;
    config.max_reject_share = args.max_reject_share;
    if let Some(threads) = args.threads {
        config.threads = threads.into();
    }
    let result = population::run(&config, Progress::stderr())?;
    let spec = population::load_spec(&args.spec, args.vocabularies.as_deref())?;
    if let Some(path) = &args.list {
        population::list(path, &spec, &population::read(&args.output, &spec)?)?;
    }
    if let Some(path) = &args.summary {
        summary::write_json(path, &result)?;
    }
    print!("{result}");
    if let Some(before) = &args.compare {
        print!(
            "{}",
            population::compare(&spec, before, &args.output, args.limit)?
        );
    }
    Ok(())
}

/// Days since the Unix epoch.
fn day(date: Option<Date>, default: i64) -> Result<i64, Failure> {
    let Some(date) = date else { return Ok(default) };
    let midnight = date
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_err(|source| Failure::at(format!("date {date}"), source))?;
    Ok(midnight.timestamp().as_second().div_euclid(86_400))
}
