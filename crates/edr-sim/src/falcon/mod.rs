//! The Falcon half: all Falcon tenants behind one address, told apart by client and token, as in reality.

mod alerts;
mod alerts_update;
mod cursor;
pub(crate) mod envelope;
pub mod fql;
mod groups;
mod groups_api;
mod guard;
mod hosts;
mod hosts_act;
mod hosts_list;
mod hosts_tags;
mod mssp;
mod render_alert;
mod render_host;
mod token;
mod view;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, patch, post};
use http::Method;
use http::request::Parts;

use crate::state::SimState;
pub(crate) use groups::GroupBook;
pub(crate) use guard::{MINUTE, too_many};
pub(crate) use render_host::status as containment_name;
pub(crate) use token::{expire, revoke_all};

/// Every scope that the simulator knows.
pub const ALL_SCOPES: &[&str] = &[
    "alerts:read",
    "alerts:write",
    "devices:read",
    "devices:write",
    "host-group:read",
    "host-group:write",
    "mssp:read",
];

/// What the Falcon half keeps.
#[derive(Debug, Default)]
pub(crate) struct FalconState {
    pub(crate) tokens: token::Tokens,
    pub(crate) cursors: AtomicU64,
}

/// (method, path, operationId, scope).
type Operation = (&'static str, &'static str, &'static str, Option<&'static str>);

/// The operations, under their names in the published specification.
pub const OPERATIONS: &[Operation] = &[
    ("POST", "/oauth2/token", "oauth2AccessToken", None),
    ("POST", "/oauth2/revoke", "oauth2RevokeToken", None),
    ("GET", "/devices/combined/devices/v1", "CombinedDevicesByFilter", Some("devices:read")),
    ("GET", "/devices/queries/devices-scroll/v1", "QueryDevicesByFilterScroll", Some("devices:read")),
    ("GET", "/devices/queries/devices/v1", "QueryDevicesByFilter", Some("devices:read")),
    ("GET", "/devices/entities/devices/v2", "GetDeviceDetailsV2", Some("devices:read")),
    ("POST", "/devices/entities/devices/v2", "PostDeviceDetailsV2", Some("devices:read")),
    ("GET", "/devices/entities/online-state/v1", "GetOnlineState.V1", Some("devices:read")),
    ("POST", "/devices/entities/devices-actions/v2", "PerformActionV2", Some("devices:write")),
    ("GET", "/devices/combined/devices-hidden/v1", "CombinedHiddenDevicesByFilter", Some("devices:read")),
    ("GET", "/devices/queries/devices-hidden/v1", "QueryHiddenDevices", Some("devices:read")),
    ("PATCH", "/devices/entities/devices/tags/v1", "UpdateDeviceTags", Some("devices:write")),
    ("GET", "/devices/combined/host-groups/v1", "queryCombinedHostGroups", Some("host-group:read")),
    ("GET", "/devices/queries/host-groups/v1", "queryHostGroups", Some("host-group:read")),
    ("GET", "/devices/entities/host-groups/v1", "getHostGroups", Some("host-group:read")),
    ("POST", "/devices/entities/host-groups/v1", "createHostGroups", Some("host-group:write")),
    ("PATCH", "/devices/entities/host-groups/v1", "updateHostGroups", Some("host-group:write")),
    ("DELETE", "/devices/entities/host-groups/v1", "deleteHostGroups", Some("host-group:write")),
    ("GET", "/devices/combined/host-group-members/v1", "queryCombinedGroupMembers", Some("host-group:read")),
    ("GET", "/devices/queries/host-group-members/v1", "queryGroupMembers", Some("host-group:read")),
    ("POST", "/devices/entities/host-group-actions/v1", "performGroupAction", Some("host-group:write")),
    ("GET", "/alerts/queries/alerts/v1", "GetQueriesAlertsV1", Some("alerts:read")),
    ("GET", "/alerts/queries/alerts/v2", "QueryV2", Some("alerts:read")),
    ("POST", "/alerts/entities/alerts/v2", "GetV2", Some("alerts:read")),
    ("POST", "/alerts/combined/alerts/v1", "PostCombinedAlertsV1", Some("alerts:read")),
    ("PATCH", "/alerts/entities/alerts/v3", "UpdateV3", Some("alerts:write")),
    ("GET", "/mssp/queries/children/v1", "queryChildren", Some("mssp:read")),
    ("GET", "/mssp/entities/children/v1", "getChildren", Some("mssp:read")),
    ("POST", "/mssp/entities/children/GET/v2", "getChildrenV2", Some("mssp:read")),
];

