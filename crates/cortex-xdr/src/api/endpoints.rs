//! Endpoints: the full listing in windows, and the light list of all agents at once.

use chrono::{DateTime, Utc};
use edr_core::model::read;
use edr_http::{Operation, RequestPlan};
use serde::Deserialize;
use serde_json::Value;

use super::page::PageRequest;
use super::system::VIEWER;
use super::{ApiCall, Sheet, TimeKey};
use crate::filter::filters;
use crate::loose::Keyed;
use crate::record::{Lenient, Record, record, words};
use crate::wire::{self, Stamp};

/// Endpoints in windows.
pub static GET_ENDPOINT: Operation = Operation::read("endpoints/get_endpoint", VIEWER);
/// All agents at once.
pub static GET_ENDPOINTS: Operation = Operation::read("endpoints/get_endpoints", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![ApiCall::both(&GET_ENDPOINT).paged("endpoint_id"), ApiCall::both(&GET_ENDPOINTS)]
}

words! {
    /// The state of an endpoint, in the words of requests. Replies write it in capitals.
    pub enum EndpointStatus {
        /// It is in touch.
        Connected = "connected",
        /// It is not.
        Disconnected = "disconnected",
        /// It has not been for long.
        Lost = "lost",
        /// Its agent is gone.
        Uninstalled = "uninstalled",
    }
}

words! {
    /// Whether an endpoint is isolated, in the words of requests. Replies write `AGENT_ISOLATED`.
    pub enum Isolation {
        /// It is cut off.
        Isolated = "isolated",
        /// It is not.
        Unisolated = "unisolated",
    }
}

words! {
    /// A platform, in the words of requests. Replies write `AGENT_OS_WINDOWS`.
    pub enum EndpointPlatform {
        /// Android.
        Android = "android",
        /// Linux.
        Linux = "linux",
        /// macOS.
        Macos = "macos",
        /// Windows.
        Windows = "windows",
    }
}

words! {
    /// How far a scan is, in the words of requests. Replies write `SCAN_STATUS_PENDING`.
    pub enum ScanStatus {
        /// It was ended.
        Aborted = "aborted",
        /// It was taken back.
        Canceled = "canceled",
        /// It failed.
        Error = "error",
        /// It runs.
        InProgress = "in_progress",
        /// There was none.
        None = "none",
        /// It is ordered.
        Pending = "pending",
        /// It is being taken back.
        PendingCancellation = "pending_cancellation",
        /// It is done.
        Success = "success",
    }
}

filters! {
    /// Which endpoints.
    pub struct EndpointFilters {
        /// These.
        ids: in "endpoint_id_list" of String,
        /// From these installation packages.
        packages: in "dist_name" of String,
        /// In these groups.
        groups: in "group_name" of String,
        /// With these aliases.
        aliases: in "alias" of String,
        /// With these host names, whole and in their case.
        hostnames: in "hostname" of String,
        /// With these users.
        usernames: in "username" of String,
        /// Seen from these addresses.
        public_ips: in "public_ip_list" of String,
        /// With these addresses.
        ips: in "ip_list" of String,
        /// In these states.
        statuses: in "endpoint_status" of EndpointStatus,
        /// Of these platforms.
        platforms: in "platform" of EndpointPlatform,
        /// Isolated or not.
        isolation: in "isolate" of Isolation,
        /// With scans in these states.
        scans: in "scan_status" of ScanStatus,
        /// First seen from this time on.
        first_seen_from: gte "first_seen" of DateTime<Utc>,
        /// First seen up to this time.
        first_seen_to: lte "first_seen" of DateTime<Utc>,
        /// Last seen from this time on.
        last_seen_from: gte "last_seen" of DateTime<Utc>,
        /// Last seen up to this time.
        last_seen_to: lte "last_seen" of DateTime<Utc>,
        /// XDR 5: in these clouds.
        cloud_providers: in "cloud_provider" of String,
        /// XDR 5: in these regions.
        cloud_regions: in "cloud_region" of String,
        /// XDR 5: in these accounts.
        cloud_accounts: in "cloud_provider_account_id" of String,
        /// XDR 5: these instances.
        cloud_instances: in "cloud_instance_id" of String,
        /// XDR 5: these ids of the cloud.
        cloud_ids: in "cloud_id" of String,
    }
}

impl Record for Endpoint {
    fn from_object(object: &serde_json::Map<String, Value>) -> Self {
        serde_json::from_value(Value::Object(object.clone())).unwrap_or_default()
    }
}

