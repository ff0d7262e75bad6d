//! Flight Control: groups of children, groups of users, who is in them, and the roles that link two of them
//! (falcon-api section 7). Every call on entities may answer 207.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope::{ApiError, Envelope};
use super::fql::{Dialect, Kind};
use super::hosts_list::Refused;
use super::things::{Ask, Kept, Style, by_id, new_id, no_method, page, service, texts};
use crate::state::SimState;

const SERVICE: &str = "cs.flightcontrolapi";
/// The most groups, and the most members of one.
const MOST: usize = 500;
const LINKS: Kept = Kept { kind: "links", id: "id", born: |_| Vec::new() };

/// A kind of group, and the words that are its own.
#[derive(Clone, Copy)]
struct Sort {
    kept: Kept,
    /// The key of its members.
    members: &'static str,
    /// The word in the names of operations.
    name: &'static str,
    what: &'static str,
}

const CIDS: Sort = Sort {
    kept: Kept { kind: "cid-groups", id: "cid_group_id", born: |_| Vec::new() },
    members: "cids",
    name: "CIDGroup",
    what: "CID group",
};
const USERS: Sort = Sort {
    kept: Kept { kind: "user-groups", id: "user_group_id", born: |_| Vec::new() },
    members: "user_uuids",
    name: "UserGroup",
    what: "user group",
};

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[("name", Kind::Text), ("id", Kind::Exact), ("last_modified_timestamp", Kind::Number)],
    },
    most: MOST,
    default: 10,
    sort: "name|asc",
    pipe: true,
    next_offset: false,
    silent: false,
};

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/mssp/queries/cid-groups/v1", service(|ask| list(ask, CIDS)))
        .route("/mssp/queries/user-groups/v1", service(|ask| list(ask, USERS)))
        .route("/mssp/entities/cid-groups/v1", service(|ask| change(ask, CIDS)))
        .route("/mssp/entities/cid-groups/v2", service(|ask| get(ask, CIDS)))
        .route("/mssp/entities/user-groups/v1", service(|ask| change(ask, USERS)))
        .route("/mssp/entities/user-groups/v2", service(|ask| get(ask, USERS)))
        .route("/mssp/queries/cid-group-members/v1", service(|ask| with_member(ask, CIDS)))
        .route("/mssp/queries/user-group-members/v1", service(|ask| with_member(ask, USERS)))
        .route("/mssp/entities/cid-group-members/v1", service(|ask| change_members(ask, CIDS)))
        .route("/mssp/entities/cid-group-members/v2", service(|ask| change_members(ask, CIDS)))
        .route("/mssp/entities/user-group-members/v1", service(|ask| change_members(ask, USERS)))
        .route("/mssp/entities/user-group-members/v2", service(|ask| change_members(ask, USERS)))
        .route("/mssp/queries/mssp-roles/v1", service(list_links))
        .route("/mssp/entities/mssp-roles/v1", service(links))
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// An answer whose errors make it a 207.
fn answer(rows: &[Value], errors: Vec<ApiError>) -> Response {
    let mut envelope = Envelope::new(SERVICE).with(rows);
    if !errors.is_empty() {
        envelope.status = StatusCode::MULTI_STATUS;
    }
    envelope.errors = errors;
    envelope.into_response()
}

fn absent(sort: Sort, id: &str) -> ApiError {
    ApiError::of(404, format!("No existing {} with {}={id} found", sort.what, sort.kept.id), id)
}

/// A group without its members.
fn shown(row: &Value, sort: Sort) -> Value {
    let mut row = row.clone();
    if let Some(row) = row.as_object_mut() {
        row.remove(sort.members);
        row.remove("last_modified_timestamp");
    }
    row
}

fn list(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let mut rows = sort.kept.all(ask.c);
    if let Some(name) = ask.get("name") {
        rows.retain(|row| row["name"] == name);
    }
    Ok(page(ask, rows, &STYLE)?.ids(SERVICE, sort.kept.id).into_response())
}

fn get(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    if ask.method != Method::GET {
        return no_method();
    }
    let ids = ask.ids(SERVICE, "ids", MOST)?;
    let rows: Vec<Value> = sort.kept.all(ask.c).iter().map(|row| shown(row, sort)).collect();
    Ok(multi(by_id(SERVICE, &rows, sort.kept.id, &ids, sort.what)))
}

