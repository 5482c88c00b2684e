//! libsvm and svmlight text to rows.

use memchr::memchr;

use super::ones::Ones;
use super::rows::RowFault;
pub use super::rows::Rows;

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
        /// The position, as written where that cannot be a number.
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
    // With the widest instructions that this machine has.
    pulp::Arch::new().dispatch(Lines { text, limit, rows })
}

/// The lines of a text, to be read into rows.
struct Lines<'a> {
    text: &'a [u8],
    limit: u32,
    rows: &'a mut Rows,
}

impl pulp::NullaryFnOnce for Lines<'_> {
    type Output = Result<(), LineError>;

    #[inline(always)]
    fn call(mut self) -> Self::Output {
        let read = self.read();
        // A row that is wrong as a whole stands before the line that cannot be read.
        let whole = self.rows.finish(self.limit);
        whole.map_err(|(row, fault)| LineError {
            line: line_of(self.text, row),
            kind: match fault {
                RowFault::Position(position) => LineErrorKind::Position {
                    position: position.to_string(),
                    limit: self.limit,
                },
                RowFault::Duplicate(position) => LineErrorKind::Duplicate(position),
            },
        })?;
        read
    }
}

impl Lines<'_> {
    #[inline(always)]
    fn read(&mut self) -> Result<(), LineError> {
        let mut start = 0;
        let mut line = 0;
        while start < self.text.len() {
            line += 1;
            let rest = &self.text[start..];
            let end = start + memchr(b'\n', rest).unwrap_or(rest.len());
            self.read_line(start, end)
                .map_err(|kind| LineError { line, kind })?;
            start = end + 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn read_line(&mut self, start: usize, end: usize) -> Result<(), LineErrorKind> {
        let line = &self.text[..end];
        let mut cursor = skip_blanks(&line[start..]);
        if is_comment(cursor) {
            return Ok(());
        }
        let (token, after) = split_token(cursor);
        let label = label(token)?;
        cursor = skip_blanks(after);
        let mut try_ones = true;
        loop {
            if try_ones {
                let at = self.read_ones(end - cursor.len(), end);
                cursor = skip_blanks(line.get(at..).unwrap_or_default());
            }
            if is_comment(cursor) {
                break;
            }
            if cursor.starts_with(b"qid:") {
                cursor = skip_blanks(split_token(cursor).1);
                continue;
            }
            let (position, value, after) = feature(cursor, self.limit)?;
            self.rows.push(position, value);
            cursor = skip_blanks(after);
            // Where other values are, more of them follow.
            try_ones = value.to_bits() == 1_f32.to_bits();
        }
        self.rows.end_row(label);
        Ok(())
    }

    /// Reads features of value 1 as most files write them, `position:1` and one blank, from byte `at`
    /// of a line that ends at byte `end`, up to the first thing that is not one; returns where that is.
    ///
    /// What is looked at may reach into the next line; what is taken does not.
    #[inline(always)]
    fn read_ones(&mut self, mut at: usize, end: usize) -> usize {
        while at <= end
            && let Some(window) = self.text.get(at..).and_then(<[u8]>::first_chunk)
        {
            let ones = Ones::first(window, end - at);
            if ones.count == 0 {
                break;
            }
            self.rows.push_ones(&ones.positions, ones.count);
            at += ones.bytes;
        }
        at
    }
}

/// Whether nothing but a comment is left of a line.
#[inline(always)]
fn is_comment(cursor: &[u8]) -> bool {
    cursor.first().is_none_or(|&byte| byte == b'#')
}

/// The 1-based line of a row.
fn line_of(text: &[u8], row: usize) -> u64 {
    let lines = text.split(|&byte| byte == b'\n').zip(1..);
    let mut rows = lines.filter(|(line, _)| !is_comment(skip_blanks(line)));
    rows.nth(row).map_or(0, |(_, line)| line)
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
    let (position, tail) = match cursor.first_chunk().and_then(short_position) {
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
fn short_position(bytes: &[u8; 8]) -> Option<(u32, usize)> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let word = u64::from_le_bytes(*bytes);
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

    fn row_of(rows: &Rows, row: usize) -> (&[u32], &[f32]) {
        let span = rows.indptr[row]..rows.indptr[row + 1];
        (&rows.positions[span.clone()], &rows.values[span])
    }

    fn parsed(text: &str) -> Result<Rows, LineError> {
        let mut rows = Rows::default();
        parse(text.as_bytes(), 1 << 24, &mut rows).map(|()| rows)
    }

    #[test]
    fn labels_comments_blank_lines_and_empty_rows() {
        let rows = parsed("# head\n+1 1:1 7:0.5 # note\n\n-1\n0 qid:3 2:-2e-1\r\n1.0 0:3").unwrap();
        assert_eq!(rows.labels, [true, false, false, true]);
        assert_eq!(row_of(&rows, 0), (&[1, 7][..], &[1.0, 0.5][..]));
        assert_eq!(row_of(&rows, 1), (&[][..], &[][..]));
        assert_eq!(row_of(&rows, 2), (&[2][..], &[-0.2][..]));
    }

    #[test]
    fn rows_out_of_order_are_sorted() {
        let rows = parsed("1 9:2 3:4").unwrap();
        assert_eq!(row_of(&rows, 0), (&[3, 9][..], &[4.0, 2.0][..]));
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

    #[test]
    fn the_first_bad_line_is_named_whatever_is_wrong_with_it() {
        let message = |text: &str| parsed(text).unwrap_err().to_string();
        // Past comments and blank lines, and before what is wrong further on.
        let ones = "1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1 10:1 11:1 12:1 13:1 14:1 15:1 16:1 17:1 18:1";
        let text = |row: &str| format!("# head\n{ones}\n\n{row}\n  # note\n{ones} x:1\n");
        assert_eq!(
            message(&text(ones)),
            "line 6: \"x:1\" is not position:value"
        );
        assert_eq!(
            message(&text(&format!("{ones} 5:1"))),
            "line 4: position 5 stands twice"
        );
        assert_eq!(
            message(&text(&format!("{ones} 16777216:1"))),
            "line 4: position 16777216 is beyond the limit of 16777216 positions"
        );
        assert_eq!(
            message(&text(&format!("{ones} 123456789:1"))),
            "line 4: position 123456789 is beyond the limit of 16777216 positions"
        );
        assert_eq!(
            message(&text(&format!("{ones} :1 {ones}"))),
            "line 4: \":1\" is not position:value"
        );
    }

    /// A piece of text that often is a feature of value 1.
    fn piece() -> impl Strategy<Value = String> {
        let position =
            (0_u32..1 << 24, 0_u32..8).prop_map(|(position, bits)| position >> (3 * bits));
        let ones = position
            .clone()
            .prop_map(|position| format!("{position}:1 "));
        let others = (
            position,
            proptest::sample::select(vec!["1", "2", "0.5", "-1", "1.0", "10", "1e0", "12:1"]),
        )
            .prop_map(|(position, value)| format!("{position}:{value} "));
        let odd = proptest::sample::select(vec![
            " ",
            "\t",
            "\r\n",
            "\n\n",
            "# 1:1\n",
            "#",
            "qid:1 ",
            "16777216:1 ",
            "0000000007:1 ",
            "123456789",
            ":",
            ":1 ",
            "1",
            "x",
            "/",
            "\u{b9}",
            "\n2 ",
        ]);
        prop_oneof![
            600 => ones,
            60 => others,
            30 => Just("\n1 ".to_owned()),
            30 => Just("\n-1 ".to_owned()),
            4 => odd.prop_map(str::to_owned),
        ]
    }

    type Pairs = Vec<(u32, f32)>;

    /// Labels and rows, or the first bad line.
    fn read(text: &str) -> Result<Vec<(bool, Pairs)>, u64> {
        let rows = parsed(text).map_err(|error| error.line)?;
        let pairs = |row| {
            let (positions, values) = row_of(&rows, row);
            positions
                .iter()
                .copied()
                .zip(values.iter().copied())
                .collect()
        };
        let labels = rows.labels.iter().copied();
        Ok(labels.zip((0..rows.labels.len()).map(pairs)).collect())
    }

    /// The same by the standard library.
    fn plainly_read(text: &str) -> Result<Vec<(bool, Pairs)>, u64> {
        let mut rows = Vec::new();
        for (line, number) in text.split('\n').zip(1_u64..) {
            let tokens = line
                .split([' ', '\t', '\r'])
                .filter(|token| !token.is_empty());
            let mut tokens = tokens.take_while(|token| !token.starts_with('#'));
            if let Some(label) = tokens.next() {
                let pairs = tokens
                    .filter(|token| !token.starts_with("qid:"))
                    .map(plain_pair);
                let pairs = pairs.collect::<Option<Pairs>>().and_then(in_order);
                let row = label_of(label).zip(pairs).ok_or(number)?;
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn label_of(token: &str) -> Option<bool> {
        let labels = [("1", true), ("0", false), ("-1", false)];
        labels
            .iter()
            .find(|label| label.0 == token)
            .map(|label| label.1)
    }

    fn plain_pair(token: &str) -> Option<(u32, f32)> {
        let (position, value) = token.split_once(':')?;
        let digits = position.bytes().all(|byte| byte.is_ascii_digit());
        let position = position
            .parse()
            .ok()
            .filter(|&position| digits && position < 1 << 24)?;
        let value: f32 = value.parse().ok()?;
        value.is_finite().then_some((position, value))
    }

    fn in_order(mut pairs: Pairs) -> Option<Pairs> {
        pairs.sort_by_key(|pair| pair.0);
        pairs.is_sorted_by(|a, b| a.0 < b.0).then_some(pairs)
    }

    #[test]
    fn a_feature_is_whole_wherever_a_window_ends() {
        let next: String = (80..100).map(|at| format!("{at}:1 ")).collect();
        for (ones, first) in
            (0..40).flat_map(|ones| [(ones, 10_u32), (ones, 1_000), (ones, 100_000)])
        {
            let features: String = (first..first + ones).map(|at| format!("{at}:1 ")).collect();
            for last in ["77:1", "77:2", "7777777:12", "7:1e1"] {
                for after in [" ", "\t", "\r\n0 ", "\n0 ", "\n"] {
                    let text = format!("1 {features}{last}{after}{next}");
                    assert_eq!(read(&text), plainly_read(&text), "{text:?}");
                }
            }
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
        fn text_is_read_as_by_a_plain_reader(pieces in proptest::collection::vec(piece(), 0..200)) {
            let text = format!("1 {}", pieces.concat());
            prop_assert_eq!(read(&text), plainly_read(&text), "{:?}", text);
        }

        #[test]
        fn no_text_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text, 1 << 24, &mut Rows::default());
        }
    }
}
