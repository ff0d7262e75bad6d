//! Installation tokens: what a sensor must show when it is installed, where a tenant wants that (falcon-appendix A).

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope::{ApiError, Envelope};
use super::fql::{Dialect, Kind};
use super::guard::Context;
use super::hosts_list::Refused;
use super::render_host::stamp;
use super::things::{Ask, Kept, Style, bad, by_id, new_id, no_method, page, refuse, service};
use crate::state::SimState;
use Kind::{Exact, Text, Time};

const SERVICE: &str = "installation-tokens";
const READ: Option<&str> = Some("installation-tokens:read");
const WRITE: Option<&str> = Some("installation-tokens:write");
const TOKENS: Kept = Kept { kind: "installation-tokens", id: "id", born: |_| Vec::new() };
const EVENTS: Kept = Kept { kind: "installation-token-events", id: "id", born: |_| Vec::new() };
const SETTINGS: Kept = Kept {
    kind: "installation-token-settings",
    id: "id",
    born: |_| vec![json!({"id": "settings", "max_active_tokens": 10, "tokens_required": false})],
};

pub(super) const OPERATIONS: &[super::Operation] = &[
    ("GET", "/installation-tokens/queries/tokens/v1", "tokens-query", READ),
    ("GET", "/installation-tokens/entities/tokens/v1", "tokens-read", READ),
    ("POST", "/installation-tokens/entities/tokens/v1", "tokens-create", WRITE),
    ("PATCH", "/installation-tokens/entities/tokens/v1", "tokens-update", WRITE),
    ("DELETE", "/installation-tokens/entities/tokens/v1", "tokens-delete", WRITE),
    ("GET", "/installation-tokens/queries/audit-events/v1", "audit-events-query", READ),
    ("GET", "/installation-tokens/entities/audit-events/v1", "audit-events-read", READ),
    ("GET", "/installation-tokens/entities/customer-settings/v1", "customer-settings-read", READ),
    (
        "PATCH",
        "/installation-tokens/entities/customer-settings/v1",
        "customer-settings-update",
        Some("installation-tokens-settings:write"),
    ),
];

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/installation-tokens/queries/tokens/v1", service(query))
        .route("/installation-tokens/entities/tokens/v1", service(entities))
        .route("/installation-tokens/queries/audit-events/v1", service(query))
        .route("/installation-tokens/entities/audit-events/v1", service(events))
        .route("/installation-tokens/entities/customer-settings/v1", service(settings))
}

fn millis(value: &Value) -> Option<i64> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|t| t.timestamp_millis())
}

/// The tokens as they are now: one whose time is over is expired.
fn tokens(c: Context<'_>) -> Vec<Value> {
    let mut rows = TOKENS.all(c);
    let now = c.state.clock.now_ms();
    for row in rows.iter_mut().filter(|row| row["status"] == "valid") {
        if millis(&row["expires_timestamp"]).is_some_and(|at| at <= now) {
            row["status"] = "expired".into();
        }
    }
    rows
}

fn audit(c: Context<'_>, action: &str, token: &str) {
    let row = json!({"id": new_id(c), "action": action, "actor": c.falcon.client_id, "token_id": token,
        "description": format!("{action} by API client"), "timestamp": stamp(c.state.clock.now_ms())});
    EVENTS.with(c, |rows| rows.push(row));
}

fn query(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::GET {
        return no_method();
    }
    let audit = ask.path.contains("audit-events");
    let rows = if audit { EVENTS.all(ask.c) } else { tokens(ask.c) };
    Ok(page(ask, rows, if audit { &EVENT_STYLE } else { &TOKEN_STYLE })?.ids(SERVICE, "id").into_response())
}

fn events(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.ids(SERVICE, "ids", 500)?;
    Ok(by_id(SERVICE, &EVENTS.all(ask.c), "id", &ids, "event").into_response())
}

fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::GET => {
            let ids = ask.ids(SERVICE, "ids", 500)?;
            Ok(by_id(SERVICE, &tokens(ask.c), "id", &ids, "token").into_response())
        }
        Method::POST => create(ask),
        Method::PATCH => update(ask),
        Method::DELETE => delete(ask),
        _ => no_method(),
    }
}

/// An end in the future, or none.
fn end(c: Context<'_>, body: &Value) -> Result<Option<String>, Refused> {
    let Some(text) = body["expires_timestamp"].as_str() else { return Ok(None) };
    let future = millis(&body["expires_timestamp"]).is_some_and(|at| at > c.state.clock.now_ms());
    future
        .then(|| Some(text.to_owned()))
        .ok_or_else(|| bad(SERVICE, "expires_timestamp must be in the future"))
}

