//! The folder of an export: one writer at a time, and nothing in its place before all of it is written.
//!
//! A run writes into `.edr-export/BATCH`. When every file is whole and on disk, `commit.json` says where each goes; from
//! then on the batch is decided, and whoever finds that file carries it out, as often as it takes. What has none is
//! cleared away.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::At as _;
use crate::ready::{self, within};
use crate::{Error, Manifest, Result, WrittenFile, disk, manifest};

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
        fs::create_dir_all(folder).at(folder)?;
        make_private(&hidden).at(&hidden)?;
        let path = hidden.join("lock");
        let lock = open_lock(&path).at(&path)?;
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
            let entry = entry.at(hidden)?;
            let path = entry.path();
            // A link is none of ours.
            if entry.file_type().at(&path)?.is_dir() {
                self.settle(&path, &mut recovered).map_err(|error| stuck(&path, error))?;
            }
        }
        Ok(recovered)
    }

    fn settle(&self, path: &Path, recovered: &mut Recovered) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(batch) = name.strip_suffix(DONE) {
            disk::remove_all(path)?;
            recovered.completed.push(batch.to_owned());
        } else if let Some(commit) = optional::<Commit>(&path.join(COMMIT))? {
            if commit.manifest.batch != name {
                return Err(Error::other(format!("it has the commit of '{}'", commit.manifest.batch)));
            }
            self.complete(path, &commit)?;
            recovered.completed.push(name);
        } else {
            disk::remove_all(path)?;
            recovered.discarded.push(name);
        }
        Ok(())
    }

    /// Rows of a demo and those of real tenants never lie side by side.
    pub(crate) fn takes(&self, demo: bool) -> Result<()> {
        let folder = self.folder.join("manifest");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.at(&folder)?,
        };
        for entry in entries {
            let found = optional::<Stamp>(&entry.at(&folder)?.path()).ok().flatten();
            if found.is_some_and(|found| found.request.demo != demo) {
                return Err(mixed(&self.folder, demo));
            }
        }
        Ok(())
    }

    /// Carries out what another run has decided, from where that one was cut off.
    fn complete(&self, stage: &Path, commit: &Commit) -> Result<()> {
        // The manifest comes after every file, and they may be gone to their readers since.
        let placed = optional::<Manifest>(&self.folder.join(commit.manifest.path()))?;
        if placed.as_ref() == Some(&commit.manifest) {
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
        // Better now than after hours of reading.
        for folder in ["ext", "manifest"] {
            ready::reached(&stage.folder, &self.folder.join(folder))?;
        }
        Ok(stage)
    }

    /// What the batch has written before.
    pub(crate) fn manifest(&self, batch: &str) -> Result<Option<Manifest>> {
        let path = self.folder.join(manifest::path(batch));
        let found: Option<Manifest> = optional(&path)?;
        let mut files = found.iter().flat_map(|found| &found.files);
        let wrong = files.find_map(|file| within("ext", &file.path).err());
        wrong.map_or(Ok(found), |error| Err(Error::because(path.display().to_string(), error)))
    }

    /// Whether a file of a manifest is still where it was put.
    pub(crate) fn has(&self, file: &WrittenFile) -> Result<bool> {
        let path = self.folder.join(&file.path);
        let found = disk::found(fs::metadata(&path)).at(&path)?;
        Ok(found.is_some_and(|found| found.len() == file.bytes))
    }

    /// Decides the batch and carries it out.
    pub(crate) fn commit(&self, mut stage: Stage, commit: &Commit) -> Result<()> {
        ready::check(&self.folder, &stage.folder, commit)?;
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
                    moved(&to, sizes.get(path.as_str()).copied())?;
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
fn moved(to: &Path, bytes: Option<u64>) -> Result<()> {
    let found = fs::metadata(to).ok().map(|found| found.len());
    if found.is_some() && found == bytes {
        return Ok(());
    }
    Err(Error::other(format!("{} was written and is lost", to.display())))
}

/// What a run has left and nobody can settle holds up every later one, so that it is said how to be rid of it.
fn stuck(stage: &Path, error: Error) -> Error {
    let stage = stage.display();
    let message = format!(
        "an export was cut off and cannot be completed (mend the cause, or remove {stage} and export that again)"
    );
    Error::because(message, error)
}

/// As much of a manifest as says whose rows it has.
#[derive(Debug, Deserialize)]
struct Stamp {
    request: Estate,
}

#[derive(Debug, Deserialize)]
struct Estate {
    #[serde(default)]
    demo: bool,
}

fn mixed(folder: &Path, demo: bool) -> Error {
    let (has, other) = if demo { ("real tenants", "a demo's") } else { ("a demo", "those of real tenants") };
    Error::other(format!("{} has exports of {has}: {other} need a folder of their own", folder.display()))
}

/// Whatever is not yet in its place is nobody else's.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// What lies there is not emptied, no link that somebody laid there is followed, and nobody waits for the other end of a pipe.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options.open(path)
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

/// Two writers in one folder would undo each other: without a lock there is no export.
#[cfg(not(unix))]
fn locked(_: &File) -> io::Result<bool> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "folders cannot be locked on this system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = Store::open(folder.path()).unwrap();
        assert!(Store::open(folder.path()).unwrap_err().is_busy());
        drop(first);
        assert!(Store::open(folder.path()).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_yet_whole_is_nobody_elses_and_the_lock_touches_nothing() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let hidden = folder.path().join(HIDDEN);
        drop(Store::open(folder.path()).unwrap());
        assert_eq!(fs::metadata(&hidden).unwrap().permissions().mode() & 0o777, 0o700);
        let lock = hidden.join("lock");
        fs::write(&lock, "mine").unwrap();
        drop(Store::open(folder.path()).unwrap());
        assert_eq!(fs::read_to_string(&lock).unwrap(), "mine");
        fs::rename(&lock, folder.path().join("other")).unwrap();
        symlink(folder.path().join("other"), &lock).unwrap();
        assert!(Store::open(folder.path()).is_err(), "a link is not followed");
    }
}
