//! Isolation through real sockets: the state machine, its refusals, its actions and the log.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod cortex_support;

use std::time::Duration;

use cortex_support::{World, world};
use serde_json::{Value, json};

const GET: &str = "/public_api/v1/endpoints/get_endpoint";
const ISOLATE: &str = "/public_api/v1/endpoints/isolate";
const UNISOLATE: &str = "/public_api/v1/endpoints/unisolate";
const STATUS: &str = "/public_api/v1/actions/get_action_status";

async fn some(world: &World, status: &str, count: usize) -> Vec<String> {
    let filters = json!([
        {"field": "endpoint_status", "operator": "in", "value": [status]},
        {"field": "isolate", "operator": "in", "value": ["unisolated"]},
    ]);
    let reply = world.reply(GET, json!({"filters": filters})).await;
    reply["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .take(count)
        .map(|endpoint| endpoint["endpoint_id"].as_str().unwrap().to_owned())
        .collect()
}

async fn state(world: &World, id: &str) -> String {
    let reply = world
        .reply(GET, json!({"filters": [{"field": "endpoint_id_list", "operator": "in", "value": [id]}]}))
        .await;
    reply["endpoints"][0]["is_isolated"].as_str().unwrap().to_owned()
}

async fn order(world: &World, path: &str, id: &str) -> (u16, Value) {
    world.post(path, json!({"request_data": {"endpoint_id": id}})).await
}

async fn poll(world: &World, action: &Value) -> Value {
    world.reply(STATUS, json!({"group_action_id": action})).await["data"].clone()
}

#[tokio::test]
async fn an_endpoint_online_is_isolated_and_released() {
    let world = world().hosts(300).start().await;
    let id = some(&world, "connected", 1).await.remove(0);
    let (status, body) = order(&world, ISOLATE, &id).await;
    assert_eq!(
        (status, &body["reply"]["endpoints_count"], &body["reply"]["status"]),
        (200, &json!(1), &json!(1))
    );
    let action = body["reply"]["action_id"].clone();
    assert_eq!(state(&world, &id).await, "AGENT_PENDING_ISOLATION");
    assert_eq!(poll(&world, &action).await, json!({}), "the first answer is empty");
    assert_eq!(poll(&world, &action).await[&id], "PENDING");
    for path in [ISOLATE, UNISOLATE] {
        let (status, body) = order(&world, path, &id).await;
        assert_eq!(status, 500);
        assert!(body["reply"]["err_msg"].as_str().unwrap().contains("already pending"), "{body}");
    }
    world.advance(Duration::from_secs(3));
    assert_eq!(poll(&world, &action).await[&id], "IN_PROGRESS");
    world.advance(Duration::from_secs(3));
    assert_eq!(poll(&world, &action).await[&id], "COMPLETED_SUCCESSFULLY");
    assert_eq!(state(&world, &id).await, "AGENT_ISOLATED");
    let (status, body) = order(&world, ISOLATE, &id).await;
    assert_eq!(
        (status, &body["reply"]["err_msg"]),
        (500, &json!("No endpoint was found for creating the requested action"))
    );

    let release = order(&world, UNISOLATE, &id).await.1["reply"]["action_id"].clone();
    assert_ne!(release, action);
    assert_eq!(state(&world, &id).await, "AGENT_PENDING_ISOLATION_CANCELLATION");
    assert_eq!(order(&world, ISOLATE, &id).await.0, 500);
    world.advance(Duration::from_secs(6));
    assert_eq!(state(&world, &id).await, "AGENT_UNISOLATED");
    assert_eq!(poll(&world, &action).await[&id], "COMPLETED_SUCCESSFULLY");

    let log = world.mutations();
    let steps: Vec<_> = log
        .iter()
        .map(|m| (m.operation.as_str(), m.target.as_str(), m.after["is_isolated"].as_str().unwrap()))
        .collect();
    assert_eq!(
        steps,
        [
            ("v1/endpoints/isolate", id.as_str(), "AGENT_PENDING_ISOLATION"),
            ("v1/endpoints/unisolate", id.as_str(), "AGENT_PENDING_ISOLATION_CANCELLATION"),
        ]
    );
}

#[tokio::test]
async fn an_endpoint_away_stays_pending_until_it_is_back() {
    let world = world().hosts(300).start().await;
    let id = some(&world, "disconnected", 1).await.remove(0);
    let action = order(&world, ISOLATE, &id).await.1["reply"]["action_id"].clone();
    poll(&world, &action).await;
    world.advance(Duration::from_secs(3600));
    assert_eq!(poll(&world, &action).await[&id], "PENDING");
    assert_eq!(state(&world, &id).await, "AGENT_PENDING_ISOLATION");
    world.set_online(&id, true);
    world.advance(Duration::from_secs(6));
    assert_eq!(poll(&world, &action).await[&id], "COMPLETED_SUCCESSFULLY");
    assert_eq!(state(&world, &id).await, "AGENT_ISOLATED");
}

#[tokio::test]
async fn an_order_for_several_is_carried_out_as_a_whole_or_not() {
    let world = world().hosts(3_000).start().await;
    let ids = some(&world, "connected", 3).await;
    let gone = some(&world, "uninstalled", 1).await;
    let bulk = |ids: &[String]| json!({"request_data": {"filters": [{"field": "endpoint_id_list", "operator": "in", "value": ids}]}});
    let mixed = [ids.as_slice(), gone.as_slice()].concat();
    let (status, body) = world.post(ISOLATE, bulk(&mixed)).await;
    assert_eq!(
        (status, &body["reply"]["err_msg"]),
        (500, &json!("No endpoint was found for creating the requested action"))
    );
    assert_eq!(state(&world, &ids[0]).await, "AGENT_UNISOLATED");
    let (status, body) = world.post(ISOLATE, bulk(&ids)).await;
    assert_eq!((status, &body["reply"]["endpoints_count"]), (200, &json!(3)));
    poll(&world, &body["reply"]["action_id"]).await;
    world.advance(Duration::from_secs(6));
    let data = poll(&world, &body["reply"]["action_id"]).await;
    assert_eq!(data.as_object().unwrap().len(), 3);
    let many: Vec<String> = (0..1_001).map(|n| format!("{n:032x}")).collect();
    assert!(
        world.post(ISOLATE, bulk(&many)).await.1["reply"]["err_extra"].as_str().unwrap().contains("1000")
    );
}

#[tokio::test]
async fn what_no_order_is() {
    let world = world().hosts(50).start().await;
    for data in [
        json!({}),
        json!({"endpoint_id": 7}),
        json!({"filters": []}),
        json!({"filters": "all"}),
        json!({"endpoint_id": "x", "filters": []}),
        json!({"endpoint_id": "f".repeat(32)}),
    ] {
        assert_eq!(world.post(ISOLATE, json!({"request_data": data})).await.0, 500, "{data}");
    }
    assert_eq!(world.post(STATUS, json!({"request_data": {"group_action_id": 4711}})).await.0, 500);
    assert!(world.mutations().is_empty());
}

#[tokio::test]
async fn a_reset_forgets_isolation_and_actions() {
    let world = world().hosts(100).start().await;
    let id = some(&world, "connected", 1).await.remove(0);
    let first = order(&world, ISOLATE, &id).await.1["reply"]["action_id"].clone();
    world.reset();
    assert_eq!(state(&world, &id).await, "AGENT_UNISOLATED");
    assert_eq!(world.post(STATUS, json!({"request_data": {"group_action_id": first}})).await.0, 500);
    assert_eq!(
        order(&world, ISOLATE, &id).await.1["reply"]["action_id"],
        first,
        "the same script, the same replies"
    );
}
