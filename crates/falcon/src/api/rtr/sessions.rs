//! Sessions with one host: their commands, what waits for a host that is away, the files that they fetched, and who
//! had which.

use edr_http::RequestPlan;
use serde::Serialize;

use super::{
    ADMIN, AUDIT, Command, CommandError, LISTING, Level, READ, UNCAPPED, Version, WAIT, WRITE, Wait,
};
use crate::api::hosts::Device;
use crate::api::{AggregateSpec, Endpoint, ListParams, Verb};
use crate::time::Timestamp;
use crate::wire::wire;

const SESSION: &str = "/real-time-response/entities/sessions/v1";
const COMMAND: &str = "/real-time-response/entities/command/v1";
const ACTIVE: &str = "/real-time-response/entities/active-responder-command/v1";
const ADMINS: &str = "/real-time-response/entities/admin-command/v1";
const FILE_1: &str = "/real-time-response/entities/file/v1";
const FILE_2: &str = "/real-time-response/entities/file/v2";
const PIECE: &[&str] = &["cloud_request_id", "sequence_id"];
const OF_SESSION: &[&str] = &["session_id"];
const FILE: &[&str] = &["ids", "session_id"];

/// Begins a session, or takes up the one that the user has with the host: twice is once.
pub static INIT: Endpoint = Endpoint::repeatable("RTR-InitSession", Verb::Post, SESSION, READ).query(WAIT);
/// Keeps a session awake.
pub static REFRESH: Endpoint = Endpoint::repeatable(
    "RTR-PulseSession",
    Verb::Post,
    "/real-time-response/entities/refresh-session/v1",
    READ,
);
/// Ids of sessions.
pub static SESSION_IDS: Endpoint =
    Endpoint::read("RTR-ListAllSessions", Verb::Get, "/real-time-response/queries/sessions/v1", READ)
        .pages(UNCAPPED, 100)
        .query(LISTING);
/// Sessions by id; those of other users are not given.
pub static SESSIONS: Endpoint =
    Endpoint::read("RTR-ListSessions", Verb::Post, "/real-time-response/entities/sessions/GET/v1", READ)
        .ids(MAX_IDS as u32);
/// Ends a session.
pub static DELETE: Endpoint =
    Endpoint::write("RTR-DeleteSession", Verb::Delete, SESSION, READ).query(OF_SESSION);
/// Counts sessions.
pub static AGGREGATES: Endpoint = Endpoint::read(
    "RTR-AggregateSessions",
    Verb::Post,
    "/real-time-response/aggregates/sessions/GET/v1",
    READ,
);
/// What waits in sessions with hosts that are away.
pub static QUEUED: Endpoint = Endpoint::read(
    "RTR-ListQueuedSessions",
    Verb::Post,
    "/real-time-response/entities/queued-sessions/GET/v1",
    READ,
)
.ids(MAX_IDS as u32);
/// Takes back a command that waits.
pub static DELETE_QUEUED: Endpoint = Endpoint::write(
    "RTR-DeleteQueuedSession",
    Verb::Delete,
    "/real-time-response/entities/queued-sessions/command/v1",
    READ,
)
.query(&["cloud_request_id", "session_id"]);
/// Runs a read-only command. Never sent twice.
pub static EXECUTE_READ: Endpoint = Endpoint::write("RTR-ExecuteCommand", Verb::Post, COMMAND, READ);
/// Runs an active responder's command. Never sent twice.
pub static EXECUTE_ACTIVE: Endpoint =
    Endpoint::write("RTR-ExecuteActiveResponderCommand", Verb::Post, ACTIVE, WRITE);
/// Runs an administrator's command. Never sent twice.
pub static EXECUTE_ADMIN: Endpoint = Endpoint::write("RTR-ExecuteAdminCommand", Verb::Post, ADMINS, ADMIN);
/// What a read-only command says, piece by piece.
pub static STATUS_READ: Endpoint =
    Endpoint::read("RTR-CheckCommandStatus", Verb::Get, COMMAND, READ).query(PIECE);
/// What an active responder's command says, piece by piece.
pub static STATUS_ACTIVE: Endpoint =
    Endpoint::read("RTR-CheckActiveResponderCommandStatus", Verb::Get, ACTIVE, WRITE).query(PIECE);
/// What an administrator's command says, piece by piece.
pub static STATUS_ADMIN: Endpoint =
    Endpoint::read("RTR-CheckAdminCommandStatus", Verb::Get, ADMINS, ADMIN).query(PIECE);
/// The files that a session has fetched.
pub static FILES_V1: Endpoint = Endpoint::read("RTR-ListFiles", Verb::Get, FILE_1, WRITE).query(OF_SESSION);
/// The files that a session has fetched, and how far each has come.
pub static FILES_V2: Endpoint = Endpoint::read("RTR-ListFilesV2", Verb::Get, FILE_2, WRITE).query(OF_SESSION);
/// Deletes a file that a session has fetched.
pub static DELETE_FILE_V1: Endpoint =
    Endpoint::write("RTR-DeleteFile", Verb::Delete, FILE_1, WRITE).query(FILE);
