//! Events in columns: the same dumps as from lines, and files that are not what they should be.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_json::{LineDelimitedWriter, ReaderBuilder};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use pipeline::{event_files, text};

use crate::train::{Job, models, stream};

/// An event record in columns: structs for what is known, maps for what is counted.
fn schema(zone: &str) -> Arc<Schema> {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let map = |name: &str, values: DataType| {
        let entry = vec![
            Field::new("keys", DataType::Utf8, false),
            Field::new("values", values, true),
        ];
        let entries = Field::new("entries", DataType::Struct(entry.into()), false);
        Field::new(name, DataType::Map(Arc::new(entries), false), true)
    };
    let counters = map("", DataType::Int64);
    let groups = map("", counters.data_type().clone());
    let user = vec![text("id"), map("history", groups.data_type().clone())];
    let tags = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
    let attributes = DataType::Struct(vec![Field::new("hashtag", tags, true)].into());
    let item = vec![text("id"), Field::new("attributes", attributes, true)];
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some(zone.into()));
    Arc::new(Schema::new(vec![
        text("event_id"),
        Field::new("time", utc, true),
        text("language"),
        Field::new("label", DataType::Int64, true),
        Field::new("user", DataType::Struct(user.into()), true),
        Field::new("item", DataType::Struct(item.into()), true),
    ]))
}

/// Lines of JSON with lists of hashtags in place of one.
fn listed(lines: &str) -> String {
    lines
        .replace(r#""hashtag":""#, r#""hashtag":[""#)
        .replace(r#""}}"#, r#""]}}"#)
}

/// The rows of lines of JSON.
fn batches(lines: &str) -> Vec<RecordBatch> {
    let lines = listed(lines);
    let reader = ReaderBuilder::new(schema("+00:00")).with_batch_size(13);
    let reader = reader.build(lines.as_bytes()).unwrap();
    reader.map(Result::unwrap).collect()
}

/// The lines that these rows stand for.
fn lines(batches: &[RecordBatch]) -> String {
    let mut text = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut text);
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    String::from_utf8(text).unwrap()
}

/// Writes rows with their times in the zone `UTC`, as other programs do.
fn write(path: &Path, batches: &[RecordBatch]) {
    let schema = schema("UTC");
    let in_utc = batches.iter().map(|batch| {
        let mut columns = batch.columns().to_vec();
        let times = columns[1].as_primitive::<TimestampMillisecondType>();
        columns[1] = Arc::new(times.clone().with_timezone("UTC"));
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    });
    let batches: Vec<RecordBatch> = in_utc.collect();
    let file = File::create(path).unwrap();
    match path.extension().unwrap().to_str().unwrap() {
        "parquet" => {
            let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
            batches
                .iter()
                .for_each(|batch| writer.write(batch).unwrap());
            writer.close().unwrap();
        }
        "arrow" => {
            let mut writer = FileWriter::try_new(file, &schema).unwrap();
            batches
                .iter()
                .for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
        _ => {
            let mut writer = StreamWriter::try_new(file, &schema).unwrap();
            batches
                .iter()
                .for_each(|batch| writer.write(batch).unwrap());
            writer.finish().unwrap();
        }
    }
}

/// Puts each event file of a job into another format, in place.
fn convert(job: &Job, extension: &str) -> Vec<PathBuf> {
    let files = event_files::list(&job.path("events"), "HI").unwrap();
    let converted = files.iter().map(|file| {
        let mut events = String::new();
        text::open(file)
            .unwrap()
            .read_to_string(&mut events)
            .unwrap();
        let name = format!("part-00000.{extension}");
        let path = file.with_file_name(name);
        if extension == "jsonl" {
            File::create(&path)
                .unwrap()
                .write_all(lines(&batches(&events)).as_bytes())
                .unwrap();
        } else {
            write(&path, &batches(&events));
        }
        std::fs::remove_file(file).unwrap();
        path
    });
    converted.collect()
}

#[test]
fn the_same_events_give_the_same_dumps_in_every_format() {
    let mut events = stream(700);
    // No label: a line that is set aside in every format.
    events[40].1 = events[40]
        .1
        .replace(r#""label":1,"#, "")
        .replace(r#""label":0,"#, "");
    let mut expected = None;
    for extension in ["jsonl", "parquet", "arrow", "arrows"] {
        let job = Job::new(&events);
        convert(&job, extension);
        let summary = job.run();
        assert_eq!(
            (summary.events, summary.rejected["no_label"]),
            (699, 1),
            "{extension}"
        );
        let found = (models(&job.path("models")), job.predictions());
        let expected = expected.get_or_insert_with(|| found.clone());
        assert!(found == *expected, "{extension}");
    }
}

#[test]
fn the_lines_of_a_file_are_those_of_its_rows_whatever_its_batches() {
    let folder = tempfile::tempdir().unwrap();
    let events: String = stream(3_000)
        .into_iter()
        .map(|(_, line)| line + "\n")
        .collect();
    let rows = batches(&events);
    let in_lists = listed(&events);
    let whole = ReaderBuilder::new(schema("+00:00"))
        .with_batch_size(5_000)
        .build(in_lists.as_bytes())
        .unwrap();
    let whole: Vec<RecordBatch> = whole.map(Result::unwrap).collect();
    assert_eq!(whole.len(), 1);
    let expected = lines(&rows);
    assert!(expected.starts_with(
        r##"{"event_id":"0","time":"2022-05-04T10:00:00Z","language":"HI","label":"##
    ));
    for (name, rows) in [
        ("a.parquet", &rows),
        ("b.arrow", &whole),
        ("c.arrows", &rows),
    ] {
        let path = folder.path().join(name);
        write(&path, rows);
        let mut found = String::new();
        text::open(&path)
            .unwrap()
            .read_to_string(&mut found)
            .unwrap();
        assert!(found == expected, "{name}");
    }
}

#[test]
fn files_that_are_cut_damaged_or_something_else_end_with_one_message() {
    for extension in ["parquet", "arrow", "arrows"] {
        let job = Job::new(&stream(60));
        let path = convert(&job, extension).remove(0);
        let bytes = std::fs::read(&path).unwrap();
        for bad in [
            &bytes[..bytes.len() / 2],
            &bytes[..3],
            b"",
            b"{\"event_id\":\"1\"}\n",
        ] {
            std::fs::write(&path, bad).unwrap();
            let (code, message) = job.failure();
            assert_eq!(code, 1);
            assert!(
                message.contains(&format!("part-00000.{extension}")),
                "{message}"
            );
        }
        // Damage inside is an error or other values, and never a panic that ends the run.
        for at in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x55;
            std::fs::write(&path, bytes).unwrap();
            if let Ok(mut lines) = text::open(&path) {
                let _ = lines.read_to_end(&mut Vec::new());
            }
        }
    }
}
