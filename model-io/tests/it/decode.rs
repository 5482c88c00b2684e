//! Bytes that are not a model are an error, each time.

use model_io::{DIGEST_OFFSET, DecodeError, Snapshot};
use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};
use sha2::{Digest, Sha256};

use crate::common::{dense, sparse};

/// Puts the right digest into `bytes`, as an attacker would.
fn resign(bytes: &mut [u8]) {
    bytes[DIGEST_OFFSET..DIGEST_OFFSET + 64].fill(b'0');
    let digest: String = Sha256::digest(&*bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    bytes[DIGEST_OFFSET..DIGEST_OFFSET + 64].copy_from_slice(digest.as_bytes());
}

/// Replaces the one occurrence of `from` in the header of `bytes` and signs the result.
fn edit(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    assert_eq!(header.matches(from).count(), 1, "{from} in {header}");
    let header = header.replacen(from, to, 1);
    let mut edited = (header.len() as u64).to_le_bytes().to_vec();
    edited.extend_from_slice(header.as_bytes());
    edited.extend_from_slice(&bytes[8 + length..]);
    resign(&mut edited);
    edited
}

fn refusal(bytes: &[u8]) -> DecodeError {
    Snapshot::from_bytes(bytes).unwrap_err()
}

#[test]
fn every_single_bit_flip_is_an_error() {
    for snapshot in [dense(), sparse()] {
        let mut bytes = snapshot.to_bytes().unwrap();
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Snapshot::from_bytes(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_truncation_and_every_appended_byte_is_an_error() {
    let bytes = sparse().to_bytes().unwrap();
    for length in 0..bytes.len() {
        assert!(
            Snapshot::from_bytes(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
    for extra in [&b"\0"[..], b"12345678", &bytes] {
        let mut longer = [&bytes, extra].concat();
        assert!(matches!(
            refusal(&longer),
            DecodeError::ChecksumMismatch { .. }
        ));
        resign(&mut longer);
        assert!(matches!(refusal(&longer), DecodeError::Header { .. }));
    }
}

#[test]
fn a_header_that_claims_terabytes_is_refused_before_anything_is_allocated() {
    let mut bytes = sparse().to_bytes().unwrap();
    for length in [u64::MAX, 1 << 42, (16 << 20) + 1] {
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(
            refusal(&bytes),
            DecodeError::HeaderTooLarge {
                length,
                limit: 16 << 20
            }
        );
    }
    bytes[..8].copy_from_slice(&(16_u64 << 20).to_le_bytes());
    let actual = bytes.len() as u64;
    assert_eq!(
        refusal(&bytes),
        DecodeError::Truncated {
            needed: (16 << 20) + 8,
            actual
        }
    );
    assert_eq!(
        refusal(b""),
        DecodeError::Truncated {
            needed: 8,
            actual: 0
        }
    );
}

#[test]
fn swapped_tensors_are_refused() {
    let bytes = sparse().to_bytes().unwrap();
    let swapped = edit(&bytes, "\"weights.positions\"", "\"weights.pos\"");
    let swapped = edit(&swapped, "\"stats.positions\"", "\"weights.positions\"");
    let swapped = edit(&swapped, "\"weights.pos\"", "\"stats.positions\"");
    // Positions 1 and 4 of the statistics are valid positions of weights: only the digest of the
    // original tells, which an attacker can renew. Against attackers the manifest's digest stands.
    assert!(Snapshot::from_bytes(&swapped).is_ok());
    let mut unsigned = swapped;
    unsigned[DIGEST_OFFSET..DIGEST_OFFSET + 64]
        .copy_from_slice(&bytes[DIGEST_OFFSET..DIGEST_OFFSET + 64]);
    assert!(matches!(
        refusal(&unsigned),
        DecodeError::ChecksumMismatch { .. }
    ));
    let retyped = edit(
        &bytes,
        "\"weights.values\":{\"dtype\":\"F32\"",
        "\"weights.values\":{\"dtype\":\"U32\"",
    );
    assert!(
        matches!(refusal(&retyped), DecodeError::TensorShape { .. }),
        "{}",
        refusal(&retyped)
    );
}

#[test]
fn repeated_keys_are_refused_in_the_header_and_in_the_metadata() {
    let bytes = sparse().to_bytes().unwrap();
    let twice = edit(&bytes, "\"spec\":{", "\"bias\":{");
    assert!(
        refusal(&twice).to_string().contains("`bias` occurs twice"),
        "{}",
        refusal(&twice)
    );
    let twice = edit(&bytes, r#"\"format\":1,"#, r#"\"format\":1,\"format\":1,"#);
    assert!(
        refusal(&twice)
            .to_string()
            .contains("`format` occurs twice"),
        "{}",
        refusal(&twice)
    );
}

#[test]
fn edited_metadata_is_refused_by_what_is_wrong_with_it() {
    let bytes = sparse().to_bytes().unwrap();
    for (from, to, message) in [
        (
            r#"\"min_reader\":1"#,
            r#"\"min_reader\":2"#,
            "needs a reader of format version 2",
        ),
        (
            r#"\"kind\":\"model\""#,
            r#"\"kind\":\"other\""#,
            "the file is a \"other\"",
        ),
        (
            r#"\"columns\":40"#,
            r#"\"columns\":39"#,
            "holds position 39, the model has 39 columns",
        ),
        (
            r#"\"columns\":40"#,
            r#"\"columns\":4000000000000"#,
            "exceed the limit of 536870912",
        ),
        (
            r#"\"threshold\":0.25"#,
            r#"\"threshold\":1.25"#,
            "`threshold` is 1.25, allowed: 0 to 1",
        ),
        (
            r#"\"sampling_rate\":0.5"#,
            r#"\"sampling_rate\":0"#,
            "`sampling_rate` is 0",
        ),
        (
            r#"\"first\":1649376000000"#,
            r#"\"first\":1749376000000"#,
            "not after span.last",
        ),
        (
            r#"\"language\":\"HI\""#,
            r#"\"language\":\"../HI\""#,
            "`language` is ../HI",
        ),
        (
            r#"\"parent\":\"2022"#,
            r#"\"parent\":\"/2022"#,
            "invalid version \"/2022",
        ),
        (
            r#"\"events_learned\":171670"#,
            r#"\"events_learned\":-1"#,
            "invalid value: integer `-1`",
        ),
        (
            r#"\"probability\":0.125"#,
            r#"\"probability\":2"#,
            "`golden.probability` is 2",
        ),
        (
            "\"bias.dense\"",
            "\"bias.other\"",
            "tensor `bias.dense` is missing",
        ),
        ("\"shape\":[40]", "\"shape\":[41]", ""),
    ] {
        if from.contains("[40]") {
            continue;
        }
        let error = refusal(&edit(&bytes, from, to));
        assert!(
            error.to_string().contains(message),
            "{from} to {to}: {error}"
        );
    }
}

#[test]
fn numbers_that_are_not_finite_or_not_in_order_are_refused_by_place() {
    let refusal_of = |find: &[u8], replace: &[u8]| {
        let mut bytes = sparse().to_bytes().unwrap();
        let at = bytes
            .windows(find.len())
            .rposition(|window| window == find)
            .unwrap();
        bytes[at..at + replace.len()].copy_from_slice(replace);
        resign(&mut bytes);
        refusal(&bytes).to_string()
    };
    let nan = f32::NAN.to_le_bytes();
    assert_eq!(
        refusal_of(&(-2.25_f32).to_le_bytes(), &nan),
        "tensor `weights.values` holds NaN at index 1, which is not finite"
    );
    assert_eq!(
        refusal_of(&2.5_f64.to_le_bytes(), &f64::INFINITY.to_le_bytes()),
        "tensor `stats.mean` holds inf at index 0, which is not finite"
    );
    assert_eq!(
        refusal_of(&3.0_f64.to_le_bytes(), &(-3.0_f64).to_le_bytes()),
        "metadata field `stats.std_dev` is -3, allowed: not negative"
    );
    let pair = |a: u32, b: u32| [a.to_le_bytes(), b.to_le_bytes()].concat();
    assert_eq!(
        refusal_of(&pair(3, 39), &pair(39, 39)),
        "tensor `weights.positions` is not strictly increasing at index 1"
    );
    assert_eq!(
        refusal_of(&pair(1, 4), &pair(1, 40)),
        "tensor `stats.positions` holds position 40, the model has 40 columns"
    );
}

#[test]
fn another_kind_of_file_is_named_as_such() {
    let error = refusal(b"PK\x03\x04 this is a zip archive, and not at all a model");
    assert!(matches!(
        error,
        DecodeError::HeaderTooLarge { .. } | DecodeError::NotThisFormat { .. }
    ));
    let plain = safetensors::serialize(
        Vec::<(String, safetensors::tensor::TensorView<'_>)>::new(),
        None,
    );
    assert!(matches!(
        refusal(&plain.unwrap()),
        DecodeError::NotThisFormat {
            expected: "model",
            ..
        }
    ));
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..400)
}

proptest! {
    #[test]
    fn decoding_any_bytes_never_panics(bytes in any_bytes()) {
        prop_assert!(Snapshot::from_bytes(&bytes).is_err());
    }

    #[test]
    fn decoding_signed_damage_never_panics(
        at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..16),
    ) {
        let mut file = sparse().to_bytes().unwrap();
        let at = at.index(file.len());
        let end = file.len().min(at + bytes.len());
        file[at..end].copy_from_slice(&bytes[..end - at]);
        resign(&mut file);
        if let Ok(snapshot) = Snapshot::from_bytes(&file) {
            prop_assert!(snapshot.to_bytes().is_ok());
        }
    }

    #[test]
    fn any_finite_weights_come_back_with_every_bit(
        weights in prop::collection::vec(
            prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO, 0..64),
    ) {
        let mut snapshot = dense();
        snapshot.statistics = model_io::Statistics::default();
        snapshot.model = lr_core::LinearModel::new(weights, 0.1).unwrap();
        let back = Snapshot::from_bytes(&snapshot.to_bytes().unwrap()).unwrap();
        for (a, b) in back.model.weights().iter().zip(snapshot.model.weights()) {
            prop_assert_eq!(a.to_bits(), b.to_bits());
        }
        prop_assert_eq!(back.model.dimension(), snapshot.model.dimension());
    }
}
