//! A host as the object `device`, and an account as the object `user`.

use edr_core::{Host, HostRef, NetworkInterface, Os, Policy, User, model::read};
use serde_json::Value;

use crate::build::Object;
use crate::words;

/// True when something identifies the host.
pub(crate) fn is_known(host: &Host) -> bool {
    let instance = host.cloud.as_ref().and_then(|c| c.instance_uid.as_ref());
    let named = !host.uid.is_empty() || !host.hostname.is_empty() || host.name.is_some();
    named || host.ip.is_some() || instance.is_some()
}

/// Nothing when nothing identifies the host.
pub(crate) fn device(host: &Host) -> Option<Object> {
    if !is_known(host) {
        return None;
    }
    let mut device = Object::new();
    device
        .text("uid", &host.uid)
        .text("hostname", &host.hostname)
        .some("name", host.name.as_deref())
        .some("ip", host.ip.map(|ip| ip.to_string()));
    let cloud = host.cloud.as_ref();
    device
        .some("instance_uid", cloud.and_then(|c| c.instance_uid.as_deref()))
        .id("type", "type", words::device(&host.kind))
        .some("domain", host.domain.as_deref())
        .some("vendor_name", host.manufacturer.as_deref())
        .some("model", host.model.as_deref())
        .some("region", cloud.and_then(|c| c.region.as_deref()))
        .some("zone", cloud.and_then(|c| c.zone.as_deref()))
        .object("os", os(&host.os))
        .object("hw_info", hardware(host))
        .list("network_interfaces", host.network_interfaces.iter().filter_map(interface))
        .list("agent_list", agent(host))
        .list(
            "groups",
            host.groups.iter().filter_map(|g| named(g.uid.as_deref(), g.name.as_deref()).filled()),
        );
    let mut owner = Object::new();
    if let Some(email) = &host.owner_email {
        owner.put("name", email.as_str()).some("email_addr", Some(email.as_str()).filter(|e| is_email(e)));
    }
    // An organisation needs a name of its own, so that the units are under `unmapped`.
    device.object("owner", owner);
    device
        .time("first_seen_time", host.first_seen)
        .time("last_seen_time", host.last_seen)
        .time("modified_time", host.modified)
        .time("boot_time", host.boot_time)
        .time("created_time", host.installed);
    if let Some(risk) = host.risk.as_ref().filter(|r| r.higher_is_worse && r.score.is_finite()) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "scores are small; the standard wants a whole number"
        )]
        let score = risk.score.round() as i64;
        device.put("risk_score", score);
    }
    Some(device)
}

/// A host that something else names; nothing when neither id nor name is known.
pub(crate) fn named_host(host: &HostRef) -> Option<Object> {
    let known = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let mut device = Object::new();
    device.some("uid", known(&host.uid)).some("hostname", known(&host.hostname));
    if device.is_empty() {
        return None;
    }
    device.id("type", "type", (0, "Unknown")).some("domain", host.domain.as_deref());
    if !host.platform.is_unknown() || host.os.is_some() {
        let (platform, name) = (host.platform.clone(), host.os.clone());
        device.object("os", os(&Os { platform, name, ..Os::default() }));
    }
    Some(device)
}

/// The standard wants a name; the family stands in for one.
fn os(os: &Os) -> Object {
    let (id, caption) = words::os(&os.platform);
    let mut object = Object::new();
    object
        .put("name", os.name.as_deref().unwrap_or(caption))
        .put("type_id", id)
        .put("type", caption)
        .some("version", os.version.as_deref())
        .some("build", os.build.as_deref())
        .some("kernel_release", os.kernel.as_deref());
    object
}

fn hardware(host: &Host) -> Object {
    let mut hardware = Object::new();
    hardware
        .some("serial_number", host.serial_number.as_deref())
        .some("uuid", host.smbios_uuid.as_deref().filter(|u| is_uuid(u)))
        .some("bios_manufacturer", host.bios_manufacturer.as_deref())
        .some("bios_ver", host.bios_version.as_deref())
        .some("chassis", host.chassis.as_deref());
    hardware
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|p| p.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.concat().bytes().all(|b| b.is_ascii_hexdigit())
}

fn interface(interface: &NetworkInterface) -> Option<Value> {
    let mut object = Object::new();
    object
        .some("name", interface.name.as_deref())
        .some("ip", interface.ip.map(|ip| ip.to_string()))
        .some("mac", interface.mac.as_deref().and_then(read::mac));
    if object.is_empty() {
        return None;
    }
    object.id("type", "type", (0, "Unknown"));
    object.filled()
}

/// The EDR agent, which is the host's own id at its vendor.
fn agent(host: &Host) -> Option<Value> {
    if host.uid.is_empty() {
        return None;
    }
    let mut agent = Object::new();
    agent
        .put("uid", host.uid.as_str())
        .id("type", "type", (1, "Endpoint Detection and Response"))
        .put("vendor_name", host.vendor.as_str())
        .some("version", host.agent.version.as_deref())
        .list("policies", host.policies.iter().filter_map(policy));
    agent.filled()
}

fn policy(policy: &Policy) -> Option<Value> {
    let mut object = named(policy.uid.as_deref(), policy.name.as_deref());
    object.some("type", policy.kind.as_deref());
    if object.is_empty() {
        return None;
    }
    object.some("is_applied", policy.is_applied);
    object.filled()
}

fn named(uid: Option<&str>, name: Option<&str>) -> Object {
    let mut object = Object::new();
    object.some("uid", uid).some("name", name);
    object
}

/// An account; nothing when neither name nor id is known.
pub(crate) fn user(user: &User) -> Option<Value> {
    let name = user.name.as_deref().or(user.email.as_deref());
    let mut object = named(user.uid.as_deref(), name);
    if object.is_empty() {
        return None;
    }
    object
        .some("domain", user.domain.as_deref())
        .some("email_addr", user.email.as_deref().filter(|e| is_email(e)))
        .id("type", "type", words::user(&user.kind));
    object.filled()
}

/// True when the account's principal name has no attribute in the standard.
pub(crate) fn loses_principal(user: &User) -> bool {
    user.email.as_deref().is_some_and(|email| !is_email(email) && user.name.as_deref() != Some(email))
}

/// An address that the standard takes; the model also holds principal names, such as `ann@MACHINE`.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |part: &str| {
        part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'+'))
    };
    let first = domain.split('.').next().unwrap_or_default();
    !local.is_empty()
        && plain(local)
        && plain(domain)
        && !domain.contains(['_', '+'])
        && !first.is_empty()
        && domain.len() > first.len() + 1
}

/// The profile `cloud`, when the provider is known.
pub(crate) fn cloud(host: &Host) -> Option<Object> {
    let cloud = host.cloud.as_ref()?;
    let mut account = Object::new();
    account.some("uid", cloud.account.as_deref());
    let mut object = Object::new();
    object
        .put("provider", cloud.provider.as_deref()?)
        .object("account", account)
        .some("region", cloud.region.as_deref())
        .some("zone", cloud.zone.as_deref());
    Some(object)
}
