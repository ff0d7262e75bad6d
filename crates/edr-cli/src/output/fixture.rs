//! Fixed records for the tests of the formats.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use edr::core::*;
use edr::{Alert, Host};

use super::style::Palette;
use super::time::Zone;
use super::{Format, View};

pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 8, 12, 0, 0).unwrap()
}

pub(crate) fn view(format: Format) -> View {
    View { format, columns: None, zone: Zone::Utc, palette: Palette(false), width: 100, now: now() }
}

pub(crate) fn user(domain: &str, name: &str) -> User {
    User { name: Some(name.into()), domain: Some(domain.into()), kind: UserKind::User, ..User::default() }
}

/// A host with every field that a column shows.
pub(crate) fn host() -> Host {
    let some = |text: &str| Some(text.to_owned());
    let mut h = Host::new("falcon", "acme", "0f3a5c7e9b1d4f6a8c0e2b4d6f8a1c3e", r#"{"device_id":"0f3a"}"#);
    h.tenant_uid = some("CID-1");
    h.hostname = "WIN-BUILD-01".into();
    h.name = some("Build server");
    h.domain = some("corp.example");
    h.ou = vec!["Servers".into()];
    h.site = some("Paris");
    h.kind = HostType::Server;
    h.roles = vec!["build".into()];
    h.os = Os {
        platform: Platform::Windows,
        name: some("Windows Server 2022"),
        version: some("10.0"),
        build: some("20348"),
        kernel: some("10.0.20348"),
    };
    h.serial_number = some("SN-1");
    h.smbios_uuid = some("4c4c4544-0000-2010-8020-80c04f202020");
    h.manufacturer = some("Dell Inc.");
    h.model = some("R640");
    h.bios_manufacturer = some("Dell Inc.");
    h.bios_version = some("2.1");
    h.chassis = some("rack");
    h.ip = "10.0.0.5".parse().ok();
    h.network_interfaces = vec![NetworkInterface { name: None, ip: h.ip, mac: some("14-7D-DA-AD-AC-71") }];
    h.external_ip = "192.0.2.7".parse().ok();
    h.default_gateway = "10.0.0.1".parse().ok();
    h.agent = Agent { version: some("7.10.17706"), content_version: some("1120"), health: AgentHealth::Ok };
    h.policies = vec![Policy { name: some("Servers"), ..Policy::default() }];
    h.connection_state = ConnectionState::Online;
    h.containment_state = ContainmentState::Normal;
    h.fs_containment_state = some("normal");
    h.is_hidden = Some(false);
    h.is_vdi = Some(false);
    for (days, time) in [
        (400, &mut h.first_seen),
        (90, &mut h.boot_time),
        (399, &mut h.installed),
        (9, &mut h.contained_time),
    ] {
        *time = Some(now() - TimeDelta::days(days));
    }
    h.last_seen = Some(now() - TimeDelta::minutes(3));
    h.modified = Some(now() - TimeDelta::minutes(2));
    h.last_login = Some(now() - TimeDelta::hours(5));
    h.last_user = Some(user("CORP", "ann"));
    h.users = vec![user("CORP", "ann"), user("CORP", "bob")];
    h.owner_email = some("ann@corp.example");
    h.groups = vec![Group { uid: some("g1"), name: some("Build") }];
    h.tags = vec![Tag { source: some("FalconGroupingTags"), value: "gold".into() }];
    h.cloud = Some(Cloud {
        provider: some("aws"),
        account: some("1234"),
        region: some("eu-west-3"),
        zone: some("eu-west-3a"),
        instance_uid: some("i-1"),
    });
    h.k8s =
        Some(Kubernetes { cluster: some("c"), namespace: some("n"), pod: some("p"), container: some("x") });
    h.criticality = some("high");
    h.risk = Some(Risk { score: 71.5, higher_is_worse: false, level: some("medium") });
    h.console_url = some("https://falcon.example/hosts/0f3a");
    h
}

/// A host of the other vendor that tries to spoil the output.
pub(crate) fn evil_host() -> Host {
    let mut h = Host::new("cortex", "globex", "c0ffee00c0ffee00c0ffee00c0ffee00", "{}");
    h.hostname = "=cmd|'/c calc'!A1\u{1b}[2J\tx\ny\"".into();
    h.os.platform = Platform::Linux;
    h.connection_state = ConnectionState::Offline;
    h.containment_state = ContainmentState::ContainmentPending;
    h.last_seen = Some(now() - TimeDelta::days(12));
    h
}

fn process() -> Process {
    let named = |name: &str, pid| Process { name: Some(name.into()), pid: Some(pid), ..Process::default() };
    let mut leaf = named("powershell.exe", 4242);
    leaf.cmd_line = Some("powershell.exe -enc SQBFAFgA".into());
    leaf.hashes.sha256 = Some("ab".repeat(32));
    leaf.user = Some(user("CORP", "ann"));
    leaf.parent = Some(Box::new(named("winword.exe", 4000)));
    leaf.ancestry = vec![named("explorer.exe", 2000)];
    leaf
}

fn attack() -> Attack {
    let entry = |uid: &str, name: &str| Some(AttackRef { uid: Some(uid.into()), name: Some(name.into()) });
    Attack {
        tactic: entry("TA0002", "Execution"),
        technique: entry("T1059", "Command and Scripting Interpreter"),
        sub_technique: entry("T1059.001", "PowerShell"),
    }
}

fn evidences() -> Vec<Evidence> {
    let end = |ip: &str, port| {
        Some(NetworkEndpoint { ip: ip.parse().ok(), port: Some(port), ..NetworkEndpoint::default() })
    };
    let network = NetworkActivity {
        local: end("10.0.0.5", 50123),
        remote: end("198.51.100.9", 443),
        protocol: Some("tcp".into()),
        ..NetworkActivity::default()
    };
    let file = File { path: Some("C:\\Users\\ann\\invoice.docm".into()), ..File::default() };
    vec![
        Evidence { process: Some(process()), network: Some(network), ..Evidence::default() },
        Evidence {
            file: Some(file),
            dns: Some(Dns { query: "evil.example".into(), time: None }),
            ..Evidence::default()
        },
    ]
}

/// An alert with every field that a column shows.
pub(crate) fn alert() -> Alert {
    let some = |text: &str| Some(text.to_owned());
    let mut a = Alert::new("falcon", "acme", "cid:ind:0f3a:77", r#"{"composite_id":"cid:ind:0f3a:77"}"#);
    a.uid_alt = some("ind:0f3a:77");
    a.tenant_uid = some("CID-1");
    for (minutes, time) in [
        (33, &mut a.time),
        (30, &mut a.created_time),
        (5, &mut a.modified_time),
        (40, &mut a.first_seen),
        (31, &mut a.last_seen),
    ] {
        *time = Some(now() - TimeDelta::minutes(minutes));
    }
    a.title = "Encoded PowerShell started by Word".into();
    a.desc = some("A document started a shell with an encoded command.");
    a.severity = Severity::High;
    a.confidence_score = Some(80);
    a.status = AlertStatus::New;
    a.verdict = Verdict::Unknown;
    a.is_suppressed = Some(false);
    a.action = Action::Denied;
    a.disposition = Disposition::Blocked;
    (a.prevented, a.would_prevent) = (Some(true), Some(false));
    a.assignee = Some(User { email: some("eve@corp.example"), ..user("CORP", "eve") });
    a.product_feature = some("epp");
    a.source_vendors = vec!["CrowdStrike".into()];
    a.analytic = Some(Analytic { kind: some("behavioral"), uid: some("1001"), name: some("EncodedCommand") });
    a.types = vec!["Falcon Detection Method".into()];
    a.attacks = vec![attack()];
    let mut device = host();
    device.raw = Raw::default();
    a.device = Some(Box::new(device));
    a.users = vec![user("CORP", "ann")];
    a.evidences = evidences();
    a.iocs = vec![Indicator { kind: "domain".into(), value: "evil.example".into(), ..Indicator::default() }];
    a.group_keys = vec!["aggind:1".into()];
    a.case_uids = vec!["case-9".into()];
    a.labels = vec!["phishing".into()];
    a.comments = vec![Comment { text: "looking".into(), author: some("eve"), time: Some(now()) }];
    a.console_url = some("https://falcon.example/alerts/77");
    a.anomalies =
        vec![Anomaly { field: Cow::Borrowed("x"), value: "2610".into(), reason: Cow::Borrowed("future") }];
    a
}

/// A later alert of the other vendor.
pub(crate) fn other_alert() -> Alert {
    let mut a = Alert::new("cortex", "globex", "4711", "{}");
    a.title =
        "Uncommon remote service started by a long chain of processes that nobody has seen before".into();
    a.created_time = Some(now() - TimeDelta::seconds(20));
    a.severity = Severity::Critical;
    a.status = AlertStatus::InProgress;
    a
}
