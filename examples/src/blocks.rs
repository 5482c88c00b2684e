//! A text input cut into blocks of whole lines, so that many threads can work on one stream.

use std::io::{BufRead, ErrorKind, Read};
use std::sync::Arc;

use crate::cli::Failure;
use crate::text::{self, MAX_LINE_BYTES};

/// Bytes of text that one block aims at: large enough to keep a thread busy for about a millisecond,
/// small enough that a few of them are no memory to speak of.
const BLOCK_BYTES: usize = 256 << 10;
/// The same of the first block; each one after it aims at twice as much, so that nobody waits long for
/// the first.
const FIRST_BYTES: usize = 16 << 10;

/// Whole lines of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Path or URL of the input.
    pub place: Arc<str>,
    /// 1-based number of the first line.
    pub first_line: u64,
    /// The lines, with their line ends.
    pub text: Vec<u8>,
    /// The last line was longer than [`MAX_LINE_BYTES`]: only its beginning is here.
    pub cut: bool,
}

impl Block {
    /// The lines with their 1-based numbers, without line ends; `true` marks a line that was cut.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &[u8], bool)> {
        let text = self.text.strip_suffix(b"\n").unwrap_or(&self.text);
        let last = memchr::memchr_iter(b'\n', text).count();
        let lines = if self.text.is_empty() {
            None
        } else {
            Some(text.split(|&byte| byte == b'\n'))
        };
        lines
            .into_iter()
            .flatten()
            .enumerate()
            .map(move |(index, line)| {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                (
                    self.first_line + index as u64,
                    line,
                    self.cut && index == last,
                )
            })
    }
}

/// Reads blocks from one input.
pub struct Blocks {
    place: Arc<str>,
    input: Box<dyn BufRead + Send>,
    next_line: u64,
    /// The beginning of a line whose end is still to be read.
    rest: Vec<u8>,
    /// Bytes that the next block aims at.
    aim: usize,
    ended: bool,
}

impl Blocks {
    /// Reads from an open stream; `place` names it in errors.
    pub fn new(place: impl std::fmt::Display, input: Box<dyn BufRead + Send>) -> Self {
        let place = Arc::from(place.to_string());
        Self {
            place,
            input,
            next_line: 1,
            rest: Vec::new(),
            aim: FIRST_BYTES,
            ended: false,
        }
    }

    /// Reads the next block, `None` at the end.
    ///
    /// # Errors
    ///
    /// The input cannot be read on, or is truncated; the message names the input and the line.
    pub fn read(&mut self) -> Result<Option<Block>, Failure> {
        self.read_into(Vec::new())
    }

    /// [`Blocks::read`] into memory that is used again, in place of what it holds.
    ///
    /// # Errors
    ///
    /// As [`Blocks::read`].
    pub fn read_into(&mut self, mut text: Vec<u8>) -> Result<Option<Block>, Failure> {
        text.clear();
        text.append(&mut self.rest);
        let mut cut = false;
        while !self.ended {
            let start = text.len();
            let wanted = self.aim.saturating_sub(start).max(self.aim / 4);
            self.fill(&mut text, wanted)
                .map_err(|error| self.failure(error))?;
            self.ended = text.len() < start + wanted;
            if let Some(end) = memchr::memrchr(b'\n', &text[start..]) {
                self.rest.extend_from_slice(&text[start + end + 1..]);
                text.truncate(start + end + 1);
                break;
            }
            if text.len() > MAX_LINE_BYTES {
                text.truncate(1024);
                cut = true;
                self.input
                    .skip_until(b'\n')
                    .map_err(|error| self.failure(error))?;
                break;
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        self.aim = (2 * self.aim).min(BLOCK_BYTES);
        let block = Block {
            place: Arc::clone(&self.place),
            first_line: self.next_line,
            text,
            cut,
        };
        let ends = memchr::memchr_iter(b'\n', &block.text).count() as u64;
        self.next_line += ends + u64::from(block.text.last() != Some(&b'\n'));
        Ok(Some(block))
    }

    /// Appends so many bytes, fewer only at the end of the input.
    fn fill(&mut self, text: &mut Vec<u8>, wanted: usize) -> std::io::Result<()> {
        let mut filled = text.len();
        text.resize(filled + wanted, 0);
        // Large reads pass the buffer of the input by, which `read_to_end`'s small ones do not.
        while filled < text.len() {
            match self.input.read(&mut text[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        text.truncate(filled);
        Ok(())
    }

    fn failure(&self, error: std::io::Error) -> Failure {
        let place = format!("{}: after line {}", self.place, self.next_line - 1);
        Failure::at(place, text::explain(error))
    }
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Blocks")
            .field("place", &self.place)
            .field("next_line", &self.next_line)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read_all(text: &[u8]) -> Vec<(u64, Vec<u8>, bool)> {
        let mut blocks = Blocks::new("memory", Box::new(Cursor::new(text.to_vec())));
        let mut lines = Vec::new();
        while let Some(block) = blocks.read().unwrap() {
            lines.extend(
                block
                    .lines()
                    .map(|(number, line, cut)| (number, line.to_vec(), cut)),
            );
        }
        lines
    }

    #[test]
    fn blocks_hold_the_lines_of_the_text_once_each_and_numbered() {
        let text: String = (1..=60_000).map(|line| format!("line {line}\n")).collect();
        for text in [text.as_str(), text.trim_end()] {
            let lines = read_all(text.as_bytes());
            assert_eq!(lines.len(), 60_000);
            for (index, (number, line, cut)) in lines.iter().enumerate() {
                assert_eq!(*number, index as u64 + 1);
                assert_eq!(line, format!("line {number}").as_bytes());
                assert!(!cut);
            }
        }
    }

    #[test]
    fn memory_that_is_used_again_holds_nothing_of_before() {
        let text: String = (1..=60_000).map(|line| format!("line {line}\n")).collect();
        let cursor = || Box::new(Cursor::new(text.clone().into_bytes()));
        let (mut fresh, mut again) = (Blocks::new("a", cursor()), Blocks::new("a", cursor()));
        let mut spare = vec![b'\n'; 3 * BLOCK_BYTES];
        while let Some(expected) = fresh.read().unwrap() {
            let block = again.read_into(spare).unwrap().unwrap();
            assert_eq!(block, expected);
            spare = block.text;
        }
        assert_eq!(again.read_into(spare).unwrap(), None);
    }

    #[test]
    fn an_empty_text_has_no_block_and_blank_lines_count() {
        assert!(read_all(b"").is_empty());
        assert_eq!(
            read_all(b"\n\na"),
            [
                (1, vec![], false),
                (2, vec![], false),
                (3, b"a".to_vec(), false),
            ]
        );
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_and_the_next_one_is_whole() {
        let mut text = vec![b'x'; MAX_LINE_BYTES + BLOCK_BYTES];
        text.extend_from_slice(b"\nnext\n");
        let lines = read_all(&text);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].0, lines[0].1.len(), lines[0].2), (1, 1024, true));
        assert_eq!(lines[1], (2, b"next".to_vec(), false));
    }
}
