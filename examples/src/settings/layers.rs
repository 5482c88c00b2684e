//! Settings over settings, key by key.

use serde::Serialize;
use toml::{Table, Value};

use super::Settings;
use crate::cli::Failure;

/// `above`, and the keys of `below` that it does not set.
pub(super) fn overlay(above: &Settings, below: &Settings) -> Result<Settings, Failure> {
    let mut merged = table(below)?;
    lay(&mut merged, table(above)?);
    Value::Table(merged)
        .try_into()
        .map_err(|source: toml::de::Error| Failure::at("settings", source))
}

/// The keys that are set.
pub(super) fn table(settings: &impl Serialize) -> Result<Table, Failure> {
    Table::try_from(settings)
        .map_err(|source| Failure::usage(format!("settings cannot be written as TOML: {source}")))
}

fn lay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
