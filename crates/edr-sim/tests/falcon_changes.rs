//! What changes on hosts and alerts of Falcon: tags, visibility, updates of alerts; and when it is seen.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Raw, ids, message, send, start};
use edr_sim::Sim;
use serde_json::{Value, json};

const COMBINED: &str = "/devices/combined/devices/v1";
const HIDDEN: &str = "/devices/combined/devices-hidden/v1";
const QUERY: &str = "/devices/queries/devices/v1";
const QUERY_HIDDEN: &str = "/devices/queries/devices-hidden/v1";
const ENTITIES: &str = "/devices/entities/devices/v2";
const TAGS: &str = "/devices/entities/devices/tags/v1";
const ALERTS: &str = "/alerts/entities/alerts/v3";
const ALERT_IDS: &str = "/alerts/queries/alerts/v2";

/// A simulator whose time moves by hand alone.
async fn raw() -> Raw {
    let epoch = "2026-06-01T12:00:00Z".parse().unwrap();
    start(Sim::builder().cortex_tenants(0).falcon_hosts(30).alerts(20).epoch(epoch)).await
}

async fn host(raw: &Raw, id: &str) -> Value {
    send(raw.get(ENTITIES, &[("ids", id)])).await.2["resources"][0].clone()
}

async fn found(raw: &Raw, path: &str, filter: &str) -> Vec<String> {
    ids(&send(raw.get(path, &[("filter", filter)])).await.2)
}

async fn some(raw: &Raw, count: usize) -> Vec<String> {
    ids(&send(raw.get(COMBINED, &[])).await.2).into_iter().take(count).collect()
}

#[tokio::test]
async fn tags_have_a_row_a_device_and_searches_lag() {
    let raw = raw().await;
    let mut devices = some(&raw, 2).await;
    devices.push("f".repeat(32));
    let tag = "FalconGroupingTags/edr-test";
    let order = json!({"action": "add", "device_ids": devices, "tags": [tag]});
    let (status, _, body) = send(raw.patch(TAGS, &order)).await;
    assert_eq!(status, 202);
    let updated: Vec<_> =
        body["resources"].as_array().unwrap().iter().map(|r| r["updated"].as_bool().unwrap()).collect();
    assert_eq!((updated, body["resources"][2]["code"].as_u64()), (vec![true, true, false], Some(404)));
    assert!(host(&raw, &devices[0]).await["tags"].as_array().unwrap().contains(&json!(tag)));
    assert!(found(&raw, QUERY, &format!("tags:'{tag}'")).await.is_empty(), "the search knows it too early");
    raw.sim.advance(Duration::from_secs(1));
    assert_eq!(found(&raw, QUERY, &format!("tags:'{tag}'")).await.len(), 2);
    // Once more: nothing changes, nothing is logged, nothing is wrong.
    let again = send(raw.patch(TAGS, &order)).await.2;
    assert_eq!((again["resources"][0]["updated"].as_bool(), raw.sim.log().len()), (Some(true), 2));
    let remove = json!({"action": "remove", "device_ids": [devices[0]], "tags": [tag]});
    send(raw.patch(TAGS, &remove)).await;
    assert!(!host(&raw, &devices[0]).await["tags"].as_array().unwrap().contains(&json!(tag)));
    assert_eq!(raw.sim.log()[2].operation, "UpdateDeviceTags");
}

#[tokio::test]
async fn bad_tag_orders_are_refused() {
    let raw = raw().await;
    let id = &some(&raw, 1).await[0];
    let many: Vec<String> = (0..5001).map(|n| format!("{n:032x}")).collect();
    for order in [
        json!({"action": "set", "device_ids": [id], "tags": ["FalconGroupingTags/a"]}),
        json!({"action": "add", "device_ids": [], "tags": ["FalconGroupingTags/a"]}),
        json!({"action": "add", "device_ids": many, "tags": ["FalconGroupingTags/a"]}),
        json!({"action": "add", "device_ids": [id], "tags": []}),
        json!({"action": "add", "device_ids": [id], "tags": ["a"]}),
        json!({"action": "add", "device_ids": [id], "tags": ["falcongroupingtags/a"]}),
        json!({"action": "add", "device_ids": [id], "tags": ["SensorGroupingTags/a"]}),
        json!({"action": "add", "device_ids": [id], "tags": ["FalconGroupingTags/a b"]}),
        json!({"device_ids": [id], "tags": ["FalconGroupingTags/a"]}),
    ] {
        assert_eq!(send(raw.patch(TAGS, &order)).await.0, 400, "{order}");
    }
    assert!(raw.sim.log().is_empty());
    let raw = start(Sim::builder().without_scope("devices:write")).await;
    assert_eq!(send(raw.patch(TAGS, &json!({}))).await.0, 403);
}

