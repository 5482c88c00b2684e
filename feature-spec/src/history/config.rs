//! What is counted, by whom and by what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HistoryError;
use super::expression::Expression;
use crate::owner::Owner;

/// Metrics and groups of a history; readable from TOML or JSON with serde.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HistoryConfig {
    /// Metric → expression over the fields of a play. The name `last` is taken.
    pub metrics: BTreeMap<String, String>,
    /// What the metrics are counted by.
    pub groups: Vec<GroupConfig>,
}

impl HistoryConfig {
    /// Adds a metric, or replaces one of the same name.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, expression: impl Into<String>) -> Self {
        self.metrics.insert(name.into(), expression.into());
        self
    }

    /// Adds a group.
    #[must_use]
    pub fn group(mut self, group: GroupConfig) -> Self {
        self.groups.push(group);
        self
    }
}

/// Counters of one owner by the values of one attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupConfig {
    /// Whose history the counters appear in: `user` or `item`.
    pub owner: Owner,
    /// Name of the group in the event's history.
    pub name: String,
    /// The attribute of the play whose values the counters are kept by; without it the group has
    /// one value, the empty string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether the counters belong to the value alone, whoever the owner (an author's counters
    /// over all videos).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Which keys a snapshot writes.
    #[serde(default)]
    pub snapshot: SnapshotKeys,
    /// The metrics counted; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// Time in seconds after which a play counts half; without it a play counts 1 for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_life_s: Option<f64>,
}

/// Which keys of a group a snapshot writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SnapshotKeys {
    /// The values that the play itself has.
    #[default]
    Matching,
    /// All keys of the owner: for features over a vocabulary.
    All,
}

impl GroupConfig {
    /// Creates a group without a key: all plays of the owner.
    #[must_use]
    pub fn new(owner: Owner, name: impl Into<String>) -> Self {
        Self {
            owner,
            name: name.into(),
            key: None,
            shared: false,
            snapshot: SnapshotKeys::Matching,
            metrics: Vec::new(),
            half_life_s: None,
        }
    }

    /// Sets the attribute whose values the counters are kept by.
    #[must_use]
    pub fn key(mut self, attribute: impl Into<String>) -> Self {
        self.key = Some(attribute.into());
        self
    }

    /// Sets whether the counters belong to the value alone.
    #[must_use]
    pub const fn shared(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }

    /// Sets which keys a snapshot writes.
    #[must_use]
    pub const fn snapshot(mut self, keys: SnapshotKeys) -> Self {
        self.snapshot = keys;
        self
    }

    /// Sets the metrics counted.
    #[must_use]
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.metrics = metrics.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the half-life in seconds.
    #[must_use]
    pub const fn half_life_s(mut self, seconds: f64) -> Self {
        self.half_life_s = Some(seconds);
        self
    }
}

/// A compiled configuration.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) names: Vec<String>,
    expressions: Vec<Expression>,
    pub(super) fields: Vec<String>,
    pub(super) key_fields: Vec<String>,
    pub(super) groups: Vec<Group>,
}

/// A compiled group; metrics and key are indices.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) owner: Owner,
    pub(super) name: String,
    pub(super) key: Option<usize>,
    pub(super) shared: bool,
    pub(super) snapshot: SnapshotKeys,
    pub(super) metrics: Vec<usize>,
    half_life_ms: Option<f64>,
}

impl Group {
    /// What is left of a counter after `elapsed` milliseconds.
    #[allow(clippy::cast_precision_loss)] // spans of time are far below 2^53 ms
    pub(super) fn decay(&self, elapsed: i64) -> f64 {
        match self.half_life_ms {
            Some(half_life) if elapsed > 0 => libm::exp2(-(elapsed as f64) / half_life),
            _ => 1.0,
        }
    }
}

impl Program {
    pub(super) fn compile(config: &HistoryConfig) -> Result<Self, HistoryError> {
        let mut program = Self {
            names: Vec::new(),
            expressions: Vec::new(),
            fields: Vec::new(),
            key_fields: Vec::new(),
            groups: Vec::new(),
        };
        for (name, text) in &config.metrics {
            let path = || format!("metrics.{name}");
            if !is_name(name) {
                return Err(invalid(path(), "a name is letters, digits and `_`"));
            }
            if name == "last" {
                return Err(invalid(path(), "`last` is the time of the last play"));
            }
            program
                .expressions
                .push(Expression::parse(name, text, &mut program.fields)?);
            program.names.push(name.clone());
        }
        for group in &config.groups {
            let compiled = program.group(group)?;
            let path = || format!("groups.{}.{}", group.owner, group.name);
            if program
                .groups
                .iter()
                .any(|g| g.owner == group.owner && g.name == group.name)
            {
                return Err(invalid(path(), "the group is there twice"));
            }
            program.groups.push(compiled);
        }
        Ok(program)
    }

    fn group(&mut self, group: &GroupConfig) -> Result<Group, HistoryError> {
        let path = || format!("groups.{}.{}", group.owner, group.name);
        if group.owner == Owner::Context {
            return Err(invalid(path(), "a group belongs to `user` or `item`"));
        }
        if !is_name(&group.name) {
            return Err(invalid(path(), "a name is letters, digits and `_`"));
        }
        if group.shared && group.key.is_none() {
            return Err(invalid(path(), "`shared` needs a `key`"));
        }
        if let Some(h) = group.half_life_s.filter(|h| !(*h > 0.0 && h.is_finite())) {
            return Err(invalid(path(), &format!("half_life_s {h} is not above 0")));
        }
        let metrics = if group.metrics.is_empty() {
            (0..self.names.len()).collect()
        } else {
            let find = |name: &String| {
                self.names.iter().position(|n| n == name).ok_or_else(|| {
                    invalid(path(), &format!("metric {name:?} is not under `metrics`"))
                })
            };
            group.metrics.iter().map(find).collect::<Result<_, _>>()?
        };
        let key = group.key.as_ref().map(|key| {
            self.key_fields
                .iter()
                .position(|k| k == key)
                .unwrap_or_else(|| {
                    self.key_fields.push(key.clone());
                    self.key_fields.len() - 1
                })
        });
        Ok(Group {
            owner: group.owner,
            name: group.name.clone(),
            key,
            shared: group.shared,
            snapshot: group.snapshot,
            metrics,
            half_life_ms: group.half_life_s.map(|s| s * 1_000.0),
        })
    }

    pub(super) fn evaluate(&self, fields: &[Option<f64>]) -> Result<Vec<f64>, HistoryError> {
        let metric = |(name, expression): (&String, &Expression)| {
            let value = expression.evaluate(fields).unwrap_or(0.0);
            if value >= 0.0 && value.is_finite() {
                Ok(value)
            } else {
                Err(HistoryError::Metric {
                    metric: name.clone(),
                    value,
                })
            }
        };
        self.names
            .iter()
            .zip(&self.expressions)
            .map(metric)
            .collect()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn invalid(path: String, reason: &str) -> HistoryError {
    HistoryError::Config {
        path,
        reason: reason.to_owned(),
    }
}
