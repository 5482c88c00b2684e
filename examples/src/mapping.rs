//! Mapping files: which columns of a log mean what, and what is counted from its plays.
//!
//! A mapping is a TOML file:
//!
//! ```toml
//! format = 1
//!
//! [plays]
//! time = "time_ms"                 # the column of the play's time
//! time_unit = "ms"                 # s, ms (default), us or rfc3339
//! user = "user_id"
//! item = "video_id"
//! id = "play_id"                   # optional; without it, the 0-based number of the row
//! labels = ["is_like", "is_share"] # 0/1 columns that --label may name; the first is the default
//! attributes = ["tab"]             # become attributes of the event's context
//! numbers = []                     # become numbers of the event's context
//! duplicates = "drop"              # of exact duplicates all but the first; or "keep"
//! lateness_s = 60                  # how far out of order plays may come
//!
//! [users]
//! id = "user_id"
//! attributes = ["location", { name = "interest", column = "interests", separator = "," }]
//! numbers = ["days_registered"]
//!
//! [items]
//! id = "video_id"
//! attributes = [
//!     { name = "author", column = "author_id" },
//!     { name = "hashtag", column = "hashtags", separator = "," },
//!     { name = "main_hashtag", column = "hashtags", separator = ",", only = ["#comedy"] },
//! ]
//! numbers = [{ name = "duration_s", column = "duration_ms", factor = 0.001 }]
//!
//! [metrics]                        # counted from a play; any number that is not negative
//! plays = "1"
//! watched_10s = "play_time_ms >= 10000"
//! liked = "is_like"
//!
//! [[groups]]                       # by whom and what the metrics are counted
//! owner = "user"
//! name = "all"
//!
//! [[groups]]
//! owner = "user"
//! name = "main_hashtag"
//! key = "main_hashtag"             # an attribute of item, context or user, or "item" or "user"
//! snapshot = "all"                 # events carry all the user's values; default "matching"
//!
//! [[groups]]
//! owner = "item"
//! name = "author"
//! key = "author"
//! shared = true                    # the author's counters, whichever the video
//!
//! [[vocabularies]]
//! name = "hashtag"
//! of = "items.hashtag"             # users.…, items.… or plays.…; an attribute's name, or id
//! minimum_count = 2
//! ```
//!
//! `metrics` and `groups` are those of [`feature_spec::history`]. The fields of a metric are columns
//! of the plays or, with a prefix, numbers of the item and the user: `item_duration_s`,
//! `user_days_registered`.

mod schema;

use std::collections::BTreeSet;
use std::path::Path;

use feature_spec::Time;
use feature_spec::history::HistoryConfig;

use crate::cli::Failure;
use crate::table::Row;

use self::schema::MappingFile;
pub use self::schema::{Duplicates, TimeUnit};

/// A checked mapping.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Mapping {
    /// The columns of the plays.
    pub plays: PlaysMapping,
    /// The columns of the users; `None` when the log has no table of users.
    pub users: Option<SideMapping>,
    /// The columns of the items; `None` when the log has no table of items.
    pub items: Option<SideMapping>,
    /// What is counted from the plays, and by whom and what.
    pub history: HistoryConfig,
    /// The vocabularies that the `vocabulary` program writes.
    pub vocabularies: Vec<VocabularyMapping>,
}

/// The columns of the plays.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlaysMapping {
    /// Column of the time.
    pub time: String,
    /// Unit of the time.
    pub time_unit: TimeUnit,
    /// Column of the user's id.
    pub user: String,
    /// Column of the item's id.
    pub item: String,
    /// Column of the play's own id.
    pub id: Option<String>,
    /// 0/1 columns that may serve as label; the first is the default.
    pub labels: Vec<String>,
    /// Attributes of the context.
    pub attributes: Vec<AttributeColumn>,
    /// Numbers of the context.
    pub numbers: Vec<NumberColumn>,
    /// What happens to exact duplicates.
    pub duplicates: Duplicates,
    /// How far out of time order plays may come, in milliseconds.
    pub lateness_ms: i64,
}

/// The columns of a table of users or items.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SideMapping {
    /// Column of the id.
    pub id: String,
    /// Attributes.
    pub attributes: Vec<AttributeColumn>,
    /// Numbers.
    pub numbers: Vec<NumberColumn>,
}

/// An attribute and the column it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttributeColumn {
    /// Name in the event.
    pub name: String,
    /// Column of the table.
    pub column: String,
    /// What stands between the values of a list; `None` when the cell is one value.
    pub separator: Option<String>,
    /// The values that count; others are left out. All when empty.
    pub only: Vec<String>,
}

impl AttributeColumn {
    /// An attribute that has its column's name and one value.
    #[must_use]
    pub fn plain(column: &str) -> Self {
        Self {
            name: column.to_owned(),
            column: column.to_owned(),
            separator: None,
            only: Vec::new(),
        }
    }

