//! Reading one feature.

mod mapping;
mod policy;
mod source;

use std::collections::BTreeMap;

use super::model::{FeatureDeclaration, Measure, MetricDeclaration, PolicyDeclaration};
use super::table::Table;
use crate::problem::Span;
use crate::spec::Vector;

pub(super) use policy::read_policy;

use mapping::{check_mapping, read_buckets, read_mapping, read_place};
use policy::policies;
use source::{read_measure, read_terms};

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
