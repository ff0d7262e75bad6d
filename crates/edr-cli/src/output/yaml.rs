//! YAML: one list, an item at a time.

use std::io::{self, Write};
use std::marker::PhantomData;

use super::columns::Record;
use super::json::Shape;
use super::{Sink, View};

/// A YAML list on a writer.
pub(crate) struct Yaml<'a, T> {
    out: Box<dyn Write + 'a>,
    shape: Shape,
    empty: bool,
    noun: PhantomData<fn(&T)>,
}

impl<'a, T: Record> Yaml<'a, T> {
    /// An empty list so far.
    pub(crate) fn new(view: &View, out: Box<dyn Write + 'a>) -> Self {
        Self { out, shape: Shape::of(view), empty: true, noun: PhantomData }
    }
}

impl<T: Record> Sink<T> for Yaml<'_, T> {
    /// A list of one item, written after another, continues that list.
    fn item(&mut self, item: &T) -> io::Result<()> {
        self.empty = false;
        let node = self.shape.node(item)?;
        let text = serde_yaml_ng::to_string(&[node]).map_err(io::Error::other)?;
        self.out.write_all(text.as_bytes())
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.empty {
            self.out.write_all(b"[]\n")?;
        }
        self.out.flush()
    }
}
