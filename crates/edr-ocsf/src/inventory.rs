//! A host as Device Inventory Info (5001).

use edr_core::Host;
use serde::Serialize;
use serde_json::Value;

use crate::build::Object;
use crate::device;
use crate::{Class, Event, Source, Writer, head, metadata};

pub(crate) fn event(host: &Host, writer: &Writer) -> Event {
    let class = Class {
        uid: 5001,
        name: "Device Inventory Info",
        category: (5, "Discovery"),
        activity: (2, "Collect"),
    };
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
    Event(event.into_map())
}

/// A host without anything that names it is still told, with an id that says so.
fn nameless() -> Object {
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
    let mut found = Vec::new();
    let mut add = |kind: (u64, &str), path: &str, value: String| {
        let mut object = Object::new();
        object.put("name", format!("{at}.{path}")).put("value", value).id("type", "type", kind);
        found.push(object.into());
    };
    if !host.hostname.is_empty() {
        add((1, "Hostname"), "hostname", host.hostname.clone());
    }
    if let Some(ip) = host.ip {
        add((2, "IP Address"), "ip", ip.to_string());
    }
    found
}

/// What the standard has no attribute for, in the model's names.
pub(crate) fn unmapped(host: &Host) -> Object {
    let mut edr = Object::new();
    edr.put("tenant", host.tenant.as_str())
        .put("vendor", host.vendor.as_str())
        .put("connection_state", host.connection_state.as_str())
        .put("containment_state", host.containment_state.as_str())
        .put("agent.health", host.agent.health.as_str())
        .some("agent.content_version", host.agent.content_version.as_deref())
        .some("fs_containment_state", host.fs_containment_state.as_deref())
        .some("contained_time", host.contained_time.map(|t| t.timestamp_millis()))
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
    let mut unmapped = Object::new();
    unmapped.object("edr", edr);
    unmapped
}

/// A part of the model as it is.
pub(crate) fn value<T: Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}
