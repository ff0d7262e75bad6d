//! What the typed calls put on the wire.

use chrono::{TimeZone as _, Utc};
use edr_core::ErrorKind;
use serde_json::{Value, json};

use super::FalconClient;
use crate::api::flight_control::{GroupOf, LinkParams, NewGroup, NewLink};
use crate::api::host_groups::{GroupType, HostGroupChange, MemberAction, NewHostGroup};
use crate::api::hosts::HistoryParams;
use crate::api::iocs::{self, IocAction, IocBody, IocChange, IocOptions, IocPlatform, IocType, NewIoc};
use crate::api::policies::{
    BuildStage, NewPolicy, NewValue, PolicyAction, PolicyChange, PolicyPlatform, Prevention, Response,
    SensorUpdate, SensorUpdateSettings, SettingChange, SliderLevel,
};
use crate::api::sensors::{Span, UsageParams};
use crate::api::users::{GrantAction, GrantChange, NewUser, UserAction};
use crate::api::{AfterParams, ListParams};
use crate::testing::{Log, Sent, TOKEN, device_id, falcon, json as answer};

pub(super) fn ioc(value: &str) -> NewIoc {
    let body = IocBody::everywhere(&[IocPlatform::Windows, IocPlatform::Ios], IocAction::Detect);
    NewIoc { kind: IocType::Domain, value: value.to_owned(), body }
}

/// A tenant that answers everything with an empty list.
fn quiet() -> (FalconClient, Log) {
    let (acme, log) = falcon(|_| answer(200, r#"{"meta":{"pagination":{"total":0}},"resources":[]}"#));
    (acme.client().clone(), log)
}

/// Method, path, query and body of the last request.
fn last(log: &Log) -> (String, Vec<(String, String)>, Value) {
    let sent: Sent = log.all().into_iter().rev().find(|s| s.path != TOKEN).unwrap();
    let body = sent.json();
    (format!("{} {}", sent.method, sent.path), sent.query, body)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[tokio::test]
async fn host_groups() {
    let (c, log) = quiet();
    let new = NewHostGroup::new("a", GroupType::Dynamic).rule("hostname:'x*'");
    c.create_host_groups(&[new]).await.unwrap();
    let body =
        json!({"resources": [{"name": "a", "group_type": "dynamic", "assignment_rule": "hostname:'x*'"}]});
    assert_eq!(last(&log), ("POST /devices/entities/host-groups/v1".to_owned(), vec![], body));
    let change =
        HostGroupChange { id: "g".to_owned(), description: Some("d".to_owned()), ..Default::default() };
    c.update_host_groups(&[change]).await.unwrap();
    assert_eq!(last(&log).2, json!({"resources": [{"id": "g", "description": "d"}]}));
    c.change_host_group(&MemberAction::Remove, "g", &[device_id(1), device_id(2)]).await.unwrap();
    let (call, query, body) = last(&log);
    assert_eq!(call, "POST /devices/entities/host-group-actions/v1");
    assert_eq!(query, pairs(&[("action_name", "remove-hosts"), ("disable_hostname_check", "true")]));
    let filter = format!("(device_id:['{}','{}'])", device_id(1), device_id(2));
    assert_eq!(body, json!({"ids": ["g"], "action_parameters": [{"name": "filter", "value": filter}]}));
    let odd = c.change_host_group(&MemberAction::Add, "g", &["a'b"]).await.unwrap_err();
    assert_eq!(odd.kind(), ErrorKind::InvalidRequest);
    c.host_group_members(
        "g",
        &ListParams { offset: 10, limit: Some(9_999), ..ListParams::filtered("f:'x'") },
    )
    .await
    .unwrap();
    let asked = [("filter", "f:'x'"), ("limit", "5000"), ("offset", "10"), ("id", "g")];
    assert_eq!(last(&log).1, pairs(&asked));
    c.delete_host_groups(&["g"]).await.unwrap();
    assert_eq!(last(&log).0, "DELETE /devices/entities/host-groups/v1");
}

#[tokio::test]
async fn indicators() {
    let (c, log) = quiet();
    let options =
        IocOptions { comment: Some("why".to_owned()), ignore_warnings: true, retrodetects: Some(false) };
    c.create_iocs(&[ioc("a.example")], &options).await.unwrap();
    let body = json!({"comment": "why", "indicators": [{"type": "domain", "value": "a.example", "action": "detect",
        "mobile_action": "detect", "applied_globally": true, "platforms": ["windows", "ios"]}]});
    let query = pairs(&[("ignore_warnings", "true"), ("retrodetects", "false")]);
    assert_eq!(last(&log), ("POST /iocs/entities/indicators/v1".to_owned(), query, body));
    let end = Utc.with_ymd_and_hms(2026, 5, 1, 0, 0, 0).unwrap();
    let body = IocBody { tags: Some(vec![]), ..IocBody::default() }.until(end).file_name("x.exe");
    c.update_iocs(&[IocChange { id: "i".to_owned(), body: body.clone() }], &IocOptions::default())
        .await
        .unwrap();
    let changed = json!({"id": "i", "expiration": "2026-05-01T00:00:00Z", "metadata": {"filename": "x.exe"}, "tags": []});
    assert_eq!(last(&log).2, json!({"indicators": [changed]}));
    c.update_iocs_where("source:'old'", &IocBody { tags: Some(vec![]), ..IocBody::default() }, &options)
        .await
        .unwrap();
    assert_eq!(
        last(&log).2,
        json!({"comment": "why", "bulk_update": {"filter": "source:'old'", "tags": []}})
    );
    c.delete_iocs(&["i", "j"], Some("over")).await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("ids", "i"), ("ids", "j"), ("comment", "over")]));
    c.delete_iocs_where("source:'old'", None).await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("filter", "source:'old'")]));
    let many: Vec<NewIoc> = (0..=iocs::MAX_CREATE).map(|n| ioc(&n.to_string())).collect();
    assert_eq!(c.create_iocs(&many, &options).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    c.ioc_words(&iocs::SEVERITIES).await.unwrap();
    assert_eq!(last(&log).0, "GET /iocs/queries/severities/v1");
    c.ioc_processes(&IocType::Md5, "v", "d", &ListParams::default()).await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("type", "md5"), ("value", "v"), ("device_id", "d")]));
}

