//! libsvm and svmlight text to rows.

use memchr::memchr;

/// Rows of a stretch of text, as a CSR batch in parts.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Rows {
    /// `rows + 1` offsets into `positions` and `values`.
    pub indptr: Vec<usize>,
    /// Positions, strictly increasing within a row.
    pub positions: Vec<u32>,
    /// Values, finite.
    pub values: Vec<f32>,
    /// One label a row.
    pub labels: Vec<bool>,
    /// 1 more than the largest position seen, 0 without any.
    pub dimension: usize,
}

impl Rows {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Positions and values of one row.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let span = self.indptr[row]..self.indptr[row + 1];
        (&self.positions[span.clone()], &self.values[span])
    }

    fn clear(&mut self) {
        self.indptr.clear();
        self.indptr.push(0);
        self.positions.clear();
        self.values.clear();
        self.labels.clear();
        self.dimension = 0;
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct LineError {
    /// 1-based line within the text.
    pub line: u64,
    /// What is wrong.
    pub kind: LineErrorKind,
}

/// What can be wrong with a line of libsvm text.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LineErrorKind {
    /// The label is not one of the four.
    #[error("label {0:?} is not 0, 1, -1 or +1")]
    Label(String),
    /// A feature is not `position:value`.
    #[error("{0:?} is not position:value")]
    Feature(String),
    /// A position is too large.
    #[error("position {position} is beyond the limit of {limit} positions")]
    Position {
        /// The position as written.
        position: String,
        /// Number of positions allowed.
        limit: u32,
    },
    /// A value is not a finite number.
    #[error("value {value:?} of position {position} is not a finite number")]
    Value {
        /// The position.
        position: u32,
        /// The value as written.
        value: String,
    },
    /// A position stands twice in a row.
    #[error("position {0} stands twice")]
    Duplicate(u32),
}

/// Parses whole lines of libsvm or svmlight text into `rows`, replacing what was there.
///
/// Labels are 0, 1, -1 or +1 (also written `1.0`); `#` starts a comment; blank lines are skipped;
/// `qid:n` is ignored; positions may come in any order. Positions are taken as they are written, so
/// a 1-based file leaves position 0 unused.
///
/// # Errors
///
/// [`LineError`] names the first bad line, counted from 1 at the start of `text`.
pub fn parse(text: &[u8], limit: u32, rows: &mut Rows) -> Result<(), LineError> {
    rows.clear();
    let mut rest = text;
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        parse_line(rest, end, limit, rows).map_err(|kind| LineError { line, kind })?;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(())
}

/// Parses the line that is the first `end` bytes of a text.
fn parse_line(text: &[u8], end: usize, limit: u32, rows: &mut Rows) -> Result<(), LineErrorKind> {
    let line = &text[..end];
    let mut cursor = skip_blanks(line);
    if cursor.first().is_none_or(|&byte| byte == b'#') {
        return Ok(());
    }
    let (token, after) = split_token(cursor);
    let label = label(token)?;
    cursor = skip_blanks(after);
    let start = rows.positions.len();
    loop {
        let at = unit_features(text, end - cursor.len(), limit, rows);
        cursor = skip_blanks(line.get(at..).unwrap_or_default());
        match cursor.first() {
            None | Some(b'#') => break,
            _ if cursor.starts_with(b"qid:") => cursor = skip_blanks(split_token(cursor).1),
            _ => {
                let (position, value, after) = feature(cursor, limit)?;
                rows.positions.push(position);
                rows.values.push(value);
                cursor = skip_blanks(after);
            }
        }
    }
    if !is_increasing(&rows.positions[start..]) {
        sort_row(&mut rows.positions[start..], &mut rows.values[start..])?;
    }
    if let Some(&last) = rows.positions[start..].last() {
        rows.dimension = rows.dimension.max(last as usize + 1);
    }
    rows.labels.push(label);
    rows.indptr.push(rows.positions.len());
    Ok(())
}

