//! The columns of a host.

use std::borrow::Cow;

use edr::Host;
use edr::core::{NetworkInterface, Policy, User};

use super::{
    Column, Fit, Record, Standard, Value, borrowed, columns, fit, flag, ip, list, maybe, text, time, words,
};
use crate::output::standard;

impl Record for Host {
    type Key = (String, String, String);

    const NOUNS: (&'static str, &'static str) = ("host", "hosts");
    const COLUMNS: &'static [Column<Self>] = COLUMNS;
    const TABLE: &'static [Fit] = &[
        fit("tenant", 8, 0),
        fit("vendor", 6, 2),
        fit("hostname", 16, 0),
        fit("os.type", 7, 1),
        fit("connection_state", 10, 0),
        fit("containment_state", 11, 0),
        fit("last_seen", 10, 0),
        fit("ip", 15, 3),
        fit("last_user.name", 10, 4),
        fit("uid", 36, 5),
    ];
    const PIPE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "hostname",
        "os.type",
        "connection_state",
        "containment_state",
        "last_seen",
        "ip",
        "last_user.name",
    ];
    const WIDE: &'static [&'static str] = &[
        "tenant",
        "vendor",
        "uid",
        "hostname",
        "domain",
        "type",
        "os.type",
        "os.name",
        "os.version",
        "connection_state",
        "containment_state",
        "agent.version",
        "agent.health",
        "last_seen",
        "first_seen",
        "ip",
        "external_ip",
        "last_user.name",
        "serial_number",
        "groups",
        "tags",
    ];

    const STANDARD: Standard<Self> = standard::HOST;

    fn sort_key(&self) -> Self::Key {
        (self.tenant.to_string(), self.hostname.to_lowercase(), self.uid.clone())
    }
}

