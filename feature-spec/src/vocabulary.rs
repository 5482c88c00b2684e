//! The values of a feature, each with its index; and the file they come in.
//!
//! A vocabulary file is UTF-8 text, one value a line, with an optional count after a tab.
//! A tab, a line feed, a carriage return or a backslash within a value is written `\t`, `\n`, `\r`
//! or `\\`. There are no comments, since values may start with any character. An empty line is an
//! error; the empty value is a tab and its count.

use std::borrow::Cow;

use crate::hash::xxh64;

/// Values in order of index, with a lookup by text.
///
/// Open addressing with linear probing over one arena of text: two lists and a string, whatever the
/// number of values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    text: String,
    ends: Vec<u32>,
    table: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// High bits of the hash, to tell most values apart without touching the text.
    tag: u32,
    index: u32,
}

const EMPTY: Slot = Slot {
    tag: 0,
    index: u32::MAX,
};

impl Vocabulary {
    /// Builds the lookup; an error is the index of a value that is there before.
    pub(crate) fn new<'v>(values: impl ExactSizeIterator<Item = &'v str>) -> Result<Self, usize> {
        let capacity = (values.len() * 2).next_power_of_two().max(4);
        let mut this = Self {
            text: String::new(),
            ends: Vec::with_capacity(values.len()),
            table: vec![EMPTY; capacity],
        };
        for (index, value) in values.enumerate() {
            let hash = xxh64(value.as_bytes(), 0);
            match this.probe(value, hash) {
                Ok(_) => return Err(index),
                Err(at) => {
                    let id = u32::try_from(index).map_err(|_| index)?;
                    this.table[at] = Slot {
                        tag: tag(hash),
                        index: id,
                    };
                    this.text.push_str(value);
                    this.ends
                        .push(u32::try_from(this.text.len()).map_err(|_| index)?);
                }
            }
        }
        Ok(this)
    }

    /// Number of values.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// Index of a value whose `xxh64` with seed 0 is `hash`.
    pub(crate) fn find(&self, value: &str, hash: u64) -> Option<u32> {
        self.probe(value, hash).ok()
    }

    /// Index of a value.
    pub(crate) fn index(&self, value: &str) -> Option<u32> {
        self.find(value, xxh64(value.as_bytes(), 0))
    }

    /// Value of an index.
    pub(crate) fn value(&self, index: u32) -> &str {
        let i = index as usize;
        let start = if i == 0 {
            0
        } else {
            self.ends.get(i - 1).map_or(0, |e| *e as usize)
        };
        let end = self.ends.get(i).map_or(start, |e| *e as usize);
        &self.text[start..end]
    }

    /// Values in order of index.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|i| self.value(u32::try_from(i).unwrap_or(u32::MAX)))
    }

    #[allow(clippy::cast_possible_truncation)] // the low bits are what is wanted
    fn probe(&self, value: &str, hash: u64) -> Result<u32, usize> {
        if self.table.is_empty() {
            return Err(0);
        }
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.table[at];
            if slot == EMPTY {
                return Err(at);
            }
            if slot.tag == tag(hash) && self.value(slot.index) == value {
                return Ok(slot.index);
            }
            at = (at + 1) & mask;
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // the high half
const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// One line of a vocabulary file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'t> {
    pub(crate) value: Cow<'t, str>,
    pub(crate) count: Option<u64>,
}

/// Reads the line of a value; an error says what is wrong with it.
pub(crate) fn parse_line(line: &str) -> Result<Line<'_>, String> {
    let (value, count) = match line.split_once('\t') {
        None if line.is_empty() => return Err("the line is empty".to_owned()),
        None => (line, None),
        Some((value, count)) => {
            let parsed = count
                .parse()
                .map_err(|_| format!("the count {count:?} is not a number"))?;
            (value, Some(parsed))
        }
    };
    if !value.contains(['\\', '\r']) {
        return Ok(Line {
            value: Cow::Borrowed(value),
            count,
        });
    }
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('t')) => text.push('\t'),
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('r')) => text.push('\r'),
            ('\\', Some('\\')) => text.push('\\'),
            ('\\', _) => return Err("a backslash must be followed by t, n, r or \\".to_owned()),
            ('\r', _) => return Err("a carriage return; lines end in a line feed".to_owned()),
            (c, _) => text.push(c),
        }
    }
    Ok(Line {
        value: Cow::Owned(text),
        count,
    })
}

/// Writes one line of a vocabulary file, with its line feed.
///
/// # Examples
///
/// ```
/// assert_eq!(feature_spec::vocabulary_line("a\tb", 3), "a\\tb\t3\n");
/// ```
#[must_use]
pub fn vocabulary_line(value: &str, count: u64) -> String {
    let mut line = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        match c {
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\\' => line.push_str("\\\\"),
            c => line.push(c),
        }
    }
    line.push('\t');
    line.push_str(&count.to_string());
    line.push('\n');
    line
}