fn multi(mut envelope: Envelope) -> Response {
    if !envelope.errors.is_empty() {
        envelope.status = StatusCode::MULTI_STATUS;
    }
    envelope.into_response()
}

fn change(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    match ask.method {
        Method::POST => create(ask, sort),
        Method::PATCH => update(ask, sort),
        Method::DELETE => delete(ask, sort),
        _ => no_method(),
    }
}

fn stamp(ask: &Ask<'_>) -> Value {
    ask.c.state.clock.now_ms().into()
}

fn create(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let (mut made, mut errors) = (Vec::new(), Vec::new());
    for wish in ask.rows(SERVICE, "resources")? {
        let name = text(&wish, "name").to_owned();
        let rows = sort.kept.all(ask.c);
        if name.trim().is_empty() || rows.iter().any(|row| row["name"] == name) || rows.len() >= MOST {
            errors.push(ApiError::of(400, "the name is missing or taken, or there are 500 groups", &name));
            continue;
        }
        let mut row = json!({"name": name, "description": wish["description"], "cid": ask.c.falcon.cid,
            "last_modified_timestamp": stamp(ask)});
        row[sort.kept.id] = new_id(ask.c).into();
        row[sort.members] = json!([]);
        if sort.members == "cids" {
            row["is_default"] = false.into();
        }
        made.push(shown(&sort.kept.add(ask.c, &format!("create{}s", sort.name), row), sort));
    }
    Ok(answer(&made, errors))
}

fn update(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let (mut changed, mut errors) = (Vec::new(), Vec::new());
    for wish in ask.rows(SERVICE, "resources")? {
        let id = text(&wish, sort.kept.id);
        let row = sort.kept.change(ask.c, &format!("update{}s", sort.name), id, |row| {
            for key in ["name", "description"].iter().filter(|key| wish[**key].is_string()) {
                row[*key] = wish[*key].clone();
            }
            row["last_modified_timestamp"] = stamp(ask);
        });
        match row {
            Some(row) => changed.push(shown(&row, sort)),
            None => errors.push(absent(sort, id)),
        }
    }
    Ok(answer(&changed, errors))
}

fn delete(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let ids = ask.ids(SERVICE, &format!("{}s", sort.kept.id), MOST)?;
    let operation = format!("delete{}s", sort.name);
    let gone = |id: &&String| sort.kept.remove(ask.c, &operation, id).is_some();
    let (done, missing): (Vec<&String>, Vec<&String>) = ids.iter().partition(gone);
    LINKS.with(ask.c, |rows| rows.retain(|row| !done.iter().any(|id| row[sort.kept.id] == **id)));
    let rows: Vec<Value> = done.into_iter().map(|id| id.as_str().into()).collect();
    Ok(answer(&rows, missing.into_iter().map(|id| absent(sort, id)).collect()))
}

fn with_member(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let member = ask.need(SERVICE, if sort.members == "cids" { "cid" } else { "user_uuid" })?;
    let mut rows = sort.kept.all(ask.c);
    rows.retain(|row| texts(&row[sort.members]).iter().any(|m| m == member));
    let style = Style { sort: "last_modified_timestamp|desc", ..STYLE };
    Ok(page(ask, rows, &style)?.ids(SERVICE, sort.kept.id).into_response())
}

fn members_of(row: &Value, sort: Sort) -> Value {
    let mut out = json!({});
    for key in [sort.kept.id, sort.members] {
        out[key] = row[key].clone();
    }
    out
}

