//! The folder of the state: private files, replaced in one step, and locks that die with their process.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::plan::is_id;

/// Where journal, plans and locks are kept: a folder of the user's own.
#[derive(Clone, Debug)]
pub(super) struct State {
    folder: PathBuf,
}

impl State {
    /// Opens the folder, and makes it where it is missing.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let state = Self { folder: folder.to_owned() };
        make_private(&state.folder)?;
        make_private(&state.folder.join("plans"))?;
        Ok(state)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The plan of an operation, as it was applied.
    pub(super) fn plan(&self, id: &str) -> Result<PathBuf> {
        self.of_plan(id, "json")
    }

    /// A file of a plan. An id that a person gives may be anything, and must not lead out of the folder.
    fn of_plan(&self, id: &str, ending: &str) -> Result<PathBuf> {
        if !is_id(id) {
            return Err(Error::UnknownOperation(id.to_owned()));
        }
        Ok(self.folder.join("plans").join(format!("{id}.{ending}")))
    }

    /// Locks an operation.
    pub(super) fn lock_plan(&self, id: &str, who: &str) -> Result<Lock> {
        let path = self.of_plan(id, "lock")?;
        Lock::take(&path, &format!("the plan {id}"), who)
    }

    /// Locks the leases.
    pub(super) fn lock_leases(&self, who: &str) -> Result<Lock> {
        Lock::take(&self.folder.join("leases.lock"), "the list of leases", who)
    }

    /// Locks the work on indicators.
    pub(super) fn lock_iocs(&self, who: &str) -> Result<Lock> {
        Lock::take(&self.folder.join("iocs.lock"), "the work on indicators", who)
    }
}

pub(crate) fn make_private(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| Error::file(folder, e))?;
    only_ours(folder)
}

/// Whoever may write into the folder could replace journal and plans.
#[cfg(unix)]
fn only_ours(folder: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(folder).map_err(|e| Error::file(folder, e))?;
    let own = found.uid() == rustix::process::geteuid().as_raw();
    if own && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    let message = "others may write into this folder: make it your own, with mode 700";
    Err(Error::file(folder, std::io::Error::new(std::io::ErrorKind::PermissionDenied, message)))
}

#[cfg(not(unix))]
fn only_ours(_: &Path) -> Result<()> {
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens a file for reading and writing, private when it is new.
pub(crate) fn open_private(path: &Path) -> Result<File> {
    private().create(true).open(path).map_err(|e| Error::file(path, e))
}

/// Puts the entry of a new file in its folder on the disk, too: after a power cut the file alone would be of no use.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::file(folder, e))?;
    }
    Ok(())
}

/// Writes a private file beside the old one and puts it in its place, so that nobody reads half of it and a crash leaves
/// the one or the other.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    // A name that nobody can have laid there before, as a link or as a file of their own.
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{:016x}.tmp", rand::random::<u64>()));
    let beside = PathBuf::from(name);
    let write = || {
        let io = |e| Error::file(&beside, e);
        let mut file = private().create_new(true).open(&beside).map_err(io)?;
        file.write_all(bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        fs::rename(&beside, path).map_err(|e| Error::file(path, e))?;
        sync_folder(path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Holds a file that one process at a time may hold. It is free when this is dropped, or when the process dies.
#[derive(Debug)]
pub(crate) struct Lock(File);

/// Closing the file is not enough: a child that is being started by another thread, such as a command that prints a
/// secret, has the file open until it becomes its program, and would hold the lock for so long.
impl Drop for Lock {
    fn drop(&mut self) {
        #[cfg(unix)]
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

impl Lock {
    /// Takes the lock, or says who has it.
    fn take(path: &Path, what: &str, who: &str) -> Result<Self> {
        let mut file = open_private(path)?;
        if !try_exclusive(&file).map_err(|e| Error::file(path, e))? {
            let mut by = String::new();
            // The holder may be about to write its name.
            let _ = file.read_to_string(&mut by);
            let by = if by.trim().is_empty() { "another process".to_owned() } else { by.trim().to_owned() };
            return Err(Error::Busy { what: what.to_owned(), by });
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{who}, process {}", std::process::id())
        };
        write(&mut file).map_err(|e| Error::file(path, e))?;
        Ok(Self(file))
    }
}

/// A lock on an open file, until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        #[cfg(unix)]
        let _ = rustix::fs::flock(self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// Waits until nobody else writes.
#[cfg(unix)]
pub(crate) fn exclusive(file: &File) -> std::io::Result<Held<'_>> {
    rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(Held(file))
}

/// Waits until nobody writes.
#[cfg(unix)]
pub(super) fn shared(file: &File) -> std::io::Result<Held<'_>> {
    rustix::fs::flock(file, rustix::fs::FlockOperation::LockShared)?;
    Ok(Held(file))
}

#[cfg(unix)]
fn try_exclusive(file: &File) -> std::io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Where files cannot be locked nothing is changed: two processes could act on one plan.
#[cfg(not(unix))]
fn no_locks() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::Unsupported, "files cannot be locked on this system")
}

#[cfg(not(unix))]
pub(crate) fn exclusive(_: &File) -> std::io::Result<Held<'_>> {
    Err(no_locks())
}

#[cfg(not(unix))]
pub(super) fn shared(_: &File) -> std::io::Result<Held<'_>> {
    Err(no_locks())
}

#[cfg(not(unix))]
fn try_exclusive(_: &File) -> std::io::Result<bool> {
    Err(no_locks())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "019cb7a1-0000-7000-8000-00000000000a";

    #[test]
    fn the_second_is_told_who_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let held = state.lock_plan(ONE, "ann@soc").unwrap();
        let error = state.lock_plan(ONE, "bob@soc").unwrap_err().to_string();
        assert!(error.contains(&format!("the plan {ONE} is in use by ann@soc, process")), "{error}");
        state.lock_plan(&ONE.replace('a', "b"), "bob@soc").unwrap();
        drop(held);
        state.lock_plan(ONE, "bob@soc").unwrap();
    }

    #[test]
    fn files_are_private_and_replaced_whole() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("deep/er")).unwrap();
        let path = state.plan(ONE).unwrap();
        replace(&path, b"one, and longer").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(state.folder())), (0o600, 0o700, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }
}
