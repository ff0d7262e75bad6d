//! `api_keys/get_api_keys` of XDR 5, and the end of a key's life.
//!
//! Facts: cortex-xdr-api section 2 ("Expiry"): the reply has `DATA` with id, roles, who made the key and when, and when it
//! expires, in milliseconds; a key without an end has null there. An expired key is a 401 like any other.

use serde_json::{Value, json};

use super::Call;
use super::envelope::{Answer, Reply};
use super::paging::Window;
use crate::state::SimState;

const DAY_MS: i64 = 86_400_000;

/// When the keys of all tenants expire, if they do.
pub(super) fn expiration(sim: &SimState) -> Option<i64> {
    let life = i64::try_from(sim.options.cortex_key_life?.as_millis()).unwrap_or(i64::MAX / 4);
    Some(sim.clock.start_ms().saturating_add(life))
}

/// Whether the keys of all tenants have expired.
pub(super) fn is_expired(sim: &SimState) -> bool {
    expiration(sim).is_some_and(|at| sim.clock.now_ms() >= at)
}

/// `POST api_keys/get_api_keys`: the tenant's own key, and one of somebody else.
pub(super) fn list(call: &Call<'_>) -> Answer {
    let window = Window::parse(&call.data)?;
    let made = call.sim().clock.start_ms() - 30 * DAY_MS;
    let own = call.tenant.cortex().map(|key| key.api_key_id.parse::<u64>().unwrap_or_default());
    let keys = [
        key(3, &["Instance Administrator"], made - 300 * DAY_MS, None, "siem"),
        key(own.unwrap_or_default(), &["Viewer"], made, expiration(call.sim()), "edr"),
    ];
    Reply::of(&json!({"DATA": window.slice(&keys)}))
}

fn key(id: u64, roles: &[&str], made: i64, expires: Option<i64>, comment: &str) -> Value {
    json!({"id": id, "roles": roles, "created_by": "admin@example.com", "creation_time": made,
        "expiration": expires, "comment": comment})
}
