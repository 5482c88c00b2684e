//! Reading vocabularies, calendars and metrics.

use std::sync::Arc;

use super::Reader;
use super::feature::read_policy;
use super::model::{MetricDeclaration, MetricKind, RateForm, VocabularyDeclaration};
use super::table::{Node, Table};
use crate::calendar::{self, Calendar};
use crate::problem::{Span, suggest};
use crate::vocabulary::{self, Vocabulary};

impl<'t, 'p> Reader<'_, 't, 'p> {
    pub(super) fn vocabulary(
        &self,
        name: &str,
        node: &Node<'t>,
        table: &Table<'t, 'p>,
    ) -> Option<VocabularyDeclaration> {
        let limit = self.loader.options.max_dimension;
        let max_values = table.integer32("max_values", 1, limit).unwrap_or(limit);
        let min_count = table.integer("min_count", 0, u64::MAX).unwrap_or(0);
        let capacity = table.integer32("capacity", 1, limit);
        if table.has("values") == table.has("file") {
            let message = format!("the vocabulary `{name}` needs either `values` or `file`");
            table.problem(node.span, &node.path, message, None);
            return None;
        }
        let (values, key) = if table.has("values") {
            let values = table.strings("values")?;
            let mut texts: Vec<String> = Vec::with_capacity(values.len());
            texts.extend(values.iter().map(|(text, _)| (*text).to_owned()));
            (
                self.unique(texts, |i, message| {
                    let (_, node) = &values[i];
                    table.problem(node.span, &node.path, message, None);
                })?,
                "values",
            )
        } else {
            let file = table.get("file")?;
            let (index, text) = self.loader.vocabulary(table.as_string(&file)?, &file)?;
            (
                self.lines(index, &text, &file.path, min_count, max_values)?,
                "file",
            )
        };
        if values.len() == 0 {
            table.at(key, format!("the vocabulary `{name}` has no values"), None);
            return None;
        }
        if values.len() > max_values {
            table.at(
                key,
                format!(
                    "{} values, and at most {max_values} are allowed",
                    values.len()
                ),
                None,
            );
            return None;
        }
        let capacity = capacity.unwrap_or(values.len());
        if capacity < values.len() {
            let message = format!("{} values do not fit the capacity {capacity}", values.len());
            table.at(
                "capacity",
                message,
                Some("raise `capacity` or set `max_values`".to_owned()),
            );
            return None;
        }
        Some(VocabularyDeclaration {
            values: Arc::new(values),
            capacity,
        })
    }

    fn unique(&self, values: Vec<String>, report: impl Fn(usize, String)) -> Option<Vocabulary> {
        Vocabulary::new(values.iter().map(String::as_str))
            .map_err(|i| report(i, format!("the value {:?} is there twice", values[i])))
            .ok()
    }

    fn lines(
        &self,
        file: usize,
        text: &str,
        path: &str,
        min_count: u64,
        max_values: u32,
    ) -> Option<Vocabulary> {
        let (mut values, mut spans, mut start) = (Vec::new(), Vec::new(), 0);
        for line in text.split_inclusive('\n') {
            let content = line.strip_suffix('\n').unwrap_or(line);
            let span = Span {
                file,
                start,
                end: start + content.len(),
            };
            start += line.len();
            match vocabulary::parse_line(content) {
                Ok(line) if line.count.is_some_and(|n| n < min_count) => {}
                Ok(_) if values.len() >= max_values as usize => {}
                Ok(line) => {
                    values.push(line.value.into_owned());
                    spans.push(span);
                }
                Err(message) => {
                    self.problems.borrow_mut().add(span, path, message, None);
                    return None;
                }
            }
        }
        self.unique(values, |i, message| {
            self.problems
                .borrow_mut()
                .add(spans[i], path, message, None);
        })
    }

    pub(super) fn calendar(&self, table: &Table<'t, 'p>) -> Option<Arc<Calendar>> {
        if table.has("days") == table.has("file") {
            let message = "a calendar needs either `days` or `file`".to_owned();
            table.problem(table.span, &table.path, message, None);
            return None;
        }
        let mut entries = Vec::new();
        if table.has("days") {
            for (text, node) in table.strings("days")? {
                match calendar::parse_line(text) {
                    Ok(entry) => entries.push(entry),
                    Err(message) => table.problem(node.span, &node.path, message, None),
                }
            }
        } else {
            let node = table.get("file")?;
            let (file, text) = self.loader.vocabulary(table.as_string(&node)?, &node)?;
            let mut start = 0;
            for line in text.split_inclusive('\n') {
                let content = line.strip_suffix('\n').unwrap_or(line);
                let span = Span {
                    file,
                    start,
                    end: start + content.len(),
                };
                start += line.len();
                if content.trim().is_empty() || content.starts_with('#') {
                    continue;
                }
                match calendar::parse_line(content) {
                    Ok(entry) => entries.push(entry),
                    Err(message) => self
                        .problems
                        .borrow_mut()
                        .add(span, &node.path, message, None),
                }
            }
        }
        if entries.is_empty() {
            table.problem(
                table.span,
                &table.path,
                "the calendar has no days".to_owned(),
                None,
            );
            return None;
        }
        Some(Arc::new(Calendar::new(entries)))
    }

    pub(super) fn metric(
        &self,
        name: &str,
        table: &Table<'t, 'p>,
        counters: &[String],
    ) -> Option<MetricDeclaration> {
        let counter = |key: &'static str| {
            let text = table.string(key)?;
            if counters.iter().any(|c| c == text) {
                return Some(text.to_owned());
            }
            let help = suggest(text, counters.iter().map(String::as_str))
                .or_else(|| Some("list it under `counters`".to_owned()));
            table.at(key, format!("there is no counter {text:?}"), help);
            None
        };
        if counters.iter().any(|c| c == name) {
            let message = format!("`{name}` is a counter already");
            table.problem(table.span, &table.path, message, None);
        }
        let policy = read_policy(table);
        let keys = ["share", "rate", "recency"];
        let kinds: Vec<_> = keys.into_iter().filter(|k| table.has(k)).collect();
        let kind = match kinds[..] {
            ["share"] => MetricKind::Share(counter("share")?),
            ["rate"] => {
                let (rate, per) = (counter("rate"), counter("per"));
                if !table.has("per") {
                    table.at(
                        "rate",
                        "a rate needs `per`, the counter it is taken of".to_owned(),
                        None,
                    );
                }
                let (a, b) = (
                    table.number("a").unwrap_or(0.0),
                    table.number("b").unwrap_or(1.0),
                );
                let forms = [
                    ("rate", RateForm::Rate),
                    ("log", RateForm::Log),
                    ("logit", RateForm::Logit),
                ];
                let form = table.choice("as", &forms).unwrap_or(RateForm::Rate);
                let fine = match form {
                    RateForm::Rate => a >= 0.0,
                    RateForm::Log => a > 0.0,
                    RateForm::Logit => a > 0.0 && a < b,
                };
                if !(fine && b > 0.0) {
                    let message = format!(
                        "the rate (… + {a}) / (… + {b}) has no finite value for a newcomer"
                    );
                    let help = "b must be above 0; a at least 0, above 0 for `log`, and between 0 and b for `logit`";
                    table.at("rate", message, Some(help.to_owned()));
                    return None;
                }
                MetricKind::Rate {
                    rate: rate?,
                    per: per?,
                    a,
                    b,
                    form,
                }
            }
            ["recency"] => {
                let units = [
                    ("seconds", 1e3),
                    ("minutes", 6e4),
                    ("hours", 3.6e6),
                    ("days", 8.64e7),
                ];
                let unit_ms = table.choice("recency", &units)?;
                let cap = table.number("cap").unwrap_or(30.0 * 8.64e7 / unit_ms);
                if cap <= 0.0 {
                    table.at("cap", format!("`cap` is {cap}; it must be above 0"), None);
                    return None;
                }
                MetricKind::Recency { unit_ms, cap }
            }
            _ => {
                let message = "a metric has one of `share`, `rate` and `recency`".to_owned();
                table.problem(table.span, &table.path, message, None);
                return None;
            }
        };
        if policy.transform == Some(zscore_stats::Transform::None)
            || policy.resolve(kind.absent_value()).validate().is_ok()
        {
            return Some(MetricDeclaration { kind, policy });
        }
        let message = policy.resolve(kind.absent_value()).validate().err();
        table.at(
            "transform",
            message.map_or_else(String::new, |e| e.to_string()),
            None,
        );
        None
    }
}
