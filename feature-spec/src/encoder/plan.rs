//! What an encoder does for each event, worked out once.

use std::sync::Arc;

use zscore_stats::Absent;

use crate::calendar::Calendar;
use crate::owner::Owner;
use crate::schema::model::{
    Buckets, Combine, Declaration, HistorySource, Mapping, Measure, Metric, MetricKind,
    NumberSource, RateForm, Term, Unknown,
};
use crate::spec::{Feature, FeatureSpec};
use crate::vocabulary::Vocabulary;

/// Inputs, each read once an event, and features made of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) lists: Vec<List>,
    pub(super) histories: Vec<History>,
    pub(super) numbers: Vec<Number>,
    pub(super) features: Vec<FeaturePlan>,
}

/// Values that categories are made of.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) source: ListSource,
    /// The vocabularies that the values are looked up in.
    pub(super) vocabularies: Vec<Arc<Vocabulary>>,
    /// The histories that the values are looked up in.
    pub(super) histories: Vec<usize>,
    /// The first feature that reads it.
    pub(super) feature: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ListSource {
    Attribute(Owner, String),
    Id(Owner),
    Hour,
    Weekday,
    Weekend,
    Calendar(Arc<Calendar>),
    Keys(Owner, String),
    NumberBucket(usize, Buckets),
    HistoryBucket {
        history: usize,
        metric: MetricPlan,
        combine: Option<Combine>,
        absent: f64,
        buckets: Buckets,
    },
}

/// Counters of a group: of its one value (`list` is `None`) or of the values of a list.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) owner: Owner,
    pub(super) group: String,
    pub(super) list: Option<usize>,
    pub(super) counters: Vec<String>,
    pub(super) feature: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Number {
    pub(super) owner: Owner,
    pub(super) name: String,
    pub(super) feature: usize,
}

#[derive(Debug, Clone)]
pub(super) struct FeaturePlan {
    /// Lists whose values are crossed; the keyed history's own list is the last.
    pub(super) terms: Vec<usize>,
    pub(super) lookup: Lookup,
    pub(super) measure: MeasurePlan,
    pub(super) buckets: Option<Buckets>,
    pub(super) metrics: Vec<Scaled>,
}

/// The absent value of a metric, and whether it may be left out of the row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaled {
    pub(super) absent_value: f64,
    pub(super) leave_out: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Lookup {
    One,
    /// Place of the vocabulary in its list.
    Vocabulary(usize, Unknown),
    Hash(u32, u64),
}

#[derive(Debug, Clone)]
pub(super) enum MeasurePlan {
    Indicator,
    Number {
        number: usize,
        boolean: bool,
    },
    History {
        history: usize,
        keyed: bool,
        combine: Option<Combine>,
        metrics: Vec<MetricPlan>,
    },
}

/// A metric over the counters of a history, by their place in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MetricPlan {
    Counter(usize),
    /// Place in this history; the history of all plays, and place in it.
    Share(usize, usize, usize),
    Rate {
        rate: usize,
        per: usize,
        a: f64,
        b: f64,
        form: RateForm,
    },
    Recency {
        unit_ms: f64,
        cap: f64,
    },
}

impl MetricPlan {
    fn renumber(&mut self, history: usize, places: &[Vec<usize>]) {
        match self {
            Self::Counter(counter) => *counter = places[history][*counter],
            Self::Share(counter, all, whole) => {
                *counter = places[history][*counter];
                *whole = places[*all][*whole];
            }
            Self::Rate { rate, per, .. } => {
                *rate = places[history][*rate];
                *per = places[history][*per];
            }
            Self::Recency { .. } => {}
        }
    }
}

impl Plan {
    pub(super) fn new(spec: &FeatureSpec) -> Self {
        let compiled = spec.compiled();
        let mut plan = Self::default();
        for (index, feature) in compiled.features.iter().enumerate() {
            let planned = plan.feature(index, feature, &compiled.declaration);
            plan.features.push(planned);
        }
        plan.sort_counters();
        plan
    }

    /// Puts the counters of every history in order of name, which is the order that events have
    /// them in, so that reading them is a walk along both.
    fn sort_counters(&mut self) {
        let places: Vec<Vec<usize>> = self
            .histories
            .iter_mut()
            .map(|history| {
                let mut sorted = history.counters.clone();
                sorted.sort_unstable();
                let place = |name| sorted.iter().position(|s| s == name).unwrap_or(0);
                let places = history.counters.iter().map(place).collect();
                history.counters = sorted;
                places
            })
            .collect();
        for list in &mut self.lists {
            if let ListSource::HistoryBucket {
                history, metric, ..
            } = &mut list.source
            {
                metric.renumber(*history, &places);
            }
        }
        for feature in &mut self.features {
            if let MeasurePlan::History {
                history, metrics, ..
            } = &mut feature.measure
            {
                for metric in metrics {
                    metric.renumber(*history, &places);
                }
            }
        }
    }

