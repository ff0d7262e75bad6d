//! On-demand scans: made, watched, cancelled, and planned for later (falcon-api section 7).

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::counts;
use super::envelope::{ApiError, Envelope};
use super::fql::{Dialect, Kind};
use super::groups::ids_of;
use super::guard::Context;
use super::hosts_list::Refused;
use super::ods_rows::{file_row, host_row, parts, scan_row};
use super::render_host::stamp;
use super::things::{Ask, Kept, Style, bad, by_id, new_id, no_method, page, service, texts};
use crate::state::SimState;
use Kind::{Bool, Exact, Number, Text, Time};

const SERVICE: &str = "ods";
const READ: Option<&str> = Some("ods:read");
const WRITE: Option<&str> = Some("ods:write");
const SCANS: Kept = Kept { kind: "ods-scans", id: "id", born: |_| Vec::new() };
const PLANS: Kept = Kept { kind: "ods-plans", id: "id", born: |_| Vec::new() };

pub(super) const OPERATIONS: &[super::Operation] = &[
    ("GET", "/ods/queries/scans/v1", "query-scans", READ),
    ("GET", "/ods/queries/scan-hosts/v1", "query-scan-host-metadata", READ),
    ("GET", "/ods/queries/malicious-files/v1", "query-malicious-files", READ),
    ("GET", "/ods/queries/scheduled-scans/v1", "query-scheduled-scans", READ),
    ("GET", "/ods/entities/scans/v1", "get-scans-by-scan-ids", READ),
    ("GET", "/ods/entities/scans/v2", "get-scans-by-scan-ids-v2", READ),
    ("GET", "/ods/entities/scan-hosts/v1", "get-scan-host-metadata-by-ids", READ),
    ("GET", "/ods/entities/malicious-files/v1", "get-malicious-files-by-ids", READ),
    ("GET", "/ods/entities/scheduled-scans/v1", "get-scheduled-scans-by-scan-ids", READ),
    ("POST", "/ods/entities/scans/v1", "create-scan", WRITE),
    ("POST", "/ods/entities/scan-control-actions/cancel/v1", "cancel-scans", WRITE),
    ("POST", "/ods/entities/scheduled-scans/v1", "schedule-scan", WRITE),
    ("DELETE", "/ods/entities/scheduled-scans/v1", "delete-scheduled-scans", WRITE),
    ("POST", "/ods/aggregates/scans/v1", "aggregate-scans", WRITE),
    ("POST", "/ods/aggregates/scan-hosts/v1", "aggregate-query-scan-host-metadata", WRITE),
    ("POST", "/ods/aggregates/scheduled-scans/v1", "aggregate-scheduled-scans", WRITE),
];

pub(super) fn router() -> Router<Arc<SimState>> {
    let router = Router::new()
        .route("/ods/entities/scans/v2", service(entities))
        .route("/ods/entities/scan-control-actions/cancel/v1", service(cancel));
    ["scans", "scan-hosts", "malicious-files", "scheduled-scans"].iter().fold(router, |r, kind| {
        let r = r
            .route(&format!("/ods/queries/{kind}/v1"), service(query))
            .route(&format!("/ods/entities/{kind}/v1"), service(entities));
        if *kind == "malicious-files" {
            r
        } else {
            r.route(&format!("/ods/aggregates/{kind}/v1"), service(aggregate))
        }
    })
}

fn kind<'a>(ask: &Ask<'a>) -> &'a str {
    ask.path.split('/').nth(3).unwrap_or_default()
}

/// The scans, and those that plans have brought about until now.
fn scans(c: Context<'_>) -> Vec<Value> {
    let now = c.state.clock.now_ms();
    for plan in PLANS.all(c) {
        let start =
            plan["schedule"]["start_timestamp"].as_str().and_then(|t| DateTime::parse_from_rfc3339(t).ok());
        let begun = start.map(|t| t.timestamp_millis()).filter(|at| *at <= now);
        let made = SCANS.with(c, |rows| rows.iter().any(|row| row["profile_id"] == plan["id"]));
        if let (Some(begun), false) = (begun, made) {
            let scan = scan(c, &plan, &new_id(c), plan["id"].as_str().unwrap_or_default(), begun);
            SCANS.add(c, "schedule-scan", scan);
        }
    }
    SCANS.all(c)
}

fn rows(ask: &Ask<'_>) -> Vec<Value> {
    let c = ask.c;
    let each = |row: &dyn Fn(&Value) -> Vec<Value>| scans(c).iter().flat_map(row).collect();
    match kind(ask) {
        "scans" => each(&|scan| vec![scan_row(c, scan, ask.path.ends_with("v2"))]),
        "scan-hosts" => each(&|scan| parts(c, scan).iter().map(|p| host_row(c, scan, p)).collect()),
        "malicious-files" => {
            each(&|scan| parts(c, scan).iter().filter_map(|p| file_row(c, scan, p)).collect())
        }
        _ => PLANS.all(c).iter().map(without_targets).collect(),
    }
}

