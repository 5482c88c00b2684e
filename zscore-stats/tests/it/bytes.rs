//! The binary form and the Serde form: one form for equal populations, and nothing else is taken.

use proptest::prelude::*;
use zscore_stats::{Cohorts, Membership, Population, PopulationDecodeError};

const MAX: usize = 1000;

fn sample() -> Population {
    let members = vec![
        Membership::Every,
        Membership::Every,
        Membership::Present { of: 0 },
    ];
    let cohorts = Cohorts::new(vec![0, 0, 2, 1, 1, 1, 0], members).unwrap();
    let mut population = Population::new(cohorts);
    population
        .push(0, (&[0, 2, 6], &[15.0, 0.25, 1.0]))
        .unwrap();
    population.push(0, (&[0, 6], &[1.0, 1.0])).unwrap();
    population.push(0, (&[0], &[-300.0])).unwrap();
    population.push(1, (&[4, 5], &[1e7, 0.1])).unwrap();
    population
}

/// The bytes of format version 1. They change only with the format version.
const GOLDEN: &str = "5a504f500100000003000300010101040200010203010100050007b704f2c005010280\
    80800480808080808004010380dac4098080e983b1de160002b4e6cc01a4e1f5e1f551000504020ec244da4a032bff";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn bytes_of_version_1_stay_what_they_are() {
    let bytes = sample().to_bytes();
    assert_eq!(hex(&bytes), GOLDEN);
    let read = Population::from_bytes(&bytes, MAX).unwrap();
    assert_eq!(read, sample());
    assert_eq!(read.to_bytes(), bytes);
}

