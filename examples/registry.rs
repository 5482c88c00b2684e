//! The registry by hand: what is live, what was, going back, cleaning up, looking inside.
//!
//! ```text
//! cargo run --release --example registry -- REGISTRY list HI
//! ```
//!
//! `REGISTRY` is a folder or a URL. Languages stand after the command; a version is a version, or
//! `latest`, or `at:2022-05-04T10:00:00Z` for what was live then. `docs/operations.md` says which
//! command to run when.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use model_io::ArtifactKind;
use pipeline::cli::{self, Failure};
use pipeline::registry::{Export, Session};

/// Look after a registry of models.
#[derive(Debug, Parser)]
#[command(name = "registry", version)]
struct Args {
    /// Folder or URL of the registry
    registry: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List versions: commits, events, size; what is live and pinned
    List {
        /// Language; all of them if left out
        language: Option<String>,
    },
    /// Print the commit log, newest last
    Log { language: String },
    /// Show one version: manifest, settings, metrics
    Show { language: String, version: String },
    /// Verify a model file and make it live, or publish a folder of another kind
    Publish {
        /// A model file, or with `--kind` a folder
        path: PathBuf,
        /// Publish the folder's files as this
        #[arg(long, requires = "version")]
        kind: Option<Kind>,
        /// Language of the folder, which code does not have
        #[arg(long, default_value = "")]
        language: String,
        /// Version of the folder
        #[arg(long)]
        version: Option<String>,
        /// Publish although the live model has another specification
        #[arg(long)]
        allow_spec_change: bool,
        /// Publish although a rollback holds, and end the hold
        #[arg(long)]
        override_hold: bool,
    },
    /// Copy a version to a folder, verified
    Fetch {
        language: String,
        version: String,
        folder: PathBuf,
        /// Fetch this instead of a model
        #[arg(long)]
        kind: Option<Kind>,
    },
    /// Make an old version live again and hold it
    Rollback {
        language: String,
        version: String,
        /// Why, for the log
        #[arg(long)]
        reason: Option<String>,
    },
    /// End a hold: the next publish becomes live again
    Release {
        language: String,
        /// Why, for the log
        #[arg(long)]
        reason: Option<String>,
    },
    /// Spare a version from retention
    Pin { language: String, version: String },
    /// Let retention delete a version again
    Unpin { language: String, version: String },
    /// Delete old versions; never one that is live or pinned
    Retain {
        language: String,
        /// Versions to keep, counted by their last commit
        #[arg(long, default_value_t = 168)]
        keep: usize,
        /// Keep what is younger, in days
        #[arg(long, default_value_t = 7)]
        days: u64,
        /// Only print what would be deleted
        #[arg(long)]
        dry_run: bool,
    },
    /// Read every byte again and report damage
    Verify { language: String },
    /// Check that a store keeps the promises that a registry needs
    Probe,
    /// The weights that changed most between two versions, by feature name
    Diff {
        language: String,
        old: String,
        new: String,
        /// Weights to print
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Write a version for a consumer that is not Rust
    Export {
        language: String,
        version: String,
        /// Form of the output
        #[arg(long)]
        format: Export,
        /// For arrays of literal z-scores, not sparse rows; ONNX only, other forms hold both biases
        #[arg(long)]
        dense: bool,
        /// Where to write
        #[arg(long, short)]
        output: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Spec,
    Stats,
    Code,
}

impl From<Kind> for ArtifactKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Spec => Self::Spec,
            Kind::Stats => Self::Statistics,
            Kind::Code => Self::Code,
        }
    }
}

fn main() -> ExitCode {
    cli::exit(run(Args::parse()))
}

fn run(args: Args) -> Result<(), Failure> {
    let session = Session::open(&args.registry)?;
    let text = match args.command {
        Command::List { language } => session.list(language.as_deref()),
        Command::Log { language } => session.log(&language),
        Command::Show { language, version } => session.show(&language, &version),
        Command::Publish {
            path,
            kind: Some(kind),
            language,
            version,
            ..
        } => {
            let version = version.unwrap_or_default();
            session.publish_folder(kind.into(), &language, &version, &path)
        }
        Command::Publish {
            path,
            allow_spec_change,
            override_hold,
            ..
        } => session.publish(&path, allow_spec_change, override_hold),
        Command::Fetch {
            language,
            version,
            folder,
            kind,
        } => session.fetch(kind.map(Into::into), &language, &version, &folder),
        Command::Rollback {
            language,
            version,
            reason,
        } => session.rollback(&language, &version, reason.as_deref()),
        Command::Release { language, reason } => session.release(&language, reason.as_deref()),
        Command::Pin { language, version } => session.pin(&language, &version, true),
        Command::Unpin { language, version } => session.pin(&language, &version, false),
        Command::Retain {
            language,
            keep,
            days,
            dry_run,
        } => session.retain(&language, keep, days, dry_run),
        Command::Verify { language } => session.verify(&language),
        Command::Probe => session.probe(),
        Command::Diff {
            language,
            old,
            new,
            limit,
        } => session.diff(&language, &old, &new, limit),
        Command::Export {
            language,
            version,
            format,
            dense,
            output,
        } => session.export(&language, &version, format, dense, &output),
    }?;
    print!("{text}");
    Ok(())
}
