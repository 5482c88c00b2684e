//! CSV with a header line, quoted as RFC 4180 says.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::ByteRecord;

use super::{Found, Row, no_column};
use crate::cli::Failure;
use crate::text::{self, MAX_LINE_BYTES};

pub(super) struct CsvTable {
    path: PathBuf,
    reader: csv::Reader<Bounded>,
    since_record: Arc<AtomicUsize>,
    record: ByteRecord,
    header_length: usize,
    columns: Vec<usize>,
}

impl CsvTable {
    pub(super) fn new(
        path: &Path,
        input: Box<dyn BufRead + Send>,
        columns: &[String],
    ) -> Result<Self, Failure> {
        let since_record = Arc::new(AtomicUsize::new(0));
        let input = Bounded {
            input,
            since_record: Arc::clone(&since_record),
        };
        // The number of cells is checked here, so that a wrong row is a reject and not an end.
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
        let header = reader.headers().map_err(|error| failure(path, error))?;
        if header.is_empty() {
            return Err(Failure::file(path, "is empty: a header line is missing"));
        }
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let find = |column: &String| {
            let found = names.iter().position(|name| name == column);
            found.ok_or_else(|| no_column(path, column, &names))
        };
        let columns = columns.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Self {
            path: path.to_owned(),
            since_record,
            record: ByteRecord::new(),
            header_length: names.len(),
            columns,
            reader,
        })
    }

    pub(super) fn read(&mut self, row: &mut Row) -> Result<Found, Failure> {
        row.clear();
        self.since_record.store(0, Ordering::Relaxed);
        let more = self.reader.read_byte_record(&mut self.record);
        if !more.map_err(|error| failure(&self.path, error))? {
            return Ok(Found::End);
        }
        let record = &self.record;
        row.line = record.position().map_or(0, csv::Position::line);
        for (number, cell) in record.iter().enumerate() {
            if number > 0 {
                row.raw.push(b',');
            }
            push_quoted(&mut row.raw, cell);
        }
        if record.len() != self.header_length {
            let (cells, columns) = (record.len(), self.header_length);
            return Ok(Found::Bad(format!(
                "{cells} cells where the header has {columns}"
            )));
        }
        for &column in &self.columns {
            row.push_cell();
            let cell = record.get(column).unwrap_or_default();
            match std::str::from_utf8(cell) {
                Ok("") => {}
                Ok(value) => row.push_value(value),
                Err(_) => return Ok(Found::Bad("a cell is not UTF-8".to_owned())),
            }
        }
        Ok(Found::Row)
    }
}

impl std::fmt::Debug for CsvTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CsvTable")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn push_quoted(raw: &mut Vec<u8>, cell: &[u8]) {
    if memchr::memchr3(b',', b'"', b'\n', cell).is_none() {
        raw.extend_from_slice(cell);
        return;
    }
    raw.push(b'"');
    for &byte in cell {
        if byte == b'"' {
            raw.push(b'"');
        }
        raw.push(byte);
    }
    raw.push(b'"');
}

fn failure(path: &Path, error: csv::Error) -> Failure {
    let place = match error.position() {
        Some(position) => format!("{}: line {}", path.display(), position.line()),
        None => path.display().to_string(),
    };
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::at(place, text::explain(error)),
        csv::ErrorKind::Utf8 { err, .. } => Failure::at(place, err),
        _ => Failure::at(place, "not CSV"),
    }
}

/// Ends the reading when one record goes on for longer than any line may: a quote that is never
/// closed would otherwise take the rest of the file into memory.
struct Bounded {
    input: Box<dyn BufRead + Send>,
    since_record: Arc<AtomicUsize>,
}

impl Read for Bounded {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let since = self.since_record.load(Ordering::Relaxed);
        if since > MAX_LINE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a row is longer than {MAX_LINE_BYTES} bytes: is a quote left open?"),
            ));
        }
        let read = self.input.read(bytes)?;
        self.since_record.store(since + read, Ordering::Relaxed);
        Ok(read)
    }
}