fn without_targets(plan: &Value) -> Value {
    let mut plan = plan.clone();
    drop(plan.as_object_mut().map(|plan| plan.remove("targets")));
    plan
}

fn style(kind: &str) -> &'static Style {
    match kind {
        "scans" => &SCAN_STYLE,
        "scan-hosts" => &HOST_STYLE,
        "malicious-files" => &FILE_STYLE,
        _ => &PLAN_STYLE,
    }
}

/// Filter and order are required.
fn query(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::GET {
        return no_method();
    }
    ask.need(SERVICE, "filter")?;
    ask.need(SERVICE, "sort")?;
    Ok(page(ask, rows(ask), style(kind(ask)))?.ids(SERVICE, "id").into_response())
}

fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    match (&ask.method, kind(ask)) {
        (&Method::GET, _) => {
            let ids = ask.ids(SERVICE, "ids", 500)?;
            Ok(by_id(SERVICE, &rows(ask), "id", &ids, "resource").into_response())
        }
        (&Method::POST, "scans") => start(ask),
        (&Method::POST, "scheduled-scans") => schedule(ask),
        (&Method::DELETE, "scheduled-scans") => delete(ask),
        _ => no_method(),
    }
}

fn aggregate(ask: &Ask<'_>) -> Result<Response, Refused> {
    let rows = rows(ask);
    counts::list(ask, SERVICE, &|field, filter| counts::of_rows(ask, style(kind(ask)), &rows, field, filter))
}

/// What a request may say of a scan, and what it may be at most; a text or a list has no most.
const SETTINGS: [(&str, Option<i64>); 12] = [
    ("cloud_ml_level_detection", Some(4)),
    ("cloud_ml_level_prevention", Some(4)),
    ("cpu_priority", Some(5)),
    ("description", None),
    ("endpoint_notification", None),
    ("max_duration", Some(24)),
    ("pause_duration", Some(24)),
    ("quarantine", None),
    ("scan_exclusions", None),
    ("scan_inclusions", None),
    ("sensor_ml_level_detection", Some(4)),
    ("sensor_ml_level_prevention", Some(4)),
];

/// A request, looked at: what is kept of it, with the hosts that it means.
fn accept(ask: &Ask<'_>, body: &Value) -> Result<Value, Refused> {
    let (paths, hosts, groups) =
        (texts(&body["file_paths"]), texts(&body["hosts"]), texts(&body["host_groups"]));
    if paths.is_empty() && texts(&body["scan_inclusions"]).is_empty() {
        return Err(bad(SERVICE, "file_paths is required"));
    }
    if hosts.is_empty() == groups.is_empty() {
        return Err(bad(SERVICE, "either hosts or host_groups is required"));
    }
    let estate = &ask.c.tenant.estate;
    if let Some(unknown) = hosts.iter().find(|id| estate.host_index(id).is_none()) {
        return Err(bad(SERVICE, &format!("host {unknown} not found")));
    }
    let in_groups = |index: &u64| {
        ids_of(ask.c.tenant, ask.c.falcon, &estate.fields(*index)).iter().any(|id| groups.contains(id))
    };
    let members = || (0..estate.host_count()).filter(in_groups).map(|index| estate.host_id(index)).collect();
    let targets: Vec<String> = if groups.is_empty() { hosts.clone() } else { members() };
    let mut row = json!({"file_paths": paths, "hosts": hosts, "host_groups": groups, "targets": targets});
    for (key, most) in SETTINGS {
        let value = &body[key];
        if most.zip(value.as_i64()).is_some_and(|(most, n)| !(0..=most).contains(&n)) {
            return Err(bad(SERVICE, &format!("invalid {key}")));
        }
        if !value.is_null() {
            row[key] = value.clone();
        }
    }
    Ok(row)
}

fn scan(c: Context<'_>, settings: &Value, id: &str, profile: &str, begun: i64) -> Value {
    let mut row = settings.clone();
    let more = json!({"id": id, "cid": c.falcon.cid, "profile_id": profile, "initiated_from": "falcon_adhoc",
        "created_on": stamp(begun), "created_by": c.falcon.client_id, "begun_ms": begun});
    super::discover::merge(&mut row, more);
    if let Some(row) = row.as_object_mut() {
        ["schedule", "deleted", "status"].iter().for_each(|key| drop(row.remove(*key)));
    }
    row
}

fn created(row: &Value) -> Response {
    let mut envelope = Envelope::new(SERVICE).with(std::slice::from_ref(row));
    envelope.status = StatusCode::CREATED;
    envelope.into_response()
}

