//! The other nouns with everything in them, and with anything taken away or changed.

use edr_core::{Application, Case, ContainmentChange, Deed, Ioc, Raw, Vulnerability};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::model::{any, host_json};

fn user() -> Value {
    json!({"name": "ann", "domain": "CORP", "uid": "S-1-5-21-1", "email": "ann@corp.example", "kind": "user"})
}

fn host() -> Value {
    json!({"uid": "0f3a", "hostname": "ANN-NB01", "domain": "corp.example", "platform": "windows", "os": "Windows 11"})
}

/// What every noun ends with.
fn ended(mut noun: Value) -> Value {
    let rest = json!({
        "tenant": "acme", "vendor": "falcon", "uid": "u1", "tenant_uid": "c1d2",
        "origins": [{"field": "severity", "vendor_value": "SEV_060_HIGH", "provenance": "converted"}],
        "anomalies": [{"field": "end", "value": "2610-01-05", "reason": "in the future"}],
    });
    if let (Some(noun), Value::Object(rest)) = (noun.as_object_mut(), rest) {
        noun.extend(rest);
    }
    noun
}

fn case_json() -> Value {
    ended(json!({
        "uid_alt": "x1", "title": "Two alerts", "desc": "They belong together", "created_time": "2026-01-02T03:04:05Z",
        "modified_time": "2026-01-03T03:04:05Z", "first_seen": "2026-01-02T03:00:00Z", "last_seen": "2026-01-02T03:02:00Z",
        "resolved_time": "2026-01-03T03:04:05Z", "severity": "high", "score": 73.5, "status": "on_hold", "verdict": "true_positive",
        "assignee": user(), "alert_count": 2, "alert_uids": ["a1", "a2"], "is_starred": true, "labels": ["gold"],
        "hosts": [{"uid": "0f3a", "hostname": "ANN-NB01"}, {"hostname": "BOB-NB02"}], "users": [user()],
        "attacks": [{"tactic": {"uid": "TA0002", "name": "Execution"}, "technique": {"uid": "T1059"}}],
        "comments": [{"text": "hm", "author": "ann", "time": "2026-01-02T03:04:05Z"}], "console_url": "https://console.example/c",
    }))
}

fn vulnerability_json() -> Value {
    ended(json!({
        "name": "CVE-2026-0001", "cve": "CVE-2026-0001", "desc": "A hole", "severity": "critical", "priority": "high",
        "cvss": {"base_score": 9.8, "version": "3.1", "vector": "CVSS:3.1/AV:N"}, "cwes": ["CWE-787"],
        "is_known_exploited": true, "is_exploit_available": true, "is_fix_available": true, "is_suppressed": false,
        "fixes": [{"uid": "f1", "title": "Update", "action": "Install 2.0", "url": "https://vendor.example/fix"}, {"uid": "f2"}],
        "status": "open", "host": host(), "packages": [{"publisher": "Acme", "name": "thing", "version": "1.0"}, {"name": "other"}],
        "created_time": "2026-01-02T03:04:05Z", "modified_time": "2026-01-03T03:04:05Z", "closed_time": "2026-01-04T03:04:05Z",
        "published_time": "2026-01-01T00:00:00Z", "references": ["https://cve.example/1"],
    }))
}

fn application_json() -> Value {
    ended(json!({
        "name": "curl", "publisher": "curl project", "version": "8.1", "category": "Tools", "type": "extension", "browser": "none",
        "architectures": ["x64", "arm64"], "paths": ["C:\\Tools\\curl.exe"], "file_name": "curl.exe", "file_hash": "ab".repeat(32),
        "is_suspicious": false, "host": host(), "last_user": user(), "last_used": "2026-01-02T03:04:05Z",
        "installed": "2025-01-02T03:04:05Z", "first_seen": "2025-01-02T03:04:05Z", "modified_time": "2026-01-02T03:04:05Z",
    }))
}

