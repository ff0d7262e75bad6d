//! The simulator's answers and our clients' requests, held against the vendors' specifications by a validator that
//! is not ours. What the specification and the real service disagree on stands in `errata.toml`, with the reason.

#![expect(clippy::expect_used, clippy::panic, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use edr_core::{AlertQuery, EdrProvider, EdrProviderExt as _, HostQuery};
use edr_http::HttpTransport as _;
use edr_sim::cortex::Verb;
use edr_sim::falcon::OPERATIONS;
use edr_sim::{Access, FaultKind, FaultRule, KeyType, Sim, TenantInfo};
use edr_tests::catalogue::{Catalogue, Keys, missing};
use edr_tests::chaos::{hasty, provider};
use edr_tests::errata::{Finding, read, reckon};
use edr_tests::openapi::{Spec, file, fits};
use edr_tests::recorder::{Exchange, Recorder};
use secrecy::SecretString;
use serde_json::{Value, json};

mod cortex_scenes;
mod falcon_scenes;

const ERRATA: &str = include_str!("../errata.toml");

/// Falcon's specification, where there is one.
fn spec() -> Option<Spec> {
    file("falcon-openapi-reconstructed.json").map(Spec::read)
}

async fn simulator(builder: edr_sim::SimBuilder) -> Sim {
    let builder = builder.falcon_hosts(60).cortex_hosts(60).alerts(40).enforce_limits(false);
    builder.start().await.expect("the simulator starts")
}

