//! Tokens in a folder that its owner alone may enter.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use edr_core::clock::Clock;
use edr_core::{Error, ErrorKind, Result};
use rustix::fs::{FlockOperation, flock};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use url::Url;

use super::{StoredToken, TokenKey, TokenLock, TokenStore};

/// No file of ours is longer.
const LARGEST: u64 = 64 << 10;

/// No vendor's token lives longer: a file that says so was written by a clock that was wrong.
const LONGEST_LIFE: TimeDelta = TimeDelta::hours(24);

/// What a process that died may have left behind is swept away after this time; so is a token after
/// [`LONGEST_LIFE`].
const STALE: TimeDelta = TimeDelta::hours(1);

/// How long forgetting a token may wait for the lock.
const FORGET: Duration = Duration::from_secs(2);

/// Tokens in a folder: one file of mode 600 for each, in a folder of mode 700.
///
/// A file is written anew beside the old one and takes its place in one step, so that nobody reads half
/// of it. A file with another mode or owner is not believed, and neither is one that cannot be read.
pub struct FileTokenStore {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

/// The content of a file. No `Debug`: it holds the token.
#[derive(Serialize, Deserialize)]
struct Content {
    token: String,
    expires_at: DateTime<Utc>,
    base: String,
}

impl fmt::Debug for FileTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTokenStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl FileTokenStore {
    /// Opens the folder, and makes it where it is missing.
    ///
    /// # Errors
    /// When it cannot be made or written, is somebody else's, or is open to others.
    pub fn open(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self> {
        let store = Self { folder: folder.into(), clock };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&store.folder);
        made.and_then(|()| store.check()).map_err(|e| {
            let message = format!("{} cannot hold tokens: {e}", store.folder.display());
            Error::new(ErrorKind::Configuration, message)
                .with_hint("it must be a folder of your own with mode 700")
        })?;
        store.sweep();
        Ok(store)
    }

