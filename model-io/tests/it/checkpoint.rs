//! Checkpoints: content, settings, and the sequence in a store.

use std::collections::BTreeMap;

use lr_core::{LearnerState, Tensor, TensorData};
use model_io::{Checkpoint, ConsumedFile, DecodeError, EventSpan, Registry, RegistryError};

use crate::common::{stores, test};

pub(crate) fn checkpoint(events: u64) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    checkpoint.progress.language = "HI".to_owned();
    checkpoint.progress.events_learned = events;
    checkpoint.progress.span = Some(EventSpan { first: 1, last: 2 });
    checkpoint.progress.consumed.push(ConsumedFile {
        key: "HI/dt=2022-04-08/hour=00/part-00000.jsonl.zst".to_owned(),
        size: 12,
        tag: Some("abc".to_owned()),
    });
    checkpoint
        .settings
        .insert("alpha".to_owned(), "0.1".to_owned());
    checkpoint.columns = 5;
    checkpoint.spec = "{}".to_owned();
    checkpoint.statistics.positions = vec![2];
    checkpoint.statistics.mean = vec![0.5];
    checkpoint.statistics.std_dev = vec![1.5];
    let tensor = |name: &str, data| Tensor {
        name: name.to_owned(),
        data,
    };
    checkpoint.learner = LearnerState {
        tensors: vec![
            tensor("w", TensorData::F32(vec![1.0, -0.0])),
            tensor("counters", TensorData::U64(vec![events, u64::MAX])),
            tensor("a", TensorData::F64(vec![0.1 + 0.2])),
        ],
    };
    checkpoint.parts.insert("metrics".to_owned(), vec![1, 2, 3]);
    checkpoint
}

#[test]
fn a_checkpoint_comes_back_whole_and_gives_the_same_bytes() {
    let bytes = checkpoint(7).to_bytes().unwrap();
    let back = Checkpoint::from_bytes(&bytes).unwrap();
    assert_eq!(back, checkpoint(7));
    assert_eq!(back.to_bytes().unwrap(), bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    checkpoint(7).save(&path).unwrap();
    assert_eq!(Checkpoint::open(&path).unwrap(), checkpoint(7));
}

#[test]
fn every_bit_flip_and_truncation_of_a_checkpoint_is_an_error() {
    let mut bytes = checkpoint(7).to_bytes().unwrap();
    for length in 0..bytes.len() {
        assert!(
            Checkpoint::from_bytes(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Checkpoint::from_bytes(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_model_is_not_a_checkpoint() {
    let model = crate::common::dense().to_bytes().unwrap();
    let error = Checkpoint::from_bytes(&model).unwrap_err();
    assert!(matches!(error, DecodeError::Metadata { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("the file is a \"model\", expected a \"checkpoint\"")
    );
}

#[test]
fn a_run_under_other_settings_is_told_what_differs() {
    let saved = checkpoint(7);
    assert!(saved.check_settings(&saved.settings).is_ok());
    let given = BTreeMap::from([
        ("alpha".to_owned(), "0.2".to_owned()),
        ("l1".to_owned(), "1".to_owned()),
    ]);
    assert_eq!(
        saved.check_settings(&given).unwrap_err().to_string(),
        "settings differ from the checkpoint's: alpha was 0.1, is 0.2; l1 was (unset), is 1"
    );
}

#[test]
fn a_second_trainer_fences_the_first() {
    test(async {
        for (store, root) in stores() {
            let registry = Registry::new(store, root);
            let log = registry.checkpoints("HI").unwrap();
            let (mut first, state) = log.clone().take_over().await.unwrap();
            assert_eq!((first.epoch(), state), (1, None));
            assert_eq!(first.commit(&mut checkpoint(10)).await.unwrap(), 1);
            assert_eq!(first.commit(&mut checkpoint(20)).await.unwrap(), 2);

            let (mut second, state) = log.clone().take_over().await.unwrap();
            assert_eq!(second.epoch(), 2);
            assert_eq!(state.unwrap().progress.events_learned, 20);
            let error = first.commit(&mut checkpoint(30)).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    RegistryError::Fenced {
                        epoch: 1,
                        current: 2,
                        ..
                    }
                ),
                "{error:?}"
            );
            assert_eq!(second.commit(&mut checkpoint(25)).await.unwrap(), 4);
            let (sequence, newest) = log.latest().await.unwrap().unwrap();
            assert_eq!((sequence, newest.progress.events_learned), (4, 25));
            assert_eq!(newest.progress.epoch, 2);

            assert_eq!(log.retain(2, 3600).await.unwrap(), [0_u64; 0]);
            assert_eq!(log.retain(2, 0).await.unwrap(), [1, 2]);
            assert_eq!(log.sequences().await.unwrap(), [3, 4]);
        }
    });
}
