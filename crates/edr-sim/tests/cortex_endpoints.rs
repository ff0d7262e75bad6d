//! Endpoints of Cortex through real sockets: fields, filters, windows, order, faults.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod cortex_support;

use std::collections::BTreeSet;

use cortex_support::{World, world};
use edr_sim::faults::{Fault, FaultKind, FaultRule};
use serde_json::{Value, json};

const GET: &str = "/public_api/v1/endpoints/get_endpoint";

async fn ids(world: &World, data: Value) -> Vec<String> {
    let reply = world.reply(GET, data).await;
    reply["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["endpoint_id"].as_str().unwrap().to_owned())
        .collect()
}

async fn total(world: &World, filters: Value) -> u64 {
    world.reply(GET, json!({"filters": filters})).await["total_count"].as_u64().unwrap()
}

#[tokio::test]
async fn an_endpoint_has_every_field_in_the_vendors_forms() {
    let world = world().hosts(200).start().await;
    let reply = world.reply(GET, json!({})).await;
    assert_eq!((&reply["total_count"], &reply["result_count"]), (&json!(200), &json!(100)));
    for endpoint in reply["endpoints"].as_array().unwrap() {
        let keys: BTreeSet<&str> = endpoint.as_object().unwrap().keys().map(String::as_str).collect();
        for key in "endpoint_id endpoint_name endpoint_type endpoint_status os_type os_version operating_system ip ipv6 public_ip users domain alias first_seen last_seen install_date content_version content_release_timestamp last_content_update_time content_status installation_package active_directory endpoint_version is_isolated isolated_date group_name operational_status operational_status_description operational_status_details scan_status mac_address assigned_prevention_policy assigned_extensions_policy tags token_hash".split(' ') {
            assert!(keys.contains(key), "{key}");
        }
        assert!(!keys.contains("cloud_provider"), "that is XDR 5");
        assert_eq!(endpoint["endpoint_id"].as_str().unwrap().len(), 32);
        assert!(endpoint["first_seen"].as_i64().unwrap() > 1_000_000_000_000);
        assert!(endpoint["tags"]["server_tags"].is_array() && endpoint["tags"]["endpoint_tags"].is_array());
        if let Some(text) = endpoint["operational_status_description"].as_str() {
            assert!(serde_json::from_str::<Value>(text).unwrap()[0]["error_code"].is_number());
        }
    }
}

#[tokio::test]
async fn the_estate_is_mixed() {
    let world = world().hosts(2_000).start().await;
    let mut seen: std::collections::BTreeMap<&str, BTreeSet<String>> = std::collections::BTreeMap::new();
    for from in (0..2_000).step_by(100) {
        let reply = world.reply(GET, json!({"search_from": from, "search_to": from + 100})).await;
        for endpoint in reply["endpoints"].as_array().unwrap() {
            for key in ["endpoint_status", "os_type", "endpoint_type", "is_isolated", "operational_status"] {
                seen.entry(key).or_default().insert(endpoint[key].as_str().unwrap().to_owned());
            }
            for key in ["users", "active_directory", "ipv6"] {
                let form = if endpoint[key].is_array() {
                    "list"
                } else if endpoint[key].is_string() {
                    "text"
                } else {
                    "null"
                };
                seen.entry(key).or_default().insert(form.to_owned());
            }
        }
    }
    assert_eq!(seen["endpoint_status"].len(), 4, "{seen:?}");
    assert_eq!(seen["os_type"].len(), 3);
    assert_eq!(seen["endpoint_type"].len(), 3);
    assert_eq!(seen["operational_status"].len(), 3);
    assert!(seen["is_isolated"].contains("AGENT_ISOLATED"));
    assert_eq!(seen["users"].len(), 3);
    assert_eq!(seen["active_directory"].len(), 3);
    assert_eq!(seen["ipv6"].len(), 2);
}

#[tokio::test]
async fn pages_cover_every_endpoint_once_in_order() {
    let world = world().hosts(1_234).start().await;
    for (sort, field, descending) in [
        (json!(null), "first_seen", true),
        (json!({"field": "first_seen", "keyword": "ASC"}), "first_seen", false),
        (json!({"field": "endpoint_id", "keyword": "asc"}), "endpoint_id", false),
        (json!({"field": "last_seen", "keyword": "DESC"}), "last_seen", true),
    ] {
        let (mut seen, mut values, mut from) = (BTreeSet::new(), Vec::new(), 0);
        loop {
            let reply =
                world.reply(GET, json!({"search_from": from, "search_to": from + 100, "sort": sort})).await;
            let page = reply["endpoints"].as_array().unwrap().clone();
            if page.is_empty() {
                break;
            }
            for endpoint in page {
                assert!(seen.insert(endpoint["endpoint_id"].as_str().unwrap().to_owned()), "{field}");
                values.push(
                    endpoint[field]
                        .as_str()
                        .map_or_else(|| format!("{:020}", endpoint[field].as_i64().unwrap()), str::to_owned),
                );
            }
            from += 100;
        }
        assert_eq!(seen.len(), 1_234);
        if descending {
            values.reverse();
        }
        assert!(values.is_sorted(), "{field}");
    }
}

#[tokio::test]
async fn filters() {
    let world = world().hosts(600).start().await;
    let first =
        &world.reply(GET, json!({"sort": {"field": "endpoint_id", "keyword": "ASC"}})).await["endpoints"][0]
            .clone();
    let one = |field: &str, value: &Value| json!([{"field": field, "operator": "in", "value": [value]}]);
    for (field, key) in [
        ("endpoint_id_list", "endpoint_id"),
        ("hostname", "endpoint_name"),
        ("dist_name", "installation_package"),
        ("public_ip_list", "public_ip"),
    ] {
        assert!(total(&world, one(field, &first[key])).await >= 1, "{field}");
    }
    for (field, key) in [("ip_list", "ip"), ("group_name", "group_name")] {
        assert!(total(&world, one(field, &first[key][0])).await >= 1, "{field}");
    }
    assert_eq!(total(&world, one("endpoint_id_list", &json!("0".repeat(32)))).await, 0);
    assert_eq!(total(&world, one("alias", &json!(""))).await, 600);
    assert_eq!(total(&world, one("scan_status", &json!("none"))).await, 600);
    let mut platforms = 0;
    for platform in ["windows", "linux", "macos", "android"] {
        platforms += total(&world, one("platform", &json!(platform))).await;
    }
    assert_eq!(platforms, 600);
    let mut states = 0;
    for state in ["connected", "disconnected", "lost", "uninstalled"] {
        let n = total(&world, one("endpoint_status", &json!(state))).await;
        assert_eq!(
            total(&world, json!([{"field": "endpoint_status", "operator": "eq", "value": state}])).await,
            n
        );
        states += n;
    }
    assert_eq!(states, 600);
    assert_eq!(
        total(&world, one("isolate", &json!("isolated"))).await
            + total(&world, one("isolate", &json!("unisolated"))).await,
        600
    );
    // The enums of replies match nothing, silently.
    for (field, value) in
        [("endpoint_status", "CONNECTED"), ("platform", "AGENT_OS_WINDOWS"), ("isolate", "AGENT_ISOLATED")]
    {
        assert_eq!(total(&world, one(field, &json!(value))).await, 0, "{value}");
    }
    let since = first["first_seen"].as_i64().unwrap();
    let time =
        |field: &str, operator: &str, at: i64| json!([{"field": field, "operator": operator, "value": at}]);
    let after = total(&world, time("first_seen", "gte", since)).await;
    let before = total(&world, time("first_seen", "lte", since - 1)).await;
    assert_eq!(after + before, 600);
    assert!(total(&world, time("last_seen", "gte", 0)).await == 600);
    // AND only.
    let both = json!([{"field": "platform", "operator": "in", "value": ["linux"]}, {"field": "endpoint_status", "operator": "in", "value": ["connected"]}]);
    let linux = total(&world, one("platform", &json!("linux"))).await;
    let n = total(&world, both).await;
    assert!(n > 0 && n < linux, "{n} of {linux}");
}

#[tokio::test]
async fn what_is_refused() {
    let world = world().hosts(10).start().await;
    for data in [
        json!({"filters": [{"field": "os_type", "operator": "in", "value": ["x"]}]}),
        json!({"filters": [{"field": "hostname", "operator": "contains", "value": "x"}]}),
        json!({"filters": [{"field": "hostname", "operator": "in", "value": "x"}]}),
        json!({"filters": [{"field": "first_seen", "operator": "gte", "value": "2024-01-01"}]}),
        json!({"filters": [{"field": "cloud_region", "operator": "in", "value": ["eu-central-1"]}]}),
        json!({"filters": "all"}),
        json!({"search_to": 101}),
        json!({"search_from": 100, "search_to": 0}),
        json!({"search_from": -1}),
        json!({"sort": {"field": "endpoint_name", "keyword": "ASC"}}),
    ] {
        let (status, body) = world.post(GET, json!({"request_data": data})).await;
        assert_eq!(status, 500, "{data}");
        assert_eq!(body["reply"]["err_code"], 500, "{data}");
        assert!(body["reply"]["err_extra"].is_string(), "{data}");
    }
    assert_eq!(world.post(GET, json!({})).await.0, 400);
    assert_eq!(world.post(GET, json!({"request_data": "all"})).await.0, 400);
    assert_eq!(world.post("/public_api/v1/endpoints/nothing", json!({"request_data": {}})).await.0, 404);
    assert_eq!(world.get(GET).await.0, 405);
}

#[tokio::test]
async fn the_light_list_has_every_agent_under_other_names() {
    let world = world().hosts(250).start().await;
    let (status, body) = world.post("/public_api/v1/endpoints/get_endpoints/", json!({})).await;
    let agents = body["reply"].as_array().unwrap();
    assert_eq!((status, agents.len()), (200, 250));
    let full = world.reply(GET, json!({"filters": [{"field": "endpoint_id_list", "operator": "in", "value": [agents[7]["agent_id"]]}]})).await;
    let endpoint = &full["endpoints"][0];
    assert_eq!(agents[7]["host_name"], endpoint["endpoint_name"]);
    assert_eq!(agents[7]["agent_status"], endpoint["endpoint_status"]);
    assert_eq!(agents[7]["ip"][0], endpoint["ip"][0]);
}

#[tokio::test]
async fn faults_of_a_page() {
    let world = world().hosts(350).start().await;
    let op = "v1/endpoints/get_endpoint";
    let drift = Fault { shift: 1, ..FaultKind::Drift.into() };
    world.faults(vec![
        FaultRule::nth(op, 1, FaultKind::EmptyPage),
        FaultRule::nth(op, 2, FaultKind::BadItem),
        FaultRule::nth(op, 3, FaultKind::RepeatCursor),
        FaultRule::nth(op, 4, drift),
    ]);
    let page = |from: u64| json!({"search_from": from, "search_to": from + 100});
    let empty = world.reply(GET, page(100)).await;
    assert_eq!((empty["endpoints"].as_array().unwrap().len(), &empty["total_count"]), (0, &json!(350)));
    let bad = world.reply(GET, page(100)).await;
    assert_eq!(
        bad["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|endpoint| endpoint["endpoint_id"].is_object())
            .count(),
        1
    );
    let (repeated, drifted) = (ids(&world, page(100)).await, ids(&world, page(100)).await);
    let (first, second) = (ids(&world, page(0)).await, ids(&world, page(100)).await);
    assert_eq!(repeated, first);
    assert_eq!(drifted[0], first[99]);
    assert_eq!(drifted[1..], second[..99]);
}

#[tokio::test]
async fn xdr_5_adds_the_cloud() {
    let world = world().hosts(300).generation(5).start().await;
    let reply = world.reply(GET, json!({"filters": [{"field": "cloud_provider", "operator": "in", "value": ["AWS", "AZURE", "GCP"]}]})).await;
    assert!(reply["total_count"].as_u64().unwrap() > 0);
    for endpoint in reply["endpoints"].as_array().unwrap() {
        assert!(endpoint["cloud_provider"].is_string() && endpoint["cloud_instance_id"].is_string());
    }
}
