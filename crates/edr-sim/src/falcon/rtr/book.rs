//! What the service remembers of a tenant: sessions, their commands and files, and batches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::guard::Context;
use super::super::render_host::{nanos, platform};
use super::super::things::number;
use super::line::Level;
use crate::estate::hash::uuid;

/// A session without a word for so long is over.
pub(super) const IDLE_MS: i64 = 10 * 60_000;
/// So long a session waits for its host.
const WAITING_MS: i64 = 7 * 86_400_000;

/// The books of all tenants, and the contents of files by their hash.
#[derive(Debug, Default)]
pub(crate) struct Desks {
    books: Mutex<HashMap<String, Book>>,
    blobs: Mutex<HashMap<String, Bytes>>,
}

impl Desks {
    pub(super) fn with<T>(&self, c: Context<'_>, work: impl FnOnce(&mut Book) -> T) -> T {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        work(books.entry(c.tenant.name.clone()).or_default())
    }

    pub(super) fn keep(&self, sha256: &str, bytes: Bytes) {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256.to_owned(), bytes);
    }

    pub(super) fn bytes(&self, sha256: &str) -> Option<Bytes> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned()
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What is known of one tenant. Sessions and commands are named by their place.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) sessions: Vec<Session>,
    pub(super) commands: Vec<Command>,
    pub(super) batches: Vec<Batch>,
    pub(super) files: Vec<Taken>,
    session_places: HashMap<String, usize>,
    command_places: HashMap<String, usize>,
    /// The latest session of a host.
    of_host: HashMap<u64, usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) host: u64,
    pub(super) aid: String,
    pub(super) origin: String,
    pub(super) pwd: String,
    pub(super) created: i64,
    pub(super) touched: i64,
    pub(super) deleted: Option<i64>,
    /// Whether it began while the host was away.
    pub(super) queued: bool,
    /// Whether the host has been away since.
    pub(super) waiting: bool,
    /// The places of its commands.
    pub(super) commands: Vec<usize>,
}

impl Session {
    /// When it ends by itself.
    fn end(&self) -> i64 {
        if self.waiting { self.created + WAITING_MS } else { self.touched + IDLE_MS }
    }

    pub(super) fn alive(&self, now: i64) -> bool {
        self.deleted.is_none() && now < self.end()
    }

    /// When it ended, if it did.
    pub(super) fn ended(&self, now: i64) -> Option<i64> {
        self.deleted.or_else(|| (now >= self.end()).then(|| self.end()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Cancelled,
    Done,
    Queued,
}

#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) id: String,
    pub(super) session: usize,
    pub(super) level: Level,
    pub(super) base: String,
    pub(super) line: String,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) state: State,
    /// How often its answer was asked for since it was carried out.
    pub(super) polls: u32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) members: Vec<usize>,
    /// Orders to fetch a file: the request's id, and the commands.
    pub(super) gets: Vec<(String, Vec<usize>, u32)>,
}

/// A file that `get` has fetched.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) session: usize,
    pub(super) command: usize,
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) created: i64,
    pub(super) deleted: Option<i64>,
    /// How often it was listed: at first it is still on its way.
    pub(super) looks: u32,
}

impl Book {
    pub(super) fn session(&self, id: &str) -> Option<usize> {
        self.session_places.get(id).copied()
    }

    pub(super) fn command(&self, id: &str) -> Option<usize> {
        self.command_places.get(id).copied()
    }

    /// The session that a host has now.
    pub(super) fn open(&self, host: u64, now: i64) -> Option<usize> {
        self.of_host.get(&host).copied().filter(|at| self.sessions[*at].alive(now))
    }

    pub(super) fn add_session(&mut self, c: Context<'_>, host: u64, origin: &str, queued: bool) -> usize {
        let (now, fields) = (c.state.clock.now_ms(), c.tenant.estate.fields(host));
        let windows = platform(fields.platform()).1 == "Windows";
        let at = self.sessions.len();
        let session = Session {
            id: uuid(number(c)),
            host,
            aid: fields.id(),
            origin: origin.to_owned(),
            pwd: if windows { "C:\\" } else { "/" }.to_owned(),
            created: now,
            touched: now,
            deleted: None,
            queued,
            waiting: queued,
            commands: Vec::new(),
        };
        self.session_places.insert(session.id.clone(), at);
        self.of_host.insert(host, at);
        self.sessions.push(session);
        at
    }

    pub(super) fn add_command(&mut self, command: Command) -> usize {
        let at = self.commands.len();
        self.command_places.insert(command.id.clone(), at);
        self.sessions[command.session].commands.push(at);
        self.commands.push(command);
        at
    }

    /// The commands that wait for a host.
    pub(super) fn waiting_for(&self, host: u64) -> Option<usize> {
        self.of_host.get(&host).copied().filter(|at| self.sessions[*at].waiting)
    }

    /// A session as it is listed and filtered.
    pub(super) fn row(&self, c: Context<'_>, at: usize) -> Value {
        let (session, now) = (&self.sessions[at], c.state.clock.now_ms());
        let host = c.tenant.estate.fields(session.host);
        let commands: Vec<&Command> = session.commands.iter().map(|at| &self.commands[*at]).collect();
        let waits = commands.iter().any(|c| c.state == State::Queued);
        let logs: Vec<Value> = commands.iter().enumerate().map(|(n, c)| note(session, n, c)).collect();
        let (number, name) = platform(host.platform());
        let last = session.ended(now).unwrap_or(now);
        let mut row = json!({
            "id": session.id, "cid": c.falcon.cid, "device_id": session.aid, "hostname": host.hostname(),
            "user_id": c.falcon.client_id, "user_uuid": c.falcon.client_id, "origin": session.origin,
            "platform_id": number.parse::<i64>().unwrap_or_default(), "platform_name": name, "pwd": session.pwd,
            "created_at": nanos(session.created, 1), "updated_at": nanos(session.touched, 2),
            "duration": (last - session.created) as f64 / 1000.0,
            "offline_queued": session.queued, "commands_queued": waits,
            "cloud_request_ids": commands.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), "logs": logs,
        });
        if let Some(ended) = session.ended(now) {
            row["deleted_at"] = nanos(ended, 3).into();
        }
        row
    }
}

fn note(session: &Session, n: usize, command: &Command) -> Value {
    json!({"id": n + 1, "session_id": session.id, "cloud_request_id": command.id, "base_command": command.base,
        "command_string": command.line, "current_directory": session.pwd,
        "created_at": nanos(command.created, 4), "updated_at": nanos(command.updated, 5)})
}
