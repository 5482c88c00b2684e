//! From TOML files to a declaration, with every problem found on the way.

mod feature;
mod files;
pub(crate) mod model;
mod table;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::DeTable;

use crate::calendar::{self, Calendar, Zone};
use crate::problem::{Problems, Span};
use crate::spec::{Layout, LoadOptions, PopulationKind, Sources, Vector};
use crate::vocabulary::{self, Vocabulary};
use files::Loader;
use model::{
    Declaration, FeatureDeclaration, MetricDeclaration, MetricKind, PolicyDeclaration, RateForm,
    VocabularyDeclaration,
};
use table::{Node, Table, span_of};

/// The version of the schema that this crate reads.
const FORMAT: u64 = 1;
/// Default dimension of a vector.
const DIMENSION: u32 = 100_000;

/// A declaration and the files it came from, for problems found later.
pub(crate) struct Loaded {
    pub(crate) declaration: Option<Declaration>,
    pub(crate) problems: Problems,
}

/// Reads the spec `text`, called `name`, and everything it includes.
pub(crate) fn load(name: &str, text: &str, sources: &dyn Sources, options: &LoadOptions) -> Loaded {
    let problems = RefCell::new(Problems::default());
    let loader = Loader {
        sources,
        options,
        problems: &problems,
    };
    let texts = loader.collect(name, text);
    let mut parsed = Vec::new();
    for (file, text) in &texts {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let range = error.span().unwrap_or(0..0);
            let span = Span {
                file: *file,
                start: range.start,
                end: range.end,
            };
            let message = error
                .message()
                .lines()
                .next()
                .unwrap_or("not TOML")
                .to_owned();
            problems.borrow_mut().add(span, "", message, None);
        }
        parsed.push((*file, document));
    }
    let parses = problems.borrow().is_empty();
    let declaration = parses.then_some(()).and_then(|()| {
        let tables: Vec<_> = parsed
            .iter()
            .map(|(file, document)| {
                let span = Span {
                    end: 0,
                    ..span_of(*file, document)
                };
                Table::new(document.get_ref(), span, String::new(), &problems)
            })
            .collect();
        Reader {
            tables: &tables,
            loader: &loader,
            problems: &problems,
        }
        .read()
    });
    drop(parsed);
    Loaded {
        declaration,
        problems: problems.into_inner(),
    }
}

struct Reader<'r, 't, 'p> {
    /// Root first, then included files in order.
    tables: &'r [Table<'t, 'p>],
    loader: &'r Loader<'r>,
    problems: &'p RefCell<Problems>,
}

