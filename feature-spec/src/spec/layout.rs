//! Giving every feature its columns.

use std::sync::Arc;

use zscore_stats::{PolicyError, ScalePolicies, ScalePolicy};

use super::{Layout, Vector};
use crate::problem::Problems;
use crate::schema::model::{
    Declaration, FeatureDeclaration, Mapping, Measure, Place, Term, Unknown,
};
use crate::vocabulary::Vocabulary;

/// A feature and where its slots are.
///
/// A slot is (category, metric, bucket); its number is
/// `category × width + metric × buckets + bucket`, or, with the value fastest,
/// `(metric × buckets + bucket) × categories + category`.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    pub(crate) declaration: FeatureDeclaration,
    pub(crate) vocabulary: Option<Arc<Vocabulary>>,
    /// Slots in the direction of values, those for unknown ones included.
    pub(crate) categories: u32,
    /// Index of the first slot for unknown values.
    pub(crate) unknown_at: u32,
    pub(crate) metrics: u32,
    pub(crate) buckets: u32,
    pub(crate) columns: Columns,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Columns {
    Run(u32),
    /// Column of each slot, and the slots in order of column.
    Listed(Vec<u32>, Vec<u32>),
}

impl Feature {
    pub(crate) fn slots(&self) -> u32 {
        self.categories
            .saturating_mul(self.metrics)
            .saturating_mul(self.buckets)
    }

    pub(crate) fn slot(&self, category: u32, metric: u32, bucket: u32) -> u32 {
        let inner = metric * self.buckets + bucket;
        if self.declaration.value_fastest {
            inner * self.categories + category
        } else {
            category * self.metrics * self.buckets + inner
        }
    }

    /// Category, metric and bucket of a slot.
    pub(crate) fn parts(&self, slot: u32) -> (u32, u32, u32) {
        let width = self.metrics * self.buckets;
        let (category, inner) = if self.declaration.value_fastest {
            (slot % self.categories, slot / self.categories)
        } else {
            (slot / width, slot % width)
        };
        (category, inner / self.buckets, inner % self.buckets)
    }

    pub(crate) fn column(&self, slot: u32) -> u32 {
        match &self.columns {
            Columns::Run(start) => start + slot,
            Columns::Listed(columns, _) => columns[slot as usize],
        }
    }

    pub(crate) fn slot_of(&self, column: u32) -> Option<u32> {
        match &self.columns {
            Columns::Run(start) => column.checked_sub(*start).filter(|s| *s < self.slots()),
            Columns::Listed(columns, order) => {
                let at = order
                    .binary_search_by_key(&column, |s| columns[*s as usize])
                    .ok()?;
                Some(order[at])
            }
        }
    }

    pub(crate) fn first_column(&self) -> u32 {
        match &self.columns {
            Columns::Run(start) => *start,
            Columns::Listed(columns, order) => order.first().map_or(0, |s| columns[*s as usize]),
        }
    }

    fn new(declaration: &FeatureDeclaration, spec: &Declaration) -> Option<Self> {
        let (mut vocabulary, mut categories, mut unknown_at) = (None, 1_u32, u32::MAX);
        match &declaration.mapping {
            Mapping::Direct => {}
            Mapping::Vocabulary { name, unknown } => {
                let found = spec.vocabularies.get(name)?;
                vocabulary = Some(Arc::clone(&found.values));
                unknown_at = found.capacity;
                categories = found.capacity.saturating_add(match unknown {
                    Unknown::Drop => 0,
                    Unknown::Other => 1,
                    Unknown::Hash { size, .. } => *size,
                });
            }
            Mapping::BuiltIn => {
                let values = built_in(declaration.terms.first()?, spec);
                let values = Vocabulary::new(values.iter().map(String::as_str)).ok()?;
                categories = values.len();
                vocabulary = Some(Arc::new(values));
            }
            Mapping::Hash { size, .. } => categories = *size,
        }
        let metrics = match &declaration.measure {
            Measure::History { metrics, .. } => u32::try_from(metrics.len()).ok()?,
            _ => 1,
        };
        let buckets = declaration.buckets.as_ref().map_or(1, |b| b.count());
        Some(Self {
            declaration: declaration.clone(),
            vocabulary,
            categories,
            unknown_at,
            metrics,
            buckets,
            columns: Columns::Run(0),
        })
    }
}

