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

/// So often somebody may be faster between opening and locking.
const ROUNDS: usize = 16;

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
            let (file, note) = (locked(&at, &trust)?, Note { resource, tag: None });
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
        let note = plain().read(true).open(self.note_path()).ok()?;
        (trust(&note.metadata().ok()?) == Trust::Ours).then_some(())?;
        note.take(NOTE).read_to_end(&mut text).ok()?;
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
        // It was taken away before: what is there again is somebody else's.
        private().write(true).open(self.note_path())?.write_all(&text)
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

/// How a file of ours is made, never one that is there: what is fetched from an endpoint is the owner's alone.
fn private() -> OpenOptions {
    let mut options = plain();
    options.create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A link that somebody laid under the name is not followed, and nobody waits for the other end of a pipe.
fn plain() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }
    options
}

/// What a file that lies there is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Ours,
    /// It is ours, but others may write to it, or have it under another name.
    Open,
    Strange(&'static str),
}

#[cfg(unix)]
fn trust(found: &fs::Metadata) -> Trust {
    use std::os::unix::fs::MetadataExt as _;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    judge(found.is_file(), ours, found.mode(), found.nlink())
}

#[cfg(not(unix))]
fn trust(found: &fs::Metadata) -> Trust {
    judge(found.is_file(), true, 0o600, 1)
}

/// Whoever may write to a part could change what was hashed already.
fn judge(is_file: bool, ours: bool, mode: u32, links: u64) -> Trust {
    match (is_file, ours) {
        (false, _) => Trust::Strange("it is a link, or no plain file"),
        (true, false) => Trust::Strange("it belongs to somebody else"),
        (true, true) if mode & 0o022 != 0 || links > 1 => Trust::Open,
        (true, true) => Trust::Ours,
    }
}

/// Refuses what is not ours, and takes away what others may write to: they may hold it open, so that emptying it would
/// not do.
fn make_way(path: &Path, trust: Judge<'_>) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    match trust(&found) {
        Trust::Ours => Ok(()),
        Trust::Open => remove(path),
        Trust::Strange(why) => Err(denied(&format!("{} is in the way: {why}", path.display()))),
    }
}

fn denied(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

/// What judges a file that lies there.
type Judge<'a> = &'a dyn Fn(&fs::Metadata) -> Trust;

/// The part, locked. Another run may have given it its final name between opening and locking.
fn locked(path: &Path, trust: Judge<'_>) -> io::Result<File> {
    for _ in 0..ROUNDS {
        make_way(path, trust)?;
        let Some(file) = opened(path, trust)? else { continue };
        lock(&file)?;
        if is_still(&file, path)? {
            return Ok(file);
        }
    }
    Err(denied(&format!("{} is replaced again and again", path.display())))
}

/// The part that is there, else a new one; none when somebody was faster.
fn opened(path: &Path, trust: Judge<'_>) -> io::Result<Option<File>> {
    let open = |mut how: OpenOptions| how.read(true).write(true).open(path);
    match open(private()) {
        Ok(file) => ours_from_birth(file, path, trust).map(Some),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match open(plain()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.and_then(|file| Ok((trust(&file.metadata()?) == Trust::Ours).then_some(file))),
        },
        Err(e) => Err(e),
    }
}

/// A file that was made a moment ago, and for us alone, shows what the file system keeps of that. One that keeps nothing
/// (FAT, some network shares) would do the same with the next.
fn ours_from_birth(file: File, path: &Path, trust: Judge<'_>) -> io::Result<File> {
    if trust(&file.metadata()?) == Trust::Ours {
        return Ok(file);
    }
    remove(path)?;
    let message = "this file system does not keep files private: choose another folder";
    Err(denied(&format!("{}: {message}", path.display())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_file_of_our_own_that_nobody_else_writes_to_is_trusted() {
        for (is_file, ours, mode, links, expected) in [
            (true, true, 0o100_600, 1, Trust::Ours),
            (true, true, 0o100_644, 1, Trust::Ours),
            (true, true, 0o100_620, 1, Trust::Open),
            (true, true, 0o100_602, 1, Trust::Open),
            (true, true, 0o100_600, 2, Trust::Open),
            (true, false, 0o100_600, 1, Trust::Strange("it belongs to somebody else")),
            (false, true, 0o120_777, 1, Trust::Strange("it is a link, or no plain file")),
        ] {
            assert_eq!(judge(is_file, ours, mode, links), expected, "{is_file} {ours} {mode:o} {links}");
        }
    }
    #[test]
    fn a_file_system_that_keeps_nothing_private_is_refused_and_not_tried_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        let lies_there = ["", "left by an earlier run"];
        for trust in [Trust::Open, Trust::Strange("it belongs to somebody else")] {
            let refused = locked(&path, &|_| trust).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            assert!(refused.to_string().contains("choose another folder"), "{refused}");
            assert!(!path.exists(), "nothing is left");
        }
        for text in lies_there {
            fs::write(&path, text).unwrap();
            assert!(
                locked(&path, &|_| Trust::Open).unwrap_err().to_string().contains("choose another folder")
            );
            assert!(!path.exists());
        }
    }

    #[test]
    fn what_others_may_write_to_is_made_anew_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        fs::write(&path, "theirs").unwrap();
        let open = |found: &fs::Metadata| if found.len() > 0 { Trust::Open } else { Trust::Ours };
        assert_eq!(locked(&path, &open).unwrap().metadata().unwrap().len(), 0);
        let looks = std::cell::Cell::new(0);
        let never_the_same = |_: &fs::Metadata| {
            looks.set(looks.get() + 1);
            if looks.get() % 2 == 1 { Trust::Ours } else { Trust::Open }
        };
        let tired = locked(&path, &never_the_same).unwrap_err();
        assert!(tired.to_string().contains("again and again"), "{tired}");
    }
}