const COLUMNS: &[Column<Host>] = columns! { Host;
    "tenant" Plain, |h| text(h.tenant.as_str());
    "vendor" Plain, |h| text(h.vendor.as_str());
    "uid" Plain, |h| text(&h.uid);
    "tenant_uid" Plain, |h| maybe(h.tenant_uid.as_ref());
    "hostname" Plain, |h| text(&h.hostname);
    "name" Plain, |h| maybe(h.name.as_ref());
    "domain" Plain, |h| maybe(h.domain.as_ref());
    "ou" Plain, |h| words(&h.ou);
    "site" Plain, |h| maybe(h.site.as_ref());
    "type" Plain, |h| text(h.kind.as_str());
    "roles" Plain, |h| words(&h.roles);
    "os.type" Plain, |h| text(h.os.platform.as_str());
    "os.name" Plain, |h| maybe(h.os.name.as_ref());
    "os.version" Plain, |h| maybe(h.os.version.as_ref());
    "os.build" Plain, |h| maybe(h.os.build.as_ref());
    "os.kernel" Plain, |h| maybe(h.os.kernel.as_ref());
    "serial_number" Plain, |h| maybe(h.serial_number.as_ref());
    "smbios_uuid" Plain, |h| maybe(h.smbios_uuid.as_ref());
    "manufacturer" Plain, |h| maybe(h.manufacturer.as_ref());
    "model" Plain, |h| maybe(h.model.as_ref());
    "bios_manufacturer" Plain, |h| maybe(h.bios_manufacturer.as_ref());
    "bios_version" Plain, |h| maybe(h.bios_version.as_ref());
    "chassis" Plain, |h| maybe(h.chassis.as_ref());
    "ip" Plain, |h| ip(h.ip);
    "network_interfaces" Plain, |h| list(h.network_interfaces.iter().map(|n| Some(interface(n))));
    "external_ip" Plain, |h| ip(h.external_ip);
    "default_gateway" Plain, |h| ip(h.default_gateway);
    "agent.version" Plain, |h| maybe(h.agent.version.as_ref());
    "agent.content_version" Plain, |h| maybe(h.agent.content_version.as_ref());
    "agent.health" Health, |h| text(h.agent.health.as_str());
    "policies" Plain, |h| list(h.policies.iter().map(policy));
    "connection_state" Connection, |h| text(h.connection_state.as_str());
    "containment_state" Containment, |h| text(h.containment_state.as_str());
    "fs_containment_state" Plain, |h| maybe(h.fs_containment_state.as_ref());
    "contained_time" Plain, |h| time(h.contained_time);
    "is_hidden" Plain, |h| flag(h.is_hidden);
    "first_seen" Plain, |h| time(h.first_seen);
    "last_seen" Plain, |h| time(h.last_seen);
    "modified" Plain, |h| time(h.modified);
    "boot_time" Plain, |h| time(h.boot_time);
    "installed" Plain, |h| time(h.installed);
    "last_user.name" Plain, |h| maybe(h.last_user.as_ref().and_then(|u| u.name.as_ref()));
    "last_user.domain" Plain, |h| maybe(h.last_user.as_ref().and_then(|u| u.domain.as_ref()));
    "last_login" Plain, |h| time(h.last_login);
    "users" Plain, |h| list(h.users.iter().map(account));
    "owner_email" Plain, |h| maybe(h.owner_email.as_ref());
    "groups" Plain, |h| list(h.groups.iter().map(|g| borrowed(g.name.as_ref().or(g.uid.as_ref()))));
    "tags" Plain, |h| list(h.tags.iter().map(|t| Some(Cow::Borrowed(t.value.as_str()))));
    "cloud.provider" Plain, |h| maybe(h.cloud.as_ref().and_then(|c| c.provider.as_ref()));
    "cloud.account" Plain, |h| maybe(h.cloud.as_ref().and_then(|c| c.account.as_ref()));
    "cloud.region" Plain, |h| maybe(h.cloud.as_ref().and_then(|c| c.region.as_ref()));
    "cloud.zone" Plain, |h| maybe(h.cloud.as_ref().and_then(|c| c.zone.as_ref()));
    "cloud.instance_uid" Plain, |h| maybe(h.cloud.as_ref().and_then(|c| c.instance_uid.as_ref()));
    "k8s.cluster" Plain, |h| maybe(h.k8s.as_ref().and_then(|k| k.cluster.as_ref()));
    "k8s.namespace" Plain, |h| maybe(h.k8s.as_ref().and_then(|k| k.namespace.as_ref()));
    "k8s.pod" Plain, |h| maybe(h.k8s.as_ref().and_then(|k| k.pod.as_ref()));
    "k8s.container" Plain, |h| maybe(h.k8s.as_ref().and_then(|k| k.container.as_ref()));
    "criticality" Plain, |h| maybe(h.criticality.as_ref());
    "risk.score" Plain, |h| h.risk.as_ref().map_or(Value::Empty, |r| Value::Number(r.score));
    "risk.level" Plain, |h| maybe(h.risk.as_ref().and_then(|r| r.level.as_ref()));
    "is_vdi" Plain, |h| flag(h.is_vdi);
    "console_url" Plain, |h| maybe(h.console_url.as_ref());
};

/// The account's name, with its domain where there is one.
pub(super) fn account(user: &User) -> Option<Cow<'_, str>> {
    let name = user.name.as_deref().or(user.email.as_deref()).or(user.uid.as_deref())?;
    Some(match user.domain.as_deref() {
        Some(domain) => Cow::Owned(format!("{domain}\\{name}")),
        None => Cow::Borrowed(name),
    })
}

fn interface(interface: &NetworkInterface) -> Cow<'_, str> {
    let ip = interface.ip.map(|ip| ip.to_string());
    match (ip, interface.mac.as_deref()) {
        (Some(ip), Some(mac)) => Cow::Owned(format!("{ip} ({mac})")),
        (Some(ip), None) => Cow::Owned(ip),
        (None, mac) => Cow::Borrowed(mac.or(interface.name.as_deref()).unwrap_or_default()),
    }
}

fn policy(policy: &Policy) -> Option<Cow<'_, str>> {
    let said = policy.name.as_deref().or(policy.uid.as_deref()).or(policy.kind.as_deref());
    said.map(Cow::Borrowed)
}
