//! Reading one feature.

use std::collections::BTreeMap;

use toml::de::DeValue;
use zscore_stats::{Absent, Clip, Scale, ScalePolicy, Transform};

use super::model::{
    BucketTerm, Buckets, Combine, FeatureDeclaration, HistorySource, Mapping, Measure, Metric,
    MetricDeclaration, MetricKind, NumberSource, Place, PolicyDeclaration, Term, Unknown,
};
use super::table::{Node, Table};
use crate::owner::Owner;
use crate::problem::{Span, suggest};
use crate::spec::Vector;

/// What features may refer to.
pub(super) struct Names<'n> {
    pub(super) counters: &'n [String],
    pub(super) metrics: &'n BTreeMap<String, MetricDeclaration>,
    /// Metrics that are declared, those with problems included.
    pub(super) declared_metrics: &'n [&'n str],
    pub(super) vocabularies: &'n [&'n str],
    pub(super) calendars: &'n [&'n str],
    pub(super) defaults: PolicyDeclaration,
    pub(super) max_dimension: u32,
}

const COMBINE: [(&str, Combine); 3] = [
    ("sum", Combine::Sum),
    ("mean", Combine::Mean),
    ("max", Combine::Max),
];

/// Most buckets of one number.
const MAX_EDGES: usize = 1_024;
/// Most terms of one cross.
const MAX_TERMS: usize = 4;

/// Every key of a feature.
const KEYS: [&str; 21] = [
    "from",
    "number",
    "boolean",
    "absent_value",
    "history",
    "match",
    "combine",
    "metrics",
    "edges",
    "powers_of_two",
    "vocabulary",
    "unknown",
    "hash",
    "start",
    "positions",
    "order",
    "transform",
    "scale",
    "clip",
    "absent",
    "max_inverse_std_dev",
];

/// Reads the feature `name`; `None` when it is too broken to go on with.
pub(super) fn read(
    vector: Vector,
    name: &str,
    key_span: Span,
    table: &Table<'_, '_>,
    names: &Names<'_>,
) -> Option<FeatureDeclaration> {
    table.know(&KEYS);
    let terms = read_terms(vector, table, names);
    let measure = read_measure(vector, table, names);
    let buckets = read_buckets(table);
    let mapping = read_mapping(table, names);
    let place = read_place(table, names);
    let value_fastest = table
        .choice(
            "order",
            &[("metric_fastest", false), ("value_fastest", true)],
        )
        .unwrap_or(false);
    let own = read_policy(table);
    table.finish();
    let (terms, measure, buckets, place) = (terms?, measure?, buckets.ok()?, place?);

    let mapping = check_mapping(table, &terms, &measure, mapping.ok()?)?;
    if buckets.is_some() && measure == Measure::Indicator {
        table.at(
            "edges",
            "buckets need a `number` or a `history`".to_owned(),
            None,
        );
        return None;
    }
    // One-hot values are not scaled unless the feature itself says so.
    let counted = match measure {
        Measure::Number { boolean, .. } => !boolean && buckets.is_none(),
        Measure::History { .. } => buckets.is_none(),
        Measure::Indicator => false,
    };
    let policy = if counted { own.or(names.defaults) } else { own };
    let policies = policies(table, &measure, counted, policy, names)?;
    let name = name.to_owned();
    let span = key_span;
    Some(FeatureDeclaration {
        vector,
        name,
        span,
        terms,
        measure,
        buckets,
        mapping,
        place,
        value_fastest,
        policy,
        policies,
    })
}