pub(crate) static SHEET: Sheet<Endpoint> = Sheet {
    operation: &GET_ENDPOINT,
    paths: ENDPOINTS,
    lists: LIST,
    counts: COUNT,
    cap: None,
    capitals: true,
    more: &[],
    id: |endpoint| endpoint.endpoint_id.as_deref(),
    time: Some(TimeKey {
        field: "first_seen",
        read: |endpoint| endpoint.first_seen.time.map(|time| time.timestamp_millis()),
    }),
};

/// Where the items of [`endpoints`] stand.
pub(crate) const ENDPOINTS: &[&[&str]] = &[&["reply", "endpoints"]];
/// Where the items of [`endpoint_list`] stand.
pub(crate) const AGENTS: &[&[&str]] = &[&["reply"]];
/// The name of the list.
pub(crate) const LIST: &[&str] = &["endpoints"];
/// The name of the count, which is exact for endpoints.
pub(crate) const COUNT: &[&str] = &["total_count"];
/// The keys under which an item carries its id.
pub(crate) const ID_KEYS: &[&str] = &["endpoint_id", "agent_id"];

/// A window of endpoints. Both generations have it. Filters: `endpoint_id_list`, `dist_name`,
/// `group_name`, `alias`, `hostname`, `username`, `public_ip_list`, `endpoint_status`, `ip_list`,
/// `platform`, `isolate`, `scan_status` with `in`; `first_seen`, `last_seen` with `gte` and `lte`; all
/// words in small letters. Sorts: `endpoint_id`, `first_seen`, `last_seen`, `scan_status`.
#[must_use]
pub fn endpoints(page: &PageRequest) -> RequestPlan {
    RequestPlan::post_json(&GET_ENDPOINT, "/public_api/v1/endpoints/get_endpoint", page.body(true))
}

/// All agents at once, with five fields each.
#[must_use]
pub fn endpoint_list() -> RequestPlan {
    RequestPlan::post_json(&GET_ENDPOINTS, "/public_api/v1/endpoints/get_endpoints", "{}")
}

/// An endpoint, as `get_endpoint` has it. Every field may be absent, null, or of a neighbouring type;
/// enums are the vendor's words. What is not here is in the JSON that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Endpoint {
    /// The id of the agent, 32 hex digits; the same as `agent_id` and as `endpoint_id` of alerts.
    #[serde(deserialize_with = "wire::de_text")]
    pub endpoint_id: Option<String>,
    /// The host name.
    #[serde(deserialize_with = "wire::de_text")]
    pub endpoint_name: Option<String>,
    /// `AGENT_TYPE_SERVER`, …
    #[serde(deserialize_with = "wire::de_text")]
    pub endpoint_type: Option<String>,
    /// `CONNECTED`, `DISCONNECTED`, `LOST`, `UNINSTALLED`, …
    #[serde(deserialize_with = "wire::de_text")]
    pub endpoint_status: Option<String>,
    /// `AGENT_OS_WINDOWS`, …
    #[serde(deserialize_with = "wire::de_text")]
    pub os_type: Option<String>,
    /// `10.0.19045`.
    #[serde(deserialize_with = "wire::de_text")]
    pub os_version: Option<String>,
    /// `Windows 10 Pro 64-bit`.
    #[serde(deserialize_with = "wire::de_text")]
    pub operating_system: Option<String>,
    /// IPv4 addresses.
    #[serde(deserialize_with = "wire::de_words")]
    pub ip: Vec<String>,
    /// IPv6 addresses; not aligned with the others.
    #[serde(deserialize_with = "wire::de_words")]
    pub ipv6: Vec<String>,
    /// The address that the cloud sees.
    #[serde(deserialize_with = "wire::de_text")]
    pub public_ip: Option<String>,
    /// MACs; not aligned with the addresses.
    #[serde(deserialize_with = "wire::de_words")]
    pub mac_address: Vec<String>,
    /// Users, a list or a text.
    #[serde(deserialize_with = "wire::de_list")]
    pub users: Vec<String>,
    /// The domain or workgroup.
    #[serde(deserialize_with = "wire::de_text")]
    pub domain: Option<String>,
    /// The name that somebody gave it.
    #[serde(deserialize_with = "wire::de_text")]
    pub alias: Option<String>,
    /// First contact.
    pub first_seen: Stamp,
    /// Last contact.
    pub last_seen: Stamp,
    /// When the agent was installed.
    pub install_date: Stamp,
    /// The version of the agent.
    #[serde(deserialize_with = "wire::de_text")]
    pub endpoint_version: Option<String>,
    /// The version of its content.
    #[serde(deserialize_with = "wire::de_text")]
    pub content_version: Option<String>,
    /// The installation package.
    #[serde(deserialize_with = "wire::de_text")]
    pub installation_package: Option<String>,
    /// Organisational units: null, a text or a list.
    #[serde(deserialize_with = "wire::de_texts")]
    pub active_directory: Vec<String>,
    /// `AGENT_ISOLATED`, …
    #[serde(deserialize_with = "wire::de_text")]
    pub is_isolated: Option<String>,
    /// When isolation began.
    pub isolated_date: Stamp,
    /// Groups.
    #[serde(deserialize_with = "wire::de_list")]
    pub group_name: Vec<String>,
    /// `PROTECTED`, `PARTIALLY_PROTECTED`, `UNPROTECTED`.
    #[serde(deserialize_with = "wire::de_text")]
    pub operational_status: Option<String>,
    /// Why it is not protected as it should be; newer tenants have it as a list …
    #[serde(deserialize_with = "de_details")]
    pub operational_status_details: Vec<OperationalDetail>,
    /// … and all have it as JSON in a text.
    #[serde(deserialize_with = "de_details")]
    pub operational_status_description: Vec<OperationalDetail>,
    /// `SCAN_STATUS_NONE`, …
    #[serde(deserialize_with = "wire::de_text")]
    pub scan_status: Option<String>,
    /// The prevention policy.
    #[serde(deserialize_with = "wire::de_text")]
    pub assigned_prevention_policy: Option<String>,
    /// The extensions policy.
    #[serde(deserialize_with = "wire::de_text")]
    pub assigned_extensions_policy: Option<String>,
    /// Tags with the key under which they stand (`server_tags`, `endpoint_tags`); without one where the
    /// tenant sends a plain list.
    #[serde(deserialize_with = "de_tags")]
    pub tags: Vec<(Option<String>, String)>,
    /// Tags of the agent, as some tenants have them: a text with commas.
    #[serde(rename = "endpointTags", deserialize_with = "wire::de_list")]
    pub endpoint_tags: Vec<String>,
    /// XDR 5: the cloud.
    #[serde(deserialize_with = "wire::de_text")]
    pub cloud_provider: Option<String>,
    /// XDR 5: its region.
    #[serde(deserialize_with = "wire::de_text")]
    pub cloud_region: Option<String>,
    /// XDR 5: the account.
    #[serde(deserialize_with = "wire::de_text")]
    pub cloud_provider_account_id: Option<String>,
    /// XDR 5: the instance.
    #[serde(deserialize_with = "wire::de_text")]
    pub cloud_instance_id: Option<String>,
    /// XDR 5: another id of the instance.
    #[serde(deserialize_with = "wire::de_text")]
    pub cloud_id: Option<String>,
}

