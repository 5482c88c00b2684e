//! From positions to names and back.

use std::io::{self, Write};

use serde::Serialize;

use super::{Feature, FeatureSpec, Layout};
use crate::schema::model::{Mapping, Measure};

impl FeatureSpec {
    /// Returns the name of a column: `user/hashtag=#comedy/watched_10s`.
    ///
    /// The parts are vector, feature, value, metric and bucket, as far as the feature has them; a
    /// hashed range has `~17` for its slot 17 in place of `=value`, the shared slot of unknown values
    /// `~other`, and a position kept for a future value `~kept17`. A column without a feature is `-`.
    #[must_use]
    pub fn describe(&self, position: u32) -> String {
        let compiled = self.compiled();
        let owner = compiled
            .owners
            .get(position as usize)
            .copied()
            .unwrap_or(u32::MAX);
        let Some(feature) = compiled.features.get(owner as usize) else {
            return "-".to_owned();
        };
        feature
            .slot_of(position)
            .map_or_else(|| "-".to_owned(), |slot| describe(feature, slot))
    }

    /// Returns the column of a name that [`describe`](Self::describe) gave.
    #[must_use]
    pub fn position_of(&self, name: &str) -> Option<u32> {
        let (vector, rest) = name.split_once('/')?;
        let end = rest.find(['=', '/', '~']).unwrap_or(rest.len());
        let (feature_name, mut rest) = rest.split_at(end);
        let feature = self.compiled().features.iter().find(|f| {
            f.declaration.vector.as_str() == vector && f.declaration.name == feature_name
        })?;
        let mut bucket = 0;
        if let Some(buckets) = &feature.declaration.buckets {
            let (before, label) = rest.rsplit_once('/')?;
            bucket = (0..buckets.count()).find(|i| buckets.label(*i) == label)?;
            rest = before;
        }
        let mut metric = 0;
        if let Measure::History { metrics, .. } = &feature.declaration.measure {
            let (before, text) = rest.rsplit_once('/')?;
            metric = u32::try_from(metrics.iter().position(|m| m.name == text)?).ok()?;
            rest = before;
        }
        let category = category_of(feature, rest)?;
        Some(feature.column(feature.slot(category, metric, bucket)))
    }

    /// Iterates over the columns that a feature uses, in order, with their names.
    pub fn listing(&self) -> impl Iterator<Item = Listed> + '_ {
        let compiled = self.compiled();
        let used = compiled
            .owners
            .iter()
            .zip(0_u32..)
            .filter(|(owner, _)| **owner != u32::MAX);
        used.map(move |(owner, column)| {
            let feature = &compiled.features[*owner as usize];
            let dimension = compiled.declaration.dimension;
            let position = if self.layout() == Layout::Concatenated {
                column % dimension
            } else {
                column
            };
            Listed {
                column,
                position,
                name: self.describe(column),
                vector: feature.declaration.vector,
            }
        })
    }

    /// Writes the listing as CSV with a header: `column,position,vector,name`.
    ///
    /// # Errors
    ///
    /// `out` fails.
    pub fn write_csv(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "column,position,vector,name")?;
        for Listed {
            column,
            position,
            vector,
            name,
        } in self.listing()
        {
            let name = name.replace('"', "\"\"");
            writeln!(out, "{column},{position},{vector},\"{name}\"")?;
        }
        Ok(())
    }

    /// Writes the listing as JSON Lines: `{"column":0,"position":0,"vector":"user","name":"…"}`.
    ///
    /// # Errors
    ///
    /// `out` fails.
    pub fn write_json(&self, mut out: impl Write) -> io::Result<()> {
        for listed in self.listing() {
            serde_json::to_writer(&mut out, &listed)?;
            writeln!(out)?;
        }
        Ok(())
    }
}

/// One used column of a spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Listed {
    /// Column of the row, and index of the weight.
    pub column: u32,
    /// Position within the vector.
    pub position: u32,
    /// The vector.
    pub vector: super::Vector,
    /// Name, as [`FeatureSpec::describe`] gives it.
    pub name: String,
}

fn describe(feature: &Feature, slot: u32) -> String {
    let (category, metric, bucket) = feature.parts(slot);
    let declaration = &feature.declaration;
    let mut name = format!("{}/{}", declaration.vector, declaration.name);
    match (&declaration.mapping, &feature.vocabulary) {
        (Mapping::Direct, _) => {}
        (Mapping::Hash { .. }, _) => name.push_str(&format!("~{category}")),
        (_, Some(values)) if category < values.len() => {
            name.push('=');
            name.push_str(values.value(category));
        }
        (_, _) if category < feature.unknown_at => {
            // Kept for values that the vocabulary may get.
            name.push_str(&format!("~kept{category}"));
        }
        (
            Mapping::Vocabulary {
                unknown: crate::schema::model::Unknown::Other,
                ..
            },
            _,
        ) => {
            name.push_str("~other");
        }
        _ => name.push_str(&format!("~{}", category - feature.unknown_at)),
    }
    if let Measure::History { metrics, .. } = &declaration.measure {
        name.push('/');
        name.push_str(metrics.get(metric as usize).map_or("", |m| m.name.as_str()));
    }
    if let Some(buckets) = &declaration.buckets {
        name.push('/');
        name.push_str(&buckets.label(bucket));
    }
    name
}

fn category_of(feature: &Feature, text: &str) -> Option<u32> {
    let category = match (&feature.declaration.mapping, text) {
        (Mapping::Direct, "") => 0,
        (Mapping::Hash { .. }, text) => text.strip_prefix('~')?.parse().ok()?,
        (Mapping::Vocabulary { .. } | Mapping::BuiltIn, text) => {
            let values = feature.vocabulary.as_ref()?;
            if let Some(value) = text.strip_prefix('=') {
                values.index(value)?
            } else if text == "~other" {
                feature.unknown_at
            } else if let Some(kept) = text.strip_prefix("~kept") {
                kept.parse()
                    .ok()
                    .filter(|n| *n >= values.len() && *n < feature.unknown_at)?
            } else {
                feature
                    .unknown_at
                    .checked_add(text.strip_prefix('~')?.parse().ok()?)?
            }
        }
        _ => return None,
    };
    (category < feature.categories).then_some(category)
}
