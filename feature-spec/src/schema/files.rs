//! The files of a spec: includes, vocabularies and calendars, all within limits.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read;

use toml::de::{DeTable, DeValue};

use super::table::{Node, Table, span_of};
use crate::problem::{Problems, Span};
use crate::spec::{LoadOptions, Sources};

/// Most files that one spec may include.
const MAX_FILES: usize = 64;

pub(super) struct Loader<'l> {
    pub(super) sources: &'l dyn Sources,
    pub(super) options: &'l LoadOptions,
    pub(super) problems: &'l RefCell<Problems>,
}

impl Loader<'_> {
    /// The spec and the files it includes, each once, with their numbers.
    pub(super) fn collect(&self, name: &str, text: &str) -> Vec<(usize, String)> {
        let mut texts = Vec::new();
        if text.len() as u64 > self.options.max_file_bytes {
            let file = self.problems.borrow_mut().add_file(name, "");
            let message = format!(
                "the file has {} bytes, and at most {} are read",
                text.len(),
                self.options.max_file_bytes
            );
            self.problems.borrow_mut().add(
                Span {
                    file,
                    ..Span::default()
                },
                "",
                message,
                None,
            );
            return texts;
        }
        let mut seen = BTreeSet::new();
        self.visit(
            name,
            text.to_owned(),
            &mut vec![name.to_owned()],
            &mut seen,
            &mut texts,
        );
        texts
    }

    fn visit(
        &self,
        name: &str,
        text: String,
        stack: &mut Vec<String>,
        seen: &mut BTreeSet<String>,
        texts: &mut Vec<(usize, String)>,
    ) {
        seen.insert(name.to_owned());
        let file = self.problems.borrow_mut().add_file(name, &text);
        texts.push((file, text.clone()));
        let (document, _) = DeTable::parse_recoverable(&text);
        let table = Table::new(
            document.get_ref(),
            span_of(file, &document),
            String::new(),
            self.problems,
        );
        let Some(node) = table.get("include") else {
            return;
        };
        if !matches!(node.value, DeValue::Array(_)) {
            return table.wrong(&node, "a list of files");
        }
        for (path, node) in table.strings("include").unwrap_or_default() {
            let problem = |message: String| table.problem(node.span, &node.path, message, None);
            if stack.iter().any(|s| s == path) {
                problem(format!(
                    "the includes go round: {} → {path}",
                    stack.join(" → ")
                ));
                continue;
            }
            if seen.contains(path) {
                continue;
            }
            if texts.len() >= MAX_FILES {
                problem(format!("more than {MAX_FILES} files"));
                return;
            }
            if let Some(text) = self.read(path, &node, false) {
                stack.push(path.to_owned());
                self.visit(path, text, stack, seen, texts);
                stack.pop();
            }
        }
    }

    /// Reads a vocabulary or a calendar, and gives the file a number.
    pub(super) fn vocabulary(&self, path: &str, node: &Node<'_>) -> Option<(usize, String)> {
        let text = self.read(path, node, true)?;
        let file = self.problems.borrow_mut().add_file(path, &text);
        Some((file, text))
    }

    fn read(&self, path: &str, node: &Node<'_>, data: bool) -> Option<String> {
        let result = self.try_read(path, data);
        result
            .map_err(|(message, help)| {
                self.problems
                    .borrow_mut()
                    .add(node.span, &node.path, message, help);
            })
            .ok()
    }

    fn try_read(&self, path: &str, data: bool) -> Result<String, (String, Option<String>)> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !path.split('/').all(plain) || path.contains(['\\', ':', '\0']) || path.len() > 512 {
            let help = "write a path below the spec's own directory, with `/`".to_owned();
            return Err((format!("{path:?} is not a plain relative path"), Some(help)));
        }
        let limit = if data {
            self.options.max_vocabulary_bytes
        } else {
            self.options.max_file_bytes
        };
        let cannot = |error: std::io::Error| {
            let missing = data && error.kind() == std::io::ErrorKind::NotFound;
            let help = "put it beside the spec, or give the directory of the vocabularies";
            (
                format!("cannot read {path:?}: {error}"),
                missing.then(|| help.to_owned()),
            )
        };
        let source = if data {
            self.sources.vocabulary(path)
        } else {
            self.sources.file(path)
        };
        let mut bytes = Vec::new();
        source
            .map_err(cannot)?
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(cannot)?;
        if bytes.len() as u64 > limit {
            return Err((format!("{path:?} has more than {limit} bytes"), None));
        }
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            (format!("{path:?} is not UTF-8, at byte {at}"), None)
        })
    }
}