/// A request by hand: method, path with its query, body.
#[derive(Clone, Debug)]
struct Call(&'static str, String, String);

fn get(path: impl Into<String>) -> Call {
    Call("GET", path.into(), String::new())
}

fn send(method: &'static str, path: impl Into<String>, body: &Value) -> Call {
    Call(method, path.into(), body.to_string())
}

/// Somebody who asks by hand, with these headers.
struct Hand {
    recorder: Arc<Recorder>,
    base: String,
    headers: Vec<(&'static str, String)>,
}

impl Hand {
    async fn ask(&self, Call(method, path, body): &Call) -> Exchange {
        let mut request = http::Request::builder().method(*method).uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let form = path.starts_with("/oauth2/");
        let kind = if form { "application/x-www-form-urlencoded" } else { "application/json" };
        let request = request.header("content-type", kind).body(Bytes::from(body.clone()));
        let answer = self.recorder.send(request.expect("a request")).await;
        answer.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        self.recorder.take().pop().expect("it was recorded")
    }
}

/// The Falcon tenant `name`, asked by hand with a token of its own.
async fn falcon_hand(sim: &Sim, name: &str) -> Hand {
    let tenant = sim.tenants().iter().find(|t| t.name == name).expect("the tenant");
    let recorder = Arc::new(Recorder::default());
    let mut hand = Hand { recorder, base: tenant.base_url.clone(), headers: Vec::new() };
    let answer = hand.ask(&Call("POST", "/oauth2/token".into(), credentials(tenant))).await.json();
    let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    hand.headers.push(("authorization", format!("Bearer {token}")));
    hand
}

fn credentials(tenant: &TenantInfo) -> String {
    let Access::Falcon { client_id, client_secret, .. } = &tenant.access else { panic!("no Falcon tenant") };
    format!("client_id={client_id}&client_secret={client_secret}")
}

/// Every operation of the Falcon half, as it should be asked.
async fn good_calls(sim: &Sim, hand: &Hand) -> Vec<Call> {
    let estate = sim.estate("falcon-1").expect("the tenant");
    let id = |n: u64| estate.host_id(n);
    let page = hand.ask(&get("/alerts/queries/alerts/v2?limit=40")).await.json();
    let alerts = &page["resources"];
    let mut calls = vec![
        get("/devices/combined/devices/v1?limit=60"),
        get("/devices/combined/devices/v1?limit=7&sort=hostname.desc&filter=platform_name%3A%27Linux%27"),
        get("/devices/combined/devices/v1?filter=hostname%3A%27nobody%27"),
        get("/devices/combined/devices/v1?fields=hostname,device_id"),
        get("/devices/queries/devices-scroll/v1?limit=10"),
        get("/devices/queries/devices/v1?limit=10&offset=3"),
        get(format!("/devices/entities/devices/v2?ids={}&ids={}", id(0), "0".repeat(32))),
        send("POST", "/devices/entities/devices/v2", &json!({"ids": [id(1), id(2), "f".repeat(32)]})),
        get(format!("/devices/entities/online-state/v1?ids={}&ids={}", id(3), "0".repeat(32))),
        get("/alerts/queries/alerts/v2?limit=10&sort=created_timestamp%7Casc"),
        send("POST", "/alerts/entities/alerts/v2", &json!({"composite_ids": alerts})),
        send("POST", "/alerts/entities/alerts/v2", &json!({"composite_ids": ["no:such:alert"]})),
        send("POST", "/alerts/combined/alerts/v1", &json!({"limit": 15})),
        send("POST", "/alerts/combined/alerts/v1", &json!({"filter": "status:'nothing'"})),
    ];
    let child = hand.ask(&get("/mssp/queries/children/v1")).await.json()["resources"][0].clone();
    let child = child.as_str().expect("the tenant has children");
    calls.push(get("/mssp/queries/children/v1?limit=1&sort=last_modified_timestamp%7Casc"));
    calls.push(get(format!("/mssp/entities/children/v1?ids={child}&ids={}", "0".repeat(32))));
    calls.push(send("POST", "/mssp/entities/children/GET/v2", &json!({"ids": [child, "0".repeat(32)]})));
    calls.extend(groups(hand, &id(4)).await);
    calls.extend(changes(&id, alerts));
    for action in ["contain", "lift_containment"] {
        let path = format!("/devices/entities/devices-actions/v2?action_name={action}");
        calls.extend((0..60).step_by(9).map(|n| send("POST", path.clone(), &json!({"ids": [id(n)]}))));
    }
    calls
}

/// Host groups: a group that is made here, and everything that can be asked of it. It goes at the end.
async fn groups(hand: &Hand, host: &str) -> Vec<Call> {
    let (groups, actions) = ("/devices/entities/host-groups/v1", "/devices/entities/host-group-actions/v1");
    let new =
        |name: &str| json!({"resources": [{"name": name, "group_type": "staticByID", "description": "d"}]});
    let made = hand.ask(&send("POST", groups, &new("first"))).await.json();
    let group = made["resources"][0]["id"].as_str().unwrap_or_else(|| panic!("{made}"));
    let act = json!({"ids": [group], "action_parameters": [{"name": "filter", "value": format!("(device_id:['{host}'])")}]});
    vec![
        send("POST", groups, &new("second")),
        send("PATCH", groups, &json!({"resources": [{"id": group, "description": "another"}]})),
        send("POST", format!("{actions}?action_name=add-hosts"), &act),
        get(format!("/devices/combined/host-group-members/v1?id={group}&limit=5")),
        get(format!("/devices/queries/host-group-members/v1?id={group}")),
        send("POST", format!("{actions}?action_name=remove-hosts"), &act),
        get("/devices/combined/host-groups/v1?limit=50&sort=name.desc"),
        get("/devices/queries/host-groups/v1?limit=3"),
        get(format!("{groups}?ids={group}&ids={}", "0".repeat(32))),
        Call("DELETE", format!("{groups}?ids={group}"), String::new()),
    ]
}

/// Changes of hosts and alerts: visibility, tags, and an alert's status, assignee, comment and tag.
fn changes(id: &dyn Fn(u64) -> String, alerts: &Value) -> Vec<Call> {
    let hide = |action: &str| format!("/devices/entities/devices-actions/v2?action_name={action}");
    let tags = |action: &str| json!({"action": action, "device_ids": [id(6), "0".repeat(32)], "tags": ["FalconGroupingTags/x"]});
    let step = |name: &str, value: &str| json!({"name": name, "value": value});
    let steps = [
        step("update_status", "in_progress"),
        step("append_comment", "seen"),
        step("add_tag", "mine"),
        step("assign_to_user_id", "a@example.com"),
    ];
    vec![
        send("POST", hide("hide_host"), &json!({"ids": [id(5)]})),
        get("/devices/combined/devices-hidden/v1?limit=5"),
        get("/devices/queries/devices-hidden/v1?limit=5"),
        send("POST", hide("unhide_host"), &json!({"ids": [id(5)]})),
        send("PATCH", "/devices/entities/devices/tags/v1", &tags("add")),
        send("PATCH", "/devices/entities/devices/tags/v1", &tags("remove")),
        send(
            "PATCH",
            "/alerts/entities/alerts/v3",
            &json!({"composite_ids": [alerts[0], "none"], "action_parameters": steps}),
        ),
        send("POST", "/alerts/entities/alerts/v2", &json!({"composite_ids": [alerts[0]]})),
    ]
}

/// Requests that are refused, and the status of the refusal.
fn bad_calls() -> Vec<(u16, Call)> {
    let none = json!({"ids": []});
    vec![
        (400, get("/devices/combined/devices/v1?filter=hostname")),
        (400, get("/devices/combined/devices/v1?offset=nonsense")),
        (400, get("/devices/combined/devices/v1?limit=0")),
        (400, get("/devices/queries/devices-scroll/v1?sort=nonsense.asc")),
        (400, get("/devices/queries/devices/v1?limit=5000&offset=5000")),
        (500, get("/devices/queries/devices/v1?filter=os_version%3A%27W*%27")),
        (400, get(format!("/devices/entities/devices/v2?{}", "ids=a&".repeat(101)))),
        (400, send("POST", "/devices/entities/devices/v2", &json!({}))),
        (400, get("/devices/entities/online-state/v1")),
        (400, send("POST", "/devices/entities/devices-actions/v2?action_name=isolate", &none)),
        (400, send("POST", "/devices/entities/devices-actions/v2?action_name=contain", &none)),
        (400, get("/alerts/queries/alerts/v1")),
        (400, get("/alerts/queries/alerts/v2?limit=10001")),
        (500, get("/alerts/queries/alerts/v2?offset=10000")),
        (400, send("POST", "/alerts/entities/alerts/v2", &json!({"ids": []}))),
        (413, send("POST", "/alerts/entities/alerts/v2", &json!({"composite_ids": vec!["a"; 1001]}))),
        (400, send("POST", "/alerts/combined/alerts/v1", &json!({"filter": "severity:"}))),
        (400, send("POST", "/alerts/combined/alerts/v1", &json!({"after": "nonsense"}))),
        (
            400,
            send(
                "PATCH",
                "/devices/entities/devices/tags/v1",
                &json!({"action": "put", "device_ids": [], "tags": []}),
            ),
        ),
        (
            400,
            send(
                "PATCH",
                "/alerts/entities/alerts/v3",
                &json!({"composite_ids": ["a"], "action_parameters": []}),
            ),
        ),
        (400, get("/devices/combined/host-groups/v1?filter=nonsense%3A1")),
        (404, get(format!("/devices/entities/host-groups/v1?ids={}", "0".repeat(32)))),
        (400, send("POST", "/devices/entities/host-groups/v1", &json!({"resources": []}))),
        (400, send("PATCH", "/devices/entities/host-groups/v1", &json!({"resources": []}))),
        (400, Call("DELETE", "/devices/entities/host-groups/v1".into(), String::new())),
        (400, send("POST", "/devices/entities/host-group-actions/v1?action_name=burn", &none)),
        (400, get("/mssp/queries/children/v1?limit=many")),
        (400, get("/mssp/entities/children/v1")),
        (400, Call("POST", "/oauth2/token".into(), "client_id=nobody&client_secret=x".into())),
        (403, Call("POST", "/oauth2/revoke".into(), "token=x".into())),
    ]
}

/// What our client sends, and what it gets: whole listings by the combined endpoint and by scroll, both nouns, by id.
async fn falcon_client(sim: &Sim) -> Vec<Exchange> {
    let recorder = Arc::new(Recorder::default());
    let tenant = &sim.tenants()[0];
    let provider = provider(tenant, Arc::clone(&recorder) as _);
    walk(provider.as_ref()).await;
    let Access::Falcon { client_id, client_secret, .. } = &tenant.access else { panic!("no Falcon tenant") };
    let builder = falcon::Falcon::builder(&tenant.name, client_id, SecretString::from(client_secret.clone()))
        .base_url(tenant.base_url.parse().expect("an address"))
        .policy(hasty());
    let native = builder.transport(Arc::clone(&recorder) as _).build().expect("good credentials");
    let client = native.client();
    let mut hosts = falcon::api::hosts::HostsParams::default();
    (hosts.limit, hosts.sort) = (Some(20), Some("last_seen.desc".to_owned()));
    let ids = client.host_ids(&hosts).await.expect("a scroll").resources;
    client.hosts_by_id(&ids).await.expect("hosts by id");
    client.online_state(&ids).await.expect("their state");
    let mut alerts = falcon::api::alerts::AlertsParams::default();
    (alerts.limit, alerts.sort) = (Some(20), Some("created_timestamp|asc".to_owned()));
    let ids = client.alert_ids(&alerts).await.expect("ids of alerts").resources;
    client.alerts_by_id(&ids).await.expect("alerts by id");
    recorder.take()
}

/// Everything that a provider reads: listings with filters that are pushed down, single things, the check.
async fn walk(provider: &dyn EdrProvider) {
    provider.check().await.expect("the check");
    let hosts = provider.collect_hosts(&HostQuery::new()).await.expect("hosts").items;
    let alerts = provider.collect_alerts(&AlertQuery::new()).await.expect("alerts").items;
    assert!(!hosts.is_empty() && !alerts.is_empty());
    let narrow = HostQuery::new().platform(edr_core::Platform::Windows).with_connection();
    provider.collect_hosts(&narrow).await.expect("windows hosts");
    let grave = AlertQuery::new().severity_at_least(edr_core::Severity::High);
    provider.collect_alerts(&grave).await.expect("grave alerts");
    provider.host(&hosts[0].uid).await.expect("a host by id");
    provider.alert(&alerts[0].uid).await.expect("an alert by id");
    provider.find_hosts(&hosts[1].hostname).await.expect("a host by name");
}

/// What was found of the Falcon half, and the operations of which a good reply was held.
struct Held<'a> {
    spec: &'a Spec,
    found: BTreeSet<Finding>,
    served: BTreeSet<&'static str>,
}

impl Held<'_> {
    fn reply(&mut self, exchange: &Exchange) {
        if exchange.status < 300 {
            self.served.insert(operation_id(&exchange.method, &exchange.path));
        }
        self.found.extend(self.spec.reply(exchange));
    }

    /// Both sides. What was refused may have been asked badly on purpose.
    fn both(&mut self, exchange: &Exchange) {
        if exchange.status < 300 {
            self.found.extend(self.spec.request(exchange));
        }
        self.reply(exchange);
    }
}