record! {
    /// A reason why an agent does not protect as it should.
    pub struct OperationalDetail {
        /// What is not in order: `generalStatus`, …
        pub name: Option<String> = "name" | "title",
        /// The vendor's number for it.
        pub error_code: Option<String> = "error_code" | "code",
        /// It, in words.
        pub reason: Option<String> = "reason" | "text" | "description",
    }
}

/// An agent of the light list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Agent {
    /// The id: `endpoint_id` elsewhere.
    #[serde(deserialize_with = "wire::de_text")]
    pub agent_id: Option<String>,
    /// `CONNECTED` or `Connected`, …
    #[serde(deserialize_with = "wire::de_text")]
    pub agent_status: Option<String>,
    /// The host name.
    #[serde(deserialize_with = "wire::de_text")]
    pub host_name: Option<String>,
    /// `Server`, `Workstation`, …
    #[serde(deserialize_with = "wire::de_text")]
    pub agent_type: Option<String>,
    /// Addresses.
    #[serde(deserialize_with = "wire::de_words")]
    pub ip: Vec<String>,
}

impl From<Agent> for Endpoint {
    fn from(agent: Agent) -> Self {
        Self {
            endpoint_id: agent.agent_id,
            endpoint_name: agent.host_name,
            endpoint_type: agent.agent_type,
            endpoint_status: agent.agent_status,
            ip: agent.ip,
            ..Self::default()
        }
    }
}

/// Reads an item of either listing.
///
/// # Errors
/// When it is no JSON object, or has no id.
pub(crate) fn decode(bytes: &[u8]) -> Result<Endpoint, String> {
    let not_an_object = |e: serde_json::Error| format!("not an endpoint: {e}");
    let full: Endpoint = read::json(bytes).map_err(not_an_object)?;
    let endpoint = match full.endpoint_id {
        Some(_) => full,
        None => read::json::<Agent>(bytes).map_err(not_an_object)?.into(),
    };
    if endpoint.endpoint_id.is_none() {
        return Err("endpoint_id is absent, or neither text nor number".to_owned());
    }
    Ok(endpoint)
}

fn de_details<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<OperationalDetail>, D::Error> {
    let value = Value::deserialize(d)?;
    Ok(match &value {
        Value::String(text) => {
            serde_json::from_str(text).map(|inner: Value| Lenient::lenient(&inner)).unwrap_or_default()
        }
        other => Lenient::lenient(other),
    })
}

