//! The folder of an export: one writer at a time, and nothing in its place before all of it is written.
//!
//! A run writes into `.edr-export/BATCH`. When every file is whole and on disk, `commit.json` says where each goes; from
//! then on the batch is decided, and whoever finds that file carries it out, as often as it takes. What has none is
//! cleared away.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::At as _;
use crate::{Error, Manifest, Result, disk, manifest};

const HIDDEN: &str = ".edr-export";
const COMMIT: &str = "commit.json";
/// A stage of this ending is of a batch that is in its place, and is only to be cleared away.
const DONE: &str = ".done";

/// What was found of runs that did not come to their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Batches that were written and not yet in their place; they are now.
    pub completed: Vec<String>,
    /// Batches that were not yet written; what there was of them is gone.
    pub discarded: Vec<String>,
}

/// What is done once everything is written.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Commit {
    /// Staged files and where they go.
    pub(crate) moves: Vec<(String, String)>,
    /// Files of the batch's last run, which go once the manifest of this one is in its place.
    pub(crate) removes: Vec<String>,
    pub(crate) manifest: Manifest,
}

/// A folder that this process alone writes into.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    _lock: File,
}

impl Store {
    /// Locks the folder, and settles what killed runs have left.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Recovered)> {
        let hidden = folder.join(HIDDEN);
        fs::create_dir_all(&hidden).at(&hidden)?;
        let path = hidden.join("lock");
        let lock = File::create(&path).at(&path)?;
        if !locked(&lock).at(&path)? {
            return Err(Error::busy(folder));
        }
        let store = Self { folder: folder.to_owned(), _lock: lock };
        let recovered = store.recover(&hidden)?;
        Ok((store, recovered))
    }

    fn recover(&self, hidden: &Path) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        for entry in fs::read_dir(hidden).at(hidden)? {
            let path = entry.at(hidden)?.path();
            if !path.is_dir() {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(batch) = name.strip_suffix(DONE) {
                disk::remove_all(&path)?;
                recovered.completed.push(batch.to_owned());
            } else if let Some(commit) = optional(&path.join(COMMIT))? {
                self.complete(&path, &commit)?;
                recovered.completed.push(name);
            } else {
                disk::remove_all(&path)?;
                recovered.discarded.push(name);
            }
        }
        Ok(recovered)
    }

    /// Carries out what another run has decided, from where that one was cut off.
    fn complete(&self, stage: &Path, commit: &Commit) -> Result<()> {
        // The manifest comes after every file, and they may be gone to their readers since.
        if self.manifest(&commit.manifest.batch)?.as_ref() == Some(&commit.manifest) {
            return self.clear(stage, commit);
        }
        self.carry_out(stage, commit)
    }

    /// A place for what is not yet whole.
    pub(crate) fn stage(&self, batch: &str) -> Result<Stage> {
        let stage = Stage { folder: self.folder.join(HIDDEN).join(batch), decided: false };
        for folder in [stage.runs(), stage.files()] {
            fs::create_dir_all(&folder).at(&folder)?;
        }
        Ok(stage)
    }

    /// What the batch has written before.
    pub(crate) fn manifest(&self, batch: &str) -> Result<Option<Manifest>> {
        optional(&self.folder.join(manifest::path(batch)))
    }

    /// Decides the batch and carries it out.
    pub(crate) fn commit(&self, mut stage: Stage, commit: &Commit) -> Result<()> {
        // What is decided outlives a power failure, and so must everything that it moves.
        for folder in [&stage.files(), &self.folder.join(HIDDEN), &self.folder] {
            disk::sync_folder(folder)?;
        }
        disk::write(&stage.folder, COMMIT, commit)?;
        stage.decided = true;
        self.carry_out(&stage.folder, commit)
    }

    /// Every step may have been done before. Until the manifest is replaced, that of the last run and all its files are in
    /// their place; from then on those of this one are.
    fn carry_out(&self, stage: &Path, commit: &Commit) -> Result<()> {
        self.put(stage, commit)?;
        self.clear(stage, commit)
    }

    /// The new files beside those of the last run, and then the manifest.
    fn put(&self, stage: &Path, commit: &Commit) -> Result<()> {
        let mut touched = BTreeSet::new();
        let files = commit.manifest.files.iter();
        let sizes: HashMap<&str, u64> = files.map(|file| (file.path.as_str(), file.bytes)).collect();
        for (from, path) in &commit.moves {
            let (from, to) = (stage.join(within("files", from)?), self.folder.join(within("ext", path)?));
            self.make_room(&to, &mut touched)?;
            match disk::rename(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    moved(&to, sizes.get(path.as_str()).copied(), stage)?;
                }
                done => done.at(&to)?,
            }
        }
        touched.iter().try_for_each(|folder| disk::sync_folder(folder))?;
        let path = self.folder.join(commit.manifest.path());
        self.make_room(&path, &mut touched)?;
        let folder = path.parent().unwrap_or(&self.folder);
        disk::write(folder, &format!("{}.json", commit.manifest.batch), &commit.manifest)?;
        disk::sync_folder(&self.folder)
    }

    /// Takes away what no manifest names any more, and then the stage.
    fn clear(&self, stage: &Path, commit: &Commit) -> Result<()> {
        let mut folders = BTreeSet::new();
        for file in &commit.removes {
            let path = self.folder.join(within("ext", file)?);
            disk::remove(&path)?;
            folders.extend(path.parent().filter(|folder| folder.is_dir()).map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| disk::sync_folder(folder))?;
        // A stage without a commit means parts of a batch, and this one is whole.
        let hidden = self.folder.join(HIDDEN);
        let done = hidden.join(format!("{}{DONE}", commit.manifest.batch));
        disk::rename(stage, &done).at(stage)?;
        disk::sync_folder(&hidden)?;
        disk::remove_all(&done)
    }

    /// Makes the folder of a file, and notes every folder that has a new entry by it.
    fn make_room(&self, file: &Path, touched: &mut BTreeSet<PathBuf>) -> Result<()> {
        let parent = file.parent().unwrap_or(&self.folder);
        if touched.contains(parent) {
            return Ok(());
        }
        fs::create_dir_all(parent).at(parent)?;
        let inside = |folder: &&Path| folder.starts_with(&self.folder);
        touched.extend(parent.ancestors().take_while(inside).map(Path::to_owned));
        Ok(())
    }
}

