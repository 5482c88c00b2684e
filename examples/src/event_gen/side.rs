//! Tables of users and items in memory.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use feature_spec::Entity;

use crate::cli::Failure;
use crate::mapping::SideMapping;
use crate::rejects::Rejects;
use crate::table::{Found, Row, Table};

use super::fields::{as_values, finite};

/// What is known of the users, or of the items.
#[derive(Debug, Default)]
pub(super) struct SideTable {
    entities: HashMap<Box<str>, Known>,
    given: bool,
}

/// One user or item; attributes and numbers in the order of the mapping.
#[derive(Debug)]
pub(super) struct Known {
    attributes: Box<[Box<[Box<str>]>]>,
    numbers: Box<[Option<f64>]>,
    /// All of it with the id, as an event carries it.
    json: Box<str>,
}

impl SideTable {
    /// Loads a table; without a file, or without a mapping for it, the table knows nobody.
    ///
    /// Of rows with the same id the last counts. Rows that cannot be read are set aside.
    pub(super) fn load(
        name: &str,
        mapping: Option<&SideMapping>,
        path: Option<&Path>,
        mut rejects: Rejects,
    ) -> Result<(Self, BTreeMap<&'static str, u64>), Failure> {
        let (mapping, path) = match (mapping, path) {
            (Some(mapping), Some(path)) => (mapping, path),
            (None, Some(_)) => {
                return Err(Failure::usage(format!(
                    "--{name}: the mapping has no such table"
                )));
            }
            (_, None) => return Ok((Self::default(), BTreeMap::new())),
        };
        let columns: Vec<String> = std::iter::once(&mapping.id)
            .chain(mapping.attributes.iter().map(|attribute| &attribute.column))
            .chain(mapping.numbers.iter().map(|number| &number.column))
            .cloned()
            .collect();
        let mut table = Table::open(path, &columns)?;
        let mut this = Self {
            entities: HashMap::new(),
            given: true,
        };
        let mut row = Row::default();
        loop {
            let read = match table.read(&mut row)? {
                Found::End => break,
                Found::Bad(detail) => Err(("malformed", detail)),
                Found::Row => Known::read(mapping, &row),
            };
            match read {
                Ok((id, known)) => {
                    this.entities.insert(id, known);
                }
                Err((reason, detail)) => {
                    rejects.push(reason, &detail, row.line(), row.raw())?;
                }
            }
        }
        rejects.judge(table.rows())?;
        if this.entities.is_empty() {
            return Err(Failure::data(format!(
                "{}: holds no {name}",
                path.display()
            )));
        }
        Ok((this, rejects.finish()?))
    }

    /// What is known of a user or an item.
    pub(super) fn find(&self, id: &str) -> Option<&Known> {
        self.entities.get(id)
    }

    /// Whether there is a table, so that who is not in it is unknown.
    pub(super) fn is_given(&self) -> bool {
        self.given
    }
}

impl Known {
    /// The values of the attribute at a place of the mapping.
    pub(super) fn values(&self, attribute: usize) -> impl Iterator<Item = &str> {
        self.attributes
            .get(attribute)
            .into_iter()
            .flatten()
            .map(AsRef::as_ref)
    }

    /// The number at a place of the mapping.
    pub(super) fn number(&self, number: usize) -> Option<f64> {
        *self.numbers.get(number)?
    }

    fn read(mapping: &SideMapping, row: &Row) -> Result<(Box<str>, Self), (&'static str, String)> {
        let Some(id) = row.text(0).filter(|id| !id.is_empty()) else {
            return Err(("id", format!("`{}` is empty", mapping.id)));
        };
        let mut entity = named(id);
        let mut attributes = Vec::with_capacity(mapping.attributes.len());
        for (cell, attribute) in (1..).zip(&mapping.attributes) {
            let list: Vec<&str> = attribute.values(row, cell).collect();
            attributes.push(list.iter().map(|&value| value.into()).collect());
            if let Some(values) = as_values(list, attribute) {
                entity.attributes.insert(attribute.name.as_str(), values);
            }
        }
        let mut numbers = Vec::with_capacity(mapping.numbers.len());
        for (cell, number) in (1 + mapping.attributes.len()..).zip(&mapping.numbers) {
            let value = row
                .text(cell)
                .map(|text| finite(&number.column, text, number.factor));
            let value = value.transpose().map_err(|detail| ("number", detail))?;
            if let Some(value) = value {
                entity.numbers.insert(number.name.as_str(), value);
            }
            numbers.push(value);
        }
        let known = Self {
            attributes: attributes.into(),
            numbers: numbers.into(),
            json: json(&entity).into(),
        };
        Ok((id.into(), known))
    }
}

/// A user or an item as an event carries it, without history: a JSON object, with the id alone when
/// nothing else is known.
pub(super) fn as_json<'k>(known: Option<&'k Known>, id: &str) -> Cow<'k, str> {
    match known {
        Some(known) => Cow::Borrowed(&known.json),
        None => Cow::Owned(json(&named(id))),
    }
}

fn named(id: &str) -> Entity<'_> {
    Entity {
        id: id.into(),
        ..Entity::default()
    }
}

fn json(entity: &Entity<'_>) -> String {
    // Writing to memory does not fail, and no key is anything but a string.
    serde_json::to_string(entity).unwrap_or_default()
}
