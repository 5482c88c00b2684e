//! An ONNX graph: `Gather`, `Mul`, `ReduceSum`, `Add`, `Sigmoid`.
//!
//! Field numbers are those of `onnx.proto3` of ONNX 1.17; operators those of opset 13.

use std::io::{self, Write};

use crate::export::Input;
use crate::export::protobuf::Message;
use crate::snapshot::Snapshot;

const IR_VERSION: u64 = 8;
const OPSET: u64 = 13;
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// Writes a graph that scores one row: inputs `positions` (`int64`, any length) and `values`
/// (`float32`, the same length), output `probability` (`float32`, one number).
///
/// With [`Input::Sparse`] the inputs are those of a row of this workspace; with [`Input::Dense`]
/// pass every position.
///
/// # Precision
///
/// The runtime computes in `float32`: probabilities agree to about 1e-7 with this crate's `f64`.
///
/// # Errors
///
/// [`io::Error`]: `out` failed.
pub fn write_onnx(snapshot: &Snapshot, input: Input, mut out: impl Write) -> io::Result<()> {
    let weights = snapshot.model.weights();
    // The file's numbers are f32; the bias is rounded here and nowhere else.
    #[allow(clippy::cast_possible_truncation)]
    let bias = input.bias(snapshot) as f32;
    let graph = Message::default()
        .message(1, node("Gather", &["weights", "positions"], "picked"))
        .message(1, node("Mul", &["picked", "values"], "terms"))
        .message(1, keep_no_axis(node("ReduceSum", &["terms"], "sum")))
        .message(1, node("Add", &["sum", "bias"], "margin"))
        .message(1, node("Sigmoid", &["margin"], "probability"))
        .text(2, "logistic_regression")
        .message(
            5,
            tensor(
                "weights",
                Some(weights.len()),
                bytemuck::cast_slice(weights),
            ),
        )
        .message(5, tensor("bias", None, &bias.to_le_bytes()))
        .message(11, vector("positions", INT64))
        .message(11, vector("values", FLOAT))
        .message(12, value("probability", FLOAT, Message::default()));
    let property = |key: &str, text: &str| Message::default().text(1, key).text(2, text);
    let info = &snapshot.info;
    let model = Message::default()
        .integer(1, IR_VERSION)
        .text(2, "ctr-predict")
        .text(3, &info.tool)
        .message(7, graph)
        .message(8, Message::default().text(1, "").integer(2, OPSET))
        .message(14, property("version", info.version.as_str()))
        .message(14, property("language", &info.language))
        .message(14, property("spec_fingerprint", &info.spec.fingerprint))
        .message(14, property("threshold", &info.threshold.to_string()));
    out.write_all(&model.into_bytes())
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs
        .iter()
        .fold(Message::default(), |node, name| node.text(1, name));
    node.text(2, output).text(3, output).text(4, operator)
}

/// Sums over all axes to a scalar.
fn keep_no_axis(node: Message) -> Message {
    const INT: u64 = 2;
    node.message(
        5,
        Message::default()
            .text(1, "keepdims")
            .integer(3, 0)
            .integer(20, INT),
    )
}

fn tensor(name: &str, length: Option<usize>, data: &[u8]) -> Message {
    let shape = length.map_or(Message::default(), |length| {
        Message::default().integer(1, length as u64)
    });
    shape.integer(2, FLOAT).text(8, name).bytes(9, data)
}

/// An input of one axis of any length.
fn vector(name: &str, element: u64) -> Message {
    let axis = Message::default().text(2, "length");
    value(name, element, Message::default().message(1, axis))
}

fn value(name: &str, element: u64, shape: Message) -> Message {
    let tensor = Message::default().integer(1, element).message(2, shape);
    Message::default()
        .text(1, name)
        .message(2, Message::default().message(1, tensor))
}
