//! Recorded replies of both vendors go through the real clients: nothing is rejected, and no field of
//! the model is lost that the recording holds. Pages are read one by one, because some recordings
//! repeat a placeholder as the id.

use edr_core::{Alert, AlertQuery, EdrProviderExt as _, Host, HostQuery, Page, Raw};
use edr_testkit::Item;
use edr_tests::replay::{body, cortex, falcon, samples};
use serde_json::{Value, json};

/// How a value of the recording is found in the model.
#[derive(Clone, Copy)]
enum As {
    /// The same text is among the field's values.
    Same,
    /// The field has a value.
    There,
}
use As::{Same, There};

/// A field of the model, the recording's key for it, and how the value is found again.
type Row<T> = (&'static str, &'static str, As, fn(&T) -> Vec<String>);

/// A field that can be filtered on.
macro_rules! field {
    ($name:literal, $key:literal, $how:expr) => {
        ($name, $key, $how, |item| item.values($name))
    };
}

/// A field that cannot.
macro_rules! other {
    ($name:literal, $key:literal, $how:expr, |$item:ident| $values:expr) => {
        ($name, $key, $how, |$item| $values.into_iter().map(|v| v.to_string()).collect())
    };
}

const FALCON_HOST: &[Row<Host>] = &[
    field!("uid", "device_id", Same),
    other!("tenant_uid", "cid", Same, |h| h.tenant_uid.iter()),
    field!("hostname", "hostname", Same),
    field!("domain", "machine_domain", Same),
    field!("ou", "ou", Same),
    field!("site", "site_name", Same),
    field!("type", "product_type_desc", There),
    field!("os.type", "platform_name", There),
    field!("os.name", "os_version", There),
    field!("os.name", "os_product_name", Same),
    field!("os.version", "kernel_version", Same),
    other!("os.build", "os_build", Same, |h| h.os.build.iter()),
    field!("serial_number", "serial_number", Same),
    field!("manufacturer", "system_manufacturer", Same),
    field!("model", "system_product_name", Same),
    other!("bios_manufacturer", "bios_manufacturer", Same, |h| h.bios_manufacturer.iter()),
    other!("bios_version", "bios_version", Same, |h| h.bios_version.iter()),
    other!("chassis", "chassis_type_desc", There, |h| h.chassis.iter()),
    field!("ip", "local_ip", Same),
    field!("ip", "connection_ip", Same),
    field!("mac", "mac_address", There),
    field!("external_ip", "external_ip", Same),
    other!("default_gateway", "default_gateway_ip", Same, |h| h.default_gateway.iter()),
    field!("agent.version", "agent_version", Same),
    field!("agent.health", "reduced_functionality_mode", There),
    other!("policies", "device_policies", There, |h| h.policies.iter().flat_map(|p| p.uid.iter())),
    field!("containment_state", "status", There),
    other!("fs_containment_state", "filesystem_containment_status", Same, |h| h.fs_containment_state.iter()),
    field!("is_hidden", "host_hidden_status", There),
    field!("first_seen", "first_seen", Same),
    field!("last_seen", "last_seen", Same),
    field!("modified", "modified_timestamp", Same),
    field!("boot_time", "last_reboot", Same),
    field!("last_user.name", "last_login_user", Same),
    other!("last_user.uid", "last_login_user_sid", Same, |h| h
        .last_user
        .iter()
        .filter_map(|u| u.uid.as_ref())),
    other!("last_login", "last_login_timestamp", There, |h| h.last_login.iter()),
    field!("groups", "groups", Same),
    field!("tags", "tags", There),
    field!("cloud.provider", "service_provider", There),
    field!("cloud.account", "service_provider_account_id", Same),
    field!("cloud.instance_uid", "instance_id", Same),
    other!("cloud.zone", "zone_group", Same, |h| h.cloud.iter().filter_map(|c| c.zone.as_ref())),
];

const CORTEX_HOST: &[Row<Host>] = &[
    field!("uid", "endpoint_id", Same),
    field!("hostname", "endpoint_name", Same),
    field!("name", "alias", Same),
    field!("os.type", "os_type", There),
    field!("os.version", "os_version", Same),
    field!("ip", "ip", Same),
    field!("external_ip", "public_ip", Same),
    field!("users", "users", Same),
    field!("first_seen", "first_seen", There),
    field!("last_seen", "last_seen", There),
    field!("installed", "install_date", There),
    field!("agent.version", "endpoint_version", Same),
    other!("agent.content_version", "content_version", Same, |h| h.agent.content_version.iter()),
    field!("agent.health", "operational_status", There),
    field!("connection_state", "endpoint_status", There),
    field!("containment_state", "is_isolated", There),
    other!("contained_time", "isolated_date", There, |h| h.contained_time.iter()),
    field!("groups", "group_name", Same),
];

