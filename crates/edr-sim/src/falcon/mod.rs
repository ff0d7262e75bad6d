//! The Falcon half: all Falcon tenants behind one address, told apart by client and token, as in reality.

mod alerts;
mod alerts_update;
mod cases;
mod counts;
mod cursor;
mod derived;
mod discover;
pub(crate) mod envelope;
mod exclusions;
pub mod fql;
mod groups;
mod groups_api;
mod guard;
mod history;
mod hosts;
mod hosts_act;
mod hosts_list;
mod hosts_tags;
mod install_tokens;
mod iocs;
mod mssp;
mod mssp_groups;
mod ods;
mod ods_rows;
mod policies;
mod posture;
mod quarantine;
mod render_alert;
mod render_host;
mod sensors;
mod spotlight;
mod things;
mod token;
mod users;
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
    "cases:read",
    "cases:write",
    "devices:read",
    "devices:write",
    "discover:read",
    "host-group:read",
    "host-group:write",
    "installation-tokens-settings:write",
    "installation-tokens:read",
    "installation-tokens:write",
    "ioc:read",
    "ioc:write",
    "ml-exclusions:read",
    "ml-exclusions:write",
    "mssp:read",
    "mssp:write",
    "ods:read",
    "ods:write",
    "prevention-policies:read",
    "prevention-policies:write",
    "quarantine:read",
    "quarantine:write",
    "response-policies:read",
    "response-policies:write",
    "self-service-ioa-exclusions:read",
    "self-service-ioa-exclusions:write",
    "sensor-installers:read",
    "sensor-update-policies:read",
    "sensor-update-policies:write",
    "sensor-usage:read",
    "sensor-visibility-exclusions:read",
    "sensor-visibility-exclusions:write",
    "spotlight-vulnerabilities:read",
    "usermgmt:read",
    "usermgmt:write",
    "zero-trust-assessment:read",
];

/// What the Falcon half keeps.
#[derive(Debug, Default)]
pub(crate) struct FalconState {
    pub(crate) tokens: token::Tokens,
    pub(crate) cursors: AtomicU64,
    pub(crate) things: things::Things,
}

/// (method, path, operationId, scope).
pub type Operation = (&'static str, &'static str, &'static str, Option<&'static str>);

/// The operations, service by service.
const SERVICES: &[&[Operation]] = &[
    FIRST,
    discover::OPERATIONS,
    spotlight::OPERATIONS,
    cases::OPERATIONS,
    quarantine::OPERATIONS,
    ods::OPERATIONS,
    exclusions::OPERATIONS,
    install_tokens::OPERATIONS,
];

const COUNT: usize = {
    let (mut count, mut at) = (0, 0);
    while at < SERVICES.len() {
        count += SERVICES[at].len();
        at += 1;
    }
    count
};

/// The operations, under their names in the published specification.
pub const OPERATIONS: &[Operation] = &ALL;

const ALL: [Operation; COUNT] = {
    let mut all = [FIRST[0]; COUNT];
    let (mut service, mut to) = (0, 0);
    while service < SERVICES.len() {
        let mut at = 0;
        while at < SERVICES[service].len() {
            all[to] = SERVICES[service][at];
            at += 1;
            to += 1;
        }
        service += 1;
    }
    all
};