    fn feature(&mut self, index: usize, feature: &Feature, spec: &Declaration) -> FeaturePlan {
        let declaration = &feature.declaration;
        let mut terms: Vec<usize> = declaration
            .terms
            .iter()
            .map(|t| self.term(index, t, spec))
            .collect();
        let measure = match &declaration.measure {
            Measure::Indicator => MeasurePlan::Indicator,
            Measure::Number {
                owner,
                name,
                boolean,
                ..
            } => MeasurePlan::Number {
                number: self.number(index, *owner, name),
                boolean: *boolean,
            },
            Measure::History { source, metrics } => {
                let history = self.history(index, source, spec);
                let metrics = metrics
                    .iter()
                    .map(|m| self.metric(index, history, source, m))
                    .collect();
                let keyed = source.keyed();
                if keyed {
                    terms.extend(self.histories[history].list);
                }
                MeasurePlan::History {
                    history,
                    keyed,
                    combine: source.combine,
                    metrics,
                }
            }
        };
        let lookup = match (&declaration.mapping, &feature.vocabulary, terms.first()) {
            (Mapping::Vocabulary { unknown, .. }, Some(values), Some(list)) => {
                Lookup::Vocabulary(self.vocabulary(*list, values), *unknown)
            }
            (Mapping::BuiltIn, Some(values), Some(list)) => {
                Lookup::Vocabulary(self.vocabulary(*list, values), Unknown::Drop)
            }
            (Mapping::Hash { size, seed }, ..) => Lookup::Hash(*size, *seed),
            _ => Lookup::One,
        };
        let metrics = declaration
            .policies
            .iter()
            .map(|p| Scaled {
                absent_value: p.absent_value,
                leave_out: p.absent == Absent::Zero,
            })
            .collect();
        FeaturePlan {
            terms,
            lookup,
            measure,
            buckets: declaration.buckets.clone(),
            metrics,
        }
    }

    fn term(&mut self, feature: usize, term: &Term, spec: &Declaration) -> usize {
        let source = match term {
            Term::Attribute(owner, name) => ListSource::Attribute(*owner, name.clone()),
            Term::Id(owner) => ListSource::Id(*owner),
            Term::Hour => ListSource::Hour,
            Term::Weekday => ListSource::Weekday,
            Term::Weekend => ListSource::Weekend,
            Term::Calendar(name) => {
                ListSource::Calendar(spec.calendars.get(name).map(Arc::clone).unwrap_or_default())
            }
            Term::Bucket(bucket) => match &bucket.source {
                NumberSource::Number(owner, name) => ListSource::NumberBucket(
                    self.number(feature, *owner, name),
                    bucket.buckets.clone(),
                ),
                NumberSource::History(source, metric) => {
                    let history = self.history(feature, source, spec);
                    ListSource::HistoryBucket {
                        history,
                        metric: self.metric(feature, history, source, metric),
                        combine: source.combine,
                        absent: metric.kind.absent_value(),
                        buckets: bucket.buckets.clone(),
                    }
                }
            },
        };
        self.list(feature, source)
    }

    fn list(&mut self, feature: usize, source: ListSource) -> usize {
        self.lists
            .iter()
            .position(|l| l.source == source)
            .unwrap_or_else(|| {
                let (vocabularies, histories) = (Vec::new(), Vec::new());
                self.lists.push(List {
                    source,
                    vocabularies,
                    histories,
                    feature,
                });
                self.lists.len() - 1
            })
    }

    fn vocabulary(&mut self, list: usize, values: &Arc<Vocabulary>) -> usize {
        let known = &mut self.lists[list].vocabularies;
        known
            .iter()
            .position(|v| Arc::ptr_eq(v, values))
            .unwrap_or_else(|| {
                known.push(Arc::clone(values));
                known.len() - 1
            })
    }

    fn number(&mut self, feature: usize, owner: Owner, name: &str) -> usize {
        let known = self
            .numbers
            .iter()
            .position(|n| n.owner == owner && n.name == name);
        known.unwrap_or_else(|| {
            self.numbers.push(Number {
                owner,
                name: name.to_owned(),
                feature,
            });
            self.numbers.len() - 1
        })
    }

    fn history(&mut self, feature: usize, source: &HistorySource, spec: &Declaration) -> usize {
        let list = match &source.matching {
            Some(term) => Some(self.term(feature, term, spec)),
            None if source.group == "all" => None,
            None => Some(self.list(
                feature,
                ListSource::Keys(source.owner, source.group.clone()),
            )),
        };
        self.group(feature, source.owner, &source.group, list)
    }

    fn group(&mut self, feature: usize, owner: Owner, group: &str, list: Option<usize>) -> usize {
        let known = self
            .histories
            .iter()
            .position(|h| h.owner == owner && h.group == group && h.list == list);
        known.unwrap_or_else(|| {
            let counters = Vec::new();
            self.histories.push(History {
                owner,
                group: group.to_owned(),
                list,
                counters,
                feature,
            });
            let id = self.histories.len() - 1;
            if let Some(list) = list {
                self.lists[list].histories.push(id);
            }
            id
        })
    }

    fn counter(&mut self, history: usize, name: &str) -> usize {
        let counters = &mut self.histories[history].counters;
        counters.iter().position(|c| c == name).unwrap_or_else(|| {
            counters.push(name.to_owned());
            counters.len() - 1
        })
    }

    fn metric(
        &mut self,
        feature: usize,
        history: usize,
        source: &HistorySource,
        metric: &Metric,
    ) -> MetricPlan {
        match &metric.kind {
            MetricKind::Counter(name) => MetricPlan::Counter(self.counter(history, name)),
            MetricKind::Share(name) => {
                let all = self.group(feature, source.owner, "all", None);
                MetricPlan::Share(self.counter(history, name), all, self.counter(all, name))
            }
            MetricKind::Rate {
                rate,
                per,
                a,
                b,
                form,
            } => MetricPlan::Rate {
                rate: self.counter(history, rate),
                per: self.counter(history, per),
                a: *a,
                b: *b,
                form: *form,
            },
            MetricKind::Recency { unit_ms, cap } => MetricPlan::Recency {
                unit_ms: *unit_ms,
                cap: *cap,
            },
        }
    }
}
