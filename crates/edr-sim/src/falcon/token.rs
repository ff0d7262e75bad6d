//! `/oauth2/token` and `/oauth2/revoke`, and what a bearer token allows (falcon-api section 1).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::envelope::{Empty, Envelope, reply};
use crate::estate::hash::{mix2, text};
use crate::state::{SimState, TenantState};

#[derive(Debug, Clone, Copy)]
struct Token {
    tenant: usize,
    expires_ms: i64,
}

/// The tokens that are out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: AtomicU64,
    live: Mutex<HashMap<String, Token>>,
}

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Token>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant of a token, expired or not.
    fn tenant(&self, token: &str) -> Option<usize> {
        self.lock().get(token).map(|t| t.tenant)
    }

    /// The tenant of a token that is good at `now_ms`.
    fn valid(&self, token: &str, now_ms: i64) -> Option<usize> {
        self.lock().get(token).filter(|t| t.expires_ms > now_ms).map(|t| t.tenant)
    }
}

/// Makes every token invalid at once, as a test may wish.
pub(crate) fn revoke_all(state: &SimState) {
    state.falcon.tokens.lock().clear();
}

/// Ends the tokens of a tenant and of its children; they are still known as theirs.
pub(crate) fn expire(state: &SimState, tenant: usize) {
    let now = state.clock.now_ms();
    for token in state.falcon.tokens.lock().values_mut().filter(|t| state.root(t.tenant) == tenant) {
        token.expires_ms = now;
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The tenant whose token, good or expired, a request carries.
pub(crate) fn tenant_of_bearer(state: &SimState, headers: &HeaderMap) -> Option<usize> {
    state.falcon.tokens.tenant(bearer(headers)?)
}

/// The tenant that a request may act for.
pub(crate) fn authorise(state: &SimState, headers: &HeaderMap) -> Option<usize> {
    state.falcon.tokens.valid(bearer(headers)?, state.clock.now_ms())
}

/// The tenant of the client that a token request names.
pub(crate) fn tenant_of_form(state: &SimState, headers: &HeaderMap, body: &[u8]) -> Option<usize> {
    let form = super::form(&String::from_utf8_lossy(body));
    let id =
        super::first(&form, "client_id").map(str::to_owned).or_else(|| basic(headers).map(|(id, _)| id))?;
    let owner = client(state, &id)?;
    Some(member(state, owner, &form).unwrap_or(owner))
}

/// The tenant that a client belongs to; its children are reached through it.
fn client(state: &SimState, id: &str) -> Option<usize> {
    let has = |t: &TenantState| t.parent.is_none() && t.falcon().is_some_and(|f| f.client_id == id);
    state.tenants.iter().position(has)
}

/// The tenant that `member_cid` of a token request names: the owner's own without one, `None` for a customer id
/// that is no child of it (its own is none).
fn member(state: &SimState, owner: usize, form: &[(String, String)]) -> Option<usize> {
    let Some(cid) = super::first(form, "member_cid").filter(|cid| !cid.is_empty()) else {
        return Some(owner);
    };
    let is = |t: &TenantState| t.parent == Some(owner) && t.falcon().is_some_and(|f| f.cid == cid);
    state.tenants.iter().position(is)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
    text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let mut envelope = Envelope::error(status, "csam", message);
    envelope.resources = None;
    envelope.into_response()
}

/// `POST /oauth2/token`: 201 and three keys, without an envelope.
pub(crate) async fn issue(State(state): State<Arc<SimState>>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let form = super::form(&String::from_utf8_lossy(&body));
    let id = super::first(&form, "client_id").unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") || id.is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "Failed to generate access token for clientID=.");
    }
    let Some(tenant) = client(&state, id) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            &format!("Failed to generate access token for clientID={}.", printable(id)),
        );
    };
    let secret = super::first(&form, "client_secret").unwrap_or_default();
    let good = state.tenants[tenant].falcon().is_some_and(|f| f.client_secret == secret);
    match member(&state, tenant, &form).filter(|_| good) {
        Some(tenant) => grant(&state, tenant),
        None => refuse(StatusCode::FORBIDDEN, "Failed to issue access token - Not Authorized"),
    }
}

/// What a client id may look like in a message: no markup, no novels.
fn printable(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

fn grant(state: &SimState, tenant: usize) -> Response {
    let tokens = &state.falcon.tokens;
    let number = tokens.issued.fetch_add(1, Ordering::Relaxed);
    let ttl = state.options.token_ttl;
    let expires_ms = state.clock.now_ms() + i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 4);
    let token = jwt(state, tenant, number);
    let now = state.clock.now_ms();
    let mut live = tokens.lock();
    live.retain(|_, t| t.expires_ms > now - 3_600_000);
    live.insert(token.clone(), Token { tenant, expires_ms });
    let body = json!({"access_token": token, "expires_in": ttl.as_secs(), "token_type": "bearer"});
    reply(StatusCode::CREATED, &super::envelope::trace_id(), body.to_string().into_bytes())
}

/// Something of the form and length of the real tokens; opaque to clients, and signed by nobody.
fn jwt(state: &SimState, tenant: usize, number: u64) -> String {
    const WORD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let h = mix2(mix2(state.options.seed, 0x70CE), mix2(tenant as u64, number));
    let head = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT","kid":"sim"}"#);
    format!("{head}.{}.{}", text(mix2(h, 1), 700, WORD), text(mix2(h, 2), 342, WORD))
}

/// `POST /oauth2/revoke`: the token is invalid at once.
pub(crate) async fn revoke(State(state): State<Arc<SimState>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = super::form(&String::from_utf8_lossy(&body));
    let owner = basic(&headers).and_then(|(id, secret)| {
        let tenant = client(&state, &id)?;
        state.tenants[tenant].falcon().filter(|f| f.client_secret == secret).map(|_| tenant)
    });
    let (Some(tenant), Some(token)) = (owner, super::first(&form, "token")) else {
        return refuse(StatusCode::FORBIDDEN, "Failed to revoke access token - Not Authorized");
    };
    let mut live = state.falcon.tokens.lock();
    let owns = |t: &Token| t.tenant == tenant || state.tenants[t.tenant].parent == Some(tenant);
    if live.get(token).is_some_and(owns) {
        live.remove(token);
    }
    let mut envelope = Envelope::new("csam");
    (envelope.resources, envelope.no_errors) = (None, Empty::Absent);
    envelope.into_response()
}
