//! Users of the console and their roles (falcon-api section 7). Reads of roles lag behind grants.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope::ApiError;
use super::fql::{Dialect, Kind};
use super::guard::Context;
use super::hosts_list::Refused;
use super::things::{
    Ask, Kept, Style, bad, by_id, meta_only, no_method, now, number, page, refuse, service, texts, then,
};
use crate::estate::alert::{Analyst, analysts};
use crate::estate::hash::uuid;
use crate::state::SimState;

const SERVICE: &str = "flightcontrolapi";
const USERS: Kept = Kept { kind: "users", id: "uuid", born };
const GRANTS: Kept = Kept { kind: "grants", id: "id", born: |_| Vec::new() };
/// How long reads of roles lag behind.
const LAG_MS: i64 = 30_000;

/// (id, name) of the roles that there are.
const ROLES: [(&str, &str); 5] = [
    ("falcon_administrator", "Falcon Administrator"),
    ("falcon_analyst", "Falcon Analyst"),
    ("falcon_investigator", "Falcon Investigator"),
    ("falcon_read_only", "Falcon Analyst - Read Only"),
    ("real_time_responder", "Real Time Responder"),
];

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("uid", Kind::Text),
            ("uuid", Kind::Exact),
            ("cid", Kind::Exact),
            ("first_name", Kind::Text),
            ("last_name", Kind::Text),
            ("status", Kind::Text),
            ("created_at", Kind::Time),
            ("last_login_at", Kind::Time),
            ("role_name", Kind::Text),
        ],
    },
    most: 500,
    default: 100,
    sort: "uid|asc",
    pipe: true,
    next_offset: false,
    silent: false,
};

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/user-management/queries/users/v1", service(list))
        .route("/user-management/entities/users/GET/v1", service(get))
        .route("/user-management/entities/users/v1", service(change))
        .route("/user-management/entities/user-actions/v1", service(act))
        .route("/user-management/entities/user-role-actions/v1", service(grant))
        .route("/user-management/combined/user-roles/v2", service(grants))
        .route("/user-management/queries/roles/v1", service(roles))
        .route("/user-management/entities/roles/GET/v2", service(role_entities))
}

/// Those who have alerts and cases.
fn born(c: Context<'_>) -> Vec<Value> {
    let user = |who: Analyst| {
        let (first, last) = who.name.split_once(' ').unwrap_or((&who.name, ""));
        let at = then(c, &who.email);
        json!({"uuid": who.uuid, "uid": who.email.to_lowercase(), "cid": c.falcon.cid,
            "first_name": first, "last_name": last, "status": "active", "factors": ["totp"],
            "created_at": at, "updated_at": at, "last_login_at": at, "user_type": "user"})
    };
    let mut users: Vec<Value> = analysts(&c.tenant.estate).into_iter().map(user).collect();
    users.dedup_by(|a, b| a["uuid"] == b["uuid"]);
    users
}

/// The ids of all users.
pub(super) fn ids(c: Context<'_>) -> Vec<String> {
    USERS.with(c, |rows| rows.iter().map(|row| text(row, "uuid").to_owned()).collect())
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

fn list(ask: &Ask<'_>) -> Result<Response, Refused> {
    let page = page(ask, USERS.all(ask.c), &STYLE)?;
    Ok(page.ids(SERVICE, "uuid").into_response())
}

fn get(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.body_ids(SERVICE, 5_000)?;
    Ok(by_id(SERVICE, &USERS.all(ask.c), "uuid", &ids, "user").into_response())
}

fn change(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::POST => create(ask),
        Method::PATCH => update(ask),
        Method::DELETE => delete(ask),
        _ => no_method(),
    }
}

fn create(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (body, at) = (ask.json(SERVICE)?, now(ask.c));
    let uid = text(&body, "uid").to_lowercase();
    if !uid.contains('@') {
        return Err(bad(SERVICE, "uid must be an e-mail address"));
    }
    if USERS.with(ask.c, |rows| rows.iter().any(|row| row["uid"] == uid)) {
        return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "user already exists", &uid));
    }
    if ask.get("validate_only") == Some("true") {
        let mut envelope = meta_only(SERVICE, 0);
        envelope.status = StatusCode::CREATED;
        return Ok(envelope.into_response());
    }
    let row = json!({"uuid": uuid(number(ask.c)), "uid": uid, "cid": ask.c.falcon.cid, "status": "pending",
        "first_name": text(&body, "first_name"), "last_name": text(&body, "last_name"), "factors": [],
        "created_at": at, "updated_at": at, "user_type": "user"});
    let row = USERS.add(ask.c, "createUserV1", row);
    let mut envelope = super::envelope::Envelope::new(SERVICE).with(&[row]);
    envelope.status = StatusCode::CREATED;
    Ok(envelope.into_response())
}

fn not_found(id: &str) -> Refused {
    refuse(SERVICE, StatusCode::NOT_FOUND, "user not found", id)
}

fn update(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (id, body, at) = (ask.need(SERVICE, "user_uuid")?, ask.json(SERVICE)?, now(ask.c));
    let row = USERS.change(ask.c, "updateUserV1", id, |row| {
        for key in ["first_name", "last_name"].iter().filter(|key| body[**key].is_string()) {
            row[*key] = body[*key].clone();
        }
        row["updated_at"] = at.into();
    });
    let row = row.ok_or_else(|| not_found(id))?;
    Ok(super::envelope::Envelope::new(SERVICE).with(&[row]).into_response())
}

