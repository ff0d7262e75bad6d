//! The services that keep things of their own, over a real socket: what they demand and refuse.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Raw, message, send, start};
use edr_sim::Sim;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const IOCS: &str = "/iocs/entities/indicators/v1";

async fn small() -> Raw {
    start(Sim::builder().falcon_hosts(30).cortex_tenants(0)).await
}

impl Raw {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Value,
    ) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("{}{path}", self.base)).query(query);
        let request = request.bearer_auth(&self.token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let (status, _, body) = send(request).await;
        (status, body)
    }
}

fn indicator(value: &str) -> Value {
    json!({"type": "ipv4", "value": value, "action": "detect", "severity": "low", "platforms": ["linux"],
        "applied_globally": true})
}

#[tokio::test]
async fn a_call_makes_all_indicators_or_none_and_tells_each_bad_row() {
    let raw = small().await;
    let body = json!({"indicators": [indicator("10.0.0.1"), indicator("10.0.0.2")]});
    let (status, made) = raw.ask(Method::POST, IOCS, &[], body.clone()).await;
    assert_eq!(status, 201);
    assert_eq!(made["errors"], Value::Null);
    assert_eq!(made["meta"]["pagination"], json!({"limit": 0, "total": 2}));
    assert_eq!(made["resources"][0]["created_by"], raw.id.as_str());
    let more = json!({"indicators": [indicator("10.0.0.9"), indicator("10.0.0.2"), indicator("nowhere")]});
    let (status, refused) = raw.ask(Method::POST, IOCS, &[], more).await;
    assert_eq!(status, 400);
    let rows: Vec<_> = refused["resources"].as_array().unwrap().iter().map(|r| r["row"].clone()).collect();
    assert_eq!(rows, [2, 3]);
    let combined = "/iocs/combined/indicator/v1";
    let (_, list) = raw.ask(Method::GET, combined, &[("limit", "1")], Value::Null).await;
    assert_eq!(list["meta"]["pagination"]["total"], 2, "none of the second call");
    let after = list["meta"]["pagination"]["after"].as_str().unwrap();
    let both = [("after", after), ("offset", "1")];
    assert_eq!(raw.ask(Method::GET, combined, &both, Value::Null).await.0, 400);
    let (_, last) = raw.ask(Method::GET, combined, &[("after", after), ("limit", "5")], Value::Null).await;
    assert!(last["meta"]["pagination"]["after"].is_string(), "the last page has one, too");
    assert_eq!(raw.sim.log().len(), 2);
    // A filter goes before ids.
    let id = made["resources"][0]["id"].as_str().unwrap();
    let query = [("ids", id), ("filter", "value:'10.0.0.2'")];
    let (_, gone) = raw.ask(Method::DELETE, IOCS, &query, Value::Null).await;
    assert_eq!(gone["resources"], json!([made["resources"][1]["id"]]));
}

