//! Host groups: those that are there, those that a client makes, and who is in them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{Raw, ids, message, send, start};
use edr_sim::Sim;
use serde_json::{Value, json};

const GROUPS: &str = "/devices/entities/host-groups/v1";
const COMBINED: &str = "/devices/combined/host-groups/v1";
const MEMBERS: &str = "/devices/queries/host-group-members/v1";
const HOSTS: &str = "/devices/combined/devices/v1";

async fn raw() -> Raw {
    let epoch = "2026-06-01T12:00:00Z".parse().unwrap();
    start(Sim::builder().cortex_tenants(0).falcon_hosts(40).epoch(epoch)).await
}

async fn create(raw: &Raw, group: Value) -> (u16, Value) {
    let (status, _, body) = send(raw.post(GROUPS, &json!({"resources": [group]}))).await;
    (status.as_u16(), body)
}

async fn made(raw: &Raw, group: Value) -> String {
    let (status, body) = create(raw, group).await;
    assert_eq!(status, 201, "{body}");
    body["resources"][0]["id"].as_str().unwrap().to_owned()
}

async fn members(raw: &Raw, id: &str) -> Vec<String> {
    ids(&send(raw.get(MEMBERS, &[("id", id), ("limit", "500")])).await.2)
}

async fn act(raw: &Raw, action: &str, group: &str, filter: &str) -> (u16, Value) {
    let order = json!({"ids": [group], "action_parameters": [{"name": "filter", "value": filter}]});
    let path = format!("/devices/entities/host-group-actions/v1?action_name={action}");
    let (status, _, body) = send(raw.post(&path, &order)).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn the_groups_of_hosts_are_groups_with_these_members() {
    let raw = raw().await;
    let (_, _, body) = send(raw.get(COMBINED, &[("sort", "name.asc"), ("limit", "500")])).await;
    let groups = body["resources"].as_array().unwrap();
    assert_eq!(groups.len(), 11);
    assert!(groups.windows(2).all(|w| w[0]["name"].as_str() < w[1]["name"].as_str()));
    assert!(groups.iter().all(|g| g.as_object().unwrap().len() == 9), "nine fields each");
    let (_, _, hosts) = send(raw.get(HOSTS, &[])).await;
    for group in groups {
        let id = group["id"].as_str().unwrap();
        let is_in = |h: &&Value| h["groups"].as_array().unwrap().contains(&json!(id));
        let of_hosts: Vec<_> = hosts["resources"].as_array().unwrap().iter().filter(is_in).collect();
        let of_hosts: Vec<_> = of_hosts.iter().map(|h| h["device_id"].as_str().unwrap()).collect();
        assert_eq!(members(&raw, id).await, of_hosts, "{group}");
    }
    let (_, _, one) = send(raw.get("/devices/queries/host-groups/v1", &[("filter", "name:'Servers'")])).await;
    assert_eq!(ids(&one).len(), 1);
    let (_, _, page) = send(raw.get(COMBINED, &[("limit", "3"), ("offset", "9")])).await;
    assert_eq!(
        (page["resources"].as_array().unwrap().len(), page["meta"]["pagination"]["total"].as_u64()),
        (2, Some(11))
    );
}

#[tokio::test]
async fn a_static_group_takes_hosts_and_gives_them_back() {
    let raw = raw().await;
    let (_, _, hosts) = send(raw.get(HOSTS, &[("limit", "2")])).await;
    let two = ids(&hosts);
    let group =
        made(&raw, json!({"name": "Quarantine", "group_type": "staticByID", "description": "d"})).await;
    assert_eq!(group.len(), 32);
    let (status, body) =
        act(&raw, "add-hosts", &group, &format!("(device_id:['{}','{}'])", two[0], two[1])).await;
    assert_eq!(status, 200, "{body}");
    let rule = body["resources"][0]["assignment_rule"].as_str().unwrap();
    assert_eq!(rule, format!("device_id:['{}','{}'],hostname:[]", two[0], two[1]));
    assert!(members(&raw, &group).await.is_empty(), "the search knows it too early");
    raw.sim.advance(Duration::from_secs(1));
    assert_eq!(members(&raw, &group).await, two);
    let filter = format!("groups:'{group}'");
    assert_eq!(ids(&send(raw.get(HOSTS, &[("filter", &filter)])).await.2), two);
    let (status, _) = act(&raw, "remove-hosts", &group, &format!("device_id:'{}'", two[0])).await;
    raw.sim.advance(Duration::from_secs(1));
    assert_eq!((status, members(&raw, &group).await), (200, vec![two[1].clone()]));
    assert_eq!(raw.sim.log().iter().filter(|m| m.operation == "performGroupAction").count(), 3);
    assert_eq!(send(raw.delete(GROUPS, &[("ids", &group)])).await.0, 200);
    let (_, _, host) = send(raw.get("/devices/entities/devices/v2", &[("ids", &two[1])])).await;
    assert!(!host["resources"][0]["groups"].as_array().unwrap().contains(&json!(group)));
    assert_eq!(send(raw.get(MEMBERS, &[("id", &group)])).await.0, 404);
    raw.sim.reset();
    assert_eq!(send(raw.get(COMBINED, &[])).await.2["meta"]["pagination"]["total"], 11);
}

#[tokio::test]
async fn the_rule_of_a_dynamic_group_decides() {
    let raw = raw().await;
    let rule = "platform_name:'Linux'";
    let group =
        made(&raw, json!({"name": "Penguins", "group_type": "dynamic", "assignment_rule": rule})).await;
    let wanted = ids(&send(raw.get(HOSTS, &[("filter", rule)])).await.2);
    assert!(!wanted.is_empty());
    assert_eq!(members(&raw, &group).await, wanted);
    let change =
        json!({"resources": [{"id": group, "name": "Apples", "assignment_rule": "platform_name:'Mac'"}]});
    let (status, _, body) = send(raw.patch(GROUPS, &change)).await;
    assert_eq!((status.as_u16(), body["resources"][0]["name"].as_str()), (200, Some("Apples")));
    assert_eq!(
        members(&raw, &group).await,
        ids(&send(raw.get(HOSTS, &[("filter", "platform_name:'Mac'")])).await.2)
    );
    assert_eq!(act(&raw, "add-hosts", &group, rule).await.0, 400);
    // A rule about the group itself ends.
    let own = format!("groups:'{group}'");
    let change = json!({"resources": [{"id": group, "assignment_rule": own}]});
    assert_eq!(send(raw.patch(GROUPS, &change)).await.0, 200);
    assert!(members(&raw, &group).await.is_empty());
}

#[tokio::test]
async fn bad_orders_are_refused() {
    let raw = raw().await;
    let (status, body) =
        create(&raw, json!({"name": "S", "group_type": "static", "assignment_rule": "hostname:'a'"})).await;
    assert_eq!(
        (status, message(&body)),
        (400, "May not specify 'assignment_rule' if 'group_type' is 'static'")
    );
    assert_eq!(body["errors"][0]["id"], "S");
    for group in [
        json!({"name": "", "group_type": "static"}),
        json!({"name": "x", "group_type": "magic"}),
        json!({"name": "x"}),
        json!({"name": "x", "group_type": "dynamic", "assignment_rule": "nonsense"}),
        json!({"name": "Servers", "group_type": "static"}),
    ] {
        assert_eq!(create(&raw, group.clone()).await.0, 400, "{group}");
    }
    let group = made(&raw, json!({"name": "x", "group_type": "static"})).await;
    assert_eq!(act(&raw, "move-hosts", &group, "hostname:'a'").await.0, 400);
    assert_eq!(act(&raw, "add-hosts", &group, "").await.0, 400);
    assert_eq!(act(&raw, "add-hosts", &"0".repeat(32), "hostname:'a'").await.0, 404);
    for query in [
        [("limit", "0")],
        [("limit", "5001")],
        [("sort", "id.asc")],
        [("sort", "size.asc")],
        [("filter", "size:1")],
    ] {
        assert_eq!(send(raw.get(COMBINED, &query)).await.0, 400, "{query:?}");
    }
    let (status, _, body) = send(raw.get(MEMBERS, &[("offset", "10000"), ("limit", "500")])).await;
    assert_eq!((status.as_u16(), message(&body)), (400, "limit + offset must be less than 10500"));
    let (status, _, body) = send(raw.get(GROUPS, &[("ids", &group), ("ids", "nobody")])).await;
    assert_eq!((status.as_u16(), body["errors"][0]["code"].as_u64()), (200, Some(404)));
    let raw = start(Sim::builder().without_scope("host-group:write").without_scope("host-group:read")).await;
    assert_eq!(send(raw.get(COMBINED, &[])).await.0, 403);
    assert_eq!(send(raw.delete(GROUPS, &[("ids", "x")])).await.0, 403);
}
