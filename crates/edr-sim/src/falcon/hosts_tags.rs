//! `PATCH /devices/entities/devices/tags/v1` (falcon-api section 4): a row for each device.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::envelope::Envelope;
use super::guard::{Caller, Context};
use super::hosts_list::{Refused, SERVICE, refuse, run};
use crate::state::SimState;

/// Tags of groups alone can be changed; those of the sensor are set on the host.
const PREFIX: &str = "FalconGroupingTags/";

/// The most devices of one call.
const MOST: usize = 5_000;

#[derive(Deserialize)]
struct Order {
    action: String,
    device_ids: Vec<String>,
    tags: Vec<String>,
}

impl Order {
    fn check(&self) -> Result<(), Refused> {
        let bad = |message: &str| Err(refuse(StatusCode::BAD_REQUEST, message));
        if !matches!(self.action.as_str(), "add" | "remove") {
            return bad("action must be one of 'add' or 'remove'");
        }
        if self.device_ids.is_empty() || self.device_ids.len() > MOST {
            return bad("request must contain between 1 and 5000 device_ids");
        }
        if self.tags.is_empty() || self.tags.iter().any(|tag| !good(tag)) {
            return bad("tags must be of the form FalconGroupingTags/<tag>");
        }
        Ok(())
    }
}

fn good(tag: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    tag.strip_prefix(PREFIX)
        .is_some_and(|name| !name.is_empty() && tag.len() <= 256 && name.chars().all(letter))
}

/// The handler: 202, whatever became of each device.
pub(crate) async fn update(
    State(state): State<Arc<SimState>>,
    caller: Option<Extension<Caller>>,
    body: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let order: Order = serde_json::from_slice(&body)
            .map_err(|_| refuse(StatusCode::BAD_REQUEST, "Failed to parse request body"))?;
        order.check()?;
        let rows: Vec<Value> = order.device_ids.iter().map(|id| one(c, &order, id)).collect();
        let mut envelope = Envelope::new(SERVICE).with(&rows);
        envelope.status = StatusCode::ACCEPTED;
        Ok(envelope.into_response())
    })
}

fn one(c: Context<'_>, order: &Order, id: &str) -> Value {
    let Some(index) = c.tenant.estate.host_index(id) else {
        return json!({"device_id": id, "updated": false, "code": 404, "error": "Device not found"});
    };
    let before = c.tenant.estate.fields(index).tags();
    let named = order.tags.iter().filter_map(|tag| tag.strip_prefix(PREFIX)).map(str::to_owned);
    let mut after = before.clone();
    if order.action == "add" {
        after.extend(named.filter(|tag| !before.contains(tag)));
    } else {
        let named: Vec<String> = named.collect();
        after.retain(|tag| !named.contains(tag));
    }
    // Adding what is there and removing what is not are no changes, and no errors.
    if after != before {
        c.tenant.estate.update_overlay(index, |overlay| overlay.tags = Some(after.clone()));
        let tags = |tags: &[String]| json!({"tags": tags});
        c.state.log.push(&c.tenant.name, "UpdateDeviceTags", id, tags(&before), tags(&after));
    }
    json!({"device_id": id, "updated": true, "code": 202})
}
