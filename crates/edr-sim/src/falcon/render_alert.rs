//! The alert entity (falcon-api 5.1, appendix `detects.Alert`), with the quirks of each product.

use serde_json::json;

use super::render_host as rh;
use super::writer::Object;
use crate::clock::from_ms;
use crate::estate::Detection;
use crate::estate::alert::{Family, Process, Status, Verdict, device_path};
use crate::estate::hash::{hex32, mix2, permute32, unpermute32};
use crate::estate::machine::{Machine, Platform};
use crate::state::{FalconCredentials, TenantState};

pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::InProgress => "in_progress",
        Status::Reopened => "reopened",
        Status::Closed => "closed",
    }
}

/// Resolution is modelled as three tags; what is neither true nor false is ignored.
pub(crate) fn resolution(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::TruePositive => "true_positive",
        Verdict::FalsePositive => "false_positive",
        Verdict::Benign | Verdict::Testing | Verdict::Duplicate => "ignored",
    }
}

pub(crate) fn product(family: Family) -> &'static str {
    match family {
        Family::Endpoint | Family::Scan => "epp",
        Family::Identity => "idp",
        Family::Hunting => "overwatch",
        Family::Workload => "cwpp",
    }
}

pub(crate) fn alert_type(family: Family) -> &'static str {
    match family {
        Family::Endpoint | Family::Hunting => "ldt",
        Family::Scan => "ods",
        Family::Identity => "idp-user-endpoint-app-info",
        Family::Workload => "signal",
    }
}

pub(crate) fn domain(family: Family) -> &'static str {
    match family {
        Family::Identity => "Identity",
        Family::Workload => "Cloud",
        _ => "Endpoint",
    }
}

pub(crate) fn source_product(family: Family) -> &'static str {
    match family {
        Family::Identity => "Falcon Identity Protection",
        Family::Workload => "Falcon Cloud Security",
        Family::Hunting => "Falcon Overwatch",
        _ => "Falcon Insight",
    }
}

/// Identity alerts and finds of a scan have no process.
pub(crate) fn has_process(d: &Detection) -> bool {
    !matches!(d.kind.family, Family::Identity | Family::Scan)
}

fn key(tenant: &TenantState) -> u64 {
    mix2(tenant.estate.tag(), 0xA1E7)
}

/// `id`: the composite id without the customer.
pub(crate) fn short_id(tenant: &TenantState, d: &Detection) -> String {
    let number = permute32(key(tenant), d.index as u32);
    let kind = if d.kind.family == Family::Scan { "ods" } else { "ind" };
    format!("{kind}:{}:{}-{}-{number}", tenant.estate.host_id(d.machine), d.process.unique, d.kind.pattern)
}

/// `composite_id`: `<cid>:ind:<aid>:<process>-<pattern>-<number>`.
pub(crate) fn composite_id(tenant: &TenantState, falcon: &FalconCredentials, d: &Detection) -> String {
    format!("{}:{}", falcon.cid, short_id(tenant, d))
}

/// `aggregate_id`.
pub(crate) fn aggregate_id(tenant: &TenantState, d: &Detection) -> String {
    format!("aggind:{}:{}", tenant.estate.host_id(d.machine), d.grandparent.unique)
}

/// The alert with a composite id, if there is one.
pub(crate) fn find(tenant: &TenantState, falcon: &FalconCredentials, id: &str) -> Option<Detection> {
    let number: u32 = id.rsplit('-').next()?.parse().ok()?;
    let index = u64::from(unpermute32(key(tenant), number));
    if index >= tenant.estate.alert_count() {
        return None;
    }
    let detection = tenant.estate.detection(index);
    (composite_id(tenant, falcon, &detection) == id).then_some(detection)
}

fn millis(ms: i64) -> String {
    from_ms(ms).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// What rendering needs at hand.
struct Scene<'a> {
    tenant: &'a TenantState,
    falcon: &'a FalconCredentials,
    d: &'a Detection,
    m: Machine,
    aid: String,
}

