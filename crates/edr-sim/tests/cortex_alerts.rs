//! Alerts of Cortex through real sockets: five shapes of the same facts, filters, order, windows, issues, incidents.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod cortex_support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cortex_support::{World, world};
use edr_sim::faults::{FaultKind, FaultRule};
use serde_json::{Value, json};

const V2: &str = "/public_api/v2/alerts/get_alerts_multi_events";
const V1: &str = "/public_api/v1/alerts/get_alerts_multi_events";
const FLAT: &str = "/public_api/v1/alerts/get_alerts";
const DATA: &str = "/public_api/v1/alerts/get_alerts_by_filter_data";
const EXTRA: &str = "/public_api/v1/incidents/get_incident_extra_data";
const ISSUES: &str = "/public_api/v1/issue/search";

/// The facts that every shape must tell.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Facts {
    external_id: String,
    name: String,
    severity: String,
    host: Option<String>,
    endpoint_id: String,
    hash: Option<String>,
    path: Option<String>,
    command_line: Option<String>,
    happened: i64,
    inserted: i64,
    action: String,
    tactic: Option<String>,
    ips: Vec<String>,
    mac: Option<String>,
    user: Option<String>,
    remote: Option<String>,
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(|text| text.trim().to_owned())
}

/// The first value of a key that is a scalar, a list, or a text with commas.
fn first(value: &Value) -> Option<String> {
    let value = value.get(0).unwrap_or(value);
    string(value).map(|text| text.split(',').next().unwrap_or_default().to_owned())
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(string).collect(),
        Value::String(text) => text.split(',').map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The facts of an alert whose event keys stand in `event`.
fn facts(alert: &Value, event: &Value) -> Facts {
    let one = |key: &str| event[key].get(0).unwrap_or(&event[key]).clone();
    Facts {
        external_id: string(&alert["external_id"]).unwrap(),
        name: string(&alert["name"]).unwrap(),
        severity: string(&alert["severity"]).unwrap(),
        host: string(&alert["host_name"]),
        endpoint_id: string(&alert["endpoint_id"]).unwrap(),
        hash: string(&one("actor_process_image_sha256")),
        path: string(&one("actor_process_image_path")),
        command_line: string(&one("actor_process_command_line")),
        happened: alert["detection_timestamp"].as_i64().unwrap(),
        inserted: alert["local_insert_ts"].as_i64().unwrap(),
        action: string(&alert["action"]).unwrap(),
        tactic: first(&alert["mitre_tactic_id_and_name"]),
        ips: list(&alert["host_ip"]),
        mac: string(&alert["mac"]),
        user: string(&one("user_name")),
        remote: string(&one("action_remote_ip")),
    }
}

/// The facts of the fifth shape.
fn data_facts(fields: &Value) -> Facts {
    let one = |key: &str| fields[key].get(0).unwrap_or(&fields[key]).clone();
    let severity = fields["severity"].as_str().unwrap();
    Facts {
        external_id: string(&fields["external_id"]).unwrap(),
        name: string(&fields["alert_name"]).unwrap(),
        severity: match severity.rsplit('_').next().unwrap() {
            "INFO" => "informational".to_owned(),
            other => other.to_lowercase(),
        },
        host: string(&fields["agent_hostname"]),
        endpoint_id: string(&fields["agent_id"]).unwrap(),
        hash: string(&one("actor_process_image_sha256")),
        path: string(&one("actor_process_image_path")),
        command_line: string(&one("actor_process_command_line")),
        happened: fields["source_insert_ts"].as_i64().unwrap(),
        inserted: fields["local_insert_ts"].as_i64().unwrap(),
        action: string(&fields["alert_action_status"]).unwrap(),
        tactic: first(&fields["mitre_tactic_id_and_name"]),
        ips: list(&fields["agent_ip_addresses"]),
        mac: string(&fields["mac"]),
        user: string(&one("actor_effective_username")),
        remote: string(&one("action_remote_ip")),
    }
}

type Told = BTreeMap<String, Facts>;

/// Every alert of a shape, by its id.
async fn all(world: &World, path: &str) -> Vec<Value> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let reply = world.reply(path, json!({"search_from": from, "search_to": from + 100})).await;
        let page = reply["alerts"].as_array().or(reply["DATA"].as_array()).cloned().unwrap_or_default();
        if page.is_empty() {
            return found;
        }
        found.extend(page);
        from += 100;
    }
}