fn read_terms(vector: Vector, table: &Table<'_, '_>, names: &Names<'_>) -> Option<Vec<Term>> {
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

fn read_measure(vector: Vector, table: &Table<'_, '_>, names: &Names<'_>) -> Option<Measure> {
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

pub(super) fn read_buckets(table: &Table<'_, '_>) -> Result<Option<Buckets>, ()> {
    let powers = table.has("powers_of_two");
    if powers && table.has("edges") {
        table.at(
            "edges",
            "`edges` and `powers_of_two` exclude each other".to_owned(),
            None,
        );
        return Err(());
    }
    if powers {
        let top = table.integer32("powers_of_two", 0, 52).ok_or(())?;
        return Ok(Some(Buckets(
            (0..=top)
                .map(|k| libm::ldexp(1.0, i32::try_from(k).unwrap_or(0)))
                .collect(),
        )));
    }
    if !table.has("edges") {
        return Ok(None);
    }
    let edges = table.numbers("edges").ok_or(())?;
    if edges.is_empty() || edges.len() > MAX_EDGES {
        table.at(
            "edges",
            format!("{} edges; there must be 1 to {MAX_EDGES}", edges.len()),
            None,
        );
        return Err(());
    }
    if let Some(w) = edges.windows(2).find(|w| w[0] >= w[1]) {
        table.at(
            "edges",
            format!("edges must ascend, and {} follows {}", w[1], w[0]),
            None,
        );
        return Err(());
    }
    Ok(Some(Buckets(edges)))
}

fn read_hash(table: &Table<'_, '_>, key: &'static str, names: &Names<'_>) -> Option<(u32, u64)> {
    let inner = table.table(key)?;
    let size = inner.integer32("size", 1, names.max_dimension);
    if !inner.has("size") {
        inner.problem(
            inner.span,
            &inner.path,
            "a hashed range needs a `size`".to_owned(),
            None,
        );
    }
    let seed = if inner.has("seed") {
        inner.integer("seed", 0, i64::MAX as u64)
    } else {
        Some(0)
    };
    inner.finish();
    Some((size?, seed?))
}

fn read_mapping(table: &Table<'_, '_>, names: &Names<'_>) -> Result<Mapping, ()> {
    let unknown = match table.get("unknown") {
        None => Unknown::Drop,
        Some(node) if matches!(node.value, DeValue::Table(_)) => {
            let (size, seed) = read_hash(table, "unknown", names).ok_or(())?;
            Unknown::Hash { size, seed }
        }
        Some(_) => table
            .choice(
                "unknown",
                &[("drop", Unknown::Drop), ("other", Unknown::Other)],
            )
            .ok_or(())?,
    };
    let hash = table.has("hash").then(|| read_hash(table, "hash", names));
    let Some(name) = table.get("vocabulary") else {
        if table.has("unknown") {
            table.at("unknown", "`unknown` needs a `vocabulary`".to_owned(), None);
            return Err(());
        }
        return match hash {
            Some(hash) => hash
                .map(|(size, seed)| Mapping::Hash { size, seed })
                .ok_or(()),
            None => Ok(Mapping::Direct),
        };
    };
    if hash.is_some() {
        table.at(
            "hash",
            "`vocabulary` and `hash` exclude each other".to_owned(),
            None,
        );
        return Err(());
    }
    let text = table.as_string(&name).ok_or(())?;
    if !names.vocabularies.contains(&text) {
        let help = suggest(text, names.vocabularies.iter().copied())
            .or_else(|| Some(format!("declare it as `[vocabulary.{text}]`")));
        table.problem(
            name.span,
            &name.path,
            format!("there is no vocabulary {text:?}"),
            help,
        );
        return Err(());
    }
    Ok(Mapping::Vocabulary {
        name: text.to_owned(),
        unknown,
    })
}

fn read_place(table: &Table<'_, '_>, names: &Names<'_>) -> Option<Place> {
    let last = names.max_dimension - 1;
    if table.has("start") && table.has("positions") {
        table.at(
            "positions",
            "`start` and `positions` exclude each other".to_owned(),
            None,
        );
        return None;
    }
    if table.has("start") {
        return table.integer32("start", 0, last).map(Place::Start);
    }
    let Some(nodes) = table.list("positions") else {
        return if table.has("positions") {
            None
        } else {
            Some(Place::Next)
        };
    };
    let count = nodes.len();
    let positions: Vec<u32> = nodes
        .iter()
        .filter_map(|n| table.as_integer(n, 0, last.into()))
        .filter_map(|p| u32::try_from(p).ok())
        .collect();
    (positions.len() == count).then_some(Place::Listed(positions))
}

/// Puts terms, measure and mapping together; each must need the other.
fn check_mapping(
    table: &Table<'_, '_>,
    terms: &[Term],
    measure: &Measure,
    mapping: Mapping,
) -> Option<Mapping> {
    let keyed = matches!(measure, Measure::History { source, .. } if source.keyed());
    let count = terms.len() + usize::from(keyed);
    let built_in = matches!(
        terms,
        [Term::Hour | Term::Weekday | Term::Weekend | Term::Calendar(_) | Term::Bucket(_)]
    );
    let problem = |message: String, help: &str| {
        table.problem(table.span, &table.path, message, Some(help.to_owned()));
        None
    };
    match (count, mapping) {
        (0, Mapping::Direct) => Some(Mapping::Direct),
        (0, _) => problem(
            "`vocabulary` and `hash` map values, and the feature has none".to_owned(),
            "add `from`, or leave the mapping out",
        ),
        (1, Mapping::Direct) if built_in && !keyed => Some(Mapping::BuiltIn),
        (1, Mapping::Vocabulary { .. }) if built_in && !keyed => problem(
            "the source has its own values and takes no vocabulary".to_owned(),
            "leave `vocabulary` out",
        ),
        (_, Mapping::Direct) if keyed => problem(
            "the values of the history have no positions".to_owned(),
            "add `vocabulary` or `hash`; or `match` and `combine`, which make one number of them",
        ),
        (_, Mapping::Direct) => problem(
            "the values have no positions".to_owned(),
            "add `vocabulary` or `hash`",
        ),
        (2.., Mapping::Vocabulary { .. }) => problem(
            format!("a cross of {count} sources has no vocabulary"),
            "use `hash = { size = …, seed = … }`",
        ),
        (_, mapping) => Some(mapping),
    }
}

pub(super) fn read_policy(table: &Table<'_, '_>) -> PolicyDeclaration {
    let transforms = [
        ("none", Transform::None),
        ("log1p", Transform::Log1p),
        ("sqrt", Transform::Sqrt),
        ("log", Transform::Log),
    ];
    let scales = [
        ("none", Scale::None),
        ("z_score", Scale::ZScore),
        ("unit", Scale::Unit),
    ];
    let clip = table.get("clip").and_then(|node| {
        if matches!(node.value, DeValue::Boolean(false)) {
            return Some(None);
        }
        let bounds = table.numbers("clip")?;
        match bounds[..] {
            [low, high] if low < high => Some(Some(Clip { low, high })),
            _ => {
                let message = "`clip` is `[low, high]` with low below high, or `false`".to_owned();
                table.at("clip", message, None);
                None
            }
        }
    });
    PolicyDeclaration {
        transform: table.choice("transform", &transforms),
        scale: table.choice("scale", &scales),
        clip,
        absent: table.choice("absent", &[("zero", Absent::Zero), ("skip", Absent::Skip)]),
        max_inverse_std_dev: table.number("max_inverse_std_dev"),
    }
}

/// The policy of each metric: its own where it says something, else the feature's.
fn policies(
    table: &Table<'_, '_>,
    measure: &Measure,
    counted: bool,
    own: PolicyDeclaration,
    names: &Names<'_>,
) -> Option<Vec<ScalePolicy>> {
    let declared = match measure {
        Measure::Number { absent_value, .. } if counted => vec![own.resolve(*absent_value)],
        Measure::History { metrics, .. } => metrics
            .iter()
            .map(|m| {
                let derived = names.metrics.get(&m.name).filter(|_| counted).map(|d| {
                    let transform = d.policy.transform.or(Some(Transform::None));
                    PolicyDeclaration {
                        transform,
                        ..d.policy
                    }
                });
                let absent_value = if counted { m.kind.absent_value() } else { 0.0 };
                derived.unwrap_or_default().or(own).resolve(absent_value)
            })
            .collect(),
        Measure::Indicator | Measure::Number { .. } => vec![own.resolve(0.0)],
    };
    for policy in &declared {
        if let Err(error) = policy.validate() {
            let key = if table.has("transform") {
                "transform"
            } else {
                "clip"
            };
            let help = (policy.transform == Transform::Log)
                .then(|| "`log` has no value at 0; use `log1p`".to_owned());
            table.at(key, error.to_string(), help);
            return None;
        }
        if let (Some(clip), Scale::Unit) = (policy.clip, policy.scale)
            && (clip.high <= 0.0 || clip.low >= 1.0)
        {
            let message = format!(
                "clip [{}, {}] leaves nothing of the scale `unit`, which is between 0 and 1",
                clip.low, clip.high
            );
            table.at("clip", message, None);
            return None;
        }
    }
    Some(declared)
}
