//! Likes predicted over HTTP, with a model that is replaced while requests go on.
//!
//! | request | answer |
//! |---|---|
//! | `POST /predict` | probability, decision and model version for one event, an array of them, or JSON Lines, in the same shape |
//! | `POST /explain` | the same for one event, with what each present feature added to the log-odds |
//! | `GET /` | a page for people |
//! | `GET /sample` | the users and videos that the page offers |
//! | `GET /healthz` | 200 while the process lives |
//! | `GET /readyz` | 200 when there is a model, 503 before; version, and why a newer one was refused |
//! | `GET /metrics` | counters for Prometheus |
//! | `GET /openapi.json` | all this for machines |
//!
//! A prediction takes microseconds, so it is made where the request is read, without a queue; models
//! are fetched and verified on a thread of their own.
//! Errors are JSON too: `{"error": …, "place": …}`.

mod answer;
mod error;
mod events;
mod listener;
mod metrics;
mod models;
mod routes;
mod sample;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{Semaphore, oneshot};

use self::listener::Bounded;
use self::metrics::Metrics;
use self::models::{Follower, Models};
use self::routes::Service;
use crate::cli::Failure;

pub use self::sample::Sample;

/// Where models come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelSource {
    /// The live model of a registry at a folder or URL, followed.
    Registry(String),
    /// One model file, for the life of the service.
    File(PathBuf),
}

/// What a client may ask for, and how much of it at once.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest body of a request, in bytes.
    pub body_bytes: usize,
    /// Most events in a request. They are predicted in one go, so this bounds for how long others
    /// wait: about 10 µs an event of the demo.
    pub events: usize,
    /// Most requests under way; one more gets status 503.
    pub requests: usize,
    /// Most connections; more wait in the queue of the operating system.
    pub connections: usize,
    /// Longest time from the head of a request to its answer; then it gets status 408.
    pub timeout: Duration,
    /// For how long a connection may be silent between requests.
    pub keep_alive: Duration,
    /// For how long requests under way may go on after the service was told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            events: 1_000,
            requests: 512,
            connections: 4_096,
            timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// What to serve, and where.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServeConfig {
    /// Address and port; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Where models come from.
    pub models: ModelSource,
    /// Language of the model, such as `HI`.
    pub language: String,
    /// Time between two looks at the registry.
    pub poll_interval: Duration,
    /// Events whose users and videos the page offers: a file, or a folder of event files.
    pub sample: Option<PathBuf>,
    /// Threads that answer requests.
    pub threads: usize,
    /// Bounds on requests.
    pub limits: Limits,
}

impl ServeConfig {
    /// Serves on the loopback interface, port 8080, with a look at the registry every second.
    #[must_use]
    pub fn new(models: ModelSource, language: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            models,
            language: language.into(),
            poll_interval: Duration::from_secs(1),
            sample: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            limits: Limits::default(),
        }
    }
}

/// A service that listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    runtime: tokio::runtime::Runtime,
    listener: std::net::TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    follower: Option<Follower>,
}

impl Server {
    /// Takes the address, loads a model file, and begins to follow a registry.
    ///
    /// # Errors
    ///
    /// - The address cannot be listened on.
    /// - The model file is not fit to serve; the registry's location is not a place. An empty or
    ///   unreachable registry is no error: requests get status 503 until there is a model.
    /// - The sample cannot be read.
    pub fn bind(config: &ServeConfig) -> Result<Self, Failure> {
        let failure = |source| Failure::at(format!("--listen {}", config.listen), source);
        let metrics = Arc::new(Metrics::new());
        let threads = config.threads.max(1);
        let models = Arc::new(Models::open(&config.models, threads, &metrics)?);
        let sample = match &config.sample {
            Some(place) => Sample::read(place, &config.language)?,
            None => Sample::default(),
        };
        let listener = std::net::TcpListener::bind(config.listen).map_err(failure)?;
        listener.set_nonblocking(true).map_err(failure)?;
        let address = listener.local_addr().map_err(failure)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("serve")
            .enable_all()
            .build()
            .map_err(|source| Failure::at("runtime", source))?;
        let follower = models.follow(config, &metrics)?;
        let service = Arc::new(Service {
            models,
            metrics,
            room: Semaphore::new(config.limits.requests),
            limits: config.limits.clone(),
            sample,
        });
        Ok(Self {
            runtime,
            listener,
            address,
            service,
            follower,
        })
    }

    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop` is done; requests under way are still answered.
    ///
    /// # Errors
    ///
    /// The listener failed, or requests were still under way when the time to drain was over.
    pub fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Failure> {
        let Self {
            runtime,
            listener,
            service,
            follower,
            ..
        } = self;
        let result = runtime.block_on(answer(listener, service, stop));
        drop(follower);
        // What is still under way is cut off.
        runtime.shutdown_background();
        result
    }
}

async fn answer(
    listener: std::net::TcpListener,
    service: Arc<Service>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let limits = service.limits.clone();
    let listener = tokio::net::TcpListener::from_std(listener)
        .map_err(|source| Failure::at("listener", source))?;
    let open = service.metrics.connections.clone();
    let listener = Bounded::new(listener, limits.connections, routes::idle(&limits), open);
    let (stopping, stopped) = oneshot::channel();
    let serving = axum::serve(listener, routes::router(service))
        .with_graceful_shutdown(async move {
            stop.await;
            tracing::info!("stopping");
            let _ = stopping.send(());
        })
        .into_future();
    let overdue = async move {
        // The sender is dropped without a word only when serving has ended.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(limits.drain).await;
    };
    match select(std::pin::pin!(serving), std::pin::pin!(overdue)).await {
        Either::Left((result, _)) => result.map_err(|source| Failure::at("listener", source)),
        Either::Right(_) => Err(Failure::data(format!(
            "requests were still under way {} s after the signal to stop and were cut off",
            limits.drain.as_secs_f64()
        ))),
    }
}

/// Done when the process is told to stop, by SIGTERM or SIGINT.
///
/// # Errors
///
/// The operating system does not deliver signals.
pub async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let terminated = std::pin::pin!(terminate.recv());
        let interrupted = std::pin::pin!(interrupt.recv());
        select(terminated, interrupted).await;
        Ok(())
    }
    #[cfg(not(unix))]
    {
        tokio::signal::ctrl_c().await
    }
}
