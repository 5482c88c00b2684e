//! Writing and mapping model files.

use model_io::{DIGEST_OFFSET, FileError, ModelFile, Snapshot, Weights};

use crate::common::{dense, sparse};

#[test]
fn a_snapshot_comes_back_with_every_bit() {
    for snapshot in [dense(), sparse()] {
        let bytes = snapshot.to_bytes().unwrap();
        let back = Snapshot::from_bytes(&bytes).unwrap();
        assert_eq!(back, snapshot);
        let bits = |s: &Snapshot| {
            s.model
                .weights()
                .iter()
                .map(|w| w.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(&snapshot));
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn the_smaller_of_dense_and_sparse_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    dense().save(&path).unwrap();
    let file = ModelFile::open(&path).unwrap();
    assert_eq!(file.weights(), Weights::Dense(dense().model.weights()));
    sparse().save(&path).unwrap();
    let file = ModelFile::open(&path).unwrap();
    let expected = Weights::Sparse {
        positions: &[3, 39],
        values: &[1.5, -2.25],
    };
    assert_eq!(file.weights(), expected);
    assert_eq!(file.columns(), 40);
    assert_eq!(file.to_snapshot().unwrap(), sparse());
    assert_eq!(std::fs::read(&path).unwrap(), sparse().to_bytes().unwrap());
}

#[test]
fn the_official_reader_reads_the_tensors() {
    let bytes = dense().to_bytes().unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let bias = tensors.tensor("bias").unwrap();
    assert_eq!(bias.data(), (-1.5_f64).to_le_bytes());
    assert_eq!(tensors.tensor("weights").unwrap().shape(), [6]);
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!(
        metadata.len(),
        1,
        "one key, so that its order is the same every time"
    );
}

#[test]
fn the_digest_covers_the_file_with_zeros_in_its_place() {
    use sha2::{Digest, Sha256};
    let mut bytes = sparse().to_bytes().unwrap();
    let digits = bytes[DIGEST_OFFSET..DIGEST_OFFSET + 64].to_vec();
    bytes[DIGEST_OFFSET..DIGEST_OFFSET + 64].fill(b'0');
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(digits, digest.as_bytes());
}

#[test]
fn a_map_survives_the_replacement_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    dense().save(&path).unwrap();
    let file = ModelFile::open(&path).unwrap();
    sparse().save(&path).unwrap();
    assert_eq!(file.weights(), Weights::Dense(dense().model.weights()));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "no temporary file is left");
}

#[test]
fn a_failed_write_names_the_file_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("model.safetensors");
    let error = dense().save(&path).unwrap_err();
    assert!(
        matches!(
            error,
            FileError::Io {
                action: "writing",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("missing"));
    let mut invalid = dense();
    invalid.info.threshold = f64::NAN;
    let path = folder.path().join("model.safetensors");
    assert!(matches!(invalid.save(&path), Err(FileError::Encode { .. })));
    assert!(!path.exists());
}