#[tokio::test]
async fn a_policy_is_disabled_before_it_goes_and_an_order_names_all() {
    let raw = small().await;
    let path = "/policy/entities/prevention/v1";
    let body = json!({"resources": [{"name": "a", "platform_name": "Linux"}, {"name": "b", "platform_name": "Linux"}]});
    let (status, made) = raw.ask(Method::POST, path, &[], body.clone()).await;
    assert_eq!(status, 201);
    let (a, b) = (made["resources"][0]["id"].as_str().unwrap(), made["resources"][1]["id"].as_str().unwrap());
    assert_eq!(raw.ask(Method::POST, path, &[], body).await.0, 400, "the names are taken");
    let act = "/policy/entities/prevention-actions/v1";
    let (status, _) = raw.ask(Method::POST, act, &[("action_name", "enable")], json!({"ids": [a]})).await;
    assert_eq!(status, 200);
    assert_eq!(raw.ask(Method::DELETE, path, &[("ids", a)], Value::Null).await.0, 400);
    let group = json!({"ids": [a], "action_parameters": [{"name": "group_id", "value": "0".repeat(32)}]});
    assert_eq!(raw.ask(Method::POST, act, &[("action_name", "add-host-group")], group).await.0, 404);
    assert_eq!(raw.ask(Method::POST, act, &[("action_name", "explode")], json!({"ids": [a]})).await.0, 400);
    let order = "/policy/entities/prevention-precedence/v1";
    let short = json!({"ids": [b], "platform_name": "Linux"});
    assert_eq!(raw.ask(Method::POST, order, &[], short).await.0, 400);
    let whole = json!({"ids": [b, a], "platform_name": "Linux"});
    assert_eq!(raw.ask(Method::POST, order, &[], whole).await.0, 200);
    let combined = "/policy/combined/prevention/v1";
    let (_, silent) = raw.ask(Method::GET, combined, &[("filter", "colour:'red'")], Value::Null).await;
    assert_eq!(silent["meta"]["pagination"]["total"], 0, "an unknown property finds nothing");
    assert_eq!(raw.ask(Method::GET, combined, &[("sort", "platform_name.asc")], Value::Null).await.0, 500);
    let (_, page) = raw.ask(Method::GET, combined, &[("limit", "2")], Value::Null).await;
    assert_eq!(page["meta"]["pagination"]["offset"], 2, "the offset is the next one");
    let (status, _) = raw.ask(Method::PUT, path, &[], json!({})).await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn users_want_a_pipe_in_their_order() {
    let raw = small().await;
    let users = "/user-management/queries/users/v1";
    assert_eq!(raw.ask(Method::GET, users, &[("sort", "uid.asc")], Value::Null).await.0, 400);
    let (status, page) = raw.ask(Method::GET, users, &[("sort", "uid|desc")], Value::Null).await;
    assert_eq!((status.as_u16(), page["resources"].as_array().unwrap().len()), (200, 6));
    assert_eq!(raw.ask(Method::GET, users, &[("limit", "501")], Value::Null).await.0, 400);
    let grants = "/user-management/combined/user-roles/v2";
    let (status, refused) = raw.ask(Method::GET, grants, &[], Value::Null).await;
    assert_eq!((status.as_u16(), message(&refused)), (400, "user_uuid is required"));
}

#[tokio::test]
async fn a_parent_answers_207_where_a_part_is_missing() {
    let raw = start(Sim::builder().falcon_hosts(5).cortex_tenants(0).children(1)).await;
    let path = "/mssp/entities/cid-groups/v1";
    let two = json!({"resources": [{"name": "a"}, {"name": "a"}]});
    let (status, made) = raw.ask(Method::POST, path, &[], two).await;
    assert_eq!((status.as_u16(), made["errors"][0]["code"].as_u64()), (207, Some(400)));
    let id = made["resources"][0]["cid_group_id"].as_str().unwrap();
    let query = [("ids", id), ("ids", "nobody")];
    let (status, found) = raw.ask(Method::GET, "/mssp/entities/cid-groups/v2", &query, Value::Null).await;
    assert_eq!((status.as_u16(), found["resources"].as_array().unwrap().len()), (207, 1));
}

#[tokio::test]
async fn aggregates_break_where_the_real_ones_do() {
    let raw = small().await;
    let path = "/alerts/aggregates/alerts/v2";
    assert_eq!(raw.ask(Method::POST, path, &[], json!({"type": "terms"})).await.0, 400, "a bare object");
    let lacking = json!([{"name": "a", "type": "date_histogram", "field": "timestamp"}]);
    assert_eq!(raw.ask(Method::POST, path, &[], lacking).await.0, 500);
    let odd = json!([{"name": "a", "type": "terms", "field": "colour"}, {"name": "b", "type": "guess"}]);
    let (status, body) = raw.ask(Method::POST, path, &[], odd).await;
    assert_eq!((status.as_u16(), message(&body)), (200, "invalid aggregate type"));
    assert_eq!(body["resources"][0]["buckets"], json!([]));
}