fn delete(ask: &Ask<'_>) -> Result<Response, Refused> {
    let id = ask.need(SERVICE, "user_uuid")?;
    USERS.remove(ask.c, "deleteUserV1", id).ok_or_else(|| not_found(id))?;
    GRANTS.with(ask.c, |rows| rows.retain(|row| row["uuid"] != id));
    Ok(meta_only(SERVICE, 1).into_response())
}

fn act(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (ids, body) = (ask.body_ids(SERVICE, 5_000)?, ask.json(SERVICE)?);
    let action = text(&body["action"], "action_name");
    if !["reset_password", "reset_2fa"].contains(&action) {
        return Err(bad(SERVICE, "action_name must be reset_password or reset_2fa"));
    }
    let mut envelope = meta_only(SERVICE, ids.len() as u64);
    for id in &ids {
        let done = USERS.change(ask.c, "userActionV1", id, |row| match action {
            "reset_2fa" => row["factors"] = json!([]),
            _ => row["status"] = "pending".into(),
        });
        if done.is_none() {
            envelope.errors.push(ApiError::of(404, "user not found", id));
        }
    }
    Ok(envelope.into_response())
}

/// All roles of the call, or none.
fn grant(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = ask.json(SERVICE)?;
    let (action, user, roles) = (text(&body, "action"), text(&body, "uuid"), texts(&body["role_ids"]));
    if !["grant", "revoke"].contains(&action) {
        return Err(bad(SERVICE, "action must be grant or revoke"));
    }
    if roles.is_empty() || roles.len() > 100 {
        return Err(bad(SERVICE, "request must contain between 1 and 100 role_ids"));
    }
    if !USERS.with(ask.c, |rows| rows.iter().any(|row| row["uuid"] == user)) {
        return Err(not_found(user));
    }
    if let Some(role) = roles.iter().find(|role| !ROLES.iter().any(|(id, _)| id == role)) {
        return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "unknown role", role));
    }
    let expires = body["expires_at"].as_str();
    if expires.is_some_and(|at| DateTime::parse_from_rfc3339(at).is_err()) {
        return Err(bad(SERVICE, "invalid expires_at"));
    }
    let cid = body["cid"].as_str().unwrap_or(&ask.c.falcon.cid);
    let visible = ask.c.state.clock.now_ms() + LAG_MS;
    for role in &roles {
        let id = format!("{cid}:{user}:{role}");
        let gone = GRANTS.remove(ask.c, "userRolesActionV1", &id);
        if action == "grant" {
            let name = ROLES.iter().find(|(id, _)| id == role).map(|(_, name)| *name);
            let from = gone.map_or(visible.into(), |row| row["visible"].clone());
            let row = json!({"id": id, "uuid": user, "cid": cid, "role_id": role, "role_name": name,
                "grant_type": "direct", "user_type": "user", "expires_at": expires, "visible": from});
            GRANTS.add(ask.c, "userRolesActionV1", row);
        }
    }
    Ok(meta_only(SERVICE, roles.len() as u64).into_response())
}

fn grants(ask: &Ask<'_>) -> Result<Response, Refused> {
    let user = ask.need(SERVICE, "user_uuid")?;
    let now_ms = ask.c.state.clock.now_ms();
    let mut rows = GRANTS.all(ask.c);
    rows.retain(|row| row["uuid"] == user && row["visible"].as_i64().is_some_and(|at| at <= now_ms));
    if let Some(cid) = ask.get("cid") {
        rows.retain(|row| row["cid"] == cid);
    }
    let page = page(ask, rows, &Style { sort: "role_name|asc", ..STYLE })?;
    let mut shown = page.rows.clone();
    for row in shown.iter_mut().filter_map(Value::as_object_mut) {
        row.remove("visible");
        row.remove("id");
        row.retain(|_, value| !value.is_null());
    }
    Ok(page.reply(SERVICE, &shown).into_response())
}

/// Those that can be given, or those that a user has and could lose.
fn roles(ask: &Ask<'_>) -> Result<Response, Refused> {
    let has = |role: &str, user: &str| {
        GRANTS.with(ask.c, |rows| rows.iter().any(|r| r["uuid"] == user && r["role_id"] == role))
    };
    let ids: Vec<&str> = match (ask.get("action").unwrap_or("grant"), ask.get("user_uuid")) {
        ("grant", None) => ROLES.iter().map(|(id, _)| *id).collect(),
        ("grant", Some(user)) => ROLES.iter().map(|(id, _)| *id).filter(|id| !has(id, user)).collect(),
        ("revoke", Some(user)) => ROLES.iter().map(|(id, _)| *id).filter(|id| has(id, user)).collect(),
        _ => return Err(bad(SERVICE, "action must be grant, or revoke with a user_uuid")),
    };
    let pagination = json!({"offset": 0, "limit": ids.len(), "total": ids.len()});
    Ok(super::envelope::Envelope::new(SERVICE).paged(pagination).with(&ids).into_response())
}

fn role_entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.body_ids(SERVICE, 5_000)?;
    let row = |(id, name): &(&str, &str)| {
        json!({"id": id, "display_name": name, "description": name, "cid": ask.c.falcon.cid,
            "is_global": true, "type": "default"})
    };
    let rows: Vec<Value> = ROLES.iter().map(row).collect();
    Ok(by_id(SERVICE, &rows, "id", &ids, "role").into_response())
}
