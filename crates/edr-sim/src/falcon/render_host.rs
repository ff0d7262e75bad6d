//! The device entity: scalar values are strings, even numbers (falcon-api 4.1, appendix `deviceapi.DeviceSwagger`).

use chrono::{Datelike, Timelike};
use sha2::{Digest, Sha256};

use super::writer::Object;
use crate::clock::from_ms;
use crate::estate::hash::{hex_of, hex_words, hex32, mix_str, mix2};
use crate::estate::machine::{CloudProvider, Form, Health, Machine, Platform};
use crate::estate::{Containment, HostFields};
use crate::state::{FalconCredentials, TenantState};

pub(crate) const CONFIG_BASE: &str = "65994767";
pub(crate) const CPU_SIGNATURE: &str = "591594";

/// Whole seconds with a Z, as host entities have them.
pub(crate) fn stamp(ms: i64) -> String {
    let at = from_ms(ms);
    // By hand: the general formatter costs as much as the rest of a device.
    let (date, time) = (at.date_naive(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Nanoseconds with a Z.
pub(crate) fn nanos(ms: i64, salt: u64) -> String {
    let below_ms = mix2(salt, 9) % 1_000_000;
    let mut text = stamp(ms);
    text.pop();
    format!("{text}.{:03}{below_ms:06}Z", ms.rem_euclid(1000))
}

/// (`platform_id`, `platform_name`).
pub(crate) fn platform(platform: Platform) -> (&'static str, &'static str) {
    match platform {
        Platform::Windows => ("0", "Windows"),
        Platform::MacOs => ("1", "Mac"),
        Platform::Linux => ("3", "Linux"),
    }
}

/// (`product_type`, …); missing on Macs.
pub(crate) fn product_type(form: Form, platform: Platform) -> Option<(&'static str, &'static str)> {
    if platform == Platform::MacOs {
        return None;
    }
    Some(match form {
        Form::Laptop | Form::Desktop => ("1", "Workstation"),
        Form::DomainController => ("2", "Domain Controller"),
        _ => ("3", "Server"),
    })
}

pub(crate) fn product_desc(form: Form) -> &'static str {
    match form {
        Form::Laptop | Form::Desktop => "Workstation",
        Form::DomainController => "Domain Controller",
        _ => "Server",
    }
}

/// (`chassis_type`, `chassis_type_desc`) after SMBIOS.
pub(crate) fn chassis(form: Form) -> (&'static str, &'static str) {
    match form {
        Form::Laptop => ("10", "Notebook"),
        Form::Desktop => ("3", "Desktop"),
        _ => ("1", "Other"),
    }
}

pub(crate) fn load_flags(platform: Platform) -> &'static str {
    if platform == Platform::Windows { "1" } else { "0" }
}

pub(crate) fn config_platform(platform: Platform) -> &'static str {
    match platform {
        Platform::Windows => "3",
        Platform::MacOs => "4",
        Platform::Linux => "8",
    }
}

/// The build number within an agent version: `7.20.19011.0` has 19011.
pub(crate) fn config_build(version: &str) -> &str {
    version.split('.').nth(2).unwrap_or_default()
}

pub(crate) fn deployment(form: Form) -> &'static str {
    if form == Form::ContainerHost { "DaemonSet" } else { "Standard" }
}

pub(crate) fn linux_mode(platform: Platform) -> Option<&'static str> {
    (platform == Platform::Linux).then_some("Kernel Mode")
}

pub(crate) fn reduced(health: Health) -> &'static str {
    if health == Health::Reduced { "yes" } else { "no" }
}

pub(crate) fn provider(provider: CloudProvider) -> &'static str {
    match provider {
        CloudProvider::Aws => "AWS_EC2_V2",
        CloudProvider::Azure => "AZURE",
        CloudProvider::Gcp => "GCP",
    }
}

pub(crate) fn status(state: Containment) -> &'static str {
    match state {
        Containment::Normal => "normal",
        Containment::ContainPending { .. } => "containment_pending",
        Containment::Contained { .. } => "contained",
        Containment::LiftPending { .. } => "lift_containment_pending",
    }
}

pub(crate) fn hidden(h: &HostFields<'_>) -> &'static str {
    if h.hidden() { "hidden" } else { "visible" }
}

pub(crate) fn tag(name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("FalconGroupingTags/{name}") }
}

