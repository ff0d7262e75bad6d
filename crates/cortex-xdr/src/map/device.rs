//! The host, as far as an alert describes it.

use std::net::IpAddr;

use edr_core::{Cloud, Group, Host, Kubernetes, Os, Tag};

use super::{Context, Notes, build_in, domain};
use crate::{AlertRecord, wire, words};

/// The device of an alert; none when the alert names none.
///
/// A firewall has no agent: its alerts carry an address or a name in `endpoint_id`, or say `NO_HOST`. Such a
/// device has no uid, but keeps the name and addresses that were seen.
pub(super) fn device(
    context: &Context,
    record: &AlertRecord,
    labels: &[String],
    notes: &mut Notes,
) -> Option<Host> {
    let mut device = Host::default();
    let told = record.text("endpoint_id");
    let address = told.as_deref().and_then(|told| told.parse::<IpAddr>().ok());
    let (uid, other) = match told.filter(|_| address.is_none()) {
        Some(told) if is_agent(&told) => (Some(told), None),
        other => (None, other),
    };
    if let Some(other) = &other {
        notes.odd("endpoint_id", other.clone(), "not the id of an agent");
    }
    let no_host = record.text("agent_os_type").is_some_and(|os| os.eq_ignore_ascii_case("NO_HOST"));
    device.uid = uid.filter(|_| !no_host).unwrap_or_default();
    device.hostname = record.text("host_name").or(other).unwrap_or_default();
    device.os = os(record, notes);
    device.domain = domain(record.text("agent_device_domain"));
    device.agent.version = record.text("agent_version");
    device.boot_time = first_time(record, "agent_host_boot_time", notes);
    device.is_vdi = record.flag("agent_is_vdi");
    network(&mut device, record, address, notes);
    marked(&mut device, labels);
    device.k8s = kubernetes(record);
    device.cloud = cloud(record);
    if device == Host::default() {
        return None;
    }
    if let (true, Some(asset)) = (device.hostname.is_empty(), only_asset(record)) {
        notes.derived("device.hostname", &asset);
        device.hostname = asset;
    }
    device.tenant = context.tenant.clone();
    device.vendor = context.vendor.clone();
    device.tenant_uid = context.tenant_uid.clone();
    Some(device)
}

/// An agent's id: 32 hex digits, or a UUID.
fn is_agent(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32 && (text.len() == 32 || (text.len() == 36 && text.matches('-').count() == 4))
}

/// Issues name assets; one of them alone is the host, where there is one.
fn only_asset(record: &AlertRecord) -> Option<String> {
    match &record.list("asset_names")[..] {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// `agent_os_sub_type` is `Windows 11 [10.0 (Build 22631)]`, or a version alone.
fn os(record: &AlertRecord, notes: &mut Notes) -> Os {
    let mut os = Os::default();
    if let Some(word) = record.text("agent_os_type") {
        os.platform = words::platform(&word);
        notes.converted("device.os.type", &word);
    }
    let Some(text) = record.text("agent_os_sub_type") else { return os };
    os.build = build_in(&text);
    let name = text.split(" [").next().unwrap_or_default().trim().to_owned();
    let is_version = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    *(if is_version { &mut os.version } else { &mut os.name }) = (!name.is_empty()).then_some(name);
    if os.build.is_some() {
        notes.derived("device.os.build", &text);
    }
    os
}

fn network(device: &mut Host, record: &AlertRecord, address: Option<IpAddr>, notes: &mut Notes) {
    let words = |key: &str| record.get(key).map(wire::words).unwrap_or_default();
    let mut ips: Vec<IpAddr> = Vec::new();
    for key in ["host_ip", "agent_ip_addresses_v6"] {
        for ip in words(key).iter().filter_map(|text| notes.ip(key, text)) {
            super::add(&mut ips, ip);
        }
    }
    if ips.is_empty() {
        ips.extend(address);
    }
    let macs = words("mac_addresses").iter().filter_map(|text| notes.mac("mac_addresses", text)).collect();
    device.ip = ips.first().copied();
    device.network_interfaces = super::host::interfaces(ips, macs);
}

/// Labels that speak of the host: `EG:` names a group of it, `ET:` a tag.
fn marked(device: &mut Host, labels: &[String]) {
    for label in labels {
        if let Some(group) = label.strip_prefix("EG:") {
            device.groups.push(Group { uid: None, name: Some(group.trim().to_owned()) });
        } else if let Some(tag) = label.strip_prefix("ET:") {
            let source = Some("endpoint_tags".to_owned());
            device.tags.push(Tag { source, value: tag.trim().to_owned() });
        }
    }
}

/// The first value of a key that stands in the events in one shape and at the root in others.
fn first(record: &AlertRecord, key: &str) -> Option<String> {
    record.events().iter().find_map(|event| event.text(key)).or_else(|| record.text(key))
}

fn first_time(record: &AlertRecord, key: &str, notes: &mut Notes) -> Option<chrono::DateTime<chrono::Utc>> {
    let events = record.events();
    let value = events.iter().find_map(|event| event.get(key)).or_else(|| record.get(key));
    notes.time(key, value)
}

fn kubernetes(record: &AlertRecord) -> Option<Kubernetes> {
    let k8s = Kubernetes {
        cluster: first(record, "cluster_name"),
        namespace: first(record, "namespace"),
        pod: None,
        container: first(record, "container_id").or_else(|| first(record, "container_name")),
    };
    (k8s != Kubernetes::default()).then_some(k8s)
}

fn cloud(record: &AlertRecord) -> Option<Cloud> {
    let provider = first(record, "cloud_provider").map(|word| super::host::provider(&word));
    let cloud = Cloud { provider, account: first(record, "project"), ..Cloud::default() };
    (cloud != Cloud::default()).then_some(cloud)
}
