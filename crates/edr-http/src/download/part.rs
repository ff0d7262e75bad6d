//! The file beside the target that a download grows in: `NAME.part`, and `NAME.part.note` with what its bytes are of.
//! A run that is killed leaves both, and the next one goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::Digest;

/// So much of what is there already is in memory at once.
const STEP: usize = 256 << 10;

/// No note of ours is longer.
const NOTE: u64 = 8 << 10;

/// What the bytes of a part are of.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// A digest of the address: the address itself may hold a token.
    resource: String,
    /// The strong `ETag` of the version.
    tag: Option<String>,
}

/// A part under way. It is locked: two runs never write to one.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    /// Gone while it is written to, and for ever when the writer was dropped meanwhile.
    state: Option<Box<State>>,
}

#[derive(Debug)]
struct State {
    path: PathBuf,
    target: PathBuf,
    file: File,
    hash: Sha256,
    length: u64,
    note: Note,
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

impl Part {
    /// Opens or makes the part of `target`. What an earlier run left is kept when the hash of the whole is known,
    /// which proves it in the end, or else when the note says that it is of the same address and which version.
    pub(super) async fn open(target: PathBuf, resource: String, is_proven: bool) -> io::Result<Self> {
        let path = beside(&target, ".part");
        let at = path.clone();
        let state = blocking(move || {
            let (file, note) = (locked(&at)?, Note { resource, tag: None });
            let mut state = Box::new(State { path: at, target, file, hash: Sha256::new(), length: 0, note });
            let found = state.read_note().filter(|note| note.resource == state.note.resource);
            state.note.tag = found.and_then(|note| note.tag);
            if is_proven || state.note.tag.is_some() {
                state.reread()?
            } else {
                state.empty()?
            }
            Ok(state)
        })
        .await?;
        Ok(Self { path, state: Some(state) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How much is there.
    pub(super) fn length(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.length)
    }

    /// The version that it is of.
    pub(super) fn tag(&self) -> Option<&str> {
        self.state.as_ref()?.note.tag.as_deref()
    }

    /// The SHA-256 of what is there.
    pub(super) fn digest(&self) -> io::Result<Digest> {
        let state = self.state.as_ref().ok_or_else(given_up)?;
        Ok(Digest(state.hash.clone().finalize().into()))
    }

    /// Throws away what is there and begins with this version.
    pub(super) async fn restart(&mut self, tag: Option<String>) -> io::Result<()> {
        self.apart(move |state| state.restart(tag)).await
    }

    /// Writes the next bytes.
    pub(super) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.apart(move |state| {
            state.file.write_all(&bytes)?;
            state.hash.update(&bytes);
            state.length += bytes.len() as u64;
            Ok(())
        })
        .await
    }

    /// Gives the whole its name. It is on the disk before it has it.
    pub(super) async fn commit(&mut self) -> io::Result<()> {
        self.apart(|state| {
            state.file.sync_all()?;
            fs::rename(&state.path, &state.target)?;
            remove(&state.note_path())?;
            sync_folder(&state.target)
        })
        .await
    }

    /// Throws the part away.
    pub(super) async fn discard(&mut self) -> io::Result<()> {
        self.apart(|state| {
            remove(&state.note_path())?;
            remove(&state.path)
        })
        .await
    }

    /// Does something where waiting for a disk stops nobody.
    async fn apart(
        &mut self,
        work: impl FnOnce(&mut State) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut state = self.state.take().ok_or_else(given_up)?;
        let (state, done) = blocking(move || {
            let done = work(&mut state);
            Ok((state, done))
        })
        .await?;
        self.state = Some(state);
        done
    }
}

fn given_up() -> io::Error {
    io::Error::other("an earlier write was given up")
}

impl State {
    fn note_path(&self) -> PathBuf {
        beside(&self.path, ".note")
    }

    fn read_note(&self) -> Option<Note> {
        let mut text = Vec::new();
        File::open(self.note_path()).ok()?.take(NOTE).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Hashes what is there and goes to its end.
    fn reread(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; STEP];
        self.file.seek(SeekFrom::Start(0))?;
        loop {
            let read = self.file.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            self.hash.update(&buffer[..read]);
            self.length += read as u64;
        }
    }

    fn empty(&mut self) -> io::Result<()> {
        remove(&self.note_path())?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.hash, self.length, self.note.tag) = (Sha256::new(), 0, None);
        Ok(())
    }

    /// The note comes after the old bytes are gone and before the first new ones: it never speaks of others.
    fn restart(&mut self, tag: Option<String>) -> io::Result<()> {
        self.empty()?;
        self.note.tag = tag;
        if self.note.tag.is_none() {
            return Ok(());
        }
        let text = serde_json::to_vec(&self.note)?;
        private().write(true).truncate(true).open(self.note_path())?.write_all(&text)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// How a file of ours is made: what is fetched from an endpoint is the owner's alone, and a link that somebody laid
/// under the name is not followed.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    options
}

/// The part, locked. Another run may have given it its final name between opening and locking.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = private().read(true).write(true).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        lock(&file)?;
        if is_still(&file, path)? {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn lock(file: &File) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from)
}

#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let ours = file.metadata()?;
    Ok(fs::symlink_metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino())))
}

#[cfg(unix)]
fn sync_folder(target: &Path) -> io::Result<()> {
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn lock(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
