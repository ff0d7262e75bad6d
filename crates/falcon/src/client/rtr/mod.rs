//! Real Time Response, call by call. The handles stand in `session` and `batch`.

mod batch;
mod library;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Result};
use edr_http::{Download, Downloaded, RequestPlan};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, Reply};
use crate::api::rtr::{
    self, AuditParams, CommandError, Executed, Level, Piece, QueuedSession, SessionFile, SessionHead,
    SessionRecord, Version, Wait,
};
use crate::api::{Aggregate, AggregateSpec, ListParams};
pub use batch::{Batch, BatchFetch, BatchOptions, BatchRun};
pub use session::{Output, Ran, Session, SessionOptions, Ticket};

/// Half of the time after which a session is over.
const PULSE: Duration = Duration::from_secs(300);
/// The first pause between two looks; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(5);

impl Identified for SessionRecord {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for QueuedSession {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

/// Pauses that grow, up to a deadline.
struct Pauses {
    until: Instant,
    next: Duration,
}

impl Pauses {
    fn until(until: Instant) -> Self {
        Self { until, next: FIRST_PAUSE }
    }

    /// Something has come: the next look is soon.
    fn again(&mut self) {
        self.next = FIRST_PAUSE;
    }

    /// Waits; false when the deadline comes first.
    async fn pause(&mut self) -> bool {
        let pause = self.next;
        self.next = (pause * 2).min(LAST_PAUSE);
        if Instant::now() + pause > self.until {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

impl FalconClient {
    /// Begins a session with a host, or takes up the one that there is. [`Self::rtr_session`] gives a handle.
    ///
    /// # Errors
    /// Not found when the host is away and nothing is to be queued; as the vendor answers.
    pub async fn rtr_init(
        &self,
        device_id: &str,
        origin: &str,
        queue_offline: bool,
        wait: Wait,
    ) -> Result<Reply<SessionHead>> {
        self.entities(rtr::init(device_id, origin, queue_offline, wait)).await
    }

    /// Keeps the session with a host awake.
    ///
    /// # Errors
    /// Not found when there is none; as the vendor answers.
    pub async fn rtr_refresh(&self, device_id: &str, origin: &str) -> Result<Reply<SessionHead>> {
        self.entities(rtr::refresh(device_id, origin)).await
    }

    /// A page of ids of sessions.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_session_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(rtr::session_ids(params)).await
    }

    /// Sessions by id, in any number; those of other users are among the missing.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_sessions_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<SessionRecord>> {
        self.find(ids, Room::body(rtr::MAX_IDS), rtr::sessions).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_delete_session(&self, session_id: &str) -> Result<()> {
        self.gone(rtr::delete(session_id)).await
    }

    /// Counts sessions, by terms or by spans of time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] before anything is sent for a question that is not whole; as the vendor answers.
    pub async fn rtr_count_sessions(&self, specs: &[AggregateSpec]) -> Result<Reply<Aggregate>> {
        let plan = rtr::aggregates(specs);
        if specs.is_empty() || specs.iter().any(|s| s.lacks().is_some()) {
            let hint = "a date_range needs its spans";
            return Err(self.refuse(&plan, "a question of the aggregate is not whole", hint));
        }
        self.entities(plan).await
    }

    /// What waits in sessions with hosts that are away, by the sessions' ids, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_queued_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<QueuedSession>> {
        self.find(ids, Room::body(rtr::MAX_IDS), rtr::queued).await
    }

    /// Takes back a command that waits for its host.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_delete_queued(&self, session_id: &str, cloud_request_id: &str) -> Result<()> {
        self.gone(rtr::delete_queued(session_id, cloud_request_id)).await
    }