/// Takes features of value 1 as most files write them, `position:1` and one blank, from byte `at` of
/// the text up to the first thing that is not one; returns where that is.
///
/// Sixteen bytes are looked at, which may reach into the next line; what is taken does not.
#[inline(always)]
fn unit_features(text: &[u8], mut at: usize, limit: u32, rows: &mut Rows) -> usize {
    // Appended some at a time, which is cheaper than one by one.
    let mut found = [0; 32];
    let mut count = 0;
    while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let Some((position, digits)) = short_position(bytes) else {
            break;
        };
        let [value, blank] = [1, 2].map(|k| bytes[(digits + k) % 16]);
        if value != b'1' || !(blank == b' ' || blank == b'\n') || position >= limit {
            break;
        }
        found[count % found.len()] = position;
        count += 1;
        at += digits + 3;
        if count == found.len() {
            rows.positions.extend_from_slice(&found);
            count = 0;
        }
        if blank == b'\n' {
            break;
        }
    }
    rows.positions.extend_from_slice(&found[..count]);
    rows.values.resize(rows.positions.len(), 1.0);
    at
}

fn label(token: &[u8]) -> Result<bool, LineErrorKind> {
    match token {
        b"1" | b"+1" => Ok(true),
        b"0" | b"-1" => Ok(false),
        b"1.0" | b"+1.0" => Ok(true),
        b"0.0" | b"-1.0" => Ok(false),
        _ => Err(LineErrorKind::Label(text(token))),
    }
}

/// One `position:value`, and what follows it.
#[inline]
fn feature(cursor: &[u8], limit: u32) -> Result<(u32, f32, &[u8]), LineErrorKind> {
    let (position, tail) = match cursor.first_chunk::<8>().and_then(short_position) {
        Some((position, digits)) if position < limit => (position, &cursor[digits + 1..]),
        _ => position(cursor, limit)?,
    };
    if let [b'1', rest @ ..] = tail
        && rest.first().is_none_or(|&byte| is_blank(byte))
    {
        return Ok((position, 1.0, rest));
    }
    if let Some((value, rest)) = short_decimal(tail) {
        return Ok((position, value, rest));
    }
    let (token, after) = split_token(tail);
    let value = std::str::from_utf8(token)
        .ok()
        .and_then(|token| token.parse().ok())
        .filter(|value: &f32| value.is_finite())
        .ok_or_else(|| LineErrorKind::Value {
            position,
            value: text(token),
        })?;
    Ok((position, value, after))
}

/// A position of one to seven digits before a colon, and how many there are, from eight bytes at once:
/// the colon by a sum that sets a bit in it and in no digit, the digits by sums of pairs and fours.
#[inline(always)]
fn short_position<const N: usize>(bytes: &[u8; N]) -> Option<(u32, usize)> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let word = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    // Six more sets bit 6 of a colon, of no digit and of no blank.
    let found = word.wrapping_add(ONES * 6) & (ONES << 6);
    let digits = found.trailing_zeros() / 8;
    if digits == 0 || digits == 8 || (word >> (8 * digits)) & 0xff != u64::from(b':') {
        return None;
    }
    // The digits at the end of the word, zeros before them.
    let word = (word ^ (ONES * b'0' as u64)) << (64 - 8 * digits);
    let above_nine = word.wrapping_add(ONES * (0x80 - 10)) | word;
    if above_nine & HIGH != 0 {
        return None;
    }
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let high = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    let position = (high.wrapping_add(low) >> 32) as u32;
    Some((position, digits as usize))
}

/// A position of any length and its colon, and what follows them.
fn position(cursor: &[u8], limit: u32) -> Result<(u32, &[u8]), LineErrorKind> {
    let mut position = 0_u64;
    let mut at = 0;
    while let Some(digit) = cursor.get(at).map(|byte| byte.wrapping_sub(b'0')) {
        if digit > 9 || at > 10 {
            break;
        }
        position = position * 10 + u64::from(digit);
        at += 1;
    }
    if at == 0 || cursor.get(at) != Some(&b':') {
        return Err(LineErrorKind::Feature(text(split_token(cursor).0)));
    }
    let position = u32::try_from(position).ok();
    let position = position.filter(|&position| position < limit);
    let position = position.ok_or_else(|| LineErrorKind::Position {
        position: text(&cursor[..at]),
        limit,
    })?;
    Ok((position, &cursor[at + 1..]))
}

