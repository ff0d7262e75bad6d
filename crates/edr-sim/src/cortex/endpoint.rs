//! One endpoint as Cortex shows it, with the vendor's nulls, empty strings and mixed types.
//!
//! Facts: cortex-xdr-api section 4.1. Several addresses and hardware addresses are not aligned by index; `users` is a list
//! or a string, `active_directory` null, a string or a list; `operational_status_description` is JSON text in a string.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::words;
use crate::estate::hash::{below, mix2};
use crate::estate::machine::{Cloud, Form, Machine, Platform};
use crate::estate::overlay::Containment;
use crate::estate::{HostFields, TenantEstate};

/// A field that is a list for some endpoints and a string for others.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ListOrText {
    List(Vec<String>),
    Text(String),
}

/// Tags, as newer tenants have them.
#[derive(Debug, Default, Serialize)]
struct Tags {
    server_tags: Vec<String>,
    endpoint_tags: Vec<String>,
}

/// A detail of the operational status.
#[derive(Debug, Serialize)]
struct Detail {
    name: &'static str,
    error_code: u32,
}

/// A field that only XDR 5 has.
type FiveOnly = Option<Option<String>>;

/// The entity of `get_endpoint`.
#[derive(Debug, Serialize)]
pub(super) struct Endpoint {
    endpoint_id: String,
    endpoint_name: String,
    endpoint_type: &'static str,
    endpoint_status: &'static str,
    os_type: &'static str,
    os_version: &'static str,
    operating_system: &'static str,
    ip: Vec<String>,
    ipv6: Option<Vec<String>>,
    public_ip: String,
    users: Option<ListOrText>,
    domain: String,
    alias: String,
    first_seen: i64,
    last_seen: i64,
    install_date: i64,
    content_version: String,
    content_release_timestamp: i64,
    last_content_update_time: i64,
    content_status: &'static str,
    installation_package: &'static str,
    active_directory: Option<ListOrText>,
    endpoint_version: &'static str,
    is_isolated: &'static str,
    isolated_date: Option<String>,
    group_name: Vec<String>,
    operational_status: &'static str,
    operational_status_description: Option<String>,
    operational_status_details: Vec<Detail>,
    scan_status: &'static str,
    mac_address: Vec<String>,
    assigned_prevention_policy: String,
    assigned_extensions_policy: String,
    tags: Tags,
    token_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_provider: FiveOnly,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_region: FiveOnly,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_provider_account_id: FiveOnly,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_instance_id: FiveOnly,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_id: FiveOnly,
}

/// The entity of `get_endpoints`, the light list (facts 4.2): other names for the same facts.
#[derive(Debug, Serialize)]
pub(super) struct Agent {
    agent_id: String,
    agent_status: &'static str,
    host_name: String,
    agent_type: &'static str,
    ip: Vec<String>,
}

/// The full entity.
pub(super) fn render(estate: &TenantEstate, index: u64, generation: u8) -> Endpoint {
    let fields = estate.fields(index);
    let machine = fields.machine();
    let (operational_status, code) = words::operational(machine.health);
    let (content_version, content_time) = content(&machine);
    let cloud = |get: fn(&Cloud) -> String| (generation == 5).then(|| machine.cloud.as_ref().map(get));
    Endpoint {
        endpoint_type: words::endpoint_type(machine.form).0,
        endpoint_status: status(estate, &fields).upper(),
        os_type: words::os_type(machine.platform()),
        os_version: machine.os.version,
        operating_system: machine.os.product,
        ip: ips(&machine),
        ipv6: ipv6(estate, index).map(|ip| vec![ip.to_string()]),
        public_ip: machine.external_ip.to_string(),
        users: users(&machine),
        alias: alias(estate, index),
        first_seen: machine.first_seen.timestamp_millis(),
        last_seen: machine.last_seen.timestamp_millis(),
        install_date: machine.installed.timestamp_millis(),
        content_version,
        content_release_timestamp: content_time - 3_600_000,
        last_content_update_time: content_time,
        content_status: if machine.online { "UP_TO_DATE" } else { "OUTDATED" },
        installation_package: package(machine.platform(), machine.form),
        active_directory: active_directory(&machine),
        endpoint_version: machine.agent_version,
        is_isolated: words::isolation(machine.containment),
        isolated_date: isolated_since(machine.containment),
        operational_status,
        operational_status_description: code
            .map(|code| format!("[{{\"name\": \"generalStatus\", \"error_code\": {code}}}]")),
        operational_status_details: code
            .map(|error_code| Detail { name: "generalStatus", error_code })
            .into_iter()
            .collect(),
        scan_status: super::orders::scan_status(estate, index),
        mac_address: machine.macs.iter().map(mac).collect(),
        assigned_prevention_policy: format!("{} Default", platform_name(machine.platform())),
        assigned_extensions_policy: format!("{} Extensions", platform_name(machine.platform())),
        tags: tags(&machine.tags, &server_tags(estate, index)),
        token_hash: None,
        cloud_provider: cloud(|cloud| words::cloud_provider(cloud.provider).to_owned()),
        cloud_region: cloud(|cloud| cloud.region.clone()),
        cloud_provider_account_id: cloud(|cloud| cloud.account.clone()),
        cloud_instance_id: cloud(|cloud| cloud.instance_id.clone()),
        cloud_id: cloud(|cloud| cloud.instance_id.clone()),
        endpoint_id: machine.id,
        endpoint_name: machine.hostname,
        domain: machine.domain,
        group_name: machine.groups,
    }
}

