//! What is printed on standard output: one sink a format, each streaming.

pub(crate) mod card;
pub(crate) mod columns;
mod delimited;
mod json;
mod node;
pub(crate) mod pager;
pub(crate) mod standard;
pub(crate) mod style;
mod table;
pub(crate) mod text;
pub(crate) mod time;
mod yaml;

use std::io::{self, Write};

use chrono::{DateTime, Utc};

pub(crate) use columns::{Column, Record};
use style::Palette;
use time::Zone;

/// A format as `-o` names it, or the one that a pipe gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values.
    Csv,
    /// Documents of the Elastic Common Schema, one a line.
    Ecs,
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Events of the Open Cybersecurity Schema Framework, one a line.
    Ocsf,
    /// A table.
    Table,
    /// Tab-separated values: what a pipe gets.
    Tsv,
    /// A table with more columns and whole values.
    Wide,
    /// A YAML list.
    Yaml,
}

impl Format {
    /// For a person.
    pub(crate) fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }

    /// Whole records rather than columns.
    pub(crate) fn is_record(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl | Self::Yaml) || self.is_standard()
    }

    /// Standard error speaks JSON, too.
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl) || self.is_standard()
    }

    /// Somebody else's words, which not every noun has.
    pub(crate) fn is_standard(self) -> bool {
        matches!(self, Self::Ecs | Self::Ocsf)
    }
}

/// How records are shown.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The format.
    pub(crate) format: Format,
    /// The columns that were asked for.
    pub(crate) columns: Option<Vec<String>>,
    /// The zone of times.
    pub(crate) zone: Zone,
    /// Colours, or none.
    pub(crate) palette: Palette,
    /// The width of the terminal.
    pub(crate) width: usize,
    /// The present.
    pub(crate) now: DateTime<Utc>,
}

impl View {
    /// The columns of a format that has columns.
    pub(crate) fn chosen<T: Record>(&self) -> Vec<&'static Column<T>> {
        let named = |names: &mut dyn Iterator<Item = &str>| names.filter_map(T::column).collect();
        match (&self.columns, self.format) {
            (Some(names), _) => named(&mut names.iter().map(String::as_str)),
            (None, Format::Table) => named(&mut T::TABLE.iter().map(|fit| fit.name)),
            (None, Format::Tsv) => named(&mut T::PIPE.iter().copied()),
            (None, _) => named(&mut T::WIDE.iter().copied()),
        }
    }
}

/// Takes records one by one and prints them.
pub(crate) trait Sink<T> {
    /// Takes a record.
    fn item(&mut self, item: &T) -> io::Result<()>;

    /// Nothing more is there for the moment.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Nothing follows: the output becomes whole.
    fn finish(&mut self) -> io::Result<()>;

    /// True when it prints rows in blocks that are sorted one by one.
    fn in_blocks(&self) -> bool {
        false
    }
}

/// The sink of a view that writes to `out`.
pub(crate) fn sink<'a, T: Record>(view: &View, out: Box<dyn Write + 'a>) -> Box<dyn Sink<T> + 'a> {
    match view.format {
        Format::Csv => Box::new(delimited::Delimited::csv(view, out)),
        Format::Ecs | Format::Ocsf => Box::new(standard::Lines::new(view, out)),
        Format::Json => Box::new(json::Json::array(view, out)),
        Format::Jsonl => Box::new(json::Json::lines(view, out)),
        Format::Table | Format::Wide => Box::new(table::Table::new(view, out)),
        Format::Tsv => Box::new(delimited::Delimited::tsv(view, out)),
        Format::Yaml => Box::new(yaml::Yaml::new(view, out)),
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
