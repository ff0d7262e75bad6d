//! An alert as Detection Finding (2004).

use edr_core::{
    Alert, AlertStatus, Attack, AttackRef, Evidence, Host, NetworkEndpoint, Process, Registry, Verdict,
};
use serde_json::Value;

use crate::build::Object;
use crate::frame::{Class, FINDINGS, Source, head, metadata};
use crate::inventory::{labels, observables, rest, value};
use crate::{Writer, device, evidence, frame, words};

pub(crate) fn event(alert: &Alert, writer: &Writer) -> Object {
    let done = alert.status == AlertStatus::Resolved;
    let activity = words::finding_activity(done, alert.created_time, alert.modified_time);
    let class = Class { uid: 2004, name: "Detection Finding", category: FINDINGS, activity };
    let described = alert.device.as_deref().and_then(device::device);
    let cloud = alert.device.as_deref().and_then(device::cloud);
    let mut profiles = vec!["incident", "security_control"];
    profiles.extend(described.iter().map(|_| "host"));
    profiles.extend(cloud.iter().map(|_| "cloud"));
    profiles.sort_unstable();
    let source = Source {
        vendor: &alert.vendor,
        urn: alert.urn(),
        tenant_uid: alert.tenant_uid.as_deref(),
        feature: alert.product_feature.as_deref(),
        labels: alert.labels.clone(),
        profiles,
    };
    let known = described.is_some();
    let mut event = head(&class, writer, &alert.raw);
    event
        .put("time", alert.time.or(alert.created_time).unwrap_or(writer.now).timestamp_millis())
        .id("severity", "severity", words::severity(&alert.severity))
        .text("message", &alert.title)
        .put("is_alert", true)
        .object("metadata", metadata(source))
        .object("finding_info", info(alert))
        .object("device", described.unwrap_or_default())
        .object("cloud", cloud.unwrap_or_default())
        .list("evidences", alert.evidences.iter().filter_map(evidence::evidence));
    decided(&mut event, alert);
    let mut seen: Vec<Value> =
        alert.device.as_deref().filter(|_| known).map(|d| observables(d, "device")).unwrap_or_default();
    seen.extend(alert.iocs.iter().map(indicator));
    event.list("observables", seen).object("unmapped", unmapped(alert));
    event
}

/// What the product did, and what people decided.
fn decided(event: &mut Object, alert: &Alert) {
    event
        .id("status", "status", words::status(&alert.status))
        .id("action", "action", words::action(&alert.action))
        .id("disposition", "disposition", words::disposition(&alert.disposition))
        .some("confidence_score", alert.confidence_score)
        .some("assignee", alert.assignee.as_ref().and_then(device::user))
        .some("src_url", alert.console_url.as_deref())
        .some("comment", alert.comments.last().map(|c| c.text.as_str()).filter(|t| !t.is_empty()));
    if alert.verdict != Verdict::Unknown {
        event.id("verdict", "verdict", words::verdict(&alert.verdict));
    }
}

fn info(alert: &Alert) -> Object {
    let mut info = Object::new();
    info.put("uid", alert.uid.as_str())
        .some("uid_alt", alert.uid_alt.as_deref())
        .text("title", &alert.title)
        .some("desc", alert.desc.as_deref())
        .time("created_time", alert.created_time)
        .time("modified_time", alert.modified_time)
        .time("first_seen_time", alert.first_seen)
        .time("last_seen_time", alert.last_seen)
        .list("types", alert.types.iter().map(String::as_str))
        .list("data_sources", alert.source_vendors.iter().map(String::as_str))
        .some("src_url", alert.console_url.as_deref())
        .list("attacks", alert.attacks.iter().filter_map(attack))
        .list("related_events", alert.case_uids.iter().map(|uid| related(uid)));
    let analytic = alert.analytic.as_ref().filter(|a| a.uid.is_some() || a.name.is_some());
    if let Some(analytic) = analytic {
        let mut object = Object::new();
        object.some("uid", analytic.uid.as_deref()).some("name", analytic.name.as_deref()).id(
            "type",
            "type",
            words::analytic(analytic.kind.as_deref()),
        );
        info.object("analytic", object);
    }
    info
}

