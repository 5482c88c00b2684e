//! A spec as declared: names resolved, positions not laid out yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use zscore_stats::{Absent, Clip, Scale, ScalePolicy, Transform};

use crate::calendar::{Calendar, Zone};
use crate::owner::Owner;
use crate::problem::Span;
use crate::spec::{Layout, PopulationKind, Vector};
use crate::vocabulary::Vocabulary;

/// A whole spec.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) language: String,
    pub(crate) zone: Zone,
    pub(crate) dimension: u32,
    pub(crate) layout: Layout,
    pub(crate) population: [PopulationKind; 3],
    pub(crate) counters: Vec<String>,
    pub(crate) vocabularies: BTreeMap<String, VocabularyDeclaration>,
    pub(crate) calendars: BTreeMap<String, Arc<Calendar>>,
    pub(crate) metrics: BTreeMap<String, MetricDeclaration>,
    pub(crate) features: Vec<FeatureDeclaration>,
}

#[derive(Debug, Clone)]
pub(crate) struct VocabularyDeclaration {
    pub(crate) values: Arc<Vocabulary>,
    /// Positions kept for values, at least as many as there are values.
    pub(crate) capacity: u32,
}

/// A metric derived from counters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MetricDeclaration {
    pub(crate) kind: MetricKind,
    pub(crate) policy: PolicyDeclaration,
}

/// What is computed from the counters of one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MetricKind {
    Counter(String),
    Share(String),
    Rate {
        rate: String,
        per: String,
        a: f64,
        b: f64,
        form: RateForm,
    },
    Recency {
        unit_ms: f64,
        cap: f64,
    },
}

/// What becomes of a smoothed rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateForm {
    Rate,
    Log,
    Logit,
}

/// The parts of a policy that were written down.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct PolicyDeclaration {
    pub(crate) transform: Option<Transform>,
    pub(crate) scale: Option<Scale>,
    pub(crate) clip: Option<Option<Clip>>,
    pub(crate) absent: Option<Absent>,
    pub(crate) max_inverse_std_dev: Option<f64>,
}

impl PolicyDeclaration {
    /// This policy where it says something, `other` where it does not.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            transform: self.transform.or(other.transform),
            scale: self.scale.or(other.scale),
            clip: self.clip.or(other.clip),
            absent: self.absent.or(other.absent),
            max_inverse_std_dev: self.max_inverse_std_dev.or(other.max_inverse_std_dev),
        }
    }

    pub(crate) fn resolve(self, absent_value: f64) -> ScalePolicy {
        let mut policy = ScalePolicy::default()
            .transform(self.transform.unwrap_or_default())
            .scale(self.scale.unwrap_or_default())
            .absent(self.absent.unwrap_or_default())
            .absent_value(absent_value);
        policy.clip = self.clip.flatten();
        if let Some(cap) = self.max_inverse_std_dev {
            policy = policy.max_inverse_std_dev(cap);
        }
        policy
    }
}

/// A feature: source, mapping, scale.
#[derive(Debug, Clone)]
pub(crate) struct FeatureDeclaration {
    pub(crate) vector: Vector,
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) terms: Vec<Term>,
    pub(crate) measure: Measure,
    pub(crate) buckets: Option<Buckets>,
    pub(crate) mapping: Mapping,
    pub(crate) place: Place,
    pub(crate) value_fastest: bool,
    /// What the feature itself and the defaults say.
    pub(crate) policy: PolicyDeclaration,
    /// One for each metric, or one in all.
    pub(crate) policies: Vec<ScalePolicy>,
}

/// Something that has values: strings that positions are given to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Term {
    Attribute(Owner, String),
    Id(Owner),
    Hour,
    Weekday,
    Weekend,
    Calendar(String),
    Bucket(Box<BucketTerm>),
}

/// A number cut into buckets, as a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BucketTerm {
    pub(crate) source: NumberSource,
    pub(crate) buckets: Buckets,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NumberSource {
    Number(Owner, String),
    History(HistorySource, Metric),
}

/// What a feature's number is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Measure {
    /// 1 for each value of the terms.
    Indicator,
    Number {
        owner: Owner,
        name: String,
        boolean: bool,
        absent_value: f64,
    },
    History {
        source: HistorySource,
        metrics: Vec<Metric>,
    },
}

/// Which counters: a group of the user's or the item's history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HistorySource {
    pub(crate) owner: Owner,
    pub(crate) group: String,
    /// The term whose values are looked up; without it all of the group's values are taken, or,
    /// in the group `all`, its one.
    pub(crate) matching: Option<Term>,
    /// How the values found become one.
    pub(crate) combine: Option<Combine>,
}

impl HistorySource {
    /// Whether each value of the group keeps a position of its own.
    pub(crate) fn keyed(&self) -> bool {
        self.combine.is_none() && (self.matching.is_some() || self.group != "all")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combine {
    Sum,
    Mean,
    Max,
}

/// A metric by name, with what it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) kind: MetricKind,
}

impl MetricKind {
    /// The value when nothing was counted.
    pub(crate) fn absent_value(&self) -> f64 {
        match self {
            Self::Counter(_) | Self::Share(_) => 0.0,
            Self::Rate { a, b, form, .. } => form.apply(a / b),
            Self::Recency { cap, .. } => *cap,
        }
    }
}

/// Largest rate whose logit is taken; rates from counters that exceed their base stop there.
const MAX_RATE: f64 = 1.0 - 1.0 / 16_777_216.0;

impl RateForm {
    pub(crate) fn apply(self, rate: f64) -> f64 {
        match self {
            Self::Rate => rate,
            Self::Log => libm::log(rate),
            Self::Logit => {
                let p = rate.min(MAX_RATE);
                libm::log(p / (1.0 - p))
            }
        }
    }
}

/// Bounds of buckets, ascending: bucket `i` holds `edges[i − 1] ≤ x < edges[i]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Buckets(pub(crate) Vec<f64>);

impl Buckets {
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.0.len() + 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn index(&self, value: f64) -> u32 {
        u32::try_from(self.0.partition_point(|edge| *edge <= value)).unwrap_or(u32::MAX)
    }

    pub(crate) fn label(&self, index: u32) -> String {
        let i = index as usize;
        match (i.checked_sub(1).and_then(|i| self.0.get(i)), self.0.get(i)) {
            (None, Some(high)) => format!("<{high}"),
            (Some(low), Some(high)) => format!("{low}..{high}"),
            (Some(low), None) => format!(">={low}"),
            (None, None) => "any".to_owned(),
        }
    }
}

/// How values find their positions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mapping {
    /// There are no values; positions go by metric alone.
    Direct,
    Vocabulary {
        name: String,
        unknown: Unknown,
    },
    /// The values of a term that is its own vocabulary: hours, weekdays, festivals, buckets.
    BuiltIn,
    Hash {
        size: u32,
        seed: u64,
    },
}

/// What happens to a value that is not in the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Drop,
    Other,
    Hash { size: u32, seed: u64 },
}

/// Where a feature's positions are, within its vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Right after the feature before it.
    Next,
    Start(u32),
    Listed(Vec<u32>),
}
