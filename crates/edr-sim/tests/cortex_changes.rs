//! What changes on endpoints, alerts and incidents of Cortex by a call.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cortex_support;

use cortex_support::{World, world};
use serde_json::{Value, json};

const SEARCH: &str = "/public_api/v1/endpoints/get_endpoint";
const ASSIGN: &str = "/public_api/v1/tags/agents/assign";
const REMOVE: &str = "/public_api/v1/tags/agents/remove";
const RENAME: &str = "/public_api/v1/endpoints/update_agent_name";
const ALERTS: &str = "/public_api/v1/alerts/update_alerts";
const FLAT: &str = "/public_api/v1/alerts/get_alerts";
const INCIDENT: &str = "/public_api/v1/incidents/update_incident";
const INCIDENTS: &str = "/public_api/v1/incidents/get_incidents";
const EXTRA: &str = "/public_api/v1/incidents/get_incident_extra_data";

fn by_id(id: &str) -> Value {
    json!([{"field": "endpoint_id_list", "operator": "in", "value": [id]}])
}

async fn endpoint(w: &World, id: &str) -> Value {
    w.reply(SEARCH, json!({"filters": by_id(id)})).await["endpoints"][0].clone()
}

async fn first_id(w: &World) -> String {
    let all = w.reply(SEARCH, json!({})).await;
    all["endpoints"][0]["endpoint_id"].as_str().unwrap().to_owned()
}

async fn refused(w: &World, path: &str, data: Value) -> u16 {
    w.post(path, json!({"request_data": data})).await.0
}

#[tokio::test]
async fn a_tag_is_assigned_and_removed() {
    let w = world().hosts(20).start().await;
    let id = first_id(&w).await;
    assert_eq!(w.reply(ASSIGN, json!({"filters": by_id(&id), "tag": "edr-test"})).await, json!(true));
    let has = |e: &Value| e["tags"]["server_tags"].as_array().unwrap().contains(&json!("edr-test"));
    assert!(has(&endpoint(&w, &id).await));
    assert_eq!(w.reply(REMOVE, json!({"filters": by_id(&id), "tag": "edr-test"})).await, json!(true));
    assert!(!has(&endpoint(&w, &id).await));
    let log = w.mutations();
    assert_eq!(
        (log.len(), log[0].operation.as_str(), log[0].target == id),
        (2, "v1/tags/agents/assign", true)
    );
    for data in [
        json!({"filters": by_id(&id)}),
        json!({"filters": by_id(&id), "tag": ""}),
        json!({"filters": by_id(&id), "tag": 7}),
        json!({"filters": [], "tag": "x"}),
        json!({"tag": "x"}),
        json!({"filters": [{"field": "planet", "operator": "in", "value": ["x"]}], "tag": "x"}),
    ] {
        assert!(refused(&w, ASSIGN, data.clone()).await >= 400, "{data}");
    }
}

#[tokio::test]
async fn an_alias_is_given_found_and_cleared() {
    let w = world().hosts(20).generation(5).start().await;
    let id = first_id(&w).await;
    assert_eq!(w.reply(RENAME, json!({"filters": by_id(&id), "alias": "till 4"})).await, json!(true));
    let by_alias = json!([{"field": "alias", "operator": "in", "value": ["till 4"]}]);
    let found = w.reply(SEARCH, json!({"filters": by_alias})).await;
    assert_eq!(
        (found["total_count"].as_u64(), found["endpoints"][0]["endpoint_id"].as_str()),
        (Some(1), Some(&*id))
    );
    w.reply(RENAME, json!({"filters": by_id(&id), "alias": ""})).await;
    assert_eq!(endpoint(&w, &id).await["alias"], "");
    assert!(refused(&w, RENAME, json!({"filters": by_id(&id)})).await >= 400);
    assert_eq!(refused(&w, ALERTS, json!({})).await, 404, "XDR 5 has issues");
}

