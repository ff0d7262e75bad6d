//! The control plane, the ready line and the configuration.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Raw, ids, send, start};
use edr_sim::Sim;
use reqwest::Method;
use serde_json::{Value, json};

const COMBINED: &str = "/devices/combined/devices/v1";

async fn raw() -> Raw {
    start(Sim::builder().falcon_hosts(50).alerts(10)).await
}

#[tokio::test]
async fn the_ready_line_names_every_tenant() {
    let sim = Sim::builder().falcon_tenants(2).cortex_tenants(2).enforce_limits(false).start().await.unwrap();
    let ready: Value = serde_json::from_str(&sim.ready_line()).unwrap();
    assert!(ready["ca"].is_null() && ready["control"].as_str() == Some(sim.control_url()));
    let tenants = ready["tenants"].as_array().unwrap();
    let names: Vec<_> = tenants.iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["falcon-1", "falcon-2", "cortex-1", "cortex-2"]);
    assert_eq!(tenants[0]["base_url"], tenants[1]["base_url"]);
    assert_ne!(tenants[2]["base_url"], tenants[3]["base_url"]);
    assert_ne!(tenants[0]["client_id"], tenants[1]["client_id"]);
    assert_eq!(
        (
            tenants[0]["client_id"].as_str().unwrap().len(),
            tenants[0]["client_secret"].as_str().unwrap().len()
        ),
        (32, 40)
    );
    assert!(tenants[0]["member_cid"].is_null());
    assert_eq!(
        (
            tenants[2]["api_key"].as_str().unwrap().len(),
            tenants[2]["key_type"].as_str(),
            tenants[2]["generation"].as_u64()
        ),
        (128, Some("advanced"), Some(3))
    );
    let config: toml::Table = sim.config_toml().parse().unwrap();
    assert_eq!(config["tenants"]["cortex-2"]["requests_per_second"].as_integer(), Some(0));
    assert_eq!(config["tenants"]["falcon-2"]["vendor"].as_str(), Some("falcon"));
    assert_eq!(config["tenants"]["falcon-1"]["client_secret"].as_str(), tenants[0]["client_secret"].as_str());
}

#[tokio::test]
async fn hosts_alerts_clock_and_log() {
    let raw = raw().await;
    let (_, _, body) = send(raw.get(COMBINED, &[("limit", "1")])).await;
    let id = ids(&body)[0].clone();
    let path = format!("/sim/hosts/falcon-1/{id}");
    assert_eq!(send(raw.control(Method::PATCH, &path).json(&json!({"online": false}))).await.0, 200);
    let (_, _, state) = send(raw.get("/devices/entities/online-state/v1", &[("ids", &id)])).await;
    assert_eq!(state["resources"][0]["state"], "offline");
    let more = json!({"tenant": "falcon-1", "count": 3, "late_by": "2h"});
    assert_eq!(send(raw.control(Method::POST, "/sim/alerts").json(&more)).await.2["first"], 10);
    let (_, _, body) = send(raw.post("/alerts/combined/alerts/v1", &json!({"limit": 1}))).await;
    assert_eq!(body["meta"]["pagination"]["total"], 13);
    let late = &body["resources"][0];
    assert!(late["timestamp"].as_str() < late["created_timestamp"].as_str());
    let (_, _, log) = send(raw.control(Method::GET, "/sim/log")).await;
    assert_eq!(
        (&log[0]["operation"], &log[0]["target"], &log[0]["after"]["online"], &log[1]["after"]["count"]),
        (&json!("sim/hosts"), &json!(id), &json!(false), &json!(13))
    );
    assert_eq!(
        send(raw.control(Method::POST, "/sim/clock").json(&json!({"advance": "30m"}))).await.2["advanced_ms"],
        1_800_000
    );
    assert_eq!(send(raw.get(COMBINED, &[])).await.0, 401);
}

