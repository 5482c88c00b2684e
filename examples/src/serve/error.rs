//! What a request gets instead of an answer.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use feature_spec::EventError;
use model_io::PredictError;
use serde::Serialize;

/// A problem with one event or one request, as it stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    /// What is wrong, with the offending value.
    pub(super) error: String,
    /// Where: a key path of the event, or a line and column of its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
    #[serde(skip)]
    pub(super) status: StatusCode,
    /// Name in metrics.
    #[serde(skip)]
    pub(super) reason: &'static str,
}

impl Problem {
    fn new(status: StatusCode, reason: &'static str, error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            place: None,
            status,
            reason,
        }
    }

    fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The body holds no event, or is not JSON where that is seen before any event is read.
    pub(super) fn not_json(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not_json", error)
    }

    /// More events than a request may hold.
    pub(super) fn too_many(events: usize, limit: usize) -> Self {
        let error = format!("{events} events or more, a request may hold {limit}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many", error)
    }

    /// One question at a time.
    pub(super) fn not_one(events: usize) -> Self {
        let error = format!("{events} events, one is explained at a time");
        Self::new(StatusCode::BAD_REQUEST, "too_many", error)
    }

    /// The event is of another language than the model.
    pub(super) fn language(event: &str, model: &str) -> Self {
        let error = format!("language {event:?}, the model is for {model:?}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "other_language", error).at("language")
    }

    /// No model was ever loaded.
    pub(super) fn no_model() -> Self {
        let error = "no model is loaded yet";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_model", error)
    }

    /// As many requests as may be are under way.
    pub(super) fn busy() -> Self {
        let error = "too many requests at once";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error)
    }

    /// The request did not arrive, or was not answered, in time.
    pub(super) fn slow(seconds: f64) -> Self {
        let error = format!("the request took longer than {seconds} s");
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow", error)
    }

    /// The body could not be read.
    pub(super) fn body(status: StatusCode, error: String) -> Self {
        Self::new(status, "body", error)
    }

    /// Nothing is here.
    pub(super) fn not_found(path: &str) -> Self {
        let error = format!("nothing is at {path}");
        Self::new(StatusCode::NOT_FOUND, "not_found", error)
    }

    /// The path wants another method.
    pub(super) fn method(method: &str, path: &str) -> Self {
        let error = format!("{path} does not answer {method}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", error)
    }
}

impl From<EventError> for Problem {
    fn from(error: EventError) -> Self {
        let invalid = |error| Self::new(StatusCode::BAD_REQUEST, "invalid_event", error);
        match error {
            EventError::Syntax {
                line,
                column,
                reason,
            } => Self::not_json(format!("not JSON: {reason}"))
                .at(format!("line {line}, column {column}")),
            EventError::Invalid { path, reason, .. } => invalid(reason).at(path),
            other => invalid(other.to_string()),
        }
    }
}

impl From<PredictError> for Problem {
    fn from(error: PredictError) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_encodable",
            error.to_string(),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let second = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, second);
        }
        response
    }
}