/// The values of a term that is its own vocabulary.
pub(crate) fn built_in(term: &Term, spec: &Declaration) -> Vec<String> {
    const DAYS: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    match term {
        Term::Hour => (0..24).map(|h| h.to_string()).collect(),
        Term::Weekday => DAYS.map(str::to_owned).to_vec(),
        Term::Weekend => vec!["weekday".to_owned(), "weekend".to_owned()],
        Term::Calendar(name) => spec
            .calendars
            .get(name)
            .map_or_else(Vec::new, |c| c.names.clone()),
        Term::Bucket(bucket) => (0..bucket.buckets.count())
            .map(|i| bucket.buckets.label(i))
            .collect(),
        Term::Attribute(..) | Term::Id(_) => Vec::new(),
    }
}

/// Lays the features out; `None` after a problem.
pub(super) fn lay_out(
    spec: &Declaration,
    problems: &mut Problems,
) -> Option<(Vec<Feature>, Vec<u32>)> {
    let vectors = if spec.layout == Layout::Concatenated {
        3
    } else {
        1
    };
    let columns = spec.dimension as usize * vectors;
    let mut owners = vec![u32::MAX; columns];
    let mut features: Vec<Feature> = Vec::new();
    let mut next = [0_u32; 3];
    let mut whole = true;
    for declaration in &spec.features {
        if problems.is_full() {
            return None; // more features would only cost time
        }
        let Some(mut feature) = Feature::new(declaration, spec) else {
            whole = false;
            continue;
        };
        let path = format!("{}.{}", declaration.vector, declaration.name);
        let space = if vectors == 3 {
            declaration.vector as usize
        } else {
            0
        };
        let offset = u32::try_from(space).unwrap_or(0) * spec.dimension;
        let slots = feature.slots();
        let positions = match &declaration.place {
            Place::Listed(positions) => positions.clone(),
            Place::Next | Place::Start(_) => {
                let start = if let Place::Start(start) = declaration.place {
                    start
                } else {
                    next[space]
                };
                let end = u64::from(start) + u64::from(slots);
                if end > u64::from(spec.dimension) {
                    let message = format!(
                        "the feature needs positions {start} to {}, and the dimension is {}",
                        end - 1,
                        spec.dimension
                    );
                    let help = Some(size_help(&feature));
                    problems.add(declaration.span, &path, message, help);
                    whole = false;
                    continue;
                }
                next[space] = start + slots;
                feature.columns = Columns::Run(offset + start);
                Vec::new()
            }
        };
        if let Place::Listed(_) = declaration.place {
            if !check_listed(&feature, &positions, spec.dimension, &path, problems) {
                whole = false;
                continue;
            }
            next[space] = positions.iter().max().map_or(0, |p| p + 1).max(next[space]);
            let columns: Vec<u32> = positions.iter().map(|p| p + offset).collect();
            let mut order: Vec<u32> = (0..slots).collect();
            order.sort_unstable_by_key(|s| columns[*s as usize]);
            feature.columns = Columns::Listed(columns, order);
        }
        let id = u32::try_from(features.len()).unwrap_or(u32::MAX);
        let mut clash: Option<(u32, u32, u32)> = None;
        for slot in 0..slots {
            let column = feature.column(slot);
            let owner = &mut owners[column as usize];
            if *owner == u32::MAX {
                *owner = id;
            } else {
                let (other, low, high) = clash.get_or_insert((*owner, column, column));
                if *owner == *other {
                    (*low, *high) = (column.min(*low), column.max(*high));
                }
            }
        }
        if let Some((other, low, high)) = clash {
            let where_ = if low == high {
                format!("position {}", low - offset)
            } else {
                format!("positions {} to {}", low - offset, high - offset)
            };
            let message = match features.get(other as usize).map(|f| &f.declaration) {
                Some(f) => format!("`{path}` and `{}.{}` overlap at {where_}", f.vector, f.name),
                None => format!("`{path}` names {where_} twice"),
            };
            problems.add(declaration.span, &path, message, Some(size_help(&feature)));
            whole = false;
        }
        features.push(feature);
    }
    if !whole {
        return None;
    }
    // Encoding in order of column leaves little to sort.
    let mut order: Vec<u32> = (0..u32::try_from(features.len()).unwrap_or(0)).collect();
    order.sort_by_key(|i| features[*i as usize].first_column());
    let mut rank = vec![0_u32; order.len()];
    for (new, old) in order.iter().enumerate() {
        rank[*old as usize] = u32::try_from(new).unwrap_or(u32::MAX);
    }
    for owner in &mut owners {
        if let Some(new) = rank.get(*owner as usize) {
            *owner = *new;
        }
    }
    features.sort_by_key(Feature::first_column);
    Some((features, owners))
}

