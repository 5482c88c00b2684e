//! Files of every format version load for ever.

use std::path::PathBuf;

use model_io::{Checkpoint, ModelFile, Snapshot};

use crate::checkpoint::checkpoint;
use crate::common::{dense, sparse};

fn golden(name: &str, current: Vec<u8>) -> (PathBuf, Vec<u8>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/v1")
        .join(name);
    if std::env::var_os("MODEL_IO_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, current).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn models_of_version_1_decode_and_encode_to_the_same_bytes() {
    for (name, expected) in [
        ("dense.safetensors", dense()),
        ("sparse.safetensors", sparse()),
    ] {
        let (path, bytes) = golden(name, expected.to_bytes().unwrap());
        assert_eq!(Snapshot::from_bytes(&bytes).unwrap(), expected, "{name}");
        assert_eq!(expected.to_bytes().unwrap(), bytes, "{name}");
        assert_eq!(
            ModelFile::open(path).unwrap().to_snapshot().unwrap(),
            expected,
            "{name}"
        );
    }
}

#[test]
fn checkpoints_of_version_1_decode_and_encode_to_the_same_bytes() {
    let (path, bytes) = golden("checkpoint.safetensors", checkpoint(7).to_bytes().unwrap());
    assert_eq!(Checkpoint::open(path).unwrap(), checkpoint(7));
    assert_eq!(checkpoint(7).to_bytes().unwrap(), bytes);
}
