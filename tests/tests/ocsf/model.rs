//! Hosts and alerts with everything in them, and with anything taken away or changed.

use edr_core::{Alert, Host, Raw};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

pub(crate) fn full_host() -> Host {
    let mut host: Host = serde_json::from_value(host_json()).expect("the model reads itself");
    host.raw = Raw::new("{\"device_id\":\"0f3a\"}");
    host
}

pub(crate) fn full_alert() -> Alert {
    let mut alert: Alert = serde_json::from_value(alert_json()).expect("the model reads itself");
    alert.raw = Raw::new("{\"id\":1}");
    alert
}

pub(crate) fn host_json() -> Value {
    let user = json!({"name": "ann", "domain": "CORP", "uid": "S-1-5-21-1", "email": "ann@corp.example", "kind": "user"});
    json!({
        "tenant": "acme", "vendor": "falcon", "uid": "0f3a", "tenant_uid": "c1d2", "hostname": "ANN-NB01", "name": "Ann's",
        "domain": "corp.example", "ou": ["Laptops", "EU"], "site": "HQ", "type": "laptop", "roles": ["domain_controller"],
        "os": {"type": "windows", "name": "Windows 11", "version": "10.0.22631", "build": "22631", "kernel": "10.0"},
        "serial_number": "5CG1", "smbios_uuid": "564d8c1e-9a00-1122-3344-556677889900", "manufacturer": "Dell", "model": "XPS",
        "bios_manufacturer": "Dell", "bios_version": "1.2", "chassis": "Notebook", "ip": "10.1.2.3",
        "network_interfaces": [{"name": "eth0", "ip": "10.1.2.3", "mac": "14-7D-DA-AD-AC-71"}, {"ip": "fe80::1"}],
        "external_ip": "198.51.100.7", "default_gateway": "10.1.2.1",
        "agent": {"version": "7.20", "content_version": "1300", "health": "ok"},
        "policies": [{"uid": "p1", "name": "strict", "type": "prevention", "is_applied": true}, {"name": "other"}],
        "connection_state": "online", "containment_state": "contained", "fs_containment_state": "normal",
        "contained_time": "2026-01-02T03:04:05Z", "is_hidden": false, "first_seen": "2025-01-02T03:04:05Z",
        "last_seen": "2026-01-02T03:04:05Z", "modified": "2026-01-02T03:04:05Z", "boot_time": "2026-01-01T00:00:00Z",
        "installed": "2025-01-02T03:04:05Z", "last_user": user, "last_login": "2026-01-01T00:00:00Z", "users": [user],
        "owner_email": "ann@corp.example", "groups": [{"uid": "g1", "name": "Laptops"}, {"uid": "g2"}],
        "tags": [{"source": "FalconGroupingTags", "value": "gold"}, {"value": "plain"}],
        "cloud": {"provider": "aws", "account": "123", "region": "eu-west-3", "zone": "eu-west-3a", "instance_uid": "i-04d2"},
        "k8s": {"cluster": "c", "namespace": "n", "pod": "p", "container": "x"}, "criticality": "High",
        "risk": {"score": 71.5, "higher_is_worse": true, "level": "high"}, "is_vdi": false, "console_url": "https://console.example/h",
        "origins": [{"field": "type", "vendor_value": "Notebook", "provenance": "converted"}],
        "anomalies": [{"field": "agent_local_time", "value": "2610-01-05", "reason": "in the future"}],
    })
}