/// Deletes a file that a session has fetched, by the id of the second version.
pub static DELETE_FILE_V2: Endpoint =
    Endpoint::write("RTR-DeleteFileV2", Verb::Delete, FILE_2, WRITE).query(FILE);
/// A file that a session has fetched, in an archive of 7-Zip.
pub static EXTRACTED: Endpoint = Endpoint::read(
    "RTR-GetExtractedFileContents",
    Verb::Get,
    "/real-time-response/entities/extracted-file-contents/v1",
    WRITE,
)
.query(&["filename", "session_id", "sha256"]);
/// Sessions of all users.
pub static AUDIT_SESSIONS: Endpoint =
    Endpoint::read("RTRAuditSessions", Verb::Get, "/real-time-response-audit/combined/sessions/v1", AUDIT)
        .pages(UNCAPPED, 1_000)
        .query(&["filter", "limit", "offset", "sort", "with_command_info"]);

/// The most sessions by id in one call; no other limit is published.
pub const MAX_IDS: usize = 100;
/// The password of the archives in which files come.
pub const ARCHIVE_PASSWORD: &str = "infected";

#[derive(Serialize)]
struct Init<'a> {
    device_id: &'a str,
    origin: &'a str,
    queue_offline: bool,
}

/// Begins a session. With `queue_offline` one with a host that is away waits for it; without, it is refused.
#[must_use]
pub fn init(device_id: &str, origin: &str, queue_offline: bool, wait: Wait) -> RequestPlan {
    wait.on(INIT.json(&Init { device_id, origin, queue_offline }))
}

/// Keeps the session with a host awake.
#[must_use]
pub fn refresh(device_id: &str, origin: &str) -> RequestPlan {
    REFRESH.json(&Init { device_id, origin, queue_offline: false })
}

/// A page of ids of sessions. In a filter `user_id:'@me'` is the caller.
#[must_use]
pub fn session_ids(params: &ListParams) -> RequestPlan {
    params.plan(&SESSION_IDS)
}

/// Sessions by id, at most [`MAX_IDS`].
#[must_use]
pub fn sessions<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    SESSIONS.by_body(ids)
}

/// Ends a session.
#[must_use]
pub fn delete(session_id: &str) -> RequestPlan {
    DELETE.plan().query("session_id", session_id)
}

/// Counts sessions, by terms or by spans of time.
#[must_use]
pub fn aggregates(specs: &[AggregateSpec]) -> RequestPlan {
    AGGREGATES.json(&specs)
}

/// What waits in sessions, at most [`MAX_IDS`].
#[must_use]
pub fn queued<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    QUEUED.by_body(ids)
}

/// Takes back a command that waits.
#[must_use]
pub fn delete_queued(session_id: &str, cloud_request_id: &str) -> RequestPlan {
    DELETE_QUEUED.plan().query("session_id", session_id).query("cloud_request_id", cloud_request_id)
}

#[derive(Serialize)]
struct Execute<'a> {
    base_command: &'a str,
    command_string: &'a str,
    device_id: &'a str,
    id: u8,
    persist: bool,
    session_id: &'a str,
}

/// Runs a command in a session, at a level. With `persist` it also waits for a host that has gone away since.
///
/// # Errors
/// When the command cannot be written.
pub fn execute(
    level: Level,
    session_id: &str,
    device_id: &str,
    command: &Command,
    persist: bool,
) -> Result<RequestPlan, CommandError> {
    let endpoint = level.of(&EXECUTE_READ, &EXECUTE_ACTIVE, &EXECUTE_ADMIN);
    let (base_command, command_string) = (command.base().as_str(), command.line()?);
    Ok(endpoint.json(&Execute { base_command, command_string, device_id, id: 0, persist, session_id }))
}

/// One piece of what a command says; the first is 0. Pieces that were given are not repeated in later ones.
#[must_use]
pub fn status(level: Level, cloud_request_id: &str, sequence_id: u32) -> RequestPlan {
    let endpoint = level.of(&STATUS_READ, &STATUS_ACTIVE, &STATUS_ADMIN);
    endpoint.plan().query("cloud_request_id", cloud_request_id).query("sequence_id", sequence_id.to_string())
}

/// The files that a session has fetched.
#[must_use]
pub fn files(version: Version, session_id: &str) -> RequestPlan {
    version.of(&FILES_V1, &FILES_V2).plan().query("session_id", session_id)
}

/// Deletes a file that a session has fetched, by its id in that version.
#[must_use]
pub fn delete_file(version: Version, session_id: &str, id: &str) -> RequestPlan {
    let endpoint = version.of(&DELETE_FILE_V1, &DELETE_FILE_V2);
    endpoint.plan().query("session_id", session_id).query("ids", id)
}

/// A file that a session has fetched, in an archive of 7-Zip with the password [`ARCHIVE_PASSWORD`].
#[must_use]
pub fn extracted(session_id: &str, sha256: &str, filename: Option<&str>) -> RequestPlan {
    EXTRACTED.plan().query("session_id", session_id).query("sha256", sha256).maybe("filename", filename)
}

