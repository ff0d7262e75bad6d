//! Indicators of compromise that a tenant manages itself (falcon-api section 6).

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cursor::{decode, encode};
use super::envelope::{ApiError, Empty, Envelope};
use super::fql::{Dialect, Kind};
use super::guard::Context;
use super::hosts_list::Refused;
use super::things::{Ask, Kept, Style, bad, by_id, found, no_method, now, number, service, texts};
use crate::estate::hash::hex_words;
use crate::state::SimState;

const SERVICE: &str = "ioc-manager";
const KEPT: Kept = Kept { kind: "iocs", id: "id", born: |_| Vec::new() };
/// More than these on a page, or in a call that makes them, are refused.
const MOST: usize = 2_000;

const TYPES: [&str; 6] = ["sha256", "md5", "domain", "ipv4", "ipv6", "all_subdomains"];
const ACTIONS: [&str; 5] = ["no_action", "allow", "detect", "prevent", "prevent_no_ui"];
const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];
const DESKTOP: [&str; 3] = ["windows", "mac", "linux"];
const MOBILE: [&str; 2] = ["ios", "android"];

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("id", Kind::Exact),
            ("action", Kind::Text),
            ("applied_globally", Kind::Bool),
            ("created_by", Kind::Text),
            ("created_on", Kind::Time),
            ("expiration", Kind::Time),
            ("expired", Kind::Bool),
            ("metadata.filename.raw", Kind::Text),
            ("modified_by", Kind::Text),
            ("modified_on", Kind::Time),
            ("severity_number", Kind::Number),
            ("source", Kind::Text),
            ("type", Kind::Text),
            ("value", Kind::Text),
        ],
    },
    most: MOST,
    default: 100,
    sort: "created_on.asc",
    pipe: false,
    next_offset: true,
    silent: false,
};

pub(super) fn router() -> Router<Arc<SimState>> {
    let words = ["actions", "ioc-types", "platforms", "severities"];
    let router = Router::new()
        .route("/iocs/combined/indicator/v1", service(|ask| list(ask, false)))
        .route("/iocs/queries/indicators/v1", service(|ask| list(ask, true)))
        .route("/iocs/entities/indicators/v1", service(entities))
        .route("/iocs/entities/actions/v1", service(actions))
        .route("/iocs/aggregates/indicators/device-count/v1", service(device_count))
        .route("/iocs/queries/indicators/devices/v1", service(seen_on))
        .route("/iocs/queries/indicators/processes/v1", service(seen_on));
    words.iter().fold(router, |r, word| r.route(&format!("/iocs/queries/{word}/v1"), service(vocabulary)))
}

/// Whether an indicator of the tenant applies to a group of hosts.
pub(super) fn use_group(c: Context<'_>, group: &str) -> bool {
    let applies = |row: &Value| texts(&row["host_groups"]).iter().any(|id| id == group);
    KEPT.with(c, |rows| rows.iter().any(applies))
}

/// The rows as they are now: one whose time is over does nothing any more.
fn rows(ask: &Ask<'_>) -> Vec<Value> {
    let now_ms = ask.c.state.clock.now_ms();
    let mut rows = KEPT.all(ask.c);
    for row in &mut rows {
        if expires(row).is_some_and(|at| at <= now_ms) {
            row["expired"] = true.into();
            row["action"] = "no_action".into();
            row["mobile_action"] = "no_action".into();
        }
    }
    rows
}

fn expires(row: &Value) -> Option<i64> {
    let at = DateTime::parse_from_rfc3339(row["expiration"].as_str()?).ok()?.timestamp_millis();
    (at > 0).then_some(at)
}

/// Where a walk goes on.
#[derive(Serialize, Deserialize)]
struct After(usize);

fn list(ask: &Ask<'_>, ids: bool) -> Result<Response, Refused> {
    let number = |key: &str| ask.get(key).map(str::parse::<usize>).transpose();
    let limit = number("limit").map_err(|_| bad(SERVICE, "invalid limit"))?.unwrap_or(STYLE.default);
    let offset = number("offset").map_err(|_| bad(SERVICE, "invalid offset"))?;
    if !(1..=MOST).contains(&limit) {
        return Err(bad(SERVICE, "limit must be between 1 and 2000"));
    }
    let after =
        ask.get("after").map(|t| decode::<After>(t).ok_or_else(|| bad(SERVICE, "invalid 'after' value")));
    let after = after.transpose()?.map(|a| a.0);
    if offset.is_some() && after.is_some() {
        return Err(bad(SERVICE, "offset and after are mutually exclusive"));
    }
    let all = found(ask, rows(ask), &STYLE, ask.get("filter").unwrap_or_default())?;
    let (total, from) = (all.len(), after.or(offset).unwrap_or_default());
    let mut page: Vec<Value> = all.into_iter().skip(from).take(limit).collect();
    let end = from + page.len();
    let mut pagination = json!({"limit": limit, "total": total, "offset": end});
    // A page that is the last one has an `after` as well.
    if offset.is_none() && !page.is_empty() {
        pagination["after"] = encode(&After(end)).into();
    }
    if ids {
        page.iter_mut().for_each(|row| *row = row["id"].take());
    }
    Ok(answer(&page, pagination).into_response())
}

