//! Palo Alto Networks Cortex XDR: one listener a tenant.
//!
//! A call passes, in this order: the key check (401), the tenant's rate window (429), the table of operations (404, 405),
//! the body (413, 400) and the operation itself, whose business errors are 500. Transport faults, latency and the request
//! log lie around this router; faults of a page are carried out here.
//!
//! Facts: cortex-xdr-api sections 1 (paths, an optional trailing slash), 2 (keys, errors, limits) and 7 (generations).

mod alert;
mod alert_keys;
mod alerts;
mod alerts_update;
mod api_keys;
mod assets;
mod audits;
mod auth;
mod cases;
mod casework;
mod desk;
mod endpoint;
mod endpoints;
mod endpoints_update;
mod envelope;
mod event_keys;
mod filter;
mod filter_data;
mod incidents;
mod intel;
mod isolate;
mod issues;
mod office;
mod operations;
mod orders;
mod page;
mod paging;
mod scripts;
mod system;
mod words;
mod xql;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use serde_json::Value;

use crate::estate::TenantEstate;
use crate::faults::{ClockSkew, PageFault};
use crate::state::{CortexCredentials, KeyType, SimState, TenantState};
use envelope::{Answer, Refusal};
pub use operations::{Body, Generations, OPERATIONS, Operation, Verb};

/// The largest body that is read; larger ones are refused with 413 (facts 2.1).
const MAX_BODY: usize = 8 << 20;

/// The router of one Cortex tenant. A `tenant` that is none answers 404 to everything.
pub fn router(state: Arc<SimState>, tenant: usize) -> Router {
    let app = App {
        sim: state,
        tenant,
        nonces: Mutex::default(),
        actions: Mutex::default(),
        turn: Mutex::default(),
    };
    Router::new().fallback(serve).with_state(Arc::new(app))
}

/// What the calls of one tenant share.
struct App {
    sim: Arc<SimState>,
    tenant: usize,
    nonces: Mutex<auth::Nonces>,
    actions: Mutex<isolate::Actions>,
    /// One call at a time changes what is kept.
    turn: Mutex<()>,
}

/// The name of the operation at a path, in the log and in fault rules.
pub(crate) fn operation(path: &str) -> &str {
    operations::name(path)
}

async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let skew = parts.extensions.get::<ClockSkew>().copied().unwrap_or_default();
    let operation = match app.admit(&parts.headers, &parts.method, &parts.uri, skew) {
        Ok(operation) => operation,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return Refusal::too_large().into_response();
    };
    match app.run(operation, &body, &parts) {
        Ok(reply) => reply.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl App {
    fn tenant(&self) -> Option<(&TenantState, &CortexCredentials)> {
        let tenant = self.sim.tenants.get(self.tenant)?;
        Some((tenant, tenant.cortex()?))
    }

    /// Everything that is checked before the body is read.
    fn admit(
        &self,
        headers: &HeaderMap,
        method: &Method,
        uri: &Uri,
        skew: ClockSkew,
    ) -> Result<&'static Operation, Refusal> {
        let (_, credentials) = self.tenant().ok_or_else(|| Refusal::not_found(uri.path()))?;
        self.authenticate(headers, credentials, skew)?;
        self.limit("tenant", 10, Duration::from_secs(1))?;
        let operation = operations::find(uri.path(), credentials.generation)
            .ok_or_else(|| Refusal::not_found(uri.path()))?;
        if !operation.verb.allows(method) {
            return Err(Refusal::method_not_allowed());
        }
        if let Some((calls, window)) = operation.limit {
            self.limit(operation.path, calls, window)?;
        }
        Ok(operation)
    }

    fn authenticate(
        &self,
        headers: &HeaderMap,
        credentials: &CortexCredentials,
        skew: ClockSkew,
    ) -> Result<(), Refusal> {
        let advanced = credentials.key_type == KeyType::Advanced;
        let key = auth::Key { id: &credentials.api_key_id, secret: &credentials.api_key, advanced };
        let stamp = auth::check(headers, key, self.sim.clock.real_ms() + skew.0)?;
        if api_keys::is_expired(&self.sim) {
            return Err(Refusal::unauthorized());
        }
        match stamp {
            Some(stamp) if self.sim.options.cortex_strict_nonce => lock(&self.nonces).admit(stamp),
            _ => Ok(()),
        }
    }

    /// Counts a call in one of the tenant's windows, on the real clock (facts 2.3).
    fn limit(&self, name: &str, calls: u32, window: Duration) -> Result<(), Refusal> {
        let now = self.sim.clock.real_ms();
        let decision = self.sim.limits.check(&format!("cortex:{}:{name}", self.tenant), calls, window, now);
        if decision.allowed {
            return Ok(());
        }
        Err(Refusal::rate_limited(u64::try_from(decision.retry_at_ms - now).unwrap_or(0).div_ceil(1000)))
    }

    fn run(&self, operation: &'static Operation, body: &[u8], parts: &Parts) -> Answer {
        let (headers, path) = (&parts.headers, parts.uri.path());
        let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let data = operation.body.read(body)?;
        let (tenant, credentials) = self.tenant().ok_or_else(|| Refusal::not_found(operation.path))?;
        let call = Call {
            app: self,
            tenant,
            generation: credentials.generation,
            operation,
            data,
            headers,
            path,
            host,
        };
        (operation.run)(&call)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call that was let through.
struct Call<'a> {
    app: &'a App,
    tenant: &'a TenantState,
    generation: u8,
    operation: &'static Operation,
    /// `request_data`, or an empty object.
    data: Value,
    headers: &'a HeaderMap,
    /// The path that was asked for.
    path: &'a str,
    /// The address that was asked, for links.
    host: &'a str,
}

impl Call<'_> {
    fn sim(&self) -> &SimState {
        &self.app.sim
    }

    fn estate(&self) -> &TenantEstate {
        &self.tenant.estate
    }

    /// The name of the operation in the log and in fault rules: the path after `/public_api/`.
    fn name(&self) -> &'static str {
        crate::faults::canonical(self.operation.path)
    }

    /// The turn of a call that changes what is kept.
    fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.app.turn)
    }

    /// The last part of the path: an id, where the operation has one.
    fn last_segment(&self) -> &str {
        self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// The fault of this page, which is counted: a handler asks once.
    fn page_fault(&self) -> Option<PageFault> {
        self.sim().faults.page(self.name(), &self.tenant.name)
    }

    /// The key under which the index list of a query is kept.
    fn list_key(&self, query: &str) -> String {
        format!("cortex:{}:{query}", self.app.tenant)
    }

    /// The host of the console, for links (facts 1: without `api-`).
    fn console(&self) -> String {
        format!("https://{}.xdr.eu.paloaltonetworks.com", self.tenant.name)
    }
}