/// Everything that goes over the wire in the scenes of the native client.
async fn scenes() -> Vec<Exchange> {
    let wire = falcon_scenes::Wire::default();
    macro_rules! play {
        ($($scene:ident)*) => { $(Box::pin(falcon_scenes::$scene(&wire)).await;)* };
    }
    falcon_scenes::each_scene!(play);
    wire.take().into_iter().map(of_stream).collect()
}

/// An event stream under one path for all its partitions, as the errata name it.
fn of_stream(mut exchange: Exchange) -> Exchange {
    const FEED: &str = "/sensors/entities/datafeed/v1/{partition}";
    if fits(FEED, &exchange.path) {
        exchange.path = FEED.to_owned();
    }
    exchange
}

/// One request of the scenes for each operation, to be asked again by hand.
fn again(exchanges: &[Exchange]) -> Vec<Call> {
    let mut seen = BTreeSet::new();
    let first = exchanges.iter().filter(|e| seen.insert(operation_id(&e.method, &e.path)));
    let call = |e: &Exchange| {
        let method = OPERATIONS.iter().find(|o| o.0 == e.method)?.0;
        let body = String::from_utf8_lossy(&e.body).into_owned();
        Some(Call(method, format!("{}?{}", e.path, e.query), body))
    };
    first.filter(|e| e.path != "/oauth2/token").filter_map(call).collect()
}

