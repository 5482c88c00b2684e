//! Every rule, with a spec that breaks it and the full message.
//!
//! `tests/invalid/RULE.toml` is rejected with `tests/invalid/RULE.stderr`. A case that needs other
//! files has them after lines `## file NAME`. `UPDATE_EXPECTED=1` writes the messages anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use feature_spec::{FeatureSpec, LoadOptions};

fn rejection(text: &str) -> String {
    let mut files = BTreeMap::new();
    let mut parts = text.split("## file ");
    let root = parts.next().unwrap_or_default();
    for part in parts {
        let (name, content) = part.split_once('\n').unwrap();
        let bytes = match content.strip_prefix("latin-1\n") {
            Some(content) => content
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect(),
            None => content.as_bytes().to_vec(),
        };
        files.insert(name.to_owned(), bytes);
    }
    let options = LoadOptions::default().max_vocabulary_bytes(64);
    match FeatureSpec::from_reader("spec.toml", &mut root.as_bytes(), &files, &options) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_rule_has_its_message() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid");
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        count += 1;
        let message = rejection(&fs::read_to_string(&path).unwrap());
        let expected = path.with_extension("stderr");
        if update {
            fs::write(&expected, format!("{message}\n")).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default().trim_end() != message {
            wrong.push(format!("{}:\n{message}", path.display()));
        }
        if message == "accepted" {
            wrong.push(format!("{} is accepted", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= 60, "{count} cases");
}
