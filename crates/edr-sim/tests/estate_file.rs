//! Estates by hand and from recorded replies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::PathBuf;

use common::{ids, send, start};
use edr_sim::{EstateFile, Sim};
use serde_json::{Value, json};

const ESTATE: &str = r#"
[[tenant]]
vendor = "falcon"
hosts = 6

[[tenant.host]]
id = "ffffffffffffffffffffffffffffff00"
hostname = "WIN-BUILD-07"
platform = "windows"
form = "server"
os_version = "Windows Server 2022"
agent_version = "7.20.19011.0"
domain = "corp.acme.example"
ip = "10.1.2.3"
external_ip = "203.0.113.7"
mac = "02:aa:bb:cc:dd:ee"
serial = "S-1"
user = "svc-build"
ou = ["Build", "Servers"]
tags = ["ci"]
groups = ["Builders"]
online = true
containment = "contained"
first_seen = "2026-01-01T00:00:00Z"

[[tenant.host]]
hostname = "OLD-LAPTOP"
platform = "macos"
last_seen = "40d"

[[tenant.alert]]
kind = "ReverseShell"
host = "WIN-BUILD-07"
severity = "critical"
status = "closed"
verdict = "true_positive"
assigned_to = "kim@acme.example"
tags = ["drill"]
created = "2h"
happened = "5h"

[[tenant.alert]]
created = "3d"

[[tenant.child]]
name = "berlin"
hosts = 2

[[tenant]]
vendor = "cortex"
name = "acme-xdr"
generation = 5
key_type = "standard"
hosts = 3
alerts = 4

[[tenant.host]]
id = "ffffffffffffffffffffffffffffff01"
hostname = "BOTH-1"
"#;

fn builder() -> edr_sim::SimBuilder {
    Sim::builder()
        .estate(EstateFile::from_toml(ESTATE).unwrap())
        .epoch("2026-06-01T12:00:00Z".parse().unwrap())
}

#[tokio::test]
async fn what_is_given_stands_and_the_rest_is_generated() {
    let raw = start(builder()).await;
    let names: Vec<_> = raw.sim.tenants().iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["falcon-1", "falcon-1/berlin", "acme-xdr"]);
    let (_, _, body) = send(raw.get("/devices/combined/devices/v1", &[])).await;
    let listed = ids(&body);
    assert!(listed.len() == 6 && listed.is_sorted(), "by id: {listed:?}");
    let (_, _, body) =
        send(raw.get("/devices/combined/devices/v1", &[("filter", "hostname:'WIN-BUILD-07'")])).await;
    let host = body["resources"][0].clone();
    for (key, value) in [
        ("device_id", json!("ffffffffffffffffffffffffffffff00")),
        ("platform_name", json!("Windows")),
        ("os_version", json!("Windows Server 2022")),
        ("product_type_desc", json!("Server")),
        ("agent_version", json!("7.20.19011.0")),
        ("machine_domain", json!("corp.acme.example")),
        ("local_ip", json!("10.1.2.3")),
        ("external_ip", json!("203.0.113.7")),
        ("mac_address", json!("02-aa-bb-cc-dd-ee")),
        ("serial_number", json!("S-1")),
        ("last_login_user", json!("svc-build")),
        ("ou", json!(["Build", "Servers"])),
        ("tags", json!(["FalconGroupingTags/ci"])),
        ("status", json!("contained")),
        ("first_seen", json!("2026-01-01T00:00:00Z")),
    ] {
        assert_eq!(host[key], value, "{key}");
    }
    assert!(host["kernel_version"].as_str().is_some_and(|v| !v.is_empty()), "the generator fills the rest");
    let (_, _, old) =
        send(raw.get("/devices/combined/devices/v1", &[("filter", "hostname:'OLD-LAPTOP'")])).await;
    assert_eq!(
        (&old["resources"][0]["platform_name"], &old["resources"][0]["last_seen"]),
        (&json!("Mac"), &json!("2026-04-22T12:00:00Z"))
    );
    let (_, _, state) = send(raw.get("/devices/entities/online-state/v1", &[("ids", &ids(&old)[0])])).await;
    assert_eq!(state["resources"][0]["state"], "unknown");
}

