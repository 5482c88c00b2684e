//! Checks, shows and compares feature specs.
//!
//! ```text
//! cargo run --release --example spec -- check examples/config/kuairand/spec.toml --vocabularies DIR
//! cargo run --release --example spec -- show SPEC [--format table|csv|json]
//! cargo run --release --example spec -- diff OLD NEW [--json]
//! cargo run --release --example spec -- fingerprint SPEC…
//! ```
//!
//! `check` ends with `SPEC: N positions in use of M, fingerprint …`; a spec with problems is shown
//! with all of them, and the exit code is 1.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use feature_spec::{FeatureSpec, LoadOptions, SpecDiff, SpecError};

/// Checks, shows and compares feature specs.
#[derive(Debug, Parser)]
#[command(name = "spec", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Directory that vocabularies are looked up in before the spec's own.
    #[arg(long, global = true)]
    vocabularies: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists everything that is wrong.
    Check {
        /// Spec files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Lists every position in use.
    Show {
        /// Spec file.
        file: PathBuf,
        /// How.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Says what changed from one spec to another, and what becomes of weights and statistics.
    Diff {
        /// The spec before.
        old: PathBuf,
        /// The spec after.
        new: PathBuf,
        /// Writes JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the two fingerprints: of meaning and of scaling.
    Fingerprint {
        /// Spec files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let result = run(&arguments, &mut out).and_then(|fine| out.flush().map(|()| fine));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> io::Result<bool> {
    let mut options = LoadOptions::default();
    options.vocabularies.clone_from(&arguments.vocabularies);
    let load = |path: &PathBuf| {
        FeatureSpec::from_path(path, &options)
            .inspect_err(|error| match error {
                SpecError::Read { source, .. } => eprintln!("error: {error}: {source}"),
                error => eprintln!("{error}"),
            })
            .ok()
    };
    match &arguments.command {
        Command::Check { files } => {
            let mut fine = true;
            for path in files {
                let Some(spec) = load(path) else {
                    fine = false;
                    continue;
                };
                writeln!(
                    out,
                    "{}: {} positions in use of {}, fingerprint {}",
                    path.display(),
                    spec.listing().count(),
                    spec.columns(),
                    spec.fingerprint()
                )?;
            }
            Ok(fine)
        }
        Command::Show { file, format } => {
            let Some(spec) = load(file) else {
                return Ok(false);
            };
            show(&spec, *format, out)?;
            Ok(true)
        }
        Command::Diff { old, new, json } => {
            let (Some(old), Some(new)) = (load(old), load(new)) else {
                return Ok(false);
            };
            let diff = SpecDiff::between(&old, &new);
            if *json {
                serde_json::to_writer_pretty(&mut *out, &diff)?;
                writeln!(out)?;
                return Ok(true);
            }
            let yes = |fine: bool| if fine { "yes" } else { "no" };
            writeln!(out, "{diff}")?;
            writeln!(
                out,
                "weights usable as they are: {}",
                yes(diff.keeps_weights())
            )?;
            writeln!(
                out,
                "statistics can be carried over: {}",
                yes(diff.keeps_statistics())
            )?;
            let map = diff.position_map();
            writeln!(
                out,
                "{} positions carried, {} dropped",
                map.iter().count(),
                map.dropped().len()
            )?;
            Ok(true)
        }
        Command::Fingerprint { files } => {
            let mut fine = true;
            for path in files {
                let Some(spec) = load(path) else {
                    fine = false;
                    continue;
                };
                let (meaning, scaling) = (spec.fingerprint(), spec.scaling_fingerprint());
                writeln!(out, "{meaning}  {scaling}  {}", path.display())?;
            }
            Ok(fine)
        }
    }
}

fn show(spec: &FeatureSpec, format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Table => {
            writeln!(
                out,
                "{:>8}  {:<6}  {:<30}  name",
                "position", "vector", "scale"
            )?;
            for listed in spec.listing() {
                let policy = spec
                    .policies()
                    .policy(listed.column)
                    .copied()
                    .unwrap_or_default();
                let scale = format!(
                    "{:?} {:?} {:?}",
                    policy.transform, policy.scale, policy.absent
                );
                let (position, vector) = (listed.position, listed.vector.as_str());
                writeln!(
                    out,
                    "{position:>8}  {vector:<6}  {scale:<30}  {}",
                    listed.name
                )?;
            }
            Ok(())
        }
        Format::Csv => spec.write_csv(out),
        Format::Json => spec.write_json(out),
    }
}
