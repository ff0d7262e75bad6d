//! The journal: an append-only file in which every record vouches for the one before.
//!
//! A record is on the disk before the request that it announces is sent. Several processes may write: each takes the
//! lock, reads what the others wrote, and appends. Writing waits for the disk on the spot, and is not a task of its own, so that a
//! run that is dropped leaves no write behind that nobody waits for.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edr_core::clock::Clock;
use serde::{Deserialize, Serialize};

use super::canon::sha256;
use super::chain::{Chain, Fault};
use super::error::{Error, Result};
use super::record::{Event, NOTHING, Record};
use super::state;

/// The journal of one state folder.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    by: String,
    tool: String,
    clock: Arc<dyn Clock>,
    lock: File,
    chain: Mutex<Chain>,
}

/// Where the journal ended when it was last written: kept beside it, so that a missing tail is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// The number of the last record.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

/// What became of looking at every record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Audit {
    /// How many records are proven.
    pub records: u64,
    /// The hash of the last of them. Written down elsewhere, it proves the journal against somebody who can change
    /// all of its files.
    pub hash: String,
    /// Records of half-written bytes that were set aside.
    pub torn: u64,
    /// Bytes at the end that are half a record; the next run sets them aside.
    pub torn_tail: u64,
    /// The first place where the journal does not prove itself.
    pub fault: Option<Fault>,
}