fn ioc_json() -> Value {
    ended(json!({
        "type": "sha256", "value": "ab".repeat(32), "action": "block", "severity": "high", "expiration": "2026-06-01T00:00:00Z",
        "platforms": ["windows"], "is_global": false, "groups": [{"uid": "g1", "name": "Laptops"}], "is_enabled": true,
        "is_expired": false, "tags": ["feed"], "desc": "Seen in a campaign", "source": "a feed", "reputation": "BAD",
        "file_name": "dropper.exe", "reliability": "A", "created_time": "2026-01-02T03:04:05Z", "created_by": "ann", "modified_time": "2026-01-03T03:04:05Z",
        "modified_by": "bob",
    }))
}

fn change_json() -> Value {
    json!({"host": host_json(), "before": "normal", "time": "2026-01-02T03:04:05Z"})
}

fn deed_json(action: &Value, fate: &Value) -> Value {
    json!({
        "tenant": "acme", "vendor": "cortex", "operation": "019cb7a1-0000-7000-8000-00000000000a", "action": action,
        "because": {"reason": "malware", "ticket": "T-1", "case_uid": "7"}, "by": "ann@soc", "host": host(), "fate": fate,
        "requested": "2026-01-02T03:04:05Z", "as_of": "2026-01-02T03:05:05Z", "handle": "121", "trace_id": "t1",
    })
}

fn actions() -> Vec<Value> {
    vec![
        json!({"action": "contain"}),
        json!({"action": "release"}),
        json!({"action": "fetch_file", "path": "/etc/passwd"}),
        json!({"action": "kill_process", "process": {"pid": 12}}),
        json!({"action": "kill_process", "process": {"uid": "AAAA=="}}),
        json!({"action": "quarantine_file", "path": "C:\\a.exe", "sha256": "ab".repeat(32)}),
        json!({"action": "quarantine_file", "path": "C:\\a.exe"}),
        json!({"action": "run_script", "script": "collect", "args": [["token", "hunter2"]]}),
        json!({"action": "scan", "paths": ["/tmp"]}),
        json!({"action": "tag", "tags": ["web"]}),
        json!({"action": "untag", "tags": ["web"]}),
    ]
}

fn fates() -> Vec<Value> {
    let taken =
        |standing: &str| json!({"fate": "taken", "standing": standing, "reason": "because", "word": "odd"});
    let words = [
        "cancelled",
        "done",
        "expired",
        "failed",
        "partial",
        "pending",
        "pending_offline",
        "running",
        "unknown",
    ];
    let refused = |kind: &str| json!({"fate": "refused", "kind": kind, "reason": "no"});
    let others = [json!({"fate": "already"}), json!({"fate": "refused", "reason": "no"})];
    let kinds = ["unsupported", "not_found", "conflict"].map(refused);
    words.into_iter().map(taken).chain(others).chain(kinds).collect()
}

/// Every action with every fate.
pub(crate) fn deeds() -> Vec<Deed> {
    let read = |value| serde_json::from_value(value).expect("the model reads itself");
    let fates = fates();
    actions().iter().flat_map(|action| fates.iter().map(move |fate| read(deed_json(action, fate)))).collect()
}

macro_rules! full {
    ($($name:ident: $kind:ty = $json:ident;)+) => {$(
        pub(crate) fn $name() -> $kind {
            let mut noun: $kind = serde_json::from_value($json()).expect("the model reads itself");
            noun.raw = Raw::new("{\"id\":1}");
            noun
        }
    )+};
}

full! {
    full_application: Application = application_json;
    full_case: Case = case_json;
    full_ioc: Ioc = ioc_json;
    full_vulnerability: Vulnerability = vulnerability_json;
}

pub(crate) fn full_change() -> ContainmentChange {
    serde_json::from_value(change_json()).expect("the model reads itself")
}

pub(crate) fn application() -> impl Strategy<Value = Application> {
    any(application_json)
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    any(case_json)
}

pub(crate) fn ioc() -> impl Strategy<Value = Ioc> {
    any(ioc_json)
}

pub(crate) fn vulnerability() -> impl Strategy<Value = Vulnerability> {
    any(vulnerability_json)
}

pub(crate) fn change() -> impl Strategy<Value = ContainmentChange> {
    any(change_json)
}

pub(crate) fn deed() -> impl Strategy<Value = Deed> {
    let (actions, fates) = (actions(), fates());
    (0..actions.len(), 0..fates.len()).prop_flat_map(move |(action, fate)| {
        let full = deed_json(&actions[action], &fates[fate]);
        any(move || full.clone())
    })
}
