//! Writing one feature of one event.

use super::gather::{Gathered, MISSING};
use super::plan::{FeaturePlan, Lookup, MeasurePlan};
use super::{FeatureCounts, MAX_ENTRIES};
use crate::event::Time;
use crate::hash::{chain, reduce};
use crate::schema::model::Unknown;
use crate::spec::Feature;

/// Why a feature cannot be written.
pub(super) enum Refused {
    TooMany,
    Value(f64, &'static str),
}

/// One feature of one event, on its way into the row.
pub(super) struct Sink<'e> {
    pub(super) feature: &'e FeaturePlan,
    pub(super) laid: &'e Feature,
    pub(super) gathered: &'e Gathered,
    pub(super) keys: &'e mut Vec<u64>,
    pub(super) values: &'e mut Vec<f64>,
    pub(super) pending: &'e mut FeatureCounts,
}

impl Sink<'_> {
    pub(super) fn feature(&mut self, metrics: &mut Vec<f64>, now: Time) -> Result<(), Refused> {
        let feature = self.feature;
        let free = match &feature.measure {
            MeasurePlan::History { keyed: true, .. } => feature.terms.len() - 1,
            _ => feature.terms.len(),
        };
        if feature.terms[..free]
            .iter()
            .any(|l| self.gathered.lists[*l].hashes.is_empty())
        {
            self.pending.missing = 1;
            return Ok(());
        }
        metrics.clear();
        match &feature.measure {
            MeasurePlan::Indicator => {
                metrics.push(1.0);
                self.categories(metrics, None)
            }
            MeasurePlan::Number { number, boolean } => {
                let Some(value) = self.gathered.numbers[*number] else {
                    self.pending.missing = 1;
                    return Ok(());
                };
                if *boolean && value != 0.0 && (value - 1.0).abs() > 0.0 {
                    return Err(Refused::Value(value, "0 or 1"));
                }
                metrics.push(value);
                self.categories(metrics, None)
            }
            MeasurePlan::History {
                history,
                keyed,
                combine,
                metrics: plans,
            } => {
                let found = &self.gathered.histories[*history];
                if found.rows.is_empty() {
                    self.pending.missing = 1;
                    return Ok(());
                }
                if *keyed {
                    for row in 0..found.rows.len() {
                        metrics.clear();
                        metrics.extend(
                            plans
                                .iter()
                                .map(|m| self.gathered.metric(*m, *history, row, now)),
                        );
                        self.categories(metrics, Some(found.rows[row].value))?;
                    }
                    return Ok(());
                }
                let absent = |i: usize| feature.metrics.get(i).map_or(0.0, |m| m.absent_value);
                let absent = |i: usize| {
                    if feature.buckets.is_some() {
                        self.absent_of(i)
                    } else {
                        absent(i)
                    }
                };
                metrics.extend(plans.iter().enumerate().map(|(i, m)| {
                    self.gathered
                        .combined(*m, *history, *combine, absent(i), now)
                }));
                self.categories(metrics, None)
            }
        }
    }

    /// The absent value of a bucketed metric, whose policy is that of a one-hot value.
    fn absent_of(&self, metric: usize) -> f64 {
        match &self.laid.declaration.measure {
            crate::schema::model::Measure::History { metrics, .. } => {
                metrics.get(metric).map_or(0.0, |m| m.kind.absent_value())
            }
            _ => 0.0,
        }
    }

    /// Writes the metrics for every combination of the terms' values; `key` is the place of the
    /// history's own value in the last list.
    fn categories(&mut self, metrics: &[f64], key: Option<u32>) -> Result<(), Refused> {
        let terms = &self.feature.terms;
        match (&self.feature.lookup, terms.as_slice()) {
            (Lookup::One, _) => self.write(metrics, 0),
            (Lookup::Vocabulary(place, unknown), [list, ..]) => {
                let values = &self.gathered.lists[*list];
                let (start, end) = match key {
                    Some(key) => (key as usize, key as usize + 1),
                    None => (0, values.hashes.len()),
                };
                for i in start..end {
                    let mut category = values.indices[i * values.stride + place];
                    if category == MISSING {
                        self.pending.unknown += 1;
                        category = match unknown {
                            Unknown::Drop => continue,
                            Unknown::Other => self.laid.unknown_at,
                            Unknown::Hash { size, seed } => {
                                self.laid.unknown_at + reduce(chain(*seed, values.hashes[i]), *size)
                            }
                        };
                    }
                    self.write(metrics, category)?;
                }
                Ok(())
            }
            (Lookup::Vocabulary(..), []) => Ok(()),
            (Lookup::Hash(size, seed), terms) => {
                let key = key.map(|k| (terms.len() - 1, k as usize));
                self.cross(metrics, terms, key, *seed, *size)
            }
        }
    }

    fn cross(
        &mut self,
        metrics: &[f64],
        terms: &[usize],
        key: Option<(usize, usize)>,
        hash: u64,
        size: u32,
    ) -> Result<(), Refused> {
        let Some((list, rest)) = terms.split_first() else {
            return self.write(metrics, reduce(hash, size));
        };
        let gathered = self.gathered;
        let hashes = &gathered.lists[*list].hashes[..];
        let hashes = match key {
            Some((_, key)) if rest.is_empty() => &hashes[key..=key],
            _ => hashes,
        };
        for value in hashes {
            self.cross(metrics, rest, key, chain(hash, *value), size)?;
        }
        Ok(())
    }

    fn write(&mut self, metrics: &[f64], category: u32) -> Result<(), Refused> {
        for (i, &value) in (0_u32..).zip(metrics) {
            let scaled = self
                .feature
                .metrics
                .get(i as usize)
                .or(self.feature.metrics.first());
            let (bucket, value) = match &self.feature.buckets {
                Some(buckets) => (buckets.index(value), 1.0),
                None => (0, value),
            };
            let same =
                scaled.is_some_and(|s| s.leave_out && s.absent_value.to_bits() == value.to_bits());
            if same {
                continue;
            }
            if value.is_nan() || value.abs() > f64::from(f32::MAX) {
                return Err(Refused::Value(value, "a number in the range of f32"));
            }
            if self.keys.len() >= MAX_ENTRIES {
                return Err(Refused::TooMany);
            }
            let column = self.laid.column(self.laid.slot(category, i, bucket));
            self.keys
                .push(u64::from(column) << 32 | self.values.len() as u64);
            self.values.push(value);
        }
        Ok(())
    }
}
