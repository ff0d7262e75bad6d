//! Flight Control: parents, children, and what a token is for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Raw, ids, message, send, start};
use edr_sim::{Access, Sim};
use serde_json::{Value, json};

const COMBINED: &str = "/devices/combined/devices/v1";
const QUERY: &str = "/mssp/queries/children/v1";
const GET: &str = "/mssp/entities/children/v1";
const POST: &str = "/mssp/entities/children/GET/v2";

async fn parents() -> Raw {
    start(Sim::builder().falcon_tenants(2).children(12).cortex_tenants(0).falcon_hosts(5).alerts(3)).await
}

fn member(raw: &Raw, name: &str) -> String {
    let tenant = raw.sim.tenants().iter().find(|t| t.name == name).unwrap();
    let Access::Falcon { member_cid: Some(cid), .. } = &tenant.access else { panic!("{name} is no child") };
    cid.clone()
}

async fn login_as(raw: &Raw, member: &str) -> (u16, Value) {
    let form = [("client_id", &*raw.id), ("client_secret", &*raw.secret), ("member_cid", member)];
    let (status, _, body) = send(raw.http.post(format!("{}/oauth2/token", raw.base)).form(&form)).await;
    (status.as_u16(), body)
}

async fn become_child(raw: &mut Raw, name: &str) {
    let (status, body) = login_as(raw, &member(raw, name)).await;
    assert_eq!(status, 201, "{body}");
    raw.token = body["access_token"].as_str().unwrap().to_owned();
}

#[tokio::test]
async fn children_stand_behind_their_parent_and_share_its_client() {
    let raw = parents().await;
    let ready: Value = serde_json::from_str(&raw.sim.ready_line()).unwrap();
    let tenants = ready["tenants"].as_array().unwrap();
    assert_eq!(tenants.len(), 26);
    let names: Vec<_> = tenants.iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(
        (names[0], names[1], names[12], names[13]),
        ("falcon-1", "falcon-1/retail", "falcon-1/child-12", "falcon-2")
    );
    assert!(tenants[0]["member_cid"].is_null());
    assert_eq!(tenants[1]["member_cid"].as_str().unwrap().len(), 32);
    assert_eq!(tenants[1]["client_id"], tenants[0]["client_id"]);
    assert_ne!(tenants[14]["client_id"], tenants[0]["client_id"]);
    let config: toml::Table = raw.sim.config_toml().parse().unwrap();
    assert_eq!(
        config["tenants"]["falcon-1/retail"]["member_cid"].as_str(),
        tenants[1]["member_cid"].as_str()
    );
    assert!(config["tenants"]["falcon-1"].get("member_cid").is_none());
}

#[tokio::test]
async fn a_token_sees_one_customer_alone() {
    let mut raw = parents().await;
    let (_, _, body) = send(raw.get(COMBINED, &[])).await;
    let (of_parent, cid) = (ids(&body), body["resources"][0]["cid"].clone());
    become_child(&mut raw, "falcon-1/retail").await;
    let (_, _, body) = send(raw.get(COMBINED, &[])).await;
    let of_child = ids(&body);
    assert_eq!((of_parent.len(), of_child.len()), (5, 5));
    assert!(of_child.iter().all(|id| !of_parent.contains(id)));
    assert_eq!(body["resources"][0]["cid"].as_str(), Some(&*member(&raw, "falcon-1/retail")));
    assert_ne!(body["resources"][0]["cid"], cid);
    let (_, _, body) = send(raw.get("/devices/entities/devices/v2", &[("ids", &of_parent[0])])).await;
    assert_eq!(body["errors"][0]["code"], 404);
    let report = raw.sim.requests();
    assert_eq!(report.count("falcon-1/retail", "CombinedDevicesByFilter"), 1);
    assert_eq!(report.count("falcon-1/retail", "oauth2AccessToken"), 1);
}

