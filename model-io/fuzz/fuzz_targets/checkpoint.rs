//! Decoding any bytes, with a right digest put in, never panics; what decodes encodes again.
//!
//! ```text
//! cargo +nightly fuzz run checkpoint fuzz/corpus/checkpoint tests/data/v1
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use model_io::{DIGEST_OFFSET, Checkpoint};
use sha2::{Digest, Sha256};

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    // Without this every input ends at the checksum.
    if let Some(digits) = bytes.get_mut(DIGEST_OFFSET..DIGEST_OFFSET + 64) {
        digits.fill(b'0');
        let digest: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        bytes[DIGEST_OFFSET..DIGEST_OFFSET + 64].copy_from_slice(digest.as_bytes());
    }
    if let Ok(content) = Checkpoint::from_bytes(&bytes) {
        let again = content.to_bytes().expect("what decodes encodes");
        assert_eq!(Checkpoint::from_bytes(&again).expect("and decodes again"), content);
    }
});
