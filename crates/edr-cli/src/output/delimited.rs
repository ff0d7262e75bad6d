//! CSV (RFC 4180) and tab-separated values, one record a line, streamed.

use std::borrow::Cow;
use std::io::{self, Write};

use super::columns::{Column, Record};
use super::time::Zone;
use super::{Sink, View, text};

/// Rows of cells with a header of the model's field names.
pub(crate) struct Delimited<'a, T: Record> {
    out: csv::Writer<Box<dyn Write + 'a>>,
    columns: Vec<&'static Column<T>>,
    zone: Zone,
    /// Guard against cells that a spreadsheet would run as a formula.
    guarded: bool,
    begun: bool,
}

impl<'a, T: Record> Delimited<'a, T> {
    /// Comma-separated, for spreadsheets.
    pub(crate) fn csv(view: &View, out: Box<dyn Write + 'a>) -> Self {
        Self::new(view, csv::WriterBuilder::new().from_writer(out), true)
    }

    /// Tab-separated and never quoted, for `cut` and `awk`.
    pub(crate) fn tsv(view: &View, out: Box<dyn Write + 'a>) -> Self {
        let mut builder = csv::WriterBuilder::new();
        builder.delimiter(b'\t').quote_style(csv::QuoteStyle::Never);
        Self::new(view, builder.from_writer(out), false)
    }

    fn new(view: &View, out: csv::Writer<Box<dyn Write + 'a>>, guarded: bool) -> Self {
        Self { out, columns: view.chosen::<T>(), zone: view.zone, guarded, begun: false }
    }

    fn header(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.out.write_record(self.columns.iter().map(|c| c.name)).map_err(io_error)?;
        }
        Ok(())
    }
}

impl<T: Record> Sink<T> for Delimited<'_, T> {
    fn item(&mut self, item: &T) -> io::Result<()> {
        self.header()?;
        for column in &self.columns {
            let value = (column.get)(item);
            let value = value.machine(self.zone);
            let cell = text::cell(&value);
            let cell = if self.guarded { harmless(cell) } else { cell };
            self.out.write_field(cell.as_bytes()).map_err(io_error)?;
        }
        self.out.write_record(None::<&[u8]>).map_err(io_error)
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.header()?;
        self.out.flush()
    }
}

/// A cell that begins like a formula gets an apostrophe, which spreadsheets take as "text".
fn harmless(cell: Cow<'_, str>) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@']) { Cow::Owned(format!("'{cell}")) } else { cell }
}

fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