#[tokio::test]
async fn requests_are_counted_without_secrets() {
    let raw = raw().await;
    send(raw.get(COMBINED, &[("limit", "5")])).await;
    let (_, _, report) = send(raw.control(Method::GET, "/sim/requests")).await;
    assert_eq!(report["counters"]["falcon-1"], json!({"CombinedDevicesByFilter": 1, "oauth2AccessToken": 1}));
    let last = &report["last"][1];
    assert_eq!(
        (&last["method"], &last["path"], &last["query"], &last["status"]),
        (&json!("GET"), &json!(COMBINED), &json!("limit=5"), &json!(200))
    );
    let text = report.to_string();
    assert!(!text.contains(&raw.secret) && !text.contains(&raw.token));
}

#[tokio::test]
async fn faults_come_and_go() {
    let raw = raw().await;
    let rules = json!([{"operation": "CombinedDevicesByFilter", "tenant": "falcon-1", "nth": [1, 2], "fault": {"kind": "503", "retry_after": 9}}]);
    assert_eq!(send(raw.control(Method::POST, "/sim/faults").json(&rules)).await.0, 200);
    assert_eq!(send(raw.get(COMBINED, &[])).await.0, 503);
    let (_, _, listed) = send(raw.control(Method::GET, "/sim/faults")).await;
    assert_eq!((&listed[0]["calls"], &listed[0]["fault"]["kind"]), (&json!(1), &json!("503")));
    assert_eq!(send(raw.control(Method::DELETE, "/sim/faults")).await.2, json!([]));
    assert_eq!(send(raw.get(COMBINED, &[])).await.0, 200);
}

#[tokio::test]
async fn bad_input_is_named_and_reset_takes_all_back() {
    let raw = raw().await;
    let bad = [
        (Method::POST, "/sim/clock", "{\"advance\":\"soon\"}"),
        (Method::POST, "/sim/clock", "{}"),
        (Method::POST, "/sim/alerts", "{\"tenant\":\"nobody\",\"count\":1}"),
        (Method::POST, "/sim/alerts", "not json"),
        (Method::POST, "/sim/faults", "{\"operation\":\"A\"}"),
        (Method::PATCH, "/sim/hosts/falcon-1/x", "{\"online\":\"yes\"}"),
    ];
    for (method, path, body) in bad {
        let (status, _, answer) = send(raw.control(method, path).body(body)).await;
        assert_eq!(status, 400, "{path} {body}");
        assert!(!answer["error"].as_str().unwrap().is_empty());
    }
    assert_eq!(
        send(raw.control(Method::PATCH, "/sim/hosts/falcon-1/x").body("{\"online\":true}")).await.0,
        404
    );
    assert_eq!(send(raw.control(Method::GET, "/sim/nothing")).await.0, 404);
    let page = raw.control(Method::GET, "/").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<td>falcon-1</td><td>50</td>"));
    raw.sim.add_alerts("falcon-1", 4, std::time::Duration::ZERO).unwrap();
    raw.sim.advance(std::time::Duration::from_secs(9));
    assert_eq!(send(raw.control(Method::POST, "/sim/reset")).await.0, 200);
    assert_eq!(
        (
            raw.sim.estate("falcon-1").unwrap().alert_count(),
            raw.sim.log().len(),
            raw.sim.state().clock.offset_ms()
        ),
        (10, 0, 0)
    );
}