#[tokio::test]
async fn five_shapes_tell_the_same_facts() {
    let world = world().hosts(150).alerts(230).start().await;
    let id = |alert: &Value| alert["alert_id"].as_str().unwrap().to_owned();
    let v2: Told = all(&world, V2).await.iter().map(|alert| (id(alert), facts(alert, alert))).collect();
    let v1: Told =
        all(&world, V1).await.iter().map(|alert| (id(alert), facts(alert, &alert["events"][0]))).collect();
    let flat: Told = all(&world, FLAT).await.iter().map(|alert| (id(alert), facts(alert, alert))).collect();
    let data: Told = all(&world, DATA)
        .await
        .iter()
        .map(|item| {
            (string(&item["alert_fields"]["internal_id"]).unwrap(), data_facts(&item["alert_fields"]))
        })
        .collect();
    let mut extra = Told::new();
    for incident in 1..=230_u64.div_ceil(4) {
        let reply = world.reply(EXTRA, json!({"incident_id": incident.to_string()})).await;
        for alert in reply["alerts"]["data"].as_array().unwrap() {
            assert_eq!(alert["case_id"], incident);
            extra.insert(id(alert), facts(alert, alert));
        }
    }
    assert_eq!(v2.len(), 230);
    for other in [v1, flat, data, extra] {
        assert_eq!(v2, other);
    }
    assert!(v2.values().filter(|facts| facts.hash.is_some()).count() > 150);
    assert!(v2.values().all(|facts| facts.inserted >= facts.happened));
}

const EVENT_KEYS: &str = "event_type event_timestamp module_id user_name actor_process_instance_id actor_process_image_path actor_process_image_name actor_process_command_line actor_process_signature_status actor_process_signature_vendor actor_process_image_sha256 actor_process_image_md5 actor_process_os_pid actor_thread_thread_id causality_actor_process_image_name causality_actor_process_execution_time os_actor_effective_username action_file_path action_file_sha256 action_registry_full_key action_local_ip action_local_ip_v6 action_remote_ip action_remote_port action_external_hostname action_country action_process_image_name fw_app_id fw_device_name fw_is_phishing dst_agent_id dns_query_name container_id cloud_provider identity_type user_agent";
const ALERT_KEYS: &str = "alert_id external_id case_id name category description severity source action action_pretty alert_type matching_status attempt_counter local_insert_ts detection_timestamp last_modified_ts is_whitelisted starred is_pcap deduplicate_tokens filter_rule_id matching_service_rule_id bioc_indicator resolution_status resolution_comment tags original_tags malicious_urls contains_featured_host mitre_tactic_id_and_name mitre_technique_id_and_name endpoint_id host_name host_ip mac mac_addresses agent_version agent_os_type agent_os_sub_type agent_fqdn agent_device_domain agent_is_vdi agent_data_collection_status";

fn must_have(object: &Value, keys: &str, what: &str) {
    for key in keys.split(' ') {
        assert!(object.get(key).is_some(), "{what}: {key}");
    }
}

#[tokio::test]
async fn each_shape_has_its_keys_in_its_forms() {
    let world = world().hosts(150).alerts(200).start().await;
    for alert in all(&world, V2).await {
        must_have(&alert, ALERT_KEYS, "v2");
        must_have(&alert, EVENT_KEYS, "v2");
        assert!(
            alert["events"].is_null()
                && alert["event_type"].is_array()
                && alert["host_ip"].is_array()
                && alert["tags"].is_array()
        );
        let slots = alert["event_type"].as_array().unwrap().len();
        for key in EVENT_KEYS.split(' ').filter(|key| !alert[*key].is_null()) {
            assert_eq!(alert[key].as_array().unwrap().len(), slots, "{key}");
        }
    }
    let mut descriptions = BTreeSet::new();
    for alert in all(&world, V1).await {
        must_have(&alert, ALERT_KEYS, "v1");
        let events = alert["events"].as_array().unwrap();
        assert!(!events.is_empty() && alert.get("event_type").is_none());
        for event in events {
            must_have(event, EVENT_KEYS, "event");
            must_have(event, "agent_install_type agent_host_boot_time", "event");
            assert!(event["event_type"].is_string());
        }
        descriptions.insert(alert["description"].is_array());
        assert!(alert["contains_featured_host"].is_boolean() && alert["host_ip"].is_array());
    }
    assert_eq!(descriptions.len(), 2, "texts and lists");
    for alert in all(&world, FLAT).await {
        must_have(&alert, ALERT_KEYS, "flat");
        must_have(&alert, EVENT_KEYS, "flat");
        assert!(alert.get("events").is_none() && alert["events_length"].is_u64());
        assert!(alert["host_ip"].is_string() && alert["tags"].is_string() && alert["event_type"].is_string());
    }
}