#[tokio::test]
async fn long_ids_are_split_by_the_length_of_the_url() {
    let (c, log) = quiet();
    let ids: Vec<String> = (0..200).map(|n| format!("{n:064x}")).collect();
    c.iocs_by_id(&ids).await.unwrap();
    let sent = log.to("/iocs/entities/indicators/v1");
    assert_eq!(sent.iter().map(|s| s.every("ids").len()).sum::<usize>(), 200);
    assert!(sent.iter().all(|s| s.query.iter().map(|(k, v)| k.len() + v.len() + 2).sum::<usize>() < 8_000));
}

#[tokio::test]
async fn policies() {
    let (c, log) = quiet();
    let settings = vec![
        SettingChange { id: "a".to_owned(), value: NewValue::Toggle(true) },
        SettingChange {
            id: "b".to_owned(),
            value: NewValue::Slider { detection: SliderLevel::Disabled, prevention: SliderLevel::Cautious },
        },
    ];
    let new = NewPolicy::new("p", PolicyPlatform::Mac).settings(settings);
    c.create_policies::<Prevention>(&[new]).await.unwrap();
    let body = json!({"resources": [{"name": "p", "platform_name": "Mac", "settings": [
        {"id": "a", "value": {"enabled": true}},
        {"id": "b", "value": {"detection": "DISABLED", "prevention": "CAUTIOUS"}}]}]});
    assert_eq!(last(&log), ("POST /policy/entities/prevention/v1".to_owned(), vec![], body));
    let settings = SensorUpdateSettings { build: Some("17407".to_owned()), ..Default::default() };
    let change = PolicyChange { settings: Some(settings), ..PolicyChange::of("x") };
    c.update_policies::<SensorUpdate>(&[change]).await.unwrap();
    let (call, _, body) = last(&log);
    assert_eq!(call, "PATCH /policy/entities/sensor-update/v2");
    assert_eq!(body, json!({"resources": [{"id": "x", "settings": {"build": "17407"}}]}));
    let act = PolicyAction::AddHostGroup("g".to_owned());
    c.change_policies::<Response>(&act, &["x"]).await.unwrap();
    let (call, query, body) = last(&log);
    assert_eq!(
        (call.as_str(), query),
        ("POST /policy/entities/response-actions/v1", pairs(&[("action_name", "add-host-group")]))
    );
    assert_eq!(body, json!({"ids": ["x"], "action_parameters": [{"name": "group_id", "value": "g"}]}));
    c.order_policies::<Prevention>(&PolicyPlatform::Linux, &["b", "a"]).await.unwrap();
    assert_eq!(last(&log).2, json!({"ids": ["b", "a"], "platform_name": "Linux"}));
    c.sensor_builds(Some("linux"), &[BuildStage::Production, BuildStage::EarlyAdopter]).await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("platform", "linux"), ("stage", "prod"), ("stage", "early_adopter")]));
    c.uninstall_token("d", "why").await.unwrap();
    assert_eq!(last(&log).2, json!({"audit_message": "why", "device_id": "d"}));
}

