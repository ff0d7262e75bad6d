//! Cases: alerts that belong together, and the work on them. They took the place of incidents, whose routes are gone
//! (falcon-api 5.2). A tenant is born with a case for each host that has a grave alert.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope::Envelope;
use super::fql::{Dialect, Kind};
use super::guard::Context;
use super::hosts_list::Refused;
use super::render_alert as ra;
use super::render_host::nanos;
use super::things::{
    Ask, Kept, Style, bad, by_id, meta_only, new_id, no_method, now, page, refuse, service, texts,
};
use crate::estate::alert::{analysts, outline};
use crate::estate::hash::{hex32, mix_str, pick};
use crate::state::SimState;
use Kind::{Exact, Number, Text, Time};

const SERVICE: &str = "cases-api";
const READ: Option<&str> = Some("cases:read");
const WRITE: Option<&str> = Some("cases:write");
const KEPT: Kept = Kept { kind: "cases", id: "id", born };
const STATUSES: [&str; 4] = ["new", "in_progress", "closed", "reopened"];

/// Of an older alert nobody made a case.
const LOOKED_AT: u64 = 300;

/// What filters alone see.
const HIDDEN: [&str; 8] = [
    "aids",
    "alerts",
    "assigned_to_name",
    "assigned_to_uuid",
    "hostnames",
    "sha256s",
    "tactics",
    "techniques",
];

pub(super) const OPERATIONS: &[super::Operation] = &[
    ("GET", "/cases/queries/cases/v1", "queries.cases.get.v1", READ),
    ("POST", "/cases/entities/cases/v2", "entities.cases.post.v2", READ),
    ("PUT", "/cases/entities/cases/v2", "entities.cases.put.v2", WRITE),
    ("PATCH", "/cases/entities/cases/v2", "entities.cases.patch.v2", WRITE),
    ("POST", "/cases/entities/case-tags/v1", "entities.case-tags.post.v1", WRITE),
    ("DELETE", "/cases/entities/case-tags/v1", "entities.case-tags.delete.v1", WRITE),
    ("POST", "/cases/entities/alert-evidence/v1", "entities.alert-evidence.post.v1", WRITE),
    ("POST", "/cases/entities/event-evidence/v1", "entities.event-evidence.post.v1", WRITE),
    ("POST", "/cases/entities/merge/v1", "entities.merge.post.v1", WRITE),
];

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/cases/queries/cases/v1", service(query))
        .route("/cases/entities/cases/v2", service(entities))
        .route("/cases/entities/case-tags/v1", service(tags))
        .route("/cases/entities/alert-evidence/v1", service(evidence))
        .route("/cases/entities/event-evidence/v1", service(evidence))
        .route("/cases/entities/merge/v1", service(merge))
}

fn born(c: Context<'_>) -> Vec<Value> {
    let estate = &c.tenant.estate;
    let mut hosts: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for index in 0..estate.alert_count().min(LOOKED_AT) {
        let o = outline(estate, index);
        if o.score >= 70 {
            let id = ra::composite_id(c.tenant, c.falcon, &estate.detection(index));
            hosts.entry(o.machine).or_default().push(id);
        }
    }
    hosts.into_iter().enumerate().map(|(n, (host, alerts))| first(c, n, host, &alerts)).collect()
}

fn first(c: Context<'_>, n: usize, host: u64, alerts: &[String]) -> Value {
    let name = c.tenant.estate.fields(host).hostname();
    let root = mix_str(c.tenant.estate.tag() ^ 0xCA5E, &name);
    let at = c.state.clock.start_ms() - (1 + root % 20) as i64 * 43_200_000;
    let status = STATUSES[(root % 3) as usize];
    let people = analysts(&c.tenant.estate);
    let person = pick(&people.iter().collect::<Vec<_>>(), root);
    let mut row = blank(c, &hex32(root), n + 1, &nanos(at, root));
    row["name"] = format!("Malicious activity on {name}").into();
    row["description"] = format!("{} grave alerts of one host.", alerts.len()).into();
    row["severity"] = (50 + 10 * (root % 5)).into();
    row["status"] = status.into();
    if status != "new" {
        assign(&mut row, &person.uuid, &person.name, &person.email);
    }
    put_alerts(&mut row, alerts);
    refresh(c, &mut row);
    row
}

