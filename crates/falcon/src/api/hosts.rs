//! Hosts: devices, their state and history, and what can be ordered of them. Scope "Hosts".

pub use super::host_words::{
    Containment, DeploymentType, DetectionSuppression, HostPlatform, HostVisibility, LinuxSensorMode,
    ProductType, ProvisionStatus, ReducedFunctionality, RtrState, ServiceProvider,
};
use edr_http::RequestPlan;
use serde::Serialize;

use super::common::action;
use super::{ActionParameter, Endpoint, ListParams, Paging, ScopeProbe, Verb};
use crate::time::Timestamp;
use crate::wire::{Entries, wire};
use crate::words::words;

const READ: &str = "Hosts: read";
const WRITE: &str = "Hosts: write";
const LISTING: &[&str] = &["filter", "limit", "offset", "sort"];
const WITH_FIELDS: &[&str] = &["fields", "filter", "limit", "offset", "sort"];

/// Whole devices, walked by `next`.
pub static COMBINED: Endpoint =
    Endpoint::read("CombinedDevicesByFilter", Verb::Get, "/devices/combined/devices/v1", READ)
        .pages(Paging::Next, MAX_PAGE)
        .query(WITH_FIELDS);
/// Whole devices that are hidden in the console, walked by `next`.
pub static COMBINED_HIDDEN: Endpoint =
    Endpoint::read("CombinedHiddenDevicesByFilter", Verb::Get, "/devices/combined/devices-hidden/v1", READ)
        .pages(Paging::Next, MAX_PAGE)
        .query(WITH_FIELDS);
/// Ids, walked by a scroll that lives two minutes.
pub static SCROLL: Endpoint =
    Endpoint::read("QueryDevicesByFilterScroll", Verb::Get, "/devices/queries/devices-scroll/v1", READ)
        .pages(Paging::Scroll, MAX_PAGE)
        .query(LISTING);
/// Ids, by offset.
pub static QUERY: Endpoint =
    Endpoint::read("QueryDevicesByFilter", Verb::Get, "/devices/queries/devices/v1", READ)
        .pages(Paging::Offset { cap: Some(OFFSET_CAP) }, 5_000)
        .query(LISTING);
/// Ids of hidden devices, by offset.
pub static QUERY_HIDDEN: Endpoint =
    Endpoint::read("QueryHiddenDevices", Verb::Get, "/devices/queries/devices-hidden/v1", READ)
        .pages(Paging::Offset { cap: Some(OFFSET_CAP) }, 5_000)
        .query(LISTING);
/// Devices by id.
pub static ENTITIES: Endpoint =
    Endpoint::read("PostDeviceDetailsV2", Verb::Post, "/devices/entities/devices/v2", READ)
        .ids(MAX_IDS as u32);
/// Which of the devices are connected.
pub static ONLINE_STATE: Endpoint =
    Endpoint::read("GetOnlineState.V1", Verb::Get, "/devices/entities/online-state/v1", READ)
        .ids(MAX_ONLINE_IDS as u32)
        .query(&["ids"]);
/// Who has logged in.
pub static LOGIN_HISTORY: Endpoint = Endpoint::read(
    "QueryDeviceLoginHistoryV2",
    Verb::Post,
    "/devices/combined/devices/login-history/v2",
    READ,
)
.ids(10)
.query(&["from", "limit", "to"]);
/// Which addresses the devices have had.
pub static NETWORK_HISTORY: Endpoint = Endpoint::read(
    "QueryGetNetworkAddressHistoryV1",
    Verb::Post,
    "/devices/combined/devices/network-address-history/v1",
    READ,
)
.ids(500);
/// Contains, releases, hides and suppresses. An order, which is accepted first and carried out later.
pub static ACTIONS: Endpoint =
    Endpoint::write("PerformActionV2", Verb::Post, "/devices/entities/devices-actions/v2", WRITE)
        .ids(100)
        .query(&["action_name"])
        .actions(&[
            "contain",
            "detection_suppress",
            "detection_unsuppress",
            "hide_host",
            "lift_containment",
            "unhide_host",
        ]);
/// Adds grouping tags to devices and takes them away; doing so twice is doing so once.
pub static TAGS: Endpoint =
    Endpoint::repeatable("UpdateDeviceTags", Verb::Patch, "/devices/entities/devices/tags/v1", WRITE)
        .ids(MAX_IDS as u32)
        .actions(&["add", "remove"]);

