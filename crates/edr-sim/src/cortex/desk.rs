//! What the calls of one tenant leave behind, and orders that endpoints carry out in their own time.
//!
//! Everything is kept with the estate, so that a reset forgets it. An order is pending until the sensor checks in, in
//! progress for half of its delay, and then completed; an endpoint that is away leaves it pending (facts 4.3).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Call;
use super::envelope::{Answer, NO_ENDPOINT, Refusal, Reply};
use super::{endpoint, isolate};
use crate::estate::TenantEstate;

/// The most endpoints of one order.
const MAX_ENDPOINTS: usize = 1_000;

/// The number of the first order that is no isolation.
const FIRST: u64 = 10_001;

/// What is kept under a key; what was never kept is empty.
pub(super) fn load<T: DeserializeOwned + Default>(estate: &TenantEstate, key: &str) -> T {
    estate.kept(key).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Keeps something under a key.
pub(super) fn save<T: Serialize>(estate: &TenantEstate, key: &str, value: &T) {
    estate.keep(key, serde_json::to_string(value).ok());
}

/// Notes a change in the log.
pub(super) fn note(call: &Call<'_>, target: &str, before: Value, after: Value) {
    call.sim().log.push(&call.tenant.name, call.name(), target, before, after);
}

/// A required text of a request that says something.
pub(super) fn text<'a>(call: &'a Call<'_>, key: &str) -> Result<&'a str, Refusal> {
    let value = call.data.get(key).ok_or_else(|| missing(key))?;
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::invalid(format!("{key} must be a non-empty string, got {value}")))
}

/// 400 for a parameter that is not there.
pub(super) fn missing(key: &str) -> Refusal {
    Refusal::bad_request(format!("Missing at least one required parameter: ['{key}']."))
}

/// A required list of texts that is not empty.
pub(super) fn texts(call: &Call<'_>, key: &str) -> Result<Vec<String>, Refusal> {
    let value = call.data.get(key).ok_or_else(|| missing(key))?;
    let items = value.as_array().filter(|items| !items.is_empty());
    let texts = items.and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| Refusal::invalid(format!("{key} must be a non-empty array of strings, got {value}")))
}

/// An order to endpoints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) id: u64,
    /// `scan`, `script` …
    pub(super) kind: String,
    /// When it was accepted, in virtual milliseconds.
    pub(super) since: i64,
    /// When it was taken back.
    pub(super) aborted: Option<i64>,
    pub(super) hosts: Vec<u64>,
    polled: bool,
    /// What belongs to it.
    pub(super) detail: Value,
}

impl Task {
    /// Where it stands on one host.
    pub(super) fn state(&self, estate: &TenantEstate, index: u64) -> &'static str {
        let now = self.aborted.unwrap_or_else(|| estate.clock().now_ms());
        let up = estate.overlay(index).and_then(|overlay| overlay.online).map_or(i64::MIN, |(_, at)| at);
        let spent = now - self.since.max(up);
        match (estate.online(index), self.aborted) {
            (true, _) if spent >= estate.sensor_delay_ms() => "COMPLETED_SUCCESSFULLY",
            (_, Some(_)) => "ABORTED",
            (true, None) if spent >= estate.sensor_delay_ms() / 2 => "IN_PROGRESS",
            _ => "PENDING",
        }
    }

    /// True when it is done on a host.
    pub(super) fn is_done(&self, estate: &TenantEstate, index: u64) -> bool {
        self.state(estate, index) == "COMPLETED_SUCCESSFULLY"
    }
}

/// The orders of a tenant.
pub(super) fn tasks(estate: &TenantEstate) -> Vec<Task> {
    load(estate, "tasks")
}

/// Accepts an order for hosts: each must have an agent.
pub(super) fn order(call: &Call<'_>, kind: &str, hosts: Vec<u64>, detail: Value) -> Result<Task, Refusal> {
    let estate = call.estate();
    if hosts.is_empty() || hosts.iter().any(|index| is_gone(estate, *index)) {
        return Err(Refusal::business(NO_ENDPOINT, Value::Null));
    }
    if hosts.len() > MAX_ENDPOINTS {
        let message = format!("The maximum number of endpoints is {MAX_ENDPOINTS}, got {}", hosts.len());
        return Err(Refusal::invalid(message));
    }
    let _turn = call.turn();
    let mut all = tasks(estate);
    let id = all.last().map_or(FIRST, |task| task.id + 1);
    let since = estate.clock().now_ms();
    let task = Task { id, kind: kind.to_owned(), since, aborted: None, hosts, polled: false, detail };
    for index in &task.hosts {
        note(call, &estate.host_id(*index), Value::Null, json!({"action_id": id, "order": kind}));
    }
    all.push(task.clone());
    save(estate, "tasks", &all);
    Ok(task)
}

fn is_gone(estate: &TenantEstate, index: u64) -> bool {
    endpoint::status(estate, &estate.fields(index)) == endpoint::Status::Uninstalled
}

/// The answer to an order.
pub(super) fn accepted(task: &Task) -> Answer {
    Reply::of(&json!({"action_id": task.id, "status": 1, "endpoints_count": task.hosts.len()}))
}

/// Changes the orders that the function picks.
pub(super) fn change_tasks(call: &Call<'_>, change: impl FnMut(&mut Task)) {
    let (_turn, estate) = (call.turn(), call.estate());
    let mut all = tasks(estate);
    all.iter_mut().for_each(change);
    save(estate, "tasks", &all);
}

/// The order with the id that stands behind `key`: an integer, or one in a string.
pub(super) fn task(call: &Call<'_>, key: &str, kind: Option<&str>) -> Result<Task, Refusal> {
    let value = call.data.get(key).ok_or_else(|| missing(key))?;
    let id = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let found = tasks(call.estate()).into_iter().find(|task| Some(task.id) == id);
    found
        .filter(|task| kind.is_none_or(|kind| task.kind == kind))
        .ok_or_else(|| Refusal::business(format!("No action was found for the given {key}"), value.clone()))
}

/// `POST actions/get_action_status`: orders of this module, else those of isolation. The first answer is empty.
pub(super) fn action_status(call: &Call<'_>) -> Answer {
    let Ok(found) = task(call, "group_action_id", None) else { return isolate::action_status(call) };
    change_tasks(call, |task| task.polled |= task.id == found.id);
    if !found.polled {
        return Reply::of(&json!({"data": {}}));
    }
    let estate = call.estate();
    let state = |index: &u64| (estate.host_id(*index), json!(found.state(estate, *index)));
    let data: serde_json::Map<String, Value> = found.hosts.iter().map(state).collect();
    Reply::of(&json!({"data": data}))
}
