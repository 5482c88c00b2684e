//! Event files in columns, Parquet and Arrow IPC, read as the lines of JSON that they stand for.
//!
//! A column is a key of the event record: structs and maps become objects, lists arrays, and a null
//! is a key that is absent. So there is one parser, one set of errors, and the same events give the
//! same dumps in any format.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_json::LineDelimitedWriter;
use arrow_schema::{ArrowError, DataType, Schema, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use crate::cli::Failure;
use crate::remote;

/// Rows that are turned into text at once.
const ROWS: usize = 1024;
const BUFFER_BYTES: usize = 256 << 10;

/// A format of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    /// Arrow IPC with a footer.
    ArrowFile,
    /// Arrow IPC without one.
    ArrowStream,
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

impl Format {
    /// The format that a file's name promises.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Self::Parquet),
            "arrow" => Some(Self::ArrowFile),
            "arrows" => Some(Self::ArrowStream),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Parquet => "a Parquet file",
            Self::ArrowFile => "an Arrow IPC file",
            Self::ArrowStream => "an Arrow IPC stream",
        }
    }

    /// The batches of local or of fetched bytes.
    fn batches<R>(self, input: R) -> Result<Batches, ArrowError>
    where
        R: ChunkReader + 'static,
        R::T: Send,
        R: IntoSeek,
    {
        Ok(match self {
            Self::Parquet => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(input)?;
                Box::new(reader.with_batch_size(ROWS).build()?)
            }
            Self::ArrowFile => Box::new(FileReader::try_new(input.into_seek(), None)?),
            Self::ArrowStream => Box::new(StreamReader::try_new(input.into_seek(), None)?),
        })
    }
}

/// Bytes to be read from any place.
trait IntoSeek {
    type Reader: Read + Seek + Send + 'static;
    fn into_seek(self) -> Self::Reader;
}

impl IntoSeek for File {
    type Reader = BufReader<Self>;
    fn into_seek(self) -> Self::Reader {
        BufReader::with_capacity(BUFFER_BYTES, self)
    }
}

impl IntoSeek for Bytes {
    type Reader = Cursor<Self>;
    fn into_seek(self) -> Self::Reader {
        Cursor::new(self)
    }
}

/// Opens a file of columns as lines of JSON, a batch at a time; an object of a store is taken into
/// memory whole.
///
/// # Errors
///
/// The file cannot be opened, the store cannot be reached, or the file is not what its name says.
pub(crate) fn open(path: &Path, format: Format) -> Result<Box<dyn BufRead + Send>, Failure> {
    let batches = if remote::is_url(path) {
        let mut bytes = Vec::new();
        let fetched = remote::open(path)?.read_to_end(&mut bytes);
        fetched.map_err(|source| Failure::file(path, source))?;
        caught(format, || format.batches(Bytes::from(bytes)))
    } else {
        let file = File::open(path).map_err(|source| Failure::file(path, source))?;
        caught(format, || format.batches(file))
    };
    let lines = Lines {
        format,
        batches: batches.map_err(|source| Failure::file(path, source))?,
        batch: None,
        text: Vec::new(),
        read: 0,
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, lines)))
}

/// The text of one batch after the other.
struct Lines {
    format: Format,
    batches: Batches,
    /// What is not text yet.
    batch: Option<RecordBatch>,
    text: Vec<u8>,
    /// How much of the text is read.
    read: usize,
}

impl Lines {
    /// Writes the next rows as text; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => match caught(self.format, || self.batches.next().transpose())? {
                Some(batch) => batch,
                None => return Ok(false),
            },
        };
        let rows = batch.num_rows();
        if rows > ROWS {
            self.batch = Some(batch.slice(ROWS, rows - ROWS));
        }
        self.text.clear();
        self.read = 0;
        let batch = batch.slice(0, rows.min(ROWS));
        caught(self.format, || {
            let batch = with_offsets(&batch)?;
            let mut writer = LineDelimitedWriter::new(&mut self.text);
            writer.write(&batch)?;
            writer.finish()
        })?;
        Ok(true)
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.text.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let rest = &self.text[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

/// Times as offsets from UTC, which are written as RFC 3339; `UTC` by name needs a table of zones.
/// Times without a zone are taken for UTC.
fn with_offsets(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(with_offset).collect();
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(&columns).map(|(field, column)| {
        let field = field.as_ref().clone();
        field.with_data_type(column.data_type().clone())
    });
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns)
}

fn with_offset(column: &ArrayRef) -> ArrayRef {
    const OFFSET: &str = "+00:00";
    let DataType::Timestamp(unit, zone) = column.data_type() else {
        return Arc::clone(column);
    };
    if !matches!(zone.as_deref(), None | Some("UTC" | "Etc/UTC" | "Z")) {
        return Arc::clone(column);
    }
    macro_rules! with_offset {
        ($kind:ty) => {
            Arc::new(column.as_primitive::<$kind>().clone().with_timezone(OFFSET))
        };
    }
    match unit {
        TimeUnit::Second => with_offset!(TimestampSecondType),
        TimeUnit::Millisecond => with_offset!(TimestampMillisecondType),
        TimeUnit::Microsecond => with_offset!(TimestampMicrosecondType),
        TimeUnit::Nanosecond => with_offset!(TimestampNanosecondType),
    }
}

/// Calls into a reader that panics on some files that are damaged.
fn caught<T>(format: Format, read: impl FnOnce() -> Result<T, ArrowError>) -> io::Result<T> {
    let damaged = |reason: &dyn std::fmt::Display| {
        let message = format!("cannot be read as {}: {reason}", format.name());
        io::Error::new(io::ErrorKind::InvalidData, message)
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(damaged(&error)),
        Err(_) => Err(damaged(&"damaged")),
    }
}
