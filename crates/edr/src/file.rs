//! Reading files that a person names: never more than such a file can sensibly hold.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// The most that a configuration or a bundle of certificates holds, in bytes.
pub(crate) const LARGE: u64 = 8 << 20;
/// The most that a plan or another list of hosts holds, in bytes.
pub(crate) const LIST: u64 = 256 << 20;
/// The most that a secret holds, in bytes.
pub(crate) const SMALL: u64 = 64 << 10;

/// The bytes of a file of at most `limit` bytes. A device that never ends is too large as well.
pub(crate) fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The text of such a file.
pub(crate) fn text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(bytes(path, limit)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_never_ends_is_too_large() {
        let error = text(Path::new("/dev/zero"), SMALL).unwrap_err();
        assert!(error.to_string().contains("larger than 65536 bytes"), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [b'x'; 10]).unwrap();
        assert_eq!(text(file.path(), 10).unwrap().len(), 10);
        assert!(text(file.path(), 9).is_err());
        std::fs::write(file.path(), b"\xff").unwrap();
        assert!(text(file.path(), 9).unwrap_err().to_string().contains("UTF-8"));
    }
}
