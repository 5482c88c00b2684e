//! Asking a run to end in good order.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::cli::Failure;

/// A request to end, shared by all that may make it and all that must heed it.
///
/// A run that is asked to stop finishes the file it reads, writes a checkpoint if it keeps any, and
/// ends without a failure.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Asks for the end.
    pub fn ask(&self) {
        let (asked, changed) = &*self.asked;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        let (asked, _) = &*self.asked;
        *asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the end is asked for, at most for `time`; returns whether it was.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let (asked, changed) = &*self.asked;
        let guard = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, time, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Asks for the end at the first SIGTERM or SIGINT; a second one ends the program at once, with
    /// the exit code 130.
    ///
    /// # Errors
    ///
    /// The operating system refuses a signal handler or a thread.
    #[cfg(unix)]
    pub fn on_signals(&self) -> Result<(), Failure> {
        use tokio::signal::unix::{SignalKind, signal};

        let failure = |source| Failure::at("signals", source);
        let runtime = model_io::Blocking::new().map_err(failure)?;
        let (mut terminate, mut interrupt) = runtime
            .run(async {
                let terminate = signal(SignalKind::terminate())?;
                Ok::<_, std::io::Error>((terminate, signal(SignalKind::interrupt())?))
            })
            .map_err(failure)?;
        let stop = self.clone();
        let listen = move || {
            runtime.run(async {
                let mut next = async || {
                    let (terminate, interrupt) = (terminate.recv(), interrupt.recv());
                    futures_util::future::select(Box::pin(terminate), Box::pin(interrupt)).await;
                };
                next().await;
                tracing::info!("asked to stop: finishing what is under way");
                stop.ask();
                next().await;
                std::process::exit(130);
            });
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(listen)
            .map_err(failure)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_request_and_not_before_its_time() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::from_millis(5)) && !stop.is_asked());
        let asked = stop.clone();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| stop.wait(Duration::from_secs(600)));
            asked.ask();
            assert!(waiting.join().unwrap());
        });
        assert!(stop.is_asked() && stop.wait(Duration::ZERO));
    }
}
