//! Reading which positions a feature's values take.

use toml::de::DeValue;

use super::Names;
use crate::problem::suggest;
use crate::schema::model::{Buckets, Mapping, Measure, Place, Term, Unknown};
use crate::schema::table::Table;

/// Most buckets of one number.
const MAX_EDGES: usize = 1_024;

pub(super) fn read_buckets(table: &Table<'_, '_>) -> Result<Option<Buckets>, ()> {
    let powers = table.has("powers_of_two");
    if powers && table.has("edges") {
        table.at(
            "edges",
            "`edges` and `powers_of_two` exclude each other".to_owned(),
            None,
        );
        return Err(());
    }
    if powers {
        let top = table.integer32("powers_of_two", 0, 52).ok_or(())?;
        return Ok(Some(Buckets(
            (0..=top)
                .map(|k| libm::ldexp(1.0, i32::try_from(k).unwrap_or(0)))
                .collect(),
        )));
    }
    if !table.has("edges") {
        return Ok(None);
    }
    let edges = table.numbers("edges").ok_or(())?;
    if edges.is_empty() || edges.len() > MAX_EDGES {
        table.at(
            "edges",
            format!("{} edges; there must be 1 to {MAX_EDGES}", edges.len()),
            None,
        );
        return Err(());
    }
    if let Some(w) = edges.windows(2).find(|w| w[0] >= w[1]) {
        table.at(
            "edges",
            format!("edges must ascend, and {} follows {}", w[1], w[0]),
            None,
        );
        return Err(());
    }
    Ok(Some(Buckets(edges)))
}

fn read_hash(table: &Table<'_, '_>, key: &'static str, names: &Names<'_>) -> Option<(u32, u64)> {
    let inner = table.table(key)?;
    let size = inner.integer32("size", 1, names.max_dimension);
    if !inner.has("size") {
        inner.problem(
            inner.span,
            &inner.path,
            "a hashed range needs a `size`".to_owned(),
            None,
        );
    }
    let seed = if inner.has("seed") {
        inner.integer("seed", 0, i64::MAX as u64)
    } else {
        Some(0)
    };
    inner.finish();
    Some((size?, seed?))
}

pub(super) fn read_mapping(table: &Table<'_, '_>, names: &Names<'_>) -> Result<Mapping, ()> {
    let unknown = match table.get("unknown") {
        None => Unknown::Drop,
        Some(node) if matches!(node.value, DeValue::Table(_)) => {
            let (size, seed) = read_hash(table, "unknown", names).ok_or(())?;
            Unknown::Hash { size, seed }
        }
        Some(_) => table
            .choice(
                "unknown",
                &[("drop", Unknown::Drop), ("other", Unknown::Other)],
            )
            .ok_or(())?,
    };
    let hash = table.has("hash").then(|| read_hash(table, "hash", names));
    let Some(name) = table.get("vocabulary") else {
        if table.has("unknown") {
            table.at("unknown", "`unknown` needs a `vocabulary`".to_owned(), None);
            return Err(());
        }
        return match hash {
            Some(hash) => hash
                .map(|(size, seed)| Mapping::Hash { size, seed })
                .ok_or(()),
            None => Ok(Mapping::Direct),
        };
    };
    if hash.is_some() {
        table.at(
            "hash",
            "`vocabulary` and `hash` exclude each other".to_owned(),
            None,
        );
        return Err(());
    }
    let text = table.as_string(&name).ok_or(())?;
    if !names.vocabularies.contains(&text) {
        let help = suggest(text, names.vocabularies.iter().copied())
            .or_else(|| Some(format!("declare it as `[vocabulary.{text}]`")));
        table.problem(
            name.span,
            &name.path,
            format!("there is no vocabulary {text:?}"),
            help,
        );
        return Err(());
    }
    Ok(Mapping::Vocabulary {
        name: text.to_owned(),
        unknown,
    })
}

pub(super) fn read_place(table: &Table<'_, '_>, names: &Names<'_>) -> Option<Place> {
    let last = names.max_dimension - 1;
    if table.has("start") && table.has("positions") {
        table.at(
            "positions",
            "`start` and `positions` exclude each other".to_owned(),
            None,
        );
        return None;
    }
    if table.has("start") {
        return table.integer32("start", 0, last).map(Place::Start);
    }
    let Some(nodes) = table.list("positions") else {
        return if table.has("positions") {
            None
        } else {
            Some(Place::Next)
        };
    };
    let count = nodes.len();
    let positions: Vec<u32> = nodes
        .iter()
        .filter_map(|n| table.as_integer(n, 0, last.into()))
        .filter_map(|p| u32::try_from(p).ok())
        .collect();
    (positions.len() == count).then_some(Place::Listed(positions))
}

/// Puts terms, measure and mapping together; each must need the other.
pub(super) fn check_mapping(
    table: &Table<'_, '_>,
    terms: &[Term],
    measure: &Measure,
    mapping: Mapping,
) -> Option<Mapping> {
    let keyed = matches!(measure, Measure::History { source, .. } if source.keyed());
    let count = terms.len() + usize::from(keyed);
    let built_in = matches!(
        terms,
        [Term::Hour | Term::Weekday | Term::Weekend | Term::Calendar(_) | Term::Bucket(_)]
    );
    let problem = |message: String, help: &str| {
        table.problem(table.span, &table.path, message, Some(help.to_owned()));
        None
    };
    match (count, mapping) {
        (0, Mapping::Direct) => Some(Mapping::Direct),
        (0, _) => problem(
            "`vocabulary` and `hash` map values, and the feature has none".to_owned(),
            "add `from`, or leave the mapping out",
        ),
        (1, Mapping::Direct) if built_in && !keyed => Some(Mapping::BuiltIn),
        (1, Mapping::Vocabulary { .. }) if built_in && !keyed => problem(
            "the source has its own values and takes no vocabulary".to_owned(),
            "leave `vocabulary` out",
        ),
        (_, Mapping::Direct) if keyed => problem(
            "the values of the history have no positions".to_owned(),
            "add `vocabulary` or `hash`; or `match` and `combine`, which make one number of them",
        ),
        (_, Mapping::Direct) => problem(
            "the values have no positions".to_owned(),
            "add `vocabulary` or `hash`",
        ),
        (2.., Mapping::Vocabulary { .. }) => problem(
            format!("a cross of {count} sources has no vocabulary"),
            "use `hash = { size = …, seed = … }`",
        ),
        (_, mapping) => Some(mapping),
    }
}
