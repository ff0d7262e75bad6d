//! The contracts of the services of Cortex: what is refused, and in which form things are answered.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cortex_support;

use std::time::Duration;

use cortex_support::{World, world};
use serde_json::{Value, json};

fn v1(path: &str) -> String {
    format!("/public_api/v1/{path}")
}

fn by_ids(ids: &[String]) -> Value {
    json!([{"field": "endpoint_id_list", "operator": "in", "value": ids}])
}

async fn connected(w: &World, count: usize) -> Vec<String> {
    let filters = json!([{"field": "endpoint_status", "operator": "in", "value": ["connected"]}]);
    let reply = w.reply(&v1("endpoints/get_endpoint"), json!({"filters": filters})).await;
    let all = reply["endpoints"].as_array().unwrap().iter();
    all.take(count).map(|endpoint| endpoint["endpoint_id"].as_str().unwrap().to_owned()).collect()
}

async fn status(w: &World, path: &str, data: Value) -> u16 {
    w.post(&v1(path), json!({"request_data": data})).await.0
}

#[tokio::test]
async fn orders_have_limits_and_an_action() {
    let w = world().hosts(300).start().await;
    let ids = connected(&w, 11).await;
    let hash = "a".repeat(64);
    for (path, data) in [
        ("endpoints/scan", json!({"filters": "all"})),
        ("endpoints/scan", json!({"filters": []})),
        ("endpoints/file_retrieval", json!({"filters": by_ids(&ids), "files": {"linux": ["/x"]}})),
        ("endpoints/file_retrieval", json!({"filters": by_ids(&ids[..1]), "files": {"linux": []}})),
        (
            "endpoints/file_retrieval",
            json!({"filters": by_ids(&ids[..1]), "files": {"linux": vec!["/x"; 21]}}),
        ),
        (
            "endpoints/quarantine",
            json!({"filters": by_ids(&ids[..1]), "file_path": "/x", "file_hash": "abc"}),
        ),
        ("endpoints/restore", json!({"file_hash": hash})),
        ("endpoints/get_policy", json!({"endpoint_id": "nobody"})),
        (
            "scripts/run_script",
            json!({"script_uid": "nobody", "filters": by_ids(&ids[..1]), "parameters_values": {}}),
        ),
        ("scripts/get_script_execution_status", json!({"action_id": 4711})),
    ] {
        assert_eq!(status(&w, path, data.clone()).await, 500, "{path} {data}");
    }
    assert!(w.mutations().is_empty());
    let action = w.reply(&v1("endpoints/scan"), json!({"filters": by_ids(&ids)})).await;
    assert_eq!((&action["status"], &action["endpoints_count"]), (&json!(1), &json!(11)));
    assert_eq!(w.mutations().len(), 11);
    let filters = json!({"filters": by_ids(&ids[..1])});
    let shown = async || {
        w.reply(&v1("endpoints/get_endpoint"), filters.clone()).await["endpoints"][0]["scan_status"].clone()
    };
    assert_eq!(shown().await, "SCAN_STATUS_PENDING");
    w.advance(Duration::from_secs(6));
    assert_eq!(shown().await, "SCAN_STATUS_SUCCESS");
    w.reset();
    assert_eq!(shown().await, "SCAN_STATUS_NONE");
}

#[tokio::test]
async fn a_download_needs_its_token() {
    let w = world().hosts(300).start().await;
    let ids = connected(&w, 1).await;
    let data = json!({"filters": by_ids(&ids), "files": {"windows": ["C:\\x"]}});
    let action = w.reply(&v1("endpoints/file_retrieval"), data).await["action_id"].clone();
    let details =
        async || w.reply(&v1("actions/file_retrieval_details"), json!({"group_action_id": action})).await;
    assert_eq!(details().await["data"][&ids[0]], "");
    w.advance(Duration::from_secs(6));
    let link = details().await["data"][&ids[0]].as_str().unwrap().to_owned();
    let path = &link[link.find("/public_api").unwrap()..];
    assert!(w.raw(path, json!({})).await > 100);
    assert_eq!(w.post(&v1("download/0000"), json!({})).await.0, 404);
    assert_eq!(w.post(&v1("download/"), json!({})).await.0, 404);
}

#[tokio::test]
async fn indicators_take_rows_and_tell_each_error() {
    let w = world().start().await;
    for (path, data) in [
        ("indicators/insert_jsons", json!({})),
        ("indicators/insert_jsons", json!([])),
        ("indicators/insert_csv", json!([])),
    ] {
        assert_eq!(status(&w, path, data).await, 400);
    }
    let rows =
        json!([{"indicator": "1.2.3.4", "type": "IP"}, {"indicator": "x", "type": "IP"}, {"indicator": "y"}]);
    let told = w.reply(&v1("indicators/insert_jsons"), rows).await;
    assert_eq!((&told["success"], told["validation_errors"].as_array().unwrap().len()), (&json!(true), 2));
    let csv = "indicator,type,comment\n\"a, b\",FILENAME,\"say \"\"hi\"\"\"";
    let told = w.reply(&v1("indicators/insert_csv"), json!(csv)).await;
    assert_eq!(told["validation_errors"], json!([]));
    assert_eq!(w.mutations()[1].after["comment"], "say \"hi\"");
    assert_eq!(status(&w, "indicators/get", json!({})).await, 404, "XDR 5 has it");
}