/// Whether hosts can be read.
pub(crate) const PROBE: ScopeProbe =
    ScopeProbe { name: "hosts", scope: READ, requests: &[|| combined(&one()), || scroll(&one())] };

fn one() -> HostsParams {
    HostsParams { limit: Some(1), ..HostsParams::default() }
}

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[
    &COMBINED,
    &COMBINED_HIDDEN,
    &SCROLL,
    &QUERY,
    &QUERY_HIDDEN,
    &ENTITIES,
    &ONLINE_STATE,
    &LOGIN_HISTORY,
    &NETWORK_HISTORY,
    &ACTIONS,
    &TAGS,
];

/// Offset and limit of [`query`] and [`query_hidden`] together stay below this.
pub const OFFSET_CAP: u32 = 10_000;
/// The most devices on a page of [`combined`], and ids on one of [`scroll`].
pub const MAX_PAGE: u32 = 10_000;
/// The most ids in one call of [`entities`].
pub const MAX_IDS: usize = 5_000;
/// The most ids in one call of [`online_state`].
pub const MAX_ONLINE_IDS: usize = 100;

/// Which devices, in which order, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsParams {
    /// FQL; empty for all.
    pub filter: String,
    /// `field.asc` or `field.desc`; by device id when absent.
    pub sort: Option<String>,
    /// Rows a page.
    pub limit: Option<u32>,
    /// The page key of the page before.
    pub offset: Option<String>,
    /// The vendor's fields that are wanted; empty means all. For [`combined`] alone.
    pub fields: Vec<&'static str>,
}

fn listing(endpoint: &'static Endpoint, params: &HostsParams) -> RequestPlan {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    endpoint
        .plan()
        .maybe("filter", some(&params.filter))
        .maybe("sort", params.sort.as_deref())
        .maybe("limit", params.limit.map(|l| l.clamp(1, MAX_PAGE)))
        .maybe("offset", params.offset.as_deref())
}

fn with_fields(plan: RequestPlan, params: &HostsParams) -> RequestPlan {
    if params.fields.is_empty() { plan } else { plan.query("fields", params.fields.join(",")) }
}

/// A page of whole devices.
#[must_use]
pub fn combined(params: &HostsParams) -> RequestPlan {
    with_fields(listing(&COMBINED, params), params)
}

/// A page of whole devices that are hidden.
#[must_use]
pub fn combined_hidden(params: &HostsParams) -> RequestPlan {
    with_fields(listing(&COMBINED_HIDDEN, params), params)
}

/// A page of ids by scroll.
#[must_use]
pub fn scroll(params: &HostsParams) -> RequestPlan {
    listing(&SCROLL, params)
}

/// A page of ids by offset; [`OFFSET_CAP`] rows and no more. For whole fleets use [`scroll`].
#[must_use]
pub fn query(params: &ListParams) -> RequestPlan {
    params.plan(&QUERY)
}

/// A page of ids of hidden devices by offset.
#[must_use]
pub fn query_hidden(params: &ListParams) -> RequestPlan {
    params.plan(&QUERY_HIDDEN)
}

/// Devices by id, at most [`MAX_IDS`]; in no order, and without those that are not there.
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_body(ids)
}

/// Whether devices are connected, at most [`MAX_ONLINE_IDS`].
#[must_use]
pub fn online_state<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ONLINE_STATE.by_query("ids", ids)
}

/// What part of a history is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryParams {
    /// From here on, such as `now-7d` (as when absent) or a time.
    pub from: Option<String>,
    /// Until here; now when absent.
    pub to: Option<String>,
    /// Logins of a device, 1 to 100; 10 when absent.
    pub limit: Option<u32>,
}

/// Who has logged in on devices, at most ten.
#[must_use]
pub fn login_history<S: AsRef<str>>(ids: &[S], params: &HistoryParams) -> RequestPlan {
    LOGIN_HISTORY
        .by_body(ids)
        .maybe("from", params.from.as_deref())
        .maybe("limit", params.limit.map(|l| l.clamp(1, 100)))
        .maybe("to", params.to.as_deref())
}

/// Which addresses devices have had.
#[must_use]
pub fn network_history<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    NETWORK_HISTORY.by_body(ids)
}

words! {
    /// What can be ordered of a device.
    pub enum HostAction {
        /// Cuts it off the network.
        Contain = "contain",
        /// Shows no detections of it.
        DetectionSuppress = "detection_suppress",
        /// Shows its detections again.
        DetectionUnsuppress = "detection_unsuppress",
        /// Takes it out of the console's lists.
        Hide = "hide_host",
        /// Lets it back on the network.
        LiftContainment = "lift_containment",
        /// Puts it back into the console's lists.
        Unhide = "unhide_host",
    }
}