/// A row as the service shows it: the number of the severity is there to sort and filter by alone.
fn shown(row: &Value) -> Value {
    let mut row = row.clone();
    row.as_object_mut().map(|row| row.remove("severity_number"));
    row
}

fn answer(rows: &[Value], pagination: Value) -> Envelope {
    let rows: Vec<Value> = rows.iter().map(shown).collect();
    let mut envelope = Envelope::new(SERVICE).paged(pagination).with(&rows);
    envelope.no_errors = Empty::Null;
    envelope
}

fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    match ask.method {
        Method::GET => {
            let ids = ask.ids(SERVICE, "ids", 500)?;
            let rows: Vec<Value> = rows(ask).iter().map(shown).collect();
            Ok(by_id(SERVICE, &rows, "id", &ids, "indicator").into_response())
        }
        Method::POST => create(ask),
        Method::PATCH => update(ask),
        Method::DELETE => delete(ask),
        _ => no_method(),
    }
}

/// A row that cannot be taken: the field, and why.
type Fault = (&'static str, String);

fn fault(field: &'static str, message: impl Into<String>) -> Result<(), Fault> {
    Err((field, message.into()))
}

fn word<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// The rules that CrowdStrike's own Terraform provider encodes.
fn check(row: &Value, now_ms: i64) -> Result<(), Fault> {
    let (kind, platforms) = (word(row, "type"), texts(&row["platforms"]));
    let any = |known: &[&str]| platforms.iter().any(|p| known.contains(&p.as_str()));
    let (desktop, mobile) = (any(&DESKTOP), any(&MOBILE));
    let known = |p: &String| DESKTOP.contains(&p.as_str()) || MOBILE.contains(&p.as_str());
    if !TYPES.contains(&kind) {
        return fault("type", format!("invalid type '{kind}'"));
    }
    if !is_value(kind, word(row, "value")) {
        return fault("value", format!("invalid value for type {kind}"));
    }
    if platforms.is_empty() || !platforms.iter().all(known) {
        return fault("platforms", "platforms must name windows, mac, linux, ios or android");
    }
    if (mobile && ["sha256", "md5"].contains(&kind)) || (desktop && kind == "all_subdomains") {
        return fault("platforms", format!("type {kind} is not supported on these platforms"));
    }
    let globally = row["applied_globally"] == true;
    if globally != texts(&row["host_groups"]).is_empty() {
        return fault("host_groups", "either applied_globally or host_groups is required");
    }
    for (key, needed) in [("action", desktop), ("mobile_action", mobile)] {
        if needed && !ACTIONS.contains(&word(row, key)) {
            return fault("action", format!("{key} is required"));
        }
    }
    check_action(row, kind, desktop)?;
    match expires(row) {
        Some(at) if at <= now_ms => fault("expiration", "expiration must be in the future"),
        _ => Ok(()),
    }
}

fn check_action(row: &Value, kind: &str, desktop: bool) -> Result<(), Fault> {
    let action = word(row, "action");
    let network = ["domain", "ipv4", "ipv6"].contains(&kind);
    if desktop && network && !["detect", "no_action"].contains(&action) {
        return fault("action", format!("action {action} is not supported for type {kind}"));
    }
    let acts = |key: &str| ["detect", "prevent"].contains(&word(row, key));
    let wants = acts("action") || acts("mobile_action");
    match row["severity"].as_str() {
        None if wants => fault("severity", "severity is required to detect or prevent"),
        Some(_) if !wants => fault("severity", "severity is not supported for this action"),
        Some(s) if !SEVERITIES.contains(&s) => fault("severity", format!("invalid severity '{s}'")),
        _ => Ok(()),
    }
}

fn is_value(kind: &str, value: &str) -> bool {
    let hex = |n: usize| value.len() == n && value.bytes().all(|b| b.is_ascii_hexdigit());
    match kind {
        "sha256" => hex(64),
        "md5" => hex(32),
        "ipv4" => value.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => value.parse::<Ipv6Addr>().is_ok(),
        _ => (1..=200).contains(&value.len()) && !value.contains(char::is_whitespace),
    }
}

/// The whole call is refused; each bad row is told.
fn refused(faults: &[(usize, Value, Fault)]) -> Refused {
    let row = |(at, row, (field, message)): &(usize, Value, Fault)| {
        json!({"row": at + 1, "type": row["type"], "value": row["value"], "message_type": "error",
            "field_name": field, "message": message})
    };
    let rows: Vec<Value> = faults.iter().map(row).collect();
    let mut envelope = Envelope::new(SERVICE).with(&rows);
    envelope.status = StatusCode::BAD_REQUEST;
    envelope.errors = vec![ApiError::new(400, "one or more errors have occurred")];
    Box::new(envelope.into_response())
}

/// The parts of a request that a row keeps; what is empty is unset.
const FIELDS: [&str; 12] = [
    "action",
    "applied_globally",
    "description",
    "expiration",
    "host_groups",
    "metadata",
    "mobile_action",
    "platforms",
    "severity",
    "source",
    "tags",
    "value",
];

fn set(row: &mut Map<String, Value>, from: &Value) {
    for key in FIELDS.iter().filter(|key| from.get(**key).is_some()) {
        let value = from[*key].clone();
        let unset = value.is_null() || value == "" || value == json!([]);
        if unset {
            row.remove(*key)
        } else {
            row.insert((*key).to_owned(), value)
        };
    }
    // What does not apply is thrown away without a word.
    let platforms = texts(&row.get("platforms").cloned().unwrap_or_default());
    for (key, known) in [("action", &DESKTOP[..]), ("mobile_action", &MOBILE[..])] {
        if !platforms.iter().any(|p| known.contains(&p.as_str())) {
            row.insert(key.to_owned(), "no_action".into());
        }
    }
    let level = |s: &str| SEVERITIES.iter().position(|known| *known == s).map(|at| (at + 1) * 10);
    let number = row.get("severity").and_then(Value::as_str).and_then(level);
    row.insert("severity_number".to_owned(), number.unwrap_or_default().into());
}

fn create(ask: &Ask<'_>) -> Result<Response, Refused> {
    let wishes = ask.rows(SERVICE, "indicators")?;
    if wishes.len() > MOST {
        return Err(bad(SERVICE, "a request has at most 2000 indicators"));
    }
    let now_ms = ask.c.state.clock.now_ms();
    let ignore = ask.get("ignore_warnings") == Some("true");
    let name = |row: &Value| format!("{} {}", row["type"], row["value"]);
    let mut known: HashSet<String> = KEPT.with(ask.c, |rows| rows.iter().map(name).collect());
    let mut faults = Vec::new();
    let mut fresh: Vec<&Value> = Vec::new();
    for (at, wish) in wishes.iter().enumerate() {
        let double = known.contains(&name(wish));
        match check(wish, now_ms) {
            Err(fault) => faults.push((at, wish.clone(), fault)),
            Ok(()) if double && !ignore => {
                let why = format!("duplicate type: '{}' and value", word(wish, "type"));
                faults.push((at, wish.clone(), ("", why)));
            }
            Ok(()) if double => {}
            Ok(()) => {
                known.insert(name(wish));
                fresh.push(wish);
            }
        }
    }
    if !faults.is_empty() {
        return Err(refused(&faults));
    }
    let made: Vec<Value> = fresh.into_iter().map(|wish| make(ask, wish)).collect();
    let mut envelope = answer(&made, json!({"limit": 0, "total": made.len()}));
    envelope.status = StatusCode::CREATED;
    Ok(envelope.into_response())
}

fn make(ask: &Ask<'_>, wish: &Value) -> Value {
    let (by, at) = (&ask.c.falcon.client_id, now(ask.c));
    let mut row = Map::new();
    set(&mut row, wish);
    row.insert("type".to_owned(), wish["type"].clone());
    let fixed = json!({"id": hex_words(number(ask.c), 4), "created_by": by, "created_on": at,
        "modified_by": by, "modified_on": at, "expired": false, "deleted": false, "from_parent": false,
        "applied_globally": wish["applied_globally"] == true});
    row.extend(fixed.as_object().cloned().unwrap_or_default());
    KEPT.add(ask.c, "indicator.create.v1", row.into())
}

/// By id, or every one that a filter lets through.
fn update(ask: &Ask<'_>) -> Result<Response, Refused> {
    let body = ask.json(SERVICE)?;
    let bulk = body.get("bulk_update").filter(|b| !b.is_null());
    let changes: Vec<(String, Value)> = match bulk {
        Some(bulk) => {
            let filter = word(bulk, "filter");
            if filter.is_empty() {
                return Err(bad(SERVICE, "bulk_update requires a filter"));
            }
            let hits = found(ask, rows(ask), &STYLE, filter)?;
            hits.iter().map(|row| (word(row, "id").to_owned(), bulk.clone())).collect()
        }
        None => {
            let rows = ask.rows(SERVICE, "indicators")?;
            rows.into_iter().map(|row| (word(&row, "id").to_owned(), row)).collect()
        }
    };
    let known = KEPT.all(ask.c);
    let mut faults = Vec::new();
    let mut errors = Vec::new();
    for (at, (id, change)) in changes.iter().enumerate() {
        let Some(row) = known.iter().find(|row| row["id"] == *id) else {
            errors.push(ApiError::of(404, "indicator not found", id));
            continue;
        };
        let mut after = row.as_object().cloned().unwrap_or_default();
        set(&mut after, change);
        let after = Value::Object(after);
        let resent = change.get("expiration").is_some() || expires(row).is_none();
        let now_ms = if resent { ask.c.state.clock.now_ms() } else { i64::MIN };
        faults.extend(check(&after, now_ms).err().map(|fault| (at, after, fault)));
    }
    if !faults.is_empty() {
        return Err(refused(&faults));
    }
    let (by, at) = (ask.c.falcon.client_id.clone(), now(ask.c));
    let changed: Vec<Value> = changes
        .iter()
        .filter_map(|(id, change)| {
            KEPT.change(ask.c, "indicator.update.v1", id, |row| {
                if let Some(row) = row.as_object_mut() {
                    set(row, change);
                    row.insert("modified_by".to_owned(), by.as_str().into());
                    row.insert("modified_on".to_owned(), at.as_str().into());
                }
            })
        })
        .collect();
    let mut envelope = answer(&changed, json!({"limit": 0, "total": changed.len()}));
    envelope.errors = errors;
    Ok(envelope.into_response())
}

/// A filter goes before ids.
fn delete(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids: Vec<String> = match ask.get("filter") {
        Some(filter) => {
            let hits = found(ask, rows(ask), &STYLE, filter)?;
            hits.iter().map(|row| word(row, "id").to_owned()).collect()
        }
        None => ask.ids(SERVICE, "ids", 500)?,
    };
    let gone = |id: &&String| KEPT.remove(ask.c, "indicator.delete.v1", id).is_some();
    let (done, missing): (Vec<&String>, Vec<&String>) = ids.iter().partition(gone);
    let rows: Vec<Value> = done.into_iter().map(|id| id.as_str().into()).collect();
    let mut envelope = answer(&rows, json!({"limit": 0, "total": rows.len()}));
    envelope.errors = missing.into_iter().map(|id| ApiError::of(404, "indicator not found", id)).collect();
    Ok(envelope.into_response())
}

fn words_of(path: &str) -> Vec<&'static str> {
    match path.split('/').nth(3) {
        Some("actions") => ACTIONS.to_vec(),
        Some("ioc-types") => TYPES.to_vec(),
        Some("platforms") => [&DESKTOP[..], &MOBILE[..]].concat(),
        _ => SEVERITIES.to_vec(),
    }
}

