use edr_core::{
    Action, AgentHealth, Alert, AlertStatus, Disposition, Host, Platform, Raw, Severity, Verdict,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::{Detection, Shape, detections};
use super::*;

fn context() -> Context {
    Context {
        tenant: "acme".into(),
        vendor: crate::VENDOR,
        tenant_uid: Some("acme.xdr.eu.paloaltonetworks.com".to_owned()),
        now: DateTime::from_timestamp(1_767_300_000, 0).unwrap(),
    }
}

fn read(json: String) -> Alert {
    alert(&context(), Raw::new(json)).unwrap_or_else(|r| panic!("{r:?}"))
}

/// Without what names the vendor's own words, which are those of the shape.
fn plain(alert: &Alert) -> Alert {
    let mut plain = alert.clone();
    plain.raw = Raw::default();
    plain.origins.clear();
    plain
}

#[test]
fn the_five_shapes_of_one_detection_are_one_alert() {
    for detection in detections() {
        let expected = plain(&read(detection.render(Shape::V1Events)));
        for shape in Shape::ALL {
            let mut got = plain(&read(detection.render(shape)));
            if shape.is_flat() && detection.events.len() > 1 {
                // A flat shape carries one event.
                assert_eq!(got.evidences[..], expected.evidences[..1], "{}", detection.kind);
                got.evidences = expected.evidences.clone();
                (got.first_seen, got.last_seen) = (expected.first_seen, expected.last_seen);
            }
            assert_eq!(got, expected, "{}: {shape:?}", detection.kind);
        }
    }
}

#[test]
fn an_issue_is_the_same_alert_on_every_field_that_it_carries() {
    for detection in detections() {
        let (alert, issue) = (read(detection.render(Shape::V1Events)), read(detection.issue()));
        let same = |a: &Alert| {
            let device = a.device.as_ref();
            (
                (a.uid.clone(), a.uid_alt.clone(), a.title.clone(), a.desc.clone(), a.types.clone()),
                (a.time, a.created_time, a.modified_time),
                (a.severity.clone(), a.status.clone(), a.verdict.clone(), a.is_suppressed),
                (a.action.clone(), a.disposition.clone(), a.prevented),
                (a.product_feature.clone(), a.source_vendors.clone(), a.analytic.clone()),
                (a.case_uids.clone(), a.labels.clone(), a.comments.clone()),
                device.map(|d| (d.uid.clone(), d.hostname.clone(), d.ip, d.network_interfaces.clone())),
                device.map(|d| (d.os.clone(), d.agent.clone(), d.groups.clone(), d.tags.clone())),
                a.evidences.first().map(|e| {
                    (e.network.as_ref().map(|n| (n.local.clone(), n.remote.clone())), e.registry.clone())
                }),
                a.evidences
                    .first()
                    .and_then(|e| e.process.as_ref())
                    .map(|p| (p.pid, p.name.clone(), p.cmd_line.clone(), p.hashes.clone())),
                a.evidences.first().and_then(|e| e.user.clone()),
            )
        };
        assert_eq!(same(&issue), same(&alert), "{}", detection.kind);
    }
}

/// The form and the keys of the vendor's example of a reply, with values of our own.
#[test]
fn an_issue_in_its_older_form_is_read_in_full() {
    let issue = read(
        json!({"issue_id": 123, "external_id": "EXT-1", "name": "Shell", "detection_method": "XDR BIOC", "detection_rule_id": "R-9",
            "mitre_tactics": ["COLLECTION"], "mitre_techniques": ["SCREEN_CAPTURE"], "status": "Resolved", "severity": "HIGH",
            "status_resolution_reason": "RESOLVED_OTHER", "status_resolution_comment": "seen before",
            "_insert_time": "2026-01-01T10:30:00Z", "observation_time": 1_767_225_600_000_i64,
            "normalized_fields": {
                "xdm.source.identity.username": "CORP\\ann", "xdm.source.process.causality_id": "Q0dP",
                "xdm.source.process.command_line": "cmd.exe /c run", "xdm.source.process.executable.filename": "cmd.exe",
                "xdm.source.process.executable.path": "C:\\Windows\\cmd.exe", "xdm.source.process.executable.sha256": "a".repeat(64),
                "xdm.source.process.executable.signature_status": "Signed", "xdm.source.host.hostname": "win-1",
                "xdm.source.host.os_family": "Windows", "xdm.source.agent.identifier": "0f3a", "xdm.target.ipv4": ["203.0.113.7"],
                "xdm.target.port": 8080, "xdm.target.process.name": "t.exe", "xdm.target.process.command_line": "t.exe -o",
                "xdm.target.process.executable.path": ["C:\\t.exe"], "xdm.target.process.executable.sha256": "b".repeat(64),
                "xdm.target.process.executable.signature_status": "Signed", "xdm.target.process.executable.signer": ["Contoso"],
            }})
        .to_string(),
    );
    assert_eq!((issue.uid.as_str(), issue.product_feature.as_deref()), ("123", Some("XDR BIOC")));
    assert_eq!((issue.status, issue.verdict), (AlertStatus::Resolved, Verdict::Other("other".to_owned())));
    assert_eq!((issue.comments[0].text.as_str(), issue.attacks.len()), ("seen before", 1));
    assert_eq!(issue.analytic.unwrap().uid.as_deref(), Some("R-9"));
    assert_eq!((issue.group_keys, issue.users.len()), (vec!["Q0dP".to_owned()], 1));
    assert!(issue.time.is_some() && issue.created_time.is_some());
    let process = issue.evidences[0].process.as_ref().unwrap();
    assert_eq!((process.path.as_deref(), process.cmd_line.as_deref()), (Some("C:\\t.exe"), Some("t.exe -o")));
    assert_eq!(process.signature.as_ref().unwrap().signer.as_deref(), Some("Contoso"));
    let parent = process.parent.as_ref().unwrap();
    assert_eq!((parent.name.as_deref(), parent.hashes.sha256.is_some()), (Some("cmd.exe"), true));
    let remote = issue.evidences[0].network.as_ref().unwrap().remote.as_ref().unwrap();
    assert_eq!((remote.ip.unwrap().to_string().as_str(), remote.port), ("203.0.113.7", Some(8080)));
}

fn by_kind(kind: &str) -> Alert {
    let all = detections();
    let found: &Detection = all.iter().find(|d| d.kind == kind).unwrap();
    read(found.render(Shape::V2Events))
}

#[test]
fn a_process_tree_has_its_generations() {
    let alert = by_kind("rule, a process was started");
    let process = alert.evidences[0].process.as_ref().unwrap();
    assert_eq!(process.name.as_deref(), Some("powershell.exe"));
    let parent = process.parent.as_ref().unwrap();
    assert_eq!((parent.name.as_deref(), parent.pid), (Some("svchost.exe"), Some(12)));
    assert_eq!(parent.user.as_ref().unwrap().name.as_deref(), Some("SYSTEM"));
    let ancestry: Vec<_> = process.ancestry.iter().filter_map(|p| p.name.as_deref()).collect();
    assert_eq!(ancestry, ["cmd.exe", "explorer.exe"], "the root is the last, never the parent");
    let simple = by_kind("agent, blocked");
    let process = simple.evidences[0].process.as_ref().unwrap();
    assert!(process.parent.is_none(), "generations between are not known");
    assert_eq!(process.ancestry[0].name.as_deref(), Some("explorer.exe"));
    assert!(process.ancestry[0].created_time.is_some());
    assert_eq!(process.cmd_line.as_deref(), Some("cmd.exe /c \"run\" "), "to the letter");
    let same = by_kind("root that is the actor");
    let process = same.evidences[0].process.as_ref().unwrap();
    assert!(process.ancestry.is_empty() && process.created_time.is_some());
}

#[test]
fn a_firewall_has_no_agent() {
    let device = *by_kind("firewall, no host").device.unwrap();
    assert_eq!((device.uid.as_str(), device.hostname.as_str()), ("", ""));
    assert_eq!(device.ip.unwrap().to_string(), "192.168.2.2");
    assert_eq!(device.os.platform, Platform::Unknown);
    assert!(by_kind("correlation of a third party").device.is_none());
}

#[test]
fn only_the_id_of_an_agent_is_one() {
    let device = |id: &str, rest: Value| {
        let mut json = json!({"alert_id": "1", "source": "PAN NGFW", "endpoint_id": id});
        json.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let alert = read(json.to_string());
        let odd = alert.anomalies.iter().any(|a| a.field == "endpoint_id" && a.value == id);
        let device = alert.device.unwrap();
        (device.uid, device.hostname, odd)
    };
    let hex = "0F3A0f3a0f3a0f3a0f3a0f3a0f3a0f3a";
    let uuid = "0f3a0f3a-0f3a-0f3a-0f3a-0f3a0f3a0f3a";
    for id in [hex, uuid] {
        assert_eq!(device(id, json!({})), (id.to_owned(), String::new(), false));
    }
    let own = |text: &str| text.to_owned();
    assert_eq!(device("PA-VM-01", json!({})), (String::new(), own("PA-VM-01"), true));
    assert_eq!(device("PA-VM-01", json!({"host_name": "fw"})), (String::new(), own("fw"), true));
    assert_eq!(device("192.168.2.2", json!({})), (String::new(), String::new(), false));
    let none = json!({"agent_os_type": "NO_HOST", "host_name": "fw"});
    assert_eq!(device(hex, none), (String::new(), own("fw"), false));
}

/// The provenance of a field with the vendor's word.
fn origin(alert: &Alert, field: &str) -> Option<(String, edr_core::Provenance)> {
    let found = alert.origins.iter().find(|o| o.field == field)?;
    Some((found.vendor_value.as_deref().unwrap_or_default().to_owned(), found.provenance.clone()))
}

#[test]
fn what_is_worked_out_says_so() {
    let derived = |word: &str| Some((word.to_owned(), edr_core::Provenance::Derived));
    let alert = by_kind("connections, several events");
    assert_eq!(origin(&alert, "first_seen"), derived("1767225599000"));
    assert_eq!(origin(&alert, "last_seen"), derived("1767225700000"));
    let third = by_kind("correlation of a third party");
    assert_eq!(origin(&third, "source_vendors"), derived("Someone - VPN"));
    assert_eq!(origin(&third, "analytic.type"), None);
    assert_eq!(origin(&by_kind("rule, a process was started"), "analytic.type"), derived("XDR BIOC"));
    assert_eq!(origin(&alert, "evidences.process"), None);
    let root = json!({"alert_id": "1", "events": [{"causality_actor_process_image_name": "explorer.exe"}]});
    let alert = read(root.to_string());
    assert_eq!(alert.evidences[0].process.as_ref().unwrap().name.as_deref(), Some("explorer.exe"));
    assert_eq!(origin(&alert, "evidences.process"), derived("causality_actor"));
}

#[test]
fn a_port_that_cannot_be_read_is_told() {
    let event =
        json!({"action_remote_ip": "203.0.113.7", "action_remote_port": 70_000, "action_local_port": 0});
    let alert = read(json!({"alert_id": "1", "events": [event]}).to_string());
    let network = alert.evidences[0].network.as_ref().unwrap();
    assert_eq!((network.remote.as_ref().unwrap().port, network.local.as_ref()), (None, None));
    let told: Vec<_> = alert.anomalies.iter().map(|a| (a.field.as_ref(), a.value.as_str())).collect();
    assert_eq!(told, [("action_remote_port", "70000")]);
}

#[test]
fn a_time_in_nanoseconds_is_not_rounded_up() {
    let alert = read(r#"{"alert_id":"1","detection_timestamp":1603279967999999999}"#.to_owned());
    assert_eq!(alert.time.unwrap().timestamp_millis(), 1_603_279_967_999);
}

#[test]
fn states_and_verdicts() {
    let blocked = by_kind("agent, blocked");
    assert_eq!((blocked.severity, blocked.status), (Severity::Critical, AlertStatus::New));
    assert_eq!(
        (blocked.action, blocked.disposition, blocked.prevented),
        (Action::Denied, Disposition::Blocked, Some(true))
    );
    let resolved = by_kind("registry");
    assert_eq!((resolved.status, resolved.verdict), (AlertStatus::Resolved, Verdict::TruePositive));
    assert_eq!(resolved.comments[0].text, "cleaned");
    let hidden = by_kind("identity");
    assert_eq!((hidden.status, hidden.is_suppressed), (AlertStatus::Suppressed, Some(true)));
    let third = by_kind("correlation of a third party");
    assert_eq!((third.source_vendors, third.attacks.len()), (vec!["Someone".to_owned()], 0));
    let urls = by_kind("indicator with addresses of the web");
    assert_eq!((urls.iocs.len(), urls.iocs[0].kind.as_str()), (2, "url"));
    assert_eq!(urls.group_keys, ["tok-1", "tok-2", "Q0dP"]);
    assert_eq!(urls.case_uids, ["41"]);
}

#[test]
fn what_cannot_be_put_together_is_told() {
    let alert = read(
        json!({"alert_id": "1", "action_remote_ip": ["203.0.113.1", "203.0.113.2", "203.0.113.3"], "action_remote_port": [80, 443],
            "detection_timestamp": 19_999_999_999_999_i64, "actor_process_image_name": ["a.exe"], "actor_process_image_sha256": ["<sha>"]})
        .to_string(),
    );
    assert_eq!(alert.evidences.len(), 3);
    let remote = |e: &edr_core::Evidence| e.network.as_ref().unwrap().remote.as_ref().unwrap().port;
    assert!(alert.evidences.iter().all(|e| remote(e).is_none()), "no port is guessed");
    let told: Vec<&str> = alert.anomalies.iter().map(|a| a.field.as_ref()).collect();
    assert_eq!(told, ["detection_timestamp", "actor_process_image_sha256", "action_remote_port"]);
    assert_eq!(alert.time, None);
}

#[test]
fn an_alert_without_a_readable_id_is_rejected() {
    for (json, uid) in [
        (r#"{"alert_id":{"broken":1}}"#, None),
        (r#"{"name":"x"}"#, None),
        (r#"{"alert_id":"17","#, Some("17")),
        ("[]", None),
    ] {
        let rejected = alert(&context(), Raw::new(json)).unwrap_err();
        assert_eq!((rejected.uid.as_deref(), rejected.tenant.as_str()), (uid, "acme"), "{json}");
        assert_eq!(rejected.raw.as_str(), Some(json));
    }
}

fn host_of(value: Value) -> Host {
    host(&context(), Raw::new(value.to_string())).unwrap_or_else(|r| panic!("{r:?}"))
}

fn endpoint(changes: &Value) -> Value {
    let mut endpoint = json!({
        "endpoint_id": "0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a", "endpoint_name": "WIN-01", "endpoint_type": "AGENT_TYPE_WORKSTATION",
        "endpoint_status": "CONNECTED", "os_type": "AGENT_OS_WINDOWS", "os_version": "10.0.22631",
        "operating_system": "Windows 11 Pro 64-bit", "ip": ["10.0.0.5"], "ipv6": null, "public_ip": "198.51.100.9",
        "users": ["CORP\\ann"], "domain": "corp.example", "alias": "", "first_seen": 1_760_000_000_000_i64,
        "last_seen": 1_767_225_600_000_i64, "install_date": 1_760_000_000_000_i64, "content_version": "1980-1",
        "endpoint_version": "8.5.0.1", "is_isolated": "AGENT_UNISOLATED", "isolated_date": null, "group_name": ["Finance"],
        "operational_status": "PROTECTED", "operational_status_description": "[{\"name\": \"generalStatus\"}]",
        "mac_address": ["00:11:22:33:44:55"], "assigned_prevention_policy": "Strict", "assigned_extensions_policy": "Default",
        "active_directory": "OU=Finance", "tags": {"server_tags": ["gold"], "endpoint_tags": ["a", "b"]},
    });
    endpoint.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    endpoint
}

#[test]
fn hosts_of_all_platforms() {
    let hosts = [
        endpoint(&json!({})),
        endpoint(
            &json!({"endpoint_id": "b1", "endpoint_name": "mac-1", "os_type": "AGENT_OS_MAC", "os_version": "14.5", "operating_system": null,
            "endpoint_type": "AGENT_TYPE_LAPTOP", "ip": "10.0.0.6,10.9.0.6", "ipv6": ["2001:db8::6"], "users": "ann,bob", "domain": "WORKGROUP",
            "alias": "Ann's Mac", "is_isolated": "AGENT_ISOLATED", "isolated_date": "1767225600000", "active_directory": ["OU=A", "OU=B"],
            "tags": "production,critical"}),
        ),
        endpoint(
            &json!({"endpoint_id": "b2", "endpoint_name": "node-1", "os_type": "AGENT_OS_LINUX", "endpoint_type": "AGENT_TYPE_SERVER",
            "operating_system": "Ubuntu 22.04", "os_version": "5.15.0", "cloud_provider": "AWS", "cloud_region": "eu-west-3",
            "cloud_provider_account_id": "123456789012", "cloud_instance_id": "i-0abc", "operational_status": "PARTIALLY_PROTECTED",
            "endpoint_status": "LOST", "is_isolated": "AGENT_PENDING_ISOLATION_CANCELLATION", "users": null, "group_name": null, "tags": null,
            "mac_address": ["00:00:00:00:00:00", "junk"], "active_directory": null, "last_seen": 99_999_999_999_999_i64}),
        ),
        endpoint(
            &json!({"endpoint_id": "b3", "os_type": "AGENT_OS_ANDROID", "endpoint_type": "AGENT_TYPE_MOBILE", "operating_system": "",
            "operational_status": "UNPROTECTED", "endpoint_status": "UNINSTALLED", "ip": null, "mac_address": null}),
        ),
        endpoint(
            &json!({"endpoint_id": "b4", "os_type": "AGENT_OS_SERVERLESS", "endpoint_type": "AGENT_TYPE_KUBERNETES_NODE",
            "endpoint_status": "VDI_PENDING_LOG_ON", "is_isolated": "odd", "operational_status": "odd"}),
        ),
        json!({"agent_id": "b5", "agent_status": "Disconnected", "host_name": "EX-1", "agent_type": "Server", "ip": ["10.0.0.9"]}),
    ];
    let mut mapped: Vec<Value> =
        hosts.into_iter().map(|h| serde_json::to_value(host_of(h)).unwrap()).collect();
    mapped.iter_mut().for_each(|h| drop(h.as_object_mut().unwrap().remove("raw")));
    insta::assert_json_snapshot!("hosts", mapped);
}

#[test]
fn an_alert_in_full() {
    let mut alert = serde_json::to_value(by_kind("connections, several events")).unwrap();
    drop(alert.as_object_mut().unwrap().remove("raw"));
    insta::assert_json_snapshot!("alert", alert);
}

#[test]
fn a_host_keeps_what_it_came_from() {
    let host = host_of(endpoint(&json!({"operational_status": "UNPROTECTED"})));
    assert_eq!(host.agent.health, AgentHealth::Unprotected);
    assert_eq!(host.tenant_uid.as_deref(), Some("acme.xdr.eu.paloaltonetworks.com"));
    assert_eq!(host.console_url, None, "no form of a console link is known");
    assert!(host.raw.as_str().unwrap().contains("generalStatus"));
    let origin = host.origins.iter().find(|o| o.field == "agent.health").unwrap();
    assert_eq!(origin.vendor_value.as_deref(), Some("UNPROTECTED"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,12}".prop_map(Into::into),
        "(TA?[0-9]{4}(\\.[0-9]{3})? - )?[A-Z_:, -]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map("[a-z_]{0,8}", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// A detection or endpoint with some of its values replaced by anything.
fn distorted(base: Value) -> impl Strategy<Value = Value> {
    let keys: Vec<String> = base.as_object().unwrap().keys().cloned().collect();
    prop::collection::vec((prop::sample::select(keys), any_json()), 0..12).prop_map(move |changes| {
        let mut value = base.clone();
        value.as_object_mut().unwrap().extend(changes);
        value
    })
}

fn record_of(at: usize, shape: Shape) -> Value {
    serde_json::from_str(&detections()[at].render(shape)).unwrap()
}

proptest! {
    #[test]
    fn any_json_is_mapped_or_rejected(value in any_json()) {
        let _ = alert(&context(), Raw::new(value.to_string()));
        let _ = host(&context(), Raw::new(value.to_string()));
    }

    #[test]
    fn any_distorted_alert_is_mapped_or_rejected(value in distorted(record_of(2, Shape::V2Events))) {
        let raw = Raw::new(value.to_string());
        match alert(&context(), raw.clone()) {
            Ok(mapped) => prop_assert_eq!(mapped.raw, raw),
            Err(rejected) => prop_assert!(!rejected.reason.is_empty()),
        }
    }

    #[test]
    fn any_distorted_host_is_mapped_or_rejected(value in distorted(endpoint(&json!({})))) {
        match host(&context(), Raw::new(value.to_string())) {
            Ok(mapped) => prop_assert!(!mapped.uid.is_empty()),
            Err(rejected) => prop_assert!(!rejected.reason.is_empty()),
        }
    }

    #[test]
    fn any_distorted_audit_or_finding_is_mapped_or_rejected(
        log in distorted(console_row()), report in distorted(agent_row()), finding in distorted(finding_row())
    ) {
        let raw = |value: &Value| Raw::new(value.to_string());
        for event in [management_log(&context(), raw(&log)), agent_report(&context(), raw(&report))] {
            match event {
                Ok(mapped) => prop_assert!(!mapped.uid.is_empty()),
                Err(rejected) => prop_assert!(!rejected.reason.is_empty()),
            }
        }
        match vulnerability(&context(), raw(&finding)) {
            Ok(mapped) => prop_assert_eq!(mapped.raw, raw(&finding)),
            Err(rejected) => prop_assert!(!rejected.reason.is_empty()),
        }
    }

    #[test]
    fn any_bytes_are_rejected_without_panic(bytes: Vec<u8>) {
        let _ = alert(&context(), Raw::new(bytes.clone()));
        let _ = host(&context(), Raw::new(bytes));
    }
}

/// Without what is the same in every item.
fn case_of(json: &Value, map: fn(&Context, Raw) -> Result<edr_core::Case, Box<Rejected>>) -> edr_core::Case {
    let mut case = map(&context(), Raw::new(json.to_string())).unwrap_or_else(|r| panic!("{r:?}"));
    assert_eq!(case.raw.as_bytes(), json.to_string().as_bytes());
    case.raw = Raw::default();
    case
}

#[test]
fn an_incident_is_a_case() {
    let json = json!({"incident_id": "389", "incident_name": null, "description": "'X' generated by XDR Agent",
        "manual_description": null, "creation_time": 1_767_200_000_000_i64, "modification_time": 1_767_210_000_000_i64,
        "detection_time": null, "resolved_timestamp": 1_767_220_000_000_i64, "status": "RESOLVED_DUPLICATE_INCIDENT",
        "severity": "medium", "manual_severity": "high", "manual_score": null, "aggregated_score": 71,
        "predicted_score": 50, "assigned_user_mail": "ann@corp.example", "assigned_user_pretty_name": "Ann Berg",
        "alert_count": "7", "hosts": ["win-7:0f3a", "a:b:null"], "users": ["corp\\bob"], "starred": true,
        "tags": "DS:PANW", "mitre_tactics_ids_and_names": ["TA0002 - Execution"],
        "mitre_techniques_ids_and_names": ["T1059.001 - Command and Scripting Interpreter: PowerShell"],
        "comments": [{"value": "as 388", "created_by": "ann", "created_time": 1_767_219_000_000_i64}, {"value": null}],
        "resolve_comment": "the same", "xdr_url": "https://acme.xdr.eu.paloaltonetworks.com/incident-view?caseId=389"});
    insta::assert_json_snapshot!("incident", case_of(&json, incident));
}

#[test]
fn a_case_is_a_case() {
    let json = json!({"case_id": 389, "case_name": "X", "description": "'X' generated by XDR Agent",
        "creation_time": "2026-01-01T10:00:00Z", "modification_time": 1_767_210_000_000_i64, "severity": "info",
        "user_severity": null, "status_progress": "Resolved", "resolve_reason": "Resolved - Other",
        "assigned_user_mail": null, "issue_count": 2, "issue_ids": [11, 12], "hosts": ["win-7"], "users": null,
        "tags": [], "starred": "false", "xdr_url": null});
    insta::assert_json_snapshot!("case", case_of(&json, case));
    let odd = case_of(
        &json!({"case_id": "7", "status_progress": "Waiting", "resolve_reason": "Resolved - Other"}),
        case,
    );
    assert_eq!((odd.status.as_str(), odd.verdict), ("Waiting", Verdict::Unknown));
}

#[test]
fn rules_are_indicators() {
    let rule = |json: Value| {
        let mut ioc = ioc(&context(), Raw::new(json.to_string())).unwrap_or_else(|r| panic!("{r:?}"));
        ioc.raw = Raw::default();
        ioc
    };
    let found = rule(
        json!({"rule_id": 7, "indicator": "AB".repeat(32), "type": "HASH", "severity": "SEV_040_HIGH",
        "reputation": "BAD", "reliability": "A", "status": "DISABLED", "expiration_date": 1_800_000_000_000_i64,
        "comment": "seen", "modify_time": 1_767_210_000_000_i64}),
    );
    insta::assert_json_snapshot!("rule", found);
    for (value, kind, form) in [
        ("10.0.0.5", "IP", "ipv4"),
        ("2001:db8::1", "IP", "ipv6"),
        ("10.0.0.0/8", "IP", "ip"),
        ("a1", "HASH", "hash"),
        ("a.exe", "FILENAME", "file_name"),
        ("x", "NEW_KIND", "NEW_KIND"),
    ] {
        assert_eq!(
            rule(json!({"rule_id": 1, "indicator": value, "type": kind})).kind.as_str(),
            form,
            "{value}"
        );
    }
    for (end, told) in [(json!(-1), "never"), (json!("Never"), "never"), (Value::Null, "vendor_default")] {
        let ioc = rule(json!({"RULE_ID": 1, "indicator": "x", "RULE_EXPIRATION_TIME": end}));
        assert_eq!(ioc.expiration.to_string(), told);
    }
    assert_eq!(ioc(&context(), Raw::new("{}")).unwrap_err().noun, Noun::Ioc);
    assert_eq!(case(&context(), Raw::new(r#"{"case_id":{}}"#)).unwrap_err().noun, Noun::Case);
}

fn console_row() -> Value {
    json!({"AUDIT_ID": 501, "AUDIT_OWNER_NAME": "Ann Berg", "AUDIT_OWNER_EMAIL": "ann@corp.example",
        "AUDIT_ASSET_JSON": "{\"a\":1}", "AUDIT_ASSET_NAMES": "win-7", "AUDIT_HOSTNAME": "win-7", "AUDIT_RESULT": "FAIL",
        "AUDIT_REASON": "not connected", "AUDIT_DESCRIPTION": "Isolate endpoint", "AUDIT_ENTITY": "RESPONSE",
        "AUDIT_ENTITY_SUBTYPE": "Isolate", "AUDIT_SESSION_ID": "s1", "AUDIT_CASE_ID": 389,
        "AUDIT_INSERT_TIME": 1_767_210_000_000_i64, "AUDIT_SEVERITY": "SEV_010_INFO", "AUDIT_SOURCE_IP": "203.0.113.7",
        "AUDIT_USER_ROLES": "Instance Administrator"})
}

fn agent_row() -> Value {
    json!({"TIMESTAMP": 1_767_210_000_000.463_1, "RECEIVEDTIME": 1_767_210_001_200.25, "ENDPOINTID": "0f3a",
        "ENDPOINTNAME": "win-7", "DOMAIN": "WORKGROUP", "TRAPSVERSION": "8.4.0.51588", "SEVERITY": "SEV_030_MEDIUM",
        "CATEGORY": "status", "TYPE": "Installation", "SUBTYPE": "Install", "RESULT": "SUCCESS", "REASON": null,
        "DESCRIPTION": "XDR Agent was installed"})
}

fn finding_row() -> Value {
    json!({"platform_id": "f00d", "cve_id": "CVE-2025-0001", "cve_description": "Use after free",
        "asset_id": "a1", "asset_name": "win-7", "asset_type": "ENDPOINT", "asset_type_class": "Compute",
        "operating_system": "Windows 11", "os_family": "AGENT_OS_WINDOWS", "cvss_score": 8.8, "cvss_severity": "HIGH",
        "epss_score": 0.91, "has_kev": true, "exploit_level": "WEAPONIZED", "fix_available": "true",
        "fix_versions": ["131.0.1"], "remediation": "Install Chrome 131.0.1 or newer",
        "affected_software": ["Chrome 130.0", "Chromium"], "package_version": "130.0",
        "cve_publish_date": 1_735_700_000_000_i64, "first_observed": 1_767_210_000_000_i64,
        "last_observed": 1_767_220_000_000_i64})
}

#[test]
fn audits_are_events() {
    let read = |json: &Value, decode: fn(&Context, Raw) -> Result<edr_core::AuditEvent, Box<Rejected>>| {
        let mut event = decode(&context(), Raw::new(json.to_string())).unwrap_or_else(|r| panic!("{r:?}"));
        assert_eq!(event.raw.as_bytes(), json.to_string().as_bytes());
        event.raw = Raw::default();
        event
    };
    let log = console_row();
    insta::assert_json_snapshot!("management_log", read(&log, management_log));
    let report = agent_row();
    let event = read(&report, agent_report);
    insta::assert_json_snapshot!("agent_report", event);
    assert_eq!(read(&report, agent_report).uid, event.uid, "the same report is the same event");
    let mut later = report.clone();
    later["TIMESTAMP"] = json!(1_767_210_000_000.5);
    assert_ne!(read(&later, agent_report).uid, event.uid);
    let bare = read(&json!({"AUDIT_ID": "7"}), management_log);
    assert_eq!((bare.actor, bare.host, bare.result), (None, None, edr_core::AuditResult::Unknown));
    let nothing = agent_report(&context(), Raw::new("{}")).unwrap_err();
    assert_eq!((nothing.noun, nothing.reason.as_str()), (Noun::AuditEvent, "it says nothing"));
    assert!(management_log(&context(), Raw::new(r#"{"AUDIT_ENTITY":"AUTH"}"#)).is_err());
}

#[test]
fn findings_are_vulnerabilities() {
    let read = |json: &Value| {
        let raw = Raw::new(json.to_string());
        let mut found = vulnerability(&context(), raw).unwrap_or_else(|r| panic!("{r:?}"));
        found.raw = Raw::default();
        found
    };
    let finding = finding_row();
    insta::assert_json_snapshot!("finding", read(&finding));
    let image = read(&json!({"platform_id": "1", "cve_id": "GHSA-x", "asset_name": "web:latest",
        "asset_type_class": "Container Image", "cvss_severity": "NONE", "exploit_level": "RUMOURED"}));
    assert_eq!((image.host, image.cve, image.name.as_str()), (edr_core::HostRef::default(), None, "GHSA-x"));
    assert_eq!((image.severity, image.is_exploit_available), (Severity::Informational, None));
    for (word, severity) in [
        ("SEV_070_CRITICAL", Severity::Critical),
        ("SEV_030_MEDIUM", Severity::Medium),
        ("SEV_090_UNKNOWN", Severity::Unknown),
        ("UNKNOWN", Severity::Unknown),
        ("odd", Severity::Other("odd".to_owned())),
    ] {
        assert_eq!(read(&json!({"platform_id": "1", "cvss_severity": word})).severity, severity, "{word}");
    }
    let nameless = vulnerability(&context(), Raw::new(r#"{"cve_id":"CVE-2025-0001"}"#)).unwrap_err();
    assert_eq!((nameless.noun, nameless.uid), (Noun::Vulnerability, None));
}