/// A decimal number without exponent up to a blank, and what follows it: a mantissa below 2^24 and
/// at most ten decimals divide without a second rounding, because both are exact in `f32`.
#[inline]
fn short_decimal(cursor: &[u8]) -> Option<(f32, &[u8])> {
    const POWERS: [f32; 11] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
    let (negative, digits) = match cursor {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut mantissa = 0_u32;
    let mut point = None;
    let mut at = 0;
    while let Some(&byte) = digits.get(at) {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u32::from(byte - b'0');
                if mantissa >= 1 << 24 {
                    return None;
                }
            }
            b'.' if point.is_none() => point = Some(at),
            _ if is_blank(byte) => break,
            _ => return None,
        }
        at += 1;
    }
    if at == usize::from(point.is_some()) {
        return None;
    }
    let decimals = point.map_or(0, |point| at - point - 1);
    #[allow(clippy::cast_precision_loss)] // below 2^24, exact
    let magnitude = mantissa as f32 / POWERS.get(decimals)?;
    let value = if negative { -magnitude } else { magnitude };
    Some((value, &digits[at..]))
}

/// Whether positions strictly increase: all compared, several at a time, and not up to the first fault.
fn is_increasing(positions: &[u32]) -> bool {
    let next = positions.get(1..).unwrap_or_default();
    let pairs = positions.iter().zip(next);
    pairs.fold(true, |so_far, (a, b)| so_far & (a < b))
}

fn sort_row(positions: &mut [u32], values: &mut [f32]) -> Result<(), LineErrorKind> {
    let mut pairs: Vec<(u32, f32)> = positions
        .iter()
        .copied()
        .zip(values.iter().copied())
        .collect();
    pairs.sort_by_key(|&(position, _)| position);
    if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(LineErrorKind::Duplicate(pair[0].0));
    }
    for (index, (position, value)) in pairs.into_iter().enumerate() {
        positions[index] = position;
        values[index] = value;
    }
    Ok(())
}

#[inline]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

#[inline]
fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&byte| is_blank(byte)).count();
    &text[blanks..]
}

#[inline]
fn split_token(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|&byte| is_blank(byte))
        .unwrap_or(text.len());
    text.split_at(end)
}