fn techniques(alert: &Alert) -> Vec<String> {
    let parts = alert.attacks.iter().flat_map(|a| [&a.tactic, &a.technique, &a.sub_technique]);
    let uids = parts.flatten().filter_map(|part| part.uid.clone());
    uids.chain(alert.types.iter().cloned()).collect()
}

const FALCON_ALERT: &[Row<Alert>] = &[
    field!("uid", "composite_id", Same),
    other!("uid_alt", "id", Same, |a| a.uid_alt.iter()),
    other!("tenant_uid", "cid", Same, |a| a.tenant_uid.iter()),
    field!("time", "timestamp", Same),
    field!("created_time", "created_timestamp", Same),
    field!("modified_time", "updated_timestamp", Same),
    other!("first_seen", "context_timestamp", There, |a| a.first_seen.iter()),
    field!("title", "display_name", Same),
    field!("desc", "description", Same),
    field!("severity", "severity_name", There),
    field!("confidence_score", "confidence", Same),
    field!("status", "status", There),
    field!("verdict", "resolution", There),
    field!("is_suppressed", "show_in_ui", There),
    field!("action", "pattern_disposition_details", There),
    field!("disposition", "pattern_disposition_details", There),
    field!("prevented", "pattern_disposition_details", There),
    field!("assignee.name", "assigned_to_name", Same),
    field!("product_feature", "product", Same),
    other!("source_vendors", "source_vendors", Same, |a| a.source_vendors.iter()),
    other!("analytic.uid", "pattern_id", There, |a| a.analytic.iter().filter_map(|x| x.uid.as_ref())),
    field!("types", "objective", Same),
    field!("types", "scenario", Same),
    // Ids of the vendor's own framework (CSTA, CST) are no ATT&CK: they are kept among the types.
    other!("attacks or types", "tactic_id", Same, |a| techniques(a)),
    other!("attacks or types", "technique_id", Same, |a| techniques(a)),
    field!("device.uid", "agent_id", Same),
    field!("device.hostname", "device", There),
    field!("users", "user_name", Same),
    field!("sha256", "sha256", Same),
    other!("process.cmd_line", "cmdline", Same, |a| processes(a, |p| p.cmd_line.clone())),
    other!("process.name", "filename", Same, |a| processes(a, |p| p.name.clone())),
    other!("process.path", "filepath", There, |a| processes(a, |p| p.path.clone())),
    other!("process.md5", "md5", Same, |a| processes(a, |p| p.hashes.md5.clone())),
    other!("process.pid", "local_process_id", Same, |a| processes(a, |p| p.pid.map(|n| n.to_string()))),
    other!("process.parent", "parent_details", There, |a| processes(a, |p| p.parent.as_ref()?.name.clone())),
    other!("evidences.file", "files_written", There, |a| a.evidences.iter().filter_map(|e| e
        .file
        .as_ref()?
        .name
        .clone())),
    other!("group_keys", "aggregate_id", Same, |a| a.group_keys.iter()),
    other!("console_url", "falcon_host_link", There, |a| a.console_url.iter()),
    field!("labels", "tags", Same),
];

const CORTEX_ALERT: &[Row<Alert>] = &[
    field!("uid", "alert_id", Same),
    other!("uid_alt", "external_id", Same, |a| a.uid_alt.iter()),
    field!("time", "detection_timestamp", There),
    field!("created_time", "local_insert_ts", There),
    field!("title", "name", Same),
    // A description can be a list of objects, of which the readable names are joined.
    field!("desc", "description", There),
    field!("severity", "severity", Same),
    field!("is_suppressed", "is_whitelisted", There),
    field!("action", "action", There),
    field!("disposition", "action", There),
    field!("product_feature", "source", Same),
    field!("types", "category", Same),
    // Taken out of the recording; what is no agent's id is the name of a host.
    field!("device.uid", "endpoint_id", There),
    field!("device.hostname", "host_name", Same),
    field!("device.ip", "host_ip", Same),
    field!("device.os.type", "agent_os_type", There),
    field!("case_uids", "case_id", Same),
    other!("device.agent.version", "agent_version", Same, |a| a
        .device
        .iter()
        .filter_map(|d| d.agent.version.as_ref())),
];

