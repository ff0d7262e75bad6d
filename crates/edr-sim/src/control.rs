//! The control plane under `/sim/`, for tests in any language; docs/SIMULATOR.md has its calls.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::args::duration;
use crate::faults::parse_rules;
use crate::log::rfc3339;
use crate::origin::foreign;
use crate::region::{NAMES, relocate};
use crate::state::SimState;

type Shared = State<Arc<SimState>>;
type Reply = Result<Json<Value>, Refusal>;

/// 400, 403 or 404, with a reason in JSON.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

fn bad(why: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, why.into())
}

pub(crate) fn router(state: Arc<SimState>) -> Router {
    Router::new()
        .route("/", get(front))
        .route("/sim/log", get(log))
        .route("/sim/requests", get(requests))
        .route("/sim/clock", get(clock).post(advance))
        .route("/sim/tenants", get(tenants))
        .route("/sim/tenants/{tenant}", patch(tenant))
        .route("/sim/operations", get(|| async { Json(crate::faults::operations()) }))
        .route("/sim/hosts/{tenant}/{id}", patch(host))
        .route("/sim/alerts", post(alerts))
        .route("/sim/faults", get(faults).post(inject).delete(clear))
        .route("/sim/reset", post(reset))
        .fallback(|| async { Refusal(StatusCode::NOT_FOUND, "no such control; GET / lists them".to_owned()) })
        .layer(from_fn(guard))
        .with_state(state)
}

async fn guard(request: Request, next: Next) -> Response {
    match foreign(&request) {
        Some(why) => Refusal(StatusCode::FORBIDDEN, why.to_owned()).into_response(),
        None => next.run(request).await,
    }
}

/// Takes a host on or off line, and notes it.
pub(crate) fn set_online(state: &SimState, tenant: &str, id: &str, online: bool) -> Result<(), String> {
    let found = state.tenant(tenant).ok_or_else(|| format!("no tenant {tenant}"))?;
    let index = found.estate.host_index(id).ok_or_else(|| format!("no host {id} in {tenant}"))?;
    let before = found.estate.online(index);
    found.estate.set_online(index, online);
    state.log.push(tenant, "sim/hosts", id, json!({"online": before}), json!({"online": online}));
    if let Some(place) = state.place(tenant).filter(|_| online) {
        crate::falcon::rtr_woke(state, place, index);
    }
    Ok(())
}

/// Adds alerts, and notes it. Returns the index of the first.
pub(crate) fn add_alerts(
    state: &SimState,
    tenant: &str,
    count: u64,
    late_by: Duration,
) -> Result<u64, String> {
    let found = state.tenant(tenant).ok_or_else(|| format!("no tenant {tenant}"))?;
    if found.estate.host_count() == 0 {
        return Err(format!("{tenant} has no hosts that could have alerts"));
    }
    if found.estate.alert_count().saturating_add(count) > 1 << 31 {
        return Err("too many alerts".to_owned());
    }
    let late_ms = i64::try_from(late_by.as_millis()).map_err(|_| "late_by is too long".to_owned())?;
    let before = found.estate.alert_count();
    let first = found.estate.add_alerts(count, late_ms);
    state.log.push(
        tenant,
        "sim/alerts",
        "alerts",
        json!({"count": before}),
        json!({"count": before + count}),
    );
    Ok(first)
}

fn body<T: DeserializeOwned>(bytes: &Bytes, form: &str) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|e| bad(format!("the body is {form}: {e}")))
}

async fn log(State(state): Shared) -> Json<Value> {
    Json(json!(state.log.entries()))
}

async fn requests(State(state): Shared) -> Json<Value> {
    Json(json!(state.requests.report()))
}

fn clock_of(state: &SimState) -> Value {
    json!({"now": rfc3339(state.clock.now_ms()), "advanced_ms": state.clock.offset_ms()})
}

async fn clock(State(state): Shared) -> Json<Value> {
    Json(clock_of(&state))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: String,
}

async fn advance(State(state): Shared, bytes: Bytes) -> Reply {
    let order: Advance = body(&bytes, r#"{"advance": "30m"}"#)?;
    state.clock.advance(duration(&order.advance).map_err(bad)?);
    Ok(Json(clock_of(&state)))
}

/// What there is of a tenant, without its credentials.
fn tenant_of(state: &SimState, place: usize) -> Value {
    let tenant = &state.tenants[place];
    let mut row = json!({
        "name": tenant.name, "vendor": tenant.vendor,
        "hosts": tenant.estate.host_count(), "alerts": tenant.estate.alert_count(),
    });
    if tenant.falcon().is_some() {
        row["region"] = NAMES[state.regions.of(state.root(place))].into();
    }
    row
}

async fn tenants(State(state): Shared) -> Json<Value> {
    Json((0..state.tenants.len()).map(|place| tenant_of(&state, place)).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantChange {
    region: String,
}

async fn tenant(State(state): Shared, Path(name): Path<String>, bytes: Bytes) -> Reply {
    let change: TenantChange = body(&bytes, r#"{"region": "sim-2"}"#)?;
    let place =
        state.place(&name).ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("no tenant {name}")))?;
    relocate(&state, &name, &change.region).map_err(bad)?;
    Ok(Json(tenant_of(&state, place)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostChange {
    online: bool,
}

async fn host(State(state): Shared, Path((tenant, id)): Path<(String, String)>, bytes: Bytes) -> Reply {
    let change: HostChange = body(&bytes, r#"{"online": false}"#)?;
    set_online(&state, &tenant, &id, change.online).map_err(|why| Refusal(StatusCode::NOT_FOUND, why))?;
    Ok(Json(json!({"tenant": tenant, "id": id, "online": change.online})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoreAlerts {
    tenant: String,
    #[serde(default = "one")]
    count: u64,
    late_by: Option<String>,
}

fn one() -> u64 {
    1
}

async fn alerts(State(state): Shared, bytes: Bytes) -> Reply {
    let order: MoreAlerts = body(&bytes, r#"{"tenant": "falcon-1", "count": 5, "late_by": "2h"}"#)?;
    let late_by = order.late_by.as_deref().map_or(Ok(Duration::ZERO), duration).map_err(bad)?;
    let first = add_alerts(&state, &order.tenant, order.count, late_by).map_err(bad)?;
    Ok(Json(json!({"tenant": order.tenant, "first": first, "count": order.count})))
}

async fn faults(State(state): Shared) -> Json<Value> {
    Json(json!(state.faults.list()))
}

async fn inject(State(state): Shared, bytes: Bytes) -> Reply {
    let rules = parse_rules(&bytes).map_err(bad)?;
    state.inject(rules).map_err(bad)?;
    Ok(Json(json!(state.faults.list())))
}

async fn clear(State(state): Shared) -> Json<Value> {
    state.faults.clear();
    Json(json!([]))
}

async fn reset(State(state): Shared) -> Json<Value> {
    state.reset();
    Json(json!({"reset": true}))
}

async fn front(State(state): Shared) -> Response {
    crate::page::response(&state)
}