/// The case or incident that the alert belongs to.
fn related(uid: &str) -> Value {
    let mut object = Object::new();
    object.put("uid", uid).put("type", "case");
    object.into()
}

pub(crate) fn attack(attack: &Attack) -> Option<Value> {
    let entry = |entry: &Option<AttackRef>| {
        let mut object = Object::new();
        let entry = entry.as_ref()?;
        object.some("uid", entry.uid.as_deref()).some("name", entry.name.as_deref());
        object.filled()
    };
    let mut object = Object::new();
    object
        .some("tactic", entry(&attack.tactic))
        .some("technique", entry(&attack.technique))
        .some("sub_technique", entry(&attack.sub_technique));
    object.filled()
}

fn indicator(indicator: &edr_core::Indicator) -> Value {
    let kind = words::indicator(&indicator.kind).unwrap_or((99, &indicator.kind));
    let mut object = Object::new();
    object.put("value", indicator.value.as_str()).id("type", "type", kind);
    object.into()
}

/// What the standard has no attribute for, in the model's names.
fn unmapped(alert: &Alert) -> Object {
    let mut edr = Object::new();
    edr.put("tenant", alert.tenant.as_str())
        .put("vendor", alert.vendor.as_str())
        .some("is_suppressed", alert.is_suppressed)
        .object("device", alert.device.as_deref().map(of_the_host).unwrap_or_default())
        .some("prevented", alert.prevented)
        .some("would_prevent", alert.would_prevent)
        .list("group_keys", alert.group_keys.iter().map(String::as_str))
        .list("users", alert.users.iter().map(value))
        .list("comments", alert.comments.iter().map(value))
        .list("iocs", alert.iocs.iter().map(value))
        .list("origins", alert.origins.iter().map(value))
        .list("anomalies", alert.anomalies.iter().map(value));
    if alert.status == AlertStatus::Reopened {
        edr.put("status", alert.status.as_str());
    }
    let left = alert.evidences.iter().filter(|e| loses(e)).map(value);
    edr.list("evidences", left);
    frame::unmapped(edr)
}

/// The labels of an event are the alert's; those of its host stand with what else the host has no attribute for.
fn of_the_host(host: &Host) -> Object {
    let mut edr = rest(host);
    edr.list("tags", labels(host));
    edr
}

/// True when the standard's form of an evidence holds less than the model's: a process without any id, a
/// file's activity, a signature, a country, a time, the data of a key's value without a name.
fn loses(evidence: &Evidence) -> bool {
    let network = evidence.network.as_ref().is_some_and(|n| {
        n.time.is_some() || n.local.iter().chain(&n.remote).any(|end| end.country.is_some() || is_bare(end))
    });
    evidence.process.as_ref().is_some_and(loses_process)
        || evidence.file.as_ref().is_some_and(|f| f.activity.is_some() || f.time.is_some())
        || network
        || evidence.dns.as_ref().is_some_and(|d| d.time.is_some())
        || evidence.registry.as_ref().is_some_and(loses_registry)
        || evidence.user.as_ref().is_some_and(device::loses_principal)
}

/// A key has no data in the standard, and a value must have a name.
fn loses_registry(registry: &Registry) -> bool {
    registry.key.is_none() || (registry.value.is_none() && registry.data.is_some())
}

/// A port without a host.
fn is_bare(end: &NetworkEndpoint) -> bool {
    end.port.is_some() && end.ip.is_none() && end.hostname.is_none()
}

fn loses_process(process: &Process) -> bool {
    let nameless = process.pid.is_none() && process.uid.is_none() && !process.is_empty();
    nameless
        || process.signature.is_some()
        || process.user.as_ref().is_some_and(device::loses_principal)
        || process.parent.as_deref().is_some_and(loses_process)
        || process.ancestry.iter().any(|p| loses_process(p) || !p.hashes.is_empty() || p.user.is_some())
}
