//! What is looked at before a batch is decided: from then on it is carried out by whoever comes, and nothing may stand in its
//! way for good.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::At as _;
use crate::store::Commit;
use crate::{Error, Result, disk};

/// Makes the folders of a batch, and checks every step that it will take.
pub(crate) fn check(root: &Path, stage: &Path, commit: &Commit) -> Result<()> {
    let mut targets = BTreeSet::from([parent(root, &commit.manifest.path())]);
    for (from, path) in &commit.moves {
        within("files", from)?;
        targets.insert(parent(root, plain(root, path)?));
    }
    for folder in &targets {
        fs::create_dir_all(folder).at(folder)?;
        reached(stage, folder)?;
    }
    // What lies there would be written over, and may be nothing that can be.
    disk::remove(&root.join(disk::beside(&commit.manifest.path())))?;
    let mut others = BTreeSet::new();
    for path in &commit.removes {
        others.insert(parent(root, plain(root, path)?));
    }
    for folder in others.difference(&targets) {
        if disk::found(fs::metadata(folder)).at(folder)?.is_some_and(|found| found.is_dir()) {
            writable(folder)?;
        }
    }
    Ok(())
}

/// Whether files of a stage can be moved into a folder, where it is there.
pub(crate) fn reached(stage: &Path, folder: &Path) -> Result<()> {
    if disk::found(fs::metadata(folder)).at(folder)?.is_none() {
        return Ok(());
    }
    if is_elsewhere(stage, folder) || disk_of(stage)? != disk_of(folder)? {
        let message =
            format!("{} lies on another disk or mount: files cannot be moved there whole", folder.display());
        return Err(Error::other(message));
    }
    writable(folder)
}

/// Whether a rename says that two folders are not of one mount. One disk may be mounted twice, as volumes of containers are,
/// and nothing is renamed between the two. The name is one that is not there: systems that can do so look at the mounts
/// first, and nothing is left behind by whoever is killed here.
fn is_elsewhere(stage: &Path, folder: &Path) -> bool {
    const ABSENT: &str = ".edr-export-absent";
    let tried = fs::rename(stage.join(ABSENT), folder.join(ABSENT));
    tried.is_err_and(|error| error.kind() == io::ErrorKind::CrossesDevices)
}

/// A path that stays below its folder: what is read from a file is not trusted.
pub(crate) fn within<'a>(folder: &str, path: &'a str) -> Result<&'a Path> {
    let checked = Path::new(path);
    let mut parts = checked.components();
    let first = parts.next();
    let plain = first == Some(Component::Normal(folder.as_ref()))
        && parts.all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(checked) } else { Err(Error::other(format!("'{path}' is no path of an export"))) }
}

/// The path of a file that can be put there or taken away.
fn plain<'a>(root: &Path, path: &'a str) -> Result<&'a str> {
    let place = root.join(within("ext", path)?);
    if disk::found(fs::symlink_metadata(&place)).at(&place)?.is_some_and(|found| found.is_dir()) {
        return Err(Error::other(format!("{} is a folder and no file of an export", place.display())));
    }
    Ok(path)
}

fn parent(root: &Path, path: &str) -> PathBuf {
    root.join(path).parent().unwrap_or(root).to_owned()
}

#[cfg(unix)]
fn disk_of(path: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(fs::metadata(path).at(path)?.dev())
}

#[cfg(not(unix))]
fn disk_of(_: &Path) -> Result<u64> {
    Ok(0)
}

#[cfg(unix)]
fn writable(folder: &Path) -> Result<()> {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from).at(folder)
}

#[cfg(not(unix))]
fn writable(folder: &Path) -> Result<()> {
    let read_only = fs::metadata(folder).at(folder)?.permissions().readonly();
    let refused = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
    if read_only { refused().at(folder) } else { Ok(()) }
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

    /// `/proc` is never of the mount in which temporary files lie.
    #[cfg(target_os = "linux")]
    #[test]
    fn another_mount_is_told_by_a_rename_that_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (stage, near) = (folder.path().join("stage"), folder.path().join("near"));
        [&stage, &near].iter().for_each(|made| fs::create_dir(made).unwrap());
        assert!(!is_elsewhere(&stage, &near));
        assert!(is_elsewhere(&stage, Path::new("/proc")));
        assert_eq!(fs::read_dir(&near).unwrap().count() + fs::read_dir(&stage).unwrap().count(), 0);
    }
}
