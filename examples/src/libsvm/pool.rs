//! Buffers that are used again, so that fresh memory is asked for only once.

use std::sync::{Mutex, PoisonError};

/// Buffers that wait to be used again.
#[derive(Debug, Default)]
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    /// Takes a buffer with whatever it held, or a new one.
    pub(super) fn take(&self) -> T {
        self.buffers().pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(super) fn give(&self, buffer: T) {
        self.buffers().push(buffer);
    }

    fn buffers(&self) -> std::sync::MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