#[tokio::test]
async fn a_firewalls_alert_has_no_host() {
    let world = world().hosts(150).alerts(600).start().await;
    let reply = world
        .reply(V2, json!({"filters": [{"field": "alert_source", "operator": "in", "value": ["PAN NGFW"]}]}))
        .await;
    let alerts = reply["alerts"].as_array().unwrap();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert_eq!(alert["agent_os_type"], "NO_HOST");
        assert!(alert["endpoint_id"].as_str().unwrap().parse::<std::net::IpAddr>().is_ok());
        assert!(alert["host_name"].is_null() && alert["actor_process_image_name"].is_null());
        assert!(alert["fw_device_name"][0].is_string());
    }
}

#[tokio::test]
async fn filters_and_order() {
    let world = world().hosts(100).alerts(200).start().await;
    let every = all(&world, V2).await;
    let times: Vec<i64> = every.iter().map(|alert| alert["detection_timestamp"].as_i64().unwrap()).collect();
    assert!(times.iter().rev().is_sorted(), "creation_time DESC by default");
    let count = |field: &'static str, operator: &'static str, value: Value| {
        let world = &world;
        async move {
            let filters = json!([{"field": field, "operator": operator, "value": value}]);
            world.reply(V2, json!({"filters": filters})).await["total_count"].as_u64().unwrap()
        }
    };
    let mut by_severity = 0;
    for level in ["informational", "low", "medium", "high", "critical"] {
        by_severity += count("severity", "in", json!([level])).await;
    }
    assert_eq!(by_severity, 200);
    assert_eq!(count("severity", "in", json!(["HIGH"])).await, 0, "upper case matches nothing");
    let number: u64 = every[3]["alert_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(count("alert_id_list", "in", json!([number, number + 1])).await, 1);
    assert_eq!(count("external_id_list", "in", json!([every[9]["external_id"]])).await, 1);
    let middle = times[100];
    let split = count("creation_time", "gte", json!(middle)).await
        + count("creation_time", "lte", json!(middle - 1)).await;
    assert_eq!(split, 200);
    let inserted = every[60]["local_insert_ts"].as_i64().unwrap();
    let split = count("server_creation_time", "gte", json!(inserted)).await
        + count("server_creation_time", "lte", json!(inserted - 1)).await;
    assert_eq!(split, 200);
    for (field, value) in
        [("alert_id_list", json!(["1"])), ("status", json!(["new"])), ("severity", json!("high"))]
    {
        let filters = json!([{"field": field, "operator": "in", "value": value}]);
        assert_eq!(world.post(V2, json!({"request_data": {"filters": filters}})).await.0, 500, "{field}");
    }
    for (field, key) in
        [("server_creation_time", "local_insert_ts"), ("creation_time", "detection_timestamp")]
    {
        let reply = world.reply(V1, json!({"sort": {"field": field, "keyword": "asc"}})).await;
        let values: Vec<i64> =
            reply["alerts"].as_array().unwrap().iter().map(|alert| alert[key].as_i64().unwrap()).collect();
        assert!(values.is_sorted(), "{field}");
    }
    let reply = world.reply(FLAT, json!({"sort": {"field": "severity", "keyword": "desc"}})).await;
    assert_eq!(reply["alerts"][0]["severity"], "critical");
}

#[tokio::test]
async fn late_alerts_have_an_old_creation_time() {
    let world = world().hosts(100).alerts(50).start().await;
    let now = world.sim.now().timestamp_millis();
    world.add_alerts(5, Duration::from_secs(86_400));
    let since = |field: &str| json!({"filters": [{"field": field, "operator": "gte", "value": now}]});
    assert_eq!(world.reply(V2, since("server_creation_time")).await["total_count"], 5);
    assert_eq!(world.reply(V2, since("creation_time")).await["total_count"], 0);
}

#[tokio::test]
async fn totals_are_capped_and_windows_are_strict() {
    let world = world().hosts(100).alerts(10_200).start().await;
    let tail = json!({"search_from": 10_150, "search_to": 10_250, "sort": {"field": "server_creation_time", "keyword": "asc"}});
    let reply = world.reply(V2, tail).await;
    assert_eq!((&reply["total_count"], &reply["result_count"]), (&json!(9_999), &json!(50)));
    let past = world.reply(V2, json!({"search_from": 20_000, "search_to": 20_100, "sort": {"field": "server_creation_time", "keyword": "asc"}})).await;
    assert!(past["alerts"].is_null(), "an empty list is null");
    assert_eq!(world.post(V2, json!({"request_data": {"search_to": 101}})).await.0, 500);
}

#[tokio::test]
async fn a_broken_alert_spoils_only_itself() {
    let world = world().hosts(100).alerts(50).start().await;
    world.faults(vec![FaultRule::always("v2/alerts/get_alerts_multi_events", FaultKind::BadItem)]);
    let reply = world.reply(V2, json!({})).await;
    let broken =
        reply["alerts"].as_array().unwrap().iter().filter(|alert| alert["alert_id"].is_object()).count();
    assert_eq!(broken, 1);
}

#[tokio::test]
async fn the_second_style_of_filters() {
    let world = world().hosts(100).alerts(120).start().await;
    let search = |condition: Value, paging: Value| json!({"filter_data": {"filter": condition, "paging": paging, "sort": [{"FIELD": "local_insert_ts", "ORDER": "ASC"}]}});
    let all = world.reply(DATA, search(json!({}), json!({"from": 0, "to": 50}))).await;
    assert_eq!((&all["TOTAL_COUNT"], &all["FILTER_COUNT"]), (&json!(120), &json!(120)));
    assert_eq!(all["DATA"].as_array().unwrap().len(), 50);
    let one = &all["DATA"][7]["alert_fields"];
    let triple = |field: &str, kind: &str, value: &Value| json!({"SEARCH_FIELD": field, "SEARCH_TYPE": kind, "SEARCH_VALUE": value});
    let by_id = search(
        json!({"AND": [triple("internal_id", "EQ", &one["internal_id"])]}),
        json!({"from": 0, "to": 10}),
    );
    assert_eq!(world.reply(DATA, by_id).await["FILTER_COUNT"], 1);
    let levels = ["SEV_010_INFO", "SEV_020_LOW", "SEV_030_MEDIUM", "SEV_040_HIGH", "SEV_050_CRITICAL"];
    let any: Vec<Value> = levels.iter().map(|level| triple("severity", "EQ", &json!(level))).collect();
    assert_eq!(
        world.reply(DATA, search(json!({"AND": [{"OR": any}]}), json!({"from": 0, "to": 10}))).await["FILTER_COUNT"],
        120
    );
    let late = search(
        json!({"AND": [triple("local_insert_ts", "GTE", &one["local_insert_ts"])]}),
        json!({"from": 0, "to": 10}),
    );
    assert_eq!(world.reply(DATA, late).await["FILTER_COUNT"], 113);
    let bad = search(json!({"AND": [triple("colour", "EQ", &json!(1))]}), json!({"from": 0, "to": 10}));
    assert_eq!(world.post(DATA, json!({"request_data": bad})).await.0, 500);
}

#[tokio::test]
async fn incidents_hold_their_alerts() {
    let world = world().hosts(100).alerts(41).start().await;
    let path = "/public_api/v1/incidents/get_incidents";
    let reply = world.reply(path, json!({})).await;
    assert_eq!((&reply["total_count"], reply["incidents"].as_array().unwrap().len()), (&json!(11), 11));
    let last = &reply["incidents"][10];
    assert_eq!((&last["incident_id"], &last["alert_count"]), (&json!("1"), &json!(4)));
    assert!(last["xdr_url"].as_str().unwrap().ends_with("incident-view?caseId=1"));
    let filters = json!([{"field": "incident_id_list", "operator": "in", "value": ["3", "99"]}]);
    assert_eq!(world.reply(path, json!({"filters": filters})).await["total_count"], 1);
    let status = json!([{"field": "status", "operator": "neq", "value": "new"}]);
    assert!(world.reply(path, json!({"filters": status})).await["total_count"].as_u64().unwrap() < 11);
    let extra = world.reply(EXTRA, json!({"incident_id": "11", "alerts_limit": 1000})).await;
    assert_eq!(
        (&extra["alerts"]["total_count"], extra["alerts"]["data"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    assert!(extra["network_artifacts"]["data"].is_array() && extra["file_artifacts"]["data"].is_array());
    assert_eq!(world.post(EXTRA, json!({"request_data": {"incident_id": "12"}})).await.0, 500);
}

#[tokio::test]
async fn issues_are_the_alerts_of_generation_5() {
    let (three, five) = (
        world().hosts(100).alerts(90).start().await,
        world().hosts(100).alerts(90).generation(5).start().await,
    );
    let alerts: BTreeMap<String, Value> = all(&three, V2)
        .await
        .into_iter()
        .map(|alert| (alert["external_id"].as_str().unwrap().to_owned(), alert))
        .collect();
    let reply = five.reply(ISSUES, json!({})).await;
    assert_eq!((&reply["TOTAL_COUNT"], &reply["FILTER_COUNT"]), (&json!(90), &json!(90)));
    for issue in reply["DATA"].as_array().unwrap() {
        must_have(
            issue,
            "id _insert_time external_id name description observation_time domain category severity case_ids asset_ids asset_names tags normalized_fields custom_fields detection.method detection.rule_id status.progress status.resolution_reason status.resolution_comment",
            "issue",
        );
        let alert = &alerts[issue["external_id"].as_str().unwrap()];
        assert_eq!(issue["id"].as_u64().unwrap().to_string(), alert["alert_id"].as_str().unwrap());
        assert_eq!(issue["name"], alert["name"]);
        assert_eq!(issue["detection.method"], alert["source"]);
        assert_eq!(issue["asset_names"][0], alert["host_name"]);
        assert_eq!(
            issue["normalized_fields"]["xdm.source.process.executable.sha256"],
            alert["actor_process_image_sha256"][0]
        );
        assert_eq!(
            issue["normalized_fields"]["xdm.source.process.causality_id"],
            alert["actor_process_causality_id"][0]
        );
        assert_eq!(issue["normalized_fields"]["xdm.source.identity.username"], alert["user_name"][0]);
        assert_eq!(issue["severity"], issue["severity"].as_str().unwrap().to_uppercase());
    }
    let count = |field: &'static str, operator: &'static str, value: Value| {
        let five = &five;
        async move {
            let filters = json!([{"field": field, "operator": operator, "value": value}]);
            five.reply(ISSUES, json!({"filters": filters})).await["FILTER_COUNT"].as_u64().unwrap()
        }
    };
    assert_eq!(count("severity", "in", json!(["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"])).await, 90);
    assert_eq!(count("severity", "in", json!(["high", "critical"])).await, 0, "lower case matches nothing");
    assert_eq!(count("status.progress", "in", json!(["New", "In Progress", "Resolved"])).await, 90);
    assert_eq!(count("id", "in", json!([reply["DATA"][4]["id"]])).await, 1);
    let few = five.reply(ISSUES, json!({"include_fields": ["name", "severity"], "search_to": 1})).await;
    assert_eq!(few["DATA"][0].as_object().unwrap().len(), 3);
}

#[tokio::test]
async fn cases_are_the_incidents_of_generation_5() {
    let world = world().hosts(100).alerts(41).generation(5).start().await;
    let reply = world
        .reply("/public_api/v1/case/search", json!({"sort": {"field": "case_id", "keyword": "asc"}}))
        .await;
    let cases = reply["DATA"].as_array().unwrap();
    assert_eq!((&reply["TOTAL_COUNT"], cases.len()), (&json!(11), 11));
    assert_eq!((&cases[0]["case_id"], cases[0]["issue_ids"].as_array().unwrap().len()), (&json!(1), 4));
    let filters = json!([{"field": "severity", "operator": "in", "value": ["info", "low", "medium", "high", "critical"]}]);
    assert_eq!(
        world.reply("/public_api/v1/case/search", json!({"filters": filters})).await["FILTER_COUNT"],
        11
    );
    let filters = json!([{"field": "severity", "operator": "in", "value": ["HIGH", "informational"]}]);
    assert_eq!(
        world.reply("/public_api/v1/case/search", json!({"filters": filters})).await["FILTER_COUNT"],
        0
    );
}
