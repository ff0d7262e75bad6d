//! What hosts and alerts were: logins and addresses of hosts, and counts of alerts (falcon-api sections 4 and 5).

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::Method;
use serde_json::{Value, json};

use super::counts;
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
    counts::list(ask, SERVICE, &|field, filter| values(ask, field, filter))
}

/// The values of a field in the alerts that pass. A field that is not known has none.
fn values(ask: &Ask<'_>, field: &str, filter: &str) -> Result<Vec<Val>, Refused> {
    let filter = Filter::compile(filter, &ALERTS, ask.c.state.clock.now_ms())
        .map_err(|_| bad(SERVICE, "Invalid filter expression supplied"))?;
    let Some((property, _)) = ALERTS.property(field) else { return Ok(Vec::new()) };
    let views = (0..ask.c.tenant.estate.alert_count()).map(|i| AlertView::of(ask.c.tenant, ask.c.falcon, i));
    Ok(views.filter(|v| filter.is_empty() || filter.matches(v)).flat_map(|v| v.values(property)).collect())
}
