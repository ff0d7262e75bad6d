//! `POST /devices/entities/devices-actions/v2`: contain and release (falcon-api section 4).

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::envelope::{ApiError, Envelope};
use super::guard::{Caller, Context};
use super::hosts::Ids;
use super::hosts_list::{SERVICE, refuse, run};
use super::render_host::status;
use super::{first, form};
use crate::state::SimState;

/// Above this many ids the call is refused (the documented cap is 100; psfalcon sends up to 500).
const MOST_IDS: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Contain,
    Lift,
}

impl Action {
    fn named(name: &str) -> Option<Self> {
        match name {
            "contain" => Some(Self::Contain),
            "lift_containment" => Some(Self::Lift),
            _ => None,
        }
    }
}

/// The handler: 202, with an error for each host that refused.
pub(crate) async fn perform(
    State(state): State<Arc<SimState>>,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let bad = |text: &str| refuse(StatusCode::BAD_REQUEST, text);
        let query = form(&query.unwrap_or_default());
        let action = first(&query, "action_name")
            .and_then(Action::named)
            .ok_or_else(|| bad("action_name is missing or not supported"))?;
        let Ids { ids } = serde_json::from_slice(&body).map_err(|_| bad("Failed to parse request body"))?;
        if ids.is_empty() || ids.len() > MOST_IDS {
            return Err(bad("request must contain between 1 and 500 ids"));
        }
        Ok(reply(&ids, ids.iter().map(|id| one(c, action, id)).collect()))
    })
}

/// Orders one host; the sensor carries it out when it is online, after the delay.
fn one(c: Context<'_>, action: Action, id: &str) -> Result<(), ApiError> {
    let estate = &c.tenant.estate;
    let index = estate.host_index(id).ok_or_else(|| ApiError::of(404, "Device not found", id))?;
    let before = estate.containment(index);
    let asked = match action {
        Action::Contain => estate.request_contain(index),
        Action::Lift => estate.request_lift(index),
    };
    let after = asked.map_err(|state| {
        ApiError::of(409, format!("Device is in state {} and cannot take this action", status(state)), id)
    })?;
    c.state.log.push(
        &c.tenant.name,
        "PerformActionV2",
        id,
        json!({"status": status(before)}),
        json!({"status": status(after)}),
    );
    Ok(())
}

fn reply(ids: &[String], outcomes: Vec<Result<(), ApiError>>) -> Response {
    let row = |id: &String| json!({"id": id, "path": format!("/devices/entities/devices/v2?ids={id}")});
    let done: Vec<_> = ids.iter().zip(&outcomes).filter(|(_, o)| o.is_ok()).map(|(id, _)| row(id)).collect();
    let mut envelope = Envelope::new(SERVICE).with(&done);
    envelope.errors = outcomes.into_iter().filter_map(Result::err).collect();
    let refused = done.is_empty() && envelope.errors.iter().all(|e| e.code == 409);
    envelope.status = if refused { StatusCode::CONFLICT } else { StatusCode::ACCEPTED };
    envelope.into_response()
}
