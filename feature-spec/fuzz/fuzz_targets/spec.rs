//! Any bytes as a spec with a vocabulary file: no panic, and what is accepted reads back.
//!
//! `cargo +nightly fuzz run spec` in `feature-spec/`. A valid head is put in front, so that the
//! fuzzer spends its time on features.

#![no_main]

use std::collections::BTreeMap;

use feature_spec::{FeatureSpec, LoadOptions};
use libfuzzer_sys::fuzz_target;

const HEAD: &[u8] = b"format = 1\nname = \"x\"\ndimension = 4096\ncounters = [\"plays\", \"liked\"]\n\
    [vocabulary.tag]\nfile = \"tag.tsv\"\n[vocabulary.place]\nvalues = [\"delhi\"]\n";

fuzz_target!(|data: &[u8]| {
    let (spec, vocabulary) = match data.iter().position(|b| *b == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &b"#comedy\t3\n#funny\t2\n"[..]),
    };
    let files = BTreeMap::from([
        ("tag.tsv".to_owned(), vocabulary.to_vec()),
        ("more.toml".to_owned(), spec.to_vec()),
    ]);
    let text = [HEAD, spec].concat();
    let options = LoadOptions::default().max_dimension(8_192);
    for text in [&text[..], spec] {
        if let Ok(spec) = FeatureSpec::from_reader("x", &mut &text[..], &files, &options) {
            let again = FeatureSpec::from_canonical(spec.canonical());
            assert_eq!(again.map(|s| s.fingerprint()).ok(), Some(spec.fingerprint()));
        }
    }
});