#[test]
fn every_changed_byte_and_every_cut_is_an_error() {
    let bytes = sample().to_bytes();
    for at in 0..bytes.len() {
        for change in 1..=255 {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            assert!(
                Population::from_bytes(&changed, MAX).is_err(),
                "byte {at} ^ {change}"
            );
        }
        assert!(
            Population::from_bytes(&bytes[..at], MAX).is_err(),
            "{at} bytes"
        );
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(Population::from_bytes(&longer, MAX).is_err());
}

/// Header, body and a right checksum: what reaches the checks behind it.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"ZPOP\x01\0\0\0".to_vec();
    bytes.extend_from_slice(body);
    let checksum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn refused(body: &[u8]) -> String {
    Population::from_bytes(&sealed(body), MAX)
        .unwrap_err()
        .to_string()
}

#[test]
fn each_kind_of_damage_is_named() {
    let decode = |bytes: &[u8]| Population::from_bytes(bytes, MAX).unwrap_err();
    assert_eq!(
        decode(b"PK\x03\x04...."),
        PopulationDecodeError::NotAPopulation
    );
    assert_eq!(decode(b"ZPO"), PopulationDecodeError::Truncated { at: 3 });
    let version = PopulationDecodeError::Version {
        found: 2,
        supported: 1,
    };
    assert_eq!(decode(b"ZPOP\x02\0\0\0........"), version);
    assert!(matches!(
        decode(b"ZPOP\x01\0\0\0........"),
        PopulationDecodeError::Checksum { .. }
    ));

    // One cohort of two rows, one run of three positions, and then the sums.
    assert!(Population::from_bytes(&sealed(&[1, 0, 2, 1, 3, 0, 0]), MAX).is_ok());
    assert_eq!(
        refused(&[1, 0, 2, 1, 3, 0]),
        "population ends at byte 14, before it is complete"
    );
    assert_eq!(
        refused(&[1, 0, 2, 1, 3, 0, 0, 0]),
        "1 bytes left over after the population"
    );
    let form = |what, at| format!("{what} at byte {at} is out of range or not in its one form");
    assert_eq!(refused(&[1, 0, 0x82, 0]), form("cohort size", 10));
    assert_eq!(refused(&[1, 0, 2, 1, 0, 0]), form("run of positions", 12));
    assert_eq!(
        refused(&[1, 0, 2, 2, 1, 0, 1, 0]),
        form("run of positions", 14)
    );
    assert_eq!(
        refused(&[1, 0, 2, 1, 3, 7, 0]),
        "cohorts of the population are wrong"
    );
    assert_eq!(
        refused(&[1, 0, 2, 1, 0xe9, 7, 0]),
        "1001 as run length, and at most 1000 is allowed"
    );
    let sums = |at| format!("sums of position 1 at byte {at} are not those of any rows");
    // Three non-zeros of two rows; squares below what the sum needs; no non-zeros at all.
    assert_eq!(refused(&[1, 0, 2, 1, 3, 0, 1, 1, 7, 6, 3]), sums(15));
    assert_eq!(refused(&[1, 0, 2, 1, 3, 0, 1, 1, 5, 6, 4]), sums(15));
    assert_eq!(refused(&[1, 0, 2, 1, 3, 0, 1, 1, 1, 0, 0]), sums(15));
    assert!(Population::from_bytes(&sealed(&[1, 0, 2, 1, 3, 0, 1, 1, 5, 6, 5]), MAX).is_ok());
    // Whole sums that are not marked so.
    let unmarked = [1, 0, 2, 1, 3, 0, 1, 1, 2, 0x80, 0x80, 0x80, 0x10];
    let squares = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
    assert_eq!(
        refused(&[&unmarked[..], &squares].concat()),
        form("mark of whole sums", 16)
    );
    // The same position twice, and one beyond the end.
    assert_eq!(
        refused(&[1, 0, 2, 1, 3, 0, 1, 3, 5, 6, 5]),
        "3 as position, and at most 2 is allowed"
    );
    assert_eq!(
        refused(&[1, 0, 2, 1, 3, 0, 4]),
        "4 as number of positions, and at most 3 is allowed"
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Population::from_bytes(&body, MAX);
        if let Ok(population) = Population::from_bytes(&sealed(&body), MAX) {
            // Whatever is taken is written the same way again.
            prop_assert_eq!(population.to_bytes(), sealed(&body));
            population.check().unwrap();
        }
    }
}

#[cfg(feature = "serde")]
mod serde_form {
    use super::sample;
    use serde_json::{Value, from_str, json, to_string, to_value};
    use zscore_stats::{
        Cohorts, Membership, Population, Scale, ScalePolicies, ScalePolicy, Scaler, Transform,
    };

    #[test]
    fn population_survives_json() {
        let text = to_string(&sample()).unwrap();
        assert_eq!(from_str::<Population>(&text).unwrap(), sample());
    }

    /// Sums below 2⁶⁴, all that a JSON value in memory can hold.
    fn small() -> Population {
        let members = vec![Membership::Every; 3];
        let mut population = Population::new(Cohorts::new(vec![0, 0, 1], members).unwrap());
        population.push(0, (&[0, 1], &[1.0, 0.5])).unwrap();
        population.push(0, (&[0], &[0.25])).unwrap();
        population
    }

    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let mut value = to_value(small()).unwrap();
        change(&mut value);
        from_str::<Population>(&value.to_string())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_no_rows_have_is_refused() {
        let sums = "sums of position 0 are out of order or not those of any rows";
        let cases = [
            refused(|v| v["positions"][0]["nonzeros"] = json!(4)),
            // Variance below zero.
            refused(|v| v["positions"][0]["sum_of_squares"] = json!(1)),
            refused(|v| v["positions"][0]["nonzeros"] = json!(0)),
            refused(|v| v["positions"][1]["position"] = json!(0)),
        ];
        for message in cases {
            assert!(message.starts_with(sums), "{message}");
        }
        assert!(refused(|v| v["version"] = json!(9)).starts_with("population format version 9"));
        assert!(refused(|v| v["sizes"] = json!([1])).starts_with("1 sizes for 3 cohorts"));
        assert!(refused(|v| v["cohorts"]["index"][0] = json!(9)).starts_with("cohort 9 is not"));
        assert!(refused(|v| v["extra"] = json!(9)).starts_with("unknown field"));
    }

    #[test]
    fn scaler_survives_json_and_is_checked() {
        let policy = ScalePolicy::default()
            .transform(Transform::Log1p)
            .scale(Scale::ZScore);
        let policies = ScalePolicies::uniform(policy.clip(-3.0, 3.0), 2).unwrap();
        let scaler = Scaler::from_parts(&policies, vec![1], vec![0.1], vec![0.7]).unwrap();
        let text = to_string(&scaler).unwrap();
        assert!(
            text.contains(r#""transform":"log1p","scale":"z_score""#),
            "{text}"
        );
        assert_eq!(from_str::<Scaler>(&text).unwrap(), scaler);
        let broken = text.replace("[0.7]", "[-0.7]");
        assert!(from_str::<Scaler>(&broken).is_err());
        let broken = text.replace(r#""low":-3.0"#, r#""low":4.0"#);
        assert!(from_str::<Scaler>(&broken).is_err());
    }
}