/// A case without anything in it.
fn blank(c: Context<'_>, id: &str, number: usize, at: &str) -> Value {
    let maker = json!({"email": "", "full_name": "Falcon", "uuid": ""});
    let actor = json!({"type": "user", "user": maker, "workflow": {"execution_id": "", "id": ""}});
    let none = json!({"records": []});
    json!({"id": id, "cid": c.falcon.cid, "reference_id": format!("C-{number:05}"), "name": "", "description": "",
        "status": "new", "severity": 50, "severity_info": {"level": "medium"}, "tags": [], "version": 1,
        "created_timestamp": at, "updated_timestamp": at, "start_timestamp": at, "end_timestamp": at,
        "created_by": maker, "last_updated_by": maker, "creation_actor": actor, "update_actor": actor,
        "consistency": {"consistent": true, "version": 1}, "read_only": {"is_read_only": false},
        "assigned_to": {"email": "", "full_name": "", "uuid": ""}, "assigned_to_name": "", "assigned_to_uuid": "",
        "evidence": {"alerts": none, "events": none, "leads": none, "custom_evidence": none, "users": none}})
}

fn assign(row: &mut Value, uuid: &str, name: &str, email: &str) {
    row["assigned_to"] = json!({"email": email, "full_name": name, "uuid": uuid});
    (row["assigned_to_uuid"], row["assigned_to_name"]) = (uuid.into(), name.into());
}

fn assign_uuid(c: Context<'_>, row: &mut Value, uuid: &str) {
    let person = analysts(&c.tenant.estate).into_iter().find(|p| p.uuid == uuid);
    let (name, email) = person.map(|p| (p.name, p.email)).unwrap_or_default();
    assign(row, uuid, &name, &email);
}

/// Evidence that is not there yet.
fn put(row: &mut Value, kind: &str, ids: &[String]) {
    let Some(records) = row["evidence"][kind]["records"].as_array_mut() else { return };
    for id in ids {
        if !records.iter().any(|r| r["id"] == **id) {
            records.push(json!({"id": id, "selector": {"id": id}}));
        }
    }
}

fn put_alerts(row: &mut Value, ids: &[String]) {
    put(row, "alerts", ids);
}

fn evidence_ids(row: &Value, kind: &str) -> Vec<String> {
    let records = row["evidence"][kind]["records"].as_array().cloned().unwrap_or_default();
    records.iter().filter_map(|r| r["id"].as_str().map(str::to_owned)).collect()
}

/// What follows from the evidence: hosts, files, users, and what filters look at.
fn refresh(c: Context<'_>, row: &mut Value) {
    let (alerts, events) = (evidence_ids(row, "alerts"), evidence_ids(row, "events"));
    let found: Vec<_> = alerts.iter().filter_map(|id| ra::find(c.tenant, c.falcon, id)).collect();
    let hosts: BTreeSet<u64> = found.iter().map(|d| d.machine).collect();
    let host = |index: &u64| {
        let h = c.tenant.estate.fields(*index);
        json!({"agent_ip": h.ip().to_string(), "aid": h.id(), "cloud_instance_id": "", "hostname": h.hostname(),
            "local_ip": h.ip().to_string()})
    };
    let hosts: Vec<Value> = hosts.iter().map(host).collect();
    let file = |d: &crate::estate::Detection| json!({"filename": d.process.name, "md5": d.process.md5, "path": d.process.path, "sha256": d.process.sha256});
    let files: Vec<Value> = found.iter().filter(|d| ra::has_process(d)).map(file).collect();
    let ids = |ids: &[String]| ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>();
    let part = |key: &str, rows: &[Value]| rows.iter().map(|r| r[key].clone()).collect::<Vec<_>>();
    (row["aids"], row["hostnames"]) = (part("aid", &hosts).into(), part("hostname", &hosts).into());
    row["sha256s"] = part("sha256", &files).into();
    row["tactics"] = found.iter().map(|d| d.kind.tactic.1).collect::<BTreeSet<_>>().into_iter().collect();
    row["techniques"] =
        found.iter().map(|d| d.kind.technique.1).collect::<BTreeSet<_>>().into_iter().collect();
    row["analysis_results"] = json!({"alerts": {"records": ids(&alerts)}, "events": {"records": ids(&events)},
        "hosts": {"records": hosts}, "files": {"records": files}, "leads": {"records": []}, "users": {"records": []},
        "cloud_assets": {"records": []}, "data_domains": ["Endpoint"]});
    row["alerts"] = alerts.into();
}