/// Replies to the Falcon half's own requests: asked well, asked badly, and under faults.
async fn falcon_replies(held: &mut Held<'_>, sim: &Sim, scenes: &[Exchange]) {
    let hand = falcon_hand(sim, "falcon-1").await;
    let mut calls = good_calls(sim, &hand).await;
    for call in &calls {
        held.reply(&hand.ask(call).await);
    }
    for (status, call) in bad_calls() {
        let exchange = hand.ask(&call).await;
        assert_eq!(exchange.status, status, "{call:?}: {}", exchange.json());
        held.reply(&exchange);
    }
    calls.extend(again(scenes));
    for fault in [
        FaultKind::Scope,
        FaultKind::TooMany,
        FaultKind::Internal,
        FaultKind::Business,
        FaultKind::Unauthorized,
    ] {
        sim.inject(vec![FaultRule::always("*", fault)]).expect("a rule");
        for call in &calls {
            held.reply(&hand.ask(call).await);
        }
        sim.clear_faults();
    }
    held.reply(&hand.ask(&Call("POST", "/oauth2/token".into(), credentials(&sim.tenants()[0]))).await);
    let revoke = Call("POST", "/oauth2/revoke".into(), "token=nobody".into());
    held.reply(&as_client(&hand, sim).ask(&revoke).await);
}

/// The operations without a good reply that was held, less the one that the service has retired.
fn left(served: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    let retired = "GetQueriesAlertsV1";
    let all = OPERATIONS.iter().map(|o| o.2).filter(|o| *o != retired);
    all.filter(|o| !served.contains(o)).collect()
}

