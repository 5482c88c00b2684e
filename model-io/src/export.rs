//! A model in forms for consumers that are not Rust.
//!
//! | form | file | what reads it |
//! |---|---|---|
//! | NumPy | `.npy`, one array a file | NumPy, and any reader of that header |
//! | CSV | position, name, weight | spreadsheets, SQL |
//! | JSON | names, weights, both biases | anything |
//! | ONNX | a graph from positions and values to the probability | onnxruntime |
//!
//! Two biases exist, one for each kind of input: see [`Input`].

mod onnx;
mod protobuf;
mod text;

use std::io::{self, Write};

pub use onnx::write_onnx;
pub use text::{write_csv, write_json};

use crate::snapshot::Snapshot;

/// What the rows of a consumer look like, which decides on the bias.
///
/// A count that is absent is the count 0, whose z-score is not 0. Sparse rows leave absent
/// positions out and hold `f(x) − f(x₀)` at the others; literal arrays hold `f(x)` everywhere. Both
/// give the same margin, each with its own bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Input {
    /// Rows as this workspace's encoder and scaler make them: absent positions contribute nothing.
    #[default]
    Sparse,
    /// Arrays in which every position holds its scaled value, also where nothing was counted.
    Dense,
}

impl Input {
    /// Returns the bias that goes with this input, in log-odds, the correction for the sampling of
    /// negatives included.
    ///
    /// # Examples
    ///
    /// A bias of 1 learned with half of the negatives is 1 + ln 0.5 on all of them.
    ///
    /// ```
    /// # use lr_core::LinearModel;
    /// # use model_io::{ModelInfo, Snapshot, Version};
    /// use model_io::export::Input;
    ///
    /// let mut snapshot = Snapshot {
    ///     model: LinearModel::new(vec![], 1.0)?,
    ///     dense_bias: 3.0,
    ///     statistics: Default::default(),
    ///     spec: String::new(),
    ///     info: ModelInfo::new(Version::new("v1")?, "HI"),
    /// };
    /// snapshot.info.sampling_rate = 0.5;
    /// assert!((Input::Sparse.bias(&snapshot) - 0.306_852_819_440_055).abs() < 1e-15);
    /// assert!((Input::Dense.bias(&snapshot) - 2.306_852_819_440_055).abs() < 1e-15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn bias(self, snapshot: &Snapshot) -> f64 {
        let bias = match self {
            Self::Sparse => snapshot.model.bias(),
            Self::Dense => snapshot.dense_bias,
        };
        bias + libm::log(snapshot.info.sampling_rate)
    }
}

/// Writes the weights as one `f32` array of one axis, in NumPy's format 1.0.
///
/// The biases are not in it: they are numbers of [`Input::bias`].
///
/// # Errors
///
/// [`io::Error`]: `out` failed.
pub fn write_npy(snapshot: &Snapshot, mut out: impl Write) -> io::Result<()> {
    let weights = snapshot.model.weights();
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}",
        weights.len()
    );
    // Magic, version and length take 10 bytes; the data begins at a multiple of 64.
    let unpadded = 10 + header.len() + 1;
    header.extend(std::iter::repeat_n(
        ' ',
        unpadded.next_multiple_of(64) - unpadded,
    ));
    header.push('\n');
    // At most 118 bytes, whatever the dimension.
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    out.write_all(bytemuck::cast_slice(weights))
}
