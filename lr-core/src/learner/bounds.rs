//! What an event must keep to, so that a learner that diverges says so and stays as it was.

use super::error::{LearnError, Quantity};

/// Largest change that one example may make to a weight.
const MAX_STEP: f64 = 1e9;
/// Events over which the loss is averaged.
const LOSS_WINDOW: f64 = 10_000.0;

/// What is known of an event before its margin is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) max_margin: f64,
    pub(super) max_mean_loss: f64,
    /// Average loss before the event.
    pub(super) mean_loss: f64,
    /// Events before.
    pub(super) events: u64,
    pub(super) label: bool,
    /// Largest importance times value.
    pub(super) step: f64,
}

impl Bounds {
    /// Returns the average loss with the event, without the loss's smooth part, which is at most
    /// ln 2 and costs two logarithms.
    #[inline(always)]
    fn mean_loss(&self, margin: f64) -> f64 {
        let miss = (if self.label { -margin } else { margin }).max(0.0);
        self.mean_loss + (miss - self.mean_loss) * (1.0 / LOSS_WINDOW)
    }

    /// Returns the average loss with the event; `None` where something is out of bounds, and for every
    /// NaN.
    #[inline(always)]
    pub(super) fn check(&self, margin: f64) -> Option<f64> {
        let mean_loss = self.mean_loss(margin);
        let within = margin.abs() <= self.max_margin
            && mean_loss <= self.max_mean_loss
            && self.step <= MAX_STEP;
        within.then_some(mean_loss)
    }

    /// Says what is out of bounds.
    pub(super) fn refuse(&self, margin: f64) -> LearnError {
        let (size, mean_loss) = (margin.abs(), self.mean_loss(margin));
        let quantities = [
            (Quantity::Margin, size, self.max_margin),
            (Quantity::MeanLoss, mean_loss, self.max_mean_loss),
        ];
        // Written so that NaN is out of bounds.
        let within = |&(_, value, limit): &(Quantity, f64, f64)| value <= limit;
        let (quantity, value, limit) = quantities
            .into_iter()
            .find(|quantity| !within(quantity))
            .unwrap_or((Quantity::Step, self.step, MAX_STEP));
        LearnError::Diverged {
            quantity,
            value,
            limit,
            event: self.events,
        }
    }
}
