//! From the text of events to answers, without waiting for anything.

use std::borrow::Cow;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use feature_spec::Event;
use model_io::{Explanation, Predictor, ServingModel};
use serde::Serialize;

use super::error::Problem;
use super::events::Events;
use super::metrics::Metrics;

/// The answer to one event.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Prediction(Prediction<'a>),
    Problem(Problem),
}

#[derive(Debug, Serialize)]
struct Prediction<'a> {
    event_id: Cow<'a, str>,
    probability: f64,
    like: bool,
    model_version: &'a str,
}

/// The answer to a question why.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    event_id: &'a str,
    probability: f64,
    like: bool,
    /// Probability from which an event counts as liked.
    threshold: f64,
    model_version: &'a str,
    /// Log-odds; `bias` and the contributions add up to it, but for the rounding of `f32`.
    margin: f64,
    /// Log-odds of an event with no feature present.
    bias: f64,
    /// The largest amount first.
    contributions: Vec<Part<'a>>,
}

#[derive(Debug, Serialize)]
struct Part<'a> {
    feature: &'a str,
    position: u32,
    /// As the model sees it: transformed and scaled, less the value of an absent feature.
    value: f32,
    /// Log-odds a unit of `value`.
    weight: f32,
    /// Log-odds, `weight · value`.
    contribution: f64,
}

/// Answers every event with its own prediction or problem, in the shape of the question.
pub(super) fn predict(
    events: &Events<'_>,
    predictor: &mut Predictor,
    metrics: &Metrics,
) -> Response {
    let model = predictor.model().clone();
    let mut answer = |text| match prediction(text, predictor, &model) {
        Ok(prediction) => {
            metrics.predicted.inc();
            Answer::Prediction(prediction)
        }
        Err(problem) => {
            metrics.rejected(&problem);
            Answer::Problem(problem)
        }
    };
    match events {
        Events::One(text) => match answer(text) {
            Answer::Problem(problem) => problem.into_response(),
            Answer::Prediction(prediction) => json(&prediction),
        },
        Events::Array(texts) => json(&texts.iter().map(|text| answer(text)).collect::<Vec<_>>()),
        Events::Lines(texts) => {
            let mut body = Vec::with_capacity(128 * texts.len());
            for text in texts {
                // Writing to memory cannot fail, and no number here is not finite.
                let _ = serde_json::to_writer(&mut body, &answer(text));
                body.push(b'\n');
            }
            ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
        }
    }
}

/// Explains one event.
pub(super) fn explain(text: &[u8], model: &ServingModel, metrics: &Metrics) -> Response {
    match explanation(text, model) {
        Ok((event, explanation)) => {
            metrics.predicted.inc();
            let info = model.info();
            json(&Explained {
                event_id: &event.event_id,
                probability: explanation.probability,
                like: explanation.like,
                threshold: info.threshold,
                model_version: info.version.as_str(),
                margin: explanation.margin,
                bias: explanation.bias,
                contributions: (explanation.contributions.iter())
                    .map(|part| Part {
                        feature: &part.feature,
                        position: part.position,
                        value: part.value,
                        weight: part.weight,
                        contribution: part.contribution,
                    })
                    .collect(),
            })
        }
        Err(problem) => {
            metrics.rejected(&problem);
            problem.into_response()
        }
    }
}

fn prediction<'a>(
    text: &'a [u8],
    predictor: &mut Predictor,
    model: &'a ServingModel,
) -> Result<Prediction<'a>, Problem> {
    let event = read(text, model)?;
    let served = predictor.predict(&event)?;
    Ok(Prediction {
        event_id: event.event_id,
        probability: served.probability,
        like: served.like,
        model_version: model.info().version.as_str(),
    })
}

fn explanation<'a>(
    text: &'a [u8],
    model: &ServingModel,
) -> Result<(Event<'a>, Explanation), Problem> {
    let event = read(text, model)?;
    let explanation = model.explain(&event)?;
    Ok((event, explanation))
}

fn read<'a>(text: &'a [u8], model: &ServingModel) -> Result<Event<'a>, Problem> {
    let event = Event::from_json(text)?;
    let language = &model.info().language;
    if !event.language.is_empty() && event.language != *language {
        return Err(Problem::language(&event.language, language));
    }
    Ok(event)
}

pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
