//! Replacing a file at once: whoever reads it sees the old one or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Replaces the text of a file, if it is still `before`; its mode is kept, and a link to it stays a link.
pub(super) fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    let real = fs::canonicalize(path)?;
    let beside = beside(&real)?;
    let done = write(&real, &beside, after).and_then(|()| {
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

fn beside(real: &Path) -> io::Result<PathBuf> {
    let name = real.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    Ok(real.with_file_name(format!(".{name}.{}.new", std::process::id())))
}

fn write(real: &Path, beside: &Path, text: &str) -> io::Result<()> {
    let mut file = private(beside)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::metadata(real)?.permissions())?;
    file.sync_all()
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
}
