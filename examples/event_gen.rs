//! Turns a log of plays, users and videos into training events.
//!
//! ```text
//! cargo run --release --example event_gen -- --mapping examples/config/demo/mapping.toml \
//!     --users log/users.csv --videos log/videos.csv --plays log/plays.csv --output events
//! ```
//!
//! The last line tells how many event files were written.

use std::process::ExitCode;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::event_gen::{self, EventGenConfig, EventGenSummary};
use pipeline::progress::Progress;

/// Turns a log of plays, users and videos into training events
#[derive(Debug, Parser)]
#[command(name = "event_gen", version)]
struct Arguments {
    #[command(flatten)]
    config: EventGenConfig,
}

fn main() -> ExitCode {
    cli::exit(run(&Arguments::parse().config))
}

fn run(config: &EventGenConfig) -> Result<(), Failure> {
    let summary = event_gen::run(config, Progress::stderr())?;
    print(&summary);
    let folder = config.output.join(&config.language);
    println!("files         {} in {}", summary.files, folder.display());
    if summary.older_files > 0 {
        eprintln!(
            "warning: {} event files of an earlier run stand in {} and will be trained on too",
            summary.older_files,
            folder.display()
        );
    }
    Ok(())
}

fn print(summary: &EventGenSummary) {
    println!("plays         {}", summary.plays);
    println!("events        {}", summary.events);
    println!("positives     {}", summary.positives);
    println!("duplicates    {}", summary.duplicates);
    println!("out of order  {}", summary.out_of_order);
    println!("unknown users {}", summary.unknown_users);
    println!("unknown items {}", summary.unknown_items);
    for (reason, count) in &summary.rejected {
        println!("rejected      {count} ({reason})");
    }
    for (reason, count) in &summary.rejected_side_rows {
        println!("rejected      {count} rows of users or videos ({reason})");
    }
}