#[tokio::test]
async fn a_hidden_host_moves_from_one_list_to_the_other() {
    let raw = raw().await;
    let id = some(&raw, 1).await.remove(0);
    let act = |action: &'static str| {
        let url = format!("/devices/entities/devices-actions/v2?action_name={action}");
        send(raw.post(&url, &json!({"ids": [id]})))
    };
    let (status, _, body) = act("hide_host").await;
    assert_eq!(
        (status.as_u16(), ids(&body).len(), body["resources"][0]["id"].as_str()),
        (202, 0, Some(&*id))
    );
    assert_eq!(host(&raw, &id).await["host_hidden_status"], "hidden");
    raw.sim.advance(Duration::from_secs(1));
    for (path, count, hidden, there) in [
        (COMBINED, 29, HIDDEN, 1),
        (QUERY, 29, QUERY_HIDDEN, 1),
        ("/devices/queries/devices-scroll/v1", 29, HIDDEN, 1),
    ] {
        let (seen, unseen) = (found(&raw, path, "").await, found(&raw, hidden, "").await);
        assert_eq!((seen.len(), unseen.len(), seen.contains(&id)), (count, there, false), "{path}");
    }
    assert_eq!(act("unhide_host").await.0, 202);
    raw.sim.advance(Duration::from_secs(1));
    assert_eq!((found(&raw, COMBINED, "").await.len(), found(&raw, HIDDEN, "").await.len()), (30, 0));
    assert_eq!(act("detection_suppress").await.0, 202);
    assert_eq!(host(&raw, &id).await["detection_suppression_status"], "suppressed");
    let many: Vec<String> = (0..101).map(|n| format!("{n:032x}")).collect();
    let over = raw.post("/devices/entities/devices-actions/v2?action_name=hide_host", &json!({"ids": many}));
    assert_eq!(send(over).await.0, 400);
}

#[tokio::test]
async fn a_search_for_contained_hosts_lags_the_entity() {
    let raw = raw().await;
    let id = some(&raw, 30).await.into_iter().find(|id| {
        let estate = raw.sim.estate("falcon-1").unwrap();
        estate.online(estate.host_index(id).unwrap())
    });
    let id = id.unwrap();
    let url = "/devices/entities/devices-actions/v2?action_name=contain";
    assert_eq!(send(raw.post(url, &json!({"ids": [id]}))).await.0, 202);
    let pending = "status:'containment_pending'";
    assert_eq!(host(&raw, &id).await["status"], "containment_pending");
    assert!(!found(&raw, COMBINED, pending).await.contains(&id));
    raw.sim.advance(Duration::from_secs(1));
    assert!(found(&raw, COMBINED, pending).await.contains(&id));
    raw.sim.advance(Duration::from_secs(4));
    assert_eq!(host(&raw, &id).await["status"], "contained");
}

async fn alert(raw: &Raw, id: &str) -> Value {
    send(raw.post("/alerts/entities/alerts/v2", &json!({"composite_ids": [id]}))).await.2["resources"][0]
        .clone()
}

fn update(id: &str, parameters: &[(&str, &str)]) -> Value {
    let list: Vec<_> = parameters.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"composite_ids": [id], "action_parameters": list})
}

