//! The Falcon half over a real socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::{Raw, ids, message, send, start};
use edr_sim::Sim;
use serde_json::json;

const COMBINED: &str = "/devices/combined/devices/v1";
const SCROLL: &str = "/devices/queries/devices-scroll/v1";
const ALERTS: &str = "/alerts/combined/alerts/v1";

async fn small() -> Raw {
    start(Sim::builder().falcon_hosts(230).alerts(60)).await
}

#[tokio::test]
async fn a_token_has_three_keys_and_expires() {
    let raw = small().await;
    let (status, headers, body) = send(raw.token_request()).await;
    assert_eq!(status, 201);
    assert_eq!(body.as_object().unwrap().len(), 3);
    assert_eq!((body["expires_in"].as_u64(), body["token_type"].as_str()), (Some(1799), Some("bearer")));
    assert_eq!(
        (headers["x-ratelimit-limit"].to_str().unwrap(), headers["x-ratelimit-remaining"].to_str().unwrap()),
        ("300", "298")
    );
    assert_eq!(headers["x-cs-region"], "sim-1");
    assert_eq!(send(raw.get(COMBINED, &[("limit", "1")])).await.0, 200);
    raw.sim.advance(Duration::from_secs(1800));
    let (status, headers, body) = send(raw.get(COMBINED, &[])).await;
    assert_eq!((status.as_u16(), message(&body)), (401, "access denied, invalid bearer token"));
    assert_eq!(headers["x-ratelimit-limit"], "15");
}

#[tokio::test]
async fn wrong_credentials_are_refused_as_the_vendor_does() {
    let raw = small().await;
    let token = |form: Vec<(&str, String)>| raw.http.post(format!("{}/oauth2/token", raw.base)).form(&form);
    let (status, _, body) =
        send(token(vec![("client_id", "0".repeat(32)), ("client_secret", "x".into())])).await;
    assert_eq!(status, 400);
    assert!(message(&body).starts_with("Failed to generate access token for clientID="));
    let (status, _, body) =
        send(token(vec![("client_id", raw.id.clone()), ("client_secret", "x".into())])).await;
    assert_eq!((status.as_u16(), body["meta"]["powered_by"].as_str()), (403, Some("csam")));
    let right = vec![
        ("client_id", raw.id.clone()),
        ("client_secret", raw.secret.clone()),
        ("member_cid", "a".repeat(32)),
    ];
    assert_eq!(send(token(right)).await.0, 403);
    assert_eq!(
        send(raw.http.post(format!("{}/oauth2/token", raw.base)).json(&json!({"client_id": raw.id}))).await.0,
        400
    );
}

#[tokio::test]
async fn a_revoked_token_is_dead_at_once() {
    let raw = small().await;
    let revoke = raw
        .http
        .post(format!("{}/oauth2/revoke", raw.base))
        .basic_auth(&raw.id, Some(&raw.secret))
        .form(&[("token", &raw.token)]);
    assert_eq!(send(revoke).await.0, 200);
    assert_eq!(send(raw.get(COMBINED, &[])).await.0, 401);
}

#[tokio::test]
async fn scopes_routes_and_methods() {
    let raw = start(Sim::builder().without_scope("alerts:read")).await;
    let (status, _, body) = send(raw.post(ALERTS, &json!({}))).await;
    assert_eq!((status.as_u16(), message(&body)), (403, "access denied, scope not permitted"));
    for path in ["/detects/queries/detects/v1", "/incidents/queries/incidents/v1", "/nowhere"] {
        let (status, _, body) = send(raw.get(path, &[])).await;
        assert_eq!((status.as_u16(), message(&body)), (404, "404: Page Not Found"), "{path}");
    }
    assert_eq!(send(raw.post(COMBINED, &json!({}))).await.0, 405);
    let bare = start(Sim::builder().falcon_without_combined(true)).await;
    assert_eq!(send(bare.get(COMBINED, &[])).await.0, 404);
    assert_eq!(send(bare.post(ALERTS, &json!({}))).await.0, 404);
    assert_eq!(send(bare.get(SCROLL, &[])).await.0, 200);
}

