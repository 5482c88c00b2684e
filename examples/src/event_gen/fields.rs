//! What a row of the plays says: the columns that are read, and their meaning.

use std::borrow::Cow;

use feature_spec::history::History;
use feature_spec::{Context, Values};

use crate::mapping::{AttributeColumn, Mapping, NumberColumn, SideMapping, TimeUnit};
use crate::table::Row;

use super::side::{Known, SideTable};

/// Where everything that matters stands in a row of plays.
#[derive(Debug)]
pub(super) struct PlayFields {
    columns: Vec<String>,
    time: usize,
    time_unit: TimeUnit,
    user: usize,
    item: usize,
    id: Option<usize>,
    label: usize,
    attributes: Vec<(usize, AttributeColumn)>,
    numbers: Vec<(usize, NumberColumn)>,
    metric_fields: Vec<MetricField>,
    keys: Vec<Key>,
}

/// Where a field of a metric comes from.
#[derive(Debug)]
enum MetricField {
    Play(usize),
    User(usize),
    Item(usize),
}

/// Where the values of a group's key come from.
#[derive(Debug)]
enum Key {
    UserId,
    ItemId,
    User(usize),
    Item(usize),
    Context(usize),
}

/// A play as read from its row.
#[derive(Debug)]
pub(super) struct Read<'r> {
    pub(super) id: Cow<'r, str>,
    pub(super) user: &'r str,
    pub(super) item: &'r str,
    pub(super) user_known: Option<&'r Known>,
    pub(super) item_known: Option<&'r Known>,
    pub(super) label: bool,
    pub(super) fields: Vec<Option<f64>>,
    pub(super) keys: Vec<Vec<&'r str>>,
}

impl PlayFields {
    /// Looks up what the mapping and the history need.
    ///
    /// # Errors
    ///
    /// A group is keyed by something that is not there; the message names the group's key.
    pub(super) fn new(mapping: &Mapping, label: &str, history: &History) -> Result<Self, String> {
        let plays = &mapping.plays;
        let mut columns = Vec::new();
        let mut column = |name: &str| {
            let known = columns.iter().position(|column| column == name);
            known.unwrap_or_else(|| {
                columns.push(name.to_owned());
                columns.len() - 1
            })
        };
        let metric_field = |name: &String, column: &mut dyn FnMut(&str) -> usize| {
            let side = |prefix: &str, side: Option<&SideMapping>| {
                let rest = name.strip_prefix(prefix)?;
                side?.numbers.iter().position(|number| number.name == rest)
            };
            if let Some(place) = side("item_", mapping.items.as_ref()) {
                MetricField::Item(place)
            } else if let Some(place) = side("user_", mapping.users.as_ref()) {
                MetricField::User(place)
            } else {
                MetricField::Play(column(name))
            }
        };
        let attributes = plays.attributes.iter();
        Ok(Self {
            time: column(&plays.time),
            time_unit: plays.time_unit,
            user: column(&plays.user),
            item: column(&plays.item),
            id: plays.id.as_deref().map(&mut column),
            label: column(label),
            attributes: attributes
                .map(|one| (column(&one.column), one.clone()))
                .collect(),
            numbers: plays
                .numbers
                .iter()
                .map(|one| (column(&one.column), one.clone()))
                .collect(),
            metric_fields: history
                .fields()
                .iter()
                .map(|name| metric_field(name, &mut column))
                .collect(),
            keys: history
                .key_fields()
                .iter()
                .map(|name| Key::find(mapping, name))
                .collect::<Result<_, _>>()?,
            columns,
        })
    }

    /// The columns that are read, in the order of the row's cells.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The play's time in milliseconds since the Unix epoch.
    pub(super) fn time(&self, row: &Row) -> Result<i64, String> {
        let text = row.text(self.time);
        self.time_unit.read(text).ok_or_else(|| {
            let (column, text) = (&self.columns[self.time], text.unwrap_or_default());
            format!("`{column}` is {text:?}, not a time")
        })
    }

