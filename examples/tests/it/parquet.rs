//! Parquet tables, written here with the crate's plain writer.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use pipeline::table::{Found, Row, Table};

const SCHEMA: &str = "message plays {
    required int64 time_ms (TIMESTAMP_MILLIS);
    optional binary user (UTF8);
    optional double watched;
    required boolean like;
    optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }
}";

/// Two rows: one with a list of two tags, one with hardly anything.
fn write(path: &Path) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(Default::default()));
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    macro_rules! column {
        ($kind:ty, $values:expr, $definition:expr, $repetition:expr) => {
            let mut column = group.next_column().unwrap().unwrap();
            column
                .typed::<$kind>()
                .write_batch($values, $definition, $repetition)
                .unwrap();
            column.close().unwrap();
        };
    }
    column!(Int64Type, &[1000, 2000], None, None);
    column!(ByteArrayType, &[ByteArray::from("u1")], Some(&[1, 0]), None);
    column!(DoubleType, &[1.5], Some(&[1, 0]), None);
    column!(BoolType, &[true, false], None, None);
    let tags = [ByteArray::from("#comedy"), ByteArray::from("#dance")];
    column!(ByteArrayType, &tags, Some(&[3, 3, 0]), Some(&[0, 1, 0]));
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn cells_are_text_lists_are_several_values_and_nulls_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plays.parquet");
    write(&path);
    let columns = ["tags", "time_ms", "like", "watched", "user"].map(str::to_owned);
    let mut table = Table::open(&path, &columns).unwrap();
    let mut row = Row::default();
    let mut cells = || {
        assert_eq!(table.read(&mut row).unwrap(), Found::Row);
        (0..5)
            .map(|cell| row.values(cell).collect::<Vec<_>>().join("+"))
            .collect::<Vec<_>>()
    };
    assert_eq!(cells(), ["#comedy+#dance", "1000", "1", "1.5", "u1"]);
    assert_eq!(cells(), ["", "2000", "0", "", ""]);
    assert_eq!(table.read(&mut row).unwrap(), Found::End);
}

#[test]
fn an_unknown_column_and_a_broken_file_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plays.parquet");
    write(&path);
    let message = Table::open(&path, &["label".to_owned()])
        .unwrap_err()
        .render();
    assert!(
        message.ends_with("no column `label`; there are time_ms, user, watched, like, tags"),
        "{message}"
    );
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(Table::open(&path, &columns()).unwrap_err().exit_code(), 1);
}

fn columns() -> Vec<String> {
    vec!["time_ms".to_owned()]
}
