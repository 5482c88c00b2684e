//! Why bytes are not a model.

use std::path::PathBuf;

/// Why bytes could not be decoded as a model or checkpoint.
///
/// Nothing is returned and nothing is changed when decoding fails.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file ends before what its first bytes announce.
    #[error("truncated: {needed} bytes announced, {actual} there")]
    Truncated {
        /// Bytes that the header announces.
        needed: u64,
        /// Bytes that are there.
        actual: u64,
    },
    /// The header claims more bytes than any model needs.
    #[error("header of {length} bytes exceeds the limit of {limit}")]
    HeaderTooLarge {
        /// Claimed length, in bytes.
        length: u64,
        /// Largest accepted length, in bytes.
        limit: u64,
    },
    /// The file does not begin as a file of this format does.
    #[error("not a {expected} file: byte {offset} is not what the format begins with")]
    NotThisFormat {
        /// What was expected: `model` or `checkpoint`, or both.
        expected: &'static str,
        /// Offset of the first byte that differs.
        offset: usize,
    },
    /// The SHA-256 over the file is not the one that it carries.
    #[error("checksum mismatch: the file says {expected}, its bytes give {actual}")]
    ChecksumMismatch {
        /// The 64 digits in the file, lossily as text.
        expected: String,
        /// The digest of the bytes.
        actual: String,
    },
    /// The header is not the JSON that the format asks for.
    #[error("invalid header: {reason}")]
    Header {
        /// What the parser says, with line and column where it knows them.
        reason: String,
    },
    /// The metadata is not the JSON that the format asks for.
    #[error("invalid metadata: {reason}")]
    Metadata {
        /// What the parser says, with line and column where it knows them.
        reason: String,
    },
    /// The file was written for newer readers only.
    #[error(
        "the file needs a reader of format version {min_reader}, this one reads up to {supported}"
    )]
    UnsupportedVersion {
        /// Oldest reader that the file allows.
        min_reader: u32,
        /// Newest format version that this crate reads.
        supported: u32,
    },
    /// A tensor that this kind of file must have is not there.
    #[error("tensor `{name}` is missing")]
    MissingTensor {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor has another element type or shape than the format gives it.
    #[error("tensor `{name}` is {actual}, expected {expected}")]
    TensorShape {
        /// Name of the tensor.
        name: String,
        /// Expected type and shape.
        expected: String,
        /// Type and shape in the file.
        actual: String,
    },
    /// A number is NaN or infinite.
    #[error("tensor `{name}` holds {value} at index {index}, which is not finite")]
    NotFinite {
        /// Name of the tensor.
        name: &'static str,
        /// Index of the element.
        index: usize,
        /// The element, as text (so that this error can be compared).
        value: String,
    },
    /// Positions are not strictly increasing.
    #[error("tensor `{name}` is not strictly increasing at index {index}")]
    PositionOrder {
        /// Name of the tensor.
        name: &'static str,
        /// Index of the element that is not above the one before it.
        index: usize,
    },
    /// A position is not below the number of columns.
    #[error("tensor `{name}` holds position {position}, the model has {columns} columns")]
    PositionOutOfRange {
        /// Name of the tensor.
        name: &'static str,
        /// The position.
        position: u32,
        /// Number of columns of the model.
        columns: u64,
    },
    /// The model has more columns than the reader allows.
    #[error("{columns} columns exceed the limit of {limit}")]
    TooManyColumns {
        /// Columns that the file claims.
        columns: u64,
        /// The limit.
        limit: u64,
    },
    /// A field of the metadata is outside of its range.
    #[error("metadata field `{field}` is {value}, allowed: {allowed}")]
    FieldOutOfRange {
        /// Path of the field.
        field: &'static str,
        /// The value, as text.
        value: String,
        /// The allowed range.
        allowed: &'static str,
    },
    /// The specification inside the file does not have the fingerprint that the metadata names.
    #[error("specification fingerprint is {actual}, the metadata says {expected}")]
    FingerprintMismatch {
        /// Fingerprint in the metadata.
        expected: String,
        /// Fingerprint of the text in the file.
        actual: String,
    },
    /// The specification inside the file does not compile.
    #[error("the specification inside the file is invalid: {reason}")]
    Spec {
        /// What the compiler of the specification says.
        reason: String,
    },
    /// A part of the file contradicts another part, or another crate refuses it.
    #[error("invalid {part}: {reason}")]
    Part {
        /// Which part: `statistics`, `learner state`, …
        part: &'static str,
        /// Why it was refused.
        reason: String,
    },
}

/// Why a snapshot or checkpoint could not be turned into bytes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A part contradicts another part; the decoder would refuse the file.
    #[error("the content would not decode")]
    Invalid {
        /// What the decoder would say.
        source: DecodeError,
    },
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("{action} {}", path.display())]
    Io {
        /// What was being done: `opening`, `writing`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The content is not a valid model or checkpoint.
    #[error("{}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The content to write is not a valid model or checkpoint.
    #[error("{} was not written", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What is wrong with the content.
        source: EncodeError,
    },
    /// A chunk of encoded events is damaged, or its rows do not fit it.
    #[cfg(feature = "chunks")]
    #[error("{}", path.display())]
    Chunk {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::chunk::ChunkError,
    },
}