/// What an event inside of a Cortex alert adds.
const CORTEX_EVENT: &[Row<Alert>] = &[
    other!("process.name", "actor_process_image_name", Same, |a| processes(a, |p| p.name.clone())),
    other!("process.path", "actor_process_image_path", Same, |a| processes(a, |p| p.path.clone())),
    other!("process.cmd_line", "actor_process_command_line", Same, |a| processes(a, |p| p.cmd_line.clone())),
    other!("network.local.port", "action_local_port", Same, |a| ports(a, false)),
    other!("network.remote.port", "action_remote_port", Same, |a| ports(a, true)),
    other!("network.remote.hostname", "action_external_hostname", Same, |a| {
        let remote = a.evidences.iter().filter_map(|e| e.network.as_ref()?.remote.as_ref());
        remote.filter_map(|r| r.hostname.clone()).collect::<Vec<_>>()
    }),
];

/// A part of every process of an alert, ancestors included.
fn processes(alert: &Alert, part: impl Fn(&edr_core::Process) -> Option<String>) -> Vec<String> {
    let all = alert.evidences.iter().filter_map(|e| e.process.as_ref());
    all.filter_map(part).collect()
}

fn ports(alert: &Alert, remote: bool) -> Vec<u16> {
    let all = alert.evidences.iter().filter_map(|e| e.network.as_ref());
    let end = |n: &edr_core::NetworkActivity| if remote { n.remote.clone() } else { n.local.clone() };
    all.filter_map(|n| end(n)?.port).collect()
}

/// The texts of a recorded value that say something: placeholders and ways to say nothing left out.
fn held(value: &Value) -> Vec<String> {
    let texts = match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().flat_map(held).collect(),
        Value::Object(map) if map.is_empty() => Vec::new(),
        Value::Object(_) => vec!["an object".to_owned()],
        Value::String(text) => vec![text.trim().to_owned()],
        other => vec![other.to_string()],
    };
    let nothing = ["", "N/A", "NA", "NO_HOST", "UNKNOWN", "Unknown", "None", "Other", "WORKGROUP"];
    let zero = |t: &str| t.len() >= 32 && t.bytes().all(|b| b == b'0');
    texts.into_iter().filter(|t| !nothing.contains(&t.as_str()) && !zero(t)).collect()
}

/// A time as every client writes it, so that two forms of the same instant are the same text.
fn canonical(text: &str) -> String {
    chrono::DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |t| t.to_utc().to_rfc3339())
}

/// What of the recording is not in the item.
fn lost<T: Item>(recorded: &Value, item: &T, rows: &[Row<T>]) -> Vec<String> {
    let mut lost = Vec::new();
    for (name, key, how, read) in rows {
        let texts = held(&recorded[*key]);
        let values: Vec<String> = read(item).iter().map(|v| canonical(v)).collect();
        match how {
            There if texts.iter().all(|t| t.contains('<')) => {}
            There if values.iter().all(|v| v.is_empty() || v == "unknown") => {
                lost.push(format!("{name}: nothing, recorded as {key} {texts:?}"));
            }
            There => {}
            Same => {
                let missing = texts.iter().filter(|t| !values.contains(&canonical(t)));
                lost.extend(missing.map(|t| format!("{name}: {values:?}, recorded as {key} {t:?}")));
            }
        }
    }
    lost
}

/// Fails unless the page holds every recorded item, in order, with every field and its own JSON.
fn whole<T: Item>(page: &Page<T>, recorded: &[Value], rows: &[Row<T>]) {
    assert!(page.rejected.is_empty(), "{:?}", page.rejected);
    assert_eq!(page.items.len(), recorded.len());
    for (item, recorded) in page.items.iter().zip(recorded) {
        assert_eq!(item.raw().parse().ok().as_ref(), Some(recorded), "the raw payload is the vendor's");
        assert_eq!(lost(recorded, item, rows), Vec::<String>::new());
    }
}

fn list<'a>(body: &'a Value, pointer: &str) -> &'a [Value] {
    body.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[tokio::test]
async fn falcon_hosts() {
    let recordings = [
        "falcon_get_devices_entities_devices_v1_200_jupiterone.json",
        "falcon_post_devices_entities_devices_v2_200_jupiterone.json",
        "falcon_post_devices_entities_devices_v2_200_sgnl-vcr.json",
    ];
    for name in recordings {
        let Some(recorded) = body(name) else { return };
        let devices = list(&recorded, "/resources");
        let ids: Vec<&Value> = devices.iter().map(|d| &d["device_id"]).collect();
        let paging = json!({"total": ids.len(), "offset": "", "limit": 5000});
        let ids = json!({"meta": {"pagination": paging}, "resources": ids, "errors": []});
        let provider = falcon(vec![
            ("/devices/queries/devices-scroll/v1", ids),
            ("/devices/entities/devices/v2", recorded.clone()),
        ])
        .await;
        let page = provider.hosts(&HostQuery::new(), None).await.unwrap();
        whole(&page, devices, FALCON_HOST);
    }
}

