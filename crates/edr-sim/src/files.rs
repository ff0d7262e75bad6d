//! Files that the command line names: read up to a limit, and written only over what was written here.

use std::io::{Error, ErrorKind, Read, Write};
use std::path::Path;

use crate::sim::SimError;

pub(crate) fn file_error(path: &Path, source: Error) -> SimError {
    SimError::File { path: path.display().to_string(), source }
}

/// Reads a file of at most `mib` MiB: one without an end must not take all memory.
pub(crate) fn read_up_to(path: &Path, mib: u64) -> Result<Vec<u8>, SimError> {
    let (most, mut bytes) = (mib << 20, Vec::new());
    let file = std::fs::File::open(path).map_err(|e| file_error(path, e))?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| file_error(path, e))?;
    if bytes.len() as u64 > most {
        return Err(SimError::Invalid(format!("{}: is larger than {mib} MiB", path.display())));
    }
    Ok(bytes)
}

/// A file that was not written here may be the user's own, with the only copy of a secret. A link is refused too: it
/// would hide which file that is.
pub(crate) fn refuse_foreign(path: &Path, is_ours: fn(&[u8]) -> bool) -> Result<(), SimError> {
    let wrong = |why: &str| Err(SimError::Invalid(format!("{}: {why}", path.display())));
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file_error(path, error)),
        Ok(found) if !found.is_file() => return wrong("is not a plain file; name another"),
        Ok(_) => {}
    }
    let text = read_up_to(path, 64)?;
    if text.is_empty() || is_ours(&text) {
        return Ok(());
    }
    wrong("was not written by the simulator; name another file or remove it")
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("edr-sim-{name}-{}", std::process::id()))
    }

    #[test]
    fn only_plain_files_of_our_own_are_overwritten() {
        let (path, link) = (scratch("foreign"), scratch("foreign-link"));
        let check = |path: &Path| refuse_foreign(path, |text| text.starts_with(b"ours"));
        assert!(check(&path).is_ok());
        for (text, good) in [("", true), ("ours, too", true), ("[tenants.acme]\n", false)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(check(&path).is_ok(), good, "{text}");
        }
        std::fs::write(&path, "ours").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for other in [link.as_path(), &std::env::temp_dir()] {
            let why = check(other).unwrap_err().to_string();
            assert!(why.contains("is not a plain file"), "{why}");
        }
        std::fs::remove_file(&link).unwrap();
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let path = scratch("large");
        std::fs::write(&path, vec![b' '; 1 << 20]).unwrap();
        assert_eq!(read_up_to(&path, 1).unwrap().len(), 1 << 20);
        std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        let why = read_up_to(&path, 1).unwrap_err().to_string();
        assert!(why.ends_with("is larger than 1 MiB"), "{why}");
        std::fs::remove_file(&path).unwrap();
        assert!(read_up_to(&path, 1).unwrap_err().to_string().contains("large"));
    }

    #[test]
    fn a_secret_file_is_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let path = scratch("secret");
        write_whole(&path, "one", 0o600).unwrap();
        write_whole(&path, "two", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(&path).unwrap();
    }
}