fn entry(method: &Method, path: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|(m, p, _, _)| *m == method.as_str() && *p == path)
}

/// The operationId of a call.
pub(crate) fn operation(method: &Method, path: &str) -> Option<&'static str> {
    entry(method, path).map(|(_, _, name, _)| *name)
}

/// The tenant a request belongs to, by its token or, at the token endpoint, its client.
pub(crate) fn tenant_of(state: &SimState, parts: &Parts, body: &Bytes) -> Option<usize> {
    if parts.uri.path().starts_with("/oauth2/") {
        return token::tenant_of_form(state, &parts.headers, body);
    }
    token::tenant_of_bearer(state, &parts.headers)
}

/// The router of all Falcon tenants.
pub fn router(state: Arc<SimState>) -> Router {
    Router::new()
        .route("/oauth2/token", post(token::issue))
        .route("/oauth2/revoke", post(token::revoke))
        .route("/devices/combined/devices/v1", get(hosts_list::combined))
        .route("/devices/queries/devices-scroll/v1", get(hosts_list::scroll))
        .route("/devices/queries/devices/v1", get(hosts_list::query))
        .route("/devices/entities/devices/v2", get(hosts::get_entities).post(hosts::post_entities))
        .route("/devices/entities/online-state/v1", get(hosts::online_state))
        .route("/devices/entities/devices-actions/v2", post(hosts_act::perform))
        .merge(more_hosts())
        .route("/alerts/queries/alerts/v1", get(alerts::retired_query))
        .route("/alerts/queries/alerts/v2", get(alerts::query))
        .route("/alerts/entities/alerts/v2", post(alerts::entities))
        .route("/alerts/combined/alerts/v1", post(alerts::combined))
        .route("/alerts/entities/alerts/v3", patch(alerts_update::update))
        .route("/mssp/queries/children/v1", get(mssp::query))
        .route("/mssp/entities/children/v1", get(mssp::get_entities))
        .route("/mssp/entities/children/GET/v2", post(mssp::post_entities))
        .fallback(guard::not_found)
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&state), guard::guard))
        .with_state(state)
}

/// Hidden hosts, tags and groups.
fn more_hosts() -> Router<Arc<SimState>> {
    let groups = get(groups_api::get).post(groups_api::create).patch(groups_api::update);
    Router::new()
        .route("/devices/combined/devices-hidden/v1", get(hosts_list::combined_hidden))
        .route("/devices/queries/devices-hidden/v1", get(hosts_list::query_hidden))
        .route("/devices/entities/devices/tags/v1", patch(hosts_tags::update))
        .route("/devices/combined/host-groups/v1", get(groups_api::combined))
        .route("/devices/queries/host-groups/v1", get(groups_api::query))
        .route("/devices/entities/host-groups/v1", groups.delete(groups_api::delete))
        .route("/devices/combined/host-group-members/v1", get(groups_api::combined_members))
        .route("/devices/queries/host-group-members/v1", get(groups_api::query_members))
        .route("/devices/entities/host-group-actions/v1", post(groups_api::act))
}

/// A parameter of an action: every value is a string, and a JSON boolean is refused.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ActionParameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The pairs of a query or form; `+` is a space.
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (unescape(key), unescape(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// The first value under a key.
pub(crate) fn first<'a>(form: &'a [(String, String)], key: &str) -> Option<&'a str> {
    form.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = || text.get(at + 1..at + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[at], hex) {
            (b'+', _) => out.push(b' '),
            (b'%', hex) if hex().is_some() => {
                out.extend(hex());
                at += 2;
            }
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_plus_is_a_space() {
        let pairs = form("filter=a%3A%27x%27%2Bb&sort=a+b&flag&bad=%zz%4");
        let expected = [("filter", "a:'x'+b"), ("sort", "a b"), ("flag", ""), ("bad", "%zz%4")];
        assert_eq!(pairs, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
