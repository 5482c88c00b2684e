//! Sets the online learner beside the exact solver trained on the same past.
//!
//! Every so many events it solves for all events so far, to the optimum, and scores the solution and
//! the learner on the events that follow; λ₂ is the one that was best on the stretches before.
//!
//! ```text
//! cargo run --release --example train
//! cargo run --release --example exact -- --input-path out/demo/events --spec out/demo/config/spec.toml \
//!     --vocabularies out/demo/vocabularies
//! ```
//!
//! The last line is `online against exact …`: how far the learner's log loss is above the solver's.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::exact::{self, ExactConfig};
use pipeline::optimizer;
use pipeline::progress::Progress;
use pipeline::summary;

/// Set the online learner beside the exact solver trained on the same past.
#[derive(Debug, Parser)]
#[command(name = "exact", version)]
struct Args {
    /// Folder of event files, as `event_gen` writes them
    #[arg(long, value_name = "DIR")]
    input_path: PathBuf,
    /// What stands at which position
    #[arg(long, value_name = "FILE")]
    spec: PathBuf,
    /// Folder of the vocabularies that the spec names, when they are not beside it
    #[arg(long, value_name = "DIR")]
    vocabularies: Option<PathBuf>,
    /// Language of the stream
    #[arg(long, default_value = "HI")]
    language: String,
    /// Events before the first solution; the stretch after it only chooses among --l2
    #[arg(long, default_value_t = 90_000, value_name = "EVENTS")]
    from: usize,
    /// Events between two solutions
    #[arg(long, default_value_t = 10_000, value_name = "EVENTS")]
    every: usize,
    /// L2 penalties to choose from
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 3.0, 10.0, 30.0])]
    l2: Vec<f64>,
    /// Threads that encode and solve; the figures are the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write the rows as libsvm text, scaled as the learner sees them, for other trainers
    #[arg(long, value_name = "FILE")]
    libsvm: Option<PathBuf>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    #[command(flatten)]
    learner: optimizer::LearnerArgs,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let mut config = ExactConfig::new(&args.input_path, &args.spec, &args.language);
    config.vocabularies.clone_from(&args.vocabularies);
    config.from = args.from;
    config.every = args.every;
    config.l2.clone_from(&args.l2);
    if let Some(threads) = args.threads {
        config.threads = usize::from(threads);
    }
    config.libsvm.clone_from(&args.libsvm);
    config.learner = args.learner.config()?;
    let comparison = exact::run(&config, Progress::stderr())?;
    if let Some(path) = &args.summary {
        summary::write_json(path, &comparison)?;
    }
    print!("{comparison}");
    Ok(())
}
