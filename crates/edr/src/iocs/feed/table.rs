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
        feed.has_room(&drafts)?;
        // What is not UTF-8 was refused before; here a record cannot fail but at its end.
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => return Err(Fault::new(format!("this is no CSV: {e}"))),
        }
        let (line, from) = record.position().map_or((0, 0), |position| begin(text, position));
        let to = usize::try_from(reader.position().byte()).unwrap_or(text.len());
        if let Some(why) = runs_on(text.get(from..to).unwrap_or_default(), delimiter, line) {
            if columns.is_none() {
                return Err(Fault::at(line, why));
            }
            feed.refuse(line, record.get(0).unwrap_or_default(), why);
            continue;
        }
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

/// The line and the byte that a record begins on: its position counts before the comments and empty lines that are
/// passed over.
fn begin(text: &str, position: &csv::Position) -> (u64, usize) {
    let (mut line, mut at) = (position.line(), usize::try_from(position.byte()).unwrap_or_default());
    for passed in text.get(at..).unwrap_or_default().split_inclusive('\n') {
        if !passed.trim_end_matches(['\r', '\n']).is_empty() && !passed.starts_with('#') {
            break;
        }
        (line, at) = (line + 1, at + passed.len());
    }
    (line, at)
}

/// What is wrong with a record of several lines: no cell of a feed has any, and a quote that is never closed takes all
/// rows that follow into its cell.
fn runs_on(record: &str, delimiter: u8, line: u64) -> Option<String> {
    if ends_open(record, delimiter) {
        return Some("a quote that begins a cell here is never closed; nothing after it was read".to_owned());
    }
    let record = record.trim_end_matches(['\r', '\n']);
    let more = record.matches('\n').count().max(usize::from(record.contains('\r'))) as u64;
    let last = line + more;
    (more > 0).then(|| format!("a cell runs on to line {last}: a quote may be missing; none of it was taken"))
}

/// True for a record whose last cell begins with a quote that none closes, as the reader sees it.
fn ends_open(record: &str, delimiter: u8) -> bool {
    let (mut quoted, mut begins) = (false, true);
    let mut bytes = record.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted && bytes.peek() == Some(&b'"') => drop(bytes.next()),
            b'"' if quoted => quoted = false,
            b'"' if begins => quoted = true,
            _ => {}
        }
        begins = !quoted && byte == delimiter;
    }
    quoted
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
        drafts.extend(draft.clone().spread());
    }
    draft.more.clear();
    drafts.extend(values.into_iter().map(|(kind, value)| Draft { kind, value, ..draft.clone() }));
}
