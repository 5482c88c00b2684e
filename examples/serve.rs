//! Serves a like model over HTTP and follows its registry.
//!
//! ```text
//! cargo run --release --example serve                    # what `train` left in out/demo
//! cargo run --release --example serve -- --models REGISTRY --language HI
//! curl --data-binary @event.json http://127.0.0.1:8080/predict
//! ```
//!
//! It listens on the loopback interface unless told otherwise: it has no TLS, no authentication and
//! no rate limits, so put a reverse proxy in front of it that has (`docs/operations.md`).
//!
//! The first line of output is the address; SIGTERM or SIGINT end it when the requests under way
//! are answered.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pipeline::cli::{self, Failure};
use pipeline::logging::{self, LogFormat};
use pipeline::serve::{self, ModelSource, ServeConfig, Server};

/// What `train` without arguments leaves.
const DEMO: &str = "out/demo";

/// Serve a like model over HTTP.
#[derive(Debug, Parser)]
#[command(name = "serve", version)]
struct Args {
    /// Registry whose live model is served and followed; out/demo when neither this nor --model is given
    #[arg(long, value_name = "URL|DIR", conflicts_with = "model")]
    models: Option<String>,
    /// One model file, served as it is
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Language of the model
    #[arg(long, default_value = "HI")]
    language: String,
    /// Address and port to listen on; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Events whose users and videos the page offers: a file or a folder of event files
    #[arg(long, value_name = "FILE|DIR")]
    sample: Option<PathBuf>,
    /// Time between two looks at the registry
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    poll_every: f64,
    /// Threads that answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Longest body of a request
    #[arg(long, default_value_t = 4 << 20, value_name = "BYTES")]
    max_body: usize,
    /// Most events in a request
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    max_events: usize,
    /// Most requests under way
    #[arg(long, default_value_t = 512, value_name = "N")]
    max_requests: usize,
    /// Most connections
    #[arg(long, default_value_t = 4_096, value_name = "N")]
    max_connections: usize,
    /// Longest time for a request
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    timeout: f64,
    /// How the log on standard error looks
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or directives such as warn,pipeline=debug
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    log: String,
}

fn main() -> ExitCode {
    cli::exit(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    logging::init(args.log_format, &args.log)?;
    let server = Server::bind(&config(args)?)?;
    println!("http://{}", server.address());
    server.run(async {
        if let Err(error) = serve::stop_signal().await {
            tracing::error!(%error, "no signals, the service must be killed");
            std::future::pending::<()>().await;
        }
    })
}

fn config(args: &Args) -> Result<ServeConfig, Failure> {
    let demo = args.models.is_none() && args.model.is_none();
    let models = match (&args.model, &args.models) {
        (Some(file), _) => ModelSource::File(file.clone()),
        (None, Some(registry)) => ModelSource::Registry(registry.clone()),
        (None, None) if Path::new(DEMO).is_dir() => ModelSource::Registry(DEMO.to_owned()),
        (None, None) => {
            return Err(Failure::usage(format!(
                "name --models or --model, or run `train` first, which leaves models in {DEMO}"
            )));
        }
    };
    let mut config = ServeConfig::new(models, &args.language);
    config.listen = args.listen;
    config.poll_interval = seconds("--poll-every", args.poll_every)?;
    config.sample.clone_from(&args.sample);
    if demo && config.sample.is_none() {
        config.sample = Some(Path::new(DEMO).join("events"));
    }
    if let Some(threads) = args.threads {
        config.threads = usize::from(threads);
    }
    config.limits.body_bytes = args.max_body;
    config.limits.events = args.max_events;
    config.limits.requests = args.max_requests;
    config.limits.connections = args.max_connections;
    config.limits.timeout = seconds("--timeout", args.timeout)?;
    Ok(config)
}

fn seconds(flag: &str, value: f64) -> Result<Duration, Failure> {
    if !(0.001..=86_400.0).contains(&value) {
        return Err(Failure::usage(format!(
            "{flag} {value} is not in 0.001 to 86400 seconds"
        )));
    }
    Ok(Duration::from_secs_f64(value))
}
