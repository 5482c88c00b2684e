//! Two threads for one stream: one prepares what the other learns from, and whichever would have to
//! wait counts predictions.
//!
//! More threads, each with work of its own, take turns on two cores and hold each other up.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;

use super::scores::Tally;
use crate::cli::Failure;

/// Batches that may be ready at a time.
const READY: usize = 4;

/// Prepares batches on a thread of its own until there are no more, and folds them in order on the
/// caller's.
///
/// # Errors
///
/// The first failure in the order of the batches; what was prepared before one is folded.
pub(super) fn fold<B: Send>(
    tally: &Tally,
    prepare: impl FnMut() -> Result<Option<B>, Failure> + Send,
    fold: impl FnMut(B) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (ready, batches) = sync_channel(READY);
    thread::scope(|scope| {
        let preparing = scope.spawn(move || prepare_all(tally, prepare, &ready));
        let folded = fold_all(tally, batches, fold);
        let prepared = preparing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        folded.and(prepared)
    })
}

/// Takes the batches for itself: at its end whoever prepares what nobody takes stops.
#[allow(clippy::needless_pass_by_value)] // it is dropped here
fn fold_all<B>(
    tally: &Tally,
    batches: Receiver<B>,
    mut fold: impl FnMut(B) -> Result<(), Failure>,
) -> Result<(), Failure> {
    loop {
        let batch = match batches.try_recv() {
            Err(TryRecvError::Empty) if tally.count_one()? => continue,
            Err(TryRecvError::Empty) => batches.recv().ok(),
            batch => batch.ok(),
        };
        match batch {
            Some(batch) => fold(batch)?,
            None => return Ok(()),
        }
    }
}

fn prepare_all<B>(
    tally: &Tally,
    mut prepare: impl FnMut() -> Result<Option<B>, Failure>,
    ready: &SyncSender<B>,
) -> Result<(), Failure> {
    while let Some(mut batch) = prepare()? {
        loop {
            batch = match ready.try_send(batch) {
                Err(TrySendError::Full(batch)) => batch,
                Err(TrySendError::Disconnected(_)) => return Ok(()),
                Ok(()) => break,
            };
            if tally.count_one()? {
                continue;
            }
            if ready.send(batch).is_err() {
                return Ok(());
            }
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libsvm::LibsvmConfig;
    use crate::libsvm::scores::{Scored, Scores};

    fn tally() -> Tally {
        Tally::new(Scores::new(&LibsvmConfig::new("rows")).unwrap())
    }

    /// Folds 0, 1, 2, …, `count` in all, and counts a prediction for each.
    fn run(count: u32, prepare_fails_at: u32, fold_fails_at: u32) -> (Vec<u32>, u64, String) {
        let tally = tally();
        let (mut next, mut seen) = (0, Vec::new());
        let outcome = fold(
            &tally,
            || {
                if next == prepare_fails_at {
                    return Err(Failure::data("cannot prepare"));
                }
                next += 1;
                Ok((next <= count).then_some(next - 1))
            },
            |number| {
                if number == fold_fails_at {
                    return Err(Failure::data("cannot fold"));
                }
                seen.push(number);
                tally.add(Scored {
                    labels: vec![number % 2 == 0],
                    probabilities: vec![0.5],
                })
            },
        );
        let message = outcome.map_or_else(|failure| failure.to_string(), |()| String::new());
        (seen, tally.finish().unwrap().events(), message)
    }

    #[test]
    fn every_batch_is_folded_in_order_and_every_prediction_counted() {
        for count in [0, 1, 3, 1_000] {
            let (seen, counted, message) = run(count, u32::MAX, u32::MAX);
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
            assert_eq!((counted, message), (u64::from(count), String::new()));
        }
    }

    #[test]
    fn the_first_failure_in_order_is_told_and_what_came_before_it_is_folded() {
        for (prepare, fold, folded, expected) in [
            (5, u32::MAX, 5, "cannot prepare"),
            (u32::MAX, 7, 7, "cannot fold"),
            (90, 7, 7, "cannot fold"),
            (7, 90, 7, "cannot prepare"),
        ] {
            let (seen, counted, message) = run(1_000, prepare, fold);
            assert_eq!(seen, (0..folded).collect::<Vec<_>>());
            assert_eq!((counted, message.as_str()), (u64::from(folded), expected));
        }
    }
}
