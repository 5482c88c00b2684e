//! Vocabularies: the values that a spec gives positions to, taken from a log's tables.
//!
//! A vocabulary is the file `<name>.tsv`, one value a line, most frequent first and by the bytes of
//! the value among equals: the value, a tab, and the number of rows that have it. A tab, a line end
//! or a backslash within a value is written as `feature-spec` reads it. From the tables
//! of users and items it knows nothing of plays; from plays it knows those before a stated time
//! alone, so that no event's features depend on what came after it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use feature_spec::Time;

use crate::cli::Failure;
use crate::mapping::{AttributeColumn, Mapping, TableName, VocabularyMapping};
use crate::progress::Progress;
use crate::table::{Found, Row, Table};
use crate::whole_file;

/// What to take vocabularies from, and where to.
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct VocabularyConfig {
    /// Mapping file, whose `vocabularies` say what is written (TOML)
    #[arg(long)]
    pub mapping: PathBuf,
    /// The plays; read only when a vocabulary is of plays
    #[arg(long)]
    pub plays: PathBuf,
    /// The users
    #[arg(long)]
    pub users: Option<PathBuf>,
    /// The videos
    #[arg(long)]
    pub videos: Option<PathBuf>,
    /// Folder for the vocabularies, `<output>/<name>.tsv`
    #[arg(long)]
    pub output: PathBuf,
}

impl VocabularyConfig {
    /// A configuration without side tables.
    #[must_use]
    pub fn new(
        mapping: impl Into<PathBuf>,
        plays: impl Into<PathBuf>,
        output: impl Into<PathBuf>,
    ) -> Self {
        Self {
            mapping: mapping.into(),
            plays: plays.into(),
            users: None,
            videos: None,
            output: output.into(),
        }
    }
}

/// A vocabulary that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vocabulary {
    /// Its name in the mapping.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Values written.
    pub values: u64,
    /// Values left out because too few rows have them.
    pub rare: u64,
}

/// Writes every vocabulary that the mapping names, each whole or not at all.
///
/// Rows that cannot be read are passed over; `event_gen` counts and keeps them.
/// Memory in proportion to the distinct values.
///
/// # Errors
///
/// - The mapping names no vocabulary, or a file is missing, malformed or lacks a column.
/// - A vocabulary is of users or items and the file was not given: wrong usage.
/// - A vocabulary would be empty.
pub fn run(config: &VocabularyConfig, progress: Progress) -> Result<Vec<Vocabulary>, Failure> {
    let mapping = Mapping::from_path(&config.mapping)?;
    if mapping.vocabularies.is_empty() {
        return Err(Failure::file(
            &config.mapping,
            "vocabularies: none is named",
        ));
    }
    let needed = |path: &Option<PathBuf>, flag: &str| {
        path.clone().ok_or_else(|| {
            Failure::usage(format!(
                "{flag} is needed: the mapping has a vocabulary of that table"
            ))
        })
    };
    let mut counts: BTreeMap<&str, HashMap<Box<str>, u64>> = BTreeMap::new();
    for table in [TableName::Users, TableName::Items, TableName::Plays] {
        let of_table: Vec<&VocabularyMapping> = mapping
            .vocabularies
            .iter()
            .filter(|vocabulary| vocabulary.table == table)
            .collect();
        if of_table.is_empty() {
            continue;
        }
        match table {
            TableName::Users => {
                count_side(
                    &needed(&config.users, "--users")?,
                    &of_table,
                    &mut counts,
                    &progress,
                )?;
            }
            TableName::Items => {
                count_side(
                    &needed(&config.videos, "--videos")?,
                    &of_table,
                    &mut counts,
                    &progress,
                )?;
            }
            TableName::Plays => {
                count_plays(&config.plays, &mapping, &of_table, &mut counts, &progress)?;
            }
        }
    }
    let written = mapping.vocabularies.iter();
    let written = written.map(|vocabulary| {
        let counts = counts.remove(vocabulary.name.as_str()).unwrap_or_default();
        write(vocabulary, counts, &config.output)
    });
    written.collect()
}