fn create(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (c, body) = (ask.c, ask.json(SERVICE)?);
    let label =
        body["label"].as_str().filter(|l| !l.is_empty()).ok_or_else(|| bad(SERVICE, "label is required"))?;
    let most = SETTINGS.all(c)[0]["max_active_tokens"].as_u64().unwrap_or_default();
    if tokens(c).iter().filter(|row| row["status"] == "valid").count() as u64 >= most {
        return Err(refuse(SERVICE, StatusCode::CONFLICT, "the maximum of active tokens is reached", label));
    }
    let id = new_id(c);
    let mut row = json!({"id": id, "label": label, "status": "valid", "type": "customer_managed",
        "value": new_id(c)[..8].to_uppercase(), "created_timestamp": stamp(c.state.clock.now_ms())});
    if let Some(end) = end(c, &body)? {
        row["expires_timestamp"] = end.into();
    }
    let row = TOKENS.add(c, "tokens-create", row);
    audit(c, "token_create", &id);
    let mut envelope = Envelope::new(SERVICE).with(&[row]);
    envelope.status = StatusCode::CREATED;
    Ok(envelope.into_response())
}

fn update(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (c, body) = (ask.c, ask.json(SERVICE)?);
    let end = end(c, &body)?;
    let now = stamp(c.state.clock.now_ms());
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for id in ask.ids(SERVICE, "ids", 500)? {
        let changed = TOKENS.change(c, "tokens-update", &id, |row| {
            if let Some(label) = body["label"].as_str() {
                row["label"] = label.into();
            }
            if let Some(end) = &end {
                row["expires_timestamp"] = end.as_str().into();
            }
            match body["revoked"].as_bool() {
                Some(true) => {
                    (row["status"], row["revoked_timestamp"]) = ("revoked".into(), now.as_str().into())
                }
                Some(false) => row["status"] = "valid".into(),
                None => {}
            }
        });
        match changed {
            Some(row) => rows.push(row),
            None => errors.push(ApiError::of(404, "token not found", &id)),
        }
        audit(c, if body["revoked"] == true { "token_revoke" } else { "token_update" }, &id);
    }
    let mut envelope = Envelope::new(SERVICE).with(&rows);
    envelope.errors = errors;
    Ok(envelope.into_response())
}

fn delete(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (mut done, mut errors) = (0, Vec::new());
    for id in ask.ids(SERVICE, "ids", 500)? {
        match TOKENS.remove(ask.c, "tokens-delete", &id) {
            Some(_) => {
                done += 1;
                audit(ask.c, "token_delete", &id);
            }
            None => errors.push(ApiError::of(404, "token not found", &id)),
        }
    }
    let mut envelope = super::things::meta_only(SERVICE, done);
    envelope.errors = errors;
    Ok(envelope.into_response())
}

fn settings(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = match ask.method {
        Method::GET => json!({}),
        Method::PATCH => ask.json(SERVICE)?,
        _ => return no_method(),
    };
    if ask.method == Method::PATCH {
        SETTINGS.change(ask.c, "customer-settings-update", "settings", |row| {
            for key in ["max_active_tokens", "tokens_required"].iter().filter(|key| !body[**key].is_null()) {
                row[*key] = body[*key].clone();
            }
        });
    }
    let mut rows = SETTINGS.all(ask.c);
    drop(rows[0].as_object_mut().map(|row| row.remove("id")));
    Ok(Envelope::new(SERVICE).with(&rows).into_response())
}

const fn style(dialect: &'static Dialect, sort: &'static str) -> Style {
    Style {
        service: SERVICE,
        dialect,
        most: 1_000,
        default: 50,
        sort,
        pipe: false,
        next_offset: false,
        silent: false,
    }
}

static TOKEN_STYLE: Style = style(
    &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("created_timestamp", Time),
            ("expires_timestamp", Time),
            ("label", Text),
            ("last_used_timestamp", Time),
            ("revoked_timestamp", Time),
            ("status", Text),
            ("value", Exact),
        ],
    },
    "created_timestamp.asc",
);
static EVENT_STYLE: Style = style(
    &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("action", Text),
            ("actor", Text),
            ("timestamp", Time),
            ("token_id", Exact),
        ],
    },
    "timestamp.asc",
);