/// The AD site: only joined machines have one.
pub(crate) fn site<'a>(domain: &str, city: &'a str) -> &'a str {
    if domain.is_empty() { "" } else { city }
}

pub(crate) fn mac(mac: [u8; 6]) -> String {
    mac.map(|b| format!("{b:02x}")).join("-")
}

pub(crate) fn group_ids(tag: u64, groups: &[String]) -> Vec<String> {
    groups.iter().map(|g| hex32(mix_str(tag ^ 0x6709, g))).collect()
}

/// The last logon: some time before the host was last seen; none where nobody logs on.
pub(crate) fn last_login_ms(h: &HostFields<'_>) -> Option<i64> {
    let user = h.users().into_iter().next()?;
    let age = 60_000 * (mix_str(7, &user.sid) % 1_440) as i64;
    Some((h.last_reboot_ms() + age).min(h.last_seen_ms()))
}

/// SHA-256 over the group ids, as `group_hash` is.
fn group_hash(ids: &[String]) -> String {
    hex_of(&Sha256::digest(ids.join("").as_bytes()))
}

/// Writes one device. `only` is the projection of `fields`.
pub(crate) fn render(
    out: &mut Vec<u8>,
    tenant: &TenantState,
    falcon: &FalconCredentials,
    index: u64,
    only: Option<&[String]>,
) {
    let h = tenant.estate.fields(index);
    let m = h.machine();
    let mut o = Object::begin(out, only);
    o.put("device_id", &m.id).put("cid", &falcon.cid);
    agent(&mut o, &h, &m);
    hardware(&mut o, &m);
    network(&mut o, &m);
    system(&mut o, &h, &m);
    times(&mut o, &h, &m);
    place(&mut o, &super::groups::ids_of(tenant, falcon, &h), &m);
    policies(&mut o, tenant.estate.tag(), &m);
    o.end();
}

fn agent(o: &mut Object<'_>, h: &HostFields<'_>, m: &Machine) {
    let local = from_ms(h.last_reboot_ms()).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    o.put("agent_load_flags", load_flags(m.platform()))
        .put("agent_local_time", local)
        .put("agent_version", m.agent_version)
        .put("config_id_base", CONFIG_BASE)
        .put("config_id_build", config_build(m.agent_version))
        .put("config_id_platform", config_platform(m.platform()))
        .put("deployment_type", deployment(m.form))
        .put("detection_suppression_status", if h.suppressed() { "suppressed" } else { "unsuppressed" })
        .put("filesystem_containment_status", "normal")
        .put("host_hidden_status", hidden(h))
        .maybe("linux_sensor_mode", linux_mode(m.platform()))
        .put("provision_status", "Provisioned")
        .put("reduced_functionality_mode", reduced(m.health))
        .put("rtr_state", "enabled")
        .put("status", status(m.containment));
}

fn hardware(o: &mut Object<'_>, m: &Machine) {
    let (kind, text) = chassis(m.form);
    o.put("bios_manufacturer", m.bios_vendor)
        .put("bios_version", m.bios_version)
        .put("chassis_type", kind)
        .put("chassis_type_desc", text)
        .put("cpu_signature", CPU_SIGNATURE)
        .put("cpu_vendor", "0")
        .put("pointer_size", "8")
        .put("serial_number", &m.serial)
        .put("system_manufacturer", m.manufacturer)
        .put("system_product_name", m.model);
}

fn network(o: &mut Object<'_>, m: &Machine) {
    let first = mac(m.macs[0]);
    o.put("connection_ip", m.ip)
        .put("connection_mac_address", &first)
        .put("default_gateway_ip", m.gateway)
        .put("external_ip", m.external_ip)
        .put("local_ip", m.ip)
        .put("mac_address", &first)
        .put("hostname", &m.hostname)
        .put("machine_domain", &m.domain);
}

