//! Quarantined files: those that the alerts of the estate name, and what becomes of them (falcon-api section 7).

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::Method;
use serde_json::{Value, json};

use super::counts;
use super::envelope::ApiError;
use super::fql::{Dialect, Kind};
use super::guard::Context;
use super::hosts_list::Refused;
use super::render_alert as ra;
use super::render_host::stamp;
use super::things::{Ask, Kept, Style, bad, by_id, found, meta_only, no_method, page, service};
use crate::estate::alert::device_path;
use crate::state::SimState;
use Kind::{Exact, Text, Time};

const SERVICE: &str = "quarantine";
const READ: Option<&str> = Some("quarantine:read");
const WRITE: Option<&str> = Some("quarantine:write");
const KEPT: Kept = Kept { kind: "quarantine", id: "id", born };

/// The actions, what a file is until the sensor has done it, and afterwards.
const ACTIONS: [(&str, &str, &str); 3] = [
    ("release", "release_pending", "released"),
    ("unrelease", "unrelease_pending", "quarantined"),
    ("delete", "delete_pending", "deleted"),
];

/// Of an older alert the files are gone.
const LOOKED_AT: u64 = 20_000;

pub(super) const OPERATIONS: &[super::Operation] = &[
    ("GET", "/quarantine/queries/quarantined-files/v1", "QueryQuarantineFiles", READ),
    ("POST", "/quarantine/entities/quarantined-files/GET/v1", "GetQuarantineFiles", READ),
    ("POST", "/quarantine/aggregates/quarantined-files/GET/v1", "GetAggregateFiles", READ),
    ("GET", "/quarantine/aggregates/action-update-count/v1", "ActionUpdateCount", READ),
    ("PATCH", "/quarantine/entities/quarantined-files/v1", "UpdateQuarantinedDetectsByIds", WRITE),
    ("PATCH", "/quarantine/queries/quarantined-files/v1", "UpdateQfByQuery", WRITE),
];

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/quarantine/queries/quarantined-files/v1", service(query))
        .route("/quarantine/entities/quarantined-files/GET/v1", service(entities))
        .route("/quarantine/aggregates/quarantined-files/GET/v1", service(aggregate))
        .route("/quarantine/aggregates/action-update-count/v1", service(action_counts))
        .route("/quarantine/entities/quarantined-files/v1", service(update))
}

/// A file that several alerts name is one.
fn born(c: Context<'_>) -> Vec<Value> {
    let estate = &c.tenant.estate;
    let mut rows: Vec<Value> = Vec::new();
    for index in 0..estate.alert_count().min(LOOKED_AT) {
        let d = estate.detection(index);
        for file in d.files.iter().filter(|f| f.quarantined) {
            let host = estate.fields(d.machine);
            let (id, alert) =
                (format!("{}_{}", host.id(), file.sha256), ra::composite_id(c.tenant, c.falcon, &d));
            if let Some(row) = rows.iter_mut().find(|row| row["id"] == id) {
                row["alert_ids"].as_array_mut().map(|ids| ids.push(alert.into())).unwrap_or_default();
                continue;
            }
            let at = stamp(d.created.timestamp_millis());
            let path = format!("{}{}", device_path(&file.folder), file.name);
            rows.push(json!({"id": id, "aid": host.id(), "cid": c.falcon.cid, "sha256": file.sha256, "state": "quarantined",
                "hostname": host.hostname(), "username": d.user.as_ref().map(|u| u.name.clone()).unwrap_or_default(),
                "alert_ids": [alert], "detect_ids": [], "date_created": at, "date_updated": at, "extracted": false,
                "primary_module": true, "is_on_removable_disk": false,
                "paths": [{"path": path, "filename": file.name, "state": "quarantined"}]}));
        }
    }
    rows
}

/// The rows as they are now: an order is carried out when the sensor has had its time.
fn rows(c: Context<'_>) -> Vec<Value> {
    let now = c.state.clock.now_ms();
    let mut rows = KEPT.all(c);
    for row in &mut rows {
        let due = row.as_object_mut().and_then(|row| row.remove("due_ms")).and_then(|due| due.as_i64());
        let done = ACTIONS.iter().find(|a| row["state"] == a.1).filter(|_| due.is_some_and(|due| due <= now));
        if let Some((_, _, state)) = done {
            row["state"] = (*state).into();
            row["paths"][0]["state"] = if *state == "deleted" { "purged" } else { state }.into();
        }
    }
    rows
}

/// Those that a filter and a text let through; `*` is every one.
fn passing(ask: &Ask<'_>, filter: &str, q: &str) -> Result<Vec<Value>, Refused> {
    let mut all = rows(ask.c);
    let q = q.to_lowercase();
    all.retain(|row| q.is_empty() || row.to_string().to_lowercase().contains(&q));
    found(ask, all, &STYLE, if filter == "*" { "" } else { filter })
}