#[tokio::test]
async fn only_a_child_of_ones_own_is_a_member() {
    let raw = parents().await;
    let own = raw.sim.state().tenant("falcon-1").unwrap().falcon().unwrap().cid.clone();
    let of_another = member(&raw, "falcon-2/retail");
    for cid in [own, of_another, "0".repeat(32), "nonsense".to_owned()] {
        let (status, body) = login_as(&raw, &cid).await;
        assert_eq!((status, message(&body)), (403, "Failed to issue access token - Not Authorized"), "{cid}");
    }
    assert_eq!(login_as(&raw, "").await.0, 201);
}

#[tokio::test]
async fn children_are_queried_in_pages() {
    let raw = parents().await;
    let (status, _, body) = send(raw.get(QUERY, &[])).await;
    assert_eq!(
        (status.as_u16(), ids(&body).len(), body["meta"]["pagination"]["total"].as_u64()),
        (200, 10, Some(12))
    );
    let (_, _, all) =
        send(raw.get(QUERY, &[("limit", "100"), ("sort", "last_modified_timestamp|asc")])).await;
    let (_, _, rest) = send(raw.get(QUERY, &[("offset", "10")])).await;
    let mut walked = [ids(&body), ids(&rest)].concat();
    walked.reverse();
    assert_eq!(walked, ids(&all));
    let (_, _, one) = send(raw.get(QUERY, &[("filter", "name:'retail'")])).await;
    assert_eq!(ids(&one), [member(&raw, "falcon-1/retail")]);
    for bad in [[("sort", "name|asc")], [("limit", "many")], [("filter", "planet:'x'")]] {
        assert_eq!(send(raw.get(QUERY, &bad)).await.0, 400, "{bad:?}");
    }
}

#[tokio::test]
async fn entities_tell_of_the_children_and_of_what_is_none() {
    let mut raw = parents().await;
    let cid = member(&raw, "falcon-1/logistics");
    let (status, _, body) = send(raw.get(GET, &[("ids", &cid)])).await;
    let child = &body["resources"][0];
    assert_eq!(
        (status.as_u16(), child["name"].as_str(), child["child_cid"].as_str()),
        (200, Some("logistics"), Some(&*cid))
    );
    assert_eq!(
        child["child_of"].as_str(),
        raw.sim.state().tenant("falcon-1").unwrap().falcon().map(|f| &*f.cid)
    );
    let stranger = member(&raw, "falcon-2/retail");
    let (status, _, body) = send(raw.post(POST, &json!({"ids": [cid, stranger]}))).await;
    assert_eq!((status.as_u16(), body["resources"].as_array().unwrap().len()), (207, 1));
    assert_eq!(
        (body["errors"][0]["code"].as_u64(), body["errors"][0]["id"].as_str()),
        (Some(404), Some(&*stranger))
    );
    assert_eq!(send(raw.get(GET, &[])).await.0, 400);
    assert_eq!(send(raw.post(POST, &json!({"id": []}))).await.0, 400);
    become_child(&mut raw, "falcon-1/retail").await;
    assert_eq!(ids(&send(raw.get(QUERY, &[])).await.2).len(), 0);
}

#[tokio::test]
async fn the_scope_is_needed_and_a_parent_can_revoke_for_its_child() {
    let raw = start(Sim::builder().children(1).without_scope("mssp:read")).await;
    let (status, _, body) = send(raw.get(QUERY, &[])).await;
    assert_eq!((status.as_u16(), message(&body)), (403, "access denied, scope not permitted"));
    let mut raw = parents().await;
    become_child(&mut raw, "falcon-1/retail").await;
    let revoke = raw
        .http
        .post(format!("{}/oauth2/revoke", raw.base))
        .basic_auth(&raw.id, Some(&raw.secret))
        .form(&[("token", &raw.token)]);
    assert_eq!(send(revoke).await.0, 200);
    assert_eq!(send(raw.get(COMBINED, &[])).await.0, 401);
}
