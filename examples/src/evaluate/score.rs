//! Events of a block to probabilities: the part of the work that threads share.

use std::hash::{DefaultHasher, Hash, Hasher};

use feature_spec::{Event, EventError};
use model_io::Predictor;

use super::EvaluateConfig;
use super::selection::Versions;
use crate::blocks::Block;
use crate::cli::Failure;
use crate::encode::Reason;

/// What became of a line.
pub(super) enum Answer {
    Scored(Scored),
    /// No version of a selection is old enough.
    Unserved,
    Rejected(Reason),
}

/// An event with a probability from every selection.
pub(super) struct Scored {
    pub(super) time_ms: i64,
    /// Digest of the user's id; `None` without one.
    pub(super) user: Option<u64>,
    pub(super) label: bool,
    pub(super) importance: f32,
    /// Index of the version within its selection, and the probability.
    pub(super) served: Vec<(usize, f64)>,
}

/// Scores blocks; one for each thread.
pub(super) struct Scorer<'v> {
    config: &'v EvaluateConfig,
    selections: Vec<Serving<'v>>,
}

/// One selection with the model that served the event before.
struct Serving<'v> {
    versions: &'v Versions,
    current: Option<(usize, Predictor)>,
}

impl<'v> Scorer<'v> {
    pub(super) fn new(config: &'v EvaluateConfig, selections: &'v [Versions]) -> Self {
        let selections = selections.iter().map(|versions| Serving {
            versions,
            current: None,
        });
        Self {
            config,
            selections: selections.collect(),
        }
    }

    /// Answers the lines of a block in order; lines out of the stretch are left out.
    pub(super) fn score(&mut self, block: &Block) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::new();
        for (_, line, cut) in block.lines() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if let Some(answer) = self.line(line, cut)? {
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    fn line(&mut self, line: &[u8], cut: bool) -> Result<Option<Answer>, Failure> {
        let rejected = |reason| Ok(Some(Answer::Rejected(reason)));
        if cut {
            return rejected(Reason::TooLong);
        }
        let event = match Event::from_json(line) {
            Ok(event) => event,
            Err(EventError::Syntax { .. }) => return rejected(Reason::NotJson),
            Err(_) => return rejected(Reason::InvalidEvent),
        };
        let time_ms = event.time.milliseconds();
        let early = self.config.from_ms.is_some_and(|from| time_ms < from);
        if early || self.config.to_ms.is_some_and(|to| time_ms >= to) {
            return Ok(None);
        }
        if !event.language.is_empty() && event.language != self.config.language {
            return rejected(Reason::OtherLanguage);
        }
        let Some(label) = event.label else {
            return rejected(Reason::NoLabel);
        };
        let mut served = Vec::with_capacity(self.selections.len());
        for selection in &mut self.selections {
            match selection.serve(time_ms, &event)? {
                Served::By(version, probability) => served.push((version, probability)),
                Served::Refused => return rejected(Reason::NotEncodable),
                Served::Nothing => return Ok(Some(Answer::Unserved)),
            }
        }
        Ok(Some(Answer::Scored(Scored {
            time_ms,
            user: (!event.user.id.is_empty()).then(|| digest(&event.user.id)),
            label,
            importance: event.importance,
            served,
        })))
    }
}

impl Serving<'_> {
    fn serve(&mut self, time_ms: i64, event: &Event<'_>) -> Result<Served, Failure> {
        let Some(index) = self.versions.at(time_ms) else {
            return Ok(Served::Nothing);
        };
        let predictor = match &mut self.current {
            Some((current, predictor)) if *current == index => predictor,
            current => {
                let predictor = Predictor::new(self.versions.load(index)?);
                &mut current.insert((index, predictor)).1
            }
        };
        Ok(match predictor.predict(event) {
            Ok(served) => Served::By(index, served.probability),
            Err(_) => Served::Refused,
        })
    }
}

/// What a selection makes of an event.
enum Served {
    /// A version's index, and the probability.
    By(usize, f64),
    /// No version is old enough.
    Nothing,
    /// The version cannot encode the event.
    Refused,
}

/// 64 bits of a name, the same in every run of a build.
fn digest(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
