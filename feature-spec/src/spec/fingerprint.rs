//! What every position means, in 32 bytes.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use zscore_stats::ScalePolicy;

use super::Feature;
use crate::schema::model::{
    Combine, Declaration, HistorySource, Mapping, Measure, MetricKind, NumberSource, RateForm,
    Term, Unknown,
};

/// A SHA-256 digest, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a fingerprint of 64 hexadecimal digits")]
#[non_exhaustive]
pub struct FingerprintError {
    /// The text given, at most 80 characters of it.
    pub text: String,
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let error = || FingerprintError {
            text: text.chars().take(80).collect(),
        };
        let digit = |b: u8| {
            char::from(b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(error());
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = digit(pair[0]).zip(digit(pair[1])).ok_or_else(error)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Hashes the meaning of every column, in order of column.
pub(super) fn meaning(spec: &Declaration, features: &[Feature], owners: &[u32]) -> Fingerprint {
    let mut hasher = Sha256::new();
    hasher.update(b"feature-spec meaning 1\n");
    hasher.update(format!("{} {}\n", spec.dimension, layout(spec)));
    let meanings: Vec<_> = features.iter().map(|f| Meaning::new(spec, f)).collect();
    for (column, owner) in (0_u32..).zip(owners) {
        let Some(meaning) = meanings.get(*owner as usize) else {
            continue;
        };
        let Some(slot) = meaning.feature.slot_of(column) else {
            continue;
        };
        let rest = meaning.of(slot);
        hasher.update(column.to_le_bytes());
        hasher.update(meaning.common);
        hasher.update((rest.len() as u64).to_le_bytes());
        hasher.update(rest);
    }
    Fingerprint(hasher.finalize().into())
}

/// Hashes how every column is scaled, in order of column.
pub(super) fn scaling(spec: &Declaration, features: &[Feature], owners: &[u32]) -> Fingerprint {
    let mut hasher = Sha256::new();
    hasher.update(b"feature-spec scaling 1\n");
    hasher.update(format!("{} {}\n", spec.dimension, layout(spec)));
    for kind in spec.population {
        hasher.update(format!("{}\n", kind.as_str()));
    }
    let texts: Vec<Vec<String>> = features
        .iter()
        .map(|f| f.declaration.policies.iter().map(policy_text).collect())
        .collect();
    for (column, owner) in (0_u32..).zip(owners) {
        let Some(feature) = features.get(*owner as usize) else {
            continue;
        };
        let Some(slot) = feature.slot_of(column) else {
            continue;
        };
        let (_, metric, _) = feature.parts(slot);
        let texts = &texts[*owner as usize];
        let text = texts
            .get(metric as usize)
            .or(texts.first())
            .map_or("", String::as_str);
        hasher.update(column.to_le_bytes());
        hasher.update(format!("{} {text}\n", feature.declaration.vector));
    }
    Fingerprint(hasher.finalize().into())
}

fn layout(spec: &Declaration) -> &'static str {
    match spec.layout {
        super::Layout::Shared => "shared",
        super::Layout::Concatenated => "concatenated",
    }
}

/// What the slots of a feature mean: two slots of two specs mean the same exactly if `common` and
/// [`Meaning::of`] are the same.
pub(crate) struct Meaning<'f> {
    pub(crate) feature: &'f Feature,
    /// Digest of what all slots have in common: vector, terms, history.
    pub(crate) common: [u8; 16],
    metrics: Vec<String>,
    /// Digest of the vocabulary as a set, where slots of unknown values depend on it.
    vocabulary: String,
}

impl<'f> Meaning<'f> {
    pub(crate) fn new(spec: &Declaration, feature: &'f Feature) -> Self {
        let declaration = &feature.declaration;
        let mut text = format!("{}\n", declaration.vector);
        for term in &declaration.terms {
            term_text(&mut text, term, spec);
        }
        let metrics = match &declaration.measure {
            Measure::Indicator => vec!["one".to_owned()],
            Measure::Number {
                owner,
                name,
                boolean,
                absent_value,
            } => {
                vec![format!(
                    "number {owner} {name:?} {boolean} {}",
                    bits(*absent_value)
                )]
            }
            Measure::History { source, metrics } => {
                history_text(&mut text, source, spec);
                metrics.iter().map(|m| metric_text(&m.kind)).collect()
            }
        };
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut common = [0; 16];
        common.copy_from_slice(&digest[..16]);
        Self {
            feature,
            common,
            metrics,
            vocabulary: unknown_digest(feature),
        }
    }

