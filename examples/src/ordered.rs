//! A parallel map whose results are folded in the order of its inputs.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::cli::Failure;

/// Maps what `source` yields on `threads` worker threads and folds the results on the caller's
/// thread, in the order of the inputs.
///
/// - `source` runs on a thread of its own until it yields `None` or fails; what it yielded before a
///   failure is still folded.
/// - `worker` makes the state of one worker (an encoder, say); `map` gets it with each input.
/// - At most `2 * threads + 2` inputs or results wait at any time, so memory is bounded.
///
/// The result is the same for any number of threads as long as `map` is a pure function of its
/// input.
///
/// # Errors
///
/// The first failure of `source` or `fold`, in stream order.
pub fn map_fold<I: Send, O: Send, S>(
    threads: usize,
    mut source: impl FnMut() -> Result<Option<I>, Failure> + Send,
    worker: impl Fn() -> S + Sync,
    map: impl Fn(&mut S, I) -> O + Sync,
    mut fold: impl FnMut(O) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let threads = threads.max(1);
    let (task_sender, task_receiver) = sync_channel::<(I, SyncSender<O>)>(threads);
    let (order_sender, order_receiver) = sync_channel::<Result<Receiver<O>, Failure>>(threads + 2);
    let task_receiver = Mutex::new(task_receiver);
    thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                let input = match source() {
                    Ok(Some(input)) => input,
                    Ok(None) => return,
                    Err(failure) => {
                        let _ = order_sender.send(Err(failure));
                        return;
                    }
                };
                let (result_sender, result_receiver) = sync_channel(1);
                // Either send fails only when the fold has stopped.
                if order_sender.send(Ok(result_receiver)).is_err()
                    || task_sender.send((input, result_sender)).is_err()
                {
                    return;
                }
            }
        });
        for _ in 0..threads {
            scope.spawn(|| {
                let mut state = worker();
                loop {
                    let task = {
                        let tasks = task_receiver.lock().unwrap_or_else(PoisonError::into_inner);
                        tasks.recv()
                    };
                    let Ok((input, result)) = task else { return };
                    let _ = result.send(map(&mut state, input));
                }
            });
        }
        // The receiver is dropped at the end of this closure, which stops the source.
        let order_receiver = order_receiver;
        for result in &order_receiver {
            // A worker that panicked drops its sender; the scope then propagates the panic.
            let Ok(output) = result?.recv() else { break };
            fold(output)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize, fail_at: Option<u64>) -> (Vec<u64>, Result<(), Failure>) {
        let mut next = 0;
        let mut folded = Vec::new();
        let result = map_fold(
            threads,
            || {
                next += 1;
                if Some(next) == fail_at {
                    return Err(Failure::data("the source failed"));
                }
                Ok((next <= 200).then_some(next))
            },
            || (),
            |(), input| {
                if input % 7 == 0 {
                    thread::yield_now();
                }
                input * input
            },
            |output| {
                folded.push(output);
                Ok(())
            },
        );
        (folded, result)
    }

    #[test]
    fn results_come_in_order_for_any_number_of_threads() {
        let expected: Vec<u64> = (1..=200).map(|input| input * input).collect();
        for threads in [1, 2, 8] {
            assert_eq!(squares(threads, None).0, expected);
        }
    }

    #[test]
    fn what_came_before_a_failure_of_the_source_is_folded() {
        let (folded, result) = squares(3, Some(5));
        assert_eq!(folded, [1, 4, 9, 16]);
        assert_eq!(result.unwrap_err().to_string(), "the source failed");
    }

    #[test]
    fn a_failing_fold_stops_the_source() {
        let result = map_fold(
            2,
            || Ok(Some(1)),
            || (),
            |(), input| input,
            |_| Err(Failure::data("enough")),
        );
        assert_eq!(result.unwrap_err().to_string(), "enough");
    }
}