#[tokio::test]
async fn a_page_of_the_web_cannot_drive_it() {
    let raw = raw().await;
    let here = raw.sim.control_url().to_owned();
    let ask = async |method: Method, path: &str, header: &str, value: &str| {
        let request = raw.control(method, path).header(header, value).body("{\"advance\":\"1s\"}");
        send(request).await
    };
    for (method, path) in [
        (Method::POST, "/sim/clock"),
        (Method::PATCH, "/sim/hosts/falcon-1/x"),
        (Method::DELETE, "/sim/faults"),
    ] {
        for (header, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:1"),
            ("host", "evil.example"),
        ] {
            let (status, _, body) = ask(method.clone(), path, header, value).await;
            assert_eq!(status, 403, "{method} {path} {header}: {value}");
            assert!(body["error"].as_str().unwrap().starts_with("the control plane"), "{body}");
        }
    }
    for path in ["/", "/sim/requests", "/sim/nothing"] {
        assert_eq!(ask(Method::GET, path, "host", "evil.example").await.0, 403, "{path}");
    }
    assert_eq!(raw.sim.state().clock.offset_ms(), 0, "nothing was carried out");
    assert_eq!(ask(Method::POST, "/sim/clock", "origin", &here).await.0, 200);
    assert_eq!(ask(Method::POST, "/sim/clock", "host", "localhost:7").await.0, 200);
    assert_eq!(ask(Method::GET, "/", "origin", "https://evil.example").await.0, 200);
}

#[tokio::test]
async fn a_rule_with_a_name_that_nobody_has_is_refused() {
    let raw = raw().await;
    for (rule, says) in [
        (json!([{"operation": "CombinedDevices", "fault": "500"}]), "CombinedDevicesByFilter"),
        (json!([{"operation": "*", "tenant": "acme", "fault": "500"}]), "the tenants are falcon-1, cortex-1"),
    ] {
        let (status, _, body) = send(raw.control(Method::POST, "/sim/faults").json(&rule)).await;
        assert_eq!(status, 400);
        assert!(body["error"].as_str().unwrap().contains(says), "{body}");
    }
    let (_, _, names) = send(raw.control(Method::GET, "/sim/operations")).await;
    assert!(names.as_array().unwrap().contains(&json!("v1/endpoints/get_endpoint")));
    let builder =
        Sim::builder().faults(vec![edr_sim::FaultRule::always("nothing", edr_sim::FaultKind::Reset)]);
    assert!(builder.start().await.is_err());
}

#[tokio::test]
async fn a_stalled_call_is_counted_while_it_stalls_and_noted_when_the_client_leaves() {
    let raw = raw().await;
    let fault = json!([{"operation": "CombinedDevicesByFilter", "fault": {"kind": "stall-headers", "delay_ms": 60_000}}]);
    send(raw.control(Method::POST, "/sim/faults").json(&fault)).await;
    let call = raw.get(COMBINED, &[]).timeout(std::time::Duration::from_millis(200));
    assert!(call.send().await.unwrap_err().is_timeout());
    assert_eq!(raw.sim.requests().count("falcon-1", "CombinedDevicesByFilter"), 1);
    for _ in 0..200 {
        if raw.sim.requests().last.iter().any(|e| e.operation == "CombinedDevicesByFilter" && e.status == 0) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the call that the client gave up was not noted");
}

#[tokio::test]
async fn the_page_shows_what_there_is_and_escapes_it() {
    let raw = raw().await;
    let hostile = "<script>alert(1)</script>";
    assert_eq!(send(raw.get("/devices/queries/devices/v1", &[("filter", hostile)])).await.0, 400);
    // A path is told as it was sent: the wire allows these letters.
    let url = format!("{}/x'\"<b>", raw.base);
    let _ = raw.http.get(url).send().await.unwrap();
    raw.sim.inject(vec![edr_sim::FaultRule::nth("QueryV2", 3, edr_sim::FaultKind::Html)]).unwrap();
    let host = raw.sim.estate("falcon-1").unwrap().host_id(0);
    raw.sim.set_online("falcon-1", &host, false).unwrap();
    let response = raw.control(Method::GET, "/").send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(policy.starts_with("default-src 'none'"));
    let page = response.text().await.unwrap();
    for text in
        ["falcon-1", "cortex-1", "QueryDevicesByFilter", "nth 3", "html", "virtual time", "sim/hosts", &host]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("<b>") && !page.contains(hostile));
    assert_eq!(page.matches("<script>").count(), 1);
    for secret in [&raw.secret, &raw.token, &raw.id] {
        assert!(!page.contains(secret.as_str()), "a secret stands on the page");
    }
}
