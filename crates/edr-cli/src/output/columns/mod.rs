//! Columns: the model's field names, each with its value.

mod alert;
mod audit;
mod case;
mod host;
mod ioc;

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::standard::Standard;
use super::style::Look;
use super::time::Zone;

/// A value of one column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Bool(bool),
    Empty,
    List(Vec<Cow<'a, str>>),
    Number(f64),
    Text(Cow<'a, str>),
    Time(DateTime<Utc>),
}

impl Value<'_> {
    /// The value for a program: whole, times in RFC 3339, lists with `; ` between their parts.
    pub(crate) fn machine(&self, zone: Zone) -> Cow<'_, str> {
        match self {
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Empty => Cow::Borrowed(""),
            Self::List(parts) => Cow::Owned(parts.join("; ")),
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Time(time) => Cow::Owned(zone.format(*time)),
        }
    }
}

/// A column of one noun.
pub(crate) struct Column<T: 'static> {
    /// The model's field name, with dots for nesting.
    pub(crate) name: &'static str,
    /// How its words look.
    pub(crate) look: Look,
    /// Its value.
    pub(crate) get: fn(&T) -> Value<'_>,
}

/// How a column of the table gives way when there is little room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    /// The column.
    pub(crate) name: &'static str,
    /// It is not made narrower than this.
    pub(crate) least: usize,
    /// It is left out before columns with a smaller number; 0 stays.
    pub(crate) leaves: u8,
}

/// Something that is printed.
pub(crate) trait Record: Serialize + Sized + 'static {
    /// What rows of a table are sorted by.
    type Key: Ord;
    /// One and several of it.
    const NOUNS: (&'static str, &'static str);
    /// Every column.
    const COLUMNS: &'static [Column<Self>];
    /// The columns of the table.
    const TABLE: &'static [Fit];
    /// The columns that a pipe gets: those of the table, identity first.
    const PIPE: &'static [&'static str];
    /// The columns of the wide table and of CSV.
    const WIDE: &'static [&'static str];

    /// Its forms in the words of standards.
    const STANDARD: Standard<Self> = Standard::none();

    /// What its row is sorted by.
    fn sort_key(&self) -> Self::Key;

    /// The column of this name.
    fn column(name: &str) -> Option<&'static Column<Self>> {
        Self::COLUMNS.iter().find(|c| c.name == name)
    }
}

/// The heading of a column.
pub(crate) fn title(name: &str) -> String {
    match name {
        "attacks" => "TECHNIQUE".to_owned(),
        "connection_state" => "CONNECTION".to_owned(),
        "containment_state" => "CONTAINMENT".to_owned(),
        "created_time" => "CREATED".to_owned(),
        "device.hostname" => "HOST".to_owned(),
        "last_user.name" => "USER".to_owned(),
        "os.type" => "OS".to_owned(),
        "uid" => "ID".to_owned(),
        other => other.replace(['_', '.'], " ").to_uppercase(),
    }
}

pub(crate) const fn fit(name: &'static str, least: usize, leaves: u8) -> Fit {
    Fit { name, least, leaves }
}

/// Makes a table of columns.
macro_rules! columns {
    ($item:ident; $($name:literal $look:ident, |$i:ident| $body:expr;)+) => {
        &[$(Column {
            name: $name,
            look: $crate::output::style::Look::$look,
            get: |$i: &$item| -> Value<'_> { $body },
        }),+]
    };
}
pub(crate) use columns;

pub(crate) fn text(value: &str) -> Value<'_> {
    if value.is_empty() { Value::Empty } else { Value::Text(Cow::Borrowed(value)) }
}

pub(crate) fn maybe(value: Option<&String>) -> Value<'_> {
    value.map_or(Value::Empty, |v| text(v))
}

pub(crate) fn time(value: Option<DateTime<Utc>>) -> Value<'static> {
    value.map_or(Value::Empty, Value::Time)
}

pub(crate) fn ip(value: Option<IpAddr>) -> Value<'static> {
    value.map_or(Value::Empty, |v| Value::Text(Cow::Owned(v.to_string())))
}

pub(crate) fn flag(value: Option<bool>) -> Value<'static> {
    value.map_or(Value::Empty, Value::Bool)
}

pub(crate) fn list<'a>(parts: impl IntoIterator<Item = Option<Cow<'a, str>>>) -> Value<'a> {
    let mut kept: Vec<Cow<'a, str>> = Vec::new();
    for part in parts.into_iter().flatten().filter(|p| !p.is_empty()) {
        if !kept.contains(&part) {
            kept.push(part);
        }
    }
    if kept.is_empty() { Value::Empty } else { Value::List(kept) }
}

pub(crate) fn words(parts: &[String]) -> Value<'_> {
    list(parts.iter().map(|p| Some(Cow::Borrowed(p.as_str()))))
}

pub(crate) fn borrowed(part: Option<&String>) -> Option<Cow<'_, str>> {
    part.map(|p| Cow::Borrowed(p.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_joined_without_doubles_and_blanks() {
        let parts = ["a".to_owned(), String::new(), "b".to_owned(), "a".to_owned()];
        assert_eq!(words(&parts).machine(Zone::Utc), "a; b");
        assert_eq!(words(&[]), Value::Empty);
    }

    #[test]
    fn headings_are_words() {
        assert_eq!(title("last_seen"), "LAST SEEN");
        assert_eq!(title("agent.version"), "AGENT VERSION");
        assert_eq!(title("uid"), "ID");
    }
}