fn text(token: &[u8]) -> String {
    let shown = token.get(..40).unwrap_or(token);
    String::from_utf8_lossy(shown).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<Rows, LineError> {
        let mut rows = Rows::default();
        parse(text.as_bytes(), 1 << 24, &mut rows).map(|()| rows)
    }

    #[test]
    fn labels_comments_blank_lines_and_empty_rows() {
        let rows = parsed("# head\n+1 1:1 7:0.5 # note\n\n-1\n0 qid:3 2:-2e-1\r\n1.0 0:3").unwrap();
        assert_eq!(rows.labels, [true, false, false, true]);
        assert_eq!(rows.row(0), (&[1, 7][..], &[1.0, 0.5][..]));
        assert_eq!(rows.row(1), (&[][..], &[][..]));
        assert_eq!(rows.row(2), (&[2][..], &[-0.2][..]));
        assert_eq!(rows.dimension, 8);
    }

    #[test]
    fn rows_out_of_order_are_sorted() {
        let rows = parsed("1 9:2 3:4").unwrap();
        assert_eq!(rows.row(0), (&[3, 9][..], &[4.0, 2.0][..]));
    }

    #[test]
    fn a_bad_line_is_named() {
        let message = |text: &str| parsed(text).unwrap_err().to_string();
        assert_eq!(
            message("1 1:1\n2 1:1"),
            "line 2: label \"2\" is not 0, 1, -1 or +1"
        );
        assert_eq!(message("1 a:1"), "line 1: \"a:1\" is not position:value");
        assert_eq!(
            message("1 1:nan"),
            "line 1: value \"nan\" of position 1 is not a finite number"
        );
        assert_eq!(
            message("1 1:inf"),
            "line 1: value \"inf\" of position 1 is not a finite number"
        );
        assert_eq!(message("1 3:1 3:2 "), "line 1: position 3 stands twice");
        assert_eq!(
            message("1 99999999999:1"),
            "line 1: position 99999999999 is beyond the limit of 16777216 positions"
        );
    }

    #[test]
    fn positions_of_every_length_are_read() {
        for position in [
            0, 7, 42, 999, 1_000, 65_535, 123_456, 9_999_999, 10_000_000, 16_777_215,
        ] {
            for padding in ["", "0", "000"] {
                let row = format!("1 {padding}{position}:1 16777215:-0.5 # after");
                let expected = if position < 16_777_215 {
                    Ok((vec![position, 16_777_215], vec![1.0, -0.5]))
                } else {
                    Err(LineErrorKind::Duplicate(position))
                };
                let read = parsed(&row).map(|rows| (rows.positions, rows.values));
                assert_eq!(read.map_err(|error| error.kind), expected, "{row}");
            }
        }
    }

    #[test]
    fn bytes_beside_the_digits_are_no_digits() {
        // Each would pass a careless test of eight bytes at once.
        for bad in [
            "1/2",
            "1;2",
            " /",
            "1\u{e9}",
            "9\u{ff}\u{ff}",
            "1-",
            ";",
            "/9",
            "\u{b9}",
        ] {
            let row = format!("1 {bad}:1 9:1 10:1");
            assert!(parsed(&row).is_err(), "{row}");
        }
    }

    proptest! {
        #[test]
        fn rows_are_those_of_a_plain_reader(
            row in proptest::collection::btree_map(0_u32..1 << 24, -2_000_000_i32..2_000_000, 0..9),
            scale in 0_i32..8,
        ) {
            let decimals = usize::try_from(scale).unwrap();
            let value = |value: i32| format!("{:.decimals$}", f64::from(value) / 10_f64.powi(scale));
            let line: String = row.iter().map(|(at, &v)| format!(" {at}:{}", value(v))).collect();
            let rows = parsed(&format!("1{line}")).unwrap();
            prop_assert_eq!(rows.positions, row.keys().copied().collect::<Vec<_>>());
            let values: Vec<f32> = row.values().map(|&v| value(v).parse().unwrap()).collect();
            prop_assert_eq!(rows.values, values);
        }

        #[test]
        fn values_are_those_of_the_standard_library(value in any::<f32>()) {
            prop_assume!(value.is_finite());
            for text in [format!("1 5:{value}"), format!("1 5:{value:e}"), format!("1 5:{value:.3}")] {
                let expected: f32 = text[4..].parse().unwrap();
                prop_assert_eq!(parsed(&text).unwrap().values[0].to_bits(), expected.to_bits());
            }
        }

        #[test]
        fn lines_of_ones_and_others_are_those_of_a_plain_reader(
            lines in proptest::collection::vec(
                proptest::collection::vec((0_u32..1 << 24, 0..4_usize, 0..3_usize), 0..70),
                0..5,
            ),
            ended in any::<bool>(),
        ) {
            let (mut text, mut expected) = (Vec::new(), Vec::new());
            for (number, line) in lines.iter().enumerate() {
                let mut features: Vec<(u32, f32)> = Vec::new();
                text.push(if number % 2 == 0 { "1 " } else { "-1 " }.to_owned());
                for &(position, value, blank) in line {
                    let (written, value) = [("1", 1.0), ("1", 1.0), ("1.5", 1.5), ("-1", -1.0)][value];
                    if features.iter().all(|&(other, _)| other != position) {
                        text.push(format!("{position}:{written}{}", [" ", "  ", "\t"][blank]));
                        features.push((position, value));
                    }
                }
                text.push("\n".to_owned());
                features.sort_by_key(|&(position, _)| position);
                expected.push(features);
            }
            let mut text = text.concat();
            if !ended {
                text.truncate(text.trim_end().len());
            }
            let rows = parsed(&text).unwrap();
            let read: Vec<Vec<(u32, f32)>> = (0..rows.len())
                .map(|row| rows.row(row))
                .map(|(positions, values)| positions.iter().copied().zip(values.iter().copied()).collect())
                .collect();
            prop_assert_eq!(read, expected, "{}", text);
        }

        #[test]
        fn no_text_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text, 1 << 24, &mut Rows::default());
        }
    }
}