/// Writes one alert.
pub(crate) fn render(out: &mut Vec<u8>, tenant: &TenantState, falcon: &FalconCredentials, d: &Detection) {
    let m = tenant.estate.machine(d.machine);
    let scene = Scene { tenant, falcon, d, aid: m.id.clone(), m };
    let mut o = Object::begin(out, None);
    base(&mut o, &scene);
    attack(&mut o, &scene);
    work(&mut o, &scene);
    match d.kind.family {
        Family::Identity => identity(&mut o, &scene),
        Family::Scan => scan(&mut o, &scene),
        _ => endpoint(&mut o, &scene),
    }
    o.end();
}

fn base(o: &mut Object<'_>, s: &Scene<'_>) {
    let d = s.d;
    let composite = composite_id(s.tenant, s.falcon, d);
    o.put("aggregate_id", aggregate_id(s.tenant, d))
        .put("cid", &s.falcon.cid)
        .put("composite_id", &composite)
        .put("confidence", d.confidence)
        .put("context_timestamp", millis(d.happened.timestamp_millis()))
        .put("crawled_timestamp", rh::nanos(d.updated.timestamp_millis(), d.index))
        .put("created_timestamp", rh::nanos(d.created.timestamp_millis(), d.index + 1))
        .put("data_domains", [domain(d.kind.family)])
        .put("description", d.kind.description)
        .put("display_name", d.kind.name)
        .put("email_sent", true)
        .put(
            "falcon_host_link",
            format!(
                "https://falcon.crowdstrike.com/activity-v2/detections/{composite}?_cid={}",
                &s.falcon.cid[..8]
            ),
        )
        .put("id", short_id(s.tenant, d))
        .put("name", d.kind.name)
        .put("pattern_id", d.kind.pattern)
        .put("product", product(d.kind.family))
        .put("scenario", d.kind.scenario)
        .put("severity", d.score)
        .put("severity_name", d.severity.name())
        .put("show_in_ui", d.show_in_ui)
        .put("source_products", [source_product(d.kind.family)])
        .put("source_vendors", ["CrowdStrike"])
        .put("timestamp", millis(d.happened.timestamp_millis()))
        .put("type", alert_type(d.kind.family))
        .put("updated_timestamp", rh::nanos(d.updated.timestamp_millis(), d.index + 2));
}

fn attack(o: &mut Object<'_>, s: &Scene<'_>) {
    let k = s.d.kind;
    o.put("objective", k.objective)
        .put("tactic", k.tactic.1)
        .put("tactic_id", k.tactic.0)
        .put("technique", k.technique.1)
        .put("technique_id", k.technique.0)
        .put(
            "mitre_attack",
            json!([{
                "pattern_id": k.pattern, "tactic": k.tactic.1, "tactic_id": k.tactic.0,
                "technique": k.technique.1, "technique_id": k.technique.0,
            }]),
        );
}

/// Status and people. Alerts that nobody took lack the fields of the assignee, as real ones do.
fn work(o: &mut Object<'_>, s: &Scene<'_>) {
    let d = s.d;
    let closed = d.status == Status::Closed;
    let took = (d.updated - d.created).num_seconds().max(0);
    o.put("status", status(d.status))
        .maybe("resolution", d.verdict.map(resolution))
        .put("seconds_to_triaged", if d.status == Status::New { 0 } else { took / 2 })
        .put("seconds_to_resolved", if closed { took } else { 0 });
    if let Some(who) = &d.assigned_to {
        o.put("assigned_to_name", &who.name)
            .put("assigned_to_uid", &who.email)
            .put("assigned_to_uuid", &who.uuid);
    }
    // A third of the alerts has no list of tags at all; some have null.
    match d.index % 6 {
        _ if !d.tags.is_empty() => o.put("tags", &d.tags),
        0 | 1 => o,
        2 => o.put("tags", None::<()>),
        _ => o.put("tags", &d.tags),
    };
    if !d.comments.is_empty() {
        let row = |c: &crate::estate::Comment| json!({"value": c.text, "falcon_user_id": c.author, "timestamp": rh::stamp(c.at)});
        o.put("comments", d.comments.iter().map(row).collect::<Vec<_>>());
    }
}

