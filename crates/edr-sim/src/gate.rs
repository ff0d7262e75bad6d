//! The layer around both vendors' routers: body cap, latency, transport faults, request log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::clock;
use crate::estate::hash::mix2;
use crate::falcon::Endless;
use crate::falcon::envelope::REQUEST;
use crate::faults::{ClockSkew, Fault, FaultKind};
use crate::log::{RequestEntry, rfc3339};
use crate::mishap;
use crate::region;
use crate::state::SimState;

/// Which vendor's front door a request came through.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Front {
    /// The listener of all Falcon tenants in one region (see `region`).
    Falcon(usize),
    /// The listener of one Cortex tenant (its index in `SimState::tenants`).
    Cortex(usize),
}

/// Bodies above this are refused with 413 (falcon-api 2.2: about 1 MiB).
const FALCON_BODY_CAP: usize = 1 << 20;
/// Files for hosts may be larger; the real limit is 4 GB.
const FALCON_FILE_CAP: usize = 64 << 20;
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
        Front::Falcon(_) => Call {
            operation: crate::falcon::operation(&parts.method, parts.uri.path())
                .unwrap_or("unknown")
                .to_owned(),
            tenant: crate::falcon::tenant_of(state, parts, body),
        },
        Front::Cortex(tenant) => {
            Call { operation: crate::cortex::operation(parts.uri.path()).to_owned(), tenant: Some(tenant) }
        }
    }
}

/// The layer. See the module.
pub(crate) async fn gate(state: Arc<SimState>, front: Front, request: Request, next: Next) -> Response {
    let number = mix2(state.options.seed, state.requests.next_number());
    REQUEST.scope(number, pass(state, front, request, next)).await
}

/// Notes a request when it is over, also when the client goes away before its answer.
struct Noted<'a> {
    state: &'a SimState,
    began: Instant,
    entry: Option<RequestEntry>,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.state.requests.push(entry);
        }
    }
}

async fn pass(state: Arc<SimState>, front: Front, request: Request, next: Next) -> Response {
    let (began, time) = (clock::instant(), rfc3339(state.clock.now_ms()));
    let (parts, body) = request.into_parts();
    let cap = match front {
        Front::Falcon(_) if crate::falcon::takes_files(parts.uri.path()) => FALCON_FILE_CAP,
        Front::Falcon(_) => FALCON_BODY_CAP,
        Front::Cortex(_) => CORTEX_BODY_CAP,
    };
    let read = to_bytes(body, cap).await;
    let call = identify(&state, front, &parts, read.as_ref().unwrap_or(&Bytes::new()));
    let tenant = call.tenant.map(|i| state.tenants[i].name.clone());
    let fault = state.faults.pick(&call.operation, tenant.as_deref());
    // Counted before the answer: a stalled call is a call.
    state.requests.count(tenant.as_deref(), &call.operation);
    let entry = RequestEntry {
        time,
        tenant,
        operation: call.operation,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        status: 0,
        millis: 0,
        fault: fault.as_ref().and_then(|f| serde_json::to_value(f).ok()),
    };
    let mut noted = Noted { state: &state, began, entry: Some(entry) };
    // A sleep of nothing still waits for the timer's next tick.
    if !state.options.latency.is_zero() {
        tokio::time::sleep(state.options.latency).await;
    }
    let way = Way { state: &state, front, tenant: call.tenant };
    let response = match read {
        Ok(body) => {
            if fault.as_ref().is_some_and(|f| f.kind == FaultKind::Replayed) {
                way.go_before(&parts, &body, next.clone()).await;
            }
            way.answer(fault, Request::from_parts(parts, Body::from(body)), next).await
        }
        Err(_) => mishap::refuse(front, StatusCode::PAYLOAD_TOO_LARGE, "request too large"),
    };
    let closed = response.extensions().get::<CloseConnection>().is_some();
    if let Some(entry) = &mut noted.entry {
        entry.status = if closed { 0 } else { response.status().as_u16() };
    }
    drop(noted);
    response
}

/// The way of one call to its handler.
struct Way<'a> {
    state: &'a SimState,
    front: Front,
    tenant: Option<usize>,
}

impl Way<'_> {
    /// The answer of the handler, or that of a region in which the tenant does not live.
    async fn real(&self, request: Request, next: Next) -> Response {
        let Front::Falcon(here) = self.front else { return next.run(request).await };
        if let Some(redirect) = region::elsewhere(self.state, self.tenant, here, request.uri()) {
            return redirect;
        }
        let mut response = next.run(request).await;
        if let Some(named) = response.headers_mut().get_mut("x-cs-region") {
            *named = HeaderValue::from_static(region::NAMES[here]);
        }
        response
    }

    /// A head that comes late: the call is carried out when the wait is over, or (`after`) before it. A caller who
    /// hangs up meanwhile prevents the one and not the other.
    async fn stall(&self, fault: &Fault, request: Request, next: Next) -> Response {
        let wait = tokio::time::sleep(Duration::from_millis(fault.delay_ms.unwrap_or(30_000)));
        if fault.after {
            let real = self.real(request, next).await;
            wait.await;
            return real;
        }
        wait.await;
        self.real(request, next).await
    }

    /// The same call once more, ahead of the one that is answered.
    async fn go_before(&self, parts: &Parts, body: &Bytes, next: Next) {
        let same = Request::from_parts(parts.clone(), Body::from(body.clone()));
        drop(self.real(same, next).await);
    }

    /// The true answer, or what the fault makes of it.
    async fn answer(&self, fault: Option<Fault>, mut request: Request, next: Next) -> Response {
        let Some(fault) = fault else { return self.real(request, next).await };
        if fault.kind == FaultKind::StallHeaders {
            return self.stall(&fault, request, next).await;
        }
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        if mishap::needs_answer(fault.kind) {
            if fault.kind == FaultKind::Skew {
                request.extensions_mut().insert(ClockSkew(fault.seconds * 1000));
            }
            let real = self.real(request, next).await;
            if real.extensions().get::<Endless>().is_some() {
                return mishap::spoil(&fault, real);
            }
            return mishap::transform(self.state.clock.real_ms(), &fault, real).await;
        }
        if fault.after {
            drop(self.real(request, next).await);
        }
        mishap::instead(self.state.clock.real_ms(), self.front, &fault, &path)
    }
}