fn alert_json() -> Value {
    let hashes = json!({"md5": "ab".repeat(16), "sha1": "ab".repeat(20), "sha256": "ab".repeat(32)});
    let user = json!({"name": "ann", "domain": "CORP", "uid": "S-1-5-21-1", "email": "ann@corp.example", "kind": "system"});
    let parent = json!({"pid": 11, "uid": "p:11", "name": "explorer.exe", "path": "C:\\explorer.exe", "cmd_line": "explorer", "hashes": hashes});
    let process = json!({"pid": 12, "uid": "p:12", "name": "a.exe", "path": "C:\\Temp\\a.exe", "cmd_line": "a.exe -x", "hashes": hashes,
        "user": user, "created_time": "2026-01-02T03:04:05Z", "terminated_time": "2026-01-02T03:05:05Z",
        "signature": {"status": "Signed", "signer": "Example"}, "parent": parent, "ancestry": [parent, {"name": "root"}]});
    json!({
        "tenant": "acme", "vendor": "cortex", "uid": "41", "uid_alt": "x41", "tenant_uid": "c1d2", "time": "2026-01-02T03:04:05Z",
        "created_time": "2026-01-02T03:04:06Z", "modified_time": "2026-01-02T03:04:07Z", "first_seen": "2026-01-02T03:04:00Z",
        "last_seen": "2026-01-02T03:04:05Z", "title": "Bad thing", "desc": "It happened", "severity": "high", "confidence_score": 80,
        "status": "in_progress", "verdict": "true_positive", "is_suppressed": false, "action": "denied", "disposition": "quarantined",
        "prevented": true, "would_prevent": false, "assignee": user, "product_feature": "XDR Agent", "source_vendors": ["PAN"],
        "analytic": {"type": "behavioral", "uid": "r1", "name": "Rule one"}, "types": ["Malware"],
        "attacks": [{"tactic": {"uid": "TA0002", "name": "Execution"}, "technique": {"uid": "T1059", "name": "Interpreter"},
            "sub_technique": {"uid": "T1059.001", "name": "PowerShell"}}, {"tactic": {"name": "Collection"}}],
        "device": host_json(), "users": [user],
        "evidences": [
            {"process": process, "user": user},
            {"file": {"name": "a.exe", "path": "C:\\Temp\\a.exe", "hashes": hashes, "activity": "written", "time": "2026-01-02T03:04:05Z"}},
            {"network": {"local": {"ip": "10.1.2.3", "port": 5000}, "remote": {"ip": "203.0.113.9", "port": 443, "hostname": "evil.example", "country": "ZZ"},
                "protocol": "tcp", "direction": "outbound", "time": "2026-01-02T03:04:05Z"}},
            {"dns": {"query": "evil.example", "time": "2026-01-02T03:04:05Z"}},
            {"registry": {"key": "HKLM\\Software\\A", "value": "Run", "data": "a.exe"}},
            {"registry": {"key": "HKLM\\Software\\B"}},
            {"registry": {"key": "HKLM\\Software\\C", "data": "of the value without a name"}},
            {"process": {"pid": 13, "hashes": {"sha256": "cd".repeat(32)}}},
        ],
        "iocs": [{"type": "sha256", "value": "ab".repeat(32), "source": "s", "desc": "d"}, {"type": "domain", "value": "evil.example"},
            {"type": "ipv4", "value": "203.0.113.9"}, {"type": "url", "value": "https://evil.example/a"}, {"type": "mutex", "value": "m"}],
        "group_keys": ["k1"], "case_uids": ["7"], "labels": ["gold"],
        "comments": [{"text": "hm", "author": "ann", "time": "2026-01-02T03:04:05Z"}], "console_url": "https://console.example/a",
        "origins": [{"field": "severity", "vendor_value": "SEV_040_HIGH", "provenance": "converted"}],
        "anomalies": [{"field": "end_time", "value": "x", "reason": "before the start"}],
    })
}

/// Words that stand in enums.
const ENUMS: &[&str] = &[
    "type",
    "severity",
    "status",
    "verdict",
    "action",
    "disposition",
    "kind",
    "health",
    "connection_state",
    "containment_state",
    "before",
    "direction",
    "priority",
    "platform",
    "reliability",
];

/// Texts that may be anything.
const TEXTS: &[&str] = &[
    "name",
    "uid",
    "version",
    "email",
    "mac",
    "smbios_uuid",
    "path",
    "value",
    "title",
    "hostname",
    "console_url",
];

const ODD_TEXTS: &[&str] =
    &["", " ", "ann@MACHINE", "00:00", r"\\.\pipe\ä", "-", "a/b\\c", "\u{1F600} [x]", "CVE"];

