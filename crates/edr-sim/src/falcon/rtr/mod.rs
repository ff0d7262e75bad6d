//! Real Time Response: sessions with hosts, alone and by the batch, their commands, files and scripts (falcon-api 7.1).
//!
//! A session ends after ten minutes without a word, by virtual time. One that waits for its host keeps its commands
//! until the host is back on line. What a command says is asked for piece by piece, and the first asking is too early.

mod batch;
mod book;
mod commands;
mod files;
mod library;
mod line;
mod sessions;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::envelope::{ApiError, reply, service_error, trace_id};
use super::guard::{Caller, Context};
use super::hosts_list::Refused;
use super::things::{Ask, service};
use crate::state::SimState;

pub(crate) use book::Desks;
pub use line::words;

const SERVICE: &str = "empower-api";
const READ: Option<&str> = Some("real-time-response:read");
const ACT: Option<&str> = Some("real-time-response:write");
const ADMIN: Option<&str> = Some("real-time-response-admin:write");
const AUDIT: Option<&str> = Some("real-time-response-audit:read");

const COMMAND: &str = "/real-time-response/entities/command/v1";
const ACT_COMMAND: &str = "/real-time-response/entities/active-responder-command/v1";
const ADMIN_COMMAND: &str = "/real-time-response/entities/admin-command/v1";
const BATCH_COMMAND: &str = "/real-time-response/combined/batch-command/v1";
const BATCH_ACT: &str = "/real-time-response/combined/batch-active-responder-command/v1";
const BATCH_ADMIN: &str = "/real-time-response/combined/batch-admin-command/v1";
const BATCH_INIT: &str = "/real-time-response/combined/batch-init-session/v1";
const BATCH_REFRESH: &str = "/real-time-response/combined/batch-refresh-session/v1";
const BATCH_GET: &str = "/real-time-response/combined/batch-get-command/v1";
const SESSIONS: &str = "/real-time-response/entities/sessions/v1";
const REFRESH: &str = "/real-time-response/entities/refresh-session/v1";
const SESSION_IDS: &str = "/real-time-response/queries/sessions/v1";
const SESSIONS_GET: &str = "/real-time-response/entities/sessions/GET/v1";
const QUEUED_GET: &str = "/real-time-response/entities/queued-sessions/GET/v1";
const QUEUED_COMMAND: &str = "/real-time-response/entities/queued-sessions/command/v1";
const AGGREGATES: &str = "/real-time-response/aggregates/sessions/GET/v1";
const AUDIT_SESSIONS: &str = "/real-time-response-audit/combined/sessions/v1";
const FILES: &str = "/real-time-response/entities/file/v1";
const FILES_2: &str = "/real-time-response/entities/file/v2";
const EXTRACTED: &str = "/real-time-response/entities/extracted-file-contents/v1";
const PUT_IDS: &str = "/real-time-response/queries/put-files/v1";
const PUT: &str = "/real-time-response/entities/put-files/v1";
const PUT_2: &str = "/real-time-response/entities/put-files/v2";
const PUT_CONTENTS: &str = "/real-time-response/entities/put-file-contents/v1";
const SCRIPT_IDS: &str = "/real-time-response/queries/scripts/v1";
const SCRIPTS: &str = "/real-time-response/entities/scripts/v1";
const SCRIPTS_2: &str = "/real-time-response/entities/scripts/v2";
const FALCON_IDS: &str = "/real-time-response/queries/falcon-scripts/v1";
const FALCON_SCRIPTS: &str = "/real-time-response/entities/falcon-scripts/v1";