async fn walk(raw: &Raw, path: &str, query: &[(&str, &str)]) -> Vec<String> {
    let (mut all, mut offset) = (Vec::new(), String::new());
    loop {
        let mut query = query.to_vec();
        if !offset.is_empty() {
            query.push(("offset", &offset));
        }
        let (status, _, body) = send(raw.get(path, &query)).await;
        assert_eq!(status, 200, "{body}");
        let page = ids(&body);
        let paging = &body["meta"]["pagination"];
        let next = paging["next"].as_str().or(paging["offset"].as_str()).unwrap_or_default().to_owned();
        all.extend(page.iter().cloned());
        if next.is_empty() || page.is_empty() {
            return all;
        }
        offset = next;
    }
}

#[tokio::test]
async fn both_walks_see_every_host_once_in_order() {
    let raw = small().await;
    for path in [COMBINED, SCROLL] {
        let all = walk(&raw, path, &[("limit", "100")]).await;
        assert_eq!(all.len(), 230);
        assert!(all.windows(2).all(|w| w[0] < w[1]));
        let down = walk(&raw, path, &[("limit", "97"), ("sort", "device_id.desc")]).await;
        assert!(down.iter().rev().eq(all.iter()));
        let named = walk(
            &raw,
            path,
            &[
                ("limit", "50"),
                ("sort", "hostname.asc"),
                ("filter", "platform_name:'Windows'+status:'normal'"),
            ],
        )
        .await;
        assert_eq!(named.iter().collect::<HashSet<_>>().len(), named.len());
        assert!((100..200).contains(&named.len()));
    }
}

