//! A TOML table that remembers where everything stands and which keys were read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Problems, Span, nearest, suggest};

/// A value, where it stands and what it is called.
#[derive(Clone)]
pub(super) struct Node<'t> {
    pub(super) value: &'t DeValue<'t>,
    pub(super) span: Span,
    pub(super) path: String,
}

/// A table being read; keys that nobody asked for are problems.
pub(super) struct Table<'t, 'p> {
    pub(super) table: &'t DeTable<'t>,
    pub(super) span: Span,
    pub(super) path: String,
    pub(super) problems: &'p RefCell<Problems>,
    known: RefCell<BTreeSet<&'static str>>,
}

pub(super) fn span_of<T>(file: usize, spanned: &Spanned<T>) -> Span {
    let range = spanned.span();
    Span {
        file,
        start: range.start,
        end: range.end,
    }
}

impl<'t, 'p> Table<'t, 'p> {
    pub(super) fn new(
        table: &'t DeTable<'t>,
        span: Span,
        path: String,
        problems: &'p RefCell<Problems>,
    ) -> Self {
        Self {
            table,
            span,
            path,
            problems,
            known: RefCell::default(),
        }
    }

    pub(super) fn problem(&self, span: Span, path: &str, message: String, help: Option<String>) {
        self.problems.borrow_mut().add(span, path, message, help);
    }

    /// A problem at one of the table's keys, or at the table when the key is not there.
    pub(super) fn at(&self, key: &'static str, message: String, help: Option<String>) {
        match self.get(key) {
            Some(node) => self.problem(node.span, &node.path, message, help),
            None => self.problem(self.span, &self.path, message, help),
        }
    }

    pub(super) fn get(&self, key: &'static str) -> Option<Node<'t>> {
        self.known.borrow_mut().insert(key);
        let value = self.table.get(key)?;
        Some(Node {
            value: value.get_ref(),
            span: span_of(self.span.file, value),
            path: self.join(key),
        })
    }

    /// Makes keys known that may not be asked for.
    pub(super) fn know(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// All entries, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(&'t str, Span, Node<'t>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                let name: &'t str = key.get_ref();
                let span = span_of(self.span.file, value);
                let node = Node {
                    value: value.get_ref(),
                    span,
                    path: self.join(name),
                };
                (name, span_of(self.span.file, key), node)
            })
            .collect();
        entries.sort_by_key(|e| e.1);
        entries
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Reports the keys that no reader asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for (name, span, node) in self.entries() {
            if !known.contains(name) {
                let near = nearest(name, known.iter().copied());
                let help = near.map(|k| format!("did you mean `{k}`?")).or_else(|| {
                    let keys: Vec<_> = known.iter().map(|k| format!("`{k}`")).collect();
                    Some(format!("keys here are {}", keys.join(", ")))
                });
                self.problem(span, &node.path, format!("unknown key `{name}`"), help);
            }
        }
    }

    pub(super) fn wrong(&self, node: &Node<'_>, expected: &str) {
        self.problem(
            node.span,
            &node.path,
            format!("expected {expected}, found {}", describe(node.value)),
            None,
        );
    }

    pub(super) fn string(&self, key: &'static str) -> Option<&'t str> {
        let node = self.get(key)?;
        self.as_string(&node)
    }

    pub(super) fn as_string(&self, node: &Node<'t>) -> Option<&'t str> {
        let DeValue::String(text) = node.value else {
            self.wrong(node, "a string");
            return None;
        };
        Some(text)
    }

    /// One of a list of names.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.string(key)?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|c| c.1);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|c| format!("`{}`", c.0)).collect();
            let help = suggest(text, choices.iter().map(|c| c.0));
            self.at(
                key,
                format!("{text:?} is not one of {}", names.join(", ")),
                help,
            );
        }
        found
    }

    pub(super) fn integer(&self, key: &'static str, low: u64, high: u64) -> Option<u64> {
        let node = self.get(key)?;
        self.as_integer(&node, low, high)
    }

    pub(super) fn as_integer(&self, node: &Node<'t>, low: u64, high: u64) -> Option<u64> {
        let DeValue::Integer(integer) = node.value else {
            self.wrong(node, "an integer");
            return None;
        };
        let parsed = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = parsed.filter(|v| (low..=high).contains(v));
        if value.is_none() {
            let message = format!("{integer} is not in the range {low} to {high}");
            self.problem(node.span, &node.path, message, None);
        }
        value
    }

    pub(super) fn integer32(&self, key: &'static str, low: u32, high: u32) -> Option<u32> {
        self.integer(key, low.into(), high.into())
            .and_then(|v| u32::try_from(v).ok())
    }

    pub(super) fn number(&self, key: &'static str) -> Option<f64> {
        let node = self.get(key)?;
        self.as_number(&node)
    }

    pub(super) fn as_number(&self, node: &Node<'t>) -> Option<f64> {
        let value = match node.value {
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            _ => {
                self.wrong(node, "a number");
                return None;
            }
        };
        let finite = value.filter(|v| v.is_finite());
        if finite.is_none() {
            let message = "the number must be finite".to_owned();
            self.problem(node.span, &node.path, message, None);
        }
        finite
    }

    pub(super) fn list(&self, key: &'static str) -> Option<Vec<Node<'t>>> {
        let node = self.get(key)?;
        self.as_list(&node)
    }

    pub(super) fn as_list(&self, node: &Node<'t>) -> Option<Vec<Node<'t>>> {
        let DeValue::Array(array) = node.value else {
            self.wrong(node, "a list");
            return None;
        };
        let file = node.span.file;
        let item = |(i, value): (usize, &'t Spanned<DeValue<'t>>)| Node {
            value: value.get_ref(),
            span: span_of(file, value),
            path: format!("{}[{i}]", node.path),
        };
        Some(array.iter().enumerate().map(item).collect())
    }

    pub(super) fn strings(&self, key: &'static str) -> Option<Vec<(&'t str, Node<'t>)>> {
        let list = self.list(key)?;
        Some(
            list.into_iter()
                .filter_map(|node| Some((self.as_string(&node)?, node)))
                .collect(),
        )
    }

    pub(super) fn numbers(&self, key: &'static str) -> Option<Vec<f64>> {
        let list = self.list(key)?;
        Some(
            list.into_iter()
                .filter_map(|node| self.as_number(&node))
                .collect(),
        )
    }

    pub(super) fn table(&self, key: &'static str) -> Option<Self> {
        let node = self.get(key)?;
        self.as_table(&node)
    }

    pub(super) fn as_table(&self, node: &Node<'t>) -> Option<Self> {
        let DeValue::Table(table) = node.value else {
            self.wrong(node, "a table");
            return None;
        };
        Some(Table::new(
            table,
            node.span,
            node.path.clone(),
            self.problems,
        ))
    }
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => {
            let short: String = text.chars().take(40).collect();
            format!("the string {short:?}")
        }
        DeValue::Integer(integer) => format!("the integer {integer}"),
        DeValue::Float(float) => format!("the number {float}"),
        DeValue::Boolean(value) => format!("the boolean {value}"),
        DeValue::Datetime(value) => format!("the date {value}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