    /// Runs a command and gives the receipt. It is sent once: an error whose
    /// [`Error::is_outcome_unknown`] is true leaves open whether the host runs it. [`Session::run`] follows it to its end.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] before anything is sent for a command that cannot be written, or that needs
    /// a higher level; as the vendor answers.
    pub async fn rtr_execute(
        &self,
        level: Level,
        session_id: &str,
        device_id: &str,
        command: &rtr::Command,
        persist: bool,
    ) -> Result<Reply<Executed>> {
        let plan = rtr::execute(level, session_id, device_id, command, persist);
        let plan = plan.map_err(|why| self.unwritten(&why))?;
        self.allowed(&plan, level, command)?;
        self.entities(plan).await
    }

    /// One piece of what a command says, at the level at which it was run.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_status(
        &self,
        level: Level,
        cloud_request_id: &str,
        sequence_id: u32,
    ) -> Result<Reply<Piece>> {
        self.entities(rtr::status(level, cloud_request_id, sequence_id)).await
    }

    /// The files that a session has fetched.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_files(&self, version: Version, session_id: &str) -> Result<Reply<SessionFile>> {
        self.entities(rtr::files(version, session_id)).await
    }

    /// Deletes a file that a session has fetched, by its id in that version of the list.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_delete_file(&self, version: Version, session_id: &str, id: &str) -> Result<()> {
        self.gone(rtr::delete_file(version, session_id, id)).await
    }

    /// Writes a file that a session has fetched to disk: an archive of 7-Zip with the password
    /// [`rtr::ARCHIVE_PASSWORD`]. The SHA-256 that the service knows is that of the file inside; the archive's own
    /// stands in the result.
    ///
    /// # Errors
    /// As the vendor answers, and when the file cannot be written.
    pub async fn rtr_download_file(
        &self,
        session_id: &str,
        sha256: &str,
        filename: Option<&str>,
        to: Download,
    ) -> Result<Downloaded> {
        self.http.download_to(&rtr::extracted(session_id, sha256, filename), &to).await
    }

    /// A page of the sessions of all users.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn rtr_audit(&self, params: &AuditParams) -> Result<Reply<SessionRecord>> {
        self.listing(rtr::audit(params)).await
    }

    /// A change whose answer may have no body at all.
    async fn gone(&self, plan: RequestPlan) -> Result<()> {
        let reply = self.http.fetch(&plan).await?;
        self.look_at(plan.operation.name, &reply.headers);
        Ok(())
    }

    /// A reply whose resources are no list.
    async fn shaped<T: DeserializeOwned>(&self, plan: &RequestPlan) -> Result<T> {
        let reply = self.http.fetch(plan).await?;
        self.look_at(plan.operation.name, &reply.headers);
        read(&reply.body).map_err(|e| {
            let error =
                e.with_operation(plan.operation.name).with_tenant(self.http.tenant(), self.http.vendor());
            if plan.operation.idempotent { error } else { error.with_outcome_unknown() }
        })
    }

    /// A command that is to be run, at the level that it needs.
    fn allowed(&self, plan: &RequestPlan, level: Level, command: &rtr::Command) -> Result<()> {
        if command.level() <= level {
            return Ok(());
        }
        let (message, hint) = match command.level() {
            Level::Admin => ("the command needs the level of an administrator", "run it with Level::Admin"),
            _ => ("the command needs the level of an active responder", "run it with Level::ActiveResponder"),
        };
        Err(self.refuse(plan, message, hint))
    }

    pub(crate) fn unwritten(&self, why: &CommandError) -> Error {
        Error::new(ErrorKind::InvalidRequest, format!("the command cannot be written: {why}"))
            .with_tenant(self.http.tenant(), self.http.vendor())
            .with_hint("leave the odd part out, or write the whole line with Command::raw")
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T> {
    serde_json::from_slice(body).map_err(|e| {
        Error::new(ErrorKind::Decode, "the answer has not the shape of Falcon's envelope")
            .with_hint("check the base URL and what stands between here and the API")
            .with_source(e)
    })
}

/// What a reply must have to be of any use.
fn missing(client: &FalconClient, operation: &'static str, what: &'static str) -> Error {
    Error::new(ErrorKind::Decode, what)
        .with_operation(operation)
        .with_tenant(client.http.tenant(), client.http.vendor())
}