#[tokio::test]
async fn the_scroll_gives_a_cursor_on_the_last_page_and_the_combined_endpoint_does_not() {
    let raw = small().await;
    let (_, _, body) = send(raw.get(SCROLL, &[("limit", "1000")])).await;
    assert!(!body["meta"]["pagination"]["offset"].as_str().unwrap().is_empty());
    assert!(body["meta"]["pagination"]["expires_at"].as_i64().unwrap() > 1_000_000_000_000_000_000);
    let (_, _, body) = send(raw.get(COMBINED, &[("limit", "1000")])).await;
    assert_eq!(body["meta"]["pagination"]["next"], "");
    let (_, _, body) = send(raw.get(COMBINED, &[("filter", "hostname:'none'")])).await;
    assert_eq!((&body["meta"]["pagination"]["offset"], &body["resources"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn a_cursor_expires_after_two_minutes() {
    let raw = small().await;
    for path in [COMBINED, SCROLL] {
        let (_, _, body) = send(raw.get(path, &[("limit", "10")])).await;
        let paging = &body["meta"]["pagination"];
        let next = paging["next"].as_str().or(paging["offset"].as_str()).unwrap();
        assert_eq!(send(raw.get(path, &[("offset", next)])).await.0, 200);
        raw.sim.advance(Duration::from_secs(121));
        assert_eq!(send(raw.get(path, &[("offset", next)])).await.0, 400);
        assert_eq!(send(raw.get(path, &[("offset", "made-up")])).await.0, 400);
    }
}

#[tokio::test]
async fn caps_and_bad_parameters() {
    let raw = small().await;
    let refused = [
        (COMBINED, vec![("limit", "10001")]),
        (COMBINED, vec![("limit", "0")]),
        (COMBINED, vec![("sort", "colour.asc")]),
        (COMBINED, vec![("filter", "colour:'red'")]),
        (SCROLL, vec![("limit", "x")]),
        ("/devices/queries/devices/v1", vec![("limit", "5001")]),
        ("/devices/queries/devices/v1", vec![("limit", "5000"), ("offset", "5000")]),
    ];
    for (path, query) in refused {
        let (status, _, body) = send(raw.get(path, &query)).await;
        assert_eq!(status, 400, "{path} {query:?}");
        assert!(!message(&body).is_empty());
    }
    let (_, _, body) = send(raw.get(COMBINED, &[("filter", "colour:'red'")])).await;
    assert_eq!(message(&body), "Invalid filter expression supplied");
    assert_eq!(send(raw.get(COMBINED, &[("filter", "os_version:'Win*'")])).await.0, 500);
    let (status, _, body) =
        send(raw.get("/devices/queries/devices/v1", &[("limit", "5"), ("offset", "228")])).await;
    assert_eq!((status.as_u16(), ids(&body).len(), &body["errors"]), (200, 2, &json!(null)));
    let ids: Vec<String> = (0..5001).map(|n| format!("{n:032x}")).collect();
    assert_eq!(send(raw.post("/devices/entities/devices/v2", &json!({"ids": ids}))).await.0, 400);
    let many: Vec<(&str, &str)> = ids.iter().take(101).map(|i| ("ids", i.as_str())).collect();
    assert_eq!(send(raw.get("/devices/entities/devices/v2", &many)).await.0, 400);
    let huge = raw.post("/devices/entities/devices/v2", &json!({"ids": ["x".repeat(1 << 20)]}));
    let (status, _, body) = send(huge).await;
    assert_eq!((status.as_u16(), message(&body)), (413, "request too large"));
}

#[tokio::test]
async fn entities_come_in_another_order_with_errors_for_unknown_ids() {
    let raw = small().await;
    let all = walk(&raw, SCROLL, &[]).await;
    let mut asked = all[..40].to_vec();
    asked.push("f".repeat(32));
    let (status, _, body) = send(raw.post("/devices/entities/devices/v2", &json!({"ids": asked}))).await;
    assert_eq!(status, 200);
    let got = ids(&body);
    assert_ne!(got, all[..40]);
    assert_eq!(got.iter().collect::<HashSet<_>>(), all[..40].iter().collect());
    assert_eq!((&body["errors"][0]["code"], &body["errors"][0]["id"]), (&json!(404), &json!("f".repeat(32))));
    let (_, _, body) =
        send(raw.get("/devices/entities/devices/v2", &[("ids", &all[0]), ("ids", &all[1])])).await;
    assert_eq!(ids(&body).len(), 2);
    assert!(body.get("errors").is_none());
}

#[tokio::test]
async fn a_device_has_strings_where_the_vendor_has_strings() {
    let raw = small().await;
    let (_, _, body) = send(raw.get(COMBINED, &[("limit", "230")])).await;
    for device in body["resources"].as_array().unwrap() {
        for key in [
            "platform_id",
            "major_version",
            "config_id_base",
            "agent_load_flags",
            "cpu_vendor",
            "chassis_type",
        ] {
            assert!(device[key].is_string(), "{key} {device}");
        }
        assert_eq!(device["platform_name"] == "Mac", device.get("product_type").is_none());
        assert!(device["device_policies"]["sensor_update"]["policy_id"].as_str().unwrap().len() == 32);
        assert!(device["mac_address"].as_str().unwrap().contains('-'));
    }
    let (_, _, body) =
        send(raw.get(COMBINED, &[("limit", "3"), ("fields", "hostname, device_policies.prevention")])).await;
    let keys: Vec<&String> = body["resources"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["device_policies", "hostname"], "the specification says: only what was named");
}

#[tokio::test]
async fn a_filter_finds_what_the_entity_says() {
    let raw = small().await;
    let (_, _, body) = send(raw.get(COMBINED, &[("limit", "230")])).await;
    for device in body["resources"].as_array().unwrap().iter().step_by(23) {
        for key in [
            "hostname",
            "serial_number",
            "local_ip",
            "device_id",
            "mac_address",
            "os_version",
            "status",
            "first_seen",
            "last_login_user",
        ] {
            let Some(value) = device[key].as_str() else { continue };
            let filter = format!("{key}:'{}'", value.replace('\'', "\\'"));
            let (status, _, found) = send(raw.get(SCROLL, &[("filter", &filter), ("limit", "500")])).await;
            assert_eq!(status, 200, "{filter}");
            assert!(ids(&found).contains(&device["device_id"].as_str().unwrap().to_owned()), "{filter}");
        }
    }
}

#[tokio::test]
async fn containment_passes_through_pending() {
    let raw = small().await;
    let all = walk(&raw, SCROLL, &[("filter", "status:'normal'")]).await;
    let (up, down) = (&all[0], &all[1]);
    raw.sim.set_online("falcon-1", up, true).unwrap();
    raw.sim.set_online("falcon-1", down, false).unwrap();
    let act = |action: &'static str, ids: Vec<&str>| {
        send(raw.post(
            &format!("/devices/entities/devices-actions/v2?action_name={action}"),
            &json!({"ids": ids}),
        ))
    };
    let unknown = "e".repeat(32);
    let (status, _, body) = act("contain", vec![up, down, &unknown]).await;
    assert_eq!((status.as_u16(), body["resources"].as_array().unwrap().len()), (202, 2));
    assert_eq!(body["errors"][0]["code"], 404);
    let (status, _, body) = act("contain", vec![up]).await;
    assert_eq!((status.as_u16(), &body["errors"][0]["code"]), (409, &json!(409)));
    let status_of = |id: String| {
        let request = raw.get("/devices/entities/devices/v2", &[("ids", &id)]);
        async { send(request).await.2["resources"][0]["status"].as_str().unwrap().to_owned() }
    };
    assert_eq!(status_of(up.clone()).await, "containment_pending");
    raw.sim.advance(Duration::from_secs(6));
    assert_eq!(status_of(up.clone()).await, "contained");
    assert_eq!(status_of(down.clone()).await, "containment_pending");
    assert_eq!(act("lift_containment", vec![up]).await.0, 202);
    assert_eq!(status_of(up.clone()).await, "lift_containment_pending");
    raw.sim.advance(Duration::from_secs(6));
    assert_eq!(status_of(up.clone()).await, "normal");
    assert_eq!(act("explode", vec![up]).await.0, 400);
    let log = raw.sim.log();
    let acted: Vec<_> = log
        .iter()
        .filter(|m| m.operation == "PerformActionV2")
        .map(|m| m.after["status"].as_str().unwrap())
        .collect();
    assert_eq!(acted, ["containment_pending", "containment_pending", "lift_containment_pending"]);
    let (_, _, body) =
        send(raw.get("/devices/entities/online-state/v1", &[("ids", up), ("ids", down)])).await;
    assert_eq!(
        (&body["resources"][0]["state"], &body["resources"][1]["state"]),
        (&json!("online"), &json!("offline"))
    );
}

async fn walk_alerts(raw: &Raw, request: serde_json::Value) -> Vec<String> {
    let (mut all, mut request) = (Vec::new(), request);
    loop {
        let (status, _, body) = send(raw.post(ALERTS, &request)).await;
        assert_eq!(status, 200, "{body}");
        all.extend(ids(&body));
        match body["meta"]["pagination"]["after"].as_str() {
            Some(after) if !after.is_empty() => request["after"] = after.into(),
            _ => return all,
        }
    }
}

#[tokio::test]
async fn alerts_are_walked_by_after_without_drift() {
    let raw = small().await;
    let all = walk_alerts(&raw, json!({"limit": 7})).await;
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 60);
    for sort in ["created_timestamp|asc", "severity.desc", "updated_timestamp|asc", "composite_id.asc"] {
        let sorted = walk_alerts(&raw, json!({"limit": 13, "sort": sort})).await;
        assert_eq!(sorted.iter().collect::<HashSet<_>>(), all.iter().collect(), "{sort}");
    }
    // New alerts come at the head and do not move the rest.
    let (_, _, first) = send(raw.post(ALERTS, &json!({"limit": 10}))).await;
    raw.sim.add_alerts("falcon-1", 5, Duration::ZERO).unwrap();
    let rest = walk_alerts(&raw, json!({"limit": 10, "after": first["meta"]["pagination"]["after"]})).await;
    assert_eq!(rest, all[10..]);
    let critical = walk_alerts(&raw, json!({"filter": "severity:>=80+created_timestamp:>'now-30d'"})).await;
    assert!(!critical.is_empty() && critical.len() < 65);
    assert_eq!(send(raw.post(ALERTS, &json!({"limit": 1001}))).await.0, 400);
    assert_eq!(send(raw.post(ALERTS, &json!({"filter": "colour:'x'"}))).await.0, 400);
}

#[tokio::test]
async fn alerts_by_query_and_entities() {
    let raw = small().await;
    let (_, _, body) = send(raw.get(
        "/alerts/queries/alerts/v2",
        &[("limit", "25"), ("offset", "50"), ("sort", "created_timestamp.asc")],
    ))
    .await;
    assert_eq!((ids(&body).len(), &body["meta"]["writes"]["resources_affected"]), (10, &json!(0)));
    let mut asked = ids(&body);
    asked.push(format!("{}x", asked[0]));
    let (status, _, body) =
        send(raw.post("/alerts/entities/alerts/v2", &json!({"composite_ids": asked}))).await;
    assert_eq!((status.as_u16(), ids(&body).len(), &body["errors"][0]["code"]), (200, 10, &json!(404)));
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    assert_eq!(send(raw.post("/alerts/entities/alerts/v2", &json!({"composite_ids": many}))).await.0, 413);
    assert_eq!(send(raw.get("/alerts/queries/alerts/v2", &[("offset", "10001")])).await.0, 500);
    assert_eq!(send(raw.get("/alerts/queries/alerts/v1", &[])).await.0, 400);
}

#[tokio::test]
async fn alerts_differ_by_product() {
    let raw = start(Sim::builder().falcon_hosts(100).alerts(400)).await;
    let (_, _, body) = send(raw.post(ALERTS, &json!({"limit": 400}))).await;
    let rows = body["resources"].as_array().unwrap();
    let products: HashSet<_> = rows.iter().map(|a| a["product"].as_str().unwrap()).collect();
    assert_eq!(products, HashSet::from(["epp", "idp", "overwatch", "cwpp"]));
    for alert in rows {
        let is = |key: &str| alert[key].as_str().unwrap();
        assert!(is("composite_id").starts_with(is("cid")));
        if is("product") == "idp" {
            assert!(alert.get("platform").is_none() && alert["source_endpoint_host_name"].is_string());
        }
        if is("type") == "ldt" {
            assert_eq!(alert["pattern_disposition_details"].as_object().unwrap().len(), 28);
            assert!(alert["process_id"].as_str().unwrap().parse::<u64>().unwrap() > 1 << 53);
            assert!(alert["parent_details"]["cmdline"].is_string());
        }
        if alert["platform"] == "Windows" && is("type") == "ldt" {
            assert!(is("filepath").starts_with(r"\Device\HarddiskVolume"));
        }
    }
}

#[tokio::test]
async fn limits_are_enforced_with_their_headers() {
    let raw = small().await;
    for n in 0..15 {
        let (status, headers, _) = send(raw.http.get(format!("{}{COMBINED}", raw.base))).await;
        assert_eq!(
            (status.as_u16(), headers["x-ratelimit-remaining"].to_str().unwrap()),
            (401, (14 - n).to_string().as_str())
        );
    }
    let (status, headers, body) = send(raw.http.get(format!("{}{COMBINED}", raw.base))).await;
    assert_eq!((status.as_u16(), message(&body)), (429, "API rate limit exceeded."));
    let retry: i64 = headers["x-ratelimit-retryafter"].to_str().unwrap().parse().unwrap();
    let now = raw.sim.state().clock.real_ms() / 1000;
    assert!((now..=now + 61).contains(&retry));
    let (status, headers, _) = send(raw.get(COMBINED, &[("limit", "1")])).await;
    assert_eq!(status, 200);
    assert_eq!(
        (headers["x-ratelimit-limit"].to_str().unwrap(), headers["x-ratelimit-remaining"].to_str().unwrap()),
        ("6000", "5999")
    );
    let off = start(Sim::builder().enforce_limits(false)).await;
    for _ in 0..20 {
        assert_eq!(send(off.http.get(format!("{}{COMBINED}", off.base))).await.0, 401);
    }
}

#[tokio::test]
async fn two_runs_with_one_seed_and_instant_are_equal() {
    let run = || async {
        let epoch = "2026-06-01T12:00:00Z".parse().unwrap();
        let raw = start(Sim::builder().seed(9).epoch(epoch).falcon_hosts(150)).await;
        let hosts = send(raw.get(COMBINED, &[("limit", "60")])).await.2;
        let alerts = send(raw.post(ALERTS, &json!({"limit": 20}))).await.2;
        (raw.token.clone(), hosts, alerts)
    };
    assert_eq!(run().await, run().await);
}
