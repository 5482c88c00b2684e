//! The resolved spec as TOML, in one fixed order, that reads back as the same spec.

use std::fmt::Write;

use zscore_stats::{Absent, Scale, Transform};

use super::layout::Columns;
use super::{Feature, Layout};
use crate::schema::model::{
    BucketTerm, Buckets, Combine, Declaration, HistorySource, Mapping, Measure, MetricKind,
    NumberSource, PolicyDeclaration, RateForm, Term, Unknown,
};

/// Writes the spec; `features` are laid out.
pub(super) fn write(spec: &Declaration, features: &[Feature]) -> String {
    let mut out = String::with_capacity(1 << 16);
    let layout = if spec.layout == Layout::Shared {
        "shared"
    } else {
        "concatenated"
    };
    let _ = writeln!(
        out,
        "format = 1\nname = {}\nversion = {}\nlanguage = {}\ntime_zone = {}\ndimension = {}\nlayout = \"{layout}\"",
        quote(&spec.name),
        quote(&spec.version),
        quote(&spec.language),
        quote(&spec.zone.name()),
        spec.dimension,
    );
    let mut counters: Vec<_> = spec.counters.iter().map(|c| quote(c)).collect();
    counters.sort_unstable();
    let _ = writeln!(out, "counters = [{}]", counters.join(", "));
    let [user, item, event] = spec.population.map(super::PopulationKind::as_str);
    let _ = writeln!(
        out,
        "\n[population]\nuser = \"{user}\"\nitem = \"{item}\"\nevent = \"{event}\""
    );
    for (name, vocabulary) in &spec.vocabularies {
        let _ = writeln!(
            out,
            "\n[vocabulary.{name}]\ncapacity = {}",
            vocabulary.capacity
        );
        list(&mut out, "values", vocabulary.values.iter());
    }
    for (name, calendar) in &spec.calendars {
        let _ = writeln!(out, "\n[calendar.{name}]");
        let lines: Vec<_> = calendar.lines().collect();
        list(&mut out, "days", lines.iter().map(String::as_str));
    }
    for (name, metric) in &spec.metrics {
        let _ = writeln!(out, "\n[metric.{name}]");
        metric_keys(&mut out, &metric.kind);
        declared_policy(&mut out, metric.policy);
    }
    let mut sorted: Vec<_> = features.iter().collect();
    sorted.sort_by_key(|f| (f.declaration.vector, f.declaration.name.as_str()));
    for feature in sorted {
        write_feature(&mut out, spec, feature);
    }
    out
}

fn write_feature(out: &mut String, spec: &Declaration, feature: &Feature) {
    let declaration = &feature.declaration;
    let _ = writeln!(out, "\n[{}.{}]", declaration.vector, declaration.name);
    if !declaration.terms.is_empty() {
        let terms: Vec<_> = declaration.terms.iter().map(term).collect();
        let _ = writeln!(out, "from = [{}]", terms.join(", "));
    }
    match &declaration.measure {
        Measure::Indicator => {}
        Measure::Number {
            owner,
            name,
            boolean: true,
            ..
        } => {
            let _ = writeln!(out, "boolean = {}", quote(&format!("{owner}.{name}")));
        }
        Measure::Number {
            owner,
            name,
            absent_value,
            ..
        } => {
            let source = quote(&format!("{owner}.{name}"));
            let _ = writeln!(
                out,
                "number = {source}\nabsent_value = {}",
                number(*absent_value)
            );
        }
        Measure::History { source, metrics } => {
            let _ = writeln!(out, "{}", history(source, "\n"));
            let names: Vec<_> = metrics.iter().map(|m| quote(&m.name)).collect();
            let _ = writeln!(out, "metrics = [{}]", names.join(", "));
        }
    }
    if let Some(buckets) = &declaration.buckets {
        let _ = writeln!(out, "{}", edges(buckets));
    }
    match &declaration.mapping {
        Mapping::Direct | Mapping::BuiltIn => {}
        Mapping::Vocabulary { name, unknown } => {
            let _ = writeln!(out, "vocabulary = {}", quote(name));
            let _ = match unknown {
                Unknown::Drop => writeln!(out, "unknown = \"drop\""),
                Unknown::Other => writeln!(out, "unknown = \"other\""),
                Unknown::Hash { size, seed } => {
                    writeln!(out, "unknown = {{ size = {size}, seed = {seed} }}")
                }
            };
        }
        Mapping::Hash { size, seed } => {
            let _ = writeln!(out, "hash = {{ size = {size}, seed = {seed} }}");
        }
    }
    let order = if declaration.value_fastest {
        "value_fastest"
    } else {
        "metric_fastest"
    };
    let _ = writeln!(out, "order = \"{order}\"");
    let offset = declaration.vector.offset(spec);
    let _ = match &feature.columns {
        Columns::Run(start) => writeln!(out, "start = {}", start - offset),
        Columns::Listed(columns, _) => {
            let positions: Vec<_> = columns.iter().map(|c| (c - offset).to_string()).collect();
            writeln!(out, "positions = [{}]", positions.join(", "))
        }
    };
    declared_policy(out, declaration.policy);
}

