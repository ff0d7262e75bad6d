//! `POST /devices/entities/devices-actions/v2`: contain and release, hide and show, suppress detections and not
//! (falcon-api section 4).

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::envelope::{ApiError, Envelope};
use super::guard::{Caller, Context};
use super::hosts::Ids;
use super::hosts_list::{SERVICE, refuse, run};
use super::render_host::status;
use super::{first, form};
use crate::state::SimState;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Contain,
    Lift,
    Hide(bool),
    Suppress(bool),
}

impl Action {
    fn named(name: &str) -> Option<Self> {
        match name {
            "contain" => Some(Self::Contain),
            "lift_containment" => Some(Self::Lift),
            "hide_host" => Some(Self::Hide(true)),
            "unhide_host" => Some(Self::Hide(false)),
            "detection_suppress" => Some(Self::Suppress(true)),
            "detection_unsuppress" => Some(Self::Suppress(false)),
            _ => None,
        }
    }

    /// Above this many ids the call is refused: the documented cap is 100, and psfalcon contains up to 500.
    fn most_ids(self) -> usize {
        if matches!(self, Self::Contain | Self::Lift) { 500 } else { 100 }
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
        let most = action.most_ids();
        if ids.is_empty() || ids.len() > most {
            return Err(bad(&format!("request must contain between 1 and {most} ids")));
        }
        Ok(reply(&ids, ids.iter().map(|id| one(c, action, id)).collect()))
    })
}

fn one(c: Context<'_>, action: Action, id: &str) -> Result<(), ApiError> {
    let index = c.tenant.estate.host_index(id).ok_or_else(|| ApiError::of(404, "Device not found", id))?;
    let (before, after) = match action {
        Action::Contain | Action::Lift => order(c, action, id, index)?,
        Action::Hide(hide) => {
            let was = c.tenant.estate.fields(index).hidden();
            c.tenant.estate.update_overlay(index, |overlay| overlay.hidden = hide);
            (json!({"hidden": was}), json!({"hidden": hide}))
        }
        Action::Suppress(suppress) => {
            let was = c.tenant.estate.fields(index).suppressed();
            c.tenant.estate.update_overlay(index, |overlay| overlay.suppressed = suppress);
            (json!({"suppressed": was}), json!({"suppressed": suppress}))
        }
    };
    c.state.log.push(&c.tenant.name, "PerformActionV2", id, before, after);
    Ok(())
}

/// Orders one host; the sensor carries it out when it is online, after the delay.
fn order(c: Context<'_>, action: Action, id: &str, index: u64) -> Result<(Value, Value), ApiError> {
    let estate = &c.tenant.estate;
    let before = estate.containment(index);
    let asked =
        if action == Action::Contain { estate.request_contain(index) } else { estate.request_lift(index) };
    let after = asked.map_err(|state| {
        ApiError::of(409, format!("Device is in state {} and cannot take this action", status(state)), id)
    })?;
    Ok((json!({"status": status(before)}), json!({"status": status(after)})))
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