/// The operations of this service.
pub(super) const OPERATIONS: &[super::Operation] = &[
    ("POST", SESSIONS, "RTR-InitSession", READ),
    ("DELETE", SESSIONS, "RTR-DeleteSession", READ),
    ("POST", REFRESH, "RTR-PulseSession", READ),
    ("GET", SESSION_IDS, "RTR-ListAllSessions", READ),
    ("POST", SESSIONS_GET, "RTR-ListSessions", READ),
    ("POST", QUEUED_GET, "RTR-ListQueuedSessions", READ),
    ("DELETE", QUEUED_COMMAND, "RTR-DeleteQueuedSession", READ),
    ("POST", AGGREGATES, "RTR-AggregateSessions", READ),
    ("POST", COMMAND, "RTR-ExecuteCommand", READ),
    ("GET", COMMAND, "RTR-CheckCommandStatus", READ),
    ("POST", ACT_COMMAND, "RTR-ExecuteActiveResponderCommand", ACT),
    ("GET", ACT_COMMAND, "RTR-CheckActiveResponderCommandStatus", ACT),
    ("POST", ADMIN_COMMAND, "RTR-ExecuteAdminCommand", ADMIN),
    ("GET", ADMIN_COMMAND, "RTR-CheckAdminCommandStatus", ADMIN),
    ("POST", BATCH_INIT, "BatchInitSessions", READ),
    ("POST", BATCH_REFRESH, "BatchRefreshSessions", READ),
    ("POST", BATCH_COMMAND, "BatchCmd", READ),
    ("POST", BATCH_ACT, "BatchActiveResponderCmd", ACT),
    ("POST", BATCH_ADMIN, "BatchAdminCmd", ADMIN),
    ("POST", BATCH_GET, "BatchGetCmd", ACT),
    ("GET", BATCH_GET, "BatchGetCmdStatus", ACT),
    ("GET", FILES, "RTR-ListFiles", ACT),
    ("DELETE", FILES, "RTR-DeleteFile", ACT),
    ("GET", FILES_2, "RTR-ListFilesV2", ACT),
    ("DELETE", FILES_2, "RTR-DeleteFileV2", ACT),
    ("GET", EXTRACTED, "RTR-GetExtractedFileContents", ACT),
    ("GET", PUT_IDS, "RTR-ListPut-Files", ADMIN),
    ("GET", PUT, "RTR-GetPut-Files", ADMIN),
    ("POST", PUT, "RTR-CreatePut-Files", ADMIN),
    ("DELETE", PUT, "RTR-DeletePut-Files", ADMIN),
    ("GET", PUT_2, "RTR-GetPut-FilesV2", ADMIN),
    ("POST", PUT_2, "RTR-CreatePut-FilesV2", ADMIN),
    ("GET", PUT_CONTENTS, "RTR-GetPutFileContents", ADMIN),
    ("GET", SCRIPT_IDS, "RTR-ListScripts", ADMIN),
    ("GET", SCRIPTS, "RTR-GetScripts", ADMIN),
    ("POST", SCRIPTS, "RTR-CreateScripts", ADMIN),
    ("PATCH", SCRIPTS, "RTR-UpdateScripts", ADMIN),
    ("DELETE", SCRIPTS, "RTR-DeleteScripts", ADMIN),
    ("GET", SCRIPTS_2, "RTR-GetScriptsV2", ADMIN),
    ("POST", SCRIPTS_2, "RTR-CreateScriptsV2", ADMIN),
    ("PATCH", SCRIPTS_2, "RTR-UpdateScriptsV2", ADMIN),
    ("GET", FALCON_IDS, "RTR-ListFalconScripts", ADMIN),
    ("GET", FALCON_SCRIPTS, "RTR-GetFalconScripts", ADMIN),
    ("GET", AUDIT_SESSIONS, "RTRAuditSessions", AUDIT),
];

/// Whether a path takes files, which may be larger than other bodies.
pub(crate) fn takes_files(path: &str) -> bool {
    [PUT, PUT_2, SCRIPTS, SCRIPTS_2].contains(&path)
}

