//! Files to put onto hosts, scripts of one's own, and those that the vendor brings.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::envelope::Envelope;
use super::super::fql::{Dialect, Kind};
use super::super::guard::Context;
use super::super::hosts_list::Refused;
use super::super::things::{Ask, Kept, Style, by_id, meta_only, new_id, no_method, now, page, refuse, then};
use super::upload::{Part, parts, text};
use super::{PUT, PUT_2, PUT_CONTENTS, PUT_IDS, SCRIPTS_2, SERVICE, absent, asked, files, wrong};
use crate::estate::hash::hex_of;

const FILES: Kept = Kept { kind: "put-files", id: "id", born: |_| Vec::new() };
const SCRIPTS: Kept = Kept { kind: "scripts", id: "id", born: |_| Vec::new() };
const PERMISSIONS: [&str; 4] = ["private", "group", "public", "none"];

const STYLE: Style = Style {
    service: "binserv",
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("id", Kind::Exact),
            ("created_by", Kind::Text),
            ("created_timestamp", Kind::Time),
            ("description", Kind::Text),
            ("modified_timestamp", Kind::Time),
            ("name", Kind::Text),
            ("permission_type", Kind::Text),
            ("platform", Kind::Text),
            ("sha256", Kind::Exact),
            ("size", Kind::Number),
        ],
    },
    most: 5_000,
    default: 100,
    sort: "name|asc",
    pipe: false,
    next_offset: false,
    silent: false,
};

/// What a path is about.
fn kept(ask: &Ask<'_>) -> Kept {
    if [PUT, PUT_2, PUT_CONTENTS, PUT_IDS].contains(&ask.path) { FILES } else { SCRIPTS }
}

fn second(ask: &Ask<'_>) -> bool {
    [PUT_2, SCRIPTS_2].contains(&ask.path)
}

/// Whether there is a file or script of this name.
pub(super) fn is_known(c: Context<'_>, kind: &str, name: &str) -> bool {
    let kept = if kind == FILES.kind { FILES } else { SCRIPTS };
    kept.with(c, |rows| rows.iter().any(|row| row["name"] == name))
}

pub(super) fn ids(ask: &Ask<'_>) -> Result<Response, Refused> {
    Ok(page(ask, kept(ask).all(ask.c), &STYLE)?.ids(STYLE.service, "id").into_response())
}

pub(super) fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::GET => get(ask),
        Method::POST => create(ask),
        Method::PATCH => update(ask),
        Method::DELETE => delete(ask),
        _ => no_method(),
    }
}

/// The second version knows of workflows.
fn shown(ask: &Ask<'_>, row: &Value) -> Value {
    let mut row = row.clone();
    if second(ask) {
        row["share_with_workflow"] = false.into();
        row["workflow_is_disruptive"] = false.into();
    }
    row
}

fn get(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.every("ids");
    if ids.is_empty() {
        return Err(wrong("ids is required"));
    }
    let rows: Vec<Value> = kept(ask).all(ask.c).iter().map(|row| shown(ask, row)).collect();
    Ok(by_id(SERVICE, &rows, "id", &ids, "file").into_response())
}

/// The fields of a form, and what is wrong with them.
fn form(ask: &Ask<'_>) -> Result<Vec<Part>, Refused> {
    let parts = parts(&ask.body).ok_or_else(|| wrong("the body is no multipart form"))?;
    let permission = text(&parts, "permission_type");
    if permission.is_some_and(|p| !PERMISSIONS.contains(&p.as_str())) {
        return Err(wrong("permission_type must be private, group, public or none"));
    }
    Ok(parts)
}

/// What is in a form: the file, or for a script its text.
fn content(parts: &[Part]) -> Option<(Option<String>, Bytes)> {
    let file = parts.iter().find(|p| p.name == "file").map(|p| (p.filename.clone(), p.bytes.clone()));
    file.or_else(|| Some((None, text(parts, "content")?.into())))
}

fn create(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (c, kept, parts) = (ask.c, kept(ask), form(ask)?);
    let (filename, bytes) = content(&parts).ok_or_else(|| wrong("file is required"))?;
    let description = text(&parts, "description").ok_or_else(|| wrong("description is required"))?;
    let name = text(&parts, "name").or(filename).ok_or_else(|| wrong("name is required"))?;
    if is_known(c, kept.kind, &name) {
        return Err(refuse(SERVICE, StatusCode::CONFLICT, "file with given name already exists", &name));
    }
    let (at, by) = (now(c), &c.falcon.client_id);
    let mut row = json!({"id": format!("{}_{}", new_id(c), c.falcon.cid), "name": name, "description": description,
        "created_by": by, "created_by_uuid": by, "created_timestamp": at, "modified_by": by, "modified_by_uuid": by,
        "modified_timestamp": at, "file_type": "application/octet-stream", "permission_type": "none",
        "run_attempt_count": 0, "run_success_count": 0, "write_access": true});
    set(c, &mut row, &parts, kept.kind == SCRIPTS.kind, bytes);
    let operation = super::super::operation(&ask.method, ask.path).unwrap_or_default();
    let row = kept.add(c, operation, row);
    Ok(done(ask, &row, StatusCode::OK))
}

