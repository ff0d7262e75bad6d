//! The table: fits the terminal, sorted, with colour where there is colour.

use std::io::{self, Write};

use super::columns::{Column, Fit, Record, Value, title};
use super::style::{Look, Tone};
use super::time::ago;
use super::{Format, Sink, View, text};

/// Rows that are sorted and laid out together. More than this are printed in blocks, so that memory
/// stays flat.
const BLOCK: usize = 10_000;
const GAP: &str = "  ";

/// A table on a writer.
pub(crate) struct Table<'a, T: Record> {
    out: Box<dyn Write + 'a>,
    view: View,
    columns: Vec<&'static Column<T>>,
    rows: Vec<(T::Key, Vec<Cell>)>,
    /// Which columns are shown, and how wide; set by the first block.
    layout: Option<Vec<(usize, usize)>>,
    blocks: usize,
}

/// The text of a cell, and its tone.
#[derive(Clone, Debug)]
struct Cell {
    text: String,
    tone: Tone,
}

impl<'a, T: Record> Table<'a, T> {
    /// An empty table.
    pub(crate) fn new(view: &View, out: Box<dyn Write + 'a>) -> Self {
        let columns = view.chosen::<T>();
        Self { out, view: view.clone(), columns, rows: Vec::new(), layout: None, blocks: 0 }
    }

    fn cell(&self, column: &Column<T>, item: &T) -> Cell {
        let value = (column.get)(item);
        let (words, tone) = match &value {
            Value::Time(time) if self.view.format == Format::Table => {
                (ago(*time, self.view.now), Tone::Plain)
            }
            Value::Time(time) => (self.view.zone.short(*time), Tone::Plain),
            Value::Empty => (String::new(), Tone::Plain),
            Value::Text(word) if column.look != Look::Plain => column.look.dress(word),
            other => (other.machine(self.view.zone).into_owned(), Tone::Plain),
        };
        Cell { text: text::plain(&words), tone }
    }

    fn print(&mut self) -> io::Result<()> {
        self.rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let rows = std::mem::take(&mut self.rows);
        let layout = match self.layout.take() {
            Some(layout) => layout,
            None => self.begin(&rows)?,
        };
        for (_, cells) in &rows {
            self.row(&layout, cells)?;
        }
        self.layout = Some(layout);
        self.blocks += 1;
        Ok(())
    }

    fn begin(&mut self, rows: &[(T::Key, Vec<Cell>)]) -> io::Result<Vec<(usize, usize)>> {
        let heads: Vec<Cell> =
            self.columns.iter().map(|c| Cell { text: title(c.name), tone: Tone::Head }).collect();
        let widths: Vec<usize> = (0..heads.len()).map(|i| widest(&heads, rows, i)).collect();
        let full: Vec<bool> =
            (0..heads.len()).map(|i| rows.iter().any(|(_, c)| !c[i].text.is_empty())).collect();
        let layout = self.arrange(&widths, &full);
        self.row(&layout, &heads)?;
        Ok(layout)
    }

    /// The table of its own choice fits the terminal; columns that were asked for are all shown.
    fn arrange(&self, widths: &[usize], full: &[bool]) -> Vec<(usize, usize)> {
        if self.view.format == Format::Wide || self.view.columns.is_some() {
            return widths.iter().copied().enumerate().collect();
        }
        arrange(T::TABLE, widths, full, self.view.width)
    }

    fn row(&mut self, layout: &[(usize, usize)], cells: &[Cell]) -> io::Result<()> {
        let mut line = String::new();
        for (place, (index, width)) in layout.iter().enumerate() {
            let cell = &cells[*index];
            let shown = text::fit(&cell.text, *width);
            line.push_str(&self.view.palette.paint(&shown, cell.tone));
            if place + 1 < layout.len() {
                line.push_str(&" ".repeat(width.saturating_sub(text::width(&shown))));
                line.push_str(GAP);
            }
        }
        writeln!(self.out, "{}", line.trim_end_matches(' '))
    }
}

fn widest<K>(heads: &[Cell], rows: &[(K, Vec<Cell>)], index: usize) -> usize {
    let cells = rows.iter().map(|(_, cells)| text::width(&cells[index].text));
    cells.max().unwrap_or(0).max(text::width(&heads[index].text))
}

/// Not even the narrowest terminal makes a column narrower.
const FLOOR: usize = 6;

/// Leaves columns out, those without a value first, until the least widths fit; then narrows the
/// widest. Where those that stay need more than there is, they become narrower than their least.
fn arrange(fits: &[Fit], widths: &[usize], full: &[bool], room: usize) -> Vec<(usize, usize)> {
    let mut kept: Vec<usize> = (0..widths.len()).filter(|i| full[*i] || fits[*i].leaves == 0).collect();
    let least = |i: &usize| widths[*i].min(fits[*i].least);
    while total(kept.iter().map(least)) > room {
        let Some(gone) = kept.iter().copied().filter(|i| fits[*i].leaves > 0).max_by_key(|i| fits[*i].leaves)
        else {
            break;
        };
        kept.retain(|i| *i != gone);
    }
    let mut layout: Vec<(usize, usize)> = kept.iter().map(|i| (*i, widths[*i])).collect();
    narrow(&mut layout, room, least);
    narrow(&mut layout, room, |_| FLOOR);
    layout
}

fn narrow(layout: &mut [(usize, usize)], room: usize, least: impl Fn(&usize) -> usize) {
    while total(layout.iter().map(|(_, w)| *w)) > room {
        let Some(wide) = layout.iter_mut().filter(|(i, w)| *w > least(i)).max_by_key(|(_, w)| *w) else {
            return;
        };
        wide.1 -= 1;
    }
}

fn total(widths: impl ExactSizeIterator<Item = usize>) -> usize {
    let gaps = widths.len().saturating_sub(1) * GAP.len();
    widths.sum::<usize>() + gaps
}

impl<T: Record> Sink<T> for Table<'_, T> {
    fn item(&mut self, item: &T) -> io::Result<()> {
        let cells = self.columns.iter().map(|c| self.cell(c, item)).collect();
        self.rows.push((item.sort_key(), cells));
        if self.rows.len() >= BLOCK { self.print() } else { Ok(()) }
    }

    fn finish(&mut self) -> io::Result<()> {
        if !self.rows.is_empty() {
            self.print()?;
        }
        self.out.flush()
    }

    fn in_blocks(&self) -> bool {
        self.blocks > 1
    }
}
