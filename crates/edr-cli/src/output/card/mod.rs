//! One thing on one page, for a person.

mod alert;
mod case;
mod host;
mod tree;

use std::io::{self, Write};

use super::columns::{Record, Value};
use super::style::{Look, Tone};
use super::time::ago;
use super::{View, text};

/// Something that has a page of its own.
pub(crate) trait Card: Record {
    /// Writes its page.
    fn card(&self, page: &mut Page<'_>);
}

/// Writes the cards of all items, a blank line between them.
pub(crate) fn print<T: Card>(items: &[T], view: &View, out: &mut dyn Write) -> io::Result<()> {
    for (number, item) in items.iter().enumerate() {
        let mut page = Page { view, text: String::new() };
        item.card(&mut page);
        let gap = if number == 0 { "" } else { "\n" };
        write!(out, "{gap}{}", page.text)?;
    }
    out.flush()
}

/// A page under way.
pub(crate) struct Page<'a> {
    view: &'a View,
    text: String,
}

impl Page<'_> {
    /// The first line: a name, and what is to be seen at a glance.
    fn head(&mut self, name: &str, glance: &[(Look, &str)]) {
        let name = text::plain(name);
        self.text.push_str(&self.view.palette.paint(&name, Tone::Head));
        for (look, word) in glance {
            let (shown, tone) = look.dress(&text::safe(word));
            self.text.push_str("  ");
            self.text.push_str(&self.view.palette.paint(&shown, tone));
        }
        self.text.push('\n');
    }

    /// A heading within the page.
    fn section(&mut self, name: &str) {
        let painted = self.view.palette.paint(name, Tone::Head).into_owned();
        self.text.push_str(&format!("\n{painted}\n"));
    }

    /// A line with a label; nothing when there is no value.
    fn line(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.text.push_str(&format!("  {label:<18}{}\n", text::safe(value)));
        }
    }

    /// A line without a label.
    fn free(&mut self, line: &str) {
        self.text.push_str(&format!("  {}\n", text::safe(line)));
    }

    /// Lines of columns, by name.
    fn columns<T: Record>(&mut self, item: &T, names: &[(&str, &str)]) {
        for (name, label) in names {
            let Some(column) = T::column(name) else { continue };
            let shown = self.value(&(column.get)(item));
            self.line(label, &shown);
        }
    }

    fn value(&self, value: &Value<'_>) -> String {
        match value {
            Value::Text(word) if word == "unknown" => String::new(),
            Value::Time(time) => self.when(*time),
            Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            other => other.machine(self.view.zone).replace("; ", ", "),
        }
    }

    fn when(&self, time: chrono::DateTime<chrono::Utc>) -> String {
        format!("{}  ({})", self.view.zone.short(time), ago(time, self.view.now))
    }
}
