//! Hosts by id: entities and online state (falcon-api section 4).

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::envelope::{ApiError, Empty, Envelope};
use super::form;
use super::guard::{Caller, Context};
use super::hosts_list::{Refused, SERVICE, refuse, run};
use super::render_host::{render, stamp};
use super::writer::items;
use crate::estate::hash::mix_str;
use crate::state::SimState;

type Shared = State<Arc<SimState>>;

/// The body `{"ids": […]}`.
#[derive(Debug, Deserialize)]
pub(super) struct Ids {
    pub(super) ids: Vec<String>,
}

pub(super) fn ids_of(query: Option<String>) -> Vec<String> {
    form(&query.unwrap_or_default()).into_iter().filter(|(k, _)| k == "ids").map(|(_, v)| v).collect()
}

/// The hosts that exist, and an error for each of the others.
fn resolve(c: Context<'_>, ids: &[String], what: &str) -> (Vec<u64>, Vec<ApiError>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        match c.tenant.estate.host_index(id) {
            Some(index) if found.contains(&index) => {}
            Some(index) => found.push(index),
            None => errors.push(ApiError::of(404, format!("{what} not found"), id)),
        }
    }
    (found, errors)
}

fn entities(c: Context<'_>, ids: &[String], cap: usize) -> Result<Response, Refused> {
    if ids.len() > cap {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            &format!("request must contain between 0 and {cap} ids"),
        ));
    }
    let (mut found, errors) = resolve(c, ids, "device");
    // The service answers in an order of its own.
    found.sort_by_key(|i| mix_str(0x0DD, &c.tenant.estate.host_id(*i)));
    let mut envelope = Envelope::new(SERVICE);
    envelope.no_errors = Empty::Absent;
    envelope.errors = errors;
    envelope.resources = Some(items(found, |out, i| render(out, c.tenant, c.falcon, i, None)));
    Ok(envelope.into_response())
}

/// `GET /devices/entities/devices/v2`: at most 100 ids.
pub(crate) async fn get_entities(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| entities(c, &ids_of(query), 100))
}

/// `POST /devices/entities/devices/v2`: at most 5,000 ids.
pub(crate) async fn post_entities(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    body: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let body: Ids = serde_json::from_slice(&body)
            .map_err(|_| refuse(StatusCode::BAD_REQUEST, "Failed to parse request body"))?;
        entities(c, &body.ids, 5_000)
    })
}

/// `GET /devices/entities/online-state/v1`: at most 100 ids.
pub(crate) async fn online_state(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| {
        let ids = ids_of(query);
        if ids.is_empty() || ids.len() > 100 {
            return Err(refuse(StatusCode::BAD_REQUEST, "request must contain between 1 and 100 ids"));
        }
        let (found, errors) = resolve(c, &ids, "host");
        let rows: Vec<_> = found.into_iter().map(|i| state_of(c, i)).collect();
        let mut envelope = Envelope::new("cs.agentonline").with(&rows);
        envelope.errors = errors;
        Ok(envelope.into_response())
    })
}

fn state_of(c: Context<'_>, index: u64) -> serde_json::Value {
    let h = c.tenant.estate.fields(index);
    let state = match (h.online(), h.stale()) {
        (true, _) => "online",
        (false, true) => "unknown",
        (false, false) => "offline",
    };
    json!({"id": h.id(), "cid": c.falcon.cid, "last_seen": stamp(h.last_seen_ms()), "state": state})
}
