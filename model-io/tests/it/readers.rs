//! The readers in the format's documentation read what this crate writes, where the machine has
//! Python or Java.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{dense, sparse};

/// The first code block of `language` in the documentation; `None` in a packaged crate.
fn block(language: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/model-format.md");
    let text = std::fs::read_to_string(path).ok()?;
    let (_, rest) = text.split_once(&format!("\n```{language}\n"))?;
    Some(rest.split_once("\n```\n").unwrap().0.to_owned())
}

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A dense, a sparse and a damaged model.
fn models(folder: &Path) -> [PathBuf; 3] {
    let paths = ["dense", "sparse", "damaged"].map(|name| folder.join(name));
    dense().save(&paths[0]).unwrap();
    sparse().save(&paths[1]).unwrap();
    let mut bytes = dense().to_bytes().unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&paths[2], bytes).unwrap();
    paths
}

/// Every word that is a number, as a number: languages print floats each in their way.
fn numbers(output: &Output) -> Vec<f64> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

fn check(run: impl Fn(&Path) -> Output) {
    let folder = tempfile::tempdir().unwrap();
    let [dense_path, sparse_path, damaged] = models(folder.path());
    for (path, snapshot) in [(dense_path, dense()), (sparse_path, sparse())] {
        let weights = snapshot.model.weights();
        let sum: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        #[allow(clippy::cast_precision_loss)]
        let sizes = [weights.len() as f64, snapshot.spec.len() as f64];
        let expected = [
            sizes[0],
            sum,
            snapshot.model.bias(),
            snapshot.dense_bias,
            sizes[1],
        ];
        assert_eq!(numbers(&run(&path)), expected);
    }
    let refused = run(&damaged);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("checksum mismatch"));
}

#[test]
fn the_python_reader_of_the_documentation_works() {
    let Some(script) = block("python").filter(|_| has("python3")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("read_model.py");
    std::fs::write(&path, script).unwrap();
    check(|model| {
        Command::new("python3")
            .arg(&path)
            .arg(model)
            .output()
            .unwrap()
    });
}

#[test]
fn the_java_reader_of_the_documentation_works() {
    let Some(source) = block("java").filter(|_| has("javac") && has("java")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ReadModel.java");
    std::fs::write(&path, source).unwrap();
    check(|model| Command::new("java").arg(&path).arg(model).output().unwrap());
}