    /// The folder is ours alone and can be written.
    fn check(&self) -> io::Result<()> {
        let found = fs::metadata(&self.folder)?;
        if found.uid() != our_uid() {
            return Err(io::Error::other("it belongs to somebody else"));
        }
        if found.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!("it is open to others (mode {:o})", found.mode() & 0o777)));
        }
        let probe = self.beside("probe");
        create_private(&probe)?;
        fs::remove_file(probe)
    }

    /// A name that no other process uses.
    fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{:016x}.tmp", rand::random::<u64>()))
    }

    fn sweep(&self) {
        let now = self.clock.now();
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for path in entries.map(|e| e.path()) {
            let life = match path.extension().and_then(|e| e.to_str()) {
                Some("tmp") => STALE,
                Some("json") => LONGEST_LIFE,
                _ => continue,
            };
            let changed = fs::metadata(&path).and_then(|m| m.modified()).map(DateTime::<Utc>::from);
            if changed.is_ok_and(|changed| changed < now - life) {
                // Another process may have been faster.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn path(&self, key: &TokenKey, extension: &str) -> PathBuf {
        self.folder.join(key.name()).with_extension(extension)
    }

    fn read(&self, key: &TokenKey) -> Option<Content> {
        let file = File::open(self.path(key, "json")).ok()?;
        let found = file.metadata().ok()?;
        let ours = found.is_file() && found.uid() == our_uid() && found.mode() & 0o7777 == 0o600;
        if !ours || found.len() > LARGEST {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn replace(&self, key: &TokenKey, content: &Content) -> io::Result<()> {
        let beside = self.beside(key.name());
        let written = create_private(&beside)
            .and_then(|mut file| file.write_all(&serde_json::to_vec(content)?))
            .and_then(|()| fs::rename(&beside, self.path(key, "json")));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn failed(&self, error: io::Error) -> Error {
        let message = format!("a token in {} cannot be changed: {error}", self.folder.display());
        Error::new(ErrorKind::Configuration, message).with_source(error)
    }
}

/// A new file that is private from the first byte on.
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[async_trait]
impl TokenStore for FileTokenStore {
    async fn load(&self, key: &TokenKey) -> Option<StoredToken> {
        let Content { token, expires_at, base } = self.read(key)?;
        let now = self.clock.now();
        let base = Url::parse(&base).ok()?;
        let lives = expires_at > now && expires_at <= now + LONGEST_LIFE;
        lives.then(|| StoredToken { secret: token.into(), expires_at, base })
    }

    async fn save(&self, key: &TokenKey, token: &StoredToken) -> Result<()> {
        let StoredToken { secret, expires_at, base } = token;
        let token = secret.expose_secret().to_owned();
        let content = Content { token, expires_at: *expires_at, base: base.to_string() };
        self.replace(key, &content).map_err(|e| self.failed(e))
    }

    /// Under the lock, for between a look and a removal another process could keep a new token. Without
    /// it the file stays: who reads it is refused once and asks for a new token itself.
    async fn forget(&self, key: &TokenKey, token: &SecretString) -> Result<()> {
        let Some(_lock) = self.lock(key, FORGET).await else { return Ok(()) };
        if self.read(key).is_none_or(|content| content.token != token.expose_secret()) {
            return Ok(());
        }
        match fs::remove_file(self.path(key, "json")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.failed(e)),
            _ => Ok(()),
        }
    }

    async fn lock(&self, key: &TokenKey, limit: Duration) -> Option<TokenLock> {
        let end = Instant::now() + limit;
        let path = self.path(key, "lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).ok()?;
        let mut pause = Duration::from_millis(5);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(TokenLock::holding(file)),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < end => {}
                Err(_) => return None,
            }
            sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use chrono::TimeZone as _;
    use edr_core::clock::ManualClock;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 10, 12, 0, 0).unwrap()
    }

    fn url() -> Url {
        Url::parse("https://api.example").unwrap()
    }

    fn key() -> TokenKey {
        TokenKey::new(&url(), "canary-id", &"canary-secret".into(), None)
    }

    fn token(text: &str) -> StoredToken {
        StoredToken {
            secret: text.to_owned().into(),
            expires_at: now() + TimeDelta::minutes(30),
            base: url(),
        }
    }

    fn open(folder: &Path) -> (FileTokenStore, ManualClock) {
        let clock = ManualClock::at(now());
        (FileTokenStore::open(folder.join("edr/tokens"), Arc::new(clock.clone())).unwrap(), clock)
    }

    async fn loaded(store: &FileTokenStore) -> Option<String> {
        store.load(&key()).await.map(|t| t.secret.expose_secret().to_owned())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test]
    async fn a_token_is_kept_privately_and_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (store, _) = open(place.path());
        assert_eq!(loaded(&store).await, None);
        store.save(&key(), &token("one")).await.unwrap();
        store.save(&key(), &token("two")).await.unwrap();
        let other = open(place.path()).0;
        assert_eq!(loaded(&other).await.as_deref(), Some("two"));
        let names: Vec<PathBuf> = fs::read_dir(&store.folder).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(names, [store.path(&key(), "json")], "nothing is left beside it");
        assert_eq!((mode(&store.folder), mode(&names[0])), (0o700, 0o600));
        assert!(!names[0].to_string_lossy().contains("canary"));
        assert!(other.load(&TokenKey::new(&url(), "other", &"x".into(), None)).await.is_none());
    }

    #[tokio::test]
    async fn what_cannot_be_trusted_is_ignored_and_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (store, clock) = open(place.path());
        let path = store.path(&key(), "json");
        store.save(&key(), &token("good")).await.unwrap();
        for wrong in [0o644, 0o640, 0o700, 0o400] {
            set_mode(&path, wrong);
            assert_eq!(loaded(&store).await, None, "mode {wrong:o}");
        }
        store.save(&key(), &token("good")).await.unwrap();
        assert_eq!((loaded(&store).await.as_deref(), mode(&path)), (Some("good"), 0o600));
        for garbage in ["", "{}", "[]", "{\"token\":\"x\"}", &"x".repeat(100_000)] {
            fs::write(&path, garbage).unwrap();
            assert_eq!(loaded(&store).await, None, "{:.20}", garbage);
        }
        store.save(&key(), &token("good")).await.unwrap();
        clock.advance(TimeDelta::minutes(30));
        assert_eq!(loaded(&store).await, None, "it has expired");
        clock.advance(TimeDelta::days(-2));
        assert_eq!(loaded(&store).await, None, "no token lives for two days");
    }

    #[tokio::test]
    async fn only_the_refused_token_is_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let (store, _) = open(place.path());
        store.save(&key(), &token("new")).await.unwrap();
        store.forget(&key(), &"old".into()).await.unwrap();
        assert_eq!(loaded(&store).await.as_deref(), Some("new"));
        store.forget(&key(), &"new".into()).await.unwrap();
        assert_eq!(loaded(&store).await, None);
        store.forget(&key(), &"new".into()).await.unwrap();
    }

    #[tokio::test]
    async fn one_holds_the_lock_and_others_wait_no_longer_than_they_want() {
        let place = tempfile::tempdir().unwrap();
        let (one, two) = (open(place.path()).0, open(place.path()).0);
        let limit = Duration::from_millis(50);
        let held = one.lock(&key(), limit).await.unwrap();
        let start = Instant::now();
        assert!(two.lock(&key(), limit).await.is_none());
        assert!(start.elapsed() >= limit && start.elapsed() < Duration::from_secs(2));
        assert!(
            two.lock(&TokenKey::new(&url(), "other", &"x".into(), None), limit).await.is_some(),
            "each key has its own"
        );
        two.save(&key(), &token("without the lock")).await.unwrap();
        drop(held);
        assert!(two.lock(&key(), limit).await.is_some());
        assert_eq!(mode(&one.path(&key(), "lock")), 0o600);
    }

    #[test]
    fn a_folder_that_is_open_to_others_or_no_folder_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now()));
        let open = place.path().join("open");
        fs::create_dir(&open).unwrap();
        set_mode(&open, 0o750);
        let error = FileTokenStore::open(&open, clock.clone()).unwrap_err();
        assert!(error.to_string().contains("open to others (mode 750)"), "{error}");
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(FileTokenStore::open(&file, clock.clone()).is_err());
        assert!(FileTokenStore::open(file.join("below"), clock).is_err());
    }

    #[test]
    fn what_a_dead_process_left_is_swept_away() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("tokens");
        let clock = ManualClock::at(edr_core::clock::SystemClock.now());
        let open = || FileTokenStore::open(&folder, Arc::new(clock.clone())).unwrap();
        let left = open().beside("left");
        create_private(&left).unwrap();
        open();
        assert!(left.exists(), "it may be in use");
        let token = open().path(&key(), "json");
        create_private(&token).unwrap();
        clock.advance(TimeDelta::hours(2));
        open();
        assert!(!left.exists() && token.exists());
        clock.advance(TimeDelta::hours(24));
        open();
        assert!(!token.exists());
    }
}
