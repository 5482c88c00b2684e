//! Reading where a feature's values and numbers come from.

use toml::de::DeValue;

use super::Names;
use super::mapping::read_buckets;
use crate::owner::Owner;
use crate::problem::suggest;
use crate::schema::model::{
    BucketTerm, Combine, HistorySource, Measure, Metric, MetricKind, NumberSource,
    PolicyDeclaration, Term,
};
use crate::schema::table::{Node, Table};
use crate::spec::Vector;

const COMBINE: [(&str, Combine); 3] = [
    ("sum", Combine::Sum),
    ("mean", Combine::Mean),
    ("max", Combine::Max),
];

/// Most terms of one cross.
const MAX_TERMS: usize = 4;

pub(super) fn read_terms(
    vector: Vector,
    table: &Table<'_, '_>,
    names: &Names<'_>,
) -> Option<Vec<Term>> {
    let Some(node) = table.get("from") else {
        return Some(Vec::new());
    };
    let nodes = if matches!(node.value, DeValue::Array(_)) {
        table.as_list(&node)?
    } else {
        vec![node.clone()]
    };
    if nodes.is_empty() || nodes.len() > MAX_TERMS {
        let message = format!(
            "`from` names {} sources; 1 to {MAX_TERMS} can be crossed",
            nodes.len()
        );
        table.problem(node.span, &node.path, message, None);
        return None;
    }
    let count = nodes.len();
    let terms: Vec<_> = nodes
        .iter()
        .filter_map(|n| read_term(vector, table, n, names))
        .collect();
    (terms.len() == count).then_some(terms)
}

fn read_term(
    vector: Vector,
    table: &Table<'_, '_>,
    node: &Node<'_>,
    names: &Names<'_>,
) -> Option<Term> {
    if let DeValue::Table(_) = node.value {
        let inner = table.as_table(node)?;
        let number = read_number(vector, &inner, "number");
        let history = read_history(vector, &inner, names);
        let metric = inner
            .get("metric")
            .and_then(|n| read_metric(&inner, &n, names));
        let buckets = read_buckets(&inner);
        inner.finish();
        let source = match (number, history?) {
            (Some((owner, name)), None) => NumberSource::Number(owner, name),
            (None, Some(source)) if source.keyed() => {
                let help = "add `combine`, so that the values become one number";
                inner.at(
                    "history",
                    "a bucketed history must be one number".to_owned(),
                    Some(help.to_owned()),
                );
                return None;
            }
            (None, Some(source)) => NumberSource::History(source, metric?.0),
            _ => {
                let message =
                    "a bucketed source has either `number` or `history` and `metric`".to_owned();
                inner.problem(inner.span, &inner.path, message, None);
                return None;
            }
        };
        let Some(buckets) = buckets.ok()? else {
            let message = "a bucketed source needs `edges` or `powers_of_two`".to_owned();
            inner.problem(inner.span, &inner.path, message, None);
            return None;
        };
        return Some(Term::Bucket(Box::new(BucketTerm { source, buckets })));
    }
    let text = table.as_string(node)?;
    let term = parse_term(text, names.calendars);
    match term {
        Ok(term) => check_owner(vector, table, node, owner_of(&term), text).then_some(term),
        Err(help) => {
            table.problem(
                node.span,
                &node.path,
                format!("{text:?} is not a source of values"),
                help,
            );
            None
        }
    }
}