/// The same hand with the client's own credentials, as a revocation wants them.
fn as_client(hand: &Hand, sim: &Sim) -> Hand {
    let Access::Falcon { client_id, client_secret, .. } = &sim.tenants()[0].access else {
        panic!("no Falcon tenant")
    };
    let basic = BASE64_STANDARD.encode(format!("{client_id}:{client_secret}"));
    Hand {
        recorder: Arc::clone(&hand.recorder),
        base: hand.base.clone(),
        headers: vec![("authorization", format!("Basic {basic}"))],
    }
}

fn operation_id(method: &str, path: &str) -> &'static str {
    OPERATIONS.iter().find(|o| o.0 == method && fits(o.1, path)).map_or("", |o| o.2)
}

#[tokio::test]
async fn falcon_keeps_to_the_specification() {
    let Some(spec) = spec() else { return };
    let sim = simulator(Sim::builder().cortex_tenants(0).children(2)).await;
    let scenes = scenes().await;
    let mut held = Held { spec: &spec, found: BTreeSet::new(), served: BTreeSet::new() };
    falcon_replies(&mut held, &sim, &scenes).await;
    sim.reset();
    let mut exchanges = falcon_client(&sim).await;
    let without = simulator(Sim::builder().cortex_tenants(0).falcon_without_combined(true)).await;
    exchanges.extend(falcon_client(&without).await);
    for exchange in exchanges.iter().chain(&scenes) {
        held.both(exchange);
    }
    let asked: BTreeSet<&str> = exchanges.iter().map(|e| operation_id(&e.method, &e.path)).collect();
    assert!(asked.len() >= 8, "the client asked for {asked:?} alone");
    let wrong = reckon(&read(ERRATA, "falcon"), &held.found);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let left = left(&held.served);
    assert!(left.is_empty(), "of these no good answer was held against the specification: {left:?}");
}

fn exchange(method: &str, path: &str, query: &str, body: &Value, status: u16, reply: &Value) -> Exchange {
    Exchange {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: if body.is_null() { Bytes::new() } else { body.to_string().into() },
        status,
        reply: reply.to_string().into(),
    }
}

fn places(found: &BTreeSet<Finding>) -> Vec<(&str, &str)> {
    found.iter().map(|f| (f.at.as_str(), f.keyword.as_str())).collect()
}

#[test]
fn a_wrong_reply_is_caught() {
    let Some(spec) = spec() else { return };
    let meta = json!({"query_time": 1.29e-7, "trace_id": "t"});
    let reply = |status, body: Value| {
        spec.reply(&exchange("GET", "/devices/entities/devices/v2", "ids=a", &Value::Null, status, &body))
    };
    let device = |device: Value| json!({"meta": meta, "resources": [device]});
    assert_eq!(places(&reply(200, device(json!({"device_id": "a", "hostname": "b"})))), []);
    for (body, at, keyword) in [
        (device(json!({"device_id": 7})), "/resources/*/device_id", "type"),
        (device(json!({"hostnam": "b"})), "/resources/*/hostnam", "additionalProperties"),
        (device(json!({"last_seen": null})), "/resources/*/last_seen", "type"),
        (json!({"meta": {"query_time": "soon"}}), "/meta/query_time", "type"),
        (json!({"meta": meta, "resources": {}}), "/resources", "type"),
        (json!([]), "", "type"),
    ] {
        assert_eq!(places(&reply(200, body)), [(at, keyword)]);
    }
    assert_eq!(places(&reply(418, json!({"errors": [{"code": "x"}]}))), [("error:/errors/*/code", "type")]);
    assert_eq!(places(&reply(299, json!({}))), [("/299", "status")]);
    let alert = json!({"meta": meta, "resources": [{"created_timestamp": "yesterday"}]});
    let alerts = exchange("POST", "/alerts/entities/alerts/v2", "", &Value::Null, 200, &alert);
    assert_eq!(places(&spec.reply(&alerts)), [("/resources/*/created_timestamp", "format")]);
    for (method, path, body, at, keyword) in [
        (
            "GET",
            "/iocs/entities/indicators/v1",
            json!({"severity_number": 40}),
            "severity_number",
            "additionalProperties",
        ),
        (
            "POST",
            "/policy/entities/sensor-update-actions/v1",
            json!({"settings": {"stage": "prod"}}),
            "settings/stage",
            "additionalProperties",
        ),
        ("GET", "/sensors/entities/installers/v3", json!({"file_size": "90 MB"}), "file_size", "type"),
    ] {
        let body = json!({"meta": meta, "resources": [body]});
        let found = spec.reply(&exchange(method, path, "", &Value::Null, 200, &body));
        assert_eq!(places(&found), [(format!("/resources/*/{at}").as_str(), keyword)], "{method} {path}");
    }
    let made = exchange("POST", "/user-management/entities/users/v1", "", &Value::Null, 200, &json!({}));
    assert_eq!(places(&spec.reply(&made)), [("/200", "status")]);
    let nowhere = exchange("GET", "/devices/entities/devices/v9", "", &Value::Null, 200, &json!({}));
    assert_eq!(spec.reply(&nowhere).first().expect("a finding").side, "operation");
}