impl Journal {
    /// Opens the journal of a state folder, and makes it where there is none.
    ///
    /// # Errors
    /// When the folder or its files cannot be used. A journal that is broken is told by the first use.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>, by: &str, tool: &str) -> Result<Self> {
        state::State::open(folder)?;
        let lock = state::open_private(&folder.join("journal.lock"))?;
        let (by, tool) = (by.to_owned(), tool.to_owned());
        Ok(Self { folder: folder.to_owned(), by, tool, clock, lock, chain: Mutex::default() })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join("journal.jsonl")
    }

    fn head_path(&self) -> PathBuf {
        self.folder.join("journal.head")
    }

    /// All records, those of other processes included.
    ///
    /// # Errors
    /// When the journal is broken or cannot be read.
    pub fn records(&self) -> Result<Vec<Record>> {
        self.look(|records| records.to_vec())
    }

    /// Looks at all records.
    pub(super) fn look<T>(&self, see: impl FnOnce(&[Record]) -> T) -> Result<T> {
        let mut chain = self.chain();
        let _held = state::shared(&self.lock).map_err(|e| Error::file(&self.folder, e))?;
        self.refresh(&mut chain)?;
        Ok(see(&chain.records))
    }

    /// Appends an event; it is on the disk when this returns.
    ///
    /// # Errors
    /// When the journal is broken or cannot be written: then nothing may be sent.
    pub fn append(&self, event: Event) -> Result<u64> {
        self.append_if(|_| Ok(event))
    }

    /// Appends what is decided on all records that there are, while nobody else can write.
    pub(super) fn append_if(&self, decide: impl FnOnce(&[Record]) -> Result<Event>) -> Result<u64> {
        let mut chain = self.chain();
        let _held = state::exclusive(&self.lock).map_err(|e| Error::file(&self.folder, e))?;
        self.refresh(&mut chain)?;
        let event = decide(&chain.records)?;
        self.append_held(&mut chain, event)
    }

    /// Appends while nobody else can write.
    fn append_held(&self, chain: &mut Chain, event: Event) -> Result<u64> {
        let mut bytes = Vec::new();
        if chain.wants_newline {
            bytes.push(b'\n');
        }
        let mut records = Vec::new();
        if let Some(torn) = &chain.torn {
            let event = Event::Torn { bytes: torn.len() as u64, sha256: sha256(torn) };
            self.add(chain, event, &mut records, &mut bytes)?;
        }
        self.add(chain, event, &mut records, &mut bytes)?;
        self.write(chain, &bytes)?;
        chain.torn = None;
        for record in records {
            chain.accept(record);
        }
        self.write_head(chain)?;
        Ok(chain.records.len() as u64)
    }

    fn add(&self, chain: &Chain, event: Event, records: &mut Vec<Record>, bytes: &mut Vec<u8>) -> Result<()> {
        let (seq, prev) = records.last().map_or_else(|| chain.end(), |r| (r.seq, r.hash.clone()));
        let (by, tool) = (self.by.clone(), self.tool.clone());
        let record =
            Record { seq: seq + 1, prev, time: self.clock.now(), by, tool, event, hash: String::new() };
        let (record, line) = record.seal().map_err(Error::inner)?;
        records.push(record);
        bytes.extend(line);
        bytes.push(b'\n');
        Ok(())
    }

    fn write(&self, chain: &mut Chain, bytes: &[u8]) -> Result<()> {
        let path = self.path();
        let io = |e| Error::file(&path, e);
        let mut file = state::open_private(&path)?;
        file.seek(SeekFrom::Start(chain.offset)).map_err(io)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        if chain.offset == 0 && written.is_ok() {
            state::sync_folder(&path)?;
        }
        if let Err(e) = written {
            // What got onto the disk is read again, and found torn.
            *chain = Chain::default();
            return Err(io(e));
        }
        chain.offset += bytes.len() as u64;
        chain.wants_newline = false;
        Ok(())
    }

    fn write_head(&self, chain: &Chain) -> Result<()> {
        let (seq, hash) = chain.end();
        let head = serde_json::to_vec(&Head { seq, hash }).map_err(Error::inner)?;
        state::replace(&self.head_path(), &head)
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what others wrote, and refuses a journal that does not prove itself.
    fn refresh(&self, chain: &mut Chain) -> Result<()> {
        let broken = |fault: &Fault| {
            let cure = "see `edr audit verify`; nothing is changed until it is mended or set aside";
            Error::Journal(format!("{fault}; {cure}"))
        };
        let bytes = self.bytes(chain.offset)?;
        if let Err(fault) = chain.read(&bytes) {
            // Read from the beginning next time: the fault is still there then.
            *chain = Chain::default();
            return Err(broken(&fault));
        }
        check_head(self.head()?.as_ref(), &chain.records).map_err(|fault| broken(&fault))
    }

    /// The bytes from this place on.
    fn bytes(&self, from: u64) -> Result<Vec<u8>> {
        let path = self.path();
        let mut file = match File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && from == 0 => return Ok(Vec::new()),
            file => file.map_err(|e| Error::file(&path, e))?,
        };
        let length = file.metadata().map_err(|e| Error::file(&path, e))?.len();
        if length < from {
            return Err(Error::Journal("it is shorter than it was a moment ago".to_owned()));
        }
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut bytes));
        read.map_err(|e| Error::file(&path, e))?;
        Ok(bytes)
    }

    fn head(&self) -> Result<Option<Head>> {
        let path = self.head_path();
        match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::file(&path, e)),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| Error::Journal(format!("{} cannot be read: {e}", path.display()))),
        }
    }

    /// Looks at every record from the beginning.
    ///
    /// It finds a record that was changed, removed, added or moved, and says where. A tail that was cut off is found by
    /// the head that is kept beside. What it cannot find is a change by somebody who rewrites the journal and the head
    /// with all hashes: against that, keep [`Audit::hash`] elsewhere.
    ///
    /// # Errors
    /// When the files cannot be read. What is wrong with the journal is no error but [`Audit::fault`].
    pub fn verify(&self) -> Result<Audit> {
        let _ours = self.chain();
        let _held = state::shared(&self.lock).map_err(|e| Error::file(&self.folder, e))?;
        self.audit()
    }

    /// Looks at every record while nobody can write.
    fn audit(&self) -> Result<Audit> {
        let mut chain = Chain::default();
        let read = chain.read(&self.bytes(0)?);
        let head = match self.head() {
            Err(Error::Journal(what)) => Err(Fault { line: 0, seq: 0, what }),
            head => Ok(head?),
        };
        let fault = read.and_then(|()| head.and_then(|head| check_head(head.as_ref(), &chain.records))).err();
        let torn = |r: &&Record| matches!(r.event, Event::Torn { .. });
        Ok(Audit {
            records: chain.records.len() as u64,
            hash: chain.end().1,
            torn: chain.records.iter().filter(torn).count() as u64,
            torn_tail: chain.torn.as_ref().map_or(0, |t| t.len() as u64),
            fault,
        })
    }

    /// Moves a broken journal aside and begins a new one, whose first record says so. What the old one knew of hosts that
    /// were asked for, of caps and of leases is not looked at any more: this is for a person to decide.
    ///
    /// # Errors
    /// When the journal is not broken, or the files cannot be written.
    pub fn set_aside(&self, reason: &str) -> Result<PathBuf> {
        let mut chain = self.chain();
        // From the look at it to the first record of the new one nobody else can write, or set it aside as well.
        let _held = state::exclusive(&self.lock).map_err(|e| Error::file(&self.folder, e))?;
        if self.audit()?.fault.is_none() {
            return Err(Error::Journal("it is sound, and is not set aside".to_owned()));
        }
        let name = format!("journal.broken-{}.jsonl", self.clock.now().format("%Y%m%dT%H%M%SZ"));
        let aside = self.folder.join(&name);
        if aside.exists() {
            return Err(Error::Journal(format!("{name} is there already, and is not overwritten")));
        }
        let digest = sha256(&self.bytes(0)?);
        let path = self.path();
        if path.exists() {
            fs::rename(&path, &aside).map_err(|e| Error::file(&path, e))?;
        }
        if let Err(e) = fs::remove_file(self.head_path())
            && e.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Error::file(&self.head_path(), e));
        }
        *chain = Chain::default();
        let event = Event::SetAside { file: name, sha256: digest, reason: reason.to_owned() };
        self.append_held(&mut chain, event)?;
        Ok(aside)
    }
}

/// The head names a record that is there. It may be one behind: a process can die between the two files.
fn check_head(head: Option<&Head>, records: &[Record]) -> Result<(), Fault> {
    let last = records.last().map_or(0, |r| r.seq);
    let fault = |what: String| Err(Fault { line: records.len() as u64, seq: last, what });
    match head {
        None if last <= 2 => Ok(()),
        None => fault("the head is missing: records may be missing at the end".to_owned()),
        Some(head) if head.seq > last => {
            fault(format!("records {} to {} are missing at the end", last + 1, head.seq))
        }
        Some(head) => {
            let at = usize::try_from(head.seq).ok().and_then(|seq| seq.checked_sub(1));
            let hash = at.and_then(|at| records.get(at)).map_or(NOTHING, |r| r.hash.as_str());
            if hash == head.hash {
                return Ok(());
            }
            fault(format!("record {} is not the one that the head names", head.seq))
        }
    }
}
