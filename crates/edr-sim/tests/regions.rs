//! Two regions of Falcon: the wrong one answers 308, and never names a real one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Raw, ids, send, start};
use edr_sim::Sim;
use reqwest::Method;
use serde_json::{Value, json};

const COMBINED: &str = "/devices/combined/devices/v1";

async fn raw() -> Raw {
    start(Sim::builder().second_region(true).falcon_tenants(2).children(1).cortex_tenants(0).falcon_hosts(3))
        .await
}

fn second(raw: &Raw) -> String {
    let ready: Value = serde_json::from_str(&raw.sim.ready_line()).unwrap();
    ready["second_region"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_region_that_a_tenant_left_answers_308_to_every_call() {
    let mut raw = raw().await;
    let (status, headers, _) = send(raw.get(COMBINED, &[])).await;
    assert_eq!((status.as_u16(), headers["x-cs-region"].to_str().unwrap()), (200, "sim-1"));
    raw.sim.move_tenant("falcon-1", "sim-2").unwrap();
    let there = second(&raw);
    let calls = [
        (
            raw.get(COMBINED, &[("filter", "hostname:'a b'")]),
            format!("{COMBINED}?filter=hostname%3A%27a+b%27"),
            "15",
        ),
        (raw.post("/alerts/combined/alerts/v1", &json!({})), "/alerts/combined/alerts/v1".to_owned(), "15"),
        (raw.get("/no/such/path", &[]), "/no/such/path".to_owned(), "15"),
        (raw.token_request(), "/oauth2/token".to_owned(), "300"),
    ];
    for (request, path, limit) in calls {
        let response = request.send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(response.status(), 308, "{path}");
        assert_eq!(header("location"), format!("{there}{path}"));
        assert_eq!((header("x-cs-region").as_str(), header("x-ratelimit-limit").as_str()), ("sim-2", limit));
        assert_eq!(response.content_length(), Some(0));
    }
    // A token of the region before is good in neither.
    raw.base = there;
    assert_eq!(send(raw.get(COMBINED, &[])).await.0, 401);
    raw.login().await;
    let (status, headers, body) = send(raw.get(COMBINED, &[])).await;
    assert_eq!(
        (status.as_u16(), headers["x-cs-region"].to_str().unwrap(), ids(&body).len()),
        (200, "sim-2", 3)
    );
}

#[tokio::test]
async fn the_control_plane_moves_tenants_with_their_children_and_back() {
    let raw = raw().await;
    let patch = |tenant: &str, region: &str| {
        let path = format!("/sim/tenants/{tenant}");
        send(raw.control(Method::PATCH, &path).json(&json!({"region": region})))
    };
    let (status, _, body) = patch("falcon-2", "sim-2").await;
    assert_eq!((status.as_u16(), body["region"].as_str()), (200, Some("sim-2")));
    let (_, _, all) = send(raw.control(Method::GET, "/sim/tenants")).await;
    let regions: Vec<_> = all.as_array().unwrap().iter().map(|t| t["region"].as_str().unwrap()).collect();
    assert_eq!(regions, ["sim-1", "sim-1", "sim-2", "sim-2"]);
    assert_eq!(raw.sim.log()[0].after["region"], "sim-2");
    for (tenant, region, says) in [
        ("falcon-1", "us-1", "no region us-1; open are sim-1, sim-2"),
        ("falcon-1%2Fretail", "sim-2", "goes with its parent"),
        ("falcon-9", "sim-2", "no tenant falcon-9"),
    ] {
        let (status, _, body) = patch(tenant, region).await;
        assert!(status.is_client_error() && body["error"].as_str().unwrap().contains(says), "{body}");
    }
    raw.sim.reset();
    assert_eq!(raw.sim.state().regions.of(2), 0);
    let single = Sim::builder().start().await.unwrap();
    assert!(single.move_tenant("falcon-1", "sim-2").is_err());
}
