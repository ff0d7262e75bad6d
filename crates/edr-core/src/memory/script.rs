//! What a test can let go wrong, and what it can read back.

use crate::{ErrorKind, Result};

use super::{Content, InMemory};

/// Something that goes wrong once. Of a listing: at the page of this number (counted from 0) of the next
/// one. Of a write: at the call of this number, counted from 0 from when it is scripted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Script {
    /// The first item of the page cannot be decoded.
    BadItem(u64),
    /// The page is empty, and more follow.
    EmptyPage(u64),
    /// The write is carried out, and its answer is lost.
    LoseAnswer(u64),
    /// The write never arrives; whoever sent it cannot tell that from [`Self::LoseAnswer`].
    LoseRequest(u64),
    /// The write is refused whole; nothing is done.
    RefuseCall(u64, ErrorKind),
    /// The page names itself as the next one.
    RepeatCursor(u64),
    /// The page is read this many items too early (negative) or too late.
    Shift(u64, i64),
}

impl Script {
    pub(super) fn page(self) -> Option<u64> {
        match self {
            Self::BadItem(page) | Self::EmptyPage(page) | Self::RepeatCursor(page) | Self::Shift(page, _) => {
                Some(page)
            }
            Self::LoseAnswer(_) | Self::LoseRequest(_) | Self::RefuseCall(..) => None,
        }
    }

    fn write(self) -> Option<u64> {
        match self {
            Self::LoseAnswer(call) | Self::LoseRequest(call) | Self::RefuseCall(call, _) => Some(call),
            _ => None,
        }
    }

    /// A write's number counted from the first write of all.
    fn numbered(self, done: u64) -> Self {
        match self {
            Self::LoseAnswer(call) => Self::LoseAnswer(call + done),
            Self::LoseRequest(call) => Self::LoseRequest(call + done),
            Self::RefuseCall(call, kind) => Self::RefuseCall(call + done, kind),
            other => other,
        }
    }
}

/// What a host, an alert or an indicator (by its key) does with every write that names it, until it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quirk {
    /// It is taken, and fails on the host.
    Fails,
    /// The vendor refuses it; the others of the call are served.
    Refused(ErrorKind),
    /// The vendor refuses the whole call because of it.
    RefusesCall(ErrorKind),
    /// It is done, and the answer does not mention it.
    Unmentioned,
}

/// One change that the provider carried out: to count against.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mutation {
    /// What was done: [`crate::ResponseAction::verb`], or `update_alert`, `update_case`, `push_ioc`, `delete_ioc`.
    pub verb: &'static str,
    /// The host, alert or case; the key of an indicator that is put there, the id of one that is deleted.
    pub uid: String,
    /// The number of the write call that it came with, counted from 0.
    pub call: u64,
}

impl InMemory {
    /// Lets something go wrong once.
    pub fn script(&self, script: Script) {
        let mut content = self.content();
        let script = script.numbered(content.writes);
        content.scripts.push(script);
    }

    /// Gives a host or an alert a quirk, or takes it back.
    pub fn quirk(&self, uid: &str, quirk: impl Into<Option<Quirk>>) {
        let mut content = self.content();
        match quirk.into() {
            Some(quirk) => drop(content.quirks.insert(uid.to_owned(), quirk)),
            None => drop(content.quirks.remove(uid)),
        }
    }

    /// Every change that was carried out, in order.
    #[must_use]
    pub fn mutations(&self) -> Vec<Mutation> {
        self.content().mutations.clone()
    }

    /// Write calls that have arrived so far, refused ones included.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.content().writes
    }

    /// Calls of every kind that have arrived so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.content().requests
    }

    /// Carries out a write as the scripts will have it.
    pub(super) fn write<T>(
        &self,
        targets: &[String],
        work: impl FnOnce(&mut Content) -> Vec<T>,
    ) -> Result<Vec<T>> {
        let mut content = self.content();
        let call = content.arrive();
        let at = content.scripts.iter().position(|s| s.write() == Some(call));
        let script = at.map(|at| content.scripts.remove(at));
        match script {
            Some(Script::RefuseCall(_, kind)) => return Err(self.said(kind, "the call is refused whole")),
            Some(Script::LoseRequest(_)) => return Err(self.lost()),
            _ => {}
        }
        let culprit = targets.iter().find_map(|uid| match content.quirks.get(uid) {
            Some(Quirk::RefusesCall(kind)) => Some((*kind, uid)),
            _ => None,
        });
        if let Some((kind, uid)) = culprit {
            return Err(self.said(kind, format!("the call is refused whole because of {uid}")));
        }
        let done = work(&mut content);
        if script.is_some() { Err(self.lost()) } else { Ok(done) }
    }
}

impl Content {
    /// The number of the write call that has just arrived.
    fn arrive(&mut self) -> u64 {
        self.requests += 1;
        let call = self.writes;
        self.writes += 1;
        call
    }

    pub(super) fn log(&mut self, verb: &'static str, uid: &str) {
        let call = self.writes.saturating_sub(1);
        self.mutations.push(Mutation { verb, uid: uid.to_owned(), call });
    }
}