#[tokio::test]
async fn falcon_hosts_by_the_combined_endpoint() {
    let Some(mut recorded) = body("falcon_post_devices_entities_devices_v2_200_jupiterone.json") else {
        return;
    };
    let devices = list(&recorded, "/resources").to_vec();
    recorded["meta"]["pagination"] = json!({"total": devices.len(), "limit": 1000});
    let provider = falcon(vec![("/devices/combined/devices/v1", recorded)]).await;
    let page = provider.hosts(&HostQuery::new(), None).await.unwrap();
    whole(&page, &devices, FALCON_HOST);
}

#[tokio::test]
async fn falcon_alerts() {
    let Some(recorded) = body("falcon_post_alerts_combined_alerts_v1_p1_200_sgnl-vcr.json") else { return };
    let alerts = list(&recorded, "/resources").to_vec();
    let provider = falcon(vec![("/alerts/combined/alerts/v1", recorded)]).await;
    let page = provider.alerts(&AlertQuery::new(), None).await.unwrap();
    whole(&page, &alerts, FALCON_ALERT);
    assert!(page.next().is_some(), "the recording goes on");
    assert_eq!(page.end.total, Some(23));
}

#[tokio::test]
async fn cortex_hosts() {
    let Some(recorded) = body("cortex_endpoints_ebarti.json") else { return };
    let endpoints = list(&recorded, "/reply/endpoints").to_vec();
    let provider = cortex(3, vec![("/public_api/v1/endpoints/get_endpoint", recorded)]).await;
    let page = provider.hosts(&HostQuery::new(), None).await.unwrap();
    whole(&page, &endpoints, CORTEX_HOST);
}

const V1: &str = "/public_api/v1/alerts/get_alerts_multi_events";
const V2: &str = "/public_api/v2/alerts/get_alerts_multi_events";

#[tokio::test]
async fn cortex_alerts_of_several_events() {
    let Some(recorded) = body("cortex_alerts_multi_events_v1_ebarti.json") else { return };
    for path in [V2, V1] {
        let alerts = list(&recorded, "/reply/alerts").to_vec();
        let provider = cortex(3, vec![(path, recorded.clone())]).await;
        let page = provider.alerts(&AlertQuery::new(), None).await.unwrap();
        whole(&page, &alerts, CORTEX_ALERT);
        for (item, alert) in page.items.iter().zip(&alerts) {
            let found: Vec<String> =
                list(alert, "/events").iter().flat_map(|e| lost(e, item, CORTEX_EVENT)).collect();
            assert_eq!(found, Vec::<String>::new(), "{path}");
        }
    }
}

#[tokio::test]
async fn cortex_alerts_without_events() {
    let Some(recorded) = body("cortex_incident_extra_data_ebarti.json") else { return };
    let alerts = list(&recorded, "/reply/alerts/data").to_vec();
    let count = alerts.len();
    let reply = json!({"reply": {"total_count": count, "result_count": count, "alerts": alerts.clone()}});
    let provider = cortex(3, vec![(V2, reply)]).await;
    let page = provider.alerts(&AlertQuery::new(), None).await.unwrap();
    whole(&page, &alerts, CORTEX_ALERT);
    let found: Vec<String> =
        page.items.iter().zip(&alerts).flat_map(|(i, a)| lost(a, i, CORTEX_EVENT)).collect();
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn cortex_says_none_by_null() {
    let Some(recorded) = body("cortex_alerts_null_list_sekoia.json") else { return };
    let provider = cortex(3, vec![(V2, recorded)]).await;
    let all = provider.collect_alerts(&AlertQuery::new()).await.unwrap();
    assert!(all.items.is_empty() && all.outcome.is_complete(), "{}", all.outcome.summary());
}

/// The tables can fail: an item without anything loses everything that the recording holds.
#[test]
fn an_empty_item_has_lost_its_fields() {
    let recorded =
        json!({"device_id": "1", "hostname": "a", "status": "contained", "ou": null, "site_name": ""});
    let host = Host::new("falcon", "t", "1", "{}");
    let found = lost(&recorded, &host, FALCON_HOST);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("hostname: [], recorded as hostname"), "{found:?}");
    assert!(found[1].starts_with("containment_state: nothing"), "{found:?}");
    assert!(host.raw.parse::<Raw>().is_ok());
}

#[test]
fn the_recordings_are_found_or_missed_aloud() {
    if let Some(folder) = samples() {
        assert!(folder.is_dir(), "EDR_SAMPLES_DIR is {}", folder.display());
    }
}