/// Those of the services that do not list their own.
const FIRST: &[Operation] = &[
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
    ("GET", "/iocs/combined/indicator/v1", "indicator.combined.v1", Some("ioc:read")),
    ("GET", "/iocs/queries/indicators/v1", "indicator.search.v1", Some("ioc:read")),
    ("GET", "/iocs/entities/indicators/v1", "indicator.get.v1", Some("ioc:read")),
    ("POST", "/iocs/entities/indicators/v1", "indicator.create.v1", Some("ioc:write")),
    ("PATCH", "/iocs/entities/indicators/v1", "indicator.update.v1", Some("ioc:write")),
    ("DELETE", "/iocs/entities/indicators/v1", "indicator.delete.v1", Some("ioc:write")),
    ("GET", "/iocs/aggregates/indicators/device-count/v1", "indicator.get.device_count.v1", Some("ioc:read")),
    ("GET", "/iocs/queries/indicators/devices/v1", "indicator.get.devices_ran_on.v1", Some("ioc:read")),
    ("GET", "/iocs/queries/indicators/processes/v1", "indicator.get.processes_ran_on.v1", Some("ioc:read")),
    ("GET", "/iocs/queries/actions/v1", "action.query.v1", Some("ioc:read")),
    ("GET", "/iocs/entities/actions/v1", "action.get.v1", Some("ioc:read")),
    ("GET", "/iocs/queries/ioc-types/v1", "ioc_type.query.v1", Some("ioc:read")),
    ("GET", "/iocs/queries/platforms/v1", "platform.query.v1", Some("ioc:read")),
    ("GET", "/iocs/queries/severities/v1", "severity.query.v1", Some("ioc:read")),
    ("GET", "/mssp/queries/cid-groups/v1", "queryCIDGroups", Some("mssp:read")),
    ("GET", "/mssp/entities/cid-groups/v2", "getCIDGroupByIdV2", Some("mssp:read")),
    ("POST", "/mssp/entities/cid-groups/v1", "createCIDGroups", Some("mssp:write")),
    ("PATCH", "/mssp/entities/cid-groups/v1", "updateCIDGroups", Some("mssp:write")),
    ("DELETE", "/mssp/entities/cid-groups/v1", "deleteCIDGroups", Some("mssp:write")),
    ("GET", "/mssp/queries/cid-group-members/v1", "queryCIDGroupMembers", Some("mssp:read")),
    ("GET", "/mssp/entities/cid-group-members/v2", "getCIDGroupMembersByV2", Some("mssp:read")),
    ("POST", "/mssp/entities/cid-group-members/v1", "addCIDGroupMembers", Some("mssp:write")),
    ("DELETE", "/mssp/entities/cid-group-members/v2", "deleteCIDGroupMembersV2", Some("mssp:write")),
    ("GET", "/mssp/queries/user-groups/v1", "queryUserGroups", Some("mssp:read")),
    ("GET", "/mssp/entities/user-groups/v2", "getUserGroupsByIDV2", Some("mssp:read")),
    ("POST", "/mssp/entities/user-groups/v1", "createUserGroups", Some("mssp:write")),
    ("PATCH", "/mssp/entities/user-groups/v1", "updateUserGroups", Some("mssp:write")),
    ("DELETE", "/mssp/entities/user-groups/v1", "deleteUserGroups", Some("mssp:write")),
    ("GET", "/mssp/queries/user-group-members/v1", "queryUserGroupMembers", Some("mssp:read")),
    ("GET", "/mssp/entities/user-group-members/v2", "getUserGroupMembersByIDV2", Some("mssp:read")),
    ("POST", "/mssp/entities/user-group-members/v1", "addUserGroupMembers", Some("mssp:write")),
    ("DELETE", "/mssp/entities/user-group-members/v1", "deleteUserGroupMembers", Some("mssp:write")),
    ("GET", "/mssp/queries/mssp-roles/v1", "queryRoles", Some("mssp:read")),
    ("GET", "/mssp/entities/mssp-roles/v1", "getRolesByID", Some("mssp:read")),
    ("POST", "/mssp/entities/mssp-roles/v1", "addRole", Some("mssp:write")),
    ("DELETE", "/mssp/entities/mssp-roles/v1", "deletedRoles", Some("mssp:write")),
    (
        "GET",
        "/policy/combined/prevention/v1",
        "queryCombinedPreventionPolicies",
        Some("prevention-policies:read"),
    ),
    ("GET", "/policy/queries/prevention/v1", "queryPreventionPolicies", Some("prevention-policies:read")),
    (
        "GET",
        "/policy/combined/prevention-members/v1",
        "queryCombinedPreventionPolicyMembers",
        Some("prevention-policies:read"),
    ),
    (
        "GET",
        "/policy/queries/prevention-members/v1",
        "queryPreventionPolicyMembers",
        Some("prevention-policies:read"),
    ),
    ("GET", "/policy/entities/prevention/v1", "getPreventionPolicies", Some("prevention-policies:read")),
    ("POST", "/policy/entities/prevention/v1", "createPreventionPolicies", Some("prevention-policies:write")),
    (
        "PATCH",
        "/policy/entities/prevention/v1",
        "updatePreventionPolicies",
        Some("prevention-policies:write"),
    ),
    (
        "DELETE",
        "/policy/entities/prevention/v1",
        "deletePreventionPolicies",
        Some("prevention-policies:write"),
    ),
    (
        "POST",
        "/policy/entities/prevention-actions/v1",
        "performPreventionPoliciesAction",
        Some("prevention-policies:write"),
    ),
    (
        "POST",
        "/policy/entities/prevention-precedence/v1",
        "setPreventionPoliciesPrecedence",
        Some("prevention-policies:write"),
    ),
    (
        "GET",
        "/policy/combined/sensor-update/v2",
        "queryCombinedSensorUpdatePoliciesV2",
        Some("sensor-update-policies:read"),
    ),
    (
        "GET",
        "/policy/queries/sensor-update/v1",
        "querySensorUpdatePolicies",
        Some("sensor-update-policies:read"),
    ),
    (
        "GET",
        "/policy/combined/sensor-update-members/v1",
        "queryCombinedSensorUpdatePolicyMembers",
        Some("sensor-update-policies:read"),
    ),
    (
        "GET",
        "/policy/queries/sensor-update-members/v1",
        "querySensorUpdatePolicyMembers",
        Some("sensor-update-policies:read"),
    ),
    (
        "GET",
        "/policy/entities/sensor-update/v2",
        "getSensorUpdatePoliciesV2",
        Some("sensor-update-policies:read"),
    ),
    (
        "POST",
        "/policy/entities/sensor-update/v2",
        "createSensorUpdatePoliciesV2",
        Some("sensor-update-policies:write"),
    ),
    (
        "PATCH",
        "/policy/entities/sensor-update/v2",
        "updateSensorUpdatePoliciesV2",
        Some("sensor-update-policies:write"),
    ),
    (
        "DELETE",
        "/policy/entities/sensor-update/v1",
        "deleteSensorUpdatePolicies",
        Some("sensor-update-policies:write"),
    ),
    (
        "POST",
        "/policy/entities/sensor-update-actions/v1",
        "performSensorUpdatePoliciesAction",
        Some("sensor-update-policies:write"),
    ),
    (
        "POST",
        "/policy/entities/sensor-update-precedence/v1",
        "setSensorUpdatePoliciesPrecedence",
        Some("sensor-update-policies:write"),
    ),
    (
        "GET",
        "/policy/combined/sensor-update-builds/v1",
        "queryCombinedSensorUpdateBuilds",
        Some("sensor-update-policies:read"),
    ),
    (
        "GET",
        "/policy/combined/sensor-update-kernels/v1",
        "queryCombinedSensorUpdateKernels",
        Some("sensor-update-policies:read"),
    ),
    (
        "POST",
        "/policy/combined/reveal-uninstall-token/v1",
        "revealUninstallToken",
        Some("sensor-update-policies:write"),
    ),
    (
        "GET",
        "/policy/combined/response/v1",
        "queryCombinedRTResponsePolicies",
        Some("response-policies:read"),
    ),
    ("GET", "/policy/queries/response/v1", "queryRTResponsePolicies", Some("response-policies:read")),
    (
        "GET",
        "/policy/combined/response-members/v1",
        "queryCombinedRTResponsePolicyMembers",
        Some("response-policies:read"),
    ),
    (
        "GET",
        "/policy/queries/response-members/v1",
        "queryRTResponsePolicyMembers",
        Some("response-policies:read"),
    ),
    ("GET", "/policy/entities/response/v1", "getRTResponsePolicies", Some("response-policies:read")),
    ("POST", "/policy/entities/response/v1", "createRTResponsePolicies", Some("response-policies:write")),
    ("PATCH", "/policy/entities/response/v1", "updateRTResponsePolicies", Some("response-policies:write")),
    ("DELETE", "/policy/entities/response/v1", "deleteRTResponsePolicies", Some("response-policies:write")),
    (
        "POST",
        "/policy/entities/response-actions/v1",
        "performRTResponsePoliciesAction",
        Some("response-policies:write"),
    ),
    (
        "POST",
        "/policy/entities/response-precedence/v1",
        "setRTResponsePoliciesPrecedence",
        Some("response-policies:write"),
    ),
    ("GET", "/user-management/queries/users/v1", "queryUserV1", Some("usermgmt:read")),
    ("POST", "/user-management/entities/users/GET/v1", "retrieveUsersGETV1", Some("usermgmt:read")),
    ("POST", "/user-management/entities/users/v1", "createUserV1", Some("usermgmt:write")),
    ("PATCH", "/user-management/entities/users/v1", "updateUserV1", Some("usermgmt:write")),
    ("DELETE", "/user-management/entities/users/v1", "deleteUserV1", Some("usermgmt:write")),
    ("POST", "/user-management/entities/user-actions/v1", "userActionV1", Some("usermgmt:write")),
    ("POST", "/user-management/entities/user-role-actions/v1", "userRolesActionV1", Some("usermgmt:write")),
    ("GET", "/user-management/combined/user-roles/v2", "CombinedUserRolesV2", Some("usermgmt:read")),
    ("GET", "/user-management/queries/roles/v1", "queriesRolesV1", Some("usermgmt:read")),
    ("POST", "/user-management/entities/roles/GET/v2", "entitiesRolesGETV2", Some("usermgmt:read")),
    (
        "GET",
        "/zero-trust-assessment/entities/assessments/v1",
        "getAssessmentV1",
        Some("zero-trust-assessment:read"),
    ),
    (
        "GET",
        "/zero-trust-assessment/queries/assessments/v1",
        "getAssessmentsByScoreV1",
        Some("zero-trust-assessment:read"),
    ),
    ("GET", "/zero-trust-assessment/entities/audit/v1", "getAuditV1", Some("zero-trust-assessment:read")),
    ("POST", "/devices/combined/devices/login-history/v2", "QueryDeviceLoginHistoryV2", Some("devices:read")),
    (
        "POST",
        "/devices/combined/devices/network-address-history/v1",
        "QueryGetNetworkAddressHistoryV1",
        Some("devices:read"),
    ),
    ("POST", "/alerts/aggregates/alerts/v2", "GetAggregateV2", Some("alerts:read")),
    (
        "GET",
        "/sensors/combined/installers/v3",
        "GetCombinedSensorInstallersByQueryV3",
        Some("sensor-installers:read"),
    ),
    ("GET", "/sensors/queries/installers/v3", "GetSensorInstallersByQueryV3", Some("sensor-installers:read")),
    (
        "GET",
        "/sensors/entities/installers/v3",
        "GetSensorInstallersEntitiesV3",
        Some("sensor-installers:read"),
    ),
    (
        "GET",
        "/sensors/queries/installers/ccid/v1",
        "GetSensorInstallersCCIDByQuery",
        Some("sensor-installers:read"),
    ),
    (
        "GET",
        "/billing-dashboards-usage/aggregates/weekly-average/v1",
        "GetSensorUsageWeekly",
        Some("sensor-usage:read"),
    ),
    (
        "GET",
        "/billing-dashboards-usage/aggregates/hourly-average/v1",
        "GetSensorUsageHourly",
        Some("sensor-usage:read"),
    ),
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
        .merge(cases::router())
        .merge(discover::router())
        .merge(exclusions::router())
        .merge(history::router())
        .merge(install_tokens::router())
        .merge(iocs::router())
        .merge(mssp_groups::router())
        .merge(ods::router())
        .merge(policies::router())
        .merge(posture::router())
        .merge(quarantine::router())
        .merge(sensors::router())
        .merge(spotlight::router())
        .merge(users::router())
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
