//! Falcon's gateway: rate windows, the bearer token, scopes, unknown routes (falcon-api 2.2 and section 3).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, StatusCode};

use super::envelope::gateway;
use super::{entry, token};
use crate::limits::Decision;
use crate::state::{FalconCredentials, SimState, TenantState};

/// The window of every limit of Falcon.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The tenant that a request acts for; a request extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub(crate) usize);

/// What a handler works on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) state: &'a SimState,
    pub(crate) tenant: &'a TenantState,
    pub(crate) falcon: &'a FalconCredentials,
}

impl Caller {
    /// The tenant; `None` cannot happen behind the guard.
    pub(crate) fn context(self, state: &SimState) -> Option<Context<'_>> {
        let tenant = state.tenants.get(self.0)?;
        Some(Context { state, tenant, falcon: tenant.falcon()? })
    }
}

/// The layer. Every source is one source here: all callers share the loopback. The streams are behind a gate of their
/// own.
pub(crate) async fn guard(State(state): State<Arc<SimState>>, mut request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(super::streams::FEED) {
        return next.run(request).await;
    }
    let known = entry(request.method(), request.uri().path());
    let path = request.uri().path();
    let caller = token::authorise(&state, request.headers());
    let decision = count(&state, path.starts_with("/oauth2/"), caller);
    let response = if !decision.allowed {
        too_many(decision)
    } else if let Some(refusal) = check(&state, path, known, caller) {
        refusal
    } else {
        if let Some(tenant) = caller {
            request.extensions_mut().insert(Caller(tenant));
        }
        next.run(request).await
    };
    with_limits(response, decision)
}

fn count(state: &SimState, at_token: bool, caller: Option<usize>) -> Decision {
    let now = state.clock.real_ms();
    match caller {
        _ if at_token => state.limits.check("falcon:token", 300, MINUTE, now),
        Some(tenant) => state.limits.check(&format!("falcon:cid:{tenant}"), 6_000, MINUTE, now),
        None => state.limits.check("falcon:anonymous", 15, MINUTE, now),
    }
}

type Known = Option<&'static super::Operation>;

fn check(state: &SimState, path: &str, known: Known, caller: Option<usize>) -> Option<Response> {
    if path.starts_with("/oauth2/") {
        return None;
    }
    let Some(tenant) = caller else {
        return Some(gateway(StatusCode::UNAUTHORIZED, "access denied, invalid bearer token"));
    };
    let (_, path, _, scope) = known?;
    if state.options.falcon_without_combined && path.contains("/combined/") {
        return Some(page_not_found());
    }
    let credentials = state.tenants[tenant].falcon()?;
    let missing = scope.is_some_and(|scope| !credentials.scopes.iter().any(|s| s == scope));
    missing.then(|| gateway(StatusCode::FORBIDDEN, "access denied, scope not permitted"))
}

/// 429 at the gateway.
pub(crate) fn too_many(decision: Decision) -> Response {
    let mut response = gateway(StatusCode::TOO_MANY_REQUESTS, "API rate limit exceeded.");
    // Epoch seconds in practice, whatever the specification says.
    let at = decision.retry_at_ms.saturating_add(999) / 1000;
    response.headers_mut().insert("x-ratelimit-retryafter", HeaderValue::from(at));
    response
}

fn with_limits(mut response: Response, decision: Decision) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from(decision.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(decision.remaining));
    response
}

fn page_not_found() -> Response {
    gateway(StatusCode::NOT_FOUND, "404: Page Not Found")
}

/// The answer of an unknown or retired route.
pub(crate) async fn not_found() -> Response {
    page_not_found()
}

/// The answer of a known path to a method it does not have.
pub(crate) async fn wrong_method() -> Response {
    gateway(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed")
}
