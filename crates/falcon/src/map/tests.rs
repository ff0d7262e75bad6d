use chrono::TimeZone as _;
use edr_core::{Severity, Verdict};
use proptest::prelude::*;

use super::*;

fn context() -> Context {
    Context { tenant: "acme".into(), now: Utc.with_ymd_and_hms(2026, 1, 10, 12, 0, 0).unwrap() }
}

fn raw(name: &str) -> Bytes {
    let path = format!("{}/src/map/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Bytes::from(std::fs::read(path).unwrap())
}

fn host_of(name: &str) -> Host {
    let raw = raw(name);
    let mut host = host(&raw, &context()).unwrap();
    assert_eq!(host.raw.as_bytes(), raw);
    host.raw = Raw::default();
    host
}

fn alert_of(name: &str) -> Alert {
    let raw = raw(name);
    let mut alert = alert(&raw, &context()).unwrap();
    assert_eq!(alert.raw.as_bytes(), raw);
    alert.raw = Raw::default();
    alert
}

#[test]
fn hosts() {
    for name in ["windows_laptop", "mac", "linux_ec2", "domain_controller"] {
        insta::assert_json_snapshot!(name, host_of(name));
    }
}

#[test]
fn alerts() {
    for name in ["alert_epp", "alert_idp", "alert_ods", "alert_overwatch", "alert_cwpp"] {
        insta::assert_json_snapshot!(name, alert_of(name));
    }
}

#[test]
fn iocs() {
    for name in ["ioc_file", "ioc_phones"] {
        let raw = raw(name);
        let mut ioc = ioc(&raw, &context()).unwrap();
        assert_eq!(ioc.raw.as_bytes(), raw);
        ioc.raw = Raw::default();
        insta::assert_json_snapshot!(name, ioc);
    }
}

/// A vulnerability without an id in the list of CVE, and with the empty texts that occur.
#[test]
fn software() {
    let payload = raw("application");
    let mut application = application(&payload, &context()).unwrap();
    assert_eq!(application.raw.as_bytes(), payload);
    application.raw = Raw::default();
    insta::assert_json_snapshot!("application", application);
    for name in ["vulnerability", "vulnerability_bare"] {
        let payload = raw(name);
        let mut found = vulnerability(&payload, &context()).unwrap();
        assert_eq!(found.raw.as_bytes(), payload);
        found.raw = Raw::default();
        insta::assert_json_snapshot!(name, found);
    }
}

#[test]
fn audits() {
    type Decode = fn(&Bytes, &Context) -> Result<AuditEvent, Box<Rejected>>;
    for (name, decode) in [("token_event", token_event as Decode), ("remote_session", remote_session)] {
        let payload = raw(name);
        let mut event = decode(&payload, &context()).unwrap();
        assert_eq!(event.raw.as_bytes(), payload);
        event.raw = Raw::default();
        insta::assert_json_snapshot!(name, event);
        assert!(decode(&Bytes::from("{}"), &context()).unwrap_err().reason.contains("no id"));
    }
}

#[test]
fn groups() {
    let payload = raw("host_group");
    let mut group = group(&payload, &context()).unwrap();
    assert_eq!(group.raw.as_bytes(), payload);
    group.raw = Raw::default();
    insta::assert_json_snapshot!("host_group", group);
}

#[test]
fn cases() {
    let raw = raw("case");
    let mut case = case(&raw, &context()).unwrap();
    assert_eq!(case.raw.as_bytes(), raw);
    case.raw = Raw::default();
    insta::assert_json_snapshot!("case", case);
}

#[test]
fn no_key_to_the_tenant_gets_out() {
    let alert = alert_of("alert_epp");
    assert!(!serde_json::to_string(&alert).unwrap().contains("canary"));
}

#[test]
fn a_name_that_contradicts_its_number_counts_and_is_told() {
    let alert = alert_of("alert_overwatch");
    assert_eq!((alert.severity, alert.verdict), (Severity::Medium, Verdict::FalsePositive));
    assert!(alert.anomalies.iter().any(|a| a.field == "severity"));
}

#[test]
fn what_has_no_id_is_rejected_with_what_can_be_read() {
    for (json, uid, says) in [
        (r#"{"hostname":"a"}"#, None, "no device_id"),
        (r#"{"device_id":" "}"#, None, "no device_id"),
        (r#"{"device_id":{"a":1}}"#, None, "no device_id"),
        (r#"{"device_id": "d1", "hostname": }"#, Some("d1"), "cannot be read"),
        ("17", None, "cannot be read"),
        ("", None, "cannot be read"),
        (r#"{"device_id":"d\u00311","x":}"#, None, "cannot be read"),
    ] {
        let raw = Bytes::copy_from_slice(json.as_bytes());
        let rejected = host(&raw, &context()).unwrap_err();
        assert_eq!(rejected.uid.as_deref(), uid, "{json}");
        assert!(rejected.reason.contains(says), "{json}: {}", rejected.reason);
        assert_eq!((rejected.tenant.as_str(), rejected.raw.as_bytes()), ("acme", json.as_bytes()));
    }
}

/// Any JSON under the vendor's own keys.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,12}".prop_map(Into::into),
        "[0-9:.T-]{0,24}".prop_map(Into::into),
        "[0-9a-f-]{0,40}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((key(), inner), 0..6).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

/// The keys that occur in the fixtures.
fn key() -> impl Strategy<Value = String> {
    let mut keys = std::collections::BTreeSet::new();
    for name in ["windows_laptop", "linux_ec2", "alert_epp", "alert_idp", "alert_ods"] {
        collect(&serde_json::from_slice(&raw(name)).unwrap(), &mut keys);
    }
    proptest::sample::select(keys.into_iter().collect::<Vec<_>>())
}

fn collect(value: &serde_json::Value, keys: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                keys.insert(key.clone());
                collect(value, keys);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|v| collect(v, keys)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_json_is_mapped_or_rejected_without_panic(pairs in proptest::collection::vec((key(), value()), 0..20)) {
        let mut map: serde_json::Map<String, serde_json::Value> = pairs.into_iter().collect();
        let bytes = |map: &serde_json::Map<_, _>| Bytes::from(serde_json::to_vec(map).unwrap());
        let _ = (host(&bytes(&map), &context()), alert(&bytes(&map), &context()));
        map.insert("device_id".into(), "d1".into());
        map.insert("composite_id".into(), "c1".into());
        let host = host(&bytes(&map), &context()).unwrap();
        let alert = alert(&bytes(&map), &context()).unwrap();
        prop_assert_eq!((host.uid.as_str(), alert.uid.as_str()), ("d1", "c1"));
        prop_assert!(serde_json::to_string(&host).is_ok() && serde_json::to_string(&alert).is_ok());
    }

    #[test]
    fn any_bytes_are_mapped_or_rejected_without_panic(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        let _ = (host(&bytes, &context()), alert(&bytes, &context()));
    }
}
