//! Keys, limits, generations and the system calls of Cortex through real sockets.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod cortex_support;

use cortex_support::world;
use edr_sim::faults::{Fault, FaultKind, FaultRule};
use edr_sim::state::KeyType;
use serde_json::json;

const CHECK: &str = "/api_keys/validate";

#[tokio::test]
async fn both_keys_are_checked_with_or_without_a_slash() {
    for key_type in [KeyType::Advanced, KeyType::Standard] {
        let world = world().hosts(5).key(key_type).start().await;
        assert_eq!(world.get(CHECK).await, (200, json!("true")));
        assert_eq!(world.post("/api_keys/validate/", json!({})).await, (200, json!("true")));
        assert_eq!(world.get("/public_api/v1/healthcheck").await.0, 200);
    }
}

#[tokio::test]
async fn every_failure_is_the_same_401() {
    let world = world().hosts(5).key(KeyType::Advanced).start().await;
    let (id, key) = world.key();
    let now = world.real_ms();
    let other = world.nonce();
    let signed = |id: &str, key: &str, at: i64| world.signed(id, key, &world.nonce(), at);
    for (what, headers) in [
        ("wrong id", signed("99", &key, now)),
        ("wrong key", signed(&id, "no", now)),
        ("stale", signed(&id, &key, now - 5 * 60_000 - 2_000)),
        ("future", signed(&id, &key, now + 5 * 60_000 + 2_000)),
        ("standard", vec![("x-xdr-auth-id", id.clone()), ("authorization", key.clone())]),
        ("other nonce", {
            let mut h = signed(&id, &key, now);
            h[2].1.clone_from(&other);
            h
        }),
    ] {
        let (status, body) = world.send("GET", CHECK, &headers, None).await;
        assert_eq!(status, 401, "{what}");
        assert_eq!(
            body,
            json!({"reply": {"err_code": 401, "err_msg": "Public API request unauthorized", "err_extra": null}}),
            "{what}"
        );
    }
    for headers in [signed(&id, &key, now - 290_000), signed(&id, &key, now + 290_000)] {
        assert_eq!(world.send("GET", CHECK, &headers, None).await.0, 200);
    }
    let (status, body) = world.send("GET", CHECK, &[], None).await;
    assert_eq!(status, 401);
    assert!(body["reply"]["err_msg"].as_str().unwrap().starts_with("\tUnauthorized access."));
}

#[tokio::test]
async fn a_standard_key_ignores_the_headers_of_the_other_and_refuses_its_signature() {
    let world = world().hosts(5).key(KeyType::Standard).start().await;
    let (id, key) = world.key();
    let mut headers = world.signed(&id, &key, &world.nonce(), 0);
    assert_eq!(world.send("GET", CHECK, &headers, None).await.0, 401);
    headers[1].1 = key;
    assert_eq!(world.send("GET", CHECK, &headers, None).await.0, 200);
}

#[tokio::test]
async fn strict_mode_refuses_a_replay() {
    for (strict, status) in [(true, 401), (false, 200)] {
        let world = world().hosts(5).strict_nonce(strict).start().await;
        let (id, key) = world.key();
        let headers = world.signed(&id, &key, &world.nonce(), world.real_ms());
        assert_eq!(world.send("GET", CHECK, &headers, None).await.0, 200);
        assert_eq!(world.send("GET", CHECK, &headers, None).await.0, status);
    }
}

#[tokio::test]
async fn the_skew_fault_moves_the_clock_that_signatures_meet() {
    let world = world().hosts(5).start().await;
    world.faults(vec![FaultRule::always("*", Fault { seconds: 600, ..FaultKind::Skew.into() })]);
    let (id, key) = world.key();
    let signed = |by: i64| world.signed(&id, &key, &world.nonce(), world.real_ms() + by);
    assert_eq!(world.send("GET", CHECK, &signed(0), None).await.0, 401);
    assert_eq!(world.send("GET", CHECK, &signed(600_000), None).await.0, 200);
}