    /// The values of a cell, its list taken apart; empty parts of a list are no values.
    pub fn values<'r>(&'r self, row: &'r Row, cell: usize) -> impl Iterator<Item = &'r str> {
        let separator = self.separator.as_deref();
        let values = row.values(cell).flat_map(move |text| {
            let (list, one) = match separator {
                Some(separator) => (Some(text.split(separator).map(str::trim)), None),
                None => (None, Some(text)),
            };
            list.into_iter()
                .flatten()
                .filter(|value| !value.is_empty())
                .chain(one)
        });
        values.filter(|value| self.only.is_empty() || self.only.iter().any(|only| only == value))
    }
}

/// A number and the column it comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NumberColumn {
    /// Name in the event.
    pub name: String,
    /// Column of the table.
    pub column: String,
    /// What the column's value is multiplied by.
    pub factor: f64,
}

/// A vocabulary to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VocabularyMapping {
    /// Name of the vocabulary, and of its file.
    pub name: String,
    /// Table that the values come from.
    pub table: TableName,
    /// The attribute, or the id.
    pub column: AttributeColumn,
    /// Values counted less often are left out.
    pub minimum_count: u64,
    /// Only plays before this time count; for `plays` alone, and needed there.
    pub before: Option<Time>,
}

/// One of the three tables of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // a log has these three
pub enum TableName {
    /// The plays.
    Plays,
    /// The users.
    Users,
    /// The items.
    Items,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    ///
    /// - The file cannot be read, or is not TOML of this schema; names line and column.
    /// - A name is given twice, or a vocabulary is of something that is not there; names the key.
    pub fn from_path(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|source| Failure::file(path, source))?;
        Self::parse(&text)
            .map_err(|message| Failure::data(format!("{}: {message}", path.display())))
    }

    /// Reads a mapping from text.
    ///
    /// # Errors
    ///
    /// As [`Mapping::from_path`], as a message without the file's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: MappingFile = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before
                .chars()
                .rev()
                .take_while(|&letter| letter != '\n')
                .count()
                + 1;
            format!(
                "line {line}, column {column}: {}",
                error.message().trim_end().replace('\n', " ")
            )
        })?;
        let mapping = file.resolve()?;
        mapping.check()?;
        Ok(mapping)
    }

    /// The name of the label column that `asked` stands for; the first of the list for `None`.
    ///
    /// # Errors
    ///
    /// The mapping does not list the column as a label: wrong usage.
    pub fn label(&self, asked: Option<&str>) -> Result<&str, Failure> {
        let labels = &self.plays.labels;
        let found = match asked {
            Some(asked) => labels.iter().find(|label| *label == asked),
            None => labels.first(),
        };
        found.map(String::as_str).ok_or_else(|| {
            Failure::usage(format!(
                "--label {}: the mapping lists {}",
                asked.unwrap_or_default(),
                labels.join(", ")
            ))
        })
    }

    fn check(&self) -> Result<(), String> {
        let plays = &self.plays;
        check_names("plays", &plays.attributes, &plays.numbers)?;
        unique("plays.labels", plays.labels.iter())?;
        if plays.labels.is_empty() {
            return Err("plays.labels: lists no column".to_owned());
        }
        for (table, side) in [("users", &self.users), ("items", &self.items)] {
            if let Some(side) = side {
                check_names(table, &side.attributes, &side.numbers)?;
            }
        }
        if self.history.metrics.is_empty() && !self.history.groups.is_empty() {
            return Err("groups: count nothing, since `metrics` is empty".to_owned());
        }
        unique(
            "vocabularies",
            self.vocabularies.iter().map(|vocabulary| &vocabulary.name),
        )
    }
}

fn check_names(
    table: &str,
    attributes: &[AttributeColumn],
    numbers: &[NumberColumn],
) -> Result<(), String> {
    unique(
        &format!("{table}.attributes"),
        attributes.iter().map(|attribute| &attribute.name),
    )?;
    unique(
        &format!("{table}.numbers"),
        numbers.iter().map(|number| &number.name),
    )?;
    for attribute in attributes {
        if attribute.separator.as_deref() == Some("") {
            return Err(format!(
                "{table}.attributes: `{}` has an empty separator",
                attribute.name
            ));
        }
    }
    for number in numbers {
        if !number.factor.is_finite() {
            return Err(format!(
                "{table}.numbers: the factor of `{}` is not finite",
                number.name
            ));
        }
    }
    Ok(())
}

fn unique<'a>(key: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(format!("{key}: a name is empty"));
        }
        if !seen.insert(name) {
            return Err(format!("{key}: `{name}` stands there twice"));
        }
    }
    Ok(())
}
