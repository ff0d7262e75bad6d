//! What can go wrong: the disk, above all.

use std::fmt;
use std::io;
use std::path::Path;

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an export did not become whole. Nothing of it is in its place then.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Busy,
    Other,
    Stopped,
}

impl Error {
    /// Another export writes into the same folder.
    ///
    /// # Troubleshooting
    /// Wait for it, or give each its own folder.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.kind == Kind::Busy
    }

    /// The caller wanted no more of it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.kind == Kind::Stopped
    }

    pub(crate) fn busy(folder: &Path) -> Self {
        let message = format!("another export is writing into {}", folder.display());
        Self { kind: Kind::Busy, message, source: None }
    }

    pub(crate) fn stopped() -> Self {
        Self { kind: Kind::Stopped, message: "the export was stopped".to_owned(), source: None }
    }

    pub(crate) fn at(path: &Path, error: io::Error) -> Self {
        Self::because(path.display().to_string(), error)
    }

    pub(crate) fn because(
        what: impl Into<String>,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind: Kind::Other, message: what.into(), source: Some(error.into()) }
    }

    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self { kind: Kind::Other, message: message.into(), source: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

/// Says which file an error is about.
pub(crate) trait At<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|error| Error::at(path, error))
    }
}
