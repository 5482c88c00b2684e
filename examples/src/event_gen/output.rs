//! A thread that compresses and writes events while the next ones are made.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::cli::Failure;
use crate::event_files::{EventFilesSummary, EventWriter};

/// Bytes of events that are handed over together.
const BATCH_BYTES: usize = 256 << 10;

/// Batches that may wait for the writer.
const WAITING: usize = 4;

type Written = Result<EventFilesSummary, Failure>;

/// An [`EventWriter`] in a thread of its own.
///
/// Dropped before [`Output::finish`], the file under way is removed.
#[derive(Debug)]
pub(super) struct Output {
    batch: Batch,
    batches: Option<SyncSender<Batch>>,
    used: Receiver<Batch>,
    thread: Option<JoinHandle<Option<Written>>>,
}

/// Lines one after the other, and for each its time and its end.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: Vec<(i64, usize)>,
    last: bool,
}

impl Output {
    pub(super) fn new(writer: EventWriter) -> Self {
        let (batches, work) = sync_channel::<Batch>(WAITING);
        let (give_back, used) = sync_channel::<Batch>(WAITING);
        let thread = std::thread::spawn(move || write_all(writer, &work, &give_back));
        Self {
            batch: Batch::default(),
            batches: Some(batches),
            used,
            thread: Some(thread),
        }
    }

    /// Takes a line that `write` appends.
    ///
    /// # Errors
    ///
    /// An earlier line could not be written.
    pub(super) fn write(
        &mut self,
        time_ms: i64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Failure> {
        write(&mut self.batch.bytes);
        self.batch.lines.push((time_ms, self.batch.bytes.len()));
        if self.batch.bytes.len() >= BATCH_BYTES {
            self.hand_over()?;
        }
        Ok(())
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    ///
    /// Something could not be written.
    pub(super) fn finish(mut self) -> Written {
        self.batch.last = true;
        self.hand_over()?;
        self.join()
    }

    fn hand_over(&mut self) -> Result<(), Failure> {
        let next = self.used.try_recv().unwrap_or_default();
        let batch = std::mem::replace(&mut self.batch, next);
        let sent = self
            .batches
            .as_ref()
            .is_some_and(|batches| batches.send(batch).is_ok());
        if sent {
            Ok(())
        } else {
            self.join().map(|_| ())
        }
    }

    fn join(&mut self) -> Written {
        self.batches = None;
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(Some(written))) => written,
            _ => Err(Failure::data(
                "the thread that writes events ended too early",
            )),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.join();
        }
    }
}

/// Writes batches up to the last; `None` when they end before it.
fn write_all(
    mut writer: EventWriter,
    work: &Receiver<Batch>,
    give_back: &SyncSender<Batch>,
) -> Option<Written> {
    while let Ok(mut batch) = work.recv() {
        let mut start = 0;
        for &(time_ms, end) in &batch.lines {
            if let Err(failure) = writer.write(time_ms, &batch.bytes[start..end]) {
                return Some(Err(failure));
            }
            start = end;
        }
        if batch.last {
            return Some(writer.finish());
        }
        batch.bytes.clear();
        batch.lines.clear();
        let _ = give_back.try_send(batch);
    }
    None
}