#[tokio::test]
async fn alerts_are_those_that_were_given() {
    let raw = start(builder()).await;
    let (_, _, body) =
        send(raw.post("/alerts/combined/alerts/v1", &json!({"sort": "created_timestamp|desc"}))).await;
    let alerts = body["resources"].as_array().unwrap();
    assert_eq!(alerts.len(), 2);
    let first = &alerts[0];
    assert_eq!(
        (&first["name"], &first["severity_name"], &first["status"], &first["device"]["hostname"]),
        (&json!("ReverseShell"), &json!("Critical"), &json!("closed"), &json!("WIN-BUILD-07"))
    );
    assert_eq!((&first["tags"], &first["assigned_to_uid"]), (&json!(["drill"]), &json!("kim@acme.example")));
    assert!(first["created_timestamp"].as_str().unwrap().starts_with("2026-06-01T10:00:00"));
    assert!(first["timestamp"].as_str().unwrap().starts_with("2026-06-01T07:00:00"));
    assert!(alerts[1]["created_timestamp"].as_str().unwrap().starts_with("2026-05-29T12:00:00"));
    let estate = raw.sim.estate("acme-xdr").unwrap();
    assert_eq!((estate.host_count(), estate.alert_count()), (3, 4));
    assert_eq!(
        estate.fields(estate.host_index("ffffffffffffffffffffffffffffff01").unwrap()).hostname(),
        "BOTH-1"
    );
    let cortex = raw.sim.state().tenant("acme-xdr").unwrap().cortex().unwrap().clone();
    assert_eq!((cortex.generation, cortex.key_type), (5, edr_sim::KeyType::Standard));
    assert_eq!(raw.sim.estate("falcon-1/berlin").unwrap().host_count(), 2);
}