#[tokio::test]
async fn alerts_are_updated_by_their_ids() {
    let w = world().hosts(20).alerts(12).start().await;
    let all = w.reply(FLAT, json!({})).await;
    let id = all["alerts"][0]["alert_id"].as_str().unwrap().to_owned();
    let data = json!({"status": "resolved_false_positive", "severity": "low", "comment": "a drill"});
    let reply = w.reply(ALERTS, json!({"alert_id_list": [id, "1"], "update_data": data})).await;
    assert_eq!(reply, json!({"alerts_ids": [id]}));
    let number: i64 = id.parse().unwrap();
    let one = json!({"filters": [{"field": "alert_id_list", "operator": "in", "value": [number]}]});
    let after = w.reply(FLAT, one).await["alerts"][0].clone();
    assert_eq!(
        (after["severity"].as_str(), after["resolution_status"].as_str()),
        (Some("low"), Some("STATUS_060_RESOLVED_FALSE_POSITIVE"))
    );
    assert_eq!(w.mutations()[0].after["comments"], 1);
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    for bad in [
        json!({"alert_id_list": [id], "update_data": {}}),
        json!({"alert_id_list": [id]}),
        json!({"alert_id_list": [], "update_data": {"status": "new"}}),
        json!({"alert_id_list": ["1"], "update_data": {"status": "new"}}),
        json!({"alert_id_list": many, "update_data": {"status": "new"}}),
        json!({"alert_id_list": [id], "update_data": {"status": "done"}}),
        json!({"alert_id_list": [id], "update_data": {"severity": "much"}}),
        json!({"alert_id_list": [id], "update_data": {"owner": "me"}}),
    ] {
        assert!(refused(&w, ALERTS, bad.clone()).await >= 400, "{bad}");
    }
    assert_eq!(w.mutations().len(), 1);
}

#[tokio::test]
async fn an_incident_is_assigned_commented_and_resolved() {
    let w = world().hosts(20).alerts(12).start().await;
    let mail = edr_sim::estate::alert::analysts(w.sim.estate("cortex-1").unwrap())[0].email.clone();
    let update = |data: Value| json!({"incident_id": "2", "update_data": data});
    let comment = json!({"comment_action": "add", "value": "called the owner"});
    let data = json!({"assigned_user_mail": mail, "manual_severity": "high", "comment": comment});
    assert_eq!(w.reply(INCIDENT, update(data)).await, json!(true));
    let data = json!({"status": "resolved_true_positive", "resolve_comment": "cleaned"});
    assert_eq!(w.reply(INCIDENT, update(data)).await, json!(true));
    let extra = w.reply(EXTRA, json!({"incident_id": "2"})).await;
    let incident = &extra["incident"];
    assert_eq!(
        (
            &incident["status"],
            &incident["assigned_user_mail"],
            &incident["manual_severity"],
            &incident["resolve_comment"]
        ),
        (&json!("resolved_true_positive"), &json!(mail), &json!("high"), &json!("cleaned"))
    );
    assert_eq!(incident["comments"][0]["value"], "called the owner");
    let listed = w
        .reply(
            INCIDENTS,
            json!({"filters": [{"field": "incident_id_list", "operator": "in", "value": ["2"]}]}),
        )
        .await;
    assert_eq!(listed["incidents"][0]["status"], "resolved_true_positive");
    assert!(listed["incidents"][0].get("comments").is_none());
    w.reply(INCIDENT, update(json!({"assigned_user_mail": "none", "manual_severity": ""}))).await;
    let extra = w.reply(EXTRA, json!({"incident_id": "2"})).await;
    assert!(
        extra["incident"]["assigned_user_mail"].is_null() && extra["incident"]["manual_severity"].is_null()
    );
    for bad in [
        json!({"assigned_user_mail": "nobody@example.com"}),
        json!({"assigned_user_pretty_name": "Nobody"}),
        json!({"resolve_comment": "why"}),
        json!({"status": "gone"}),
        json!({"manual_severity": "informational"}),
        json!({"comment": {"value": "x"}}),
        json!({"name": "x"}),
        json!({}),
    ] {
        assert!(refused(&w, INCIDENT, update(bad.clone())).await >= 400, "{bad}");
    }
    assert!(
        refused(&w, INCIDENT, json!({"incident_id": "99", "update_data": {"status": "new"}})).await >= 400
    );
    assert_eq!(w.mutations().len(), 3);
    w.reset();
    let extra = w.reply(EXTRA, json!({"incident_id": "2"})).await;
    assert!(extra["incident"].get("comments").is_none() && extra["incident"]["resolve_comment"].is_null());
}
