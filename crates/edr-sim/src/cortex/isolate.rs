//! Isolation: `endpoints/isolate`, `endpoints/unisolate` and `actions/get_action_status`.
//!
//! Facts: cortex-xdr-api section 4.3 and the decisions of the reference: at most 1,000 endpoints a call; a call that names one
//! endpoint which cannot take the action is refused as a whole with 500; an agent that is away leaves the action pending;
//! the first answer for a new action is an empty map.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Call;
use super::endpoint::{self, Status};
use super::envelope::{Answer, NO_ENDPOINT, Refusal, Reply};
use super::filter::{self, Clause, Field, Kind, Op, field};
use super::{lock, words};
use crate::estate::TenantEstate;
use crate::estate::overlay::Containment;

/// The most endpoints of one call.
const MAX_ENDPOINTS: usize = 1_000;

/// The number before the first action's.
const FIRST_ACTION: u64 = 100;

/// The key under which a host remembers the actions it was part of; a reset forgets them.
const MARK: &str = "isolation_actions";

static FILTERS: &[Field] = &[field("endpoint_id_list", &[Op::In], Kind::Text)];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Isolate,
    Unisolate,
}

/// An accepted order.
#[derive(Debug)]
struct Action {
    id: u64,
    wish: Wish,
    /// When it was accepted, in virtual milliseconds.
    since: i64,
    /// The hosts, by index.
    hosts: Vec<u64>,
    polled: bool,
}

/// The orders of a tenant.
#[derive(Debug, Default)]
pub(super) struct Actions(Vec<Action>);

impl Actions {
    /// Drops what a reset of the simulator forgot, so that numbers start anew.
    fn forget(&mut self, estate: &TenantEstate) {
        self.0.retain(|action| action.is_remembered(estate));
    }

    fn next_id(&self) -> u64 {
        self.0.last().map_or(FIRST_ACTION, |action| action.id) + 1
    }
}

impl Action {
    fn is_remembered(&self, estate: &TenantEstate) -> bool {
        let first = self.hosts.first().and_then(|index| estate.overlay(*index));
        first.is_some_and(|overlay| marks(&overlay.extra).any(|id| id == self.id.to_string()))
    }

    /// Where the order stands on one host.
    fn status(&self, estate: &TenantEstate, index: u64) -> &'static str {
        let pending = match (self.wish, estate.containment(index)) {
            (Wish::Isolate, Containment::ContainPending { since })
            | (Wish::Unisolate, Containment::LiftPending { since }) => since == self.since,
            _ => false,
        };
        match pending {
            false => "COMPLETED_SUCCESSFULLY",
            true if estate.online(index)
                && estate.clock().now_ms() - self.since >= estate.sensor_delay_ms() / 2 =>
            {
                "IN_PROGRESS"
            }
            true => "PENDING",
        }
    }
}

fn marks<'a>(extra: &'a BTreeMap<&'static str, String>) -> impl Iterator<Item = &'a str> {
    extra.get(MARK).map(String::as_str).unwrap_or_default().split(',')
}

/// `POST endpoints/isolate`.
pub(super) fn isolate(call: &Call<'_>) -> Answer {
    order(call, Wish::Isolate)
}

/// `POST endpoints/unisolate`.
pub(super) fn unisolate(call: &Call<'_>) -> Answer {
    order(call, Wish::Unisolate)
}

fn order(call: &Call<'_>, wish: Wish) -> Answer {
    let hosts = hosts(call)?;
    // The lock spans check and change: of two calls for one host, one is refused.
    let mut actions = lock(&call.app.actions);
    hosts.iter().try_for_each(|index| check(call.estate(), *index, wish))?;
    actions.forget(call.estate());
    let id = actions.next_id();
    let since = call.estate().clock().now_ms();
    hosts.iter().for_each(|index| carry_out(call, *index, wish, since, id));
    let count = hosts.len();
    actions.0.push(Action { id, wish, since, hosts, polled: false });
    // A text, as in the vendor's own examples; cortex-xdr-client takes nothing else.
    Reply::of(&json!({"action_id": id.to_string(), "status": 1, "endpoints_count": count}))
}

