//! Exclusions: what the machine learning, the indicators of attack and the sensor pass over (falcon-appendix A).

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::discover::merge;
use super::envelope::{ApiError, Envelope};
use super::fql::{Dialect, Kind};
use super::hosts_list::Refused;
use super::things::{Ask, Kept, Style, bad, by_id, new_id, no_method, now, page, service, texts};
use crate::estate::hash::{hex_words, mix_str};
use crate::state::SimState;
use Kind::{Bool, Exact, Text, Time};

const SERVICE: &str = "exclusions";

macro_rules! operations {
    ($($path:literal $create:literal $name:literal $scope:literal,)+) => {
        &[$(
            ("GET", concat!("/policy/queries/", $path, "/v1"), concat!("query", $name, "ExclusionsV1"), Some(concat!($scope, ":read"))),
            ("GET", concat!("/policy/entities/", $path, "/v1"), concat!("get", $name, "ExclusionsV1"), Some(concat!($scope, ":read"))),
            ("POST", concat!("/policy/entities/", $path, "/v1"), concat!("create", $create, "ExclusionsV1"), Some(concat!($scope, ":write"))),
            ("PATCH", concat!("/policy/entities/", $path, "/v1"), concat!("update", $name, "ExclusionsV1"), Some(concat!($scope, ":write"))),
            ("DELETE", concat!("/policy/entities/", $path, "/v1"), concat!("delete", $name, "ExclusionsV1"), Some(concat!($scope, ":write"))),
        )+]
    };
}

pub(super) const OPERATIONS: &[super::Operation] = operations! {
    "ioa-exclusions" "IOA" "IOA" "self-service-ioa-exclusions",
    "ml-exclusions" "ML" "ML" "ml-exclusions",
    "sv-exclusions" "SV" "SensorVisibility" "sensor-visibility-exclusions",
};

/// A kind of exclusion: what a request says of it, and what it must say.
struct Sort {
    kept: Kept,
    fields: &'static [&'static str],
    needed: &'static [&'static str],
    /// The groups of a reply are objects, except in that of a new one (falcon-appendix B).
    whole_groups: bool,
}

const IOA: Sort = Sort {
    kept: Kept { kind: "ioa-exclusions", id: "id", born: |_| Vec::new() },
    fields: &["cl_regex", "description", "detection_json", "ifn_regex", "name", "pattern_id", "pattern_name"],
    needed: &["cl_regex", "ifn_regex", "name", "pattern_id"],
    whole_groups: true,
};
const ML: Sort = Sort {
    kept: Kept { kind: "ml-exclusions", id: "id", born: |_| Vec::new() },
    fields: &["excluded_from", "is_descendant_process", "value"],
    needed: &["value", "excluded_from"],
    whole_groups: false,
};
const SENSOR: Sort = Sort {
    kept: Kept { kind: "sv-exclusions", id: "id", born: |_| Vec::new() },
    fields: &["is_descendant_process", "value"],
    needed: &["value"],
    whole_groups: true,
};

pub(super) fn router() -> Router<Arc<SimState>> {
    ["ioa-exclusions", "ml-exclusions", "sv-exclusions"].iter().fold(Router::new(), |r, kind| {
        r.route(&format!("/policy/queries/{kind}/v1"), service(query))
            .route(&format!("/policy/entities/{kind}/v1"), service(entities))
    })
}

fn sort(ask: &Ask<'_>) -> &'static Sort {
    match ask.path.split('/').nth(3) {
        Some("ioa-exclusions") => &IOA,
        Some("ml-exclusions") => &ML,
        _ => &SENSOR,
    }
}

fn operation(ask: &Ask<'_>) -> &'static str {
    super::operation(&ask.method, ask.path).unwrap_or_default()
}

/// Orders of machine learning exclusions are not written with a pipe.
fn query(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::GET {
        return no_method();
    }
    let piped = ask.get("sort").is_some_and(|sort| sort.contains('|'));
    if piped && ask.path.contains("ml-exclusions") {
        return Err(bad(SERVICE, "Invalid sort expression supplied"));
    }
    Ok(page(ask, sort(ask).kept.all(ask.c), &STYLE)?.ids(SERVICE, "id").into_response())
}

fn shown(ask: &Ask<'_>, row: &Value) -> Value {
    let mut row = row.clone();
    if sort(ask).whole_groups && operation(ask) != "createSVExclusionsV1" {
        let groups = ask.c.tenant.groups.list(&ask.c.tenant.estate);
        let whole = |id: &String| {
            let name = groups.iter().find(|g| g.id == *id).map(|g| g.name.clone()).unwrap_or_default();
            json!({"id": id, "name": name})
        };
        row["groups"] = texts(&row["groups"]).iter().map(whole).collect();
    }
    row
}

fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::GET => {
            let ids = ask.ids(SERVICE, "ids", 500)?;
            let rows: Vec<Value> = sort(ask).kept.all(ask.c).iter().map(|row| shown(ask, row)).collect();
            Ok(by_id(SERVICE, &rows, "id", &ids, "exclusion").into_response())
        }
        Method::POST => create(ask),
        Method::PATCH => update(ask),
        Method::DELETE => delete(ask),
        _ => no_method(),
    }
}

