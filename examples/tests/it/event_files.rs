//! Event files by hour, whole or not at all.

use pipeline::event_files::{EventFilesConfig, EventWriter, hour_of, list};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn files_are_by_hour_and_listed_in_stream_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = EventFilesConfig::default();
    config.events_per_part = 2;
    let mut writer = EventWriter::new(folder.path(), "HI", config).unwrap();
    // 2023-11-12T23:59:59.999Z, then three of the next hour.
    let midnight = 1_699_833_600_000;
    for (time, line) in [
        (midnight - 1, "a"),
        (midnight, "b"),
        (midnight + 1, "c"),
        (midnight + 2, "d"),
    ] {
        writer.write(time, line.as_bytes()).unwrap();
    }
    let summary = writer.finish().unwrap();
    assert_eq!(
        (summary.events, summary.files, summary.older_files),
        (4, 3, 0)
    );
    let files = list(folder.path(), "HI").unwrap();
    let root = folder.path().join("HI");
    let names: Vec<_> = files
        .iter()
        .map(|file| file.strip_prefix(&root).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "dt=2023-11-12/hour=23/part-00000.jsonl.zst",
            "dt=2023-11-13/hour=00/part-00000.jsonl.zst",
            "dt=2023-11-13/hour=00/part-00001.jsonl.zst",
        ]
    );
    let hours: Vec<_> = files
        .iter()
        .map(|file| hour_of(file).unwrap() * HOUR_MS)
        .collect();
    assert_eq!(hours, [midnight - HOUR_MS, midnight, midnight]);
    let read = |file| zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap();
    assert_eq!(read(&files[1]), b"b\nc\n");
}

#[test]
fn times_before_1970_have_their_hour_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::new(folder.path(), "HI", EventFilesConfig::default()).unwrap();
    writer.write(-1, b"x").unwrap();
    writer.finish().unwrap();
    let files = list(folder.path(), "HI").unwrap();
    assert!(files[0].ends_with("dt=1969-12-31/hour=23/part-00000.jsonl.zst"));
}

#[test]
fn an_unfinished_writer_leaves_no_file_that_is_not_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::new(folder.path(), "HI", EventFilesConfig::default()).unwrap();
    writer.write(0, b"whole").unwrap();
    writer.write(HOUR_MS, b"under way").unwrap();
    let hour = folder.path().join("HI/dt=1970-01-01/hour=01");
    let hidden: Vec<_> = std::fs::read_dir(&hour)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        hidden
            .iter()
            .all(|name| name.to_str().unwrap().starts_with('.')),
        "{hidden:?}"
    );
    assert_eq!(list(folder.path(), "HI").unwrap().len(), 1);
    drop(writer);
    assert_eq!(std::fs::read_dir(&hour).unwrap().count(), 0);
}

#[test]
fn events_go_to_an_object_store_by_url() {
    let folder = tempfile::tempdir().unwrap();
    let url = std::path::PathBuf::from(format!("file://{}", folder.path().display()));
    let mut writer = EventWriter::new(&url, "HI", EventFilesConfig::default()).unwrap();
    writer.write(0, b"first").unwrap();
    writer.write(HOUR_MS, b"second").unwrap();
    // The first hour is there, the second not at all.
    assert_eq!(list(&url, "HI").unwrap().len(), 1);
    let summary = writer.finish().unwrap();
    assert_eq!((summary.files, summary.older_files), (2, 0));
    assert_eq!(list(&url, "HI").unwrap().len(), 2);
    let on_disk = list(folder.path(), "HI").unwrap();
    let read = zstd::decode_all(std::fs::File::open(&on_disk[1]).unwrap()).unwrap();
    assert_eq!(read, b"second\n");
}

#[test]
fn a_language_is_a_plain_name() {
    for language in ["", "..", "a/b", "h i"] {
        let failure = list(std::path::Path::new("x"), language).unwrap_err();
        assert_eq!(failure.exit_code(), 2, "{language:?}");
    }
}

#[test]
fn a_folder_without_event_files_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("HI")).unwrap();
    let failure = list(folder.path(), "HI").unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert!(
        failure.render().contains("holds no event files"),
        "{}",
        failure.render()
    );
}
