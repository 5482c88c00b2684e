//! Text inputs: plain, gzip or zstd told apart by their first bytes, read line by line in bounded
//! memory.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::cli::Failure;
use crate::remote;

/// The longest line that is read into memory, in bytes.
pub const MAX_LINE_BYTES: usize = 16 << 20;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BUFFER_BYTES: usize = 256 << 10;
/// Small, so that whoever reads more at once reads from the file into his own memory.
const PLAIN_BUFFER_BYTES: usize = 64 << 10;

/// Opens a file or the URL of an object for reading, decompressed when it starts with the magic bytes of gzip or zstd.
/// A file in columns, by its name Parquet (`.parquet`) or Arrow IPC (`.arrow`, as a stream
/// `.arrows`), is read as the lines of JSON that it stands for.
///
/// `-` is standard input. A file that ends in the middle of its compressed stream fails while it is
/// read, with [`io::ErrorKind::UnexpectedEof`].
///
/// # Errors
///
/// - The file cannot be opened, or the store cannot be reached.
/// - It is not what its name says, or this build cannot read files in columns (cargo feature
///   `parquet`).
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, Failure> {
    if path == Path::new("-") {
        return decompress(io::stdin(), None).map_err(|source| Failure::file(path, source));
    }
    if let Some(lines) = in_columns(path) {
        return lines;
    }
    let promised = path.extension().and_then(|extension| extension.to_str());
    if remote::is_url(path) {
        return decompress(remote::open(path)?, promised)
            .map_err(|source| Failure::file(path, source));
    }
    let file = std::fs::File::open(path).map_err(|source| Failure::file(path, source))?;
    decompress(file, promised).map_err(|source| Failure::file(path, source))
}

#[cfg(feature = "parquet")]
fn in_columns(path: &Path) -> Option<Result<Box<dyn BufRead + Send>, Failure>> {
    let format = crate::columnar::Format::of(path)?;
    Some(crate::columnar::open(path, format))
}

#[cfg(not(feature = "parquet"))]
fn in_columns(path: &Path) -> Option<Result<Box<dyn BufRead + Send>, Failure>> {
    let extension = path.extension()?.to_str()?;
    matches!(extension, "parquet" | "arrow" | "arrows").then(|| {
        let message = "this build does not read files in columns: build with `--features parquet`";
        Err(Failure::file(path, message))
    })
}

/// Decompresses a stream as [`open`] does; `promised` is the file name's extension.
///
/// # Errors
///
/// The stream cannot be read, or is not what the extension promises.
pub fn decompress(
    mut input: impl Read + Send + 'static,
    promised: Option<&str>,
) -> io::Result<Box<dyn BufRead + Send>> {
    let mut magic = Vec::with_capacity(ZSTD_MAGIC.len());
    input
        .by_ref()
        .take(ZSTD_MAGIC.len() as u64)
        .read_to_end(&mut magic)?;
    let gzip = magic.starts_with(&GZIP_MAGIC);
    let zstd = magic == ZSTD_MAGIC;
    match promised {
        Some("gz") if !gzip => return Err(not_what_its_name_says("gzip")),
        Some("zst") if !zstd => return Err(not_what_its_name_says("zstd")),
        _ => {}
    }
    let whole = io::Cursor::new(magic).chain(input);
    Ok(if gzip {
        let decoder =
            flate2::read::MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, whole));
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else if zstd {
        let decoder = zstd::Decoder::new(whole)?;
        Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
    } else {
        Box::new(BufReader::with_capacity(PLAIN_BUFFER_BYTES, whole))
    })
}

fn not_what_its_name_says(format: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not {format} data, though its name says so"),
    )
}

/// Says in words why reading failed: a cut file is called that.
#[must_use]
pub fn explain(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "ends in the middle of its compressed data: the file is truncated",
        )
    } else {
        error
    }
}

/// What [`Lines::read`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// A line is in the buffer.
    Whole,
    /// The line is longer than [`MAX_LINE_BYTES`]; it was skipped, its first bytes are in the buffer.
    TooLong,
    /// There is no further line.
    End,
}

/// The lines of a text, numbered from 1, without their line ends.
pub struct Lines {
    place: String,
    input: Box<dyn BufRead + Send>,
    number: u64,
}

impl Lines {
    /// Opens a file as [`open`] does.
    ///
    /// # Errors
    ///
    /// Those of [`open`].
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self::new(path.display(), open(path)?))
    }

    /// Reads from an open stream; `place` names it in errors.
    pub fn new(place: impl std::fmt::Display, input: Box<dyn BufRead + Send>) -> Self {
        Self {
            place: place.to_string(),
            input,
            number: 0,
        }
    }

    /// Reads the next line into `line`, in place of what it held.
    ///
    /// # Errors
    ///
    /// The input cannot be read on, or is truncated; the message names the file and the line.
    pub fn read(&mut self, line: &mut Vec<u8>) -> Result<Line, Failure> {
        line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        let read = Read::take(&mut self.input, limit).read_until(b'\n', line);
        let read = read.map_err(|error| self.failure(error))?;
        if read == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(Line::Whole);
        }
        if line.len() <= MAX_LINE_BYTES {
            return Ok(Line::Whole);
        }
        line.truncate(1024);
        self.input
            .skip_until(b'\n')
            .map_err(|error| self.failure(error))?;
        Ok(Line::TooLong)
    }

    /// The number of the line read last, from 1; 0 before the first.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    fn failure(&self, error: io::Error) -> Failure {
        let place = format!("{}: after line {}", self.place, self.number);
        Failure::at(place, explain(error))
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Lines")
            .field("place", &self.place)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