/// Reads `user.location`, `item.id`, `time.hour`, `calendar.festival`.
fn parse_term(text: &str, calendars: &[&str]) -> Result<Term, Option<String>> {
    const OWNERS: [&str; 5] = ["user", "item", "context", "time", "calendar"];
    let Some((owner, name)) = text.split_once('.') else {
        return Err(Some(
            "a source is `user.…`, `item.…`, `context.…`, `time.…` or `calendar.…`".to_owned(),
        ));
    };
    match (owner, name) {
        ("user", "id") => Ok(Term::Id(Owner::User)),
        ("item", "id") => Ok(Term::Id(Owner::Item)),
        (_, "") => Err(Some("the name after the point is missing".to_owned())),
        ("user", name) => Ok(Term::Attribute(Owner::User, name.to_owned())),
        ("item", name) => Ok(Term::Attribute(Owner::Item, name.to_owned())),
        ("context", name) => Ok(Term::Attribute(Owner::Context, name.to_owned())),
        ("time", "hour") => Ok(Term::Hour),
        ("time", "weekday") => Ok(Term::Weekday),
        ("time", "weekend") => Ok(Term::Weekend),
        ("time", name) => Err(suggest(name, ["hour", "weekday", "weekend"])),
        ("calendar", name) if calendars.contains(&name) => Ok(Term::Calendar(name.to_owned())),
        ("calendar", name) => Err(suggest(name, calendars.iter().copied())
            .or_else(|| Some(format!("declare it as `[calendar.{name}]`")))),
        (owner, _) => Err(suggest(owner, OWNERS)),
    }
}

fn owner_of(term: &Term) -> Owner {
    match term {
        Term::Attribute(owner, _) | Term::Id(owner) => *owner,
        _ => Owner::Context,
    }
}

/// The user vector is made of the user alone, the item vector of the item alone.
fn check_owner(
    vector: Vector,
    table: &Table<'_, '_>,
    node: &Node<'_>,
    owner: Owner,
    text: &str,
) -> bool {
    let fits = match vector {
        Vector::User => owner == Owner::User,
        Vector::Item => owner == Owner::Item,
        Vector::Event => true,
    };
    if !fits {
        let message =
            format!("{text:?} is not part of the {vector}, so it cannot be in the {vector} vector");
        let help = Some("move the feature to the event vector".to_owned());
        table.problem(node.span, &node.path, message, help);
    }
    fits
}

fn read_number(
    vector: Vector,
    table: &Table<'_, '_>,
    key: &'static str,
) -> Option<(Owner, String)> {
    let node = table.get(key)?;
    let text = table.as_string(&node)?;
    let owner = match text.split_once('.') {
        Some(("user", name)) if !name.is_empty() => (Owner::User, name),
        Some(("item", name)) if !name.is_empty() => (Owner::Item, name),
        Some(("context", name)) if !name.is_empty() => (Owner::Context, name),
        _ => {
            let help = "a number is `user.…`, `item.…` or `context.…`".to_owned();
            let message = format!("{text:?} is not a source of numbers");
            table.problem(node.span, &node.path, message, Some(help));
            return None;
        }
    };
    check_owner(vector, table, &node, owner.0, text).then(|| (owner.0, owner.1.to_owned()))
}

/// Reads `history`, `match` and `combine`; the outer option is `None` after a problem.
#[allow(clippy::option_option)] // a problem, nothing, something
fn read_history(
    vector: Vector,
    table: &Table<'_, '_>,
    names: &Names<'_>,
) -> Option<Option<HistorySource>> {
    let matching = table.get("match");
    let combine = table.choice("combine", &COMBINE);
    let Some(node) = table.get("history") else {
        for key in ["match", "combine"] {
            if table.has(key) {
                table.at(key, format!("`{key}` needs a `history`"), None);
                return None;
            }
        }
        return Some(None);
    };
    let text = table.as_string(&node)?;
    let (owner, group) = match text.split_once('.') {
        Some(("user", group)) if !group.is_empty() => (Owner::User, group.to_owned()),
        Some(("item", group)) if !group.is_empty() => (Owner::Item, group.to_owned()),
        _ => {
            let help = "a history is `user.all`, `user.hashtag`, `item.author`, …".to_owned();
            table.problem(
                node.span,
                &node.path,
                format!("{text:?} is not a history"),
                Some(help),
            );
            return None;
        }
    };
    if !check_owner(vector, table, &node, owner, text) {
        return None;
    }
    let matching = match matching {
        None => None,
        Some(node) => match read_term(vector, table, &node, names)? {
            term @ (Term::Attribute(..) | Term::Id(_)) => Some(term),
            _ => {
                let message = "a history is matched with an attribute or an id".to_owned();
                table.problem(node.span, &node.path, message, None);
                return None;
            }
        },
    };
    if group == "all" && matching.is_some() {
        table.at(
            "match",
            "the group `all` has one value and is not matched".to_owned(),
            None,
        );
        return None;
    }
    if combine.is_some() && matching.is_none() {
        let help =
            "name the attribute whose values are looked up, such as `match = \"item.hashtag\"`";
        table.at(
            "combine",
            "`combine` needs a `match`".to_owned(),
            Some(help.to_owned()),
        );
        return None;
    }
    Some(Some(HistorySource {
        owner,
        group,
        matching,
        combine,
    }))
}

