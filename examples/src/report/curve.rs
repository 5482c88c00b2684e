//! Figures over time in a bounded number of points.

use lr_core::{Metrics, MetricsError};

/// Points of a curve at most; two neighbours become one when there are more.
pub const POINTS: usize = 240;

const HOUR_MS: i64 = 3_600_000;

/// Resolution of the scores of a point, in bits: enough for its log loss and calibration, which are
/// exact at any.
const RESOLUTION: u32 = 2;

/// Metrics by stretch of event time: an hour each at first, twice as long whenever there are too
/// many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    pub(super) width_ms: i64,
    /// Number of the stretch since the Unix epoch, and its figures, by increasing number.
    pub(super) points: Vec<(i64, Metrics)>,
}

/// One stretch of a curve.
#[derive(Debug, Clone, Copy)]
pub struct Point<'c> {
    /// Its beginning, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// What was predicted in it.
    pub metrics: &'c Metrics,
}

impl Default for Curve {
    fn default() -> Self {
        Self::new()
    }
}

impl Curve {
    /// Starts without a point.
    #[must_use]
    pub fn new() -> Self {
        Self {
            width_ms: HOUR_MS,
            points: Vec::new(),
        }
    }

    /// Adds one event.
    ///
    /// # Errors
    ///
    /// Those of [`Metrics::push`].
    pub fn push(
        &mut self,
        time_ms: i64,
        probability: f64,
        label: bool,
        importance: f32,
    ) -> Result<(), MetricsError> {
        let number = time_ms.div_euclid(self.width_ms);
        let newest = self.points.last().map(|point| point.0);
        let index = if newest == Some(number) {
            self.points.len() - 1
        } else {
            match self.points.binary_search_by_key(&number, |point| point.0) {
                Ok(index) => index,
                Err(index) => {
                    let empty = Metrics::with_resolution(RESOLUTION)?;
                    self.points.insert(index, (number, empty));
                    index
                }
            }
        };
        self.points[index].1.push(probability, label, importance)?;
        while self.points.len() > POINTS {
            self.widen()?;
        }
        Ok(())
    }

    /// Width of a point, in milliseconds.
    #[must_use]
    pub fn width_ms(&self) -> i64 {
        self.width_ms
    }

    /// The points with events, in order of time.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = Point<'_>> + ExactSizeIterator {
        self.points.iter().map(|(number, metrics)| Point {
            start_ms: number * self.width_ms,
            metrics,
        })
    }

    fn widen(&mut self) -> Result<(), MetricsError> {
        self.width_ms *= 2;
        let mut wider: Vec<(i64, Metrics)> = Vec::with_capacity(self.points.len() / 2 + 1);
        for (number, metrics) in self.points.drain(..) {
            let number = number.div_euclid(2);
            match wider.last_mut() {
                Some((last, sum)) if *last == number => sum.merge(&metrics)?,
                _ => wider.push((number, metrics)),
            }
        }
        self.points = wider;
        Ok(())
    }
}
