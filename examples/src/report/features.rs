//! How much each position moves predictions.

const DAY_MS: i64 = 86_400_000;

/// Rows of a list of features.
const LISTED: usize = 20;

/// Squares of the values seen at each position on the newest day of event time.
///
/// Statistics change with the day, and with them the scale of the values; so the sums begin again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) day: Option<i64>,
    pub(super) events: u64,
    pub(super) squares: Vec<f64>,
}

/// The positions that matter most.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Ranked {
    /// Events of the newest day, over which contributions are taken.
    pub events: u64,
    /// By absolute weight.
    pub by_weight: Vec<RankedFeature>,
    /// By absolute contribution.
    pub by_contribution: Vec<RankedFeature>,
}

/// One position of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RankedFeature {
    /// Column of the row.
    pub column: u32,
    /// Weight, in log-odds per unit of the stored value.
    pub weight: f64,
    /// `|weight| · √(mean of value² over all events)`, in log-odds: the typical size of what the
    /// position adds to a margin.
    pub contribution: f64,
}

impl Seen {
    pub(super) fn new(columns: usize) -> Self {
        Self {
            day: None,
            events: 0,
            squares: vec![0.0; columns],
        }
    }

    pub(super) fn push(&mut self, time_ms: i64, positions: &[u32], values: &[f32]) {
        let day = time_ms.div_euclid(DAY_MS);
        if self.day.is_none_or(|current| day > current) {
            self.day = Some(day);
            self.events = 0;
            self.squares.fill(0.0);
        }
        self.events += 1;
        for (&position, &value) in positions.iter().zip(values) {
            if let Some(square) = self.squares.get_mut(position as usize) {
                *square += f64::from(value) * f64::from(value);
            }
        }
    }

    #[allow(clippy::cast_precision_loss)] // counts of events are far below 2^53
    pub(super) fn ranked(&self, weights: &[f32]) -> Ranked {
        let events = self.events.max(1) as f64;
        let mut features: Vec<RankedFeature> = (0..)
            .zip(weights.iter().zip(&self.squares))
            .filter(|(_, (weight, _))| **weight != 0.0)
            .map(|(column, (&weight, &squares))| {
                let weight = f64::from(weight);
                RankedFeature {
                    column,
                    weight,
                    contribution: weight.abs() * (squares / events).sqrt(),
                }
            })
            .collect();
        let by_weight = first(&mut features, |feature| feature.weight.abs());
        let by_contribution = first(&mut features, |feature| feature.contribution);
        Ranked {
            events: self.events,
            by_weight,
            by_contribution,
        }
    }
}

/// The first of a list by a measure, largest first, ties by column.
fn first(features: &mut [RankedFeature], measure: fn(&RankedFeature) -> f64) -> Vec<RankedFeature> {
    let order = |a: &RankedFeature, b: &RankedFeature| {
        measure(b)
            .total_cmp(&measure(a))
            .then(a.column.cmp(&b.column))
    };
    let listed = LISTED.min(features.len());
    if listed < features.len() {
        features.select_nth_unstable_by(listed, order);
    }
    let mut first = features[..listed].to_vec();
    first.sort_unstable_by(order);
    first.retain(|feature| measure(feature) > 0.0);
    first
}