impl<'t, 'p> Reader<'_, 't, 'p> {
    fn read(&self) -> Option<Declaration> {
        let root = self.tables.first()?;
        let format = root.integer("format", FORMAT, FORMAT);
        if !root.has("format") {
            let message = "the spec has no `format`".to_owned();
            root.problem(
                root.span,
                "format",
                message,
                Some("add `format = 1` at the top".to_owned()),
            );
        }
        root.get("include");
        let name = self.text(root, "name", true);
        let version = self.text(root, "version", false);
        let language = self.text(root, "language", false);
        let zone = root
            .string("time_zone")
            .map_or(Some(Zone::Offset(0)), |text| {
                let zone = Zone::parse(text);
                if zone.is_none() {
                    let help = "use `UTC`, an offset such as `+05:30`, or an IANA name".to_owned();
                    root.at(
                        "time_zone",
                        format!("{text:?} is not a time zone"),
                        Some(help),
                    );
                }
                zone
            });
        let top = self.loader.options.max_dimension;
        let dimension = root.integer32("dimension", 1, top);
        let dimension = if root.has("dimension") {
            dimension
        } else {
            Some(DIMENSION.min(top))
        };
        let layout = root
            .choice(
                "layout",
                &[
                    ("shared", Layout::Shared),
                    ("concatenated", Layout::Concatenated),
                ],
            )
            .unwrap_or(Layout::Shared);
        let population = self.population(root);
        let counters = self.counters(root);
        let defaults = root
            .table("defaults")
            .map_or_else(PolicyDeclaration::default, |table| {
                let policy = feature::read_policy(&table);
                table.finish();
                policy
            });
        let vocabularies = self.sections("vocabulary", |name, node, table| {
            self.vocabulary(name, node, table)
        });
        let calendars = self.sections("calendar", |_, _, table| self.calendar(table));
        let metrics = self.sections("metric", |name, _, table| {
            self.metric(name, table, &counters)
        });
        let vocabulary_names = self.section_names("vocabulary");
        let metric_names = self.section_names("metric");
        let calendar_names = self.section_names("calendar");
        let names = feature::Names {
            counters: &counters,
            metrics: &metrics,
            declared_metrics: &metric_names,
            vocabularies: &vocabulary_names,
            calendars: &calendar_names,
            defaults,
            max_dimension: top,
        };
        let features = self.features(&names);
        for table in self.tables {
            table.finish();
        }
        if features.is_empty() && self.problems.borrow().is_empty() {
            let message = "the spec has no features".to_owned();
            root.problem(
                root.span,
                "",
                message,
                Some("declare one as `[user.NAME]`".to_owned()),
            );
        }
        format?;
        Some(Declaration {
            name: name?,
            version: version?,
            language: language?,
            zone: zone?,
            dimension: dimension?,
            layout,
            population,
            counters,
            vocabularies,
            calendars,
            metrics,
            features,
        })
    }

    fn text(&self, table: &Table<'t, 'p>, key: &'static str, required: bool) -> Option<String> {
        let Some(node) = table.get(key) else {
            if required {
                table.problem(table.span, key, format!("the spec has no `{key}`"), None);
            }
            return (!required).then(String::new);
        };
        let text = table.as_string(&node)?;
        let fine = text.len() <= 128 && !text.chars().any(char::is_control);
        if !fine || (required && text.is_empty()) {
            let message = format!("`{key}` must be 1 to 128 bytes without control characters");
            table.problem(node.span, &node.path, message, None);
            return None;
        }
        Some(text.to_owned())
    }

    fn population(&self, root: &Table<'t, 'p>) -> [PopulationKind; 3] {
        let kinds = [
            ("users", PopulationKind::Users),
            ("items", PopulationKind::Items),
            ("events", PopulationKind::Events),
        ];
        let [user, item, event] = kinds.map(|k| k.1);
        let Some(table) = root.table("population") else {
            return [user, item, event];
        };
        let population = [
            table.choice("user", &kinds).unwrap_or(user),
            table.choice("item", &kinds).unwrap_or(item),
            table.choice("event", &kinds).unwrap_or(event),
        ];
        table.finish();
        population
    }

    fn counters(&self, root: &Table<'t, 'p>) -> Vec<String> {
        let mut counters: Vec<String> = Vec::new();
        for (text, node) in root.strings("counters").unwrap_or_default() {
            if !is_name(text) || text == "last" {
                let message = format!(
                    "{text:?} cannot be a counter; a name is letters, digits, `_`, not `last`"
                );
                root.problem(node.span, &node.path, message, None);
            } else if counters.iter().any(|c| c == text) {
                root.problem(
                    node.span,
                    &node.path,
                    format!("the counter `{text}` is listed twice"),
                    None,
                );
            } else {
                counters.push(text.to_owned());
            }
        }
        counters
    }

    fn section_names(&self, key: &'static str) -> Vec<&'t str> {
        let entries = self
            .tables
            .iter()
            .filter_map(|t| t.table(key))
            .flat_map(|s| s.entries());
        entries.map(|(name, ..)| name).collect()
    }

    /// Reads `[key.NAME]` of all files; a name that is there twice is a problem.
    fn sections<T>(
        &self,
        key: &'static str,
        read: impl Fn(&str, &Node<'t>, &Table<'t, 'p>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        let mut values = BTreeMap::new();
        for section in self.tables.iter().filter_map(|t| t.table(key)) {
            for (name, span, node) in section.entries() {
                if !self.new_name(&section, &mut seen, name, span, &node.path) {
                    continue;
                }
                let Some(table) = section.as_table(&node) else {
                    continue;
                };
                if let Some(value) = read(name, &node, &table) {
                    values.insert(name.to_owned(), value);
                }
                table.finish();
            }
        }
        values
    }

    fn new_name(
        &self,
        section: &Table<'t, 'p>,
        seen: &mut BTreeMap<String, Span>,
        name: &str,
        span: Span,
        path: &str,
    ) -> bool {
        if !is_name(name) {
            let message = format!("{name:?} cannot be a name; use letters, digits and `_`");
            section.problem(span, path, message, None);
            return false;
        }
        if let Some(first) = seen.get(name) {
            let file = self.problems.borrow().file_name(*first).to_owned();
            section.problem(
                span,
                path,
                format!("`{path}` is declared in {file} already"),
                None,
            );
            return false;
        }
        seen.insert(name.to_owned(), span);
        true
    }

    fn vocabulary(
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

    fn calendar(&self, table: &Table<'t, 'p>) -> Option<Arc<Calendar>> {
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

    fn metric(
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
            let help = crate::problem::suggest(text, counters.iter().map(String::as_str))
                .or_else(|| Some("list it under `counters`".to_owned()));
            table.at(key, format!("there is no counter {text:?}"), help);
            None
        };
        if counters.iter().any(|c| c == name) {
            let message = format!("`{name}` is a counter already");
            table.problem(table.span, &table.path, message, None);
        }
        let policy = feature::read_policy(table);
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

    fn features(&self, names: &feature::Names<'_>) -> Vec<FeatureDeclaration> {
        let mut features = Vec::new();
        for (vector, key) in [
            (Vector::User, "user"),
            (Vector::Item, "item"),
            (Vector::Event, "event"),
        ] {
            let mut seen = BTreeMap::new();
            for section in self.tables.iter().filter_map(|t| t.table(key)) {
                for (name, span, node) in section.entries() {
                    if !self.new_name(&section, &mut seen, name, span, &node.path) {
                        continue;
                    }
                    if let Some(table) = section.as_table(&node) {
                        features.extend(feature::read(vector, name, span, &table, names));
                    }
                }
            }
        }
        features
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
