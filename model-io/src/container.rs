//! A safetensors file with one metadata key and a digest at a fixed offset.
//!
//! Encoding and decoding of bytes only: what the tensors mean is the business of
//! [`snapshot`](crate::snapshot) and [`checkpoint`](crate::checkpoint).

use std::borrow::Cow;
use std::io;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use sha2::{Digest, Sha256};

use crate::error::DecodeError;
use crate::json;

#[cfg(target_endian = "big")]
compile_error!("tensors are mapped as they are on disk, which is little-endian");

/// Newest format version that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// Every file begins with the header length (8 bytes) and these bytes, so the digest has one place.
const PREFIX: &[u8] = br#"{"__metadata__":{"ctr_predict":"{\"_sha256\":\""#;

/// Offset of the first of the 64 digits of the SHA-256 in a file.
pub const DIGEST_OFFSET: usize = 8 + PREFIX.len();

const DIGEST_DIGITS: usize = 64;
const METADATA_KEY: &str = "ctr_predict";
/// The metadata has no part that grows with the dimension; the specification is a tensor.
const HEADER_LIMIT: u64 = 16 << 20;

/// One tensor to be written.
#[derive(Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    pub(crate) fn f32(name: &str, data: &'a [f32]) -> Self {
        Self::new(name, Dtype::F32, data.len(), bytemuck::cast_slice(data))
    }

    pub(crate) fn f64(name: &str, data: &'a [f64]) -> Self {
        Self::new(name, Dtype::F64, data.len(), bytemuck::cast_slice(data))
    }

    pub(crate) fn u32(name: &str, data: &'a [u32]) -> Self {
        Self::new(name, Dtype::U32, data.len(), bytemuck::cast_slice(data))
    }

    pub(crate) fn u8(name: &str, data: &'a [u8]) -> Self {
        Self::new(name, Dtype::U8, data.len(), data)
    }

    pub(crate) fn new(name: &str, dtype: Dtype, length: usize, data: &'a [u8]) -> Self {
        Self {
            name: name.to_owned(),
            dtype,
            shape: vec![length],
            data: Cow::Borrowed(data),
        }
    }

    /// What decides the order in a file: wide elements first, so that all stay aligned.
    fn order(&self) -> (std::cmp::Reverse<usize>, &str) {
        (std::cmp::Reverse(self.dtype.bitsize()), &self.name)
    }
}

/// A file that is ready to be written: header with digest, then the tensors where they are.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    header: Vec<u8>,
    tensors: Vec<Tensor<'a>>,
}

impl<'a> Encoded<'a> {
    /// Lays out `tensors` under `metadata`, canonical JSON of an object whose first key sorts after
    /// `_sha256`, and computes the digest. Borrows the data: nothing of the size of a tensor is
    /// copied.
    pub(crate) fn new(metadata: &str, mut tensors: Vec<Tensor<'a>>) -> Result<Self, DecodeError> {
        tensors.sort_by(|a, b| a.order().cmp(&b.order()));
        let zeros = "0".repeat(DIGEST_DIGITS);
        let members = metadata.strip_prefix('{').unwrap_or(metadata);
        let text = format!("{{\"_sha256\":\"{zeros}\",{members}");
        let mut offset = 0;
        let infos = tensors.iter().map(|tensor| {
            let start = offset;
            offset += tensor.data.len();
            let info = TensorInfo {
                dtype: tensor.dtype,
                shape: tensor.shape.clone(),
                data_offsets: (start, offset),
            };
            (tensor.name.clone(), info)
        });
        let infos = infos.collect();
        let metadata = [(METADATA_KEY.to_owned(), text)].into_iter().collect();
        let reason = |error: &dyn std::fmt::Display| DecodeError::Header {
            reason: error.to_string(),
        };
        let header = Metadata::new(Some(metadata), infos).map_err(|error| reason(&error))?;
        let mut text = serde_json::to_vec(&header).map_err(|error| reason(&error))?;
        text.resize(text.len().next_multiple_of(8), b' ');
        if text.len() as u64 > HEADER_LIMIT {
            let length = text.len() as u64;
            return Err(DecodeError::HeaderTooLarge {
                length,
                limit: HEADER_LIMIT,
            });
        }
        let mut header = (text.len() as u64).to_le_bytes().to_vec();
        header.extend_from_slice(&text);

        let mut hash = Sha256::new();
        hash.update(&header);
        tensors.iter().for_each(|tensor| hash.update(&tensor.data));
        let digits = hex(&hash.finalize());
        header[DIGEST_OFFSET..DIGEST_OFFSET + DIGEST_DIGITS].copy_from_slice(digits.as_bytes());
        Ok(Self { header, tensors })
    }

    /// Size of the file, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.header.len()
            + self
                .tensors
                .iter()
                .map(|tensor| tensor.data.len())
                .sum::<usize>()
    }

    pub(crate) fn write_to(&self, mut out: impl io::Write) -> io::Result<()> {
        out.write_all(&self.header)?;
        self.tensors
            .iter()
            .try_for_each(|tensor| out.write_all(&tensor.data))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        bytes.extend_from_slice(&self.header);
        self.tensors
            .iter()
            .for_each(|tensor| bytes.extend_from_slice(&tensor.data));
        bytes
    }
}

/// A file whose digest and layout have been checked, borrowed from its bytes.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    metadata: String,
    tensors: SafeTensors<'a>,
}

