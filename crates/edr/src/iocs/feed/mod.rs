//! Feeds of indicators: read, cleaned, and never losing a row in silence.

mod draft;
mod pattern;
mod records;
mod stix;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use edr_core::{Expiration, Ioc, IocAction, Severity};
use serde::Serialize;

pub(crate) use draft::expiration;
use draft::{Draft, Polished};

/// The most that a feed holds, in bytes.
pub const MAX_FEED: usize = 64 << 20;
/// The most that a feed holds, in rows.
pub const MAX_ROWS: usize = 500_000;

/// How a feed is read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reading {
    /// The present.
    pub now: DateTime<Utc>,
    /// This action for every row, whatever it says; rows that say nothing detect otherwise.
    pub action: Option<IocAction>,
    /// This severity for every row, whatever it says.
    pub severity: Option<Severity>,
    /// When rows end that do not say it.
    pub expires: Option<Expiration>,
    /// Values that nobody can mean, such as private addresses, are taken all the same.
    pub force: bool,
}

impl Reading {
    /// Every row as it says.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { now, action: None, severity: None, expires: None, force: false }
    }

    /// When rows end that do not say it: `never`, a time, a date, or a span such as `90d`, which ends with its day.
    ///
    /// ```
    /// use edr::core::clock::{Clock, SystemClock};
    /// use edr::iocs::Reading;
    ///
    /// let reading = Reading::new(SystemClock.now());
    /// assert!(reading.clone().expires("90d").is_some());
    /// assert!(reading.expires("soon").is_none());
    /// ```
    #[must_use]
    pub fn expires(mut self, text: &str) -> Option<Self> {
        self.expires = Some(expiration(text, self.now)?);
        Some(self)
    }
}

/// An indicator of a feed, and where it stands.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The line that it begins on.
    pub line: u64,
    /// The indicator, without tenant and vendor.
    pub ioc: Ioc,
}

/// What became of a row that is not an indicator as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RemarkKind {
    /// It was written in another way: defanged, in capitals, …
    Cleaned,
    /// It says what another row says, and the two are one.
    Merged,
    /// It says more than an indicator of either vendor can.
    NotExpressible,
    /// Something that the reader did not use.
    Note,
    /// Its time is over.
    Over,
    /// It cannot be taken.
    Refused,
}

impl RemarkKind {
    /// The kind as a stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cleaned => "cleaned",
            Self::Merged => "merged",
            Self::NotExpressible => "not_expressible",
            Self::Note => "note",
            Self::Over => "over",
            Self::Refused => "refused",
        }
    }
}

/// What is to be said about a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Remark {
    /// The line.
    pub line: u64,
    /// What became of it.
    pub kind: RemarkKind,
    /// Its value, as it is written.
    pub value: String,
    /// Why, in a person's words.
    pub message: String,
}

/// A feed that was read. Every row of it is an [`Entry`] or has a [`Remark`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Feed {
    /// The indicators, each once.
    pub entries: Vec<Entry>,
    /// What is to be said about rows, in their order.
    pub remarks: Vec<Remark>,
}

