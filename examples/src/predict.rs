//! Probabilities of raw events from one model file.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use feature_spec::Event;
use model_io::{Predictor, ServingModel};

use crate::blocks::{Block, Blocks};
use crate::cli::Failure;
use crate::{ordered, text};

/// What to predict, with what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PredictConfig {
    /// The model file.
    pub model: PathBuf,
    /// Events as JSON Lines; `-` is standard input.
    pub events: PathBuf,
    /// Probability from which an event counts as liked; the model's own when absent.
    pub threshold: Option<f64>,
    /// Threads that predict.
    pub threads: usize,
}

impl PredictConfig {
    /// The model's own threshold, and as many threads as there are cores.
    pub fn new(model: impl Into<PathBuf>, events: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            events: events.into(),
            threshold: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// The answers to one block of lines, and what was wrong with the others.
struct Answers {
    events: u64,
    csv: Vec<u8>,
    problems: Vec<String>,
}

/// Writes `event_id,probability,like` for every event, in order.
///
/// # Errors
///
/// - The model or the events cannot be read.
/// - A line is no event, or not one that the model's spec can encode: the others are still
///   predicted, every such line is named on standard error, and the failure counts them.
pub fn predict(config: &PredictConfig, mut output: impl Write) -> Result<(), Failure> {
    let model =
        ServingModel::open(&config.model).map_err(|source| Failure::file(&config.model, source))?;
    let model = Arc::new(model);
    let threshold = config.threshold.unwrap_or(model.info().threshold);
    let mut blocks = Blocks::new(config.events.display(), text::open(&config.events)?);
    let mut events = 0;
    let mut problems = 0_u64;
    let result = writeln!(output, "event_id,probability,like")
        .map_err(failed)
        .and_then(|()| {
            ordered::map_fold(
                config.threads,
                || blocks.read(),
                || Predictor::new(Arc::clone(&model)),
                |predictor, block| answer(predictor, threshold, &block),
                |answers| {
                    events += answers.events;
                    problems += answers.problems.len() as u64;
                    for problem in &answers.problems {
                        eprintln!("{problem}");
                    }
                    output.write_all(&answers.csv).map_err(failed)
                },
            )
        });
    match result.and_then(|()| output.flush().map_err(failed)) {
        Err(Failure::Data {
            source: Some(source),
            ..
        }) if is_closed_pipe(&*source) => Ok(()),
        Err(failure) => Err(failure),
        Ok(()) if problems > 0 => Err(Failure::data(format!(
            "{problems} of {} lines could not be predicted",
            events + problems
        ))),
        Ok(()) if events == 0 => Err(Failure::file(&config.events, "holds no event")),
        Ok(()) => Ok(()),
    }
}

fn answer(predictor: &mut Predictor, threshold: f64, block: &Block) -> Answers {
    let mut answers = Answers {
        events: 0,
        csv: Vec::new(),
        problems: Vec::new(),
    };
    let mut csv = csv::Writer::from_writer(Vec::new());
    for (number, line, cut) in block.lines() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match answer_line(predictor, threshold, line, cut) {
            Ok(record) => {
                answers.events += 1;
                // Writing to memory cannot fail.
                let _ = csv.write_record(&record);
            }
            Err(problem) => {
                answers
                    .problems
                    .push(format!("{}: line {number}: {problem}", block.place));
            }
        }
    }
    answers.csv = csv.into_inner().unwrap_or_default();
    answers
}

fn answer_line(
    predictor: &mut Predictor,
    threshold: f64,
    line: &[u8],
    cut: bool,
) -> Result<[String; 3], String> {
    if cut {
        return Err("longer than any event may be".to_owned());
    }
    let event = Event::from_json(line).map_err(|error| error.to_string())?;
    let served = predictor
        .predict(&event)
        .map_err(|error| error.to_string())?;
    let like = if served.probability >= threshold {
        "1"
    } else {
        "0"
    };
    Ok([
        event.event_id.into_owned(),
        served.probability.to_string(),
        like.to_owned(),
    ])
}

fn failed(error: io::Error) -> Failure {
    Failure::at("standard output", error)
}

/// `predict … | head` is no error.
fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
