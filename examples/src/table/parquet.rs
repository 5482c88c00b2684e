//! Parquet, row by row; a list column gives a cell with several values.
//!
//! Times are given as whole numbers of the unit that the file keeps them in, milliseconds or
//! microseconds since the Unix epoch.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as Record};

use super::{Found, Row, no_column};
use crate::cli::Failure;
use crate::remote;

pub(super) struct ParquetTable {
    path: PathBuf,
    records: RowIter<'static>,
    /// For each column asked for, its place in the file.
    places: Vec<usize>,
}

impl ParquetTable {
    pub(super) fn open(path: &Path, columns: &[String]) -> Result<Self, Failure> {
        let reader = open(path)?;
        let schema = reader.metadata().file_metadata().schema();
        let names: Vec<String> = schema
            .get_fields()
            .iter()
            .map(|field| field.name().to_owned())
            .collect();
        if let Some(column) = columns.iter().find(|column| !names.contains(column)) {
            return Err(no_column(path, column, &names));
        }
        // Columns that nobody asked for are read too: exact duplicates are equal in all of them.
        let place = |column: &String| names.iter().position(|name| name == column);
        let places = columns.iter().filter_map(place).collect();
        let records = RowIter::from_file_into(reader);
        Ok(Self {
            path: path.to_owned(),
            records,
            places,
        })
    }

    pub(super) fn read(&mut self, row: &mut Row) -> Result<Found, Failure> {
        row.clear();
        row.line = 0;
        let record: Record = match self.records.next() {
            None => return Ok(Found::End),
            Some(Ok(record)) => record,
            Some(Err(source)) => return Err(Failure::file(&self.path, source)),
        };
        row.raw.extend_from_slice(record.to_string().as_bytes());
        let fields: Vec<(&String, &Field)> = record.get_column_iter().collect();
        for &place in &self.places {
            row.push_cell();
            if let Some((name, field)) = fields.get(place)
                && !push(row, field)
            {
                return Ok(Found::Bad(format!(
                    "`{name}` is not a value or a list of values"
                )));
            }
        }
        Ok(Found::Row)
    }
}

impl std::fmt::Debug for ParquetTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ParquetTable")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Opens a local file, or an object of a store, which is taken into memory whole: a Parquet file
/// begins at its end.
fn open(path: &Path) -> Result<Box<dyn FileReader>, Failure> {
    let failure = |source| Failure::file(path, source);
    if remote::is_url(path) {
        let mut bytes = Vec::new();
        remote::open(path)?
            .read_to_end(&mut bytes)
            .map_err(|source| Failure::file(path, source))?;
        let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(failure)?;
        return Ok(Box::new(reader));
    }
    let file = File::open(path).map_err(|source| Failure::file(path, source))?;
    let reader = SerializedFileReader::new(file).map_err(failure)?;
    Ok(Box::new(reader))
}

/// Adds a value to the cell begun last; false when it is no cell.
fn push(row: &mut Row, field: &Field) -> bool {
    match field {
        Field::Null => {}
        Field::Bool(value) => row.push_value(if *value { "1" } else { "0" }),
        Field::Str(text) => row.push_value(text),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => row.push_value(text),
            Err(_) => return false,
        },
        Field::Float(value) => row.push_value(&value.to_string()),
        Field::Double(value) => row.push_value(&value.to_string()),
        Field::TimestampMillis(value) | Field::TimestampMicros(value) | Field::Long(value) => {
            row.push_value(&value.to_string());
        }
        Field::Byte(_)
        | Field::Short(_)
        | Field::Int(_)
        | Field::UByte(_)
        | Field::UShort(_)
        | Field::UInt(_)
        | Field::ULong(_)
        | Field::Decimal(_) => row.push_value(&field.to_string()),
        Field::ListInternal(list) => {
            return list.elements().iter().all(|element| push(row, element));
        }
        _ => return false,
    }
    true
}
