//! Many hosts at once.

use edr_http::RequestPlan;
use serde::Serialize;

use super::{ADMIN, Command, CommandError, Level, READ, SessionFile, WAIT, WAITS, WRITE, Wait};
use crate::api::{ApiError, Endpoint, Meta, Verb};
use crate::wire::{Entries, wire};

const GET: &str = "/real-time-response/combined/batch-get-command/v1";

/// Begins sessions with many hosts. Sessions that there are already are taken up.
pub static BATCH_INIT: Endpoint = Endpoint::repeatable(
    "BatchInitSessions",
    Verb::Post,
    "/real-time-response/combined/batch-init-session/v1",
    READ,
)
.ids(MAX_HOSTS as u32)
.query(WAITS);
/// Keeps the sessions of a batch awake, and takes hosts out of it.
pub static BATCH_REFRESH: Endpoint = Endpoint::repeatable(
    "BatchRefreshSessions",
    Verb::Post,
    "/real-time-response/combined/batch-refresh-session/v1",
    READ,
)
.query(WAIT);
/// Runs a read-only command on a batch. Never sent twice.
pub static BATCH_READ: Endpoint =
    Endpoint::write("BatchCmd", Verb::Post, "/real-time-response/combined/batch-command/v1", READ)
        .query(WAITS);
/// Runs an active responder's command on a batch. Never sent twice.
pub static BATCH_ACTIVE: Endpoint = Endpoint::write(
    "BatchActiveResponderCmd",
    Verb::Post,
    "/real-time-response/combined/batch-active-responder-command/v1",
    WRITE,
)
.query(WAITS);
/// Runs an administrator's command on a batch. Never sent twice.
pub static BATCH_ADMIN: Endpoint = Endpoint::write(
    "BatchAdminCmd",
    Verb::Post,
    "/real-time-response/combined/batch-admin-command/v1",
    ADMIN,
)
.query(WAITS);
/// Fetches a file from every host of a batch. Never sent twice.
pub static BATCH_GET: Endpoint = Endpoint::write("BatchGetCmd", Verb::Post, GET, WRITE).query(WAITS);
/// Which of these files have come.
pub static BATCH_GET_STATUS: Endpoint = Endpoint::read("BatchGetCmdStatus", Verb::Get, GET, WRITE).query(&[
    "batch_get_cmd_req_id",
    "timeout",
    "timeout_duration",
]);

/// The most hosts in a batch.
pub const MAX_HOSTS: usize = 10_000;

#[derive(Serialize)]
struct Init<'a> {
    existing_batch_id: &'a str,
    host_ids: Vec<&'a str>,
    queue_offline: bool,
}

fn texts<S: AsRef<str>>(all: &[S]) -> Vec<&str> {
    all.iter().map(AsRef::as_ref).collect()
}

/// Begins sessions with hosts, at most [`MAX_HOSTS`], in a batch of their own or in one that there is.
#[must_use]
pub fn batch_init<S: AsRef<str>>(
    hosts: &[S],
    queue_offline: bool,
    existing: Option<&str>,
    wait: Wait,
) -> RequestPlan {
    let existing_batch_id = existing.unwrap_or_default();
    wait.with_hosts(BATCH_INIT.json(&Init { existing_batch_id, host_ids: texts(hosts), queue_offline }))
}

#[derive(Serialize)]
struct Refresh<'a> {
    batch_id: &'a str,
    hosts_to_remove: Vec<&'a str>,
}

/// Keeps a batch awake, but for hosts that leave it.
#[must_use]
pub fn batch_refresh<S: AsRef<str>>(batch_id: &str, remove: &[S], wait: Wait) -> RequestPlan {
    wait.on(BATCH_REFRESH.json(&Refresh { batch_id, hosts_to_remove: texts(remove) }))
}

#[derive(Serialize)]
struct Execute<'a> {
    base_command: &'a str,
    batch_id: &'a str,
    command_string: &'a str,
    optional_hosts: Vec<&'a str>,
    persist_all: bool,
}

/// Runs a command on a batch at a level, or on some of its hosts. With `persist` it also waits for hosts that have gone
/// away since.
///
/// # Errors
/// When the command cannot be written.
pub fn batch_execute<S: AsRef<str>>(
    level: Level,
    batch_id: &str,
    command: &Command,
    only: &[S],
    persist: bool,
    wait: Wait,
) -> Result<RequestPlan, CommandError> {
    let endpoint = level.of(&BATCH_READ, &BATCH_ACTIVE, &BATCH_ADMIN);
    Ok(wait.with_hosts(endpoint.json(&Execute {
        base_command: command.base().as_str(),
        batch_id,
        command_string: command.line()?,
        optional_hosts: texts(only),
        persist_all: persist,
    })))
}

#[derive(Serialize)]
struct Get<'a> {
    batch_id: &'a str,
    file_path: &'a str,
    optional_hosts: Vec<&'a str>,
}

/// Fetches a file from the hosts of a batch, or from some of them.
#[must_use]
pub fn batch_get<S: AsRef<str>>(batch_id: &str, file_path: &str, only: &[S], wait: Wait) -> RequestPlan {
    wait.with_hosts(BATCH_GET.json(&Get { batch_id, file_path, optional_hosts: texts(only) }))
}

/// Which of the files have come.
#[must_use]
pub fn batch_get_status(request_id: &str, wait: Wait) -> RequestPlan {
    wait.on(BATCH_GET_STATUS.plan().query("batch_get_cmd_req_id", request_id))
}

wire! {
    /// What one host of a batch says, `domain.MultiStatusSensorResponse`.
    pub struct HostResult {
        aid: Option<String>,
        base_command: Option<String>,
        complete: Option<bool>,
        errors: Vec<ApiError>,
        offline_queued: Option<bool>,
        query_time: Option<f64>,
        sequence_id: Option<i64>,
        session_id: Option<String>,
        stderr: Option<String>,
        stdout: Option<String>,
        task_id: Option<String>,
    }
}

wire! {
    /// What the hosts of a batch say, each under its id. Of `domain.BatchInitSessionResponse`,
    /// `domain.MultiCommandExecuteResponseWrapper`, `domain.BatchGetCommandResponse` and
    /// `domain.BatchRefreshSessionResponse` each has a part.
    pub struct BatchReply {
        batch_get_cmd_req_id: Option<String>,
        batch_id: Option<String>,
        combined: Option<Combined>,
        errors: Vec<ApiError>,
        meta: Option<Meta>,
        resources: Entries<HostResult>,
    }
}

wire! {
    /// The results of a command, by host.
    pub struct Combined {
        resources: Entries<HostResult>,
    }
}

impl BatchReply {
    /// What each host says, whichever part of the reply it stands in.
    #[must_use]
    pub fn hosts(self) -> Vec<(String, HostResult)> {
        let apart = self.combined.map(|c| c.resources.0).unwrap_or_default();
        self.resources.0.into_iter().chain(apart).collect()
    }
}

wire! {
    /// The files that have come, by host, `domain.BatchGetCmdStatusResponse`.
    pub struct BatchFiles {
        errors: Vec<ApiError>,
        meta: Option<Meta>,
        resources: Entries<SessionFile>,
    }
}