fn start(ask: &Ask<'_>) -> Result<Response, Refused> {
    let settings = accept(ask, &ask.json(SERVICE)?)?;
    let c = ask.c;
    let row = SCANS.add(c, "create-scan", scan(c, &settings, &new_id(c), &new_id(c), c.state.clock.now_ms()));
    Ok(created(&scan_row(c, &row, false)))
}

/// Scans that are not at their end; the others are told.
fn cancel(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (c, ids) = (ask.c, ask.body_ids(SERVICE, 500)?);
    let all = scans(c);
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        let status = all.iter().find(|s| s["id"] == *id).map(|s| scan_row(c, s, true)["status"].clone());
        match status.as_ref().and_then(Value::as_str) {
            Some("pending" | "running") => {
                let now = c.state.clock.now_ms();
                SCANS.change(c, "cancel-scans", &id, |row| row["canceled_ms"] = now.into());
                done.push(id);
            }
            Some(status) => errors.push(ApiError::of(400, format!("scan is {status}"), &id)),
            None => errors.push(ApiError::of(404, "scan not found", &id)),
        }
    }
    let mut envelope = Envelope::new(SERVICE).with(&done);
    envelope.errors = errors;
    Ok(envelope.into_response())
}

fn schedule(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (c, body) = (ask.c, ask.json(SERVICE)?);
    let start = body["schedule"]["start_timestamp"].as_str().unwrap_or_default();
    if DateTime::parse_from_rfc3339(start).is_err() {
        return Err(bad(SERVICE, "schedule.start_timestamp is required"));
    }
    let mut row = accept(ask, &body)?;
    let now = stamp(c.state.clock.now_ms());
    let targeted = texts(&row["targets"]).len();
    let more = json!({"id": new_id(c), "cid": c.falcon.cid, "status": "scheduled", "deleted": false, "schedule": body["schedule"],
        "initiated_from": "falcon_adhoc", "created_on": now, "last_updated": now, "created_by": c.falcon.client_id,
        "targeted_host_count": targeted});
    super::discover::merge(&mut row, more);
    Ok(created(&without_targets(&PLANS.add(c, "schedule-scan", row))))
}

fn delete(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.ids(SERVICE, "ids", 500)?;
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        match PLANS.remove(ask.c, "delete-scheduled-scans", &id) {
            Some(_) => done.push(id),
            None => errors.push(ApiError::of(404, "scheduled scan not found", &id)),
        }
    }
    let mut envelope = Envelope::new(SERVICE).with(&done);
    envelope.errors = errors;
    Ok(envelope.into_response())
}

const fn list(dialect: &'static Dialect, sort: &'static str) -> Style {
    Style {
        service: SERVICE,
        dialect,
        most: 500,
        default: 500,
        sort,
        pipe: true,
        next_offset: false,
        silent: false,
    }
}

static SCAN_STYLE: Style = list(
    &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("affected_hosts_count", Number),
            ("created_by", Text),
            ("created_on", Time),
            ("description", Text),
            ("filecount.malicious", Number),
            ("filecount.quarantined", Number),
            ("filecount.scanned", Number),
            ("filecount.skipped", Number),
            ("initiated_from", Text),
            ("last_updated", Time),
            ("missing_host_count", Number),
            ("profile_id", Exact),
            ("scan_completed_on", Time),
            ("scan_started_on", Time),
            ("severity", Number),
            ("status", Text),
            ("targeted_host_count", Number),
        ],
    },
    "created_on|desc",
);
static HOST_STYLE: Style = list(
    &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("completed_on", Time),
            ("filecount.malicious", Number),
            ("filecount.quarantined", Number),
            ("filecount.scanned", Number),
            ("filecount.skipped", Number),
            ("host_id", Exact),
            ("host_scan_id", Exact),
            ("last_updated", Time),
            ("profile_id", Exact),
            ("scan_id", Exact),
            ("severity", Number),
            ("started_on", Time),
            ("status", Text),
        ],
    },
    "last_updated|desc",
);
static FILE_STYLE: Style = list(
    &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("filename", Text),
            ("hash", Exact),
            ("host_id", Exact),
            ("host_scan_id", Exact),
            ("last_updated", Time),
            ("pattern_id", Number),
            ("quarantined", Bool),
            ("scan_id", Exact),
            ("severity", Number),
        ],
    },
    "last_updated|desc",
);
static PLAN_STYLE: Style = list(
    &Dialect {
        strict: false,
        properties: &[
            ("id", Exact),
            ("created_by", Text),
            ("created_on", Time),
            ("deleted", Bool),
            ("description", Text),
            ("initiated_from", Text),
            ("last_updated", Time),
            ("schedule.interval", Number),
            ("schedule.start_timestamp", Time),
            ("status", Text),
            ("targeted_host_count", Number),
        ],
    },
    "schedule.start_timestamp|desc",
);