fn query(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::GET => {
            let rows = passing(ask, ask.get("filter").unwrap_or_default(), ask.get("q").unwrap_or_default())?;
            let star = ask.query.iter().filter(|(key, _)| key != "filter").cloned().collect();
            let rest =
                Ask { c: ask.c, method: Method::GET, path: ask.path, query: star, body: ask.body.clone() };
            Ok(page(&rest, rows, &STYLE)?.ids(SERVICE, "id").into_response())
        }
        Method::PATCH => update_where(ask),
        _ => no_method(),
    }
}

fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.body_ids(SERVICE, 5_000)?;
    Ok(by_id(SERVICE, &rows(ask.c), "id", &ids, "file").into_response())
}

/// One question, and not a list of them.
fn aggregate(ask: &Ask<'_>) -> Result<Response, Refused> {
    let rows = rows(ask.c);
    let spec = ask.json(SERVICE)?;
    counts::answer(SERVICE, &[spec], &|field, filter| counts::of_rows(ask, &STYLE, &rows, field, filter))
}

/// How many files an action would change.
fn action_counts(ask: &Ask<'_>) -> Result<Response, Refused> {
    let rows = passing(ask, ask.need(SERVICE, "filter")?, "")?;
    let row = |(name, _, _): &(&str, &str, &str)| {
        let count = rows.iter().filter(|row| takes(row, name)).count();
        json!({"name": name, "buckets": [{"label": name, "count": count}], "sum_other_doc_count": 0})
    };
    let counted: Vec<Value> = ACTIONS.iter().map(row).collect();
    Ok(super::envelope::Envelope::new(SERVICE).with(&counted).into_response())
}

fn takes(row: &Value, action: &str) -> bool {
    let state = row["state"].as_str().unwrap_or_default();
    match action {
        "release" => ["quarantined", "unrelease_pending"].contains(&state),
        "unrelease" => ["released", "release_pending"].contains(&state),
        _ => state != "deleted",
    }
}

fn action(body: &Value) -> Result<&'static (&'static str, &'static str, &'static str), Refused> {
    let asked = body["action"].as_str().unwrap_or_default();
    ACTIONS.iter().find(|a| a.0 == asked).ok_or_else(|| bad(SERVICE, "invalid action"))
}

fn order(ask: &Ask<'_>, operation: &str, id: &str, (_, pending, _): &(&str, &str, &str)) {
    let now = ask.c.state.clock.now_ms();
    let current = rows(ask.c).into_iter().find(|row| row["id"] == id);
    KEPT.change(ask.c, operation, id, |row| {
        *row = current.unwrap_or_default();
        row["state"] = (*pending).into();
        row["date_updated"] = stamp(now).into();
        row["due_ms"] = (now + ask.c.tenant.estate.sensor_delay_ms()).into();
    });
}

fn update(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::PATCH {
        return no_method();
    }
    let ids = ask.body_ids(SERVICE, 500)?;
    let body = ask.json(SERVICE)?;
    let action = action(&body)?;
    let all = rows(ask.c);
    let mut errors = Vec::new();
    for id in &ids {
        match all.iter().find(|row| row["id"] == **id) {
            Some(row) if takes(row, action.0) => order(ask, "UpdateQuarantinedDetectsByIds", id, action),
            Some(_) => errors.push(ApiError::of(400, "the state of the file does not allow the action", id)),
            None => errors.push(ApiError::of(404, "file not found", id)),
        }
    }
    let mut envelope = meta_only(SERVICE, (ids.len() - errors.len()) as u64);
    envelope.errors = errors;
    Ok(envelope.into_response())
}

fn update_where(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = ask.json(SERVICE)?;
    let (action, text) = (action(&body)?, |key: &str| body[key].as_str().unwrap_or_default());
    if text("filter").is_empty() && text("q").is_empty() {
        return Err(bad(SERVICE, "filter or q is required"));
    }
    let rows = passing(ask, text("filter"), text("q"))?;
    let taken: Vec<&Value> = rows.iter().filter(|row| takes(row, action.0)).collect();
    taken
        .iter()
        .for_each(|row| order(ask, "UpdateQfByQuery", row["id"].as_str().unwrap_or_default(), action));
    Ok(meta_only(SERVICE, taken.len() as u64).into_response())
}

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("aid", Exact),
            ("alert_ids", Exact),
            ("date_created", Time),
            ("date_updated", Time),
            ("hostname", Text),
            ("paths.filename", Text),
            ("paths.path", Text),
            ("paths.state", Text),
            ("sha256", Exact),
            ("state", Text),
            ("username", Text),
        ],
    },
    most: 5_000,
    default: 100,
    sort: "date_created|asc",
    pipe: true,
    next_offset: false,
    silent: false,
};