/// Orders something of devices, at most 100. Falcon accepts the order (202); it takes effect when the
/// sensor hears of it.
#[must_use]
pub fn perform<S: AsRef<str>>(name: &HostAction, ids: &[S], parameters: &[ActionParameter]) -> RequestPlan {
    action(&ACTIONS, name.as_str(), ids, parameters)
}

words! {
    /// What becomes of tags.
    pub enum TagAction {
        /// They are added.
        Add = "add",
        /// They are taken away.
        Remove = "remove",
    }
}

/// What the tags of devices must begin with; the service takes no others.
pub const TAG_PREFIX: &str = "FalconGroupingTags/";

/// Adds tags to devices or takes them away, at most [`MAX_IDS`] devices. A tag without
/// [`TAG_PREFIX`] gets it.
#[must_use]
pub fn tags<S: AsRef<str>>(what: &TagAction, ids: &[S], tags: &[&str]) -> RequestPlan {
    #[derive(Serialize)]
    struct Body<'a> {
        action: &'a TagAction,
        device_ids: Vec<&'a str>,
        tags: Vec<String>,
    }
    let whole = |tag: &&str| match tag.starts_with(TAG_PREFIX) {
        true => (*tag).to_owned(),
        false => format!("{TAG_PREFIX}{tag}"),
    };
    TAGS.json(&Body {
        action: what,
        device_ids: ids.iter().map(AsRef::as_ref).collect(),
        tags: tags.iter().map(whole).collect(),
    })
}

/// True for the form that every device id has: 32 hex digits.
#[must_use]
pub fn is_device_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

wire! {
    /// A device, `deviceapi.DeviceSwagger`. All scalars are text, and only two are always there. The
    /// same shape, with fewer fields, stands in an alert.
    pub struct Device {
        agent_local_time: Option<Timestamp>,
        agent_version: Option<String>,
        bios_manufacturer: Option<String>,
        bios_version: Option<String>,
        build_number: Option<String>,
        chassis_type: Option<String>,
        chassis_type_desc: Option<String>,
        cid: Option<String>,
        config_id_base: Option<String>,
        config_id_build: Option<String>,
        config_id_platform: Option<String>,
        connection_ip: Option<String>,
        connection_mac_address: Option<String>,
        cpu_signature: Option<String>,
        cpu_vendor: Option<String>,
        criticality: Option<String>,
        default_gateway_ip: Option<String>,
        deployment_type: Option<DeploymentType>,
        detection_suppression_status: Option<DetectionSuppression>,
        device_id: Option<String>,
        device_policies: Entries<DevicePolicy>,
        email: Option<String>,
        external_ip: Option<String>,
        filesystem_containment_status: Option<Containment>,
        first_login_timestamp: Option<Timestamp>,
        first_login_user: Option<String>,
        first_seen: Option<Timestamp>,
        group_hash: Option<String>,
        groups: Vec<String>,
        host_hidden_status: Option<HostVisibility>,
        host_utc_offset: Option<String>,
        hostinfo: Option<HostInfo>,
        hostname: Option<String>,
        instance_id: Option<String>,
        internet_exposure: Option<String>,
        k8s_cluster_git_version: Option<String>,
        k8s_cluster_id: Option<String>,
        k8s_cluster_version: Option<String>,
        kernel_version: Option<String>,
        last_login_timestamp: Option<Timestamp>,
        last_login_uid: Option<String>,
        last_login_user: Option<String>,
        last_login_user_sid: Option<String>,
        last_reboot: Option<Timestamp>,
        last_seen: Option<Timestamp>,
        linux_sensor_mode: Option<LinuxSensorMode>,
        local_ip: Option<String>,
        mac_address: Option<String>,
        machine_domain: Option<String>,
        major_version: Option<String>,
        minor_version: Option<String>,
        modified_timestamp: Option<Timestamp>,
        notes: Vec<String>,
        os_build: Option<String>,
        os_product_name: Option<String>,
        os_version: Option<String>,
        ou: Vec<String>,
        platform_id: Option<String>,
        platform_name: Option<HostPlatform>,
        pod_hostname: Option<String>,
        pod_id: Option<String>,
        pod_name: Option<String>,
        pod_namespace: Option<String>,
        pod_service_account_name: Option<String>,
        policies: Vec<DevicePolicy>,
        product_type: Option<String>,
        product_type_desc: Option<ProductType>,
        provision_status: Option<ProvisionStatus>,
        reduced_functionality_mode: Option<ReducedFunctionality>,
        release_group: Option<String>,
        rtr_state: Option<RtrState>,
        serial_number: Option<String>,
        service_provider: Option<ServiceProvider>,
        service_provider_account_id: Option<String>,
        site_name: Option<String>,
        status: Option<Containment>,
        system_manufacturer: Option<String>,
        system_product_name: Option<String>,
        tags: Vec<String>,
        zone_group: Option<String>,
    }
}