#[tokio::test]
async fn users_and_their_roles() {
    let (c, log) = quiet();
    let user =
        NewUser { uid: "a@b.example".to_owned(), password: Some("canary".into()), ..NewUser::default() };
    assert!(!format!("{user:?}").contains("canary"));
    c.create_user(&user, true).await.unwrap();
    let body = json!({"uid": "a@b.example", "password": "canary"});
    let call = "POST /user-management/entities/users/v1".to_owned();
    assert_eq!(last(&log), (call, pairs(&[("validate_only", "true")]), body));
    c.reset_users(&UserAction::ResetPassword, &["u"]).await.unwrap();
    assert_eq!(last(&log).2, json!({"action": {"action_name": "reset_password"}, "ids": ["u"]}));
    let end = Utc.with_ymd_and_hms(2026, 5, 1, 0, 0, 0).unwrap();
    let mut change = GrantChange {
        action: GrantAction::Revoke,
        cid: Some("c".to_owned()),
        expires_at: Some(end),
        role_ids: vec!["r".to_owned()],
        uuid: "u".to_owned(),
    };
    c.change_user_roles(&change).await.unwrap();
    let body = json!({"action": "revoke", "cid": "c", "expires_at": "2026-05-01T00:00:00Z", "role_ids": ["r"], "uuid": "u"});
    assert_eq!(last(&log).2, body);
    change.role_ids = vec!["r".to_owned(); 101];
    assert_eq!(c.change_user_roles(&change).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    c.delete_user("u").await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("user_uuid", "u")]));
    c.user_grants(
        "u",
        Some("c"),
        true,
        &ListParams { sort: Some("role_name|desc".to_owned()), ..Default::default() },
    )
    .await
    .unwrap();
    let asked = [("sort", "role_name|desc"), ("user_uuid", "u"), ("cid", "c"), ("direct_only", "true")];
    assert_eq!(last(&log).1, pairs(&asked));
}

#[tokio::test]
async fn flight_control() {
    let (c, log) = quiet();
    c.child_ids(&ListParams::filtered("name:'x'")).await.unwrap();
    assert_eq!(last(&log).0, "GET /mssp/queries/children/v1");
    c.children_by_id(&["a"]).await.unwrap();
    assert_eq!(last(&log).0, "POST /mssp/entities/children/GET/v2");
    let new = NewGroup { description: None, name: "n".to_owned() };
    c.create_flight_groups(GroupOf::Users, std::slice::from_ref(&new)).await.unwrap();
    assert_eq!(last(&log).2, json!({"resources": [{"name": "n"}]}));
    c.update_flight_group(GroupOf::Children, "g", &new).await.unwrap();
    assert_eq!(last(&log).2, json!({"resources": [{"cid_group_id": "g", "name": "n"}]}));
    c.change_flight_group(GroupOf::Children, false, "g", &["a", "b"]).await.unwrap();
    let (call, _, body) = last(&log);
    assert_eq!(call, "DELETE /mssp/entities/cid-group-members/v2");
    assert_eq!(body, json!({"resources": [{"cid_group_id": "g", "cids": ["a", "b"]}]}));
    c.delete_flight_groups(GroupOf::Users, &["g"]).await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("user_group_ids", "g")]));
    let link = NewLink {
        cid_group_id: "c".to_owned(),
        role_ids: vec!["r".to_owned()],
        user_group_id: "u".to_owned(),
    };
    c.change_links(true, &[link]).await.unwrap();
    assert_eq!(
        last(&log).2,
        json!({"resources": [{"cid_group_id": "c", "role_ids": ["r"], "user_group_id": "u"}]})
    );
    c.link_ids(&LinkParams { role_id: Some("r".to_owned()), ..Default::default() }).await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("role_id", "r")]));
}

#[tokio::test]
async fn the_rest() {
    let (c, log) = quiet();
    c.scores(&AfterParams::default()).await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("filter", "score:>=0")]), "the service wants a filter");
    let history = HistoryParams { from: Some("now-30d".to_owned()), to: None, limit: Some(500) };
    c.login_history(&[device_id(1)], &history).await.unwrap();
    assert_eq!(last(&log).1, pairs(&[("from", "now-30d"), ("limit", "100")]));
    let usage = UsageParams {
        event_date: chrono::NaiveDate::from_ymd_opt(2026, 1, 2),
        period: Some(900),
        cids: vec!["a".to_owned(), "b'".to_owned()],
    };
    c.sensor_usage(Span::Weekly, &usage).await.unwrap();
    let filter = "event_date:'2026-01-02'+period:'395'+selected_cids:'a,b'";
    assert_eq!(last(&log).1, pairs(&[("filter", filter)]));
    c.ccid().await.unwrap();
    assert_eq!(last(&log).0, "GET /sensors/queries/installers/ccid/v1");
}
