//! Tables in their formats, whole and broken.

use std::path::PathBuf;

use pipeline::table::{Found, Row, Table};
use tempfile::TempDir;

fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn columns(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// All rows as lists of cells, a bad row as its reason.
fn read_all(name: &str, content: impl AsRef<[u8]>, names: &[&str]) -> Vec<Vec<Vec<String>>> {
    let (_folder, path) = file(name, content);
    let mut table = Table::open(&path, &columns(names)).unwrap();
    let mut row = Row::default();
    let mut all = Vec::new();
    loop {
        match table.read(&mut row).unwrap() {
            Found::Row => {
                let cell = |cell| row.values(cell).map(str::to_owned).collect();
                all.push((0..names.len()).map(cell).collect());
            }
            Found::Bad(reason) => all.push(vec![vec![format!("bad: {reason}")]]),
            _ => return all,
        }
    }
}

fn cell(values: &[&str]) -> Vec<String> {
    columns(values)
}

#[test]
fn csv_cells_come_in_the_order_asked_for() {
    let text = "a,b,c\n1,\"x,\"\"y\"\"\",3\r\n,,\nshort\n4,5,6";
    let rows = read_all("t.csv", text, &["b", "a"]);
    assert_eq!(rows[0], [cell(&["x,\"y\""]), cell(&["1"])]);
    assert_eq!(rows[1], [cell(&[]), cell(&[])]);
    assert_eq!(rows[2][0], ["bad: 1 cells where the header has 3"]);
    assert_eq!(rows[3], [cell(&["5"]), cell(&["4"])]);
}

#[test]
fn a_cell_that_is_not_utf_8_makes_its_row_bad() {
    let rows = read_all("t.csv", b"a\nx\n\xff\ny\n", &["a"]);
    assert_eq!(rows[1][0], ["bad: a cell is not UTF-8"]);
    assert_eq!(rows[2][0], ["y"]);
}

#[test]
fn json_lists_are_several_values_and_null_is_none() {
    let text = "{\"a\": [\"x\", 2], \"b\": null}\n\n{\"b\": 1.5, \"a\": true}\n[1]\n{\"a\": {}}\n{\"a\": \"\"}";
    let rows = read_all("t.jsonl", text, &["a", "b"]);
    assert_eq!(rows[0], [cell(&["x", "2"]), cell(&[])]);
    assert_eq!(rows[1], [cell(&["1"]), cell(&["1.5"])]);
    assert!(rows[2][0][0].starts_with("bad: not a JSON object"));
    assert_eq!(rows[3][0], ["bad: `a` is an object, not a value"]);
    assert_eq!(rows[4], [cell(&[""]), cell(&[])]);
}

#[test]
fn a_json_column_that_no_row_has_is_an_error_at_the_end() {
    let (_folder, path) = file("t.jsonl", "{\"a\": 1}\n{\"a\": 2}\n");
    let mut table = Table::open(&path, &columns(&["b"])).unwrap();
    let mut row = Row::default();
    assert_eq!(table.read(&mut row).unwrap(), Found::Row);
    assert_eq!(table.read(&mut row).unwrap(), Found::Row);
    let message = table.read(&mut row).unwrap_err().render();
    assert!(
        message.ends_with("t.jsonl: no column `b`; there are a"),
        "{message}"
    );
}

#[test]
fn a_quote_left_open_does_not_take_the_file_into_memory() {
    let mut text = b"a\n\"".to_vec();
    text.resize(40 << 20, b'x');
    let (_folder, path) = file("t.csv", text);
    let mut table = Table::open(&path, &columns(&["a"])).unwrap();
    let message = table.read(&mut Row::default()).unwrap_err().render();
    assert!(message.contains("is a quote left open?"), "{message}");
}

#[test]
fn a_line_that_is_too_long_is_a_bad_row() {
    let mut text = b"{\"a\": \"".to_vec();
    text.resize(17 << 20, b'x');
    text.extend_from_slice(b"\"}\n{\"a\": 1}\n");
    let rows = read_all("t.jsonl", text, &["a"]);
    assert_eq!(rows[0][0], ["bad: the line is too long"]);
    assert_eq!(rows[1][0], ["1"]);
}

#[test]
fn a_name_without_a_known_ending_is_wrong_usage() {
    let (_folder, path) = file("t.xls", "a\n1\n");
    let failure = Table::open(&path, &columns(&["a"])).unwrap_err();
    assert_eq!(failure.exit_code(), 2);
    assert!(
        failure
            .render()
            .contains("cannot tell the format from the name")
    );
}

#[test]
fn rows_are_numbered_from_zero_bad_ones_counted() {
    let (_folder, path) = file("t.csv", "a,b\n1,2\n3\n4,5\n");
    let mut table = Table::open(&path, &columns(&["a"])).unwrap();
    let mut row = Row::default();
    let mut numbers = Vec::new();
    while table.read(&mut row).unwrap() != Found::End {
        numbers.push((
            row.index(),
            row.line(),
            String::from_utf8(row.raw().to_vec()).unwrap(),
        ));
    }
    let text = |text: &str| text.to_owned();
    assert_eq!(
        numbers,
        [(0, 2, text("1,2")), (1, 3, text("3")), (2, 4, text("4,5"))]
    );
}