#[tokio::test]
async fn what_ran_is_what_was_given() {
    let digest = "ab".repeat(32);
    let toml = format!(
        r#"
[[tenant]]
vendor = "falcon"
[[tenant.host]]
hostname = "WIN-1"
platform = "windows"
[[tenant.alert]]
kind = "OfficeSpawnedShell"
host = "WIN-1"
created = "1h"
process = {{ path = 'C:\Temp\a.exe', command_line = "a.exe -x", pid = 4242, sha256 = "{digest}", started = "2h" }}
parent = {{ path = 'C:\Temp\p.exe', pid = 77 }}
file = {{ path = 'C:\Temp\b.dll', sha256 = "{digest}" }}
[[tenant.alert]]
kind = "SuspiciousPowerShellDownload"
host = "WIN-1"
created = "50m"
process = {{ path = 'C:\Temp\p.exe', pid = 77 }}
remote = "198.51.100.7:444"
"#
    );
    let estate = EstateFile::from_toml(&toml).unwrap();
    let raw = start(Sim::builder().estate(estate).epoch("2026-06-01T12:00:00Z".parse().unwrap())).await;
    let (_, _, body) =
        send(raw.post("/alerts/combined/alerts/v1", &json!({"sort": "created_timestamp|asc"}))).await;
    let (first, second) = (&body["resources"][0], &body["resources"][1]);
    for (key, value) in [
        ("cmdline", json!("a.exe -x")),
        ("filepath", json!(r"\Device\HarddiskVolume3\Temp\a.exe")),
        ("local_process_id", json!("4242")),
        ("sha256", json!(digest)),
        ("process_start_time", json!("1780308000")),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    assert_eq!(first["files_written"][0]["filename"], "b.dll");
    assert_eq!(first["parent_details"]["process_id"], second["process_id"], "one process in two alerts");
    let far = &second["network_accesses"][0];
    assert_eq!((&far["remote_address"], &far["remote_port"]), (&json!("198.51.100.7"), &json!("444")));
}

#[tokio::test]
async fn a_mistake_is_named_with_its_place() {
    let toml = |text: &str| EstateFile::from_toml(text).map(|_| ()).unwrap_err().to_string();
    for (text, says) in [
        ("", "missing field `tenant`"),
        ("tenant = []", "there is no tenant in it"),
        ("[[tenant]]\nvendor = \"sentinel\"", "unknown variant `sentinel`"),
        ("[[tenant]]\nvendor = \"falcon\"\n[[tenant.host]]\nhost_name = \"x\"", "line 4"),
        (
            "[[tenant]]\nvendor = \"falcon\"\n[[tenant.host]]\nplatform = \"beos\"",
            "unknown variant `beos`, expected one of `windows`, `macos`, `linux`",
        ),
        ("[[tenant]]\nvendor = \"falcon\"\n[[tenant.host]]\nlast_seen = \"soon\"", "neither a time"),
        ("[[tenant]]\nvendor = \"falcon\"\n[[tenant.host]]\nmac = \"aa:bb\"", "no hardware address"),
        ("[[tenant]]\nvendor = \"falcon\"\n[[tenant.alert]]\nkind = \"Ghost\"", "the kinds are"),
        ("[[tenant]]\nvendor = \"falcon\"\nname = \"A B\"", "tenant 1: a name has"),
        ("[[tenant]]\nvendor = \"cortex\"\n[[tenant.child]]\nname = \"x\"", "only Falcon has children"),
        ("[[tenant]]\nvendor = \"falcon\"\ngeneration = 3", "are Cortex's"),
        ("[[tenant]]\nvendor = \"cortex\"\ngeneration = 4", "3 or 5"),
        (
            "[[tenant]]\nvendor = \"cortex\"\nhosts = 4294967296",
            "tenant 1: 4294967296 hosts are more than 4,294,967,295",
        ),
        (
            "[[tenant]]\nvendor = \"falcon\"\n[[tenant.child]]\nname = \"x\"\nhosts = 4294967296",
            "tenant 1: child x: 4294967296 hosts are more",
        ),
        (
            "[[tenant]]\nvendor = \"falcon\"\nhosts = 1\n[[tenant.host]]\n[[tenant.host]]",
            "tenant 1: hosts = 1 is less than the 2 hosts listed below it",
        ),
        (
            "[[tenant]]\nvendor = \"falcon\"\n[[tenant.child]]\nname = \"x\"\nhosts = 0\n[[tenant.child.host]]",
            "tenant 1: child x: hosts = 0 is less than the 1 hosts",
        ),
    ] {
        let why = toml(text);
        assert!(why.contains(says), "{text}: {why}");
    }
    let json = EstateFile::from_json("{\"tenant\": [\n{\"vendor\": \"falcon\", \"hots\": 3}]}")
        .map(|_| ())
        .unwrap_err();
    assert!(
        json.to_string().contains("unknown field `hots`") && json.to_string().contains("line 2"),
        "{json}"
    );
    for (text, says) in [
        ("[[tenant]]\nvendor = \"falcon\"\n[[tenant.host]]\nid = \"xyz\"", "falcon-1: host 1: the id 'xyz'"),
        (
            "[[tenant]]\nvendor = \"falcon\"\n[[tenant.alert]]\nhost = \"nobody\"",
            "falcon-1: alert 1: no host of this tenant",
        ),
        (
            "[[tenant]]\nvendor = \"falcon\"\n[[tenant.alert]]\nparent = { sha256 = \"AB\" }",
            "falcon-1: alert 1: the sha256 'AB'",
        ),
        (
            "[[tenant]]\nvendor = \"falcon\"\n[[tenant.alert]]\ncreated = \"2999-01-01T00:00:00Z\"",
            "after the start",
        ),
        (
            "[[tenant]]\nvendor = \"falcon\"\n[[tenant.alert]]\nstatus = \"new\"\nverdict = \"benign\"",
            "goes with the status closed",
        ),
        (
            "[[tenant]]\nvendor = \"falcon\"\nname = \"a\"\n[[tenant]]\nvendor = \"falcon\"\nname = \"a\"",
            "two tenants are called a",
        ),
    ] {
        let file = EstateFile::from_toml(text).unwrap();
        let why = Sim::builder().estate(file).start().await.map(|_| ()).unwrap_err().to_string();
        assert!(why.contains(says), "{text}: {why}");
    }
    let missing =
        EstateFile::read(&PathBuf::from("/nowhere/estate.toml")).map(|_| ()).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/estate.toml"));
    let endless = EstateFile::read(&PathBuf::from("/dev/zero")).map(|_| ()).unwrap_err().to_string();
    assert_eq!(endless, "/dev/zero: is larger than 64 MiB");
}

#[tokio::test]
async fn recorded_replies_become_tenants() {
    let folder = std::env::temp_dir().join(format!("edr-sim-recorded-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let source = start(Sim::builder().falcon_hosts(8).alerts(0)).await;
    let (_, _, reply) = send(source.get("/devices/combined/devices/v1", &[])).await;
    std::fs::write(folder.join("1-falcon.json"), reply.to_string()).unwrap();
    let endpoint = json!({"endpoint_id": "<endpoint ID>", "endpoint_name": "HQ-1", "os_type": "AGENT_OS_LINUX", "endpoint_status": "DISCONNECTED",
        "ip": ["192.0.2.9"], "is_isolated": "AGENT_ISOLATED", "first_seen": 1_606_218_761_377_i64, "users": ["root"]});
    let cortex = json!({"reply": {"total_count": 1, "endpoints": [endpoint]}});
    std::fs::write(folder.join("2-cortex.json"), cortex.to_string()).unwrap();
    let file = EstateFile::read(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let raw = start(Sim::builder().seed(99).alerts(0).estate(file)).await;
    let (_, _, again) = send(raw.get("/devices/combined/devices/v1", &[])).await;
    let facts = |body: &Value| -> Vec<Value> {
        let keys = [
            "device_id",
            "hostname",
            "platform_name",
            "local_ip",
            "mac_address",
            "serial_number",
            "tags",
            "first_seen",
            "status",
            "os_version",
        ];
        let row = |h: &Value| json!(keys.map(|k| h[k].clone()));
        body["resources"].as_array().unwrap().iter().map(row).collect()
    };
    assert_eq!(facts(&again), facts(&reply));
    let estate = raw.sim.estate("cortex-1").unwrap();
    let host = estate.machine(0);
    assert_eq!(
        (host.hostname.as_str(), host.online, host.ip.to_string().as_str()),
        ("HQ-1", false, "192.0.2.9")
    );
    assert!(matches!(host.containment, edr_sim::estate::Containment::Contained { .. }));
    assert_eq!(host.id.len(), 32, "an id that is none is generated");
}

#[tokio::test]
async fn the_samples_of_the_vendors_can_be_read() {
    let Some(folder) = std::env::var_os("EDR_SAMPLES_DIR").map(PathBuf::from) else {
        eprintln!("EDR_SAMPLES_DIR is not set: skipped");
        return;
    };
    for (name, vendor) in [
        ("falcon_post_devices_entities_devices_v2_200_sgnl-vcr.json", "falcon-1"),
        ("cortex_endpoints_ebarti.json", "cortex-1"),
    ] {
        let file = EstateFile::read(&folder.join(name)).unwrap();
        let sim = Sim::builder().estate(file).start().await.unwrap();
        assert!(sim.estate(vendor).unwrap().host_count() > 0, "{name}");
    }
}