fn endpoint(o: &mut Object<'_>, s: &Scene<'_>) {
    let (d, aid) = (s.d, &s.aid);
    o.put("agent_id", aid)
        .put("control_graph_id", format!("ctg:{aid}:{}", d.grandparent.unique))
        .put("indicator_id", short_id(s.tenant, d))
        .put("platform", rh::platform(s.m.platform()).1)
        .put("cloud_indicator", "false")
        .put("poly_id", format!("AAC{}==", hex32(d.process.unique)))
        .put("priority_value", d.score)
        .put("priority_explanation", [format!("[MOD] The severity of the detection: {}", d.severity.name())])
        .put("global_prevalence", if d.process.signer.is_some() { "common" } else { "unique" })
        .put("local_prevalence", if d.process.signer.is_some() { "common" } else { "low" })
        .put("sha1", "0".repeat(40))
        .put("triggering_process_graph_id", format!("pid:{aid}:{}", d.process.unique));
    process(o, s);
    o.object("device", |device| host(device, s));
    o.object("parent_details", |p| relative(p, s, &d.parent));
    o.object("grandparent_details", |p| relative(p, s, &d.grandparent));
    disposition(o, d);
    evidence(o, s);
    user(o, s);
}

fn process(o: &mut Object<'_>, s: &Scene<'_>) {
    let (d, p) = (s.d, &s.d.process);
    let started = p.started.timestamp().to_string();
    o.put("cmdline", &p.command_line)
        .put("filename", &p.name)
        .put("filepath", p.device_path())
        .put("local_process_id", p.pid.to_string())
        .put("md5", &p.md5)
        .put("sha256", &p.sha256)
        .put("parent_process_id", d.parent.unique.to_string())
        .put("process_id", p.unique.to_string())
        .put("process_start_time", &started)
        .put("tree_id", d.grandparent.unique.to_string())
        .put("tree_root", d.grandparent.unique.to_string());
    if d.prevented {
        o.put("process_end_time", &started);
    }
}

fn relative(o: &mut Object<'_>, s: &Scene<'_>, p: &Process) {
    o.put("cmdline", &p.command_line)
        .put("filename", &p.name)
        .put("filepath", p.device_path())
        .put("local_process_id", p.pid.to_string())
        .put("md5", &p.md5)
        .put("process_graph_id", format!("pid:{}:{}", s.aid, p.unique))
        .put("process_id", p.unique.to_string())
        .put("sha256", &p.sha256)
        .put("timestamp", rh::stamp(p.started.timestamp_millis()));
    if let Some(user) = &s.d.user {
        o.put("user_graph_id", format!("uid:{}:{}", s.aid, user.sid))
            .put("user_id", &user.sid)
            .put("user_name", &user.name);
    }
}

