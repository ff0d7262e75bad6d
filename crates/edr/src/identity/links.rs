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

    /// Changes the file: what is said by `change` is written in one step, while nobody else changes it. Returns what is
    /// in it now.
    ///
    /// # Errors
    /// When it cannot be read, understood or written; then it is as it was.
    #[cfg(unix)]
    pub fn change(path: &Path, change: impl FnOnce(&mut Identity)) -> Result<Self> {
        use crate::respond::state;
        if let Some(folder) = path.parent() {
            state::make_private(folder).map_err(Error::other)?;
        }
        let lock = state::open_private(&path.with_extension("lock")).map_err(Error::other)?;
        let _held = state::exclusive(&lock)?;
        let before = Self::read(path)?;
        let mut identity = Identity::default();
        before.tell(&mut identity);
        change(&mut identity);
        let after = Self::of(&identity);
        if after != before {
            let bytes = serde_json::to_vec_pretty(&after).map_err(Error::other)?;
            state::replace(path, &bytes).map_err(Error::other)?;
        }
        Ok(after)
    }

    /// Files cannot be locked here, and so nothing is changed.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(unix))]
    pub fn change(_: &Path, _: impl FnOnce(&mut Identity)) -> Result<Self> {
        Err(Error::new(ErrorKind::Unsupported, "files cannot be locked on this system"))
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
        assert!(Links::change(&path, |identity| identity.link("a", "b")).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"linked\": 5}", "it is as it was");
    }

    #[cfg(unix)]
    #[test]
    fn changes_from_many_sides_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/links.json");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                let change = move |identity: &mut Identity| identity.link(&format!("a{n}"), "b");
                scope.spawn(move || Links::change(path, change).unwrap());
            }
        });
        assert_eq!(Links::read(&path).unwrap().linked.len(), 8);
        let after = Links::change(&path, |identity| identity.unlink("a0", "b")).unwrap();
        assert_eq!((after.linked.len(), after.unlinked.len()), (7, 1));
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name());
        assert_eq!(names.count(), 2, "nothing is left beside the file and its lock");
    }
}
