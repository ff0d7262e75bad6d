//! What can go wrong with a response, a refusal by a rule among it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::guard::Rule;
use super::host::HostRef;

/// A result with the engine's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a response did not run, or not to its end. What single hosts answered is no error but an
/// [`super::Outcome`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process is at it.
    #[error("{what} is in use by {by}")]
    Busy {
        /// What is in use.
        what: String,
        /// Who says to be at it.
        by: String,
    },
    /// A file of the state cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The journal does not prove itself; see [`super::Journal::verify`].
    #[error("the journal is broken: {0}")]
    Journal(String),
    /// A plan or a file of signatures that cannot be understood.
    #[error("{0}")]
    Plan(String),
    /// The vendor, or the way to it.
    #[error(transparent)]
    Provider(#[from] edr_core::Error),
    /// A rule of safety refuses; nothing was sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What was to be selected cannot be understood.
    #[error("{0}")]
    Selection(String),
    /// No operation has this id.
    #[error("no operation is called {0}")]
    UnknownOperation(String),
}

impl Error {
    pub(super) fn refused(rule: Rule, message: impl Into<String>) -> Self {
        Refusal::new(rule, message).into()
    }

    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(super) fn inner(source: serde_json::Error) -> Self {
        Self::Plan(format!("this cannot be written as JSON: {source}"))
    }

    /// The rule that refused, if one did.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        self.refusal().map(|refusal| refusal.rule)
    }

    /// The refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// A rule of safety said no. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The rule.
    pub rule: Rule,
    /// What it found.
    pub message: String,
    /// The hosts that it is about, where it is about some.
    pub hosts: Vec<HostRef>,
}

impl Refusal {
    pub(crate) fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), hosts: Vec::new() }
    }

    pub(super) fn about(mut self, hosts: Vec<HostRef>) -> Self {
        self.hosts = hosts;
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused by {}: {}", self.rule.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}