/// The host inside an alert: about thirty keys of the device entity.
fn host(o: &mut Object<'_>, s: &Scene<'_>) {
    let m = &s.m;
    let seen = rh::stamp(s.d.created.timestamp_millis());
    let (id, name) = rh::platform(m.platform());
    o.put("device_id", &m.id)
        .put("cid", &s.falcon.cid)
        .put("agent_load_flags", rh::load_flags(m.platform()))
        .put("agent_local_time", millis(s.d.happened.timestamp_millis()))
        .put("agent_version", m.agent_version)
        .put("bios_manufacturer", m.bios_vendor)
        .put("bios_version", m.bios_version)
        .put("config_id_base", rh::CONFIG_BASE)
        .put("config_id_build", rh::config_build(m.agent_version))
        .put("config_id_platform", rh::config_platform(m.platform()))
        .put("external_ip", m.external_ip)
        .put("first_seen", rh::stamp(m.first_seen.timestamp_millis()))
        .put("groups", super::groups::ids_of(s.tenant, s.falcon, &s.tenant.estate.fields(m.index)))
        .put("hostinfo", json!({"active_directory_dn_display": m.ou, "domain": m.domain}))
        .put("hostname", &m.hostname)
        .put("last_seen", &seen)
        .put("local_ip", m.ip)
        .put("mac_address", rh::mac(m.macs[0]))
        .put("machine_domain", &m.domain)
        .put("major_version", m.os.major)
        .put("minor_version", m.os.minor)
        .put("modified_timestamp", &seen)
        .put("os_version", m.os.name)
        .put("ou", Some(&m.ou).filter(|ou| !ou.is_empty()))
        .put("platform_id", id)
        .put("platform_name", name)
        .put("pod_labels", None::<()>)
        .maybe("product_type", rh::product_type(m.form, m.platform()).map(|p| p.0))
        .put("product_type_desc", rh::product_desc(m.form))
        .put("status", rh::status(m.containment))
        .put("system_manufacturer", m.manufacturer)
        .put("system_product_name", m.model)
        .put("tags", m.tags.iter().map(|t| rh::tag(t)).collect::<Vec<_>>());
    if let Some(cloud) = &m.cloud {
        o.put("instance_id", &cloud.instance_id)
            .put("service_provider", rh::provider(cloud.provider))
            .put("service_provider_account_id", &cloud.account);
    }
}

const DISPOSITIONS: [&str; 28] = [
    "blocking_unsupported_or_disabled",
    "bootup_safeguard_enabled",
    "containment_file_system",
    "critical_process_disabled",
    "detect",
    "fs_operation_blocked",
    "handle_operation_downgraded",
    "inddet_mask",
    "indicator",
    "kill_action_failed",
    "kill_parent",
    "kill_process",
    "kill_subprocess",
    "mfa_required",
    "operation_blocked",
    "policy_disabled",
    "prevention_provisioning_enabled",
    "process_blocked",
    "quarantine_file",
    "quarantine_machine",
    "registry_operation_blocked",
    "response_action_already_applied",
    "response_action_failed",
    "response_action_triggered",
    "rooting",
    "sensor_only",
    "suspend_parent",
    "suspend_process",
];

/// What the sensor did: a bit mask, its words, and its 28 bits by name.
fn disposition(o: &mut Object<'_>, d: &Detection) {
    let quarantined = d.files.iter().any(|f| f.quarantined);
    let (mask, text, bits): (u32, &str, &[&str]) = match (d.prevented, quarantined) {
        (false, _) => (0, "Detection, standard detection.", &[]),
        (true, false) => (2048, "Prevention, process was blocked from execution.", &["process_blocked"]),
        (true, true) => (
            2176,
            "Prevention, process was blocked and file quarantined.",
            &["process_blocked", "quarantine_file"],
        ),
    };
    o.put("pattern_disposition", mask).put("pattern_disposition_description", text);
    o.object("pattern_disposition_details", |details| {
        for name in DISPOSITIONS {
            details.put(name, bits.contains(&name));
        }
    });
}

fn evidence(o: &mut Object<'_>, s: &Scene<'_>) {
    let d = s.d;
    let at = d.happened.timestamp();
    if !d.files.is_empty() {
        let file = |f: &crate::estate::alert::FileEvidence| json!({"filename": f.name, "filepath": device_path(&f.folder), "timestamp": at.to_string()});
        o.put("files_written", d.files.iter().take(1).map(file).collect::<Vec<_>>());
        o.put("files_accessed", d.files.iter().map(file).collect::<Vec<_>>());
        let quarantined: Vec<_> = d.files.iter().filter(|f| f.quarantined).map(|f| json!({
            "filename": format!("{}{}", device_path(&f.folder), f.name), "id": format!("{}_{}", s.aid, f.sha256), "sha256": f.sha256, "state": "quarantined",
        })).collect();
        if !quarantined.is_empty() {
            o.put("quarantined_files", quarantined);
        }
    }
    let connection = |n: &crate::estate::alert::NetworkEvidence| {
        json!({
            "access_timestamp": at, "access_type": 0, "connection_direction": if n.outbound { "0" } else { "1" }, "isIPV6": false, "protocol": "TCP",
            "local_address": n.local_ip, "local_port": n.local_port.to_string(), "remote_address": n.remote_ip, "remote_port": n.remote_port.to_string(),
        })
    };
    if !d.network.is_empty() {
        o.put("network_accesses", d.network.iter().map(connection).collect::<Vec<_>>());
    }
    if !d.dns.is_empty() {
        let row = |name: &String| json!({"domain_name": name, "load_time": at.to_string(), "interface_index": 0, "request_type": "A"});
        o.put("dns_requests", d.dns.iter().map(row).collect::<Vec<_>>());
    }
    indicators(o, d);
}

