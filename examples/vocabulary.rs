//! Writes the vocabularies that a spec names: values with counts, most frequent first.
//!
//! ```text
//! cargo run --release --example vocabulary -- --mapping examples/config/demo/mapping.toml \
//!     --users log/users.csv --videos log/videos.csv --plays log/plays.csv --output vocabularies
//! ```
//!
//! The last line is the last vocabulary with the number of its values.

use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::progress::Progress;
use pipeline::vocabulary::{self, VocabularyConfig};

/// Writes the vocabularies that a spec names: values with counts, most frequent first
#[derive(Debug, Parser)]
#[command(name = "vocabulary", version)]
struct Arguments {
    #[command(flatten)]
    config: VocabularyConfig,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse().config))
}

fn run(config: &VocabularyConfig) -> Result<(), Failure> {
    for vocabulary in vocabulary::run(config, Progress::stderr())? {
        let place = vocabulary.path.display();
        println!(
            "{place}: {} values, {} rare ones left out",
            vocabulary.values, vocabulary.rare
        );
    }
    Ok(())
}
