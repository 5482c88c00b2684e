//! From TOML files to a declaration, with every problem found on the way.

mod feature;
mod files;
pub(crate) mod model;
mod sections;
mod table;

use std::cell::RefCell;
use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::calendar::Zone;
use crate::problem::{Problems, Span};
use crate::spec::{Layout, LoadOptions, PopulationKind, Sources, Vector};
use files::Loader;
use model::{Declaration, FeatureDeclaration, PolicyDeclaration};
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