/// The light entity.
pub(super) fn agent(estate: &TenantEstate, index: u64) -> Agent {
    let fields = estate.fields(index);
    Agent {
        agent_id: fields.id(),
        agent_status: status(estate, &fields).upper(),
        host_name: fields.hostname(),
        agent_type: words::endpoint_type(fields.form()).1,
        ip: vec![fields.ip().to_string()],
    }
}

/// The connection of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Connected,
    Disconnected,
    Lost,
    Uninstalled,
}

impl Status {
    /// As replies have it.
    pub(super) fn upper(self) -> &'static str {
        match self {
            Self::Connected => "CONNECTED",
            Self::Disconnected => "DISCONNECTED",
            Self::Lost => "LOST",
            Self::Uninstalled => "UNINSTALLED",
        }
    }

    /// As requests have it.
    pub(super) fn lower(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Lost => "lost",
            Self::Uninstalled => "uninstalled",
        }
    }
}

/// The connection of a host: agents that are stale are lost, and a quarter of those was uninstalled.
pub(super) fn status(estate: &TenantEstate, fields: &HostFields<'_>) -> Status {
    match (fields.online(), fields.stale()) {
        (true, _) => Status::Connected,
        (false, false) => Status::Disconnected,
        (false, true) if below(mix2(estate.tag() ^ 0xC1, fields.index()), 4) == 0 => Status::Uninstalled,
        (false, true) => Status::Lost,
    }
}

/// Every IPv4 address, the primary one first.
fn ips(machine: &Machine) -> Vec<String> {
    std::iter::once(&machine.ip).chain(&machine.more_ips).map(Ipv4Addr::to_string).collect()
}

/// A third of the hosts has an IPv6 address (a unique local one).
pub(super) fn ipv6(estate: &TenantEstate, index: u64) -> Option<Ipv6Addr> {
    let h = mix2(estate.tag() ^ 0xC2, index);
    let [a, b, c, d, ..] = h.to_be_bytes();
    (below(h, 3) == 0).then(|| {
        Ipv6Addr::new(
            0xfd12,
            0x3456,
            0x789a,
            1,
            0,
            u16::from(a),
            u16::from_be_bytes([b, c]),
            u16::from(d) + 1,
        )
    })
}

fn users(machine: &Machine) -> Option<ListOrText> {
    let names: Vec<String> = machine.users.iter().map(|user| user.name.clone()).collect();
    match (names.len(), machine.index % 5) {
        (0, 0..=2) => None,
        (1, 2) => names.into_iter().next().map(ListOrText::Text),
        _ => Some(ListOrText::List(names)),
    }
}

fn active_directory(machine: &Machine) -> Option<ListOrText> {
    match (machine.ou.first(), machine.index % 3) {
        (None, _) => None,
        (Some(first), 0) => Some(ListOrText::Text(first.clone())),
        _ => Some(ListOrText::List(machine.ou.clone())),
    }
}

/// The name that an administrator gave the endpoint: nothing, until one does.
pub(super) fn alias(estate: &TenantEstate, index: u64) -> String {
    estate.overlay(index).and_then(|overlay| overlay.extra.get("alias").cloned()).unwrap_or_default()
}

/// The version of the content and when it came: agents that are away miss updates.
fn content(machine: &Machine) -> (String, i64) {
    const DAY: i64 = 86_400_000;
    let at = machine.last_seen.timestamp_millis() / DAY * DAY;
    (format!("{}-{}", 1500 + at / DAY % 400, 10_000 + at / DAY), at)
}

/// Milliseconds, written as a text: of the two forms in the facts (4.1) the one that cortex-xdr-client takes.
fn isolated_since(containment: Containment) -> Option<String> {
    match containment {
        Containment::Contained { since } => Some(since.to_string()),
        _ => None,
    }
}

/// The installation package (filter `dist_name`).
pub(super) fn package(platform: Platform, form: Form) -> &'static str {
    match (platform, form) {
        (Platform::Linux, Form::ContainerHost) => "linux-kubernetes",
        (Platform::Linux, _) => "linux-standard",
        (Platform::MacOs, _) => "mac-standard",
        (Platform::Windows, Form::Laptop | Form::Desktop) => "windows-workstations",
        (Platform::Windows, _) => "windows-servers",
    }
}

fn platform_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Linux => "Linux",
        Platform::MacOs => "macOS",
        Platform::Windows => "Windows",
    }
}

/// Colons and lower case.
pub(super) fn mac(bytes: &[u8; 6]) -> String {
    let [a, b, c, d, e, f] = bytes;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// The key under which a host remembers which of its tags were assigned on the server.
pub(super) const SERVER_TAGS: &str = "server_tags";

/// The tags that were assigned by a call.
pub(super) fn server_tags(estate: &TenantEstate, index: u64) -> Vec<String> {
    let kept = estate.overlay(index).and_then(|overlay| overlay.extra.get(SERVER_TAGS).cloned());
    kept.map(|tags| tags.lines().map(str::to_owned).collect()).unwrap_or_default()
}

/// What protects or binds by rule, and what a call assigned, is set on the server, the rest on the endpoint.
fn tags(all: &[String], assigned: &[String]) -> Tags {
    let on_server = |tag: &String| matches!(tag.as_str(), "crown-jewel" | "pci") || assigned.contains(tag);
    let (server_tags, endpoint_tags) = all.iter().cloned().partition(on_server);
    Tags { server_tags, endpoint_tags }
}
