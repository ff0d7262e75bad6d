//! Reading the journal's lines, and seeing where they do not hang together.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::canon::sha256;
use super::record::{Event, NOTHING, Record, hash_of};

/// A place where the journal does not prove itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// The line of the file, from 1.
    pub line: u64,
    /// The number of the record that should be there.
    pub seq: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, record {}: {}", self.line, self.seq, self.what)
    }
}

/// The records that were read and hang together.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) records: Vec<Record>,
    /// How far the file was read: to the end of the last good record, or past the torn bytes that a record vouches for.
    pub(super) offset: u64,
    lines: u64,
    /// Bytes after the last good record that are half of one. They lie before `offset`.
    pub(super) torn: Option<Vec<u8>>,
    /// The file does not end with the end of a line.
    pub(super) wants_newline: bool,
}

impl Chain {
    /// The number and hash of the last record.
    pub(super) fn end(&self) -> (u64, String) {
        self.records.last().map_or_else(|| (0, NOTHING.to_owned()), |r| (r.seq, r.hash.clone()))
    }

    /// Takes a record that we wrote ourselves.
    pub(super) fn accept(&mut self, record: Record) {
        self.lines += 1;
        self.records.push(record);
    }

    /// Takes the bytes from `offset` on. After a torn end they begin where the good records end.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut whole = self.torn.take().unwrap_or_default();
        // They are counted again.
        self.lines -= whole.split_inclusive(|b| *b == b'\n').count() as u64;
        if self.wants_newline && whole.is_empty() {
            // A record without its end of line: the end comes with the next.
            let rest = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            whole.extend_from_slice(rest);
        } else {
            whole.extend_from_slice(bytes);
        }
        self.offset += bytes.len() as u64;
        self.wants_newline = if bytes.is_empty() { self.wants_newline } else { false };
        let mut bad: Vec<u8> = Vec::new();
        for line in whole.split_inclusive(|b| *b == b'\n') {
            self.lines += 1;
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            match serde_json::from_slice::<Value>(text) {
                Ok(value) if value.is_object() => {
                    self.link(value, &bad)?;
                    bad.clear();
                }
                _ => bad.extend_from_slice(line),
            }
        }
        self.wants_newline = whole.last().map_or(self.wants_newline, |last| *last != b'\n');
        self.torn = Some(bad).filter(|bad| !bad.is_empty());
        Ok(())
    }

    /// One more record, after bytes that are none.
    fn link(&mut self, value: Value, bad: &[u8]) -> Result<(), Fault> {
        let (last, prev) = self.end();
        let seq = last + 1;
        let line = self.lines;
        let fault = |what: String| Err(Fault { line, seq, what });
        let said = value.get("hash").and_then(Value::as_str).map(str::to_owned);
        let Some(said) = said else { return fault("this is no record".to_owned()) };
        if hash_of(value.clone()).ok().is_none_or(|hash| hash != said) {
            return fault("it was changed: its hash is another".to_owned());
        }
        let Ok(record) = serde_json::from_value::<Record>(value) else {
            return fault("this is no record".to_owned());
        };
        if record.seq != seq {
            let what =
                if record.seq > seq { "records are missing before it" } else { "it was moved or doubled" };
            return fault(format!("it is number {}: {what}", record.seq));
        }
        if record.prev != prev {
            return fault("it does not follow the one before".to_owned());
        }
        if !bad.is_empty() && !vouches(&record.event, bad) {
            return fault(format!("{} bytes before it are no record, and it does not say so", bad.len()));
        }
        self.records.push(record);
        Ok(())
    }
}

/// True when the event says that just these bytes were torn. The end of the line after them may have been added.
fn vouches(event: &Event, bad: &[u8]) -> bool {
    let Event::Torn { bytes, sha256: digest } = event else { return false };
    let same = |bad: &[u8]| bad.len() as u64 == *bytes && sha256(bad) == *digest;
    same(bad) || bad.strip_suffix(b"\n").is_some_and(same)
}
