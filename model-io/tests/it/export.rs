//! Exports, read back by independent readers where the machine has them.

use std::process::Command;

use model_io::export::{Input, write_csv, write_json, write_npy, write_onnx};

use crate::common::sparse;

fn name(position: u32) -> String {
    format!("hashtag, \"#{position}\"")
}

#[test]
fn csv_names_positions_and_both_biases() {
    let mut out = Vec::new();
    write_csv(&sparse(), name, &mut out).unwrap();
    // The model of the tests was learned with half of the negatives: ln 0.5 is −0.693….
    let expected = "position,feature,weight\n\
        ,bias for sparse rows,-2.1931471805599454\n\
        ,bias for dense arrays,-0.5931471805599453\n\
        3,\"hashtag, \"\"#3\"\"\",1.5\n\
        39,\"hashtag, \"\"#39\"\"\",-2.25\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn json_is_one_object_with_a_weight_a_line() {
    let mut out = Vec::new();
    write_json(&sparse(), name, &mut out).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["columns"], 40);
    assert_eq!(value["bias_for_sparse_rows"], -2.193_147_180_559_945_4);
    assert_eq!(value["weights"][1]["position"], 39);
    assert_eq!(value["weights"][1]["weight"], -2.25);
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 4);
}

#[test]
fn npy_has_an_aligned_header_and_the_weights() {
    let mut out = Vec::new();
    write_npy(&sparse(), &mut out).unwrap();
    assert_eq!(&out[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([out[8], out[9]]));
    assert_eq!((10 + length) % 64, 0);
    let header = std::str::from_utf8(&out[10..10 + length]).unwrap();
    assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (40,), }"));
    assert!(header.ends_with('\n'));
    let weights: &[u8] = &out[10 + length..];
    assert_eq!(weights.len(), 160);
    assert_eq!(weights[12..16], 1.5_f32.to_le_bytes());
}

#[test]
fn onnxruntime_gives_the_same_probabilities() {
    let available = Command::new("python3")
        .args(["-c", "import numpy, onnx, onnxruntime"])
        .output();
    if !available.is_ok_and(|output| output.status.success()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let snapshot = sparse();
    for (input, file) in [(Input::Sparse, "sparse.onnx"), (Input::Dense, "dense.onnx")] {
        let out = std::fs::File::create(folder.path().join(file)).unwrap();
        write_onnx(&snapshot, input, out).unwrap();
    }
    let out = std::fs::File::create(folder.path().join("weights.npy")).unwrap();
    write_npy(&snapshot, out).unwrap();
    let script = r#"
import numpy, onnx, onnxruntime, sys
folder = sys.argv[1]
weights = numpy.load(folder + "/weights.npy")
print(len(weights), float(weights.sum()))
for name in ("sparse", "dense"):
    path = f"{folder}/{name}.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path)
    for positions, values in (([3, 39], [0.5, -0.25]), ([39], [2.0]), ([], [])):
        out = session.run(None, {"positions": numpy.array(positions, numpy.int64),
                                 "values": numpy.array(values, numpy.float32)})
        print(float(out[0]))
"#;
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed: Vec<f64> = text
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    assert_eq!(printed[..2], [40.0, -0.75]);
    let mut expected = Vec::new();
    for input in [Input::Sparse, Input::Dense] {
        for sum in [1.5 * 0.5 + 2.25 * 0.25, -2.25 * 2.0, 0.0] {
            expected.push(lr_core::sigmoid(input.bias(&snapshot) + sum));
        }
    }
    for (actual, expected) in printed[2..].iter().zip(&expected) {
        assert!((actual - expected).abs() < 1e-6, "{actual} {expected}");
    }
    assert_eq!(printed.len(), 2 + expected.len());
}