/// A feed that cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The line, where it is one line's fault.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    fn crowded() -> Self {
        Self::new(format!("the feed has more than {MAX_ROWS} rows"))
    }

    fn at(line: u64, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Fault {}

impl Feed {
    /// Reads a feed: CSV, a list of values, records of JSON, or a bundle of STIX 2.1. What it is is seen by its text.
    ///
    /// ```
    /// use edr::core::clock::{Clock, SystemClock};
    /// use edr::iocs::{Feed, Reading};
    ///
    /// let text = "value,severity\nhxxp://evil[.]example/a,high\n10.0.0.1,low\n";
    /// let feed = Feed::read(text.as_bytes(), &Reading::new(SystemClock.now()))?;
    /// assert_eq!(feed.entries[0].ioc.value, "http://evil.example/a");
    /// assert_eq!(feed.refused().map(|r| r.line).collect::<Vec<_>>(), [3]);
    /// # Ok::<(), edr::iocs::Fault>(())
    /// ```
    ///
    /// # Errors
    /// When it cannot be read at all: it is too large, no text, or not what it begins as.
    pub fn read(bytes: &[u8], reading: &Reading) -> Result<Self, Fault> {
        if bytes.len() > MAX_FEED {
            return Err(Fault::new(format!("the feed is larger than {} MiB", MAX_FEED >> 20)));
        }
        let text = str::from_utf8(bytes).map_err(|e| Fault::new(format!("the feed is no UTF-8: {e}")))?;
        let text = text.trim_start_matches('\u{feff}');
        let mut feed = Self::default();
        let drafts = match text.trim_start().chars().next() {
            Some('{') if stix::is_bundle(text) => stix::read(text, &mut feed)?,
            Some('{' | '[') if is_json(text) => records::read(text, &mut feed)?,
            _ => table::read(text, &mut feed)?,
        };
        feed.take(drafts, reading);
        feed.remarks.sort_by_key(|remark| remark.line);
        Ok(feed)
    }

    /// A feed of indicators that a program made itself; they are cleaned as rows of a file are, and numbered as lines.
    #[must_use]
    pub fn of(iocs: impl IntoIterator<Item = Ioc>, reading: &Reading) -> Self {
        let draft = |(at, ioc): (usize, Ioc)| Draft {
            line: at as u64 + 1,
            kind: ioc.kind.to_string(),
            value: ioc.value.clone(),
            action: ioc.action.to_string(),
            severity: ioc.severity.to_string(),
            expiration: ioc.expiration.to_string(),
            desc: ioc.desc.clone().unwrap_or_default(),
            source: ioc.source.clone().unwrap_or_default(),
            file_name: ioc.file_name.clone().unwrap_or_default(),
            platforms: ioc.platforms.iter().map(ToString::to_string).collect(),
            narrow: !ioc.groups.is_empty() || ioc.is_global == Some(false),
            tags: ioc.tags,
            ..Draft::default()
        };
        let mut feed = Self::default();
        feed.take(iocs.into_iter().enumerate().map(draft).collect(), reading);
        feed
    }

    /// The rows that could not be taken.
    pub fn refused(&self) -> impl Iterator<Item = &Remark> {
        self.remarks.iter().filter(|remark| remark.kind == RemarkKind::Refused)
    }

    /// Counts what was read so far, before more of it is.
    fn has_room(&self, drafts: &[Draft]) -> Result<(), Fault> {
        let rows = drafts.len() + self.remarks.len();
        if rows > MAX_ROWS { Err(Fault::crowded()) } else { Ok(()) }
    }

    fn take(&mut self, drafts: Vec<Draft>, reading: &Reading) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for draft in drafts {
            match draft.polish(reading) {
                Err(why) => self.refuse(draft.line, &draft.value, why),
                Ok(Polished::Over(why)) => self.over(draft.line, &draft.value, why),
                Ok(Polished::Good(ioc, mended)) => {
                    if let Some(mended) = mended {
                        self.remark(draft.line, RemarkKind::Cleaned, &draft.value, mended);
                    }
                    match places.get(&ioc.key()) {
                        Some(at) => self.merge(*at, draft.line, *ioc),
                        None => {
                            places.insert(ioc.key(), self.entries.len());
                            self.entries.push(Entry { line: draft.line, ioc: *ioc });
                        }
                    }
                }
            }
        }
    }

    /// Two rows for one thing are one: the worse severity, the later end, and all tags. What they must not differ in is
    /// what is done.
    fn merge(&mut self, at: usize, line: u64, more: Ioc) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        let (first, value) = (entry.line, more.value.clone());
        if entry.ioc.action != more.action {
            let (had, has) = (&entry.ioc.action, &more.action);
            let message = format!("line {first} has it already, to {had} it; this line says {has}");
            return self.refuse(line, &value, message);
        }
        let joined = join(&mut entry.ioc, more);
        let said = if joined.is_empty() {
            "it adds nothing".to_owned()
        } else {
            format!("it gives {}", joined.join(", "))
        };
        self.remark(line, RemarkKind::Merged, &value, format!("line {first} has it already: {said}"));
    }

    fn remark(&mut self, line: u64, kind: RemarkKind, value: &str, message: impl Into<String>) {
        self.remarks.push(Remark { line, kind, value: value.to_owned(), message: message.into() });
    }

    fn refuse(&mut self, line: u64, value: &str, why: impl Into<String>) {
        self.remark(line, RemarkKind::Refused, value, why);
    }

    fn over(&mut self, line: u64, value: &str, why: impl Into<String>) {
        self.remark(line, RemarkKind::Over, value, why);
    }

    fn inexpressible(&mut self, line: u64, value: &str, why: impl Into<String>) {
        self.remark(line, RemarkKind::NotExpressible, value, why);
    }

    fn note(&mut self, line: u64, value: &str, what: impl Into<String>) {
        self.remark(line, RemarkKind::Note, value, what);
    }
}

/// A bracket begins a defanged address, too: `[2001:db8::1]`.
fn is_json(text: &str) -> bool {
    let rest = text.trim_start();
    let after = rest.get(1..).unwrap_or_default().trim_start().chars().next();
    match rest.chars().next() {
        Some('{') => matches!(after, Some('"' | '}')),
        _ => matches!(after, Some('{' | '[' | '"' | ']') | None),
    }
}

/// Takes what another row says more, and tells what that was.
fn join(ioc: &mut Ioc, more: Ioc) -> Vec<&'static str> {
    let mut joined = Vec::new();
    if more.severity.rank() > ioc.severity.rank() {
        ioc.severity = more.severity;
        joined.push("severity");
    }
    if end_rank(&more.expiration) > end_rank(&ioc.expiration) {
        ioc.expiration = more.expiration;
        joined.push("expiration");
    }
    let tags = ioc.tags.len();
    ioc.tags.extend(more.tags);
    ioc.tags.sort_unstable();
    ioc.tags.dedup();
    joined.extend((ioc.tags.len() > tags).then_some("tags"));
    if !ioc.platforms.is_empty() && ioc.platforms != more.platforms {
        let everywhere = more.platforms.is_empty();
        let new = more.platforms.into_iter().filter(|p| !ioc.platforms.contains(p)).collect::<Vec<_>>();
        joined.extend((everywhere || !new.is_empty()).then_some("platforms"));
        ioc.platforms = if everywhere { Vec::new() } else { [ioc.platforms.clone(), new].concat() };
    }
    for (own, theirs, name) in [
        (&mut ioc.desc, more.desc, "description"),
        (&mut ioc.source, more.source, "source"),
        (&mut ioc.file_name, more.file_name, "file_name"),
    ] {
        if own.is_none() && theirs.is_some() {
            *own = theirs;
            joined.push(name);
        }
    }
    joined
}

/// The later end is the larger; what the vendor decides is no end of its own.
fn end_rank(end: &Expiration) -> (u8, Option<DateTime<Utc>>) {
    match end {
        Expiration::At(time) => (1, Some(*time)),
        Expiration::Never => (2, None),
        _ => (0, None),
    }
}
