//! Where everything of a chunk lies: the footer, and the buffers of each batch.
//!
//! Arrow's own reader trusts lengths and offsets in places and panics where they lie. A chunk has one
//! schema, so its few buffers are found here, each range checked against the file.

use std::ops::Range;

use arrow_ipc::{Block, Endianness, Footer, MessageHeader, Precision, Type, root_as_message};
use arrow_schema::{DataType, Field};

use super::{ChunkError, METADATA_KEY};

/// Bytes of the magic at the beginning, padded, and at the end.
const MAGIC: &[u8] = b"ARROW1";

/// How the footer's metadata begins, up to the digits.
const CRC_PREFIX: &str = r#"{"_crc32":""#;
/// Digits of a checksum.
pub(super) const CRC_DIGITS: usize = 8;

/// Bytes before the flatbuffer of a message: a marker and a length.
const MESSAGE_PREFIX: usize = 8;
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Nodes and buffers of a batch, as the schema's columns lay them out.
const NODES: usize = 10;
const BUFFERS: usize = 23;

/// Ranges of a file that hold the buffers of one batch.
#[derive(Debug, Clone, Default)]
pub(super) struct BatchLayout {
    /// Everything that the batch's checksum is over.
    pub(super) block: Range<usize>,
    pub(super) rows: usize,
    pub(super) row_ends: Range<usize>,
    pub(super) positions: Range<usize>,
    pub(super) values: Range<usize>,
    pub(super) labels: Range<usize>,
    pub(super) importances: Range<usize>,
    pub(super) times_ms: Range<usize>,
    /// Ends and bytes of the ids of events, users and items.
    pub(super) ids: [(Range<usize>, Range<usize>); 3],
}

/// The flatbuffer of the footer, at the end of `bytes`.
pub(super) fn footer_of(bytes: &[u8]) -> Result<&[u8], ChunkError> {
    let not_a_chunk = |reason| ChunkError::NotAChunk { reason };
    let rest = bytes
        .strip_suffix(MAGIC)
        .ok_or(not_a_chunk("it does not end with `ARROW1`"))?;
    let (rest, length) = rest
        .split_last_chunk::<4>()
        .ok_or(not_a_chunk("it has no footer"))?;
    let length = usize::try_from(i32::from_le_bytes(*length)).ok();
    length
        .and_then(|length| rest.len().checked_sub(length))
        .and_then(|start| rest.get(start..))
        .ok_or(not_a_chunk("its footer is longer than it is"))
}

/// Checks that `bytes` begin as an Arrow file.
pub(super) fn check_magic(bytes: &[u8]) -> Result<(), ChunkError> {
    if bytes.starts_with(MAGIC) {
        return Ok(());
    }
    Err(ChunkError::NotAChunk {
        reason: "it does not begin with `ARROW1`",
    })
}

pub(super) fn broken_footer(error: &dyn std::fmt::Display) -> ChunkError {
    broken("footer", error)
}

fn broken(part: impl Into<String>, reason: impl std::fmt::Display) -> ChunkError {
    ChunkError::Layout {
        part: part.into(),
        reason: reason.to_string(),
    }
}

/// The canonical JSON under the key of this format.
fn metadata_text<'a>(
    pairs: impl Iterator<Item = arrow_ipc::KeyValue<'a>>,
) -> Result<&'a str, ChunkError> {
    pairs
        .filter(|pair| pair.key() == Some(METADATA_KEY))
        .find_map(|pair| pair.value())
        .ok_or_else(|| ChunkError::Metadata {
            reason: format!("key `{METADATA_KEY}` is missing"),
        })
}

/// The JSON of the footer's metadata.
pub(super) fn footer_text<'a>(footer: &Footer<'a>) -> Result<&'a str, ChunkError> {
    metadata_text(footer.custom_metadata().into_iter().flatten())
}

/// The JSON of the schema's metadata.
pub(super) fn schema_text<'a>(footer: &Footer<'a>) -> Result<&'a str, ChunkError> {
    let schema = footer.schema();
    metadata_text(
        schema
            .and_then(|schema| schema.custom_metadata())
            .into_iter()
            .flatten(),
    )
}

/// Where in `bytes`, which hold the footer, the digits of the frame's checksum stand.
pub(super) fn digits_at(footer: &Footer<'_>, bytes: &[u8]) -> Result<Range<usize>, ChunkError> {
    let text = footer_text(footer)?;
    let start = (text.as_ptr().addr())
        .checked_sub(bytes.as_ptr().addr())
        .map(|start| start + CRC_PREFIX.len());
    match start {
        Some(start) if text.starts_with(CRC_PREFIX) && bytes.len() - start >= CRC_DIGITS => {
            Ok(start..start + CRC_DIGITS)
        }
        _ => Err(ChunkError::Metadata {
            reason: "the footer does not begin with its checksum".to_owned(),
        }),
    }
}

/// Checks that the columns are those of the format.
pub(super) fn check_schema(footer: &Footer<'_>, expected: &[Field]) -> Result<(), ChunkError> {
    let schema = footer
        .schema()
        .ok_or_else(|| broken("schema", "there is none"))?;
    if schema.endianness() != Endianness::Little {
        return Err(broken("schema", "numbers are not little-endian"));
    }
    let fields = schema.fields().unwrap_or_default();
    let same = fields.len() == expected.len()
        && fields
            .iter()
            .zip(expected)
            .all(|(field, expected)| is_field(&field, expected));
    if same {
        return Ok(());
    }
    let names: Vec<&str> = expected.iter().map(|field| field.name().as_str()).collect();
    let names = names.join("`, `");
    Err(broken(
        "schema",
        format!("the columns are not `{names}` with their types"),
    ))
}

