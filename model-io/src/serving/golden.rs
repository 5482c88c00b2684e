//! Events whose probabilities travel with a model, to be computed again by whoever loads it.

use feature_spec::{Event, FeatureSpec};

use super::{PredictError, Scratch, ServingError, ServingModel};
use crate::info::Golden;
use crate::snapshot::Snapshot;

/// How far a served probability may be from a golden one.
///
/// Margins are the same bits on every machine, but not in every version: another order of adding
/// single-precision products moved probabilities by 1.5e-8, and a service must load what an older
/// trainer wrote. What a golden event is there to find moves them by far more.
const GOLDEN_TOLERANCE: f64 = 1e-5;

impl Snapshot {
    /// Replaces the golden events by `events`, JSON texts of event records, each with the
    /// probability that a service gives it with this very snapshot.
    ///
    /// `spec`: the specification of the snapshot, compiled; a golden event's text becomes part of
    /// the model file and of its manifest.
    ///
    /// # Errors
    ///
    /// - [`ServingError::Decode`]: `spec` is not the snapshot's, or the statistics do not fit it;
    /// - [`ServingError::Golden`]: an event cannot be predicted; the golden events are as before.
    ///
    /// # Complexity
    ///
    /// O(columns) for a copy of the weights, then what a prediction takes for each event.
    pub fn set_golden<'a>(
        &mut self,
        spec: &FeatureSpec,
        events: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), ServingError> {
        let Self {
            model,
            statistics,
            info,
            ..
        } = &*self;
        let model = ServingModel::assemble(model.clone(), statistics, info.clone(), spec.clone())
            .map_err(|source| ServingError::Decode { source })?;
        let mut scratch = Scratch::new(spec);
        let golden = (events.into_iter().enumerate())
            .map(|(index, event)| {
                let probability = model
                    .probability(event, &mut scratch)
                    .map_err(|source| ServingError::Golden { index, source })?;
                Ok(Golden {
                    event: event.to_owned(),
                    probability,
                })
            })
            .collect::<Result<_, ServingError>>()?;
        self.info.golden = golden;
        Ok(())
    }
}

impl ServingModel {
    /// Computes the probability of every golden event again.
    pub(super) fn check_golden(&self) -> Result<(), ServingError> {
        let mut scratch = Scratch::new(&self.spec);
        for (index, golden) in self.info.golden.iter().enumerate() {
            let actual = self
                .probability(&golden.event, &mut scratch)
                .map_err(|source| ServingError::Golden { index, source })?;
            let expected = golden.probability;
            // A NaN is a mismatch.
            let close = (actual - expected).abs() <= GOLDEN_TOLERANCE;
            if !close {
                return Err(ServingError::GoldenMismatch {
                    index,
                    expected,
                    actual,
                });
            }
        }
        Ok(())
    }

    fn probability(&self, event: &str, scratch: &mut Scratch) -> Result<f64, PredictError> {
        let event = Event::from_json(event.as_bytes()).map_err(|error| PredictError::Event {
            reason: error.to_string(),
        })?;
        Ok(self.predict_with(&event, scratch)?.probability)
    }
}