#[tokio::test]
async fn ten_calls_a_second_and_ten_extra_data_a_minute() {
    let world = world().hosts(20).alerts(40).limits().start().await;
    let mut statuses = Vec::new();
    for _ in 0..25 {
        statuses.push(world.get(CHECK).await.0);
    }
    assert_eq!(statuses[..10], [200; 10]);
    assert!(statuses.contains(&429));
    let mut refused = None;
    while refused.is_none() {
        refused = world.get_with_headers(CHECK).await.filter(|headers| headers.contains_key("retry-after"));
    }
    assert_eq!(refused.unwrap()["retry-after"], "1");
    let extra = "/public_api/v1/incidents/get_incident_extra_data";
    // Let the tenant's own window pass.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let mut accepted = 0;
    let mut waits = 0;
    for _ in 0..14 {
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        match world.post(extra, json!({"request_data": {"incident_id": "1"}})).await.0 {
            200 => accepted += 1,
            429 => waits += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((accepted, waits), (10, 4));
}

#[tokio::test]
async fn without_limits_there_is_no_429() {
    let world = world().hosts(5).start().await;
    for _ in 0..40 {
        assert_eq!(world.get(CHECK).await.0, 200);
    }
}

#[tokio::test]
async fn each_generation_has_its_own_paths() {
    let (three, five) = (world().hosts(10).start().await, world().hosts(10).generation(5).start().await);
    let body = json!({"request_data": {}});
    for path in [
        "/public_api/v1/alerts/get_alerts",
        "/public_api/v1/alerts/get_alerts_multi_events/",
        "/public_api/v2/alerts/get_alerts_multi_events",
        "/public_api/v1/alerts/get_alerts_by_filter_data",
        "/public_api/v1/incidents/get_incidents",
    ] {
        assert_eq!(three.post(path, body.clone()).await.0, 200, "{path}");
        assert_eq!(five.post(path, body.clone()).await.0, 404, "{path}");
    }
    for path in ["/public_api/v1/issue/search", "/public_api/v1/case/search/"] {
        assert_eq!(three.post(path, body.clone()).await.0, 404, "{path}");
        assert_eq!(five.post(path, body.clone()).await.0, 200, "{path}");
    }
    for world in [three, five] {
        assert_eq!(world.post("/public_api/v1/endpoints/get_endpoint", body.clone()).await.0, 200);
        assert_eq!(
            world.post("/public_api/v1/xql/get_quota", json!({})).await.1["reply"]["license_quota"],
            5
        );
        let info = world.post("/public_api/v1/system/get_tenant_info", json!({})).await.1;
        assert_eq!(info["reply"]["prevent_expiration"], 0);
        assert!(info["reply"]["pro_per_endpoint_expiration"].as_str().unwrap().len() > 15);
    }
}

#[tokio::test]
async fn keys_are_listed_on_generation_5_and_end() {
    const KEYS: &str = "/public_api/v1/api_keys/get_api_keys";
    let life = std::time::Duration::from_secs(5 * 86_400);
    let world = world().hosts(2).generation(5).key_life(life).start().await;
    let (status, body) = world.post(KEYS, json!({"request_data": {}})).await;
    let keys = body["reply"]["DATA"].as_array().unwrap();
    let id: u64 = world.key().0.parse().unwrap();
    let own = keys.iter().find(|k| k["id"] == id).unwrap();
    assert_eq!((status, keys.len()), (200, 2));
    let left = own["expiration"].as_i64().unwrap() - world.real_ms();
    assert!((4 * 86_400_000..=5 * 86_400_000).contains(&left), "{left}");
    world.sim.advance(life);
    let (status, body) = world.post(KEYS, json!({"request_data": {}})).await;
    assert_eq!((status, &body["reply"]["err_msg"]), (401, &json!("Public API request unauthorized")));
    let three = cortex_support::world().hosts(2).start().await;
    assert_eq!(three.post(KEYS, json!({"request_data": {}})).await.0, 404);
}

#[tokio::test]
async fn a_missing_licence_is_402() {
    let world = world().hosts(2).start().await;
    world.sim.inject(vec![FaultRule::nth("endpoints/get_endpoint", 1, FaultKind::Licence)]).unwrap();
    let (status, body) =
        world.post("/public_api/v1/endpoints/get_endpoint", json!({"request_data": {}})).await;
    assert_eq!((status, &body["reply"]["err_code"]), (402, &json!(402)));
}