/// A known-bad file or name makes the indicator of compromise.
fn indicators(o: &mut Object<'_>, d: &Detection) {
    let found = match (d.files.first(), d.dns.first()) {
        (Some(file), _) if d.kind.family == Family::Endpoint => {
            Some(("hash_sha256", file.sha256.clone(), file.name.clone()))
        }
        (_, Some(name)) => Some(("domain", name.clone(), name.clone())),
        _ => None,
    };
    let Some((kind, value, about)) = found else {
        o.put("ioc_context", json!([]));
        return;
    };
    o.put("ioc_type", kind)
        .put("ioc_value", &value)
        .put("ioc_values", [&value])
        .put("ioc_source", "library_load")
        .put("ioc_description", &about);
    o.put(
        "ioc_context",
        json!([{"ioc_description": about, "ioc_source": "library_load", "ioc_type": kind, "ioc_value": value,
        "md5": d.process.md5, "sha256": d.process.sha256, "type": "module"}]),
    );
}

fn user(o: &mut Object<'_>, s: &Scene<'_>) {
    let Some(user) = &s.d.user else { return };
    o.put("user_id", &user.sid)
        .put("user_name", &user.name)
        .put("user_principal", format!("{}@{}", user.name, s.m.hostname));
    if s.m.platform() == Platform::Windows {
        o.put("logon_domain", &user.domain);
    }
}

/// Identity alerts share only the base; the rest says who reached what (no platform, no device).
fn identity(o: &mut Object<'_>, s: &Scene<'_>) {
    let m = &s.m;
    let at = s.d.happened.timestamp_millis();
    o.put("start_time", millis(at - 60_000))
        .put("end_time", millis(at))
        .put("idp_policy_account_event_type", 1);
    o.put("source_endpoint_host_name", &m.hostname)
        .put("source_endpoint_sensor_id", &s.aid)
        .put("source_endpoint_address_ip4", m.ip)
        .put("source_endpoint_account_object_sid", m.users.first().map(|u| u.sid.clone()));
    if let Some(user) = &s.d.user {
        o.put("source_account_name", &user.name)
            .put("source_account_domain", &m.domain)
            .put("source_account_object_sid", &user.sid)
            .put("source_account_upn", format!("{}@{}", user.name, m.domain));
    }
    let controller = s.tenant.estate.host_count().min(4).saturating_sub(1);
    let target = s.tenant.estate.fields(controller);
    o.put("target_endpoint_host_name", target.hostname())
        .put("target_endpoint_sensor_id", target.id())
        .put("target_domain_controller_host_name", target.hostname());
}

/// Finds of a scan on demand: a file, and no process.
fn scan(o: &mut Object<'_>, s: &Scene<'_>) {
    let d = s.d;
    o.put("agent_id", &s.aid)
        .put("agent_scan_id", hex32(d.index))
        .put("scan_id", hex32(d.index / 5))
        .put("event_id", d.process.unique.to_string());
    o.put("platform", rh::platform(s.m.platform()).1);
    if let Some(file) = d.files.first() {
        o.put("filename", &file.name)
            .put("filepath", format!("{}{}", device_path(&file.folder), file.name))
            .put("sha256", &file.sha256)
            .put("quarantined", file.quarantined)
            .put("associated_files", json!([{"filepath": device_path(&file.folder), "sha256": file.sha256}]));
    }
    o.object("device", |device| host(device, s));
    user(o, s);
}
