//! Hosts: the device entity and the calls that read it. Scope "Hosts: read".

use edr_http::{Operation, RequestPlan};

use super::{ScopeProbe, id_list};
use crate::wire::{Entries, wire};

const SCOPE: &str = "Hosts: read";

/// `GET /devices/combined/devices/v1`: whole devices, walked by `next`.
pub static COMBINED: Operation = Operation::read("CombinedDevicesByFilter", SCOPE);
/// `GET /devices/queries/devices-scroll/v1`: ids, walked by a scroll that lives two minutes.
pub static SCROLL: Operation = Operation::read("QueryDevicesByFilterScroll", SCOPE);
/// `POST /devices/entities/devices/v2`: devices by id.
pub static ENTITIES: Operation = Operation::read("PostDeviceDetailsV2", SCOPE);
/// `GET /devices/entities/online-state/v1`: which of the devices are connected.
pub static ONLINE_STATE: Operation = Operation::read("GetOnlineState.V1", SCOPE);

/// Whether hosts can be read.
pub(crate) const PROBE: ScopeProbe =
    ScopeProbe { name: "hosts", scope: SCOPE, requests: &[|| combined(&one()), || scroll(&one())] };

fn one() -> HostsParams {
    HostsParams { limit: Some(1), ..HostsParams::default() }
}

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

fn listing(operation: &'static Operation, path: &str, params: &HostsParams) -> RequestPlan {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    RequestPlan::get(operation, path)
        .maybe("filter", some(&params.filter))
        .maybe("sort", params.sort.as_deref())
        .maybe("limit", params.limit.map(|l| l.clamp(1, MAX_PAGE)))
        .maybe("offset", params.offset.as_deref())
}

/// A page of whole devices.
#[must_use]
pub fn combined(params: &HostsParams) -> RequestPlan {
    let plan = listing(&COMBINED, "/devices/combined/devices/v1", params);
    if params.fields.is_empty() { plan } else { plan.query("fields", params.fields.join(",")) }
}

/// A page of ids by scroll.
#[must_use]
pub fn scroll(params: &HostsParams) -> RequestPlan {
    listing(&SCROLL, "/devices/queries/devices-scroll/v1", params)
}

/// Devices by id, at most [`MAX_IDS`]; in no order, and without those that are not there.
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    RequestPlan::post_json(&ENTITIES, "/devices/entities/devices/v2", id_list("ids", ids))
}

/// Whether devices are connected, at most [`MAX_ONLINE_IDS`].
#[must_use]
pub fn online_state<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    let plan = RequestPlan::get(&ONLINE_STATE, "/devices/entities/online-state/v1");
    ids.iter().fold(plan, |plan, id| plan.query("ids", id.as_ref()))
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
        agent_local_time: Option<String>,
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
        deployment_type: Option<String>,
        detection_suppression_status: Option<String>,
        device_id: Option<String>,
        device_policies: Entries<DevicePolicy>,
        email: Option<String>,
        external_ip: Option<String>,
        filesystem_containment_status: Option<String>,
        first_login_timestamp: Option<String>,
        first_login_user: Option<String>,
        first_seen: Option<String>,
        group_hash: Option<String>,
        groups: Vec<String>,
        host_hidden_status: Option<String>,
        host_utc_offset: Option<String>,
        hostinfo: Option<HostInfo>,
        hostname: Option<String>,
        instance_id: Option<String>,
        internet_exposure: Option<String>,
        k8s_cluster_git_version: Option<String>,
        k8s_cluster_id: Option<String>,
        k8s_cluster_version: Option<String>,
        kernel_version: Option<String>,
        last_login_timestamp: Option<String>,
        last_login_uid: Option<String>,
        last_login_user: Option<String>,
        last_login_user_sid: Option<String>,
        last_reboot: Option<String>,
        last_seen: Option<String>,
        linux_sensor_mode: Option<String>,
        local_ip: Option<String>,
        mac_address: Option<String>,
        machine_domain: Option<String>,
        major_version: Option<String>,
        minor_version: Option<String>,
        modified_timestamp: Option<String>,
        notes: Vec<String>,
        os_build: Option<String>,
        os_product_name: Option<String>,
        os_version: Option<String>,
        ou: Vec<String>,
        platform_id: Option<String>,
        platform_name: Option<String>,
        pod_hostname: Option<String>,
        pod_id: Option<String>,
        pod_name: Option<String>,
        pod_namespace: Option<String>,
        pod_service_account_name: Option<String>,
        policies: Vec<DevicePolicy>,
        product_type: Option<String>,
        product_type_desc: Option<String>,
        provision_status: Option<String>,
        reduced_functionality_mode: Option<String>,
        release_group: Option<String>,
        rtr_state: Option<String>,
        serial_number: Option<String>,
        service_provider: Option<String>,
        service_provider_account_id: Option<String>,
        site_name: Option<String>,
        status: Option<String>,
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
        applied_date: Option<String>,
        assigned_date: Option<String>,
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
        last_seen: Option<String>,
        state: Option<String>,
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