fn vocabulary(ask: &Ask<'_>) -> Result<Response, Refused> {
    let words = words_of(ask.path);
    let number = |key: &str, default: usize| ask.get(key).map_or(Ok(default), str::parse);
    let wrong = |_| bad(SERVICE, "invalid limit or offset");
    let (limit, offset) = (number("limit", 100).map_err(wrong)?, number("offset", 0).map_err(wrong)?);
    let page: Vec<Value> = words.iter().skip(offset).take(limit).map(|w| (*w).into()).collect();
    let pagination = json!({"limit": limit, "offset": offset, "total": words.len()});
    Ok(answer(&page, pagination).into_response())
}

fn actions(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.ids(SERVICE, "ids", 100)?;
    let row = |action: &&str| {
        let severities = if ["detect", "prevent"].contains(action) { &SEVERITIES[..] } else { &[] };
        json!({"id": action, "platforms_by_type": {"sha256": DESKTOP, "md5": DESKTOP}, "severities": severities})
    };
    let rows: Vec<Value> = ACTIONS.iter().map(row).collect();
    Ok(by_id(SERVICE, &rows, "id", &ids, "action").into_response())
}

/// No simulated device has run anything that somebody made an indicator of.
fn device_count(ask: &Ask<'_>) -> Result<Response, Refused> {
    let (kind, value) = (ask.need(SERVICE, "type")?, ask.need(SERVICE, "value")?);
    let row = json!({"device_count": 0, "limit_exceeded": false, "type": kind, "value": value});
    Ok(Envelope::new(SERVICE).with(&[row]).into_response())
}

fn seen_on(ask: &Ask<'_>) -> Result<Response, Refused> {
    ask.need(SERVICE, "type")?;
    ask.need(SERVICE, "value")?;
    if ask.path.contains("processes") {
        ask.need(SERVICE, "device_id")?;
    }
    let pagination = json!({"limit": 100, "offset": ""});
    Ok(answer(&[], pagination).into_response())
}