fn system(o: &mut Object<'_>, h: &HostFields<'_>, m: &Machine) {
    let (id, name) = platform(m.platform());
    if m.platform() == Platform::Windows {
        o.put("build_number", m.os.build)
            .put("os_build", m.os.build)
            .put("service_pack_major", "0")
            .put("service_pack_minor", "0");
    } else {
        o.maybe("os_build", Some(m.os.build).filter(|b| !b.is_empty()));
    }
    o.put("kernel_version", m.os.kernel)
        .put("major_version", m.os.major)
        .put("minor_version", m.os.minor)
        .put("os_product_name", m.os.product)
        .put("os_version", m.os.name)
        .put("platform_id", id)
        .put("platform_name", name)
        .maybe("product_type", product_type(m.form, m.platform()).map(|p| p.0))
        .put("product_type_desc", product_desc(m.form));
    if let Some(user) = m.users.first() {
        o.put("last_login_user", &user.name).put("last_login_user_sid", &user.sid);
        o.maybe("last_login_timestamp", last_login_ms(h).map(stamp));
    }
}

fn times(o: &mut Object<'_>, h: &HostFields<'_>, m: &Machine) {
    let seen = stamp(m.last_seen.timestamp_millis());
    o.put("first_seen", stamp(h.first_seen_ms()))
        .put("last_reboot", stamp(h.last_reboot_ms()))
        .put("last_seen", &seen)
        .put("modified_timestamp", &seen);
    o.object("meta", |meta| {
        meta.put("version", (m.index % 5_000).to_string())
            .put("version_string", format!("{}:{}", m.index % 10, m.index + 789_000));
    });
}

fn place(o: &mut Object<'_>, groups: &[String], m: &Machine) {
    let tags: Vec<String> = m.tags.iter().map(|t| tag(t)).collect();
    o.put("group_hash", group_hash(groups)).put("groups", groups).put("tags", tags);
    // Machines in no directory have null on a Mac and an empty list elsewhere.
    let ou = if m.platform() == Platform::MacOs { None } else { Some(&m.ou) };
    o.put("ou", ou);
    o.maybe("site_name", Some(site(&m.domain, m.site)).filter(|s| !s.is_empty()));
    if let Some(cloud) = &m.cloud {
        o.put("instance_id", &cloud.instance_id)
            .put("service_provider", provider(cloud.provider))
            .put("service_provider_account_id", &cloud.account)
            .put("zone_group", &cloud.zone);
    }
}

/// (key in `device_policies`, `policy_type`): the keys mix `_` and `-`.
const POLICIES: &[(&str, &str)] = &[
    ("prevention", "prevention"),
    ("sensor_update", "sensor-update"),
    ("device_control", "device-control"),
    ("global_config", "globalconfig"),
    ("remote_response", "remote-response"),
    ("firewall", "firewall"),
    ("content-update", "content-update"),
];

fn policies(o: &mut Object<'_>, tag_seed: u64, m: &Machine) {
    if !o.wants("policies") && !o.wants("device_policies") {
        return;
    }
    o.list("policies", |out| {
        let mut one = Object::begin(out, None);
        policy(&mut one, tag_seed, m, POLICIES[0]);
        one.end();
    });
    o.object("device_policies", |map| {
        for entry in POLICIES {
            map.object(entry.0, |one| policy(one, tag_seed, m, *entry));
        }
    });
}

fn policy(o: &mut Object<'_>, tag_seed: u64, m: &Machine, (key, kind): (&str, &str)) {
    let assigned = m.first_seen.timestamp_millis() + 90_000;
    let id = hex32(mix2(mix_str(tag_seed ^ 0x90, kind), m.platform() as u64));
    let salt = mix_str(m.index, key);
    // A policy that waits for a reboot was assigned, and not applied.
    let applied = !(key == "device_control" && m.index.is_multiple_of(9));
    let settings = if key == "sensor_update" {
        "tagged|1;101".to_owned()
    } else {
        hex_words(mix_str(tag_seed, key), 1)[..8].to_owned()
    };
    o.put("policy_type", kind)
        .put("policy_id", &id)
        .put("applied", applied)
        .put("settings_hash", settings)
        .put("assigned_date", nanos(assigned, salt))
        .put("applied_date", applied.then(|| nanos(assigned + 15_000, salt)));
    match key {
        "prevention" => o.put("rule_groups", [(); 0]),
        "sensor_update" => o.put("uninstall_protection", "ENABLED"),
        "firewall" => o.put("rule_set_id", &id),
        _ => o,
    };
}