fn declared_policy(out: &mut String, policy: PolicyDeclaration) {
    if let Some(value) = policy.transform {
        let _ = writeln!(out, "transform = \"{}\"", transform(value));
    }
    if let Some(value) = policy.scale {
        let _ = writeln!(out, "scale = \"{}\"", scale(value));
    }
    if let Some(value) = policy.absent {
        let _ = writeln!(out, "absent = \"{}\"", absent(value));
    }
    if let Some(value) = policy.max_inverse_std_dev {
        let _ = writeln!(out, "max_inverse_std_dev = {}", number(value));
    }
    let _ = match policy.clip {
        Some(Some(clip)) => writeln!(out, "clip = [{}, {}]", number(clip.low), number(clip.high)),
        Some(None) => writeln!(out, "clip = false"),
        None => Ok(()),
    };
}

fn metric_keys(out: &mut String, kind: &MetricKind) {
    let _ = match kind {
        MetricKind::Counter(_) => Ok(()),
        MetricKind::Share(counter) => writeln!(out, "share = {}", quote(counter)),
        MetricKind::Rate {
            rate,
            per,
            a,
            b,
            form,
        } => {
            let form = match form {
                RateForm::Rate => "rate",
                RateForm::Log => "log",
                RateForm::Logit => "logit",
            };
            let (rate, per) = (quote(rate), quote(per));
            let (a, b) = (number(*a), number(*b));
            writeln!(
                out,
                "rate = {rate}\nper = {per}\na = {a}\nb = {b}\nas = \"{form}\""
            )
        }
        MetricKind::Recency { unit_ms, cap } => {
            let unit = match *unit_ms {
                u if u < 6e4 => "seconds",
                u if u < 3.6e6 => "minutes",
                u if u < 8.64e7 => "hours",
                _ => "days",
            };
            writeln!(out, "recency = \"{unit}\"\ncap = {}", number(*cap))
        }
    };
}

fn term(term: &Term) -> String {
    match term {
        Term::Attribute(owner, name) => quote(&format!("{owner}.{name}")),
        Term::Id(owner) => quote(&format!("{owner}.id")),
        Term::Hour => quote("time.hour"),
        Term::Weekday => quote("time.weekday"),
        Term::Weekend => quote("time.weekend"),
        Term::Calendar(name) => quote(&format!("calendar.{name}")),
        Term::Bucket(bucket) => {
            let BucketTerm { source, buckets } = bucket.as_ref();
            let source = match source {
                NumberSource::Number(owner, name) => {
                    format!("number = {}", quote(&format!("{owner}.{name}")))
                }
                NumberSource::History(source, metric) => {
                    format!(
                        "{}, metric = {}",
                        history(source, ", "),
                        quote(&metric.name)
                    )
                }
            };
            format!("{{ {source}, {} }}", edges(buckets))
        }
    }
}

fn history(source: &HistorySource, separator: &str) -> String {
    let mut text = format!(
        "history = {}",
        quote(&format!("{}.{}", source.owner, source.group))
    );
    if let Some(matching) = &source.matching {
        let _ = write!(text, "{separator}match = {}", term(matching));
    }
    if let Some(combine) = source.combine {
        let combine = match combine {
            Combine::Sum => "sum",
            Combine::Mean => "mean",
            Combine::Max => "max",
        };
        let _ = write!(text, "{separator}combine = \"{combine}\"");
    }
    text
}

fn edges(buckets: &Buckets) -> String {
    let edges: Vec<_> = buckets.0.iter().map(|e| number(*e)).collect();
    format!("edges = [{}]", edges.join(", "))
}

fn transform(transform: Transform) -> &'static str {
    match transform {
        Transform::Log1p => "log1p",
        Transform::Sqrt => "sqrt",
        Transform::Log => "log",
        _ => "none",
    }
}

fn scale(scale: Scale) -> &'static str {
    match scale {
        Scale::ZScore => "z_score",
        Scale::Unit => "unit",
        _ => "none",
    }
}

fn absent(absent: Absent) -> &'static str {
    if absent == Absent::Skip {
        "skip"
    } else {
        "zero"
    }
}

/// A TOML number that reads back as the same `f64`.
fn number(value: f64) -> String {
    format!("{:?}", value + 0.0)
}

fn list<'v>(out: &mut String, key: &str, values: impl Iterator<Item = &'v str>) {
    let _ = writeln!(out, "{key} = [");
    for value in values {
        let _ = writeln!(out, "  {},", quote(value));
    }
    out.push_str("]\n");
}

/// A TOML basic string.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
