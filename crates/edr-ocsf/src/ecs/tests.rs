use std::collections::BTreeMap;

use edr_core::{Attack, Evidence, NetworkInterface, Process};

use super::*;

fn noon() -> DateTime<Utc> {
    "2026-01-08T12:00:00Z".parse().unwrap()
}

fn fixture_host() -> Host {
    let mut host = Host::new("falcon", "acme", "0f3a", "{}");
    host.hostname = "ANN-NB01".into();
    host.tenant_uid = Some("c1d2".into());
    host.os.platform = Platform::Windows;
    host.os.name = Some("Windows 11".into());
    host.ip = "10.1.2.3".parse().ok();
    let mac = Some("14-7D-DA-AD-AC-71".to_owned());
    host.network_interfaces = vec![NetworkInterface { name: None, ip: host.ip, mac }];
    host.last_seen = "2026-01-08T11:00:00.5Z".parse().ok();
    host
}

use edr_core::{Platform, Severity};

fn entry(uid: &str) -> Option<edr_core::AttackRef> {
    Some(edr_core::AttackRef { uid: Some(uid.to_owned()), name: None })
}

fn fixture_alert() -> Alert {
    let mut alert = Alert::new("falcon", "acme", "a:1", "{}");
    alert.title = "PowerShell".into();
    alert.severity = Severity::High;
    alert.device = Some(Box::new(fixture_host()));
    alert.attacks = vec![Attack {
        tactic: entry("TA0002"),
        technique: entry("T1059"),
        sub_technique: entry("T1059.001"),
    }];
    let parent = Process { pid: Some(7), name: Some("explorer.exe".into()), ..Process::default() };
    let mut process = Process { pid: Some(42), uid: Some("pid:0f3a:9".into()), ..Process::default() };
    process.parent = Some(Box::new(parent));
    alert.evidences = vec![Evidence { process: Some(process), ..Evidence::default() }];
    alert
}

#[test]
fn a_host_is_an_asset_with_a_name_in_lower_case() {
    let document = host(&fixture_host(), noon());
    for (field, value) in [
        ("host.name", "ann-nb01"),
        ("host.hostname", "ANN-NB01"),
        ("host.os.type", "windows"),
        ("event.kind", "asset"),
        ("organization.name", "acme"),
        ("organization.id", "c1d2"),
        ("@timestamp", "2026-01-08T11:00:00.500Z"),
        ("edr.containment_state", "unknown"),
    ] {
        assert_eq!(document.field(field).and_then(Value::as_str), Some(value), "{field}");
    }
    assert_eq!(document.field("host.mac").unwrap()[0], "14-7D-DA-AD-AC-71");
    assert_eq!(document.time(), 1_767_870_000_500);
}

#[test]
fn an_alert_has_its_sub_technique_apart_and_its_parent_below() {
    let document = alert(&fixture_alert(), noon());
    assert_eq!(document.field("event.severity").unwrap(), 73);
    assert_eq!(document.field("threat.framework").unwrap(), "MITRE ATT&CK");
    assert_eq!(document.field("threat.technique.id").unwrap()[0], "T1059");
    assert_eq!(document.field("threat.technique.subtechnique.id").unwrap()[0], "T1059.001");
    assert_eq!(document.field("process.pid").unwrap(), 42);
    assert_eq!(document.field("process.parent.name").unwrap(), "explorer.exe");
    assert_eq!(document.field("event.category").unwrap()[1], "process");
    assert_eq!(document.field("@timestamp").unwrap(), "2026-01-08T12:00:00.000Z");
    let value = document.into_value();
    assert_eq!(value["process"]["parent"]["pid"], 7);
}

#[test]
fn severities_are_those_of_elastic() {
    let number = |severity: Severity| {
        let mut item = fixture_alert();
        item.severity = severity;
        alert(&item, noon()).field("event.severity").and_then(Value::as_u64)
    };
    let known =
        [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    assert_eq!(known.map(number), [Some(21), Some(21), Some(47), Some(73), Some(99)]);
    assert_eq!(number(Severity::Unknown), None);
    assert_eq!(number(Severity::Other("odd".into())), None);
}

#[test]
fn ids_of_crowdstrikes_own_framework_are_no_attack_ids() {
    let mut item = fixture_alert();
    item.types = ["CSTA0004", "Machine Learning", "CST0007", "CSTART12"].map(str::to_owned).to_vec();
    assert_eq!(alert(&item, noon()).field("threat.framework").unwrap(), "MITRE ATT&CK");
    item.attacks.clear();
    let document = alert(&item, noon());
    assert_eq!(document.field("threat.framework").unwrap(), "CrowdStrike Falcon Detections Framework");
    assert_eq!(*document.field("threat.tactic.id").unwrap(), serde_json::json!(["CSTA0004"]));
    assert_eq!(*document.field("threat.technique.id").unwrap(), serde_json::json!(["CST0007"]));
    item.types.clear();
    assert!(alert(&item, noon()).field("threat.framework").is_none());
}

#[test]
fn a_name_without_an_id_is_of_no_framework() {
    let mut item = fixture_alert();
    let named = edr_core::AttackRef { uid: None, name: Some("Abuse Elevation".to_owned()) };
    item.attacks = vec![Attack { technique: Some(named), ..Attack::default() }];
    let document = alert(&item, noon());
    assert_eq!(document.field("threat.technique.name").unwrap()[0], "Abuse Elevation");
    assert!(document.field("threat.framework").is_none());
}

#[test]
fn a_family_that_the_schema_does_not_know_is_the_platform_alone() {
    for (platform, family) in [
        (Platform::Ipados, Some("ios")),
        (Platform::Macos, Some("macos")),
        (Platform::Unknown, None),
        (Platform::Other("AGENT_OS_SERVERLESS".into()), None),
        (Platform::Other("unix".into()), Some("unix")),
    ] {
        let mut item = fixture_host();
        item.os.platform = platform.clone();
        let document = host(&item, noon());
        assert_eq!(document.field("host.os.type").and_then(Value::as_str), family, "{platform:?}");
        let word = Some(platform.as_str()).filter(|word| *word != "unknown");
        assert_eq!(document.field("host.os.platform").and_then(Value::as_str), word);
    }
}

#[test]
fn the_first_user_is_the_user_and_all_are_related() {
    let mut item = fixture_alert();
    let named = |name: &str, domain: Option<&str>| User {
        name: Some(name.to_owned()),
        domain: domain.map(str::to_owned),
        ..User::default()
    };
    item.users = vec![named("ann", None), named("bob", Some("CORP"))];
    let document = alert(&item, noon());
    assert_eq!(document.field("user.name").unwrap(), "ann");
    assert!(document.field("user.domain").is_none(), "the domain is the other one's");
    assert_eq!(document.field("related.user").unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn the_list_of_fields_is_sorted_and_no_field_is_an_object_as_well() {
    let names: Vec<&str> = FIELDS.iter().map(|f| f.name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    let kinds: BTreeMap<&str, FieldType> = FIELDS.iter().map(|f| (f.name, f.kind)).collect();
    for name in names {
        let parents = name.match_indices('.').map(|(at, _)| &name[..at]);
        assert!(parents.into_iter().all(|parent| !kinds.contains_key(parent)), "{name}");
    }
}
