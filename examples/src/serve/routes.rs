//! Which path answers what, and what holds for every request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::answer::{self, json};
use super::error::Problem;
use super::events::Events;
use super::metrics::Metrics;
use super::models::{Models, Status};
use super::{Limits, Sample};

/// What every request can see.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) models: Arc<Models>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) limits: Limits,
    pub(super) room: Semaphore,
    pub(super) sample: Sample,
}

/// The page loads nothing from elsewhere and talks to this service alone.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Builds the routes.
pub(super) fn router(service: Arc<Service>) -> Router {
    let body_limit = DefaultBodyLimit::max(service.limits.body_bytes);
    Router::new()
        .route("/", get(page))
        .route("/predict", post(predict))
        .route("/explain", post(explain))
        .route("/sample", get(sample))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(body_limit)
        .layer(middleware::from_fn_with_state(service.clone(), guard))
        .with_state(service)
}

/// Counts every request, and bounds how many there are and how long each may take.
async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = route_name(request.uri().path());
    service.metrics.in_flight.inc();
    let response = bounded(&service, route, request, next).await;
    service.metrics.in_flight.dec();
    let status = response.status().as_u16();
    service.metrics.answered(route, status, started.elapsed());
    response
}

async fn bounded(service: &Service, route: &'static str, request: Request, next: Next) -> Response {
    // Health and metrics are answered however busy the service is.
    let counts = matches!(route, "/predict" | "/explain");
    let permit = match counts.then(|| service.room.try_acquire()) {
        Some(Err(_)) => return Problem::busy().into_response(),
        Some(Ok(permit)) => Some(permit),
        None => None,
    };
    let limit = service.limits.timeout;
    let response = tokio::time::timeout(limit, next.run(request)).await;
    drop(permit);
    response.unwrap_or_else(|_| Problem::slow(limit.as_secs_f64()).into_response())
}

/// The route's name in metrics: a path that is not known must not make a new one.
fn route_name(path: &str) -> &'static str {
    const ROUTES: [&str; 8] = [
        "/predict",
        "/explain",
        "/",
        "/sample",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
    ];
    ROUTES
        .into_iter()
        .find(|route| *route == path)
        .unwrap_or("other")
}

type Body = Result<Bytes, BytesRejection>;

async fn predict(State(service): State<Arc<Service>>, body: Body) -> Result<Response, Problem> {
    let body = read(&service, body)?;
    let events = Events::cut(&body, service.limits.events)?;
    let metrics = &*service.metrics;
    service
        .models
        .with(|predictor| answer::predict(&events, predictor, metrics))
        .ok_or_else(Problem::no_model)
}

async fn explain(State(service): State<Arc<Service>>, body: Body) -> Result<Response, Problem> {
    let body = read(&service, body)?;
    let text = match Events::cut(&body, service.limits.events)? {
        Events::One(text) => text,
        Events::Array(texts) | Events::Lines(texts) => match texts[..] {
            [text] => text,
            _ => return Err(Problem::not_one(texts.len())),
        },
    };
    // The predictor is given back before the answer is made, which takes longer than a prediction.
    let model = service.models.with(|predictor| predictor.model().clone());
    let model = model.ok_or_else(Problem::no_model)?;
    Ok(answer::explain(text, &model, &service.metrics))
}

fn read(service: &Service, body: Body) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::body(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the body is longer than {} bytes",
                service.limits.body_bytes
            ),
        ),
        status => Problem::body(status, rejection.body_text()),
    })
}

async fn page() -> Response {
    let policy = HeaderValue::from_static(PAGE_POLICY);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (headers, Html(include_str!("page.html"))).into_response()
}

async fn sample(State(service): State<Arc<Service>>) -> Response {
    json(&service.sample)
}

#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
    #[serde(flatten)]
    model: Option<Status>,
}

async fn healthz() -> Response {
    let status = "ok";
    json(&Health {
        status,
        model: None,
    })
}

async fn readyz(State(service): State<Arc<Service>>) -> Response {
    let ready = service.models.are_loaded();
    let health = Health {
        status: if ready { "ready" } else { "no model yet" },
        model: Some(service.models.status()),
    };
    let mut response = json(&health);
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], service.metrics.render()).into_response()
}

async fn openapi() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, include_str!("openapi.json")).into_response()
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(uri.path())
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::method(method.as_str(), uri.path())
}

/// The time after which a connection that says nothing is closed: longer than any request takes.
pub(super) fn idle(limits: &Limits) -> Duration {
    limits.timeout + limits.keep_alive
}