#[test]
fn a_wrong_request_is_caught() {
    let Some(spec) = spec() else { return };
    let ask = |method: &str, path: &str, query: &str, body: Value| {
        spec.request(&exchange(method, path, query, &body, 200, &json!({})))
    };
    let hosts = "/devices/queries/devices/v1";
    let alerts = "/alerts/entities/alerts/v2";
    assert_eq!(places(&ask("GET", hosts, "limit=5000&offset=0&sort=hostname.asc", Value::Null)), []);
    assert_eq!(places(&ask("POST", alerts, "include_hidden=true", json!({"composite_ids": ["a"]}))), []);
    for (method, path, query, body, at, keyword) in [
        ("GET", hosts, "limt=5", Value::Null, "/query/limt", "additionalProperties"),
        ("GET", hosts, "limit=5001", Value::Null, "/query/limit", "maximum"),
        ("GET", hosts, "limit=0", Value::Null, "/query/limit", "minimum"),
        ("GET", hosts, "limit=many", Value::Null, "/query/limit", "type"),
        ("GET", hosts, "limit=5&limit=6", Value::Null, "/query/limit", "type"),
        ("GET", "/devices/entities/devices/v2", "", Value::Null, "/query/ids", "required"),
        ("GET", "/mssp/queries/children/v1", "sort=name", Value::Null, "/query/sort", "enum"),
        (
            "GET",
            "/policy/combined/sensor-update-builds/v1",
            "stage=prod&stage=lab",
            Value::Null,
            "/query/stage/*",
            "enum",
        ),
        (
            "POST",
            alerts,
            "include_hidden=maybe",
            json!({"composite_ids": []}),
            "/query/include_hidden",
            "type",
        ),
        ("POST", alerts, "", json!({"ids": [], "composite_ids": []}), "/body/ids", "additionalProperties"),
        ("POST", alerts, "", json!({}), "/body/composite_ids", "required"),
        ("POST", alerts, "", json!({"composite_ids": [1]}), "/body/composite_ids/*", "type"),
        ("POST", alerts, "", Value::Null, "/body", "type"),
        ("POST", "/oauth2/revoke", "", Value::Null, "/form/token", "required"),
    ] {
        assert_eq!(places(&ask(method, path, query, body)), [(at, keyword)], "{method} {path}?{query}");
    }
    assert_eq!(ask("DELETE", hosts, "", Value::Null).first().expect("a finding").side, "operation");
}

#[test]
fn a_wrong_form_with_files_is_caught() {
    let Some(spec) = spec() else { return };
    let form = |fields: &[(&str, &str)]| {
        let part = |(name, value): &(&str, &str)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body: String = fields.iter().map(part).chain(["--b--\r\n".to_owned()]).collect();
        let path = "/real-time-response/entities/scripts/v2";
        let sent = exchange("POST", path, "", &Value::Null, 200, &json!({}));
        spec.request(&Exchange { body: body.into(), ..sent })
    };
    let whole = [("description", "d"), ("permission_type", "none"), ("platform", "mac"), ("file", "x\r\ny")];
    assert_eq!(places(&form(&whole)), []);
    assert_eq!(places(&form(&whole[..3])), [("/form/file", "required")]);
    assert_eq!(
        places(&form(&[&whole[..], &[("colour", "red")]].concat())),
        [("/form/colour", "additionalProperties")]
    );
}

