//! A feed as CSV: any delimiter, any order of columns, any of their names.

use std::collections::BTreeSet;

use super::draft::{Draft, Name, name};
use super::value;
use super::{Fault, Feed};

/// What a column is.
enum Column {
    Field(Name),
    /// Values of one type, as in a column `sha256`.
    Values(String),
    Unused,
}

/// Reads the rows of a table.
pub(super) fn read(text: &str, feed: &mut Feed) -> Result<Vec<Draft>, Fault> {
    let delimiter = delimiter(text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .comment(Some(b'#'))
        .flexible(true)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut drafts = Vec::new();
    let mut columns: Option<Vec<Column>> = None;
    let mut record = csv::StringRecord::new();
    loop {
        // What is not UTF-8 was refused before; here a record cannot fail but at its end.
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => return Err(Fault::new(format!("this is no CSV: {e}"))),
        }
        let line = record.position().map_or(0, |position| line_of(text, position));
        match &columns {
            Some(columns) => row(columns, &record, line, &mut drafts, feed),
            None => {
                let header = header(&record, line, feed)?;
                if header.is_none() {
                    row(&[Column::Field(Name::Value)], &record, line, &mut drafts, feed);
                }
                columns = Some(header.unwrap_or_else(|| vec![Column::Field(Name::Value)]));
            }
        }
    }
    Ok(drafts)
}

/// The line that a record begins on: its position counts before the comments and empty lines that are passed over.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let at = usize::try_from(position.byte()).unwrap_or_default();
    let rest = text.get(at..).unwrap_or_default();
    let passed = rest.lines().take_while(|line| line.is_empty() || line.starts_with('#'));
    position.line() + passed.count() as u64
}

fn delimiter(text: &str) -> u8 {
    let first =
        text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let count = |d: &u8| first.bytes().filter(|b| b == d).count();
    b",;\t".iter().copied().rev().max_by_key(count).unwrap_or(b',')
}

/// The columns; none where the first line is a value already, in a plain list of values.
fn header(record: &csv::StringRecord, line: u64, feed: &mut Feed) -> Result<Option<Vec<Column>>, Fault> {
    let column = |cell: &str| match name(cell) {
        Some(name) => Column::Field(name),
        None => match value::kind(cell) {
            Some(_) => Column::Values(cell.to_owned()),
            None => Column::Unused,
        },
    };
    let columns: Vec<Column> = record.iter().map(column).collect();
    let is_value = |c: &Column| matches!(c, Column::Field(Name::Value) | Column::Values(_));
    if columns.iter().any(is_value) {
        let unused = record.iter().zip(&columns).filter(|(_, c)| matches!(c, Column::Unused));
        let unused: Vec<&str> = unused.map(|(cell, _)| cell).collect();
        if !unused.is_empty() {
            feed.note(line, "", format!("these columns are not used: {}", unused.join(", ")));
        }
        return Ok(Some(columns));
    }
    if record.len() == 1 {
        return Ok(None);
    }
    Err(Fault::at(line, "the first line names no column with values, such as `value` or `sha256`"))
}

fn row(columns: &[Column], record: &csv::StringRecord, line: u64, drafts: &mut Vec<Draft>, feed: &mut Feed) {
    let mut draft = Draft { line, ..Draft::default() };
    let mut values: BTreeSet<(String, String)> = BTreeSet::new();
    for (column, cell) in columns.iter().zip(record) {
        match column {
            Column::Field(name) => draft.set(*name, cell),
            Column::Values(kind) if !cell.is_empty() => drop(values.insert((kind.clone(), cell.to_owned()))),
            Column::Unused | Column::Values(_) => {}
        }
    }
    if record.len() > columns.len() {
        let value = if draft.value.is_empty() { record.get(0).unwrap_or_default() } else { &draft.value };
        return feed.refuse(line, value, "the line has more cells than the first one names");
    }
    if !draft.value.is_empty() || values.is_empty() {
        drafts.push(draft.clone());
    }
    drafts.extend(values.into_iter().map(|(kind, value)| Draft { kind, value, ..draft.clone() }));
}
