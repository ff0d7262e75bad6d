//! What people and programs did, as the event stream tells it.

use serde_json::{Value, json};

use super::guard::Context;
use crate::log::Mutation;

const AUTH: &str = "AuthActivityAuditEvent";
const USER: &str = "UserActivityAuditEvent";

/// How a change is told: the type of the event, its operation and service, and the key under which its target stands.
type Telling = (&'static str, &'static str, &'static str, &'static str);

/// The telling of an operation; `None` for one that leaves no event.
fn telling(operation: &str) -> Option<Telling> {
    Some(match operation {
        "UpdateV3" => (USER, "detection_update", "detections", "detection_id"),
        "PerformActionV2" => (USER, "host_action", "hosts", "device_id"),
        "UpdateDeviceTags" => (USER, "update_tags", "hosts", "device_id"),
        "createUserV1" => (AUTH, "createUser", "CrowdStrike Authentication", "target_uuid"),
        "updateUserV1" => (AUTH, "updateUser", "CrowdStrike Authentication", "target_uuid"),
        "deleteUserV1" => (AUTH, "deleteUser", "CrowdStrike Authentication", "target_uuid"),
        "userActionV1" => (AUTH, "userAction", "CrowdStrike Authentication", "target_uuid"),
        "userRolesActionV1" => (AUTH, "grantUserRoles", "CrowdStrike Authentication", "target_uuid"),
        "createHostGroups" => (USER, "create_group", "groups", "group_id"),
        "updateHostGroups" | "performGroupAction" => (USER, "update_group", "groups", "group_id"),
        "deleteHostGroups" => (USER, "delete_group", "groups", "group_id"),
        "revealUninstallToken" => (USER, "reveal_token", "sensor_update_policies", "device_id"),
        other if other.ends_with("Policies") || other.ends_with("PoliciesV2") => {
            (USER, "update_policy", "policies", "policy_id")
        }
        other if other.starts_with("indicator.") => (USER, "update_indicator", "indicators", "ioc_id"),
        _ => return None,
    })
}

fn pair(key: &str, value: impl Into<String>) -> Value {
    json!({"Key": key, "ValueString": value.into()})
}

/// A value of the log as a text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The event of a change in the log.
pub(super) fn of_change(c: Context<'_>, change: &Mutation) -> Option<(&'static str, Value)> {
    let (kind, operation, service, key) = telling(&change.operation)?;
    let mut pairs = vec![pair(key, change.target.as_str())];
    for (from, to) in [("status", "new_state"), ("assigned_to", "assigned_to"), ("uid", "target_name")] {
        let value = &change.after[from];
        if !value.is_null() {
            pairs.push(pair(to, text(value)));
        }
    }
    Some((kind, audit(c, operation, service, kind == AUTH, pairs)))
}

fn audit(c: Context<'_>, operation: &str, service: &str, success: bool, pairs: Vec<Value>) -> Value {
    let mut event = json!({
        "UserId": format!("api-client-id:{}", c.falcon.client_id), "UserIp": "127.0.0.1",
        "OperationName": operation, "ServiceName": service,
        "UTCTimestamp": c.state.clock.now_ms() / 1000, "AuditKeyValues": pairs,
    });
    // Events of the authentication service alone say how it went.
    if success {
        event["Success"] = true.into();
    }
    event
}

/// That somebody connected to a stream, or went.
pub(super) fn of_stream(
    c: Context<'_>,
    operation: &str,
    app: &str,
    place: &Place<'_>,
) -> (&'static str, Value) {
    let pairs = vec![
        pair("APIClientID", c.falcon.client_id.as_str()),
        pair("partition", place.partition.to_string()),
        pair("offset", place.offset.map_or_else(|| "-1".to_owned(), |o| o.to_string())),
        pair("appId", app),
        pair(
            "eventType",
            place.types.map_or_else(|| "All event type(s)".to_owned(), |t| format!("[{}]", t.join(" "))),
        ),
    ];
    (AUTH, audit(c, operation, "Crowdstrike Streaming API", true, pairs))
}

/// Where in a stream somebody reads.
pub(super) struct Place<'a> {
    pub(super) partition: u64,
    pub(super) offset: Option<u64>,
    pub(super) types: Option<&'a [String]>,
}