/// Puts into a row what a form says; what is empty stays as it is.
fn set(c: Context<'_>, row: &mut Value, parts: &[Part], script: bool, bytes: Bytes) {
    for key in ["comments_for_audit_log", "description", "name", "permission_type"] {
        if let Some(text) = text(parts, key) {
            row[key] = text.into();
        }
    }
    let platforms = parts.iter().filter(|p| p.name == "platform");
    let platforms: Vec<String> = platforms.map(|p| String::from_utf8_lossy(&p.bytes).into_owned()).collect();
    if script && (!platforms.is_empty() || row["platform"].is_null()) {
        row["platform"] = if platforms.is_empty() { json!(["windows"]) } else { json!(platforms) };
    }
    let sha256 = hex_of(&Sha256::digest(&bytes));
    (row["sha256"], row["size"]) = (sha256.as_str().into(), bytes.len().into());
    if script {
        row["file_type"] = "script".into();
        row["content"] = String::from_utf8_lossy(&bytes).into_owned().into();
    }
    c.state.falcon.rtr.keep(&sha256, bytes);
}

/// The first version answers without a row.
fn done(ask: &Ask<'_>, row: &Value, status: StatusCode) -> Response {
    let mut envelope =
        if second(ask) { Envelope::new(SERVICE).with(&[shown(ask, row)]) } else { meta_only(SERVICE, 1) };
    envelope.status = status;
    envelope.into_response()
}

/// Scripts alone can be changed.
fn update(ask: &Ask<'_>) -> Result<Response, Refused> {
    if kept(ask).kind == FILES.kind {
        return no_method();
    }
    let (c, parts) = (ask.c, form(ask)?);
    let id = text(&parts, "id").ok_or_else(|| wrong("id is required"))?;
    let (_, bytes) = content(&parts).ok_or_else(|| wrong("file is required"))?;
    let at = now(c);
    let operation = super::super::operation(&ask.method, ask.path).unwrap_or_default();
    let row = SCRIPTS.change(c, operation, &id, |row| {
        set(c, row, &parts, true, bytes);
        row["modified_timestamp"] = at.into();
    });
    let row = row.ok_or_else(|| absent(404, "file not found"))?;
    Ok(done(ask, &row, StatusCode::ACCEPTED))
}

fn delete(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (id, kept) = (asked(ask, "ids")?, kept(ask));
    let operation = super::super::operation(&ask.method, ask.path).unwrap_or_default();
    kept.remove(ask.c, operation, id).ok_or_else(|| absent(404, "file not found"))?;
    Ok(meta_only(SERVICE, 1).into_response())
}

pub(super) fn contents(ask: &Ask<'_>) -> Result<Response, Refused> {
    let id = asked(ask, "id")?;
    let rows = FILES.all(ask.c);
    let hash = rows.iter().find(|row| row["id"] == id).and_then(|row| row["sha256"].as_str());
    let bytes = hash.and_then(|hash| ask.c.state.falcon.rtr.bytes(hash));
    let bytes = bytes.ok_or_else(|| absent(404, "file not found"))?;
    Ok(files::attachment(bytes, "application/octet-stream"))
}

/// The scripts that the vendor brings.
fn falcon(ask: &Ask<'_>) -> Vec<Value> {
    let row = |(name, platform, disruptive): &(&str, &str, bool)| {
        let at = then(ask.c, name);
        json!({"id": crate::estate::hash::hex32(crate::estate::hash::mix_str(0x5C, name)), "name": name,
            "description": format!("{name} on {platform}"), "platform": platform, "content": "",
            "access_roles": ["real_time_responder"], "categories": ["response"], "created_by": "CrowdStrike",
            "created_timestamp": at, "modified_by": "CrowdStrike", "modified_timestamp": at,
            "is_disruptive": disruptive, "modifies_system": disruptive, "revision": 3, "use_case": "response",
            "workflow_enabled": false, "workflow_input_schema": "", "workflow_output_schema": "",
            "workflow_tags": []})
    };
    [("EventLog", "windows", false), ("Process", "windows", true), ("ListeningPorts", "linux", false)]
        .iter()
        .map(row)
        .collect()
}

pub(super) fn falcon_ids(ask: &Ask<'_>) -> Result<Response, Refused> {
    let style = Style { service: SERVICE, most: 100, ..STYLE };
    Ok(page(ask, falcon(ask), &style)?.ids(SERVICE, "id").into_response())
}

pub(super) fn falcon_scripts(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.every("ids");
    if ids.is_empty() {
        return Err(wrong("ids is required"));
    }
    Ok(by_id(SERVICE, &falcon(ask), "id", &ids, "script").into_response())
}