    /// What is a slot's own: value, metric, bucket.
    pub(crate) fn of(&self, slot: u32) -> String {
        let Self {
            feature,
            vocabulary,
            ..
        } = self;
        let (category, metric, bucket) = feature.parts(slot);
        let values = feature.vocabulary.as_ref().filter(|v| category < v.len());
        let mut text = match (&feature.declaration.mapping, values) {
            (Mapping::Direct, _) => String::new(),
            (Mapping::Hash { size, seed }, _) => format!("hash {size} {seed} {category}"),
            (_, Some(values)) => format!("value {}", values.value(category)),
            (Mapping::Vocabulary { unknown, .. }, _) if category >= feature.unknown_at => {
                match unknown {
                    Unknown::Hash { size, seed } => {
                        let slot = category - feature.unknown_at;
                        format!("unknown {vocabulary} {size} {seed} {slot}")
                    }
                    _ => format!("unknown {vocabulary}"),
                }
            }
            _ => "kept".to_owned(),
        };
        text.push('\0');
        text.push_str(self.metrics.get(metric as usize).map_or("", String::as_str));
        if let Some(buckets) = &feature.declaration.buckets {
            let edge = |i: Option<u32>| {
                i.and_then(|i| buckets.0.get(i as usize))
                    .map_or_else(String::new, |e| bits(*e))
            };
            let _ = write!(
                text,
                "\0{} {}",
                edge(bucket.checked_sub(1)),
                edge(Some(bucket))
            );
        }
        text
    }
}

fn unknown_digest(feature: &Feature) -> String {
    let (
        Mapping::Vocabulary {
            unknown: Unknown::Other | Unknown::Hash { .. },
            ..
        },
        Some(values),
    ) = (&feature.declaration.mapping, &feature.vocabulary)
    else {
        return String::new();
    };
    let mut sorted: Vec<&str> = values.iter().collect();
    sorted.sort_unstable();
    let mut hasher = Sha256::new();
    for value in sorted {
        hasher.update((value.len() as u64).to_le_bytes());
        hasher.update(value);
    }
    Fingerprint(hasher.finalize().into()).to_string()
}

fn term_text(out: &mut String, term: &Term, spec: &Declaration) {
    let _ = match term {
        Term::Attribute(owner, name) => writeln!(out, "attribute {owner} {name:?}"),
        Term::Id(owner) => writeln!(out, "id {owner}"),
        Term::Hour => writeln!(out, "hour {}", spec.zone.name()),
        Term::Weekday => writeln!(out, "weekday {}", spec.zone.name()),
        Term::Weekend => writeln!(out, "weekend {}", spec.zone.name()),
        Term::Calendar(name) => {
            let lines: Vec<_> = spec
                .calendars
                .get(name)
                .map_or_else(Vec::new, |c| c.lines().collect());
            writeln!(out, "calendar {} {lines:?}", spec.zone.name())
        }
        Term::Bucket(bucket) => {
            match &bucket.source {
                NumberSource::Number(owner, name) => {
                    let _ = writeln!(out, "bucket of number {owner} {name:?}");
                }
                NumberSource::History(source, metric) => {
                    out.push_str("bucket of ");
                    history_text(out, source, spec);
                    out.push_str(&metric_text(&metric.kind));
                }
            }
            let edges: Vec<_> = bucket.buckets.0.iter().map(|e| bits(*e)).collect();
            writeln!(out, " {}", edges.join(" "))
        }
    };
}

fn history_text(out: &mut String, source: &HistorySource, spec: &Declaration) {
    let combine = match source.combine {
        None => "each",
        Some(Combine::Sum) => "sum",
        Some(Combine::Mean) => "mean",
        Some(Combine::Max) => "max",
    };
    let _ = writeln!(out, "history {} {:?} {combine}", source.owner, source.group);
    if let Some(term) = &source.matching {
        term_text(out, term, spec);
    }
}

fn metric_text(kind: &MetricKind) -> String {
    match kind {
        MetricKind::Counter(name) => format!("counter {name:?}"),
        MetricKind::Share(name) => format!("share {name:?}"),
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
            format!("{form} {rate:?} {per:?} {} {}", bits(*a), bits(*b))
        }
        MetricKind::Recency { unit_ms, cap } => {
            format!("recency {} {}", bits(*unit_ms), bits(*cap))
        }
    }
}

fn policy_text(policy: &ScalePolicy) -> String {
    let clip = policy
        .clip
        .map_or_else(String::new, |c| format!("{} {}", bits(c.low), bits(c.high)));
    format!(
        "{:?} {:?} {:?} [{clip}] {} {}",
        policy.transform,
        policy.scale,
        policy.absent,
        bits(policy.absent_value),
        bits(policy.max_inverse_std_dev)
    )
}

/// The exact bits of a number; −0 counts as 0.
fn bits(value: f64) -> String {
    format!("{:016x}", (value + 0.0).to_bits())
}
