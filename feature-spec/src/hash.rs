//! XXH64, the hash behind hashed ranges and vocabularies.
//!
//! Positions depend on it, so it is part of the format: Yann Collet, "xxHash fast digest
//! algorithm", version 0.1.1, section XXH64. Python's `xxhash` and Spark's `xxhash64` compute the
//! same values.

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

/// Returns the XXH64 of `bytes` with `seed`.
#[must_use]
pub(crate) fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    let mut rest = bytes;
    let mut h = if bytes.len() >= 32 {
        let mut lanes = [
            seed.wrapping_add(P1).wrapping_add(P2),
            seed.wrapping_add(P2),
            seed,
            seed.wrapping_sub(P1),
        ];
        while let Some((block, tail)) = rest.split_first_chunk::<32>() {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane = round(*lane, u64::from_le_bytes(*word));
            }
            rest = tail;
        }
        let [a, b, c, d] = lanes;
        let joined = (a.rotate_left(1).wrapping_add(b.rotate_left(7)))
            .wrapping_add(c.rotate_left(12))
            .wrapping_add(d.rotate_left(18));
        lanes.iter().fold(joined, |h, lane| {
            (h ^ round(0, *lane)).wrapping_mul(P1).wrapping_add(P4)
        })
    } else {
        seed.wrapping_add(P5)
    };
    h = h.wrapping_add(bytes.len() as u64);
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        h = (h ^ round(0, u64::from_le_bytes(*word)))
            .rotate_left(27)
            .wrapping_mul(P1)
            .wrapping_add(P4);
        rest = tail;
    }
    if let Some((word, tail)) = rest.split_first_chunk::<4>() {
        let word = u64::from(u32::from_le_bytes(*word)).wrapping_mul(P1);
        h = (h ^ word).rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
        rest = tail;
    }
    for byte in rest {
        h = (h ^ u64::from(*byte).wrapping_mul(P5))
            .rotate_left(11)
            .wrapping_mul(P1);
    }
    h = (h ^ (h >> 33)).wrapping_mul(P2);
    h = (h ^ (h >> 29)).wrapping_mul(P3);
    h ^ (h >> 32)
}

const fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P2))
        .rotate_left(31)
        .wrapping_mul(P1)
}

/// Adds one value's hash to the hash of the values before it (the seed, for the first).
pub(crate) fn chain(before: u64, value: u64) -> u64 {
    xxh64(&value.to_le_bytes(), before)
}

/// Maps a hash to `0..size`: the high half of `hash × size`.
#[allow(clippy::cast_possible_truncation)] // below `size`
pub(crate) const fn reduce(hash: u64, size: u32) -> u32 {
    ((hash as u128 * size as u128) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from Python's `xxhash` 4.1 (the reference implementation in C).
    #[test]
    fn agrees_with_the_reference() {
        let text: Vec<u8> = (0..101).collect();
        assert_eq!(xxh64(b"", 0), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxh64(b"a", 0), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(xxh64(b"abc", 0), 0x44BC_2CF5_AD77_0999);
        for (length, seed, expected) in REFERENCE {
            assert_eq!(xxh64(&text[..length], seed), expected, "{length} {seed}");
        }
    }

    const REFERENCE: [(usize, u64, u64); 6] = [
        (7, 0x0, 0x14cc643f630c72d2),
        (8, 0x1, 0x9d2b7c7354fe4e23),
        (31, 0x2, 0x589639dd80649e3d),
        (32, 0x3, 0x8ff1c9bc5b135c37),
        (63, 0x123456789abcdef, 0x46b19e7af6c2ca1b),
        (101, 0xffffffffffffffff, 0x49b1a7087bcdb7be),
    ];

    #[test]
    fn reduction_covers_the_range_and_stays_below() {
        assert_eq!(reduce(0, 10), 0);
        assert_eq!(reduce(u64::MAX, 10), 9);
        assert_eq!(reduce(1 << 63, 10), 5);
        assert_eq!(reduce(u64::MAX, u32::MAX), u32::MAX - 1);
    }
}
