//! Awaiting from programs that have no runtime.

use std::future::Future;
use std::io;

/// A small tokio runtime for programs that are not asynchronous themselves.
///
/// Keep one for the life of the program: connections to a store live in it.
#[derive(Debug)]
pub struct Blocking {
    runtime: tokio::runtime::Runtime,
}

impl Blocking {
    /// Starts a runtime on the calling thread.
    ///
    /// # Errors
    ///
    /// [`io::Error`]: the operating system gives no event queue.
    pub fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self { runtime })
    }

    /// Waits for `future`.
    ///
    /// # Panics
    ///
    /// If called from within a tokio runtime, as [`tokio::runtime::Runtime::block_on`] does.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}