fn de_tags<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<(Option<String>, String)>, D::Error> {
    Ok(match Keyed::deserialize(d)? {
        Keyed::Kinds(kinds) => kinds
            .iter()
            .flat_map(|(kind, tags)| tags.list().into_iter().map(move |tag| (Some(kind.to_string()), tag)))
            .collect(),
        Keyed::Alone(tags) => tags.list().into_iter().map(|tag| (None, tag)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Filters;
    use crate::api::Order;

    #[test]
    fn a_window_of_endpoints_is_asked_for_in_capitals() {
        let filters = Filters::new().one_of("hostname", ["wörk-1"]).unwrap();
        let page = PageRequest::window(100, 100).filters(filters).order(Order::ascending("first_seen"));
        let plan = endpoints(&page);
        assert_eq!(plan.method, http::Method::POST);
        assert_eq!(plan.target, edr_http::Target::Path("/public_api/v1/endpoints/get_endpoint".into()));
        let expected = r#"{"request_data":{"filters":[{"field":"hostname","operator":"in","value":["wörk-1"]}],"search_from":100,"search_to":200,"sort":{"field":"first_seen","keyword":"ASC"}}}"#;
        assert_eq!(plan.body, edr_http::Body::Bytes("application/json", expected.into()));
        assert!(plan.operation.idempotent, "a read, although it is a POST");
    }

    #[test]
    fn what_stands_within_an_object_that_nobody_reads_costs_nothing() {
        for alias in [r#"{"x":1e400}"#, r#"[{"y":"\ud800"}]"#] {
            let json = format!(r#"{{"endpoint_id":"a","alias":{alias}}}"#);
            let endpoint = decode(json.as_bytes()).unwrap();
            assert_eq!((endpoint.endpoint_id.as_deref(), endpoint.alias), (Some("a"), None), "{alias}");
        }
        for odd in [r#"{"x":1e400}"#, r#"[{"y":"\ud800"}]"#] {
            let json = format!(r#"{{"endpoint_id":"a","tags":{{"k":{odd},"server_tags":["gold"]}}}}"#);
            let endpoint = decode(json.as_bytes()).unwrap();
            assert_eq!(endpoint.tags, [(Some("server_tags".to_owned()), "gold".to_owned())], "{odd}");
        }
    }

    #[test]
    fn an_endpoint_is_read_whatever_the_types() {
        let json = r#"{"endpoint_id":17,"ip":"10.0.0.1","users":"ann","tags":{"server_tags":["a"],"endpoint_tags":"b,c"},
            "active_directory":null,"first_seen":"1700000000000","alias":{"odd":1},"group_name":null,"is_isolated":["AGENT_ISOLATED"]}"#;
        let endpoint = decode(json.as_bytes()).unwrap();
        assert_eq!(endpoint.endpoint_id.as_deref(), Some("17"));
        assert_eq!((endpoint.ip.len(), endpoint.users.len(), endpoint.tags.len()), (1, 1, 3));
        assert!(endpoint.first_seen.time.is_some() && endpoint.alias.is_none());
        assert_eq!(endpoint.is_isolated.as_deref(), Some("AGENT_ISOLATED"));
    }

    #[test]
    fn a_reason_is_json_in_a_text_or_a_list() {
        let text = r#"{"endpoint_id":1,"operational_status_description":"[{\"name\": \"generalStatus\", \"error_code\": 10004}]","operational_status_details":[{"title":"a"}]}"#;
        let endpoint = decode(text.as_bytes()).unwrap();
        let told = &endpoint.operational_status_description[0];
        assert_eq!(
            (told.name.as_deref(), told.error_code.as_deref()),
            (Some("generalStatus"), Some("10004"))
        );
        assert_eq!(endpoint.operational_status_details[0].name.as_deref(), Some("a"));
        for odd in ["null", "7", "\"no JSON\"", "[1]"] {
            let json = format!(r#"{{"endpoint_id":1,"operational_status_description":{odd}}}"#);
            assert!(decode(json.as_bytes()).unwrap().operational_status_description.is_empty(), "{odd}");
        }
    }

    #[test]
    fn an_item_without_an_id_is_refused() {
        for json in [
            "{}",
            r#"{"endpoint_id":{"broken":1}}"#,
            r#"{"endpoint_id":null}"#,
            "[]",
            "7",
            "{\"endpoint_id\":",
        ] {
            assert!(decode(json.as_bytes()).is_err(), "{json}");
        }
        assert_eq!(
            decode(br#"{"agent_id":"a","host_name":"h"}"#).unwrap().endpoint_name.as_deref(),
            Some("h")
        );
    }
}
