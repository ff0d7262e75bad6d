//! Replacing a file at once: whoever reads it sees the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Replaces the text of a file, if it is still `before`; its mode is kept, and a link to it stays a link.
pub(super) fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    let real = fs::canonicalize(path)?;
    sweep(&real);
    let beside = beside(&real, &std::process::id().to_string())?;
    let done = write(&real, &beside, after).and_then(|_held| {
        if fs::read(&real)? != before.as_bytes() {
            return Err(io::Error::other("it was changed by somebody else meanwhile; run this again"));
        }
        fs::rename(&beside, &real)
    });
    if done.is_err() {
        // What cannot be removed was not made, or cannot be helped.
        let _ = fs::remove_file(&beside);
    }
    done
}

fn beside(real: &Path, process: &str) -> io::Result<PathBuf> {
    let name = real.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    Ok(real.with_file_name(format!(".{name}.{process}.new")))
}

/// Removes what runs have left that died before they were done: each is a copy of the file, with its secrets. What cannot be
/// looked at, or removed, hinders nobody.
fn sweep(real: &Path) {
    let entries = real.parent().and_then(|folder| fs::read_dir(folder).ok());
    for path in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
        if is_beside(real, &path) && is_abandoned(&path) {
            let _ = fs::remove_file(&path);
        }
    }
}

fn is_beside(real: &Path, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let process = name.strip_suffix(".new").and_then(|name| name.rsplit_once('.')).map_or("", |(_, id)| id);
    let is_id = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
    is_id
        && beside(real, process).is_ok_and(|own| own == path)
        && fs::symlink_metadata(path).is_ok_and(|m| m.is_file())
}

/// True when no process holds it: the lock ends with whoever wrote it.
#[cfg(unix)]
fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| lock(&file).is_ok())
}

/// Without locks nobody can tell.
#[cfg(not(unix))]
fn is_abandoned(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn lock(file: &File) -> rustix::io::Result<()> {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
}

/// The file is locked until what is returned is dropped.
fn write(real: &Path, beside: &Path, text: &str) -> io::Result<File> {
    let mut file = private(beside)?;
    // Where files cannot be locked, nobody sweeps either.
    #[cfg(unix)]
    let _ = lock(&file);
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::metadata(real)?.permissions())?;
    file.sync_all()?;
    Ok(file)
}

/// A new file that nobody else can read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("c.toml"), folder.path().join("link.toml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        replace(&link, "old", "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let error = replace(&file, "old", "newer").unwrap_err().to_string();
        assert!(error.contains("changed by somebody else"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }

    /// What a run left that was killed is a copy of every secret; what another is writing at this moment is its own.
    #[test]
    fn what_a_killed_run_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("c.toml"), "old").unwrap();
        let others = [
            ".c.toml.5000012.new.bak",
            ".c.toml.x.new",
            ".c.toml..new",
            ".cc.toml.5000012.new",
            "c.toml.5000012.new",
        ];
        let left = [".c.toml.5000012.new", ".c.toml.5000015.new", ".c.toml.5000013.new"];
        others.iter().chain(&left).for_each(|name| fs::write(path(name), "secret").unwrap());
        fs::create_dir(path(".c.toml.5000014.new")).unwrap();
        let running = File::open(path(left[2])).unwrap();
        lock(&running).unwrap();
        replace(&path("c.toml"), "old", "new").unwrap();
        assert_eq!(fs::read_to_string(path("c.toml")).unwrap(), "new");
        assert_eq!(left.map(|name| path(name).exists()), [false, false, true]);
        assert!(others.iter().all(|name| path(name).exists()) && path(".c.toml.5000014.new").exists());
        drop(running);
        replace(&path("c.toml"), "new", "newer").unwrap();
        assert!(!path(left[2]).exists());
    }
}