fn change_members(ask: &Ask<'_>, sort: Sort) -> Result<Response, Refused> {
    let add = match ask.method {
        Method::GET => {
            let rows: Vec<Value> = sort.kept.all(ask.c).iter().map(|row| members_of(row, sort)).collect();
            let ids = ask.ids(SERVICE, "ids", MOST)?;
            return Ok(multi(by_id(SERVICE, &rows, sort.kept.id, &ids, sort.what)));
        }
        Method::POST => true,
        Method::DELETE => false,
        _ => return no_method(),
    };
    let (mut changed, mut errors) = (Vec::new(), Vec::new());
    for wish in ask.rows(SERVICE, "resources")? {
        let id = text(&wish, sort.kept.id);
        let wanted = texts(&wish[sort.members]);
        let (known, unknown) = split(ask, sort, wanted);
        let what = if sort.members == "cids" { "child" } else { "user" };
        errors.extend(unknown.iter().map(|m| ApiError::of(404, format!("No existing {what} {m} found"), m)));
        let operation = format!("{}{}Members", if add { "add" } else { "delete" }, sort.name);
        let row = sort.kept.change(ask.c, &operation, id, |row| {
            let mut members = texts(&row[sort.members]);
            members.retain(|m| !known.contains(m));
            members.extend(known.into_iter().filter(|_| add));
            members.truncate(MOST);
            row[sort.members] = json!(members);
            row["last_modified_timestamp"] = stamp(ask);
        });
        match row {
            Some(row) => changed.push(members_of(&row, sort)),
            None => errors.push(absent(sort, id)),
        }
    }
    Ok(answer(&changed, errors))
}

/// The members that there are, and those that there are not.
fn split(ask: &Ask<'_>, sort: Sort, wanted: Vec<String>) -> (Vec<String>, Vec<String>) {
    let users = super::users::ids(ask.c);
    let children = super::mssp::cids(ask.c);
    wanted
        .into_iter()
        .partition(|m| if sort.members == "cids" { children.contains(m) } else { users.contains(m) })
}

fn list_links(ask: &Ask<'_>) -> Result<Response, Refused> {
    let mut rows = LINKS.all(ask.c);
    for key in ["cid_group_id", "user_group_id"] {
        if let Some(id) = ask.get(key) {
            rows.retain(|row| row[key] == id);
        }
    }
    if let Some(role) = ask.get("role_id") {
        rows.retain(|row| texts(&row["role_ids"]).iter().any(|r| r == role));
    }
    let style = Style { sort: "id|asc", ..STYLE };
    Ok(page(ask, rows, &style)?.ids(SERVICE, "id").into_response())
}

fn links(ask: &Ask<'_>) -> Result<Response, Refused> {
    let add = match ask.method {
        Method::GET => {
            let ids = ask.ids(SERVICE, "ids", MOST)?;
            return Ok(multi(by_id(SERVICE, &LINKS.all(ask.c), "id", &ids, "link")));
        }
        Method::POST => true,
        Method::DELETE => false,
        _ => return no_method(),
    };
    let (mut changed, mut errors) = (Vec::new(), Vec::new());
    for wish in ask.rows(SERVICE, "resources")? {
        match link(ask, add, &wish) {
            Ok(row) => changed.push(row),
            Err(error) => errors.push(error),
        }
    }
    Ok(answer(&changed, errors))
}

fn link(ask: &Ask<'_>, add: bool, wish: &Value) -> Result<Value, ApiError> {
    for sort in [CIDS, USERS] {
        let id = text(wish, sort.kept.id);
        if !sort.kept.with(ask.c, |rows| rows.iter().any(|row| row[sort.kept.id] == id)) {
            return Err(absent(sort, id));
        }
    }
    let (cids, users) = (text(wish, "cid_group_id"), text(wish, "user_group_id"));
    let (id, roles) = (format!("{cids}:{users}"), texts(&wish["role_ids"]));
    let operation = if add { "addRole" } else { "deletedRoles" };
    let before = LINKS.with(ask.c, |rows| rows.iter().find(|row| row["id"] == id).cloned());
    let mut all = before.as_ref().map(|row| texts(&row["role_ids"])).unwrap_or_default();
    all.retain(|role| !roles.contains(role));
    all.extend(roles.into_iter().filter(|_| add));
    let row = json!({"id": id, "cid_group_id": cids, "user_group_id": users, "role_ids": all});
    match (before, all.is_empty()) {
        (Some(_), true) => drop(LINKS.remove(ask.c, operation, &id)),
        (Some(_), false) => drop(LINKS.change(ask.c, operation, &id, |old| *old = row.clone())),
        (None, false) => drop(LINKS.add(ask.c, operation, row.clone())),
        (None, true) => return Err(ApiError::of(404, format!("No existing link {id} found"), &id)),
    }
    Ok(row)
}
