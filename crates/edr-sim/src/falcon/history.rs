//! What hosts and alerts were: logins and addresses of hosts, and counts of alerts (falcon-api sections 4 and 5).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope::{ApiError, Envelope};
use super::fql::{Filter, Record, Val};
use super::hosts_list::Refused;
use super::render_host::{last_login_ms, mac, stamp};
use super::things::{Ask, bad, no_method, service};
use super::view::{ALERTS, AlertView};
use crate::state::SimState;

const HOSTS: &str = "device-api";
const SERVICE: &str = "detectsapi";

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/devices/combined/devices/login-history/v2", service(logins))
        .route("/devices/combined/devices/network-address-history/v1", service(addresses))
        .route("/alerts/aggregates/alerts/v2", service(aggregates))
}

/// A row for each host that there is, and an error for each of the others.
fn each(ask: &Ask<'_>, most: usize, row: impl Fn(u64) -> Value) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for id in ask.body_ids(HOSTS, most)? {
        match ask.c.tenant.estate.host_index(&id) {
            Some(index) => rows.push(row(index)),
            None => errors.push(ApiError::of(404, "device not found", &id)),
        }
    }
    let mut envelope = Envelope::new(HOSTS).with(&rows);
    envelope.errors = errors;
    Ok(envelope.into_response())
}

/// At most ten hosts, and 1 to 100 logins of each.
fn logins(ask: &Ask<'_>) -> Result<Response, Refused> {
    let limit = ask.get("limit").map_or(Ok(10), str::parse::<usize>);
    let limit = limit
        .ok()
        .filter(|n| (1..=100).contains(n))
        .ok_or_else(|| bad(HOSTS, "limit must be between 1 and 100"))?;
    each(ask, 10, |index| {
        let host = ask.c.tenant.estate.fields(index);
        let last = last_login_ms(&host);
        let names = host.users().into_iter().map(|user| user.name.clone());
        let at = |n: usize| Some(stamp(last? - n as i64 * 3_600_000));
        let login = |(n, name): (usize, String)| Some(json!({"user_name": name, "login_time": at(n)?}));
        let recent: Vec<Value> = names.enumerate().filter_map(login).take(limit).collect();
        json!({"device_id": host.id(), "cid": ask.c.falcon.cid, "recent_logins": recent})
    })
}

fn addresses(ask: &Ask<'_>) -> Result<Response, Refused> {
    each(ask, 5_000, |index| {
        let host = ask.c.tenant.estate.fields(index);
        let now = json!({"ip_address": host.ip().to_string(), "mac_address": mac(host.macs()[0]),
            "timestamp": stamp(host.last_seen_ms())});
        json!({"device_id": host.id(), "cid": ask.c.falcon.cid, "history": [now]})
    })
}

/// The body is a list: an object is refused.
fn aggregates(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::POST {
        return no_method();
    }
    let body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
    let specs = body.as_array().ok_or_else(|| bad(SERVICE, "invalid element in the request"))?;
    let mut envelope = Envelope::new(SERVICE);
    let mut rows = Vec::new();
    for spec in specs {
        let field = spec["field"].as_str().unwrap_or_default();
        let kind = spec["type"].as_str().unwrap_or_default();
        let lacks = |key: &str| spec[key].as_array().is_none_or(Vec::is_empty) && !spec[key].is_string();
        let partner = match kind {
            "terms" | "cardinality" | "min" | "max" => None,
            "date_histogram" => Some("interval"),
            "date_range" => Some("date_ranges"),
            "range" => Some("ranges"),
            _ => {
                envelope.errors.push(ApiError::new(400, "invalid aggregate type"));
                continue;
            }
        };
        if partner.is_some_and(lacks) {
            let broken = Envelope::error(StatusCode::INTERNAL_SERVER_ERROR, SERVICE, "internal error");
            return Ok(broken.into_response());
        }
        rows.push(json!({"name": spec["name"], "sum_other_doc_count": 0, "buckets": buckets(ask, kind, field, spec)?}));
    }
    // The answers come in an order of the service's own.
    rows.reverse();
    envelope = Envelope { errors: envelope.errors, ..Envelope::new(SERVICE).with(&rows) };
    Ok(envelope.into_response())
}

/// The values of a field in the alerts that pass. A field that is not known has none.
fn values(ask: &Ask<'_>, field: &str, spec: &Value) -> Result<Vec<Val>, Refused> {
    let filter = spec["filter"].as_str().unwrap_or_default();
    let filter = Filter::compile(filter, &ALERTS, ask.c.state.clock.now_ms())
        .map_err(|_| bad(SERVICE, "Invalid filter expression supplied"))?;
    let Some((property, _)) = ALERTS.property(field) else { return Ok(Vec::new()) };
    let views = (0..ask.c.tenant.estate.alert_count()).map(|i| AlertView::of(ask.c.tenant, ask.c.falcon, i));
    Ok(views.filter(|v| filter.is_empty() || filter.matches(v)).flat_map(|v| v.values(property)).collect())
}

fn number(value: &Val) -> f64 {
    match value {
        Val::Num(n) => *n,
        Val::Time(ms) => *ms as f64,
        Val::Bool(b) => f64::from(u8::from(*b)),
        Val::Text(_) => 0.0,
    }
}

fn label(value: &Val) -> String {
    match value {
        Val::Text(text) => text.clone(),
        Val::Time(ms) => stamp(*ms),
        other => number(other).to_string(),
    }
}

fn buckets(ask: &Ask<'_>, kind: &str, field: &str, spec: &Value) -> Result<Vec<Value>, Refused> {
    let values = values(ask, field, spec)?;
    Ok(match kind {
        "cardinality" => {
            let distinct: std::collections::BTreeSet<String> = values.iter().map(label).collect();
            vec![json!({"count": values.len(), "value": distinct.len()})]
        }
        "max" | "min" => {
            let pick = if kind == "max" { f64::max } else { f64::min };
            let all = values.iter().map(number).reduce(pick);
            all.into_iter().map(|value| json!({"count": values.len(), "value": value})).collect()
        }
        "range" => ranges(&values, spec),
        "date_histogram" => {
            let days = values.iter().map(|v| label(v)[..10].to_owned());
            counted(days)
                .into_iter()
                .map(|(day, n)| json!({"label": day, "key_as_string": day, "count": n}))
                .collect()
        }
        _ => terms(&values, spec),
    })
}

fn counted(labels: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    labels.fold(BTreeMap::new(), |mut all, label| {
        *all.entry(label).or_default() += 1;
        all
    })
}

fn terms(values: &[Val], spec: &Value) -> Vec<Value> {
    let mut all: Vec<(String, u64)> = counted(values.iter().map(label)).into_iter().collect();
    all.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let size = spec["size"].as_u64().unwrap_or(10) as usize;
    all.into_iter().take(size).map(|(label, n)| json!({"label": label, "count": n})).collect()
}

/// The keys of a span are written with a capital.
fn ranges(values: &[Val], spec: &Value) -> Vec<Value> {
    let spans = spec["ranges"].as_array().cloned().unwrap_or_default();
    let bucket = |span: &Value| {
        let (from, to) = (span["From"].as_f64().unwrap_or(f64::MIN), span["To"].as_f64().unwrap_or(f64::MAX));
        let inside = values.iter().filter(|v| (from..to).contains(&number(v))).count();
        json!({"from": span["From"], "to": span["To"], "count": inside, "label": format!("{from}-{to}")})
    };
    spans.iter().map(bucket).collect()
}
