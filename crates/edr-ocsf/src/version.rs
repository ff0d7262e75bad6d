//! Versions of the standard, and what the older one has no place for.

use std::fmt;

/// A version of the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// 1.3.0, which many readers stop at.
    V1_3_0,
    /// 1.8.0.
    #[default]
    V1_8_0,
}

impl Version {
    /// The version as it stands in `metadata.version`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_3_0 => "1.3.0",
            Self::V1_8_0 => "1.8.0",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An attribute of 1.8.0 that the event's version has no place for. Its value stands under `unmapped.edr.later`,
/// by the same path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Loss {
    /// Where it stands in 1.8.0, such as `device.model`; of an item in a list with its number.
    pub path: String,
    /// What became of it.
    pub reason: &'static str,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// A class that a version does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsupported {
    /// The class.
    pub class_uid: u64,
    /// Its name.
    pub class: &'static str,
    /// The version.
    pub version: Version,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OCSF {} has no class {} ({})", self.version, self.class, self.class_uid)
    }
}

impl std::error::Error for Unsupported {}