wire! {
    /// A policy assigned to a device.
    pub struct DevicePolicy {
        applied: Option<bool>,
        applied_date: Option<Timestamp>,
        assigned_date: Option<Timestamp>,
        exempt: Option<bool>,
        policy_id: Option<String>,
        policy_type: Option<String>,
        settings_hash: Option<String>,
        uninstall_protection: Option<String>,
    }
}

wire! {
    /// What an alert adds to a device.
    pub struct HostInfo {
        active_directory_dn_display: Vec<String>,
        domain: Option<String>,
    }
}

wire! {
    /// Whether a device is connected, `state.OnlineStateResultV1`.
    pub struct OnlineState {
        cid: Option<String>,
        id: Option<String>,
        last_seen: Option<Timestamp>,
        state: Option<Connection>,
    }
}

words! {
    /// Whether a device is connected.
    pub enum Connection {
        /// Not now.
        Offline = "offline",
        /// Now.
        Online = "online",
        /// The cloud does not know.
        Unknown = "unknown",
    }
}

wire! {
    /// Logins on a device, `deviceapi.LoginDetailV1`.
    pub struct LoginHistory {
        cid: Option<String>,
        device_id: Option<String>,
        recent_logins: Vec<Login>,
    }
}

wire! {
    /// One login.
    pub struct Login {
        login_time: Option<Timestamp>,
        user_name: Option<String>,
    }
}

wire! {
    /// Addresses of a device, `deviceapi.NetworkAddressHistoryV1`.
    pub struct NetworkHistory {
        cid: Option<String>,
        device_id: Option<String>,
        history: Vec<NetworkAddress>,
    }
}

wire! {
    /// An address that a device had.
    pub struct NetworkAddress {
        ip_address: Option<String>,
        mac_address: Option<String>,
        timestamp: Option<Timestamp>,
    }
}

wire! {
    /// What became of one device's tags.
    pub struct TagResult {
        code: Option<i64>,
        device_id: Option<String>,
        error: Option<String>,
        updated: Option<bool>,
    }
}

#[cfg(test)]
mod tests {
    use edr_http::{Body, Target};
    use http::Method;

    use super::*;

    fn path(plan: &RequestPlan) -> &str {
        match &plan.target {
            Target::Path(path) => path,
            _ => panic!("an absolute target"),
        }
    }

    #[test]
    fn a_page_is_asked_for() {
        let params = HostsParams {
            filter: "platform_name:'Windows'".to_owned(),
            sort: Some("device_id.asc".to_owned()),
            limit: Some(50_000),
            offset: Some("n+1".to_owned()),
            fields: vec!["device_id", "cid"],
        };
        let plan = combined(&params);
        assert_eq!((plan.method.clone(), path(&plan)), (Method::GET, "/devices/combined/devices/v1"));
        let pairs: Vec<_> = plan.query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("filter", "platform_name:'Windows'"),
                ("sort", "device_id.asc"),
                ("limit", "10000"),
                ("offset", "n+1"),
                ("fields", "device_id,cid")
            ]
        );
        let plan = scroll(&HostsParams::default());
        assert_eq!(path(&plan), "/devices/queries/devices-scroll/v1");
        assert!(plan.query.is_empty());
    }

    #[test]
    fn ids_go_into_the_body_or_repeat_their_key() {
        let plan = entities(&["a", "b"]);
        let Body::Bytes("application/json", body) = &plan.body else { panic!("no JSON") };
        assert_eq!(body, r#"{"ids":["a","b"]}"#);
        assert!(plan.operation.idempotent, "it reads, though by POST");
        let plan = online_state(&["a", "b"]);
        assert_eq!(plan.query, [("ids".to_owned(), "a".to_owned()), ("ids".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn a_device_id_has_its_form() {
        assert!(is_device_id(&"0a".repeat(16)));
        for bad in ["", "0a", &"0g".repeat(16), &"é".repeat(16)] {
            assert!(!is_device_id(bad), "{bad}");
        }
    }
}