fn count_side<'m>(
    path: &Path,
    vocabularies: &[&'m VocabularyMapping],
    counts: &mut BTreeMap<&'m str, HashMap<Box<str>, u64>>,
    progress: &Progress,
) -> Result<(), Failure> {
    let columns: Vec<String> = columns(vocabularies.iter().map(|one| &one.column));
    let mut table = Table::open(path, &columns)?;
    let mut stage = progress.stage("vocabulary", "rows", None);
    let mut row = Row::default();
    loop {
        match table.read(&mut row)? {
            Found::End => break,
            Found::Bad(_) => {}
            Found::Row => {
                for vocabulary in vocabularies {
                    count(vocabulary, &row, &columns, counts);
                }
            }
        }
        stage.advance(1);
    }
    stage.finish();
    Ok(())
}

fn count_plays<'m>(
    path: &Path,
    mapping: &Mapping,
    vocabularies: &[&'m VocabularyMapping],
    counts: &mut BTreeMap<&'m str, HashMap<Box<str>, u64>>,
    progress: &Progress,
) -> Result<(), Failure> {
    let time = AttributeColumn::plain(&mapping.plays.time);
    let columns = columns(std::iter::once(&time).chain(vocabularies.iter().map(|one| &one.column)));
    let mut table = Table::open(path, &columns)?;
    let mut stage = progress.stage("vocabulary", "plays", None);
    let mut row = Row::default();
    loop {
        match table.read(&mut row)? {
            Found::End => break,
            Found::Bad(_) => {}
            Found::Row => {
                let time = mapping.plays.time_unit.read(row.text(0));
                for vocabulary in vocabularies {
                    let before = vocabulary.before.map(Time::milliseconds);
                    if time.zip(before).is_some_and(|(time, before)| time < before) {
                        count(vocabulary, &row, &columns, counts);
                    }
                }
            }
        }
        stage.advance(1);
    }
    stage.finish();
    Ok(())
}

/// Counts a row once for each distinct value that it has.
fn count<'m>(
    vocabulary: &'m VocabularyMapping,
    row: &Row,
    columns: &[String],
    counts: &mut BTreeMap<&'m str, HashMap<Box<str>, u64>>,
) {
    let Some(cell) = columns
        .iter()
        .position(|column| *column == vocabulary.column.column)
    else {
        return;
    };
    let counts = counts.entry(&vocabulary.name).or_default();
    let mut distinct: Vec<&str> = vocabulary.column.values(row, cell).collect();
    distinct.sort_unstable();
    distinct.dedup();
    for value in distinct {
        match counts.get_mut(value) {
            Some(count) => *count += 1,
            None => {
                counts.insert(value.into(), 1);
            }
        }
    }
}

fn write(
    mapping: &VocabularyMapping,
    counts: HashMap<Box<str>, u64>,
    output: &Path,
) -> Result<Vocabulary, Failure> {
    let path = output.join(format!("{}.tsv", mapping.name));
    let mut kept: Vec<(Box<str>, u64)> = counts.into_iter().collect();
    let all = kept.len() as u64;
    kept.retain(|(_, count)| *count >= mapping.minimum_count);
    if kept.is_empty() {
        return Err(Failure::data(format!(
            "vocabulary {}: no value in at least {} rows",
            mapping.name, mapping.minimum_count
        )));
    }
    // The order of the map does not matter: no two values are equal.
    kept.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then(a.cmp(b)));
    let mut text = String::new();
    for (value, count) in &kept {
        text.push_str(&feature_spec::vocabulary_line(value, *count));
    }
    whole_file::write(&path, text.as_bytes())?;
    Ok(Vocabulary {
        name: mapping.name.clone(),
        path,
        values: kept.len() as u64,
        rare: all - kept.len() as u64,
    })
}

fn columns<'a>(attributes: impl Iterator<Item = &'a AttributeColumn>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for attribute in attributes {
        if !columns.contains(&attribute.column) {
            columns.push(attribute.column.clone());
        }
    }
    columns
}