fn read_metric(
    table: &Table<'_, '_>,
    node: &Node<'_>,
    names: &Names<'_>,
) -> Option<(Metric, Option<PolicyDeclaration>)> {
    let text = table.as_string(node)?;
    if let Some(metric) = names.metrics.get(text) {
        let kind = metric.kind.clone();
        return Some((
            Metric {
                name: text.to_owned(),
                kind,
            },
            Some(metric.policy),
        ));
    }
    if names.counters.iter().any(|c| c == text) {
        let kind = MetricKind::Counter(text.to_owned());
        return Some((
            Metric {
                name: text.to_owned(),
                kind,
            },
            None,
        ));
    }
    if names.declared_metrics.contains(&text) {
        return None; // its own problem is reported where it stands
    }
    let known = names
        .counters
        .iter()
        .map(String::as_str)
        .chain(names.metrics.keys().map(String::as_str));
    let help = suggest(text, known).or_else(|| Some("list it under `counters`".to_owned()));
    table.problem(
        node.span,
        &node.path,
        format!("{text:?} is neither a counter nor a metric"),
        help,
    );
    None
}

pub(super) fn read_measure(
    vector: Vector,
    table: &Table<'_, '_>,
    names: &Names<'_>,
) -> Option<Measure> {
    let (has_number, has_boolean) = (table.has("number"), table.has("boolean"));
    let number = read_number(vector, table, "number");
    let boolean = read_number(vector, table, "boolean");
    let absent_value = table.number("absent_value");
    let history = read_history(vector, table, names);
    let metrics = table.list("metrics");
    let sources = [has_number, has_boolean, table.has("history")];
    if sources.iter().filter(|s| **s).count() > 1 {
        let message = "a feature has one of `number`, `boolean` and `history`".to_owned();
        table.problem(table.span, &table.path, message, None);
        return None;
    }
    if table.has("absent_value") && !has_number {
        table.at(
            "absent_value",
            "`absent_value` belongs to a `number`".to_owned(),
            None,
        );
        return None;
    }
    if let Some(source) = history? {
        let nodes = metrics.unwrap_or_default();
        if nodes.is_empty() {
            let message = "a history needs `metrics`, at least one".to_owned();
            table.at(
                "metrics",
                message,
                suggest("", names.counters.iter().map(String::as_str)),
            );
            return None;
        }
        let count = nodes.len();
        let mut metrics: Vec<Metric> = Vec::new();
        for node in &nodes {
            let Some((metric, _)) = read_metric(table, node, names) else {
                continue;
            };
            if metrics.iter().any(|m| m.name == metric.name) {
                let message = format!("the metric `{}` is listed twice", metric.name);
                table.problem(node.span, &node.path, message, None);
                continue;
            }
            metrics.push(metric);
        }
        return (metrics.len() == count).then_some(Measure::History { source, metrics });
    }
    if table.has("metrics") {
        table.at("metrics", "`metrics` needs a `history`".to_owned(), None);
        return None;
    }
    if has_number || has_boolean {
        let (owner, name) = number.or(boolean)?;
        let absent_value = absent_value.unwrap_or(0.0);
        return Some(Measure::Number {
            owner,
            name,
            boolean: has_boolean,
            absent_value,
        });
    }
    if !table.has("from") {
        let message = "the feature has no source".to_owned();
        let help = "add `from`, `number`, `boolean` or `history`".to_owned();
        table.problem(table.span, &table.path, message, Some(help));
        return None;
    }
    Some(Measure::Indicator)
}
