//! Pages, what could not be decoded, and how a listing ended.

use serde::{Deserialize, Serialize};

use crate::{Cursor, Error, Noun, Raw, TenantId, Vendor};

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, already filtered.
    pub items: Vec<T>,
    /// The items that could not be decoded.
    pub rejected: Vec<Rejected>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// Keys of items that arrived and did not match a filter that is evaluated here.
    pub filtered_out: Vec<u128>,
    /// Whether the listing shifted since the page before.
    pub drift: Drift,
    /// Where the listing goes on, and how large the vendor says that it is.
    pub end: PageEnd,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            rejected: Vec::new(),
            warnings: Vec::new(),
            filtered_out: Vec::new(),
            drift: Drift::default(),
            end: PageEnd::default(),
        }
    }
}

impl<T> Page<T> {
    /// The next page's cursor; `None` at the end.
    #[must_use]
    pub fn next(&self) -> Option<&Cursor> {
        self.end.next.as_ref()
    }

    /// Adds a part of this page.
    pub fn absorb(&mut self, part: Part<T>) {
        if part.restarted {
            *self = Self::default();
        }
        self.items.extend(part.items);
        self.rejected.extend(part.rejected);
        self.warnings.extend(part.warnings);
        self.filtered_out.extend(part.filtered_out);
        if let Some(end) = part.end {
            (self.drift, self.end) = (part.drift, end);
        }
    }
}

/// What is known when a page has been read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageEnd {
    /// Where the listing goes on; `None` at the end.
    pub next: Option<Cursor>,
    /// How many items match on the vendor's side, where that number is exact. A capped or estimated
    /// number is left out.
    pub total: Option<u64>,
}

/// Whether items can have slipped between two pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drift {
    /// They cannot: the pages are cut by key, or the place was found where it was left.
    None,
    /// They have: the item that this page should begin after is not where it was.
    Seen,
    /// The provider does not look. A total that falls is then taken as a sign.
    #[default]
    Unknown,
}

/// A piece of a page, as it arrives. The last one has an end.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// Items, already filtered.
    pub items: Vec<T>,
    /// Items that could not be decoded.
    pub rejected: Vec<Rejected>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// Keys of items that did not match a filter that is evaluated here.
    pub filtered_out: Vec<u128>,
    /// The page was asked for again: earlier parts of it will come once more.
    pub restarted: bool,
    /// Whether the listing shifted since the page before; read on the last part.
    pub drift: Drift,
    /// Set on the last part.
    pub end: Option<PageEnd>,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            rejected: Vec::new(),
            warnings: Vec::new(),
            filtered_out: Vec::new(),
            restarted: false,
            drift: Drift::default(),
            end: None,
        }
    }
}

impl<T> From<Page<T>> for Part<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            items: page.items,
            rejected: page.rejected,
            warnings: page.warnings,
            filtered_out: page.filtered_out,
            restarted: false,
            drift: page.drift,
            end: Some(page.end),
        }
    }
}

/// An item that arrived and could not be decoded: a value, never a lost page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// What it should have been.
    pub noun: Noun,
    /// Its id, when that much could be read.
    pub uid: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// The vendor's JSON.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub raw: Raw,
}

/// Something the caller should know that is no failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The tenant.
    pub tenant: TenantId,
    /// What happened, and what was done about it.
    pub message: String,
}

/// Something that is missing from a listing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why, for a person.
    pub reason: String,
    /// How many items, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
}

/// How a listing ended. There is no fourth way.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Everything that the vendor has is here.
    Complete,
    /// Some of it is here; what is missing is listed.
    Partial {
        /// What is missing, and why.
        gaps: Vec<Gap>,
        /// The error that ended the listing, if one did.
        error: Option<Error>,
    },
    /// Nothing could be read.
    Failed {
        /// Why.
        error: Error,
    },
}

impl Outcome {
    /// True when nothing is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// The error that ended the listing, if one did.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Complete => None,
            Self::Partial { error, .. } => error.as_ref(),
            Self::Failed { error } => Some(error),
        }
    }

    /// `complete`, `partial: …` or `failed: …`, for a person.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::Complete => "complete".to_owned(),
            Self::Partial { gaps, .. } => {
                let reasons: Vec<&str> = gaps.iter().map(|g| g.reason.as_str()).collect();
                format!("partial: {}", reasons.join("; "))
            }
            Self::Failed { error } => format!("failed: {error}"),
        }
    }
}

/// One event of a walk over all pages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Walked<T> {
    /// A page has been read; the listing can be resumed here.
    Checkpoint(Cursor),
    /// The listing has ended; nothing follows.
    End {
        /// How it ended.
        outcome: Outcome,
        /// Distinct items that were given out.
        items: u64,
        /// Items that arrived more than once, and were given out once.
        duplicates: u64,
    },
    /// New items, each for the first time.
    Items(Vec<T>),
    /// An item that could not be decoded.
    Rejected(Rejected),
    /// Something the caller should know.
    Warning(Warning),
}

/// A whole listing in memory.
#[derive(Clone, Debug)]
pub struct Collected<T> {
    /// The items, each once, in the order of arrival.
    pub items: Vec<T>,
    /// The items that could not be decoded.
    pub rejected: Vec<Rejected>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// How the listing ended.
    pub outcome: Outcome,
}
