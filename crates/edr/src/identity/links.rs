//! What people have said about pairs of hosts, kept in a file between runs.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Identity;
use crate::file;

/// Links and unlinks by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Links {
    /// Pairs of hosts, by their URNs, that are one machine.
    #[serde(default)]
    pub linked: Vec<(String, String)>,
    /// Pairs that are not.
    #[serde(default)]
    pub unlinked: Vec<(String, String)>,
}

impl Links {
    /// Reads the file; nothing was said where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read or understood: what was said by hand is not left out in silence.
    pub fn read(path: &Path) -> Result<Self> {
        match file::text(path, file::LIST) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| Error::new(ErrorKind::InvalidData, e)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e),
        }
    }

    /// What was said to an identity.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        let (linked, unlinked) = identity.overrides();
        Self { linked: linked.cloned().collect(), unlinked: unlinked.cloned().collect() }
    }

    /// Says it to an identity.
    pub fn tell(&self, identity: &mut Identity) {
        self.linked.iter().for_each(|(a, b)| identity.link(a, b));
        self.unlinked.iter().for_each(|(a, b)| identity.unlink(a, b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_read_back_and_a_broken_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("links.json");
        assert_eq!(Links::read(&path).unwrap(), Links::default());
        let mut identity = Identity::default();
        identity.link("b", "a");
        identity.unlink("c", "d");
        let links = Links::of(&identity);
        std::fs::write(&path, serde_json::to_vec(&links).unwrap()).unwrap();
        let read = Links::read(&path).unwrap();
        assert_eq!((read.linked.len(), &read), (1, &links));
        let mut again = Identity::default();
        read.tell(&mut again);
        assert_eq!(Links::of(&again), links);
        std::fs::write(&path, "{\"linked\": 5}").unwrap();
        assert!(Links::read(&path).is_err());
    }
}
