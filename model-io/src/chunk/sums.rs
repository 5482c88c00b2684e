//! Checksums of what is written, batch by batch, with the footer held back until its own is known.

use std::io::{self, Write};

use crc32fast::Hasher;

/// Eight lower-case hexadecimal digits.
pub(super) fn digits(hasher: Hasher) -> String {
    format!("{:08x}", hasher.finalize())
}

/// The checksum of several stretches of bytes, one after the other.
pub(super) fn crc32<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Hasher::new();
    parts.into_iter().for_each(|part| hasher.update(part));
    digits(hasher)
}

/// Passes bytes on and sums them up, until the tail begins, which is held back.
#[derive(Debug)]
pub(super) struct Summing<W> {
    out: W,
    hasher: Hasher,
    tail: Option<Vec<u8>>,
}

impl<W: Write> Summing<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            hasher: Hasher::new(),
            tail: None,
        }
    }

    /// The sum since the last call.
    pub(super) fn take(&mut self) -> Hasher {
        std::mem::take(&mut self.hasher)
    }

    /// Holds back everything from here on.
    pub(super) fn begin_tail(&mut self) {
        self.tail = Some(Vec::new());
    }

    /// What was passed on to, and what was held back.
    pub(super) fn into_parts(self) -> (W, Vec<u8>) {
        (self.out, self.tail.unwrap_or_default())
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(tail) = &mut self.tail {
            return tail.write(bytes);
        }
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