#[tokio::test]
async fn five_queries_are_one_too_many() {
    let w = world().hosts(5).start().await;
    let start = v1("xql/start_xql_query");
    for _ in 0..4 {
        assert!(w.reply(&start, json!({"query": "dataset = xdr_data"})).await.is_string());
    }
    assert_eq!(status(&w, "xql/start_xql_query", json!({"query": "dataset = xdr_data"})).await, 429);
    w.advance(Duration::from_secs(6));
    assert_eq!(status(&w, "xql/start_xql_query", json!({"query": "dataset = xdr_data"})).await, 200);
    let (code, body) = w.post(&start, json!({"request_data": {"query": "alter2"}})).await;
    assert_eq!(code, 500);
    assert!(
        body["reply"]["err_extra"]["parse_err"].is_string()
            && body["reply"]["err_msg"].as_str().unwrap().starts_with('{')
    );
}

#[tokio::test]
async fn an_issue_is_changed_alone_and_closed_with_a_reason() {
    let w = world().hosts(20).alerts(8).generation(5).start().await;
    let (_, page) = w.post(&v1("issue/search"), json!({"request_data": {}})).await;
    let id = page["reply"]["DATA"][0]["id"].clone();
    let path = format!("issue/{}", id.to_string().trim_matches('"'));
    let closed = json!({"update_data": {"status": "Resolved", "status_resolution_reason": "Resolved - Other",
        "status_resolution_comment": "seen", "severity": "HIGH"}});
    assert_eq!(w.raw(&v1(&path), closed).await, 0);
    let (_, page) = w.post(&v1("issue/search"), json!({"request_data": {}})).await;
    let all = page["reply"]["DATA"].as_array().unwrap();
    let issue = all.iter().find(|issue| issue["id"] == id).unwrap();
    assert_eq!(issue["status.progress"], "Resolved");
    assert_eq!(issue["status.resolution_reason"], "Resolved - Other");
    assert_eq!((&issue["status.resolution_comment"], &issue["severity"]), (&json!("seen"), &json!("HIGH")));
    for data in [
        json!({}),
        json!({"update_data": {}}),
        json!({"update_data": {"status": "Resolved"}}),
        json!({"update_data": {"status": "New", "status_resolution_reason": "Resolved - Other"}}),
        json!({"update_data": {"status_resolution_comment": "x"}}),
        json!({"update_data": {"status": "Odd"}}),
        json!({"update_data": {"severity": "odd"}}),
        json!({"update_data": {"assigned_to": "a@example.com"}}),
    ] {
        assert!(status(&w, &path, data.clone()).await >= 400, "{data}");
    }
    assert_eq!(status(&w, "issue/99", json!({"update_data": {"status": "New"}})).await, 500);
    assert_eq!(w.mutations().len(), 1);
}

#[tokio::test]
async fn a_case_is_changed_without_a_body_in_the_answer() {
    let w = world().hosts(20).alerts(8).generation(5).start().await;
    let bytes = w.raw(&v1("case/update/2"), json!({"update_data": {"status_progress": "In Progress"}})).await;
    assert_eq!(bytes, 0);
    for data in [
        json!({}),
        json!({"update_data": {}}),
        json!({"update_data": {"status_progress": "Odd"}}),
        json!({"update_data": {"resolve_comment": "x"}}),
        json!({"update_data": {"status_progress": "Resolved", "resolve_reason": "because"}}),
    ] {
        assert!(status(&w, "case/update/2", data.clone()).await >= 400, "{data}");
    }
    assert_eq!(status(&w, "case/update/99", json!({"update_data": {"status_progress": "New"}})).await, 500);
    assert_eq!(w.post(&v1("entries/insert"), json!({"id": "2", "data": "x"})).await.0, 200);
    assert_eq!(w.post(&v1("entries/insert"), json!({"id": "2"})).await.0, 400);
    assert_eq!(w.get(&v1("case/artifacts/2/")).await.1.as_array().unwrap().len(), 4);
    assert_eq!(w.mutations().len(), 2);
}

#[tokio::test]
async fn sixty_alerts_are_the_most() {
    let w = world().start().await;
    let alert = json!({"vendor": "a", "product": "b", "alert_name": "c", "event_timestamp": 1});
    let insert = async |n: usize| {
        status(&w, "alerts/insert_parsed_alerts", json!({"alerts": vec![alert.clone(); n]})).await
    };
    assert_eq!((insert(0).await, insert(60).await, insert(61).await), (500, 200, 500));
    assert_eq!(status(&w, "alerts/insert_parsed_alerts", json!({"alerts": [{"vendor": "a"}]})).await, 500);
    assert_eq!(status(&w, "alerts/insert_cef_alerts", json!({"alerts": ["LEEF:1"]})).await, 500);
    assert_eq!(w.mutations().len(), 60);
}