fn shown(row: &Value) -> Value {
    let mut row = row.clone();
    if let Some(row) = row.as_object_mut() {
        HIDDEN.iter().for_each(|key| drop(row.remove(*key)));
    }
    row
}

fn query(ask: &Ask<'_>) -> Result<Response, Refused> {
    let mut rows = KEPT.all(ask.c);
    if let Some(words) = ask.get("q").map(str::to_lowercase) {
        rows.retain(|row| row.to_string().to_lowercase().contains(&words));
    }
    // An asterisk alone lets everything through.
    let star = ask.get("filter") == Some("*");
    let query = ask.query.iter().filter(|(key, _)| !(star && key == "filter")).cloned().collect();
    let ask = Ask { c: ask.c, method: ask.method.clone(), path: ask.path, query, body: ask.body.clone() };
    Ok(page(&ask, rows, &STYLE)?.ids(SERVICE, "id").into_response())
}

fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::POST => {
            let ids = ask.body_ids(SERVICE, 500)?;
            let rows: Vec<Value> = KEPT.all(ask.c).iter().map(shown).collect();
            Ok(by_id(SERVICE, &rows, "id", &ids, "case").into_response())
        }
        Method::PUT => create(ask),
        Method::PATCH => update(ask),
        _ => no_method(),
    }
}

fn selected(value: &Value) -> Vec<String> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|s| s["id"].as_str().map(str::to_owned)).collect()
}

/// Alerts that there are; one that is not is refused.
fn known_alerts(c: Context<'_>, ids: &[String]) -> Result<(), Refused> {
    match ids.iter().find(|id| ra::find(c.tenant, c.falcon, id).is_none()) {
        Some(id) => Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "alert not found", id)),
        None => Ok(()),
    }
}

fn create(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = ask.json(SERVICE)?;
    let name = body["name"]
        .as_str()
        .filter(|n| !n.trim().is_empty())
        .ok_or_else(|| bad(SERVICE, "name is required"))?;
    let alerts = selected(&body["evidence"]["alerts"]);
    known_alerts(ask.c, &alerts)?;
    let number = KEPT.with(ask.c, |rows| rows.len()) + 1;
    let mut row = blank(ask.c, &new_id(ask.c), number, &now(ask.c));
    row["name"] = name.into();
    row["tags"] = json!(texts(&body["tags"]));
    change(ask.c, &mut row, &body)?;
    put_alerts(&mut row, &alerts);
    put(&mut row, "events", &selected(&body["evidence"]["events"]));
    refresh(ask.c, &mut row);
    let row = KEPT.add(ask.c, "entities.cases.put.v2", row);
    let mut envelope = Envelope::new(SERVICE).with(&[shown(&row)]);
    envelope.status = StatusCode::CREATED;
    Ok(envelope.into_response())
}

/// Takes the fields of a request over.
fn change(c: Context<'_>, row: &mut Value, fields: &Value) -> Result<(), Refused> {
    let text = |key: &str| fields[key].as_str().filter(|t| !t.is_empty());
    if let Some(status) = text("status") {
        if !STATUSES.contains(&status) {
            return Err(bad(SERVICE, &format!("invalid status '{status}'")));
        }
        row["status"] = status.into();
    }
    if let Some(severity) = fields["severity"].as_i64() {
        if !(0..=100).contains(&severity) {
            return Err(bad(SERVICE, "severity must be between 0 and 100"));
        }
        row["severity"] = severity.into();
    }
    for key in ["name", "description"] {
        if let Some(value) = text(key) {
            row[key] = value.into();
        }
    }
    if let Some(uuid) = text("assigned_to_user_uuid") {
        assign_uuid(c, row, uuid);
    }
    if fields["remove_user_assignment"] == true {
        assign(row, "", "", "");
    }
    Ok(())
}

/// A change of one case; it has another version afterwards.
fn work(
    ask: &Ask<'_>,
    operation: &str,
    id: &str,
    work: impl FnOnce(&mut Value) -> Result<(), Refused>,
) -> Result<Value, Refused> {
    let missing = || refuse(SERVICE, StatusCode::NOT_FOUND, "case not found", id);
    let mut row = KEPT.all(ask.c).into_iter().find(|row| row["id"] == id).ok_or_else(missing)?;
    if row["read_only"]["is_read_only"] == true {
        return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "case is read only", id));
    }
    work(&mut row)?;
    refresh(ask.c, &mut row);
    let version = row["version"].as_i64().unwrap_or_default() + 1;
    (row["version"], row["consistency"]["version"]) = (version.into(), version.into());
    row["updated_timestamp"] = now(ask.c).into();
    KEPT.change(ask.c, operation, id, |kept| *kept = row.clone()).ok_or_else(missing)
}

