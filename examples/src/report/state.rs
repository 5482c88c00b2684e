//! A recorder as bytes, for a checkpoint: JSON after its length, then the squares as they are.

use std::collections::{BTreeMap, VecDeque};

use feature_spec::FeatureSpec;
use lr_core::{Metrics, MetricsError, MetricsState, SlicedMetrics};
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::{DumpFact, DumpKind, Recorder, SLICES};
use crate::cli::Failure;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    slot: Option<i64>,
    current: MetricsState,
    overall: MetricsState,
    hours: Vec<(i8, MetricsState)>,
    weekdays: Vec<(i8, MetricsState)>,
    languages: Vec<(String, MetricsState)>,
    curve_width_ms: i64,
    curve: Vec<(i64, MetricsState)>,
    categories: Vec<CategoryState>,
    seen_day: Option<i64>,
    seen_events: u64,
    dumps: VecDeque<DumpFact>,
    dump_counts: BTreeMap<DumpKind, u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryState {
    feature: String,
    slices: Vec<(String, MetricsState)>,
    others: MetricsState,
}

impl Recorder {
    /// The whole state, from which [`from_bytes`](Self::from_bytes) goes on.
    ///
    /// # Errors
    ///
    /// None is known: the state is numbers and names.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        let state = State {
            slot: self.slot,
            current: self.current.state(),
            overall: self.overall.state(),
            hours: states(&self.hours),
            weekdays: states(&self.weekdays),
            languages: states(&self.languages),
            curve_width_ms: self.curve.width_ms,
            curve: (self.curve.points.iter())
                .map(|(number, metrics)| (*number, metrics.state()))
                .collect(),
            categories: (self.categories.iter())
                .map(|category| {
                    let (slices, others) = category.slices.state();
                    CategoryState {
                        feature: category.feature.clone(),
                        slices,
                        others,
                    }
                })
                .collect(),
            seen_day: self.seen.day,
            seen_events: self.seen.events,
            dumps: self.dumps.clone(),
            dump_counts: self.dump_counts.clone(),
        };
        let json = serde_json::to_vec(&state)
            .map_err(|source| Failure::at("state of the report", source))?;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json);
        bytes.extend(
            self.seen
                .squares
                .iter()
                .flat_map(|square| square.to_le_bytes()),
        );
        Ok(bytes)
    }

    /// Goes on from a state; the spec, the language and the categories must be those that it was
    /// made with.
    ///
    /// # Errors
    ///
    /// The bytes are not such a state, or one of another spec or of other categories.
    pub fn from_bytes(
        spec: &FeatureSpec,
        language: &str,
        categories: &[String],
        bytes: &[u8],
    ) -> Result<Self, Failure> {
        let mut recorder = Self::new(spec, language, categories)?;
        let (state, squares) = split(bytes)?;
        recorder
            .take(state)
            .map_err(|source| Failure::at("state of the report", source))?;
        if squares.len() != recorder.seen.squares.len() * 8 {
            return Err(damaged("it is of a spec with another dimension"));
        }
        let (numbers, _) = squares.as_chunks::<8>();
        for (square, number) in recorder.seen.squares.iter_mut().zip(numbers) {
            *square = f64::from_le_bytes(*number);
            if !(square.is_finite() && *square >= 0.0) {
                return Err(damaged("a sum of squares is not one"));
            }
        }
        Ok(recorder)
    }

    fn take(&mut self, state: State) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.slot = state.slot;
        self.current = Metrics::from_state(&state.current)?;
        self.overall = Metrics::from_state(&state.overall)?;
        self.hours = metrics(&state.hours)?;
        self.weekdays = metrics(&state.weekdays)?;
        self.languages = metrics(&state.languages)?;
        let points: BTreeMap<i64, Metrics> = metrics(&state.curve)?;
        if state.curve_width_ms <= 0 {
            return Err("a point of the curve has no width".into());
        }
        self.curve = Curve {
            width_ms: state.curve_width_ms,
            points: points.into_iter().collect(),
        };
        if state.categories.len() != self.categories.len() {
            return Err("it has other categories".into());
        }
        for (category, saved) in self.categories.iter_mut().zip(&state.categories) {
            if category.feature != saved.feature {
                return Err(format!("it has the category {}", saved.feature).into());
            }
            category.slices = SlicedMetrics::from_state(SLICES, &saved.slices, &saved.others)?;
        }
        self.seen.day = state.seen_day;
        self.seen.events = state.seen_events;
        self.dumps = state.dumps;
        self.dump_counts = state.dump_counts;
        Ok(())
    }
}

fn split(bytes: &[u8]) -> Result<(State, &[u8]), Failure> {
    let (length, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| damaged("it is cut"))?;
    let length = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .filter(|&length| length <= rest.len())
        .ok_or_else(|| damaged("it is cut"))?;
    let (json, squares) = rest.split_at(length);
    let state = serde_json::from_slice(json)
        .map_err(|source| Failure::at("state of the report", source))?;
    Ok((state, squares))
}

fn damaged(why: &str) -> Failure {
    Failure::at("state of the report", why)
}

fn states<K: Clone>(slices: &BTreeMap<K, Metrics>) -> Vec<(K, MetricsState)> {
    let states = slices.iter();
    states
        .map(|(key, metrics)| (key.clone(), metrics.state()))
        .collect()
}

fn metrics<K: Clone + Ord>(
    states: &[(K, MetricsState)],
) -> Result<BTreeMap<K, Metrics>, MetricsError> {
    let metrics = states.iter();
    metrics
        .map(|(key, state)| Ok((key.clone(), Metrics::from_state(state)?)))
        .collect()
}
