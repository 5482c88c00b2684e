//! Chunks: what was written is what is read, and what is damaged is never read.

use bytes::Bytes;
use lr_core::RowError;
use model_io::FileError;
use model_io::chunk::{
    ChunkError, ChunkFile, ChunkInfo, ChunkRow, ChunkRows, ChunkSource, ChunkWriter,
};
use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

const COLUMNS: u32 = 1 << 20;

/// A row that owns what it holds.
#[derive(Debug, Clone)]
struct Owned {
    entries: Vec<(u32, f32)>,
    label: bool,
    importance: f32,
    time_ms: i64,
    ids: [String; 3],
}

impl Owned {
    /// Hands the row to `each`.
    fn with<T>(&self, each: impl FnOnce(&ChunkRow<'_>) -> T) -> T {
        let (positions, values): (Vec<u32>, Vec<f32>) = self.entries.iter().copied().unzip();
        each(&ChunkRow {
            positions: &positions,
            values: &values,
            label: self.label,
            importance: self.importance,
            time_ms: self.time_ms,
            event_id: &self.ids[0],
            user_id: &self.ids[1],
            item_id: &self.ids[2],
        })
    }
}

fn owned_rows() -> impl Strategy<Value = Vec<Owned>> {
    let value = any::<f32>().prop_filter("finite", |value| value.is_finite());
    let entries = prop::collection::btree_map(0..COLUMNS, value, 0..6);
    let importance = prop::num::f32::POSITIVE | prop::num::f32::ZERO;
    let importance = importance.prop_filter("finite", |value| value.is_finite());
    let ids = prop::array::uniform3("[a-zé日]{0,5}");
    let row = (entries, any::<bool>(), importance, any::<i64>(), ids);
    let row = row.prop_map(|(entries, label, importance, time_ms, ids)| Owned {
        entries: entries.into_iter().collect(),
        label,
        importance,
        time_ms,
        ids,
    });
    prop::collection::vec(row, 0..20)
}

fn batch_of(rows: &[Owned], note: &str) -> ChunkRows {
    let mut batch = ChunkRows::new(COLUMNS);
    for row in rows {
        row.with(|row| batch.push(row)).unwrap();
    }
    batch.set_note(note);
    batch
}

fn info() -> ChunkInfo {
    let mut info = ChunkInfo::new(COLUMNS);
    info.language = "HI".to_owned();
    info.fingerprint = "ab".repeat(32);
    info.scaling_fingerprint = "01".repeat(32);
    info.source = ChunkSource::new(r#"a "quoted" {"_crc32":"00000000"} name"#, 7, "etag");
    info
}

/// Two small batches, the second with a note.
fn small() -> Vec<u8> {
    let row = |position, label, id: &str| Owned {
        entries: vec![(position, 0.5), (position + 9, -2.0)],
        label,
        importance: 1.0,
        time_ms: 1_651_658_400_123,
        ids: [id.to_owned(), "u".to_owned(), String::new()],
    };
    let first = [row(3, true, "é1"), row(0, false, "e2")];
    let second = [row(COLUMNS - 10, true, "e3")];
    let batches = [batch_of(&first, ""), batch_of(&second, r#"{"rejects":[]}"#)];
    ChunkFile::to_bytes(&info(), &batches).unwrap()
}

/// Reads everything.
fn read(bytes: Vec<u8>) -> Result<ChunkFile, ChunkError> {
    let chunk = ChunkFile::from_bytes(bytes)?;
    chunk.verify()?;
    Ok(chunk)
}

#[test]
fn a_written_file_is_read_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.arrow");
    let mut writer = ChunkWriter::create(&path, &info()).unwrap();
    let mut rows = ChunkRows::new(10);
    let row = ChunkRow {
        positions: &[1, 9],
        values: &[0.25, -4.0],
        event_id: "e",
        ..ChunkRow::default()
    };
    rows.push(&row).unwrap();
    writer.write(&rows).unwrap();
    assert!(!path.exists());
    rows.clear();
    rows.set_note("three lines were no events");
    writer.write(&rows).unwrap();
    writer.finish().unwrap();

    let chunk = ChunkFile::open(&path).unwrap();
    chunk.verify().unwrap();
    assert_eq!((chunk.batches(), chunk.rows()), (2, 1));
    assert_eq!(*chunk.info(), info());
    assert_eq!(chunk.batch(0).unwrap().row(0), row);
    let batch = chunk.batch(0).unwrap();
    let checked = batch.checked_rows();
    assert_eq!((checked.len(), batch.labels().len()), (1, 1));
    assert_eq!(checked[0].positions(), row.positions);
    assert_eq!(checked[0].values(), row.values);
    let matrix = batch.matrix(10).unwrap();
    assert_eq!((matrix.rows(), matrix.cols()), (1, 10));
    assert_eq!(matrix.outer_view(0).unwrap().data(), row.values);
    assert!(chunk.batch(0).unwrap().matrix(9).is_err());
    assert_eq!(chunk.batch(0).unwrap().note(), "");
    let second = chunk.batch(1).unwrap();
    assert!(second.is_empty() && second.rows().next().is_none());
    assert_eq!(second.matrix(10).unwrap().rows(), 0);
    assert_eq!(second.note(), "three lines were no events");
    let missing = ChunkError::NoSuchBatch {
        batch: 2,
        batches: 2,
    };
    assert_eq!(chunk.batch(2).unwrap_err(), missing);
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing_and_does_not_touch_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.arrow");
    std::fs::write(&path, "old").unwrap();
    let mut writer = ChunkWriter::create(&path, &info()).unwrap();
    writer.write(&ChunkRows::new(COLUMNS)).unwrap();
    drop(writer);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn every_bit_flip_is_an_error() {
    let bytes = small();
    read(bytes.clone()).unwrap();
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(flipped).is_err(), "bit {bit} of byte {}", bit / 8);
    }
}

#[test]
fn every_cut_and_every_appended_byte_is_an_error() {
    let bytes = small();
    for length in 0..bytes.len() {
        assert!(read(bytes[..length].to_vec()).is_err(), "{length} bytes");
    }
    for extra in [&b"\0"[..], b"ARROW1", &bytes] {
        assert!(read([&bytes, extra].concat()).is_err());
        assert!(read([extra, &bytes].concat()).is_err());
    }
}

#[test]
fn batches_that_change_places_are_found() {
    let rows = |label| {
        let row = Owned {
            entries: vec![(1, 1.0)],
            label,
            importance: 1.0,
            time_ms: 0,
            ids: Default::default(),
        };
        batch_of(&[row], "")
    };
    let bytes = ChunkFile::to_bytes(&info(), &[rows(true), rows(false)]).unwrap();
    let other = ChunkFile::to_bytes(&info(), &[rows(false), rows(true)]).unwrap();
    assert_eq!(bytes.len(), other.len());
    // The batches of the one in the frame of the other; neither differs near the footer's metadata.
    let frame = memmem(&bytes, br#"{"_crc32":""#) - 150;
    let mixed = [&other[..frame], &bytes[frame..]].concat();
    let error = read(mixed).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("checksum mismatch in batch 0"),
        "{message}"
    );
}

fn memmem(bytes: &[u8], wanted: &[u8]) -> usize {
    let last = bytes
        .windows(wanted.len())
        .rposition(|window| window == wanted);
    last.unwrap()
}

#[test]
fn other_files_are_told_apart() {
    let message = |bytes: &[u8]| read(bytes.to_vec()).unwrap_err().to_string();
    assert_eq!(
        message(b""),
        "not a chunk, or cut short: it does not begin with `ARROW1`"
    );
    assert_eq!(
        message(b"ARROW1\0\0"),
        "not a chunk, or cut short: it does not end with `ARROW1`"
    );
    assert_eq!(
        message(b"ARROW1ARROW1"),
        "not a chunk, or cut short: its footer is longer than it is"
    );
    let newer = signed(&small(), br#"min_reader\":1"#, br#"min_reader\":2"#);
    // The JSON of the schema is not escaped in the footer.
    assert_eq!(newer, None);
    let newer = signed(&small(), br#""min_reader":1"#, br#""min_reader":2"#).unwrap();
    assert_eq!(
        message(&newer),
        "the chunk needs a reader of format version 2, this one reads up to 1"
    );
    let kind = signed(&small(), br#""kind":"chunk""#, br#""kind":"model""#).unwrap();
    assert_eq!(
        message(&kind),
        "invalid metadata: the file is a \"model\", expected a \"chunk\""
    );
    let columns = signed(&small(), b"user_id", b"uSER_id").unwrap();
    assert_eq!(
        message(&columns),
        "invalid schema: the columns are not `positions`, `values`, `label`, `importance`, \
         `time_ms`, `event_id`, `user_id`, `item_id` with their types"
    );
    let narrow = signed(&small(), br#""columns":1048576"#, br#""columns":1048575"#).unwrap();
    let fault = RowError::PositionOutOfRange {
        position: COLUMNS - 1,
        dimension: 1_048_575,
    };
    let error = ChunkError::Row {
        row: 0,
        source: fault,
    };
    assert_eq!(read(narrow).unwrap_err(), error);
}

/// Replaces the last `from` of a chunk's frame by `to`, which is as long, and makes the checksum
/// right again, as an adversary would.
fn signed(bytes: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let at = bytes
        .windows(from.len())
        .rposition(|window| window == from)?;
    bytes[at..at + to.len()].copy_from_slice(to);
    Some(resign(bytes))
}

/// Puts the frame's checksum right, whose batches stay where they are.
fn resign(mut bytes: Vec<u8>) -> Vec<u8> {
    let digits = memmem(&bytes, br#"{"_crc32":""#) + 11;
    bytes[digits..digits + 8].fill(b'0');
    let footer = bytes.len() - 10;
    let length = i32::from_le_bytes(bytes[footer..footer + 4].try_into().unwrap());
    let start = footer - usize::try_from(length).unwrap();
    let blocks = arrow_ipc::root_as_footer(&bytes[start..footer]).unwrap();
    let blocks = blocks.recordBatches().unwrap();
    let (first, last) = (blocks.get(0), blocks.get(blocks.len() - 1));
    let head = usize::try_from(first.offset()).unwrap();
    let tail = last.offset() + i64::from(last.metaDataLength()) + last.bodyLength();
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[..head]);
    sum.update(&bytes[usize::try_from(tail).unwrap()..]);
    let sum = format!("{:08x}", sum.finalize());
    bytes[digits..digits + 8].copy_from_slice(sum.as_bytes());
    bytes
}

#[test]
fn rows_that_a_learner_would_refuse_are_refused_and_change_nothing() {
    let mut rows = ChunkRows::new(10);
    let good = ChunkRow {
        positions: &[1],
        values: &[1.0],
        ..ChunkRow::default()
    };
    rows.push(&good).unwrap();
    let refusal = |rows: &mut ChunkRows, row: ChunkRow<'_>| {
        let ChunkError::Row { row: 1, source } = rows.push(&row).unwrap_err() else {
            panic!("another error");
        };
        source.to_string()
    };
    let row = |positions, values| ChunkRow {
        positions,
        values,
        ..ChunkRow::default()
    };
    let nan = [1.0, f32::NAN];
    for (bad, message) in [
        (
            row(&[2, 2], &[1.0, 1.0]),
            "position 2 follows 2: positions must strictly increase",
        ),
        (
            row(&[4, 3], &[1.0, 1.0]),
            "position 3 follows 4: positions must strictly increase",
        ),
        (
            row(&[10], &[1.0]),
            "position 10 is not below the dimension 10",
        ),
        (row(&[2, 3], &nan), "value NaN at position 3 is not finite"),
        (
            row(&[2], &[f32::NEG_INFINITY]),
            "value -inf at position 2 is not finite",
        ),
        (row(&[2], &[]), "1 positions against values against 0"),
        (
            ChunkRow {
                importance: -1.0,
                ..good
            },
            "importance -1 is not a finite number of at least 0",
        ),
        (
            ChunkRow {
                importance: f32::NAN,
                ..good
            },
            "importance NaN is not a finite number of at least 0",
        ),
    ] {
        assert_eq!(refusal(&mut rows, bad), message);
    }
    assert_eq!(rows.len(), 1);
    let bytes = ChunkFile::to_bytes(&ChunkInfo::new(10), std::slice::from_ref(&rows)).unwrap();
    assert_eq!(read(bytes).unwrap().batch(0).unwrap().row(0), good);
    let narrow = ChunkFile::to_bytes(&ChunkInfo::new(9), &[rows]).unwrap_err();
    assert_eq!(
        narrow.to_string(),
        "columns of a batch beyond 9 columns of its chunk"
    );
}

#[test]
fn a_file_that_is_not_there_or_damaged_names_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.arrow");
    assert!(matches!(ChunkFile::open(&path), Err(FileError::Io { .. })));
    std::fs::write(&path, &small()[..100]).unwrap();
    let error = ChunkFile::open(&path).unwrap_err();
    assert!(error.to_string().ends_with("part.arrow"), "{error}");
    assert!(matches!(error, FileError::Chunk { .. }));
    std::fs::write(&path, b"").unwrap();
    assert!(ChunkFile::open(&path).is_err());
}

proptest! {
    #[test]
    fn what_was_written_is_read(batches in prop::collection::vec((owned_rows(), ".{0,9}"), 0..4), shift in 0_usize..8) {
        let written: Vec<ChunkRows> =
            batches.iter().map(|(rows, note)| batch_of(rows, note)).collect();
        let bytes = ChunkFile::to_bytes(&info(), &written).unwrap();
        prop_assert_eq!(&bytes, &ChunkFile::to_bytes(&info(), &written).unwrap());
        // At any address.
        let shifted = Bytes::from([&vec![0; shift][..], &bytes].concat()).slice(shift..);
        let chunk = ChunkFile::from_bytes(shifted).unwrap();
        prop_assert_eq!(chunk.info(), &info());
        prop_assert_eq!(chunk.batches(), batches.len());
        for (index, (rows, note)) in batches.iter().enumerate() {
            let batch = chunk.batch(index).unwrap();
            prop_assert_eq!(batch.note(), note);
            prop_assert_eq!(batch.len(), rows.len());
            for (read, written) in batch.rows().zip(rows) {
                written.with(|row| assert_eq!(read, *row));
            }
        }
    }

    /// An adversary changes bytes and makes all checksums right: an error or other rows, no panic.
    #[test]
    fn no_bytes_panic_when_checksums_are_right(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = small();
        let length = bytes.len();
        for (at, byte) in edits {
            bytes[at.index(length)] = byte;
        }
        let signed = std::panic::catch_unwind(|| resign_all(bytes.clone()));
        let result = read(signed.unwrap_or(bytes));
        if let Ok(chunk) = result {
            prop_assert!(chunk.rows() < 100);
        }
    }

    #[test]
    fn no_text_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let framed = [b"ARROW1\0\0", &bytes[..], b"ARROW1"].concat();
        prop_assert!(read(bytes).is_err());
        prop_assert!(read(framed).is_err());
    }
}

/// Puts the checksums of batches right, then that of the frame; panics where nothing is left to
/// find them by.
fn resign_all(mut bytes: Vec<u8>) -> Vec<u8> {
    let footer = bytes.len() - 10;
    let length = i32::from_le_bytes(bytes[footer..footer + 4].try_into().unwrap());
    let start = footer - usize::try_from(length).unwrap();
    let sums: Vec<String> = {
        let footer = arrow_ipc::root_as_footer(&bytes[start..footer]).unwrap();
        let blocks = footer.recordBatches().unwrap();
        let sum = |block: &arrow_ipc::Block| {
            let begin = usize::try_from(block.offset()).unwrap();
            let metadata = usize::try_from(block.metaDataLength()).unwrap();
            let body = usize::try_from(block.bodyLength()).unwrap();
            let mut sum = crc32fast::Hasher::new();
            sum.update(&bytes[begin..begin + metadata + body]);
            format!("{:08x}", sum.finalize())
        };
        blocks.iter().map(sum).collect()
    };
    let list = memmem(&bytes, br#""batches":[""#) + 12;
    for (index, sum) in sums.iter().enumerate() {
        bytes[list + 11 * index..][..8].copy_from_slice(sum.as_bytes());
    }
    resign(bytes)
}
