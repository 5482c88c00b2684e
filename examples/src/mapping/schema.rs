//! The TOML of a mapping file, before its names are looked up.

use std::collections::BTreeMap;

use feature_spec::Time;
use feature_spec::history::{GroupConfig, HistoryConfig};
use serde::Deserialize;

use super::{
    AttributeColumn, Mapping, NumberColumn, PlaysMapping, SideMapping, TableName, VocabularyMapping,
};

/// Unit of the column of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TimeUnit {
    /// Seconds since the Unix epoch.
    S,
    /// Milliseconds since the Unix epoch.
    #[default]
    Ms,
    /// Microseconds since the Unix epoch.
    Us,
    /// Text such as `2022-05-04T10:00:00.123Z`.
    Rfc3339,
}

impl TimeUnit {
    /// Reads a time in milliseconds since the Unix epoch, within the years 1 to 9999, which is what
    /// RFC 3339 can write.
    #[must_use]
    pub fn read(self, text: Option<&str>) -> Option<i64> {
        let text = text?;
        let time_ms = match self {
            Self::Rfc3339 => text.parse::<Time>().ok()?.milliseconds(),
            Self::S => text.parse::<i64>().ok()?.checked_mul(1000)?,
            Self::Ms => text.parse().ok()?,
            Self::Us => text.parse::<i64>().ok()?.div_euclid(1000),
        };
        (-62_135_596_800_000..253_402_300_800_000)
            .contains(&time_ms)
            .then_some(time_ms)
    }
}

/// What happens to a play that equals another of the same time in every column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(clippy::exhaustive_enums)] // kept or not
pub enum Duplicates {
    /// All but the first are counted and set aside.
    #[default]
    Drop,
    /// Each is an event of its own.
    Keep,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingFile {
    format: u32,
    plays: Plays,
    users: Option<Side>,
    items: Option<Side>,
    #[serde(default)]
    metrics: BTreeMap<String, String>,
    #[serde(default)]
    groups: Vec<GroupConfig>,
    #[serde(default)]
    vocabularies: Vec<Vocabulary>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plays {
    time: String,
    #[serde(default)]
    time_unit: TimeUnit,
    user: String,
    item: String,
    id: Option<String>,
    labels: Vec<String>,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    numbers: Vec<Number>,
    #[serde(default)]
    duplicates: Duplicates,
    #[serde(default = "one_minute")]
    lateness_s: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Side {
    id: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    numbers: Vec<Number>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a column, or a table with name, column and separator"
)]
enum Attribute {
    Column(String),
    Full(FullAttribute),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullAttribute {
    name: String,
    column: Option<String>,
    separator: Option<String>,
    #[serde(default)]
    only: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a column, or a table with name, column and factor"
)]
enum Number {
    Column(String),
    Full(FullNumber),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullNumber {
    name: String,
    column: Option<String>,
    factor: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vocabulary {
    name: String,
    of: String,
    #[serde(default = "once")]
    minimum_count: u64,
    before: Option<Time>,
}

fn one_minute() -> u32 {
    60
}

fn once() -> u64 {
    1
}

impl MappingFile {
    pub(super) fn resolve(self) -> Result<Mapping, String> {
        if self.format != 1 {
            return Err(format!(
                "format: {} is not known; this program reads format 1",
                self.format
            ));
        }
        let plays = PlaysMapping {
            time: self.plays.time,
            time_unit: self.plays.time_unit,
            user: self.plays.user,
            item: self.plays.item,
            id: self.plays.id,
            labels: self.plays.labels,
            attributes: attributes(self.plays.attributes),
            numbers: numbers(self.plays.numbers),
            duplicates: self.plays.duplicates,
            lateness_ms: i64::from(self.plays.lateness_s) * 1000,
        };
        let users = self.users.map(Side::resolve);
        let items = self.items.map(Side::resolve);
        let vocabularies = self.vocabularies.into_iter();
        let vocabularies =
            vocabularies.map(|one| one.resolve(&plays, users.as_ref(), items.as_ref()));
        let mut history = HistoryConfig::default();
        history.metrics = self.metrics;
        history.groups = self.groups;
        Ok(Mapping {
            vocabularies: vocabularies.collect::<Result<_, _>>()?,
            plays,
            users,
            items,
            history,
        })
    }
}

impl Side {
    fn resolve(self) -> SideMapping {
        SideMapping {
            id: self.id,
            attributes: attributes(self.attributes),
            numbers: numbers(self.numbers),
        }
    }
}

impl Vocabulary {
    fn resolve(
        self,
        plays: &PlaysMapping,
        users: Option<&SideMapping>,
        items: Option<&SideMapping>,
    ) -> Result<VocabularyMapping, String> {
        let key = format!("vocabularies.{}", self.name);
        let no_table =
            |table| format!("{key}: `of` names {table}, which the mapping does not have");
        let (table, column) = self.of.split_once('.').unwrap_or((&self.of, ""));
        let (table, id, attributes) = match table {
            "plays" => (TableName::Plays, plays.id.as_ref(), &plays.attributes),
            "users" => {
                let users = users.ok_or_else(|| no_table("users"))?;
                (TableName::Users, Some(&users.id), &users.attributes)
            }
            "items" => {
                let items = items.ok_or_else(|| no_table("items"))?;
                (TableName::Items, Some(&items.id), &items.attributes)
            }
            _ => {
                return Err(format!(
                    "{key}: `of` is {:?}, not users.…, items.… or plays.…",
                    self.of
                ));
            }
        };
        let id = id
            .filter(|_| column == "id")
            .map(|id| AttributeColumn::plain(id));
        let attribute = attributes.iter().find(|attribute| attribute.name == column);
        let Some(column) = id.or_else(|| attribute.cloned()) else {
            return Err(format!(
                "{key}: {:?} is neither an attribute nor the id of its table",
                self.of
            ));
        };
        match (table, self.before) {
            (TableName::Plays, None) => {
                return Err(format!(
                    "{key}: from plays, `before` must say up to when, so that it knows the past alone"
                ));
            }
            (TableName::Users | TableName::Items, Some(_)) => {
                return Err(format!("{key}: `before` is for vocabularies of plays"));
            }
            _ => {}
        }
        Ok(VocabularyMapping {
            name: self.name,
            table,
            column,
            minimum_count: self.minimum_count,
            before: self.before,
        })
    }
}

fn attributes(list: Vec<Attribute>) -> Vec<AttributeColumn> {
    let resolve = |attribute| match attribute {
        Attribute::Column(column) => AttributeColumn::plain(&column),
        Attribute::Full(full) => AttributeColumn {
            column: full.column.unwrap_or_else(|| full.name.clone()),
            name: full.name,
            separator: full.separator,
            only: full.only,
        },
    };
    list.into_iter().map(resolve).collect()
}

fn numbers(list: Vec<Number>) -> Vec<NumberColumn> {
    let resolve = |number| match number {
        Number::Column(column) => NumberColumn {
            name: column.clone(),
            column,
            factor: 1.0,
        },
        Number::Full(full) => NumberColumn {
            column: full.column.unwrap_or_else(|| full.name.clone()),
            name: full.name,
            factor: full.factor.unwrap_or(1.0),
        },
    };
    list.into_iter().map(resolve).collect()
}
