//! The layer around both vendors' routers: body cap, latency, transport faults, request log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use crate::clock;
use crate::estate::hash::mix2;
use crate::falcon::envelope::REQUEST;
use crate::faults::{ClockSkew, Fault, FaultKind};
use crate::log::{RequestEntry, rfc3339};
use crate::mishap;
use crate::state::SimState;

/// Which vendor's front door a request came through.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Front {
    /// The one listener of all Falcon tenants.
    Falcon,
    /// The listener of one Cortex tenant (its index in `SimState::tenants`).
    Cortex(usize),
}

/// Bodies above this are refused with 413 (falcon-api 2.2: about 1 MiB).
const FALCON_BODY_CAP: usize = 1 << 20;
/// Cortex takes larger bodies (hash lists, indicators).
const CORTEX_BODY_CAP: usize = 16 << 20;

/// A mark on an answer: close the connection instead of sending it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CloseConnection;

/// Who is called, and by whom.
struct Call {
    operation: String,
    tenant: Option<usize>,
}

fn identify(state: &SimState, front: Front, parts: &Parts, body: &Bytes) -> Call {
    match front {
        Front::Falcon => Call {
            operation: crate::falcon::operation(&parts.method, parts.uri.path())
                .unwrap_or("unknown")
                .to_owned(),
            tenant: crate::falcon::tenant_of(state, parts, body),
        },
        Front::Cortex(tenant) => {
            Call { operation: crate::faults::canonical(parts.uri.path()).to_owned(), tenant: Some(tenant) }
        }
    }
}

/// The layer. See the module.
pub(crate) async fn gate(state: Arc<SimState>, front: Front, request: Request, next: Next) -> Response {
    let number = mix2(state.options.seed, state.requests.next_number());
    REQUEST.scope(number, pass(state, front, request, next)).await
}

async fn pass(state: Arc<SimState>, front: Front, request: Request, next: Next) -> Response {
    let (began, time) = (clock::instant(), rfc3339(state.clock.now_ms()));
    let (parts, body) = request.into_parts();
    let cap = if matches!(front, Front::Falcon) { FALCON_BODY_CAP } else { CORTEX_BODY_CAP };
    let read = to_bytes(body, cap).await;
    let call = identify(&state, front, &parts, read.as_ref().unwrap_or(&Bytes::new()));
    let tenant = call.tenant.map(|i| state.tenants[i].name.clone());
    let mut entry = RequestEntry {
        time,
        tenant: tenant.clone(),
        operation: call.operation,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        status: 0,
        millis: 0,
        fault: None,
    };
    // A sleep of nothing still waits for the timer's next tick.
    if !state.options.latency.is_zero() {
        tokio::time::sleep(state.options.latency).await;
    }
    let fault = state.faults.pick(&entry.operation, tenant.as_deref());
    entry.fault = fault.as_ref().and_then(|f| serde_json::to_value(f).ok());
    let response = match read {
        Ok(body) => answer(&state, front, fault, Request::from_parts(parts, Body::from(body)), next).await,
        Err(_) => mishap::refuse(front, StatusCode::PAYLOAD_TOO_LARGE, "request too large"),
    };
    let closed = response.extensions().get::<CloseConnection>().is_some();
    entry.status = if closed { 0 } else { response.status().as_u16() };
    entry.millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    state.requests.push(entry);
    response
}

/// The handler's answer, or what the fault makes of it.
async fn answer(
    state: &SimState,
    front: Front,
    fault: Option<Fault>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(fault) = fault else { return next.run(request).await };
    if fault.kind == FaultKind::StallHeaders {
        tokio::time::sleep(Duration::from_millis(fault.delay_ms.unwrap_or(30_000))).await;
        return next.run(request).await;
    }
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    if mishap::needs_answer(fault.kind) {
        if fault.kind == FaultKind::Skew {
            request.extensions_mut().insert(ClockSkew(fault.seconds * 1000));
        }
        let real = next.run(request).await;
        return mishap::transform(state.clock.real_ms(), &fault, real).await;
    }
    if fault.after {
        drop(next.run(request).await);
    }
    mishap::instead(state.clock.real_ms(), front, &fault, &path)
}
