//! The same seed and the same script give the same bytes, on two runs.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::{Raw, start};
use edr_sim::{Access, FaultKind, FaultRule, KeyType, Sim};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A reply as it came: the status, the headers by name, the body. The header `date` and the addresses of this run are
/// all that two runs may differ in.
async fn wire(request: RequestBuilder, runs: &[(String, &'static str)]) -> String {
    let response = request.send().await.unwrap();
    let mut headers: Vec<String> =
        response.headers().iter().filter(|(n, _)| *n != "date").map(|(n, v)| format!("{n}: {v:?}")).collect();
    headers.sort();
    let status = response.status();
    let body = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
    let text = format!("{status}\n{}\n\n{body}", headers.join("\n"));
    runs.iter().fold(text, |text, (own, same)| text.replace(own, same))
}

async fn world(seed: u64) -> Raw {
    let epoch: DateTime<Utc> = "2026-06-01T12:00:00Z".parse().unwrap();
    start(
        Sim::builder()
            .seed(seed)
            .epoch(epoch)
            .children(2)
            .falcon_hosts(60)
            .cortex_hosts(60)
            .alerts(40)
            .key_type(KeyType::Standard)
            .second_region(true)
            .enforce_limits(false),
    )
    .await
}

/// Every operation of Falcon at least once, good and bad, with changes and time between.
fn falcon(raw: &Raw, n: usize) -> Option<RequestBuilder> {
    let estate = raw.sim.estate("falcon-1").unwrap();
    let (a, b) = (estate.host_id(3), estate.host_id(40));
    let unknown = "f".repeat(32);
    let cid = raw.sim.state().tenants[1].falcon().unwrap().cid.clone();
    let act = |action: &str| {
        raw.post(
            &format!("/devices/entities/devices-actions/v2?action_name={action}"),
            &json!({"ids": [a, b, unknown]}),
        )
    };
    let groups = "/devices/entities/host-groups/v1";
    Some(match n {
        0 => raw.token_request(),
        1 => raw.get("/devices/combined/devices/v1", &[("limit", "7")]),
        2 => raw.get("/devices/combined/devices/v1", &[("filter", "platform_name:'Windows'"), ("sort", "hostname.desc")]),
        3 => raw.get("/devices/queries/devices-scroll/v1", &[("limit", "9")]),
        4 => raw.get("/devices/queries/devices/v1", &[("offset", "5")]),
        5 => raw.get("/devices/entities/devices/v2", &[("ids", &a), ("ids", &unknown)]),
        6 => raw.post("/devices/entities/devices/v2", &json!({"ids": [b, a]})),
        7 => raw.get("/devices/entities/online-state/v1", &[("ids", &a)]),
        8 => act("contain"),
        9 => act("contain"),
        10 => act("hide_host"),
        11 => raw.get("/devices/combined/devices-hidden/v1", &[]),
        12 => raw.get("/devices/queries/devices-hidden/v1", &[]),
        13 => raw.patch(
            "/devices/entities/devices/tags/v1",
            &json!({"action": "add", "device_ids": [a, unknown], "tags": ["FalconGroupingTags/x"]}),
        ),
        14 => raw.post(groups, &json!({"resources": [{"name": "N", "group_type": "dynamic", "assignment_rule": "platform_name:'Mac'"}]})),
        15 => raw.get("/devices/combined/host-groups/v1", &[]),
        16 => raw.get("/devices/queries/host-groups/v1", &[("sort", "created_timestamp.desc")]),
        17 => raw.get(groups, &[("ids", &unknown)]),
        18 => raw.patch(groups, &json!({"resources": [{"id": unknown, "name": "M"}]})),
        19 => raw.get("/devices/combined/host-group-members/v1", &[("limit", "3")]),
        20 => raw.get("/devices/queries/host-group-members/v1", &[]),
        21 => raw.post("/devices/entities/host-group-actions/v1?action_name=add-hosts", &json!({"ids": [unknown]})),
        22 => raw.delete(groups, &[("ids", &unknown)]),
        23 => raw.get("/alerts/queries/alerts/v1", &[]),
        24 => raw.get("/alerts/queries/alerts/v2", &[("filter", "severity:>50")]),
        25 => raw.post("/alerts/combined/alerts/v1", &json!({"limit": 11})),
        26 => raw.post("/alerts/entities/alerts/v2", &json!({"composite_ids": ["nothing"]})),
        27 => raw.patch("/alerts/entities/alerts/v3", &json!({"composite_ids": ["nothing"], "action_parameters": [{"name": "unassign", "value": ""}]})),
        28 => raw.get("/mssp/queries/children/v1", &[]),
        29 => raw.get("/mssp/entities/children/v1", &[("ids", &cid)]),
        30 => raw.post("/mssp/entities/children/GET/v2", &json!({"ids": [cid, unknown]})),
        31 => raw.get("/devices/combined/devices/v1", &[("filter", "nonsense")]),
        32 => raw.get("/no/such/path", &[]),
        33 => raw.get("/devices/combined/devices/v1", &[("limit", "2"), ("fields", "hostname,tags")]),
        34 => raw.http.get(format!("{}/devices/queries/devices/v1", raw.base)),
        35 => raw.get("/alerts/queries/alerts/v2", &[("q", "powershell")]),
        36 => raw.post("/oauth2/token", &json!({})),
        37 => raw
            .http
            .post(format!("{}/oauth2/revoke", raw.base))
            .basic_auth(&raw.id, Some("wrong"))
            .form(&[("token", "x")]),
        _ => return further(raw, n - 38),
    })
}

/// Every other operation of Falcon, with one body for all of them: each takes what it knows.
fn further(raw: &Raw, n: usize) -> Option<RequestBuilder> {
    const HOSTS: [&str; 3] = ["login-history", "network-address-history", "aggregates"];
    let services = [
        "/iocs/",
        "/policy/",
        "/user-management/",
        "/mssp/",
        "/zero-trust",
        "/sensors/",
        "/billing",
        "/discover/",
        "/spotlight/",
        "/cases/",
        "/quarantine/",
        "/ods/",
        "/installation-tokens/",
    ];
    let is_further = |path: &str| {
        services.iter().any(|s| path.starts_with(s)) || HOSTS.iter().any(|part| path.contains(part))
    };
    let (method, path, _, _) =
        edr_sim::falcon::OPERATIONS.iter().filter(|(_, p, _, _)| is_further(p)).nth(n)?;
    let id = raw.sim.estate("falcon-1").unwrap().host_id(3);
    let row =
        json!({"name": "N", "platform_name": "Linux", "id": id, "cid_group_id": id, "user_group_id": id});
    let ioc = json!({"type": "ipv4", "value": "10.0.0.1", "platforms": ["linux"], "applied_globally": true,
        "action": "no_action"});
    let all = json!({"ids": [id], "resources": [row], "indicators": [ioc], "device_id": id,
        "uid": "a@b.example", "action": "grant", "platform_name": "Linux"});
    let counts = json!([{"name": "a", "type": "terms", "field": "severity_name"}]);
    let body = if path.contains("aggregates") { counts } else { all };
    let query =
        [("ids", id.as_str()), ("filter", ""), ("type", "ipv4"), ("value", "x"), ("action_name", "enable")];
    let request = raw.http.request(method.parse().unwrap(), format!("{}{path}", raw.base));
    let request = request.query(&query).bearer_auth(&raw.token);
    Some(if *method == "GET" { request } else { request.json(&body) })
}

/// Every operation of Cortex that the generation has.
fn cortex(raw: &Raw) -> Vec<RequestBuilder> {
    let tenant = raw.sim.tenants().last().unwrap();
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else { panic!("no Cortex tenant") };
    let estate = raw.sim.estate("cortex-1").unwrap();
    let (id, alert) = (estate.host_id(5), estate.alert_number(7).to_string());
    let one = json!([{"field": "endpoint_id_list", "operator": "in", "value": [id]}]);
    let data = json!({
        "endpoint_id": id, "filters": one, "tag": "t", "alias": "a", "incident_id": "2", "group_action_id": 101,
        "alert_id_list": [alert], "update_data": {"status": "under_investigation"}, "search_to": 13,
    });
    let body = |path: &str| {
        let keys: &[&str] = match path.rsplit('/').next().unwrap_or_default() {
            "isolate" | "unisolate" => &["endpoint_id"],
            "assign" | "remove" => &["filters", "tag"],
            "update_agent_name" => &["filters", "alias"],
            "update_alerts" => &["alert_id_list", "update_data"],
            "update_incident" => &["incident_id", "update_data"],
            "get_incident_extra_data" => &["incident_id"],
            "get_action_status" => &["group_action_id"],
            _ => &["search_to"],
        };
        let kept: serde_json::Map<String, Value> =
            keys.iter().map(|key| ((*key).to_owned(), data[*key].clone())).collect();
        json!({"request_data": kept})
    };
    let call = |operation: &edr_sim::cortex::Operation| {
        let method = if operation.verb == edr_sim::cortex::Verb::Get { Method::GET } else { Method::POST };
        let request = raw.http.request(method.clone(), format!("{}{}", tenant.base_url, operation.path));
        let request = request.header("x-xdr-auth-id", api_key_id).header("authorization", api_key);
        if method == Method::GET { request } else { request.json(&body(operation.path)) }
    };
    edr_sim::cortex::OPERATIONS.iter().map(call).collect()
}

async fn script(seed: u64) -> Vec<String> {
    let raw = world(seed).await;
    let runs: Vec<(String, &'static str)> = vec![
        (raw.base.clone(), "BASE"),
        (raw.sim.state().regions.urls()[1].clone(), "SECOND"),
        (raw.sim.tenants().last().unwrap().base_url.clone(), "CORTEX"),
    ];
    let mut replies = Vec::new();
    for n in 0.. {
        let Some(request) = falcon(&raw, n) else { break };
        replies.push(wire(request, &runs).await);
        raw.sim.advance(Duration::from_millis(700));
    }
    for request in cortex(&raw) {
        replies.push(wire(request, &runs).await);
        raw.sim.advance(Duration::from_secs(3));
    }
    raw.sim.add_alerts("falcon-1", 3, Duration::from_secs(7_200)).unwrap();
    replies.push(wire(raw.get("/alerts/queries/alerts/v2", &[]), &runs).await);
    for kind in [FaultKind::Internal, FaultKind::BadItem, FaultKind::TooManyBare, FaultKind::Scope] {
        raw.sim.clear_faults();
        raw.sim.inject(vec![FaultRule::always("CombinedDevicesByFilter", kind)]).unwrap();
        replies.push(wire(raw.get("/devices/combined/devices/v1", &[]), &runs).await);
    }
    raw.sim.clear_faults();
    raw.sim.move_tenant("falcon-1", "sim-2").unwrap();
    replies.push(wire(raw.get("/devices/combined/devices/v1", &[]), &runs).await);
    replies.push(serde_json::to_string(&raw.sim.log()).unwrap());
    replies
}

#[tokio::test]
async fn two_runs_of_a_script_give_the_same_bytes() {
    let (one, two, other) = (script(7).await, script(7).await, script(8).await);
    assert!(one.len() > 60, "{}", one.len());
    for (n, (a, b)) in one.iter().zip(&two).enumerate() {
        assert_eq!(a, b, "reply {n} differs");
    }
    assert_eq!(one.len(), two.len());
    assert!(one.iter().zip(&other).filter(|(a, b)| a != b).count() > 40, "the seed decides nothing");
}

#[tokio::test]
async fn the_script_leaves_no_operation_out() {
    let raw = world(7).await;
    for n in 0.. {
        let Some(request) = falcon(&raw, n) else { break };
        request.send().await.unwrap();
    }
    let report = raw.sim.requests();
    for (_, _, operation, _) in edr_sim::falcon::OPERATIONS {
        let asked: u64 = report.counters.values().filter_map(|ops| ops.get(*operation)).sum();
        assert!(asked > 0, "the script does not call {operation}");
    }
}