type Handler = fn(&Ask<'_>) -> Result<Response, Refused>;

pub(super) fn router() -> Router<Arc<SimState>> {
    let handlers: [(&str, Handler); 29] = [
        (SESSIONS, sessions::session),
        (REFRESH, sessions::pulse),
        (SESSION_IDS, sessions::list),
        (SESSIONS_GET, sessions::get),
        (QUEUED_GET, sessions::queued),
        (QUEUED_COMMAND, sessions::drop_queued),
        (AGGREGATES, sessions::aggregates),
        (AUDIT_SESSIONS, sessions::audit),
        (COMMAND, commands::command),
        (ACT_COMMAND, commands::command),
        (ADMIN_COMMAND, commands::command),
        (BATCH_INIT, batch::init),
        (BATCH_REFRESH, batch::refresh),
        (BATCH_COMMAND, batch::command),
        (BATCH_ACT, batch::command),
        (BATCH_ADMIN, batch::command),
        (BATCH_GET, batch::take),
        (FILES, files::files),
        (FILES_2, files::files),
        (EXTRACTED, files::extracted),
        (PUT_IDS, library::ids),
        (PUT, library::entities),
        (PUT_2, library::entities),
        (PUT_CONTENTS, library::contents),
        (SCRIPT_IDS, library::ids),
        (SCRIPTS, library::entities),
        (SCRIPTS_2, library::entities),
        (FALCON_IDS, library::falcon_ids),
        (FALCON_SCRIPTS, library::falcon_scripts),
    ];
    let router = handlers.into_iter().fold(Router::new(), |r, (path, work)| r.route(path, service(work)));
    // The gate has measured the body already.
    router.layer(DefaultBodyLimit::disable())
}

/// A host is back on line: what waited for it is carried out.
pub(crate) fn woke(state: &SimState, place: usize, host: u64) {
    if let Some(c) = Caller(place).context(state) {
        c.state.falcon.rtr.with(c, |book| commands::catch_up(c, book, host));
    }
}

/// An error as this service mostly writes it: bare, without an envelope.
fn bare(status: StatusCode, code: u16, message: &str) -> Refused {
    let body = json!({"code": code, "message": message});
    Box::new(reply(status, &trace_id(), body.to_string().into_bytes()))
}

fn wrong(message: &str) -> Refused {
    bare(StatusCode::BAD_REQUEST, 400, message)
}

/// An error in the usual envelope, as this service writes it at times.
fn absent(code: u16, message: &str) -> Refused {
    Box::new(service_error(StatusCode::NOT_FOUND, SERVICE, code, message))
}

/// The host cannot be reached.
const NO_COMMS: (u16, &str) = (40_401, "Could not establish sensor comms");

fn error_of((code, message): (u16, &str)) -> Value {
    json!([ApiError::new(code, message)])
}

/// A reply whose resources are no list.
fn shaped(status: StatusCode, parts: Value) -> Response {
    let mut body = json!({"meta": {"query_time": 0.31, "powered_by": SERVICE, "trace_id": ""}, "errors": []});
    if let (Some(body), Value::Object(parts)) = (body.as_object_mut(), parts) {
        body.extend(parts);
    }
    reply(status, &trace_id(), body.to_string().into_bytes())
}

/// 204, without a body.
fn nothing() -> Response {
    reply(StatusCode::NO_CONTENT, &trace_id(), Vec::new())
}

/// The body, which must be an object.
fn object(ask: &Ask<'_>) -> Result<Value, Refused> {
    let body: Option<Value> = serde_json::from_slice(&ask.body).ok();
    body.filter(Value::is_object).ok_or_else(|| wrong("Failed to parse request body"))
}

fn need<'a>(body: &'a Value, key: &str) -> Result<&'a str, Refused> {
    let text = body[key].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| wrong(&format!("{key} is required")))
}

/// A parameter of the query.
fn asked<'a>(ask: &'a Ask<'_>, key: &str) -> Result<&'a str, Refused> {
    ask.get(key).ok_or_else(|| wrong(&format!("{key} is required")))
}

fn log(c: Context<'_>, operation: &str, target: &str, before: Value, after: Value) {
    c.state.log.push(&c.tenant.name, operation, target, before, after);
}