impl<'a> Container<'a> {
    /// Checks length, digest, JSON and layout of `bytes`; allocates no more than the header's size.
    pub(crate) fn parse(bytes: &'a [u8], expected: &'static str) -> Result<Self, DecodeError> {
        let header = header_of(bytes, expected)?;
        let (stored, actual) = digest_of(bytes)?;
        if stored != actual.as_bytes() {
            let expected = String::from_utf8_lossy(stored).into_owned();
            return Err(DecodeError::ChecksumMismatch { expected, actual });
        }
        let text = std::str::from_utf8(header).map_err(|error| DecodeError::Header {
            reason: error.to_string(),
        })?;
        json::check_unique_keys(text).map_err(|reason| DecodeError::Header { reason })?;
        let invalid = |error: &dyn std::fmt::Display| DecodeError::Header {
            reason: error.to_string(),
        };
        let (_, layout) = SafeTensors::read_metadata(bytes).map_err(|error| invalid(&error))?;
        let metadata = layout
            .metadata()
            .as_ref()
            .and_then(|map| map.get(METADATA_KEY))
            .cloned();
        let metadata = metadata.ok_or_else(|| invalid(&"metadata key `ctr_predict` is missing"))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| invalid(&error))?;
        Ok(Self { metadata, tensors })
    }

    /// The canonical JSON of the metadata.
    pub(crate) fn metadata(&self) -> &str {
        &self.metadata
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|(name, _)| name)
    }

    pub(crate) fn f32(&self, name: &str) -> Result<Cow<'a, [f32]>, DecodeError> {
        self.vector(name, Dtype::F32).map(cast)
    }

    pub(crate) fn f64(&self, name: &str) -> Result<Cow<'a, [f64]>, DecodeError> {
        self.vector(name, Dtype::F64).map(cast)
    }

    pub(crate) fn u32(&self, name: &str) -> Result<Cow<'a, [u32]>, DecodeError> {
        self.vector(name, Dtype::U32).map(cast)
    }

    pub(crate) fn u64(&self, name: &str) -> Result<Cow<'a, [u64]>, DecodeError> {
        self.vector(name, Dtype::U64).map(cast)
    }

    pub(crate) fn dtype(&self, name: &str) -> Result<Dtype, DecodeError> {
        let view = self.tensors.tensor(name);
        view.map(|view| view.dtype())
            .map_err(|_| DecodeError::MissingTensor {
                name: name.to_owned(),
            })
    }

    pub(crate) fn u8(&self, name: &str) -> Result<&'a [u8], DecodeError> {
        self.vector(name, Dtype::U8)
    }

    fn vector(&self, name: &str, dtype: Dtype) -> Result<&'a [u8], DecodeError> {
        let view = self
            .tensors
            .tensor(name)
            .map_err(|_| DecodeError::MissingTensor {
                name: name.to_owned(),
            })?;
        if view.dtype() != dtype || view.shape().len() != 1 {
            return Err(DecodeError::TensorShape {
                name: name.to_owned(),
                expected: format!("{dtype:?} of one axis"),
                actual: format!("{:?} of shape {:?}", view.dtype(), view.shape()),
            });
        }
        Ok(view.data())
    }
}

/// Borrows where the bytes are aligned, as they are in a mapped file, and copies elsewhere.
fn cast<T: bytemuck::Pod>(bytes: &[u8]) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(slice) => Cow::Borrowed(slice),
        Err(_) => {
            let mut copy = vec![T::zeroed(); bytes.len() / size_of::<T>()];
            bytemuck::cast_slice_mut(&mut copy).copy_from_slice(bytes);
            Cow::Owned(copy)
        }
    }
}

/// Checks the announced length and the fixed prefix; returns the header's bytes.
fn header_of<'a>(bytes: &'a [u8], expected: &'static str) -> Result<&'a [u8], DecodeError> {
    let actual = bytes.len() as u64;
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(DecodeError::Truncated { needed: 8, actual });
    };
    let length = u64::from_le_bytes(*length);
    if length > HEADER_LIMIT {
        return Err(DecodeError::HeaderTooLarge {
            length,
            limit: HEADER_LIMIT,
        });
    }
    // At most 2²⁴ after the check above.
    let Some(header) = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length))
    else {
        return Err(DecodeError::Truncated {
            needed: length.saturating_add(8),
            actual,
        });
    };
    let differs = PREFIX.iter().zip(header).position(|(a, b)| a != b);
    if header.len() < PREFIX.len() + DIGEST_DIGITS || differs.is_some() {
        let offset = 8 + differs.unwrap_or(header.len());
        return Err(DecodeError::NotThisFormat { expected, offset });
    }
    Ok(header)
}

/// The stored digits and the digest of `bytes` with zeros in their place.
fn digest_of(bytes: &[u8]) -> Result<(&[u8], String), DecodeError> {
    let end = DIGEST_OFFSET + DIGEST_DIGITS;
    let (Some(stored), Some(rest)) = (bytes.get(DIGEST_OFFSET..end), bytes.get(end..)) else {
        return Err(DecodeError::Truncated {
            needed: end as u64,
            actual: bytes.len() as u64,
        });
    };
    let mut hash = Sha256::new();
    hash.update(&bytes[..DIGEST_OFFSET]);
    hash.update([b'0'; DIGEST_DIGITS]);
    hash.update(rest);
    Ok((stored, hex(&hash.finalize())))
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(feature = "registry")]
/// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