/// What a request says, looked at. `all` stands for every host.
fn said(ask: &Ask<'_>, body: &Value) -> Result<Value, Refused> {
    let mut row = json!({"modified_by": ask.c.falcon.client_id, "last_modified": now(ask.c)});
    for key in sort(ask).fields.iter().filter(|key| !body[**key].is_null()) {
        row[*key] = body[*key].clone();
    }
    let words = texts(&body["excluded_from"]);
    if words.iter().any(|word| !["blocking", "extraction"].contains(&word.as_str())) {
        return Err(bad(SERVICE, "excluded_from takes blocking and extraction"));
    }
    if let Some(value) = body["value"].as_str() {
        row["value_hash"] = hex_words(mix_str(0xE5C1, value), 2).into();
        row["regexp_value"] = value.replace('\\', "\\\\").replace("**", ".*").into();
    }
    if body["groups"].is_array() {
        let groups = texts(&body["groups"]);
        let known = ask.c.tenant.groups.list(&ask.c.tenant.estate);
        let all = groups.iter().any(|g| g == "all");
        if !all && groups.iter().any(|id| !known.iter().any(|g| g.id == *id)) {
            return Err(bad(SERVICE, "unknown group"));
        }
        row["applied_globally"] = all.into();
        row["groups"] = if all { json!([]) } else { json!(groups) };
    }
    Ok(row)
}

fn answer(ask: &Ask<'_>, row: &Value, status: StatusCode) -> Response {
    let mut envelope = Envelope::new(SERVICE).with(&[shown(ask, row)]);
    envelope.status = status;
    envelope.into_response()
}

fn create(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (body, kind) = (ask.json(SERVICE)?, sort(ask));
    let lacks =
        |key: &&&str| body[**key].as_str().is_none_or(str::is_empty) && texts(&body[**key]).is_empty();
    if let Some(key) = kind.needed.iter().find(lacks) {
        return Err(bad(SERVICE, &format!("{key} is required")));
    }
    if texts(&body["groups"]).is_empty() {
        return Err(bad(SERVICE, "groups is required"));
    }
    let twin = |row: &Value| !body["value"].is_null() && row["value"] == body["value"];
    if kind.kept.with(ask.c, |rows| rows.iter().any(twin)) {
        return Err(bad(SERVICE, "duplicate exclusion"));
    }
    let mut row =
        json!({"id": new_id(ask.c), "created_by": ask.c.falcon.client_id, "created_on": now(ask.c)});
    merge(&mut row, said(ask, &body)?);
    let row = kind.kept.add(ask.c, operation(ask), row);
    Ok(answer(ask, &row, StatusCode::CREATED))
}

fn update(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = ask.json(SERVICE)?;
    let id = body["id"].as_str().unwrap_or_default();
    let said = said(ask, &body)?;
    let row = sort(ask).kept.change(ask.c, operation(ask), id, |row| merge(row, said));
    let missing = || super::things::refuse(SERVICE, StatusCode::BAD_REQUEST, "exclusion not found", id);
    Ok(answer(ask, &row.ok_or_else(missing)?, StatusCode::OK))
}

fn delete(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for id in ask.ids(SERVICE, "ids", 500)? {
        match sort(ask).kept.remove(ask.c, operation(ask), &id) {
            Some(_) => done.push(id),
            None => errors.push(ApiError::of(404, "exclusion not found", &id)),
        }
    }
    let mut envelope = Envelope::new(SERVICE).with(&done);
    envelope.errors = errors;
    Ok(envelope.into_response())
}

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("applied_globally", Bool),
            ("created_by", Text),
            ("created_on", Time),
            ("last_modified", Time),
            ("modified_by", Text),
            ("name", Text),
            ("pattern_id", Text),
            ("pattern_name", Text),
            ("value", Text),
        ],
    },
    most: 500,
    default: 100,
    sort: "created_on.asc",
    pipe: false,
    next_offset: false,
    silent: false,
};
