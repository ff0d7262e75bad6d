//! JSON: one array, or one object a line. Records go straight from the model to the writer.

use std::io::{self, Write};
use std::marker::PhantomData;

use super::columns::Record;
use super::node::Node;
use super::time::Zone;
use super::{Sink, View};

/// The keys that every record carries, whatever `--columns` says.
const IDENTITY: [&str; 3] = ["tenant", "vendor", "uid"];

/// What is done to a record before it is written.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    columns: Option<Vec<String>>,
    zone: Zone,
}

impl Shape {
    pub(super) fn of(view: &View) -> Self {
        Self { columns: view.columns.clone(), zone: view.zone }
    }

    /// The record as it is, when nothing is to be done to it.
    fn is_plain(&self) -> bool {
        self.columns.is_none() && self.zone == Zone::Utc
    }

    pub(super) fn node<T: Record>(&self, item: &T) -> serde_json::Result<Node> {
        let node = Node::of(item)?;
        let node = match &self.columns {
            None => node,
            Some(columns) => {
                let names: Vec<&str> =
                    IDENTITY.into_iter().chain(columns.iter().map(String::as_str)).collect();
                node.project(&names)
            }
        };
        Ok(if self.zone == Zone::Utc { node } else { node.in_zone(self.zone) })
    }
}

/// JSON on a writer.
pub(crate) struct Json<'a, T> {
    out: Box<dyn Write + 'a>,
    shape: Shape,
    lines: bool,
    count: u64,
    noun: PhantomData<fn(&T)>,
}

impl<'a, T: Record> Json<'a, T> {
    /// One array.
    pub(crate) fn array(view: &View, out: Box<dyn Write + 'a>) -> Self {
        Self { out, shape: Shape::of(view), lines: false, count: 0, noun: PhantomData }
    }

    /// One object a line.
    pub(crate) fn lines(view: &View, out: Box<dyn Write + 'a>) -> Self {
        Self { lines: true, ..Self::array(view, out) }
    }

    fn record(&mut self, item: &T) -> io::Result<()> {
        if self.shape.is_plain() {
            serde_json::to_writer(&mut self.out, item)?;
        } else {
            serde_json::to_writer(&mut self.out, &self.shape.node(item)?)?;
        }
        Ok(())
    }
}

impl<T: Record> Sink<T> for Json<'_, T> {
    fn item(&mut self, item: &T) -> io::Result<()> {
        if !self.lines {
            self.out.write_all(if self.count == 0 { b"[\n" } else { b",\n" })?;
        }
        self.count += 1;
        self.record(item)?;
        if self.lines { self.out.write_all(b"\n") } else { Ok(()) }
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        if !self.lines {
            self.out.write_all(if self.count == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }
}