const WORDS: &[&str] = &[
    "unknown",
    "windows",
    "linux",
    "macos",
    "ios",
    "server",
    "desktop",
    "mobile",
    "critical",
    "low",
    "new",
    "reopened",
    "resolved",
    "suppressed",
    "benign",
    "test",
    "duplicate",
    "disregard",
    "allowed",
    "observed",
    "modified",
    "detected",
    "uncorrected",
    "machine",
    "service",
    "inbound",
    "learning",
    "indicator",
    "Quite Odd",
];

/// Takes away, and changes words and texts, as the dice say.
fn disturb(value: &mut Value, dice: &mut impl Iterator<Item = u8>) {
    let mut roll = || dice.next().unwrap_or(255);
    match value {
        Value::Object(map) => {
            let closed = is_closed(map);
            let keys: Vec<String> =
                map.keys().filter(|key| !closed.contains(&key.as_str())).cloned().collect();
            for key in keys {
                let fate = roll();
                let list = if ENUMS.contains(&key.as_str()) { WORDS } else { ODD_TEXTS };
                let open = ENUMS.contains(&key.as_str()) || TEXTS.contains(&key.as_str());
                if fate < 40 && !required(map, &key) {
                    map.remove(&key);
                } else if open && map[&key].is_string() && fate < 120 {
                    map.insert(key, list[usize::from(roll()) % list.len()].into());
                }
            }
            let open = map.iter_mut().filter(|(key, _)| !closed.contains(&key.as_str()));
            open.for_each(|(_, v)| disturb(v, dice));
        }
        Value::Array(items) => {
            let keep = usize::from(roll()) % (items.len() + 2);
            items.truncate(keep);
            items.iter_mut().for_each(|v| disturb(v, dice));
        }
        _ => {}
    }
}

/// Keys that say what else there is, with which nothing is read when they change.
fn is_closed(map: &Map<String, Value>) -> &'static [&'static str] {
    let of_a_deed = map.contains_key("operation");
    let tagged = map.contains_key("fate") || map.contains_key("action");
    match map.contains_key("vendor") {
        true if of_a_deed => &["operation", "requested", "as_of"],
        false if tagged => {
            &["fate", "standing", "kind", "reason", "word", "action", "script", "args", "tags"]
        }
        _ if map.len() == 1 => &["pid", "uid"],
        _ => &[],
    }
}

/// What the model itself does not read without.
fn required(map: &Map<String, Value>, key: &str) -> bool {
    let origin = map.contains_key("provenance") && ["field", "provenance"].contains(&key);
    let anomaly = map.contains_key("reason") && ["field", "value", "reason"].contains(&key);
    let risk = ["score", "higher_is_worse"].contains(&key) && map.contains_key("higher_is_worse");
    let identity = ["tenant", "vendor"].contains(&key) || (key == "uid" && map.contains_key("vendor"));
    let change = map.contains_key("before") && ["host", "before", "time"].contains(&key);
    let deed = map.contains_key("operation") && ["action", "host", "fate"].contains(&key);
    let path = ["path", "process"].contains(&key) && map.contains_key("action");
    origin || anomaly || risk || identity || change || deed || path
}

pub(crate) fn any<T: serde::de::DeserializeOwned + std::fmt::Debug>(
    full: impl Fn() -> Value,
) -> impl Strategy<Value = T> {
    prop::collection::vec(any_byte(), 600).prop_map(move |dice| {
        let mut value: Value = full();
        let spare = dice.clone();
        disturb(&mut value, &mut dice.into_iter().chain(spare));
        serde_json::from_value(value).expect("the model reads whatever is left")
    })
}

fn any_byte() -> impl Strategy<Value = u8> {
    proptest::num::u8::ANY
}

pub(crate) fn host() -> impl Strategy<Value = Host> {
    any(host_json)
}

pub(crate) fn alert() -> impl Strategy<Value = Alert> {
    any(alert_json)
}