#[tokio::test]
async fn an_alert_is_changed_and_the_change_is_seen_later() {
    let raw = raw().await;
    let id = found(&raw, ALERT_IDS, "").await.remove(0);
    let before = alert(&raw, &id).await;
    let order = update(
        &id,
        &[
            ("add_tag", "true_positive"),
            ("update_status", "closed"),
            ("remove_tag", "true_positive"),
            ("assign_to_user_id", "kim@example.com"),
            ("append_comment", "looked at it"),
        ],
    );
    let (status, _, body) = send(raw.patch(ALERTS, &order)).await;
    assert_eq!(
        (status.as_u16(), body.get("resources"), body["errors"].as_array().map(Vec::len)),
        (200, None, Some(0))
    );
    assert_eq!(body["meta"]["writes"]["resources_affected"], 1);
    assert_eq!(alert(&raw, &id).await, before, "a read straight after shows the old values");
    raw.sim.advance(Duration::from_secs(1));
    let after = alert(&raw, &id).await;
    assert_eq!(
        (&after["status"], &after["assigned_to_uid"], &after["tags"], &after["comments"][0]["value"]),
        (&json!("closed"), &json!("kim@example.com"), &json!(["true_positive"]), &json!("looked at it"))
    );
    assert!(after["updated_timestamp"].as_str() > before["updated_timestamp"].as_str());
    assert_eq!(found(&raw, ALERT_IDS, "tags:'true_positive'+status:'closed'").await, [id.clone()]);
    let log = raw.sim.log();
    assert_eq!(
        (log.len(), log[0].operation.as_str(), &log[0].after["status"]),
        (1, "UpdateV3", &json!("closed"))
    );
    send(raw.patch(ALERTS, &update(&id, &[("unassign", ""), ("remove_tags_by_prefix", "true")]))).await;
    raw.sim.advance(Duration::from_secs(1));
    let after = alert(&raw, &id).await;
    assert_eq!((after.get("assigned_to_uid"), after["status"].as_str()), (None, Some("closed")));
    assert!(found(&raw, ALERT_IDS, "tags:'true_positive'").await.is_empty());
}

#[tokio::test]
async fn a_hidden_alert_is_left_out_on_request() {
    let raw = raw().await;
    let id = found(&raw, ALERT_IDS, "").await.remove(0);
    send(raw.patch(ALERTS, &update(&id, &[("show_in_ui", "false")]))).await;
    raw.sim.advance(Duration::from_secs(1));
    assert_eq!(alert(&raw, &id).await["show_in_ui"], false);
    let list = |hidden: &'static str| send(raw.get(ALERT_IDS, &[("include_hidden", hidden)]));
    assert_eq!((ids(&list("true").await.2).len(), ids(&list("false").await.2).len()), (20, 19));
}

#[tokio::test]
async fn bad_updates_of_alerts_are_refused_whole() {
    let raw = raw().await;
    let id = found(&raw, ALERT_IDS, "").await.remove(0);
    let boolean =
        json!({"composite_ids": [id], "action_parameters": [{"name": "show_in_ui", "value": true}]});
    for order in [
        boolean,
        update(&id, &[]),
        update(&id, &[("update_status", "done")]),
        update(&id, &[("update_status", "closed"), ("invent", "x")]),
        update(&id, &[("add_tag", "")]),
        update(&id, &[("assign_to_uuid", "00000000-0000-4000-8000-000000000000")]),
        json!({"composite_ids": [], "action_parameters": [{"name": "unassign", "value": ""}]}),
        json!({"ids": [id], "action_parameters": []}),
    ] {
        let (status, _, body) = send(raw.patch(ALERTS, &order)).await;
        assert_eq!((status.as_u16(), message(&body)), (400, "invalid element in the request"), "{order}");
    }
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let over = json!({"composite_ids": many, "action_parameters": [{"name": "unassign", "value": ""}]});
    assert_eq!(send(raw.patch(ALERTS, &over)).await.0, 413);
    let stranger = id.replace(":ind:", ":odd:");
    let (status, _, body) = send(raw.patch(ALERTS, &update(&stranger, &[("unassign", "")]))).await;
    assert_eq!((status.as_u16(), body["errors"][0]["code"].as_u64()), (200, Some(404)));
    assert!(raw.sim.log().is_empty());
    let raw = start(Sim::builder().without_scope("alerts:write")).await;
    assert_eq!(send(raw.patch(ALERTS, &json!({}))).await.0, 403);
}
