//! Bodies that are too large for memory: files, and forms with files, read while they are sent and made anew for
//! every attempt.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use edr_core::{Error, ErrorKind};
use futures_util::stream::{self, StreamExt as _};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::transport::SendStream;

/// So much of a file is in memory at once.
const STEP: usize = 64 << 10;

/// A file that is sent. It must not change until it has been: its length is announced before.
#[derive(Clone, PartialEq, Eq)]
pub struct FileSource {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
}

impl FileSource {
    /// Looks at a file that is to be sent.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when it cannot be read, or is no plain file.
    pub async fn new(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let (_, found) = opened(&path).await.map_err(|e| unreadable(&path, e))?;
        Ok(Self { length: found.len(), modified: found.modified().ok(), path })
    }

    /// How many bytes are sent.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes, from the first on.
    pub(crate) async fn pieces(&self) -> Result<SendStream, Error> {
        let (file, found) = opened(&self.path).await.map_err(|e| unreadable(&self.path, e))?;
        if found.len() != self.length || found.modified().ok() != self.modified {
            let changed = io::Error::other("it has changed since it was looked at");
            return Err(unreadable(&self.path, changed));
        }
        let start = (file, self.length);
        Ok(stream::try_unfold(start, |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let mut piece = BytesMut::with_capacity(STEP.min(usize::try_from(left).unwrap_or(STEP)));
            let read = (&mut file).take(left).read_buf(&mut piece).await? as u64;
            if read == 0 {
                return Err(io::Error::other("the file became shorter while it was sent"));
            }
            Ok(Some((piece.freeze(), (file, left - read))))
        })
        .boxed())
    }
}

/// Opens a plain file; another kind might let us wait for ever.
async fn opened(path: &Path) -> io::Result<(File, Metadata)> {
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let file = File::open(path).await?;
    let found = file.metadata().await?;
    Ok((file, found))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Configuration, format!("{} cannot be sent: {error}", path.display()))
        .with_source(error)
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource").field("path", &self.path).field("length", &self.length).finish()
    }
}

/// A form of parts (`multipart/form-data`, RFC 7578). `Debug` shows names and sizes alone.
///
/// ```
/// use edr_http::Multipart;
/// let form = Multipart::new().text("name", "a.txt").bytes("file", "a.txt", "text/plain", "content");
/// assert!(form.kind().starts_with("multipart/form-data; boundary="));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Multipart {
    boundary: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
struct Part {
    name: String,
    file: Option<(String, &'static str)>,
    content: Content,
}

#[derive(Clone, PartialEq, Eq)]
enum Content {
    Bytes(Bytes),
    File(FileSource),
}

impl Content {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.length(),
        }
    }
}

impl Default for Multipart {
    fn default() -> Self {
        Self::new()
    }
}

impl Multipart {
    /// A form without parts. Their boundary is random, so that no content holds it.
    #[must_use]
    pub fn new() -> Self {
        Self { boundary: format!("edr-{:032x}", rand::random::<u128>()), parts: Vec::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn text(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.part(name.into(), None, Content::Bytes(value.into().into()))
    }

    /// Adds a field, if there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.text(name, value.to_string()),
            None => self,
        }
    }

    /// Adds a file whose content is in memory.
    #[must_use]
    pub fn bytes(
        self,
        name: impl Into<String>,
        file_name: impl Into<String>,
        kind: &'static str,
        content: impl Into<Bytes>,
    ) -> Self {
        self.part(name.into(), Some((file_name.into(), kind)), Content::Bytes(content.into()))
    }

    /// Adds a file that is read while it is sent.
    #[must_use]
    pub fn file(
        self,
        name: impl Into<String>,
        file_name: impl Into<String>,
        kind: &'static str,
        file: FileSource,
    ) -> Self {
        self.part(name.into(), Some((file_name.into(), kind)), Content::File(file))
    }

    fn part(mut self, name: String, file: Option<(String, &'static str)>, content: Content) -> Self {
        self.parts.push(Part { name, file, content });
        self
    }

    /// The content type, with the boundary.
    #[must_use]
    pub fn kind(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The length of the whole.
    #[must_use]
    pub fn length(&self) -> u64 {
        let part = |part: &Part| (self.head(part).len() + 2) as u64 + part.content.length();
        self.parts.iter().map(part).sum::<u64>() + self.end().len() as u64
    }

    fn head(&self, part: &Part) -> Bytes {
        let mut head =
            format!("--{}\r\nContent-Disposition: form-data; name=\"{}\"", self.boundary, quoted(&part.name));
        if let Some((name, kind)) = &part.file {
            head.push_str(&format!("; filename=\"{}\"\r\nContent-Type: {kind}", quoted(name)));
        }
        Bytes::from(head + "\r\n\r\n")
    }

    fn end(&self) -> Bytes {
        Bytes::from(format!("--{}--\r\n", self.boundary))
    }

    /// All its bytes, from the first on.
    pub(crate) async fn pieces(&self) -> Result<SendStream, Error> {
        let now = |bytes: Bytes| stream::iter([Ok(bytes)]).boxed();
        let mut all: Vec<SendStream> = Vec::new();
        for part in &self.parts {
            all.push(now(self.head(part)));
            all.push(match &part.content {
                Content::Bytes(bytes) => now(bytes.clone()),
                Content::File(file) => file.pieces().await?,
            });
            all.push(now(Bytes::from_static(b"\r\n")));
        }
        all.push(now(self.end()));
        Ok(stream::iter(all).flatten().boxed())
    }
}

/// A name as browsers write it: what would end it is percent-encoded.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("parts: ")?;
        let shown = self.parts.iter().map(|p| (&p.name, format!("{} bytes", p.content.length())));
        f.debug_map().entries(shown).finish()
    }
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
