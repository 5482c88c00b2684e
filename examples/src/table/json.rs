//! JSON Lines: one object a line.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Found, Row, no_column};
use crate::cli::Failure;
use crate::text::{Line, Lines};

#[derive(Debug)]
pub(super) struct JsonTable {
    path: PathBuf,
    lines: Lines,
    columns: Vec<String>,
    /// Columns that no row has had so far: misspelt, as likely as not.
    unseen: Vec<String>,
    /// Keys of the first row, to show when a column never appears.
    first_keys: Option<Vec<String>>,
    end: bool,
}

impl JsonTable {
    pub(super) fn new(
        path: &Path,
        input: Box<dyn BufRead + Send>,
        columns: &[String],
    ) -> Result<Self, Failure> {
        Ok(Self {
            path: path.to_owned(),
            lines: Lines::new(path.display(), input),
            columns: columns.to_vec(),
            unseen: columns.to_vec(),
            first_keys: None,
            end: false,
        })
    }

    /// Rows may leave keys out; a column that no row of the file has is an error at its end.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<Found, Failure> {
        row.clear();
        let line = loop {
            if self.end {
                return Ok(Found::End);
            }
            let line = self.lines.read(&mut row.raw)?;
            if line == Line::End || !row.raw.trim_ascii().is_empty() {
                break line;
            }
        };
        row.line = self.lines.number();
        match line {
            Line::Whole => {}
            Line::TooLong => return Ok(Found::Bad("the line is too long".to_owned())),
            Line::End => return self.finish(),
        }
        let object: Map<String, Value> = match serde_json::from_slice(&row.raw) {
            Ok(object) => object,
            Err(error) => {
                let column = error.column();
                return Ok(Found::Bad(format!("not a JSON object (column {column})")));
            }
        };
        self.unseen.retain(|column| !object.contains_key(column));
        if self.first_keys.is_none() {
            self.first_keys = Some(object.keys().cloned().collect());
        }
        for column in &self.columns {
            row.push_cell();
            if let Some(value) = object.get(column)
                && !push(row, value)
            {
                return Ok(Found::Bad(format!("`{column}` is an object, not a value")));
            }
        }
        Ok(Found::Row)
    }

    fn finish(&mut self) -> Result<Found, Failure> {
        self.end = true;
        match (&self.first_keys, self.unseen.first()) {
            (Some(keys), Some(column)) => Err(no_column(&self.path, column, keys)),
            _ => Ok(Found::End),
        }
    }
}

/// Adds a JSON value to the cell begun last; false when it is no cell.
fn push(row: &mut Row, value: &Value) -> bool {
    match value {
        Value::Null => {}
        Value::Bool(value) => row.push_value(if *value { "1" } else { "0" }),
        Value::Number(number) => row.push_value(&number.to_string()),
        Value::String(text) => row.push_value(text),
        Value::Array(values) => return values.iter().all(|value| push(row, value)),
        Value::Object(_) => return false,
    }
    true
}