#[test]
fn errata_cover_what_they_name_and_nothing_else() {
    let text = r#"
        [[erratum]]
        vendor = "falcon"
        side = "reply"
        operation = "Op"
        at = "/resources/*/ou"
        keyword = "type"
        reason = "a reason of some length"
    "#;
    let errata = read(text, "falcon");
    let finding = |operation: &str, at: &str, keyword: &str| Finding {
        side: "reply",
        operation: operation.to_owned(),
        at: at.to_owned(),
        keyword: keyword.to_owned(),
        message: String::new(),
    };
    let known = finding("Op", "/resources/*/ou", "type");
    assert_eq!(reckon(&errata, &[known.clone()].into()), Vec::<String>::new());
    assert_eq!(reckon(&errata, &BTreeSet::new()).len(), 1, "an erratum that nobody needs");
    for other in [
        finding("Other", "/resources/*/ou", "type"),
        finding("Op", "/resources/*/out", "type"),
        finding("Op", "/resources/*/ou", "enum"),
    ] {
        assert_eq!(reckon(&errata, &[known.clone(), other].into()).len(), 1);
    }
    assert_eq!(read(text, "cortex").len(), 0);
}

/// What our Cortex client sends, on a tenant of a generation.
async fn cortex_client(generation: u8) -> Vec<Exchange> {
    let sim = simulator(Sim::builder().falcon_tenants(0).cortex_generation(generation)).await;
    let recorder = Arc::new(Recorder::default());
    let provider = provider(&sim.tenants()[0], Arc::clone(&recorder) as _);
    walk(provider.as_ref()).await;
    recorder.take()
}

/// What stands under a key of a body, where the simulator takes that key without a fuss.
fn sample(path: &str, key: &str, sim: &Sim, incident: &Value) -> Option<Value> {
    let act = path.ends_with("isolate");
    let sort = if path.contains("issue") { "_insert_time" } else { "creation_time" };
    let sort = if path.contains("endpoint") { "last_seen" } else { sort };
    let sort = if path.contains("/audits/") { "timestamp" } else { sort };
    let columns = path.ends_with("/assets") || path.contains("/vulnerability-finding/");
    Some(match key {
        "filter" | "filters" if columns => json!({}),
        "sort" if columns => {
            let field = if path.ends_with("/assets") { "xdm.asset.name" } else { "CVSS_SCORE" };
            json!([{"FIELD": field, "ORDER": "DESC"}])
        }
        "page_size" => json!(10),
        "alert_id_list" => json!([sim.estate("cortex-1").map(|e| e.alert_number(0).to_string())]),
        "alias" | "tag" => json!("a word"),
        "alerts_limit" => json!(10),
        "endpoint_id" => {
            // A machine that is neither gone nor under order.
            let estate = sim.estate("cortex-1").expect("the tenant");
            json!((0..60).find(|n| estate.online(*n)).map(|n| estate.host_id(n)))
        }
        // What changes something wants to be told of whom.
        "filters" if path.contains("/tags/") || path.ends_with("update_agent_name") => {
            json!([{"field": "endpoint_status", "operator": "in", "value": ["connected"]}])
        }
        "filters" if !act => json!([]),
        // The first order of the simulator; the isolation comes before.
        "group_action_id" => json!(101),
        "incident_id" if !act => incident.clone(),
        "include_actions" | "include_evidences" => json!(false),
        "search_from" => json!(0),
        "search_to" => json!(5),
        "sort" => json!({"field": sort, "keyword": "desc"}),
        "update_data" => json!({"status": "under_investigation"}),
        _ => return None,
    })
}

/// The operations that [`sample`] has not enough for, as a script's id: these succeed in the scenes alone. Every
/// other one takes all of the catalogue's keys that there is a sample of.
const BY_SCENE: &str = include_str!("../by_scene.txt");

