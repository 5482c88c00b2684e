//! Tables read row by row in bounded memory: CSV, JSON Lines and, with the feature `parquet`,
//! Parquet; CSV and JSON Lines plain, gzip or zstd.
//!
//! A reader is asked for columns by name and gives their cells as text, whatever the format: a
//! number of a Parquet file or a JSON object is written out, and a JSON list gives several values.
//! An empty CSV cell, a JSON `null` and a missing JSON key are the same: no value.

mod csv;
mod json;
#[cfg(feature = "parquet")]
mod parquet;
mod row;

use std::path::Path;

use crate::cli::Failure;
use crate::text;

pub use self::row::Row;

/// Formats that a table can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Comma-separated, with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// What [`Table::read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// A row with a cell, perhaps empty, for every column asked for.
    Row,
    /// A row that cannot be read, and why; its text is in the row.
    Bad(String),
    /// There is no further row.
    End,
}

/// A table open for reading.
#[derive(Debug)]
pub struct Table {
    source: Source,
    rows: u64,
}

#[derive(Debug)]
enum Source {
    Csv(csv::CsvTable),
    Json(json::JsonTable),
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet::ParquetTable>),
}

impl Table {
    /// Opens a table; the format is told from the name: `.csv`, `.jsonl` or `.ndjson` or `.json`,
    /// `.parquet`, the first two perhaps with `.gz` or `.zst` after them.
    ///
    /// `columns`: the names of the columns wanted, each once; cells come in this order.
    ///
    /// # Errors
    ///
    /// - The file is missing, empty, or not of a known format.
    /// - A column is not there; the message lists those that are.
    pub fn open(path: &Path, columns: &[String]) -> Result<Self, Failure> {
        let source = match format_of(path)? {
            Format::Csv => Source::Csv(csv::CsvTable::new(path, text::open(path)?, columns)?),
            Format::JsonLines => {
                Source::Json(json::JsonTable::new(path, text::open(path)?, columns)?)
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                Source::Parquet(Box::new(parquet::ParquetTable::open(path, columns)?))
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => {
                return Err(Failure::usage(format!(
                    "{}: reading Parquet needs the feature `parquet` (cargo run --features parquet …)",
                    path.display()
                )));
            }
        };
        Ok(Self { source, rows: 0 })
    }

    /// Reads the next row into `row`, in place of what it held.
    ///
    /// # Errors
    ///
    /// The file cannot be read on: the disk fails, or it is truncated.
    pub fn read(&mut self, row: &mut Row) -> Result<Found, Failure> {
        let found = match &mut self.source {
            Source::Csv(table) => table.read(row),
            Source::Json(table) => table.read(row),
            #[cfg(feature = "parquet")]
            Source::Parquet(table) => table.read(row),
        }?;
        if found != Found::End {
            row.index = self.rows;
            self.rows += 1;
        }
        Ok(found)
    }

    /// Rows read so far, bad ones among them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Tells a table's format from its name.
///
/// # Errors
///
/// The name has none of the known endings.
pub fn format_of(path: &Path) -> Result<Format, Failure> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let name = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(name);
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv") => Ok(Format::Csv),
        Some("jsonl" | "ndjson" | "json") => Ok(Format::JsonLines),
        Some("parquet") => Ok(Format::Parquet),
        _ => Err(Failure::usage(format!(
            "{}: cannot tell the format from the name; known are .csv, .jsonl, .ndjson, .json \
             (each also with .gz or .zst) and .parquet",
            path.display()
        ))),
    }
}

/// The message for a column that is not there.
fn no_column(path: &Path, column: &str, there: &[String]) -> Failure {
    Failure::data(format!(
        "{}: no column `{column}`; there are {}",
        path.display(),
        there.join(", ")
    ))
}
