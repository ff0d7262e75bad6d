//! A host: `event.kind` is `asset`.

use chrono::{DateTime, Utc};
use edr_core::{Host, Kubernetes, Os, Platform, Tag};

use super::{Document, source};

pub(super) fn document(host: &Host, collected: DateTime<Utc>) -> Document {
    let mut document = Document::default();
    source(&mut document, &host.vendor, "host", host.tenant.as_str(), host.tenant_uid.as_deref());
    document
        .at(host.modified.or(host.last_seen).unwrap_or(collected))
        .put("event.kind", "asset")
        .list("event.category", ["host"])
        .list("event.type", ["info"])
        .put("event.created", super::date(collected))
        .text("event.url", host.console_url.as_deref())
        .put("edr.urn", host.urn())
        .list("tags", host.tags.iter().map(tag));
    describe(&mut document, host);
    account(&mut document, host);
    if let Some(ip) = host.external_ip {
        document.put("source.nat.ip", ip.to_string()).list("related.ip", [ip.to_string()]);
    }
    state(&mut document, host);
    document
}

/// `kind/value` where the vendor names the kind.
fn tag(tag: &Tag) -> String {
    match &tag.source {
        Some(source) => format!("{source}/{}", tag.value),
        None => tag.value.clone(),
    }
}

/// The machine and its agent: what an alert says of its host, too.
pub(super) fn describe(document: &mut Document, host: &Host) {
    let name = host.name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&host.hostname);
    let addresses = host.ip.into_iter().chain(host.network_interfaces.iter().filter_map(|n| n.ip));
    let addresses: Vec<String> = addresses.map(|ip| ip.to_string()).collect();
    document
        .text("host.id", Some(&host.uid))
        .text("host.hostname", Some(&host.hostname))
        .text("host.name", Some(&name.to_lowercase()))
        .text("host.domain", host.domain.as_deref())
        .list("host.ip", addresses.iter().map(String::as_str))
        .list("host.mac", host.network_interfaces.iter().filter_map(|n| n.mac.as_deref()))
        .list("related.ip", addresses)
        .list("related.hosts", [host.hostname.as_str(), &host.uid])
        .text("device.id", Some(&host.uid))
        .text("device.manufacturer", host.manufacturer.as_deref())
        .text("device.model.name", host.model.as_deref())
        .text("device.serial_number", host.serial_number.as_deref())
        .text("agent.id", Some(&host.uid))
        .text("agent.version", host.agent.version.as_deref())
        .put("agent.type", host.vendor.as_str());
    if host.kind.as_str() != "unknown" {
        document.put("host.type", host.kind.as_str());
    }
    os(document, &host.os);
    place(document, host);
    if let Some(risk) = host.risk.as_ref().filter(|r| r.higher_is_worse && r.score.is_finite()) {
        document.put("host.risk.calculated_score", risk.score);
        document.text("host.risk.calculated_level", risk.level.as_deref());
    }
}

/// The families that the schema has a word for. Another one is in `host.os.platform` alone.
const FAMILIES: &[&str] = &["android", "ios", "linux", "macos", "unix", "windows"];

fn os(document: &mut Document, os: &Os) {
    let family = match &os.platform {
        Platform::Ipados => "ios",
        platform => platform.as_str(),
    };
    let family = Some(family).filter(|family| FAMILIES.contains(family));
    let full = os.name.as_deref().map(|name| match os.version.as_deref() {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    });
    document
        .text("host.os.type", family)
        .text("host.os.platform", Some(os.platform.as_str()).filter(|p| *p != "unknown"))
        .text("host.os.name", os.name.as_deref())
        .text("host.os.full", full.as_deref())
        .text("host.os.version", os.version.as_deref())
        .text("host.os.kernel", os.kernel.as_deref());
}

/// Cloud and cluster.
fn place(document: &mut Document, host: &Host) {
    if let Some(cloud) = &host.cloud {
        document
            .text("cloud.provider", cloud.provider.as_deref().map(str::to_lowercase).as_deref())
            .text("cloud.account.id", cloud.account.as_deref())
            .text("cloud.region", cloud.region.as_deref())
            .text("cloud.availability_zone", cloud.zone.as_deref())
            .text("cloud.instance.id", cloud.instance_uid.as_deref());
    }
    if let Some(k8s) = &host.k8s {
        cluster(document, k8s);
    }
}

fn cluster(document: &mut Document, k8s: &Kubernetes) {
    document
        .put("orchestrator.type", "kubernetes")
        .text("orchestrator.cluster.name", k8s.cluster.as_deref())
        .text("orchestrator.namespace", k8s.namespace.as_deref())
        .text("orchestrator.resource.name", k8s.pod.as_deref())
        .text("orchestrator.resource.type", k8s.pod.as_ref().map(|_| "pod"))
        .text("container.id", k8s.container.as_deref());
}

/// Who uses it, and which groups it is in.
fn account(document: &mut Document, host: &Host) {
    if let Some(user) = &host.last_user {
        document.user("user", user);
    }
    document
        .text("user.email", host.owner_email.as_deref())
        .list("related.user", host.users.iter().flat_map(edr_core::User::names))
        .list("related.user", host.owner_email.as_deref())
        .list("group.id", host.groups.iter().filter_map(|g| g.uid.as_deref()))
        .list("group.name", host.groups.iter().filter_map(|g| g.name.as_deref()));
}

/// What an EDR is asked first, and the schema has no field for.
fn state(document: &mut Document, host: &Host) {
    document
        .put("edr.connection_state", host.connection_state.as_str())
        .put("edr.containment_state", host.containment_state.as_str())
        .put("edr.agent_health", host.agent.health.as_str())
        .text("edr.content_version", host.agent.content_version.as_deref())
        .text("edr.fs_containment_state", host.fs_containment_state.as_deref())
        .text("edr.site", host.site.as_deref())
        .text("edr.criticality", host.criticality.as_deref())
        .text("edr.default_gateway", host.default_gateway.map(|ip| ip.to_string()).as_deref())
        .list("edr.ou", host.ou.iter().map(String::as_str))
        .list("edr.roles", host.roles.iter().map(String::as_str))
        .some("edr.is_hidden", host.is_hidden)
        .some("edr.is_vdi", host.is_vdi)
        .date("edr.contained_time", host.contained_time)
        .date("edr.first_seen", host.first_seen)
        .date("edr.last_seen", host.last_seen)
        .date("edr.last_login", host.last_login)
        .date("edr.boot_time", host.boot_time)
        .date("edr.installed", host.installed);
    if let Some(risk) = host.risk.as_ref().filter(|r| !r.higher_is_worse && r.score.is_finite()) {
        document.put("edr.posture_score", risk.score);
    }
}