/// The endpoints of a call: one by `endpoint_id`, or several by a filter, not both and not none.
fn hosts(call: &Call<'_>) -> Result<Vec<u64>, Refusal> {
    let ids = match (call.data.get("endpoint_id"), call.data.get("filters")) {
        (Some(Value::String(id)), None) => vec![id.clone()],
        (None, Some(_)) => listed(&call.data)?,
        _ => return Err(Refusal::invalid("exactly one of endpoint_id (a string) and filters must be given")),
    };
    if ids.len() > MAX_ENDPOINTS {
        return Err(Refusal::invalid(format!(
            "The maximum number of endpoints is {MAX_ENDPOINTS}, got {}",
            ids.len()
        )));
    }
    indices(call.estate(), &ids)
}

fn listed(data: &Value) -> Result<Vec<String>, Refusal> {
    let clauses = filter::parse(data, FILTERS)?;
    match clauses.as_slice() {
        [clause] => Ok(Clause::listed(clause).unwrap_or_default().to_vec()),
        _ => Err(Refusal::invalid("exactly one filter must be given: endpoint_id_list")),
    }
}

fn indices(estate: &TenantEstate, ids: &[String]) -> Result<Vec<u64>, Refusal> {
    let found: Option<Vec<u64>> = ids.iter().map(|id| estate.host_index(id)).collect();
    let mut found = found.ok_or_else(no_endpoint)?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn no_endpoint() -> Refusal {
    Refusal::business(NO_ENDPOINT, Value::Null)
}

/// Whether a host can take the order now.
fn check(estate: &TenantEstate, index: u64, wish: Wish) -> Result<(), Refusal> {
    if endpoint::status(estate, &estate.fields(index)) == Status::Uninstalled {
        return Err(no_endpoint());
    }
    match (wish, estate.containment(index)) {
        (Wish::Isolate, Containment::Normal) | (Wish::Unisolate, Containment::Contained { .. }) => Ok(()),
        (_, state) if state.is_pending() => Err(Refusal::business(
            "The action cannot be created: an isolation or unisolation is already pending on the endpoint",
            Value::String(estate.host_id(index)),
        )),
        _ => Err(no_endpoint()),
    }
}

fn carry_out(call: &Call<'_>, index: u64, wish: Wish, since: i64, id: u64) {
    let estate = call.estate();
    let before = estate.containment(index);
    let after = match wish {
        Wish::Isolate => Containment::ContainPending { since },
        Wish::Unisolate => Containment::LiftPending { since },
    };
    estate.update_overlay(index, |overlay| {
        overlay.containment = Some(after);
        let marks = overlay.extra.entry(MARK).or_default();
        *marks = if marks.is_empty() { id.to_string() } else { format!("{marks},{id}") };
    });
    let state = |containment| json!({"is_isolated": words::isolation(containment)});
    call.sim().log.push(&call.tenant.name, call.name(), &estate.host_id(index), state(before), state(after));
}

/// `POST actions/get_action_status`.
pub(super) fn action_status(call: &Call<'_>) -> Answer {
    let id = action_id(&call.data)?;
    let mut actions = lock(&call.app.actions);
    actions.forget(call.estate());
    let action = actions.0.iter_mut().find(|action| action.id == id);
    let action = action
        .ok_or_else(|| Refusal::business("No action was found for the given group_action_id", json!(id)))?;
    if !std::mem::replace(&mut action.polled, true) {
        return Reply::of(&json!({"data": {}}));
    }
    let estate = call.estate();
    let data: BTreeMap<String, &str> =
        action.hosts.iter().map(|index| (estate.host_id(*index), action.status(estate, *index))).collect();
    Reply::of(&json!({"data": data}))
}

/// `group_action_id`: an integer, or one in a string, since ids of replies flip between the two (facts 3).
fn action_id(data: &Value) -> Result<u64, Refusal> {
    let id = data.get("group_action_id").unwrap_or(&Value::Null);
    let number = id.as_u64().or_else(|| id.as_str().and_then(|text| text.parse().ok()));
    number.ok_or_else(|| Refusal::invalid(format!("group_action_id must be an integer, got {id}")))
}