fn size_help(feature: &Feature) -> String {
    let mut parts = vec![plural(feature.categories, "value")];
    if feature.metrics > 1 {
        parts.push(plural(feature.metrics, "metric"));
    }
    if feature.buckets > 1 {
        parts.push(plural(feature.buckets, "bucket"));
    }
    format!(
        "it takes {}: {}",
        plural(feature.slots(), "position"),
        parts.join(" × ")
    )
}

fn plural(count: u32, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

fn check_listed(
    feature: &Feature,
    positions: &[u32],
    dimension: u32,
    path: &str,
    problems: &mut Problems,
) -> bool {
    let span = feature.declaration.span;
    if positions.len() != feature.slots() as usize {
        let message = format!(
            "{} listed, and the feature needs {}",
            plural(
                u32::try_from(positions.len()).unwrap_or(u32::MAX),
                "position"
            ),
            feature.slots()
        );
        problems.add(span, path, message, Some(size_help(feature)));
        return false;
    }
    if let Some(position) = positions.iter().find(|p| **p >= dimension) {
        let message = format!("position {position} is beyond the last, {}", dimension - 1);
        problems.add(span, path, message, None);
        return false;
    }
    let mut sorted = positions.to_vec();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|w| w[0] == w[1]) {
        problems.add(
            span,
            path,
            format!("position {} is listed twice", twice[0]),
            None,
        );
        return false;
    }
    true
}

/// The policies of all columns; those without a feature keep the value as it is.
pub(super) fn policies(features: &[Feature], columns: usize) -> Result<ScalePolicies, PolicyError> {
    let mut distinct = vec![ScalePolicy::default()];
    let mut index = vec![0_u16; columns];
    for feature in features {
        let ids: Vec<u16> = (feature.declaration.policies.iter())
            .map(|policy| {
                let id = distinct
                    .iter()
                    .position(|p| p == policy)
                    .unwrap_or_else(|| {
                        distinct.push(*policy);
                        distinct.len() - 1
                    });
                u16::try_from(id).unwrap_or(u16::MAX)
            })
            .collect();
        for slot in 0..feature.slots() {
            let (_, metric, _) = feature.parts(slot);
            let id = ids
                .get(metric as usize)
                .or(ids.first())
                .copied()
                .unwrap_or(0);
            index[feature.column(slot) as usize] = id;
        }
    }
    ScalePolicies::new(distinct, index)
}

impl Vector {
    /// Columns before the vector's first, in the concatenated layout.
    pub(crate) fn offset(self, spec: &Declaration) -> u32 {
        match spec.layout {
            Layout::Shared => 0,
            Layout::Concatenated => self as u32 * spec.dimension,
        }
    }
}