fn is_field(field: &arrow_ipc::Field<'_>, expected: &Field) -> bool {
    let children = field.children().unwrap_or_default();
    let is_type = match expected.data_type() {
        DataType::UInt32 => is_int(field, 32, false),
        DataType::Int64 => is_int(field, 64, true),
        DataType::Float32 => field
            .type_as_floating_point()
            .is_some_and(|float| float.precision() == Precision::SINGLE),
        DataType::Boolean => field.type_type() == Type::Bool,
        DataType::Utf8 => field.type_type() == Type::Utf8,
        DataType::List(item) => {
            return field.name() == Some(expected.name())
                && field.type_type() == Type::List
                && field.dictionary().is_none()
                && children.len() == 1
                && is_field(&children.get(0), item);
        }
        _ => false,
    };
    is_type
        && field.name() == Some(expected.name())
        && field.dictionary().is_none()
        && children.is_empty()
}

fn is_int(field: &arrow_ipc::Field<'_>, bits: i32, signed: bool) -> bool {
    field
        .type_as_int()
        .is_some_and(|int| int.bitWidth() == bits && int.is_signed() == signed)
}

/// The range of a batch in a file, which must begin at `start`.
pub(super) fn block_range(
    block: &Block,
    index: usize,
    start: Option<usize>,
    length: usize,
) -> Result<Range<usize>, ChunkError> {
    let range = || {
        let begin = usize::try_from(block.offset()).ok()?;
        let metadata = usize::try_from(block.metaDataLength()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let end = begin.checked_add(metadata)?.checked_add(body)?;
        (end <= length && start.is_none_or(|start| start == begin)).then_some(begin..end)
    };
    range().ok_or_else(|| {
        broken(
            format!("batch {index}"),
            "it is not where the batch before it ends, or leaves the file",
        )
    })
}

/// Finds the buffers of a batch, each within its block.
pub(super) fn batch(
    bytes: &[u8],
    block: &Block,
    range: Range<usize>,
    index: usize,
) -> Result<BatchLayout, ChunkError> {
    let failed = |reason: &dyn std::fmt::Display| broken(format!("batch {index}"), reason);
    let metadata = usize::try_from(block.metaDataLength()).unwrap_or(0);
    let message = bytes
        .get(range.clone())
        .and_then(|block| block.get(..metadata))
        .and_then(|prefix| prefix.strip_prefix(&CONTINUATION))
        .and_then(|prefix| prefix.get(MESSAGE_PREFIX - CONTINUATION.len()..))
        .ok_or_else(|| failed(&"it has no message"))?;
    let message = root_as_message(message).map_err(|error| failed(&error))?;
    let header = (message.header_type() == MessageHeader::RecordBatch)
        .then(|| message.header_as_record_batch())
        .flatten()
        .filter(|header| header.compression().is_none())
        .ok_or_else(|| failed(&"it is not a batch of rows without compression"))?;
    let nodes = header.nodes().unwrap_or_default();
    let buffers = header.buffers().unwrap_or_default();
    if nodes.len() != NODES || buffers.len() != BUFFERS {
        return Err(failed(&"it has not the buffers of its columns"));
    }
    let rows = usize::try_from(header.length()).map_err(|error| failed(&error))?;
    let no_nulls = nodes.iter().all(|node| node.null_count() == 0);
    let nnz = usize::try_from(nodes.get(1).length()).map_err(|error| failed(&error))?;
    let lengths = nodes.iter().map(|node| usize::try_from(node.length()).ok());
    // The second and the fourth are the entries of the two lists.
    let expected = (0..NODES).map(|node| Some(if matches!(node, 1 | 3) { nnz } else { rows }));
    if !no_nulls || !lengths.eq(expected) {
        return Err(failed(&"its columns are not equally long"));
    }

    let body = range.start + metadata..range.end;
    let mut next = buffers.iter();
    let mut buffer = |elements: Option<usize>, width: usize| {
        let buffer = next.next()?;
        let start = body
            .start
            .checked_add(usize::try_from(buffer.offset()).ok()?)?;
        let length = usize::try_from(buffer.length()).ok()?;
        let end = start.checked_add(length)?;
        let wanted = elements.map_or(Some(length), |elements| elements.checked_mul(width))?;
        // A buffer of bits may be padded; nothing else is longer than what it holds.
        let fits = end <= body.end && start % 8 == 0 && length == wanted;
        fits.then_some(start..end)
    };
    let mut layout = BatchLayout {
        block: range.clone(),
        rows,
        ..BatchLayout::default()
    };
    let mut all = || {
        let ends = (rows > 0).then_some(rows + 1);
        let bits = rows.div_ceil(8);
        let mut no_validity = || buffer(Some(0), 1).map(drop);
        no_validity()?;
        layout.row_ends = buffer(ends, 4)?;
        buffer(Some(0), 1)?;
        layout.positions = buffer(Some(nnz), 4)?;
        buffer(Some(0), 1)?;
        let again = buffer(ends, 4)?;
        buffer(Some(0), 1)?;
        layout.values = buffer(Some(nnz), 4)?;
        buffer(Some(0), 1)?;
        layout.labels = buffer(Some(bits), 1)?;
        buffer(Some(0), 1)?;
        layout.importances = buffer(Some(rows), 4)?;
        buffer(Some(0), 1)?;
        layout.times_ms = buffer(Some(rows), 8)?;
        for ids in &mut layout.ids {
            buffer(Some(0), 1)?;
            *ids = (buffer(ends, 4)?, buffer(None, 1)?);
        }
        (bytes.get(again)? == bytes.get(layout.row_ends.clone())?).then_some(())
    };
    match all() {
        Some(()) => Ok(layout),
        None => Err(failed(
            &"a buffer leaves the batch, or is not as long as its column",
        )),
    }
}