/// Operations of the Cortex half by generation and path.
type Served = BTreeSet<(u8, &'static str)>;

/// Every operation of the Cortex half, asked with the catalogue's keys: what is not in the catalogue. Those that the
/// simulator granted go into `served`.
async fn cortex_operations(catalogue: &Catalogue, generation: u8, served: &mut Served) -> BTreeSet<Finding> {
    let builder = Sim::builder().falcon_tenants(0).cortex_generation(generation).key_type(KeyType::Standard);
    let sim = simulator(builder).await;
    let tenant = &sim.tenants()[0];
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else { panic!("no Cortex tenant") };
    let headers = vec![("x-xdr-auth-id", api_key_id.clone()), ("authorization", api_key.clone())];
    let hand = Hand { recorder: Arc::default(), base: tenant.base_url.clone(), headers };
    let list = send("POST", "/public_api/v1/incidents/get_incidents", &json!({"request_data": {}}));
    let incident = hand.ask(&list).await.json()["reply"]["incidents"][0]["incident_id"].clone();
    let mut found = BTreeSet::new();
    for operation in edr_sim::cortex::OPERATIONS.iter().filter(|o| o.generations.includes(generation)) {
        let method = if operation.verb == Verb::Get { "GET" } else { "POST" };
        let Some(keys) = catalogue.keys(generation, method, operation.path) else {
            found.insert(missing(&format!("{method} {}", operation.path)));
            continue;
        };
        let Keys::Named(keys) = keys else { continue };
        let data: serde_json::Map<String, Value> = keys
            .iter()
            .filter_map(|k| Some((k.clone(), sample(operation.path, k, &sim, &incident)?)))
            .collect();
        let call = send(method, operation.path, &json!({ "request_data": data }));
        let answer = hand.ask(&call).await;
        let by_hand = !BY_SCENE.lines().any(|path| path == operation.path);
        assert_eq!(answer.status == 200, by_hand, "{call:?}: {}: {}", answer.status, answer.json());
        if by_hand {
            served.insert((generation, operation.path));
        }
    }
    found
}

/// Everything that goes over the wire in the scenes of the native client, by generation.
async fn cortex_scenes() -> [(u8, Vec<Exchange>); 2] {
    let wire = cortex_scenes::Wire::default();
    macro_rules! play {
        ($($scene:ident)*) => { $(Box::pin(cortex_scenes::$scene(&wire)).await;)* };
    }
    cortex_scenes::each_scene!(play);
    [(3, wire.xdr3.take()), (5, wire.xdr5.take())]
}

/// An exchange under its operation's own path, where an id stands in the place of an id.
fn by_operation(exchange: &Exchange) -> Exchange {
    let path = exchange.path.trim_end_matches('/');
    let known = edr_sim::cortex::OPERATIONS.iter().find(|o| fits(o.path, path));
    let path = known.map_or(exchange.path.as_str(), |o| o.path).to_owned();
    Exchange { path, ..exchange.clone() }
}

/// The operations of a generation that were neither asked by hand nor in a scene with success.
fn cortex_left(generation: u8, exchanges: &[Exchange], served: &Served) -> Vec<&'static str> {
    let good = |path: &str| {
        let here = |e: &&Exchange| fits(path, e.path.trim_end_matches('/'));
        served.iter().any(|(g, p)| *g == generation && *p == path)
            || exchanges.iter().filter(here).any(|e| e.status < 300)
    };
    let all = edr_sim::cortex::OPERATIONS.iter().filter(|o| o.generations.includes(generation));
    all.map(|o| o.path).filter(|path| !good(path)).collect()
}

#[tokio::test]
async fn cortex_keeps_to_the_catalogue() {
    let Some(catalogue) = file("cortex-operation-catalog.json").map(Catalogue::read) else { return };
    let (mut found, mut served) = (BTreeSet::new(), Served::new());
    for (generation, scenes) in cortex_scenes().await {
        found.extend(cortex_operations(&catalogue, generation, &mut served).await);
        let exchanges = cortex_client(generation).await;
        assert!(exchanges.len() > 8, "{} requests are few", exchanges.len());
        let good = scenes.iter().filter(|e| e.status < 300).map(by_operation).collect::<Vec<_>>();
        found.extend(exchanges.iter().chain(&good).flat_map(|e| catalogue.request(generation, e)));
        let left = cortex_left(generation, &scenes, &served);
        assert!(left.is_empty(), "generation {generation} was asked for none of {left:?} with success");
    }
    let wrong = reckon(&read(ERRATA, "cortex"), &found);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_request_outside_the_catalogue_is_caught() {
    let Some(catalogue) = file("cortex-operation-catalog.json").map(Catalogue::read) else { return };
    let ask = |generation, method, path: &str, data: Value| {
        catalogue
            .request(generation, &exchange(method, path, "", &json!({"request_data": data}), 200, &json!({})))
    };
    let (endpoints, cases) = ("/public_api/v1/endpoints/get_endpoint", "/public_api/v1/case/search");
    assert_eq!(places(&ask(3, "POST", endpoints, json!({"filters": [], "search_to": 5}))), []);
    let wrong = ask(5, "POST", endpoints, json!({"limit": 5}));
    assert_eq!(places(&wrong), [("/body/request_data/limit", "additionalProperties")]);
    assert_eq!(places(&ask(5, "POST", cases, json!({}))), []);
    for (generation, method, path) in
        [(3, "POST", cases), (3, "GET", endpoints), (5, "POST", "/public_api/v1/nothing")]
    {
        assert_eq!(ask(generation, method, path, json!({})).first().expect("a finding").side, "operation");
    }
}