/// Which sessions of the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditParams {
    /// FQL, order and page.
    pub list: ListParams,
    /// With the commands of each session.
    pub with_commands: bool,
}

/// A page of the sessions of all users.
#[must_use]
pub fn audit(params: &AuditParams) -> RequestPlan {
    let plan = params.list.plan(&AUDIT_SESSIONS);
    plan.maybe("with_command_info", params.with_commands.then_some(true))
}

wire! {
    /// A session that has begun, `domain.InitResponse`.
    pub struct SessionHead {
        created_at: Option<Timestamp>,
        device_id: Option<String>,
        existing_aid_sessions: Option<i64>,
        offline_queued: Option<bool>,
        platform: Option<String>,
        previous_commands: Vec<String>,
        pwd: Option<String>,
        scripts: Vec<CommandHelp>,
        session_id: Option<String>,
    }
}

wire! {
    /// A command that can be run in a session, `domain.ScriptHelp`.
    pub struct CommandHelp {
        args: Vec<ArgumentHelp>,
        command: Option<String>,
        description: Option<String>,
        examples: Option<String>,
        internal_only: Option<bool>,
        runnable: Option<bool>,
        sub_commands: Vec<CommandHelp>,
    }
}

wire! {
    /// An argument of a command, `model.Argument`.
    pub struct ArgumentHelp {
        arg_name: Option<String>,
        arg_type: Option<String>,
        command_level: Option<String>,
        data_type: Option<String>,
        default_value: Option<String>,
        description: Option<String>,
        encoding: Option<String>,
        options: Vec<String>,
        required: Option<bool>,
        requires_value: Option<bool>,
        sequence: Option<i64>,
    }
}

wire! {
    /// A session as it is kept, `domain.Session`.
    pub struct SessionRecord {
        cid: Option<String>,
        cloud_request_ids: Vec<String>,
        commands_queued: Option<bool>,
        created_at: Option<Timestamp>,
        deleted_at: Option<Timestamp>,
        device_details: Option<Box<Device>>,
        device_id: Option<String>,
        duration: Option<f64>,
        execution_id: Option<String>,
        hostname: Option<String>,
        id: Option<String>,
        logs: Vec<SessionLog>,
        offline_queued: Option<bool>,
        origin: Option<String>,
        platform_id: Option<i64>,
        platform_name: Option<String>,
        pwd: Option<String>,
        updated_at: Option<Timestamp>,
        user_id: Option<String>,
        user_uuid: Option<String>,
    }
}

wire! {
    /// A command that was run in a session, `model.SessionLog`.
    pub struct SessionLog {
        base_command: Option<String>,
        cloud_request_id: Option<String>,
        command_string: Option<String>,
        created_at: Option<Timestamp>,
        current_directory: Option<String>,
        id: Option<i64>,
        session_id: Option<String>,
        updated_at: Option<Timestamp>,
    }
}

wire! {
    /// A session that waits for its host, `domain.QueuedSessionJob`.
    pub struct QueuedSession {
        aid: Option<String>,
        commands("Commands"): Vec<QueuedCommand>,
        created_at: Option<Timestamp>,
        deleted_at: Option<Timestamp>,
        id: Option<String>,
        status: Option<String>,
        updated_at: Option<Timestamp>,
        user_id: Option<String>,
        user_uuid: Option<String>,
    }
}

wire! {
    /// A command that waits for its host, `domain.QueuedSessionCommand`.
    pub struct QueuedCommand {
        base_command: Option<String>,
        cloud_request_id: Option<String>,
        command_string: Option<String>,
        created_at: Option<Timestamp>,
        deleted_at: Option<Timestamp>,
        status: Option<String>,
        status_text: Option<String>,
        updated_at: Option<Timestamp>,
    }
}

wire! {
    /// A command that was taken, `domain.CommandExecuteResponse`.
    pub struct Executed {
        cloud_request_id: Option<String>,
        queued_command_offline: Option<bool>,
        session_id: Option<String>,
    }
}

wire! {
    /// A piece of what a command says, `domain.StatusResponse`.
    pub struct Piece {
        base_command: Option<String>,
        complete: Option<bool>,
        sequence_id: Option<i64>,
        session_id: Option<String>,
        stderr: Option<String>,
        stdout: Option<String>,
        task_id: Option<String>,
    }
}

wire! {
    /// A file that a session has fetched, `domain.FileV2`; of `model.File` the parts that it has.
    pub struct SessionFile {
        cloud_request_id: Option<String>,
        complete: Option<bool>,
        created_at: Option<Timestamp>,
        deleted_at: Option<Timestamp>,
        error_message: Option<String>,
        id: Option<String>,
        name: Option<String>,
        progress: Option<f64>,
        session_id: Option<String>,
        sha256: Option<String>,
        size: Option<i64>,
        stage: Option<String>,
        status: Option<String>,
        updated_at: Option<Timestamp>,
    }
}
