//! A host as Device Inventory Info (5001).

use edr_core::{Host, Os};
use serde::Serialize;
use serde_json::Value;

use crate::build::Object;
use crate::device;
use crate::frame::{COLLECT, Class, DISCOVERY, Source, head, metadata};
use crate::{Writer, frame};

pub(crate) fn event(host: &Host, writer: &Writer) -> Object {
    let class = Class { uid: 5001, name: "Device Inventory Info", category: DISCOVERY, activity: COLLECT };
    let cloud = device::cloud(host);
    let mut event = head(&class, writer, &host.raw);
    let source = Source {
        vendor: &host.vendor,
        urn: host.urn(),
        tenant_uid: host.tenant_uid.as_deref(),
        feature: None,
        labels: labels(host),
        profiles: cloud.iter().map(|_| "cloud").collect(),
    };
    event
        .put("time", writer.now.timestamp_millis())
        .id("severity", "severity", (1, "Informational"))
        .object("metadata", metadata(source))
        .object("device", device::device(host).unwrap_or_else(nameless))
        .object("cloud", cloud.unwrap_or_default())
        .list("observables", observables(host, "device"))
        .object("unmapped", unmapped(host));
    event
}

/// A host without anything that names it is still told, with an id that says so.
pub(crate) fn nameless() -> Object {
    let mut device = Object::new();
    device.put("name", "unknown").id("type", "type", (0, "Unknown"));
    device
}

/// Tags; `kind/value` where the vendor names the kind.
pub(crate) fn labels(host: &Host) -> Vec<String> {
    let label = |tag: &edr_core::Tag| match &tag.source {
        Some(source) => format!("{source}/{}", tag.value),
        None => tag.value.clone(),
    };
    host.tags.iter().map(label).collect()
}

/// Values to search for, each with the path at which it stands.
pub(crate) fn observables(host: &Host, at: &str) -> Vec<Value> {
    let name = Some(host.hostname.as_str()).filter(|name| !name.is_empty());
    let path = |key: &str| format!("{at}.{key}");
    let name = name.map(|name| observe((1, "Hostname"), &path("hostname"), name));
    let ip = host.ip.map(|ip| observe((2, "IP Address"), &path("ip"), &ip.to_string()));
    name.into_iter().chain(ip).collect()
}

/// A value to search for, at its path.
pub(crate) fn observe(kind: (u64, &str), path: &str, value: &str) -> Value {
    let mut object = Object::new();
    object.put("name", path).put("value", value).id("type", "type", kind);
    object.into()
}

/// What the standard has no attribute for, in the model's names.
fn unmapped(host: &Host) -> Object {
    let mut edr = rest(host);
    edr.put("tenant", host.tenant.as_str())
        .put("vendor", host.vendor.as_str())
        .put("connection_state", host.connection_state.as_str())
        .put("containment_state", host.containment_state.as_str())
        .put("agent.health", host.agent.health.as_str());
    frame::unmapped(edr)
}

/// What the object `device` has no attribute for, as far as it is known.
pub(crate) fn rest(host: &Host) -> Object {
    let known = |unknown: bool, word: &str| (!unknown).then(|| word.to_owned());
    let mut edr = Object::new();
    edr.some("connection_state", known(host.connection_state.is_unknown(), host.connection_state.as_str()))
        .some(
            "containment_state",
            known(host.containment_state.is_unknown(), host.containment_state.as_str()),
        )
        .some("agent.health", known(host.agent.health.is_unknown(), host.agent.health.as_str()))
        .some("agent.content_version", host.agent.content_version.as_deref())
        .some("fs_containment_state", host.fs_containment_state.as_deref())
        .time("contained_time", host.contained_time)
        .some("is_hidden", host.is_hidden)
        .some("is_vdi", host.is_vdi)
        .some("external_ip", host.external_ip.map(|ip| ip.to_string()))
        .some("default_gateway", host.default_gateway.map(|ip| ip.to_string()))
        .some("site", host.site.as_deref())
        .some("criticality", host.criticality.as_deref())
        .time("last_login", host.last_login)
        .list("ou", host.ou.iter().map(String::as_str))
        .list("roles", host.roles.iter().map(String::as_str))
        .some("last_user", host.last_user.as_ref().map(value))
        .list("users", host.users.iter().map(value))
        .some("risk", host.risk.as_ref().map(value))
        .some("k8s", host.k8s.as_ref().map(value))
        .some("console_url", host.console_url.as_deref())
        .list("origins", host.origins.iter().map(value))
        .list("anomalies", host.anomalies.iter().map(value));
    // The profile wants a provider.
    edr.some("cloud", host.cloud.as_ref().filter(|c| c.provider.is_none()).map(value));
    // An agent wants an id.
    if host.uid.is_empty() {
        edr.some("agent.version", host.agent.version.as_deref())
            .list("policies", host.policies.iter().map(value));
    }
    if !device::is_known(host) {
        unnamed(&mut edr, host);
    }
    edr
}

/// What the object `device` would hold, of a host that has nothing to identify it.
fn unnamed(edr: &mut Object, host: &Host) {
    edr.some("type", (!host.kind.is_unknown()).then(|| host.kind.as_str()))
        .some("domain", host.domain.as_deref())
        .some("os", (host.os != Os::default()).then(|| value(&host.os)))
        .some("serial_number", host.serial_number.as_deref())
        .some("smbios_uuid", host.smbios_uuid.as_deref())
        .some("manufacturer", host.manufacturer.as_deref())
        .some("model", host.model.as_deref())
        .some("bios_manufacturer", host.bios_manufacturer.as_deref())
        .some("bios_version", host.bios_version.as_deref())
        .some("chassis", host.chassis.as_deref())
        .list("network_interfaces", host.network_interfaces.iter().map(value))
        .list("groups", host.groups.iter().map(value))
        .some("owner_email", host.owner_email.as_deref())
        .time("first_seen", host.first_seen)
        .time("last_seen", host.last_seen)
        .time("modified", host.modified)
        .time("boot_time", host.boot_time)
        .time("installed", host.installed);
}

/// A part of the model as it is.
pub(crate) fn value<T: Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}