/// What is not yet whole. It is cleared away when it is dropped, unless it is decided.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: PathBuf,
    decided: bool,
}

impl Stage {
    pub(crate) fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    pub(crate) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.decided {
            // What cannot be cleared away now is by the next run.
            let _ = disk::remove_all(&self.folder);
        }
    }
}

/// What a file holds that need not be there.
fn optional<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.at(path)?,
    };
    serde_json::from_slice(&text).map_err(|error| Error::because(path.display().to_string(), error))
}

/// A file that is not in the stage any more must be in its place, with the size that the manifest says.
fn moved(to: &Path, bytes: Option<u64>, stage: &Path) -> Result<()> {
    let found = fs::metadata(to).ok().map(|found| found.len());
    if found.is_some() && found == bytes {
        return Ok(());
    }
    let (to, stage) = (to.display(), stage.display());
    let message = format!("{to} was written and is lost: remove {stage} and export that again");
    Err(Error::other(message))
}

/// A path that stays below its folder: what is read from a file is not trusted.
fn within<'a>(folder: &str, path: &'a str) -> Result<&'a Path> {
    let checked = Path::new(path);
    let mut parts = checked.components();
    let first = parts.next();
    let plain = first == Some(Component::Normal(folder.as_ref()))
        && parts.all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(checked) } else { Err(Error::other(format!("'{path}' is no path of an export"))) }
}

#[cfg(unix)]
fn locked(file: &File) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn locked(_: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out() {
        for bad in ["/etc/passwd", "ext/../../a", "../ext/a", "", "manifest/a.json", "./ext/a"] {
            assert!(within("ext", bad).is_err(), "{bad}");
        }
        assert!(within("ext", "ext/a/b.jsonl").is_ok());
    }

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = Store::open(folder.path()).unwrap();
        assert!(Store::open(folder.path()).unwrap_err().is_busy());
        drop(first);
        assert!(Store::open(folder.path()).is_ok());
    }
}
