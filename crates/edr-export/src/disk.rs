//! The steps on disk by which a batch gets into its place; a test can cut a run off before each of them.

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::error::At as _;
use crate::{Error, Result};

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(test)]
    cut::step("rename", to)?;
    fs::rename(from, to)
}

/// Removes a file that may be gone already.
pub(crate) fn remove(file: &Path) -> Result<()> {
    #[cfg(test)]
    cut::step("remove", file).at(file)?;
    match fs::remove_file(file) {
        Err(error) if is_gone(&error) => Ok(()),
        done => done.at(file),
    }
}

/// Whether an error says that there is no such file, and not that nobody can tell.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What there is in a place, if there is anything.
pub(crate) fn found(looked: io::Result<Metadata>) -> io::Result<Option<Metadata>> {
    match looked {
        Err(error) if is_gone(&error) => Ok(None),
        looked => looked.map(Some),
    }
}

pub(crate) fn remove_all(folder: &Path) -> Result<()> {
    #[cfg(test)]
    cut::step("remove all", folder).at(folder)?;
    fs::remove_dir_all(folder).at(folder)
}

/// The name under which a file is written.
pub(crate) fn beside(name: &str) -> String {
    format!("{name}.tmp")
}

/// Writes a file that is there whole or not at all, also after a power failure.
pub(crate) fn write<T: Serialize>(folder: &Path, name: &str, content: &T) -> Result<()> {
    let (beside, path) = (folder.join(beside(name)), folder.join(name));
    let text = serde_json::to_vec_pretty(content)
        .map_err(|error| Error::because(path.display().to_string(), error))?;
    let mut file = File::create(&beside).at(&beside)?;
    file.write_all(&text).and_then(|()| file.sync_all()).at(&beside)?;
    rename(&beside, &path).at(&path)?;
    sync_folder(folder)
}

/// What was put into a folder or taken out of it stays so, also after a power failure.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    #[cfg(test)]
    cut::step("sync", folder).at(folder)?;
    #[cfg(unix)]
    File::open(folder).and_then(|opened| opened.sync_all()).at(folder)?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Runs that are cut off, as by a kill: from some step on nothing changes any more.
#[cfg(test)]
pub(crate) mod cut {
    use std::cell::{Cell, RefCell};
    use std::io;
    use std::path::Path;

    thread_local! {
        static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
        static DONE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// The test's thread does so many steps more.
    pub(crate) fn after(steps: usize) {
        LEFT.set(steps);
        DONE.take();
    }

    /// The next run is not cut off; the steps that were done.
    pub(crate) fn never() -> Vec<String> {
        LEFT.set(usize::MAX);
        DONE.take()
    }

    pub(super) fn step(what: &str, path: &Path) -> io::Result<()> {
        let left = LEFT.get().checked_sub(1).ok_or_else(|| io::Error::other("cut off"))?;
        LEFT.set(left);
        DONE.with_borrow_mut(|done| done.push(format!("{what} {}", path.display())));
        Ok(())
    }
}