    /// Reads everything else; the error is the reason and what is wrong.
    pub(super) fn read<'r>(
        &'r self,
        row: &'r Row,
        users: &'r SideTable,
        items: &'r SideTable,
    ) -> Result<Read<'r>, (&'static str, String)> {
        let text = |cell: usize, reason: &'static str| {
            let column = &self.columns[cell];
            let text = row.text(cell).filter(|text| !text.is_empty());
            text.ok_or_else(|| (reason, format!("`{column}` is empty")))
        };
        let user = text(self.user, "user")?;
        let item = text(self.item, "item")?;
        let id = match self.id {
            Some(cell) => Cow::Borrowed(text(cell, "id")?),
            None => Cow::Owned(row.index().to_string()),
        };
        let label = match text(self.label, "label")? {
            "0" | "0.0" | "false" => false,
            "1" | "1.0" | "true" => true,
            other => {
                let column = &self.columns[self.label];
                return Err(("label", format!("`{column}` is {other:?}, not 0 or 1")));
            }
        };
        for (cell, number) in &self.numbers {
            if let Some(text) = row.text(*cell) {
                finite(&number.column, text, number.factor).map_err(|detail| ("number", detail))?;
            }
        }
        let (user_known, item_known) = (users.find(user), items.find(item));
        let field = |field: &MetricField| match field {
            MetricField::Play(cell) => {
                let text = row.text(*cell);
                text.map(|text| finite(&self.columns[*cell], text, 1.0))
                    .transpose()
            }
            MetricField::User(place) => Ok(user_known.and_then(|known| known.number(*place))),
            MetricField::Item(place) => Ok(item_known.and_then(|known| known.number(*place))),
        };
        let fields = self
            .metric_fields
            .iter()
            .map(field)
            .collect::<Result<_, _>>();
        let key = |key: &Key| match key {
            Key::UserId => vec![user],
            Key::ItemId => vec![item],
            Key::User(place) => of_side(user_known, *place),
            Key::Item(place) => of_side(item_known, *place),
            Key::Context(place) => {
                let (cell, attribute) = &self.attributes[*place];
                attribute.values(row, *cell).collect()
            }
        };
        Ok(Read {
            id,
            user,
            item,
            user_known,
            item_known,
            label,
            fields: fields.map_err(|detail| ("number", detail))?,
            keys: self.keys.iter().map(key).collect(),
        })
    }

    /// Writes the context's attributes and numbers; the numbers were read before.
    pub(super) fn context<'r>(&'r self, row: &'r Row, context: &mut Context<'r>) {
        for (cell, attribute) in &self.attributes {
            let list = attribute.values(row, *cell).collect();
            if let Some(values) = as_values(list, attribute) {
                context.attributes.insert(attribute.name.as_str(), values);
            }
        }
        for (cell, number) in &self.numbers {
            let value = row
                .text(*cell)
                .map(|text| finite(&number.column, text, number.factor));
            if let Some(Ok(value)) = value {
                context.numbers.insert(number.name.as_str(), value);
            }
        }
    }
}

impl Key {
    fn find(mapping: &Mapping, name: &str) -> Result<Self, String> {
        let place =
            |list: &[AttributeColumn]| list.iter().position(|attribute| attribute.name == name);
        let of_side = |side: &Option<SideMapping>| place(&side.as_ref()?.attributes);
        if let Some(place) = of_side(&mapping.items) {
            Ok(Self::Item(place))
        } else if let Some(place) = place(&mapping.plays.attributes) {
            Ok(Self::Context(place))
        } else if let Some(place) = of_side(&mapping.users) {
            Ok(Self::User(place))
        } else {
            match name {
                "item" => Ok(Self::ItemId),
                "user" => Ok(Self::UserId),
                _ => Err(format!(
                    "groups: key `{name}` is no attribute of items, plays or users, nor `item` or \
                     `user`"
                )),
            }
        }
    }
}

fn of_side(known: Option<&Known>, attribute: usize) -> Vec<&str> {
    known
        .map(|known| known.values(attribute).collect())
        .unwrap_or_default()
}

/// The values of a cell as an event carries them: a string, or a list where the mapping has a
/// separator or the cell several values; `None` when there are none.
pub(super) fn as_values<'r>(list: Vec<&'r str>, attribute: &AttributeColumn) -> Option<Values<'r>> {
    match (&list[..], &attribute.separator) {
        ([], _) => None,
        ([one], None) => Some((*one).into()),
        _ => Some(list.into_iter().collect()),
    }
}

/// A number of a cell times `factor`; finite.
pub(super) fn finite(column: &str, text: &str, factor: f64) -> Result<f64, String> {
    let value = match text {
        "true" => Ok(1.0),
        "false" => Ok(0.0),
        _ => text.trim().parse::<f64>(),
    };
    match value {
        Ok(value) if (value * factor).is_finite() => Ok(value * factor),
        Ok(_) => Err(format!("`{column}` is {text:?}, not a finite number")),
        Err(_) => Err(format!("`{column}` is {text:?}, not a number")),
    }
}