fn update(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = ask.json(SERVICE)?;
    let id = body["id"].as_str().unwrap_or_default();
    let expected = body["expected_version"].as_i64();
    let row = work(ask, "entities.cases.patch.v2", id, |row| {
        if expected.is_some_and(|version| row["version"] != version) {
            return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "case has another version", id));
        }
        change(ask.c, row, &body["fields"])
    })?;
    Ok(one(&row))
}

fn one(row: &Value) -> Response {
    Envelope::new(SERVICE).with(&[shown(row)]).into_response()
}

fn tags(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method == Method::DELETE {
        let (id, gone) = (ask.need(SERVICE, "id")?.to_owned(), ask.every("tag"));
        let row = work(ask, "entities.case-tags.delete.v1", &id, |row| {
            row["tags"] =
                json!(texts(&row["tags"]).into_iter().filter(|t| !gone.contains(t)).collect::<Vec<_>>());
            Ok(())
        })?;
        return Ok(one(&row));
    }
    let body = ask.json(SERVICE)?;
    let added = texts(&body["tags"]);
    if added.is_empty() {
        return Err(bad(SERVICE, "tags is required"));
    }
    let row = work(ask, "entities.case-tags.post.v1", body["id"].as_str().unwrap_or_default(), |row| {
        let all: BTreeSet<String> = texts(&row["tags"]).into_iter().chain(added).collect();
        row["tags"] = json!(all);
        Ok(())
    })?;
    Ok(one(&row))
}

fn evidence(ask: &Ask<'_>) -> Result<Response, Refused> {
    let alerts = ask.path.contains("alert-evidence");
    let (kind, operation) = match alerts {
        true => ("alerts", "entities.alert-evidence.post.v1"),
        false => ("events", "entities.event-evidence.post.v1"),
    };
    let body = ask.json(SERVICE)?;
    let ids = selected(&body[kind]);
    if ids.is_empty() {
        return Err(bad(SERVICE, &format!("{kind} is required")));
    }
    if alerts {
        known_alerts(ask.c, &ids)?;
    }
    let row = work(ask, operation, body["id"].as_str().unwrap_or_default(), |row| {
        put(row, kind, &ids);
        Ok(())
    })?;
    Ok(one(&row))
}

/// The evidence goes into the one case; the other is closed and can be read alone.
fn merge(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = ask.json(SERVICE)?;
    let id = |key: &str| body[key].as_str().unwrap_or_default();
    let (source, destination) = (id("source_id"), id("destination_id"));
    let there = |id: &str| KEPT.all(ask.c).iter().any(|row| row["id"] == id);
    if source == destination || !there(destination) {
        return Err(refuse(SERVICE, StatusCode::BAD_REQUEST, "invalid destination", destination));
    }
    let operation = "entities.merge.post.v1";
    let emptied = work(ask, operation, source, |row| {
        row["status"] = "closed".into();
        row["read_only"]["is_read_only"] = true.into();
        Ok(())
    })?;
    work(ask, operation, destination, |row| {
        ["alerts", "events"].iter().for_each(|kind| put(row, kind, &evidence_ids(&emptied, kind)));
        Ok(())
    })?;
    Ok(meta_only(SERVICE, 2).into_response())
}

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("aids", Exact),
            ("alerts", Exact),
            ("assigned_to_name", Text),
            ("assigned_to_uuid", Exact),
            ("cid", Exact),
            ("created_timestamp", Time),
            ("description", Text),
            ("hostnames", Text),
            ("name", Text),
            ("reference_id", Text),
            ("severity", Number),
            ("sha256s", Exact),
            ("status", Text),
            ("tactics", Text),
            ("tags", Exact),
            ("techniques", Text),
            ("updated_timestamp", Time),
        ],
    },
    most: 10_000,
    default: 100,
    sort: "created_timestamp|desc",
    pipe: false,
    next_offset: false,
    silent: false,
};
